// Exact mode: every unknown pixel is tied to its NEIGHBOURS nearest ones and to the adjacent two;
// the ties count in both directions. The symmetric system is solved by conjugate gradients with the
// diagonal as preconditioner (Saad, Iterative Methods for Sparse Linear Systems, 2003, 9.2).
#include "column.h"
#include "graph.h"
#include "kernels.h"

#define ENOUGH 0x20000L  // residual energy at which alpha is within a level of 255

static uint16_t find_unknowns(void)
{
    uint16_t count = 0;
    for (uint16_t position = 0; position < column.length; position++)
        if (is_unknown(position))
            column.nodes[count++].position = position;
    return count;
}

static uint8_t number_of(uint16_t position, uint16_t count)
{
    uint8_t low = 0;
    uint8_t high = count - 1;
    while (low < high) {
        uint8_t middle = (low + high) >> 1;
        if (column.nodes[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void link_adjacent(struct node *node, uint16_t position)
{
    if (position >= column.length)
        return;
    node->diagonal += LINK;
    if (code_of(position) == CODE_FOREGROUND)
        node->pull += LINK;
}

static void link_neighbours(struct node *node, uint16_t count, uint16_t slope)
{
    struct found nearest[NEIGHBOURS];
    find_nearest(node->position, nearest, NEIGHBOURS);
    for (uint8_t i = 0; i < NEIGHBOURS && nearest[i].distance != NOWHERE; i++) {
        uint8_t affinity = affinity_of(nearest[i].distance, slope);
        node->diagonal += affinity;
        if (is_unknown(nearest[i].position)) {
            uint8_t neighbour = number_of(nearest[i].position, count);
            node->neighbour[i] = neighbour;
            node->affinity[i] = affinity;
            column.nodes[neighbour].diagonal += affinity;
        } else if (code_of(nearest[i].position) == CODE_FOREGROUND) {
            node->pull += affinity;
        }
    }
}

static bool build_graph(uint16_t count, running *go_on)
{
    uint32_t sum = 0;
    uint16_t distances = 0;
    for (uint16_t k = 0; k < count; k++) {
        struct node *node = &column.nodes[k];
        struct found nearest[NEIGHBOURS];
        node->diagonal = 0;
        node->pull = 0;
        find_nearest(node->position, nearest, NEIGHBOURS);
        for (uint8_t i = 0; i < NEIGHBOURS; i++) {
            node->affinity[i] = 0;
            if (nearest[i].distance != NOWHERE) {
                sum += nearest[i].distance;
                distances++;
            }
        }
        if (!go_on(PHASE_GRAPH, k >> 1, count))
            return false;
    }
    uint16_t slope = slope_of(sum, distances);
    for (uint16_t k = 0; k < count; k++) {
        struct node *node = &column.nodes[k];
        link_neighbours(node, count, slope);
        link_adjacent(node, node->position - 1);
        link_adjacent(node, node->position + 1);
        if (!go_on(PHASE_GRAPH, (count + k) >> 1, count))
            return false;
    }
    return true;
}

// product = system · direction
static void multiply(uint16_t count)
{
    for (uint16_t k = 0; k < count; k++)
        column.unknowns[k].product =
            times(column.unknowns[k].direction, column.nodes[k].diagonal);
    for (uint16_t k = 0; k < count; k++) {
        const struct node *node = &column.nodes[k];
        struct unknown *self = &column.unknowns[k];
        int32_t own = self->direction;
        int32_t sum = 0;
        for (uint8_t i = 0; i < NEIGHBOURS; i++) {
            uint8_t affinity = node->affinity[i];
            if (affinity) {
                struct unknown *other = &column.unknowns[node->neighbour[i]];
                sum += times(other->direction, affinity);
                other->product -= times(own, affinity);
            }
        }
        if (k + 1 < count && node[1].position == node->position + 1) {
            sum += times(self[1].direction, LINK);
            self[1].product -= times(own, LINK);
        }
        self->product -= sum;
    }
}

// 65536 · numerator / denominator, rounded down, at most 2^31 − 1; both positive.
static int32_t ratio(uint64_t numerator, uint64_t denominator)
{
    uint8_t bits = 16;
    while (denominator < numerator && bits < 31) {
        denominator <<= 1;
        bits++;
    }
    if (denominator < numerator)
        return INT32_MAX;
    uint32_t quotient = 0;
    for (uint8_t i = 0; i <= bits; i++) {
        quotient <<= 1;
        if (numerator >= denominator) {
            numerator -= denominator;
            quotient |= 1;
        }
        numerator <<= 1;
    }
    return quotient > INT32_MAX ? INT32_MAX : (int32_t)quotient;
}

static int64_t start(uint16_t count)
{
    int64_t energy = 0;
    for (uint16_t k = 0; k < count; k++) {
        struct node *node = &column.nodes[k];
        struct unknown *self = &column.unknowns[k];
        self->alpha = 0;
        self->residual = times(ONE, node->pull);
        node->pull = 65536UL / node->diagonal;
        self->direction = scaled(self->residual, node->pull);
        energy = add_product(energy, self->residual, self->direction);
    }
    return energy;
}

static int64_t curvature(uint16_t count)
{
    int64_t sum = 0;
    for (uint16_t k = 0; k < count; k++)
        sum = add_product(sum, column.unknowns[k].direction, column.unknowns[k].product);
    return sum;
}

static int64_t step(uint16_t count, int32_t length)
{
    int64_t energy = 0;
    for (uint16_t k = 0; k < count; k++) {
        struct unknown *self = &column.unknowns[k];
        self->alpha += scaled(self->direction, length);
        int32_t change = scaled(self->product, length);
        self->residual -= change;
        energy = add_product(energy, self->residual,
                             scaled(self->residual, column.nodes[k].pull));
    }
    return energy;
}

static void turn(uint16_t count, int32_t share)
{
    for (uint16_t k = 0; k < count; k++) {
        struct unknown *self = &column.unknowns[k];
        self->direction = scaled(self->residual, column.nodes[k].pull)
                          + scaled(self->direction, share);
    }
}

static void write_alphas(void)
{
    // The nodes lie where the alphas go.
    const struct unknown *unknown = column.unknowns;
    for (uint16_t position = 0; position < column.length; position++) {
        uint8_t code = code_of(position);
        int32_t level = code == CODE_FOREGROUND ? 255 : 0;
        if (code == CODE_UNKNOWN) {
            int32_t alpha = unknown++->alpha;
            level = alpha < 0 ? 0 : alpha > ONE ? 255 : (times(alpha, 255) + ONE / 2) >> 18;
        }
        column.alpha[position] = level;
    }
}

int16_t solve_exact(uint16_t count, running *go_on)
{
    find_unknowns();
    if (!build_graph(count, go_on))
        return -1;
    int64_t energy = start(count);
    int16_t iterations = 0;
    while (energy > ENOUGH && iterations < ITERATION_LIMIT) {
        multiply(count);
        int64_t bend = curvature(count);
        if (bend <= 0)
            break;
        int64_t before = energy;
        energy = step(count, ratio(energy, bend));
        iterations++;
        if (energy > ENOUGH)
            turn(count, ratio(energy, before));
        if (!go_on(PHASE_SOLVE, iterations, ITERATION_LIMIT))
            return -1;
    }
    write_alphas();
    return iterations;
}
