// The core's kernels for the MSP430FR2433; core/kernels.h says what they do. Products are those of
// the multiplier MPY32; no interrupt handler multiplies, so one is never disturbed.
#ifndef FR2433_KERNELS_H
#define FR2433_KERNELS_H

#include "registers.h"

// clang would shift by 15, bit by bit.
static inline uint16_t absolute(int16_t value)
{
    __asm__("tst %0\n\tjge 1f\n\tinv %0\n\tinc %0\n1:" : "+r"(value) : : "cc");
    return value;
}

// 10 cycles a pixel, and short enough for the 32 bytes of the FRAM cache.
static inline const int8_t *pass_over(const int8_t *pixel, const int8_t *end, int16_t stride,
                                      uint8_t first, uint8_t second, uint8_t span)
{
    uint8_t value;
    __asm__("jmp 3f\n"
            "1:\tmov.b @%[pixel], %[value]\n\t"
            "sub.b %[first], %[value]\n\t"
            "cmp.b %[value], %[span]\n\t"
            "jlo 2f\n\t"
            "mov.b 1(%[pixel]), %[value]\n\t"
            "sub.b %[second], %[value]\n\t"
            "cmp.b %[value], %[span]\n\t"
            "jhs 4f\n"
            "2:\tadd %[stride], %[pixel]\n"
            "3:\tcmp %[pixel], %[end]\n\t"
            "jne 1b\n"
            "4:"
            : [pixel] "+r"(pixel), [value] "=&r"(value)
            : [end] "r"(end), [stride] "r"(stride), [first] "r"(first), [second] "r"(second),
              [span] "r"(span)
            : "memory", "cc");
    return pixel;
}

static inline uint16_t high_product(uint16_t a, uint16_t b)
{
    MPY = a;
    OP2 = b;
    return RES1;
}

static inline int32_t product(uint16_t a, uint16_t b)
{
    MPY = a;
    OP2 = b;
    uint16_t low = RES0;
    return (uint32_t)RES1 << 16 | low;
}

static inline int32_t times(int32_t a, uint16_t b)
{
    MPY = b;
    OP2L = a;
    OP2H = (uint32_t)a >> 16;
    uint16_t low = RES0;
    return (uint32_t)RES1 << 16 | low;
}

static inline int32_t scaled(int32_t value, int32_t factor)
{
    RES0 = 0x8000;
    RES1 = 0;
    RES2 = 0;
    RES3 = 0;
    MACS32L = value;
    MACS32H = (uint32_t)value >> 16;
    OP2L = factor;
    OP2H = (uint32_t)factor >> 16;
    uint16_t low = RES1;
    return (uint32_t)RES2 << 16 | low;
}

static inline int64_t add_product(int64_t sum, int32_t a, int32_t b)
{
    union {
        int64_t whole;
        uint16_t words[4];
    } result = {sum};
    RES0 = result.words[0];
    RES1 = result.words[1];
    RES2 = result.words[2];
    RES3 = result.words[3];
    MACS32L = a;
    MACS32H = (uint32_t)a >> 16;
    OP2L = b;
    OP2H = (uint32_t)b >> 16;
    result.words[0] = RES0;
    result.words[1] = RES1;
    result.words[2] = RES2;
    result.words[3] = RES3;
    return result.whole;
}

#endif
