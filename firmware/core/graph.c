#include "graph.h"

#include "column.h"
#include "kernels.h"

_Static_assert(COLOUR_DISTANCE == 32, "colours are weighted by a shift");

#define BLOCK 64  // rows searched on one side before the other

struct search {
    const int8_t *self;
    struct found *nearest;
    struct found *last;
    uint16_t position;
    bool known_only;
};

static void insert(struct found *nearest, struct found *last, uint16_t distance, uint16_t position)
{
    for (; last > nearest && last[-1].distance > distance; last--)
        *last = last[-1];
    last->distance = distance;
    last->position = position;
}

// Searches a block of `count` pixels on one side, from `rows` away outwards. Most pixels are passed
// over because one feature alone differs too much.
static void search_block(const struct search *search, bool up, uint16_t rows, uint16_t count)
{
    const int8_t *self = search->self;
    const int8_t *pixel = up ? self - 2 * rows : self + 2 * rows;
    const int8_t *end = up ? pixel - 2 * count : pixel + 2 * count;
    int16_t stride = up ? -2 : 2;
    uint16_t worst = search->last->distance;
    while (rows < worst) {
        uint16_t reach = (worst - 1 - rows) >> 5;
        uint8_t span = reach > 127 ? 255 : 2 * reach;
        uint16_t distance;
        do {
            pixel = pass_over(pixel, end, stride, self[0] - reach, self[1] - reach, span);
            if (pixel == end)
                return;
            rows = (uint16_t)(up ? self - pixel : pixel - self) >> 1;
            distance = absolute(self[0] - pixel[0]) + absolute(self[1] - pixel[1]);
            distance = (distance << 5) + rows;
            pixel += stride;
        } while (distance >= worst && rows < worst);
        if (distance < worst) {
            uint16_t position = up ? search->position - rows : search->position + rows;
            if (!(search->known_only && is_unknown(position)))
                insert(search->nearest, search->last, distance, position);
            worst = search->last->distance;
        }
    }
}

// A pixel is never nearer than its rows are, so the search ends early.
static void search_from(uint16_t rows, const struct search *search)
{
    uint16_t above = search->position;
    uint16_t below = column.length - 1 - above;
    uint16_t worst;
    for (; rows < (worst = search->last->distance) && (rows <= above || rows <= below);
         rows += BLOCK) {
        uint16_t count = worst - rows < BLOCK ? worst - rows : BLOCK;
        if (rows <= above)
            search_block(search, true, rows, count <= above - rows ? count : above - rows + 1);
        if (rows <= below)
            search_block(search, false, rows, count <= below - rows ? count : below - rows + 1);
    }
}

void find_nearest(uint16_t position, struct found *nearest, uint8_t count)
{
    struct found *last = nearest + count - 1;
    struct search search = {column.features[position], nearest, last, position, false};
    for (uint8_t i = 0; i < count; i++)
        nearest[i].distance = NOWHERE;
    search_from(2, &search);
}

uint16_t find_anchor(uint16_t position)
{
    struct found anchor = {NOWHERE, position};
    struct search search = {column.features[position], &anchor, &anchor, position, true};
    search_from(1, &search);
    return anchor.position;
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
