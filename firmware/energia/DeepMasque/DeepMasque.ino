// The same core as an Energia sketch for the board MSP-EXP430FR2433LP: 8 MHz, back-channel UART.
// Before opening it, copy the folder firmware/core into this one's src (make energia does).
extern "C" {
#include "src/core/board.h"
#include "src/core/platform.h"
#include "src/core/protocol.h"
}

static const uint8_t MICROPHONE = A3;  // P1.3

extern "C" {

extern const uint8_t platform_variant = VARIANT_ENERGIA;
extern const uint16_t platform_clock_khz = F_CPU / 1000;

static uint16_t boots __attribute__((section(".noinit")));

#ifdef __MSP430__
extern uint8_t _end[];  // of the variables
static uint8_t *const STACK_TOP = (uint8_t *)0x3000;
static const uint8_t PAINT = 0xA5;

static void paint_stack()
{
    for (uint8_t *byte = _end; byte < (uint8_t *)__builtin_frame_address(0) - 16; byte++)
        *byte = PAINT;
}

uint16_t platform_static_bytes(void)
{
    return (uint16_t)_end - 0x2000;
}

uint16_t platform_stack_bytes(void)
{
    const uint8_t *deepest = _end;
    while (*deepest == PAINT)
        deepest++;
    return STACK_TOP - deepest;
}
#else
static void paint_stack()
{
}

uint16_t platform_static_bytes(void)
{
    return 0;
}

uint16_t platform_stack_bytes(void)
{
    return 0;
}
#endif

int16_t platform_receive(void)
{
    return Serial.available() ? Serial.read() : -1;
}

void platform_send(uint8_t byte)
{
    Serial.write(byte);
}

// Energia does not count them.
uint16_t platform_overruns(void)
{
    return 0;
}

uint32_t platform_cycles(void)
{
    return micros() * (F_CPU / 1000000);
}

uint16_t platform_boot(void)
{
    return boots;
}

void platform_lights(bool busy, bool error)
{
    digitalWrite(GREEN_LED, busy);
    digitalWrite(RED_LED, error);
}

void platform_capture(int16_t *samples, uint16_t count, uint16_t rate)
{
    uint16_t period = 1000000 / rate;
    uint32_t last = micros();
    while (count--) {
        while (micros() - last < period)
            ;
        last += period;
        *samples++ = (analogRead(MICROPHONE) << 6) - 0x8000;
    }
}

void platform_reset(void)
{
    Serial.flush();
    PMMCTL0 = PMMPW | PMMSWBOR;
}
}

void setup()
{
    paint_stack();
    boots++;
    pinMode(RED_LED, OUTPUT);
    pinMode(GREEN_LED, OUTPUT);
    Serial.begin(BAUD);
    board_start();
}

void loop()
{
    board_serve();
}
