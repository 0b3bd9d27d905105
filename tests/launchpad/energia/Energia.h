// As much of Energia as the sketch uses, on the host: the line is a pair of buffers.
#pragma once

#include <stdint.h>

#define F_CPU 8000000L
#define PMMPW 0xA500
#define PMMSWBOR 0x0004

enum { OUTPUT = 1, A3 = 9, RED_LED = 2, GREEN_LED = 19 };

struct Line {
    uint8_t received[4096], sent[4096];
    uint16_t filled, taken, count;

    void begin(long) {}
    void flush() {}
    int available() { return filled - taken; }
    int read() { return received[taken++]; }
    void write(uint8_t byte) { sent[count++] = byte; }
};

extern Line Serial;
extern uint16_t PMMCTL0;
uint32_t micros();
int analogRead(uint8_t);
void digitalWrite(uint8_t, uint8_t);
void pinMode(uint8_t, uint8_t);
