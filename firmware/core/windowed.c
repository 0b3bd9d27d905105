// Windowed mode, for columns whose system does not fit the SRAM: an unknown pixel is the weighted
// mean of its WINDOWED_NEIGHBOURS nearest ones, of the adjacent two, and of its anchor, the nearest
// known pixel. The ties count in one direction only, so a row of the system is found from the
// features alone, each time anew. Block Gauss-Seidel: WINDOW unknown pixels at a time are solved
// with all others held, down the column and up again; the anchors make that contract.
#include "column.h"
#include "graph.h"
#include "kernels.h"

#define STILL 2  // steps of the state below which a sweep has changed nothing
#define ROUNDS 8  // Gauss-Seidel rounds within a window
#define SETTLED 4  // steps of a window's alpha: 1/64 level

static uint16_t state_of(uint16_t position)
{
    uint8_t pair = column.fraction[position >> 1];
    return (uint16_t)column.alpha[position] << 4 | (position & 1 ? pair >> 4 : pair & 15);
}

static void set_state(uint16_t position, uint16_t state)
{
    uint8_t *pair = &column.fraction[position >> 1];
    uint8_t fraction = state & 15;
    column.alpha[position] = state >> 4;
    *pair = position & 1 ? (*pair & 15) | fraction << 4 : (*pair & 0xF0) | fraction;
}

// Sets out from the anchors; returns the slope of the affinities, 0 when ended.
static uint16_t anchor_all(uint16_t count, running *go_on)
{
    uint32_t sum = 0;
    uint16_t distances = 0;
    uint16_t done = 0;
    for (uint16_t position = 0; position < column.length; position++) {
        bool foreground = code_of(position) == CODE_FOREGROUND;
        if (is_unknown(position)) {
            struct found nearest[WINDOWED_NEIGHBOURS];
            find_nearest(position, nearest, WINDOWED_NEIGHBOURS);
            for (uint8_t i = 0; i < WINDOWED_NEIGHBOURS; i++)
                if (nearest[i].distance != NOWHERE) {
                    sum += nearest[i].distance;
                    distances++;
                }
            foreground = code_of(find_anchor(position)) == CODE_FOREGROUND;
            if (foreground)
                column.codes[position >> 2] |= CODE_UNKNOWN_FOREGROUND << ((position & 3) << 1);
            if (!go_on(PHASE_GRAPH, ++done, count))
                return 0;
        }
        set_state(position, foreground ? STATE_TOP : 0);
    }
    return slope_of(sum, distances);
}

static uint8_t row_at(uint16_t position, uint8_t rows)
{
    uint8_t row = 0;
    while (row < rows && column.window[row].position != position)
        row++;
    return row;
}

static void link_row(struct row *self, uint8_t rows, uint16_t slope)
{
    struct found nearest[WINDOWED_NEIGHBOURS];
    uint16_t position = self->position;
    self->diagonal = ANCHOR;
    self->pull = code_of(position) == CODE_UNKNOWN_FOREGROUND ? (int32_t)ANCHOR * STATE_TOP : 0;
    find_nearest(position, nearest, WINDOWED_NEIGHBOURS);
    for (uint8_t i = 0; i < WINDOWED_NEIGHBOURS; i++) {
        self->affinity[i] = 0;
        if (nearest[i].distance == NOWHERE)
            continue;
        uint8_t affinity = affinity_of(nearest[i].distance, slope);
        uint8_t row = row_at(nearest[i].position, rows);
        self->diagonal += affinity;
        if (row < rows) {
            self->neighbour[i] = row;
            self->affinity[i] = affinity;
        } else {
            self->pull += product(state_of(nearest[i].position), affinity);
        }
    }
    for (int8_t side = -1; side <= 1; side += 2) {
        uint16_t adjacent = position + side;
        if (adjacent >= column.length)
            continue;
        self->diagonal += LINK;
        if (row_at(adjacent, rows) == rows)
            self->pull += product(state_of(adjacent), LINK);
    }
    self->inverse = 65536UL / self->diagonal;
    self->alpha = state_of(position) << 4;
}

static bool adjacent(const struct row *a, const struct row *b)
{
    return a->position + 1 == b->position || b->position + 1 == a->position;
}

// Solves one row with the others held; returns by how much its alpha moved.
static uint16_t relax(struct row *self, uint8_t row, uint8_t rows)
{
    int32_t sum = self->pull * 16 - product(self->alpha, self->diagonal);
    for (uint8_t i = 0; i < WINDOWED_NEIGHBOURS; i++)
        if (self->affinity[i])
            sum += product(column.window[self->neighbour[i]].alpha, self->affinity[i]);
    if (row > 0 && adjacent(self, self - 1))
        sum += product(self[-1].alpha, LINK);
    if (row + 1 < rows && adjacent(self, self + 1))
        sum += product(self[1].alpha, LINK);
    int32_t move = scaled(sum, self->inverse);
    self->alpha += move;
    return move < 0 ? -move : move;
}

static void solve_window(uint8_t rows)
{
    for (uint8_t round = 0; round < ROUNDS; round++) {
        uint16_t most = 0;
        for (uint8_t i = 0; i < rows; i++) {
            uint8_t row = round & 1 ? rows - 1 - i : i;
            uint16_t moved = relax(&column.window[row], row, rows);
            if (moved > most)
                most = moved;
        }
        if (most < SETTLED)
            return;
    }
}

// Takes the next unknown pixels from `position` on into the window; returns how many.
static uint8_t gather(uint16_t *position, bool up)
{
    uint8_t rows = 0;
    while (rows < WINDOW && *position < column.length) {
        if (is_unknown(*position))
            column.window[rows++].position = *position;
        *position += up ? -1 : 1;
    }
    return rows;
}

static uint16_t put_back(uint8_t rows)
{
    uint16_t most = 0;
    for (uint8_t row = 0; row < rows; row++) {
        uint16_t position = column.window[row].position;
        uint16_t old = state_of(position);
        uint16_t state = (column.window[row].alpha + 8) >> 4;
        uint16_t moved = state > old ? state - old : old - state;
        set_state(position, state);
        if (moved > most)
            most = moved;
    }
    return most;
}

int16_t solve_windowed(uint16_t count, running *go_on)
{
    uint16_t slope = anchor_all(count, go_on);
    if (slope == 0)
        return -1;
    uint16_t most = NOWHERE;
    int16_t sweep = 0;
    for (; most > STILL && sweep < SWEEP_LIMIT; sweep++) {
        bool up = sweep & 1;
        uint16_t position = up ? column.length - 1 : 0;
        uint8_t rows;
        most = 0;
        while ((rows = gather(&position, up)) > 0) {
            for (uint8_t row = 0; row < rows; row++) {
                link_row(&column.window[row], rows, slope);
                if (!go_on(PHASE_SOLVE, sweep, SWEEP_LIMIT))
                    return -1;
            }
            solve_window(rows);
            uint16_t moved = put_back(rows);
            if (moved > most)
                most = moved;
        }
    }
    for (uint16_t position = 0; position < column.length; position++)
        column.alpha[position] = (state_of(position) + 8) >> 4;
    return sweep;
}
