// What the core asks of the chip it runs on.
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

extern const uint8_t platform_variant;
extern const uint16_t platform_clock_khz;

int16_t platform_receive(void);  // the next byte from the line, -1: none
void platform_send(uint8_t byte);
uint16_t platform_overruns(void);  // bytes lost because they were not read in time
uint32_t platform_cycles(void);  // CPU cycles since the start, modulo 2^32
uint16_t platform_boot(void);  // differs after every reset
uint16_t platform_static_bytes(void);
uint16_t platform_stack_bytes(void);  // the deepest stack since the start
void platform_capture(int16_t *samples, uint16_t count, uint16_t rate);  // from the microphone
void platform_lights(bool busy, bool error);
void platform_reset(void);

#endif
