// Products wider than an int. The FR2433 layer replaces them by its hardware multiplier.
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#ifdef ARITHMETIC
#include ARITHMETIC
#else

#include <stdint.h>

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
