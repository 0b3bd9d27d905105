// The column on the board: what it holds, and where in the 4 KB of SRAM.
#ifndef COLUMN_H
#define COLUMN_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

#define NOWHERE 0xFFFF  // a distance beyond all others
#define ONE 0x40000L    // alpha 1 in exact mode, 18 fractional bits
#define STATE_TOP 4080  // alpha 1 in windowed mode, 255 levels of 16 steps

// An unknown pixel that windowed mode ties to foreground; one tied to background stays UNKNOWN.
#define CODE_UNKNOWN_FOREGROUND 3

// Row of the symmetric system of exact mode, in units of affinity.
struct node {
    uint16_t position;
    uint16_t diagonal;
    uint16_t pull;  // right-hand side; afterwards 65536 / diagonal
    uint8_t neighbour[NEIGHBOURS];  // unknown pixels, counted from the top
    uint8_t affinity[NEIGHBOURS];   // 0: no such neighbour, or a known one
};

struct unknown {
    int32_t alpha;
    int32_t residual;
    int32_t direction;
    int32_t product;
};

// Row of the window that is being solved.
struct row {
    int32_t pull;  // of everything outside the window, in steps of the state
    uint16_t alpha;  // 256 steps a level
    uint16_t diagonal;
    uint16_t inverse;
    uint16_t position;
    uint8_t neighbour[WINDOWED_NEIGHBOURS];  // rows of the window
    uint8_t affinity[WINDOWED_NEIGHBOURS];   // 0: none, or one outside the window
};

struct column {
    union {
        int8_t features[PIXELS][2];
        struct unknown unknowns[EXACT_LIMIT];  // once the graph is built
        int16_t samples[PIXELS];
    };
    union {
        struct node nodes[EXACT_LIMIT];
        struct {
            uint8_t alpha[PIXELS];  // known pixels 0 or 255; the answer in either mode
            uint8_t fraction[PIXELS / 2];  // 4 more bits of each
            struct row window[WINDOW];
        };
    };
    uint8_t codes[PIXELS / 4];
    uint16_t length;
};

_Static_assert(sizeof(struct node) == 16, "a node takes 16 bytes");
_Static_assert(sizeof(struct unknown) == 16, "an unknown takes 16 bytes");
_Static_assert(sizeof(struct row) == 20, "a row takes 20 bytes");
_Static_assert(sizeof(struct column) <= 3404, "the column leaves SRAM for line and stack");
_Static_assert(EXACT_LIMIT <= 256, "neighbours are counted in 8 bits");

extern struct column column;

static inline uint8_t code_of(uint16_t position)
{
    return column.codes[position >> 2] >> ((position & 3) << 1) & 3;
}

static inline bool is_unknown(uint16_t position)
{
    static const uint8_t low_bit[] = {1, 4, 16, 64};
    return column.codes[position >> 2] & low_bit[position & 3];
}

// The alpha of every pixel into column.alpha. `running` is asked now and then, with the unknown
// pixels, iterations or sweeps done; false ends the solve. Returns iterations or sweeps, -1 ended.
typedef bool running(uint8_t phase, uint16_t done, uint16_t total);
int16_t solve_exact(uint16_t unknowns, running *go_on);
int16_t solve_windowed(uint16_t unknowns, running *go_on);

#endif
