// Drives the sketch from Python by ctypes.
#include "Energia.h"

Line Serial;
uint16_t PMMCTL0;

uint32_t micros()
{
    static uint32_t now;
    return now += 40;
}

int analogRead(uint8_t)
{
    static int level;
    return level++ & 1023;
}

void digitalWrite(uint8_t, uint8_t) {}
void pinMode(uint8_t, uint8_t) {}
void setup();
void loop();

// Starts the board (with no bytes), or hands it bytes; returns how many it sent in `reply`.
extern "C" int exchange(const uint8_t *bytes, int count, uint8_t *reply)
{
    Serial.taken = Serial.count = 0;
    Serial.filled = count;
    for (int i = 0; i < count; i++)
        Serial.received[i] = bytes[i];
    if (count)
        loop();
    else
        setup();
    for (int i = 0; i < Serial.count; i++)
        reply[i] = Serial.sent[i];
    return Serial.count;
}
