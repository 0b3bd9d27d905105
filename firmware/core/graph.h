// Which pixels resemble which. The distance of pixels i and j is
//     COLOUR_DISTANCE · (|f0(i) − f0(j)| + |f1(i) − f1(j)|) + |i − j|,
// and their affinity falls with it linearly from LINK to 1 at twice the column's mean distance.
#ifndef GRAPH_H
#define GRAPH_H

#include <stdbool.h>
#include <stdint.h>

struct found {
    uint16_t distance;
    uint16_t position;
};

// The `count` pixels nearest to `position`, nearest first, adjacent ones left out; a place that
// remains empty has distance NOWHERE. Among equals that goes first which is found first: the search
// goes outwards by blocks of 64 rows, above before below.
void find_nearest(uint16_t position, struct found *nearest, uint8_t count);

// The known pixel nearest to `position`; there has to be one.
uint16_t find_anchor(uint16_t position);

// Fall of the affinity per distance, over 65536, from the sum of `count` distances.
uint16_t slope_of(uint32_t sum, uint16_t count);

uint8_t affinity_of(uint16_t distance, uint16_t slope);

#endif
