#include "graph.h"

#include "arithmetic.h"
#include "column.h"

_Static_assert(COLOUR_DISTANCE == 32, "colours are weighted by a shift");

static inline uint16_t colour_distance(const int8_t *a, const int8_t *b)
{
    int16_t first = a[0] - b[0];
    int16_t second = a[1] - b[1];
    if (first < 0)
        first = -first;
    if (second < 0)
        second = -second;
    return (uint16_t)(first + second) << 5;
}

static void insert(struct found *nearest, uint8_t count, uint16_t distance, uint16_t position)
{
    struct found *place = nearest + count - 1;
    for (; place > nearest && place[-1].distance > distance; place--)
        *place = place[-1];
    place->distance = distance;
    place->position = position;
}

void find_nearest(uint16_t position, struct found *nearest, uint8_t count)
{
    const int8_t *self = column.features[position];
    const int8_t *above = self - 2;
    const int8_t *below = self + 2;
    uint16_t rows_above = position;
    uint16_t rows_below = column.length - 1 - position;
    uint16_t *worst = &nearest[count - 1].distance;

    for (uint8_t i = 0; i < count; i++)
        nearest[i].distance = NOWHERE;
    // A pixel is never nearer than its rows are, so the search ends early.
    for (uint16_t rows = 2; rows < *worst; rows++) {
        if (rows > rows_above && rows > rows_below)
            return;
        if (rows <= rows_above) {
            above -= 2;
            uint16_t distance = colour_distance(self, above) + rows;
            if (distance < *worst)
                insert(nearest, count, distance, position - rows);
        }
        if (rows <= rows_below) {
            below += 2;
            uint16_t distance = colour_distance(self, below) + rows;
            if (distance < *worst)
                insert(nearest, count, distance, position + rows);
        }
    }
}

uint16_t find_anchor(uint16_t position)
{
    const int8_t *self = column.features[position];
    uint16_t anchor = position;
    uint16_t best = NOWHERE;
    for (uint16_t rows = 1; rows < best; rows++) {
        bool above = rows <= position;
        bool below = rows < column.length - position;
        if (!above && !below)
            break;
        if (above && !is_unknown(position - rows)) {
            uint16_t distance = colour_distance(self, column.features[position - rows]) + rows;
            if (distance < best) {
                best = distance;
                anchor = position - rows;
            }
        }
        if (below && !is_unknown(position + rows)) {
            uint16_t distance = colour_distance(self, column.features[position + rows]) + rows;
            if (distance < best) {
                best = distance;
                anchor = position + rows;
            }
        }
    }
    return anchor;
}

uint16_t slope_of(uint32_t sum, uint16_t count)
{
    uint32_t mean = count ? sum / count : 0;
    uint32_t slope = 65536UL * LINK / (2 * mean + 1);
    return slope > 65535 ? 65535 : slope;
}

uint8_t affinity_of(uint16_t distance, uint16_t slope)
{
    uint16_t fall = high_product(distance, slope);
    return fall < LINK ? LINK - fall : 1;
}
