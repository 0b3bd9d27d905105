// Where the time goes, in portable C. The FR2433 layer replaces it by its hardware multiplier and a
// few lines of assembly.
#ifndef KERNELS_H
#define KERNELS_H

#ifdef KERNELS
#include KERNELS
#else

#include <stdint.h>

static inline uint16_t absolute(int16_t value)
{
    return value < 0 ? -value : value;
}

// The first pixel from `pixel` on, going by `stride`, of which both features lie in first ..
// first + span and second .. second + span, modulo 256; else `end`.
static inline const int8_t *pass_over(const int8_t *pixel, const int8_t *end, int16_t stride,
                                      uint8_t first, uint8_t second, uint8_t span)
{
    while (pixel != end
           && ((uint8_t)(pixel[0] - first) > span || (uint8_t)(pixel[1] - second) > span))
        pixel += stride;
    return pixel;
}

// a · b / 65536, rounded down.
static inline uint16_t high_product(uint16_t a, uint16_t b)
{
    return (uint32_t)a * b >> 16;
}

static inline int32_t product(uint16_t a, uint16_t b)
{
    return (uint32_t)a * b;
}

// a · b; it has to fit.
static inline int32_t times(int32_t a, uint16_t b)
{
    return a * (int32_t)b;
}

// value · factor / 65536, rounded to the nearest; it has to fit.
static inline int32_t scaled(int32_t value, int32_t factor)
{
    return ((int64_t)value * factor + 0x8000) >> 16;
}

// sum + a · b
static inline int64_t add_product(int64_t sum, int32_t a, int32_t b)
{
    return sum + (int64_t)a * b;
}

#endif
#endif
