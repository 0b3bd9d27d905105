// The thin layer between the core and an MSP-EXP430FR2433.
#include "board.h"
#include "platform.h"
#include "protocol.h"
#include "registers.h"

#define CLOCK_KHZ 15991U  // 488 · 32768 Hz
#define RING 64

enum { ERROR_LED = 1 << 0, BUSY_LED = 1 << 1, UART_PINS = 1 << 4 | 1 << 5 };  // of port 1

const uint8_t platform_variant = VARIANT_FR2433;
const uint16_t platform_clock_khz = CLOCK_KHZ;

// Shared with the interrupt handlers in start.S.
volatile uint8_t line_ring[RING];
volatile uint8_t line_head;
volatile uint8_t line_tail;
volatile uint16_t line_overruns;
volatile uint16_t timer_wraps;

static uint16_t boots __attribute__((section(".noinit")));

extern uint8_t bss_start[], stack_end[], stack_top[];

static void kick_watchdog(void)
{
    WDTCTL = WDTPW | WDTSSEL_ACLK | WDTCNTCL | WDTIS_32768;
}

int16_t platform_receive(void)
{
    kick_watchdog();
    uint8_t tail = line_tail;
    if (tail == line_head)
        return -1;
    uint8_t byte = line_ring[tail];
    line_tail = (tail + 1) & (RING - 1);
    return byte;
}

void platform_send(uint8_t byte)
{
    while (!(UCA0IFG & UCTXIFG))
        ;
    UCA0TXBUF = byte;
}

uint16_t platform_overruns(void)
{
    return line_overruns;
}

uint32_t platform_cycles(void)
{
    uint16_t high, low;
    do {
        high = timer_wraps;
        low = TA0R;
    } while (high != timer_wraps);
    return (uint32_t)high << 16 | low;
}

uint16_t platform_boot(void)
{
    return boots;
}

uint16_t platform_static_bytes(void)
{
    return stack_end - bss_start;
}

uint16_t platform_stack_bytes(void)
{
    const uint8_t *deepest = stack_end;
    while (*deepest == 0xA5)
        deepest++;
    return stack_top - deepest;
}

void platform_lights(bool busy, bool error)
{
    P1OUT = (busy ? BUSY_LED : 0) | (error ? ERROR_LED : 0);
}

// The microphone is at P1.3, A3.
void platform_capture(int16_t *samples, uint16_t count, uint16_t rate)
{
    uint16_t period = CLOCK_KHZ * 1000UL / rate;
    SYSCFG2 |= ADCPCTL3;
    ADCCTL0 = ADCSHT_16 | ADCON;
    ADCCTL1 = ADCSHP;
    ADCCTL2 = ADCRES_10_BIT;
    ADCMCTL0 = ADCINCH_3;
    uint16_t last = TA0R;
    while (count--) {
        kick_watchdog();
        while ((uint16_t)(TA0R - last) < period)
            ;
        last += period;
        ADCCTL0 |= ADCENC | ADCSC;
        while (ADCCTL1 & ADCBUSY)
            ;
        *samples++ = (ADCMEM0 << 6) - 0x8000;
    }
    ADCCTL0 = 0;
}

void platform_reset(void)
{
    while (UCA0STATW & UCBUSY)
        ;
    PMMCTL0 = PMMPW | PMMSWBOR;
}

// The DCO follows REFO by the FLL (user's guide, chapter 3). FRAM needs a wait state above 8 MHz.
static void start_clock(void)
{
    FRCTL0 = FRCTLPW | NWAITS_1;
    __asm__ volatile("bis %0, sr" : : "i"(SCG0));
    CSCTL3 = SELREF_REFO;
    CSCTL0 = 0;
    CSCTL1 = (CSCTL1 & ~DCORSEL_MASK) | DCORSEL_16_MHZ;
    CSCTL2 = 487;
    __asm__ volatile("nop\n\tnop\n\tnop\n\tbic %0, sr" : : "i"(SCG0));
    while (CSCTL7 & FLLUNLOCK)
        ;
    CSCTL4 = SELA_REFO;
}

static void start_line(void)
{
    UCA0CTLW0 = UCSSEL_SMCLK | UCSWRST;
    UCA0BRW = 8;
    UCA0MCTLW = 0xF7A1;  // 115200 baud from 16 MHz, as the user's guide recommends
    UCA0CTLW0 = UCSSEL_SMCLK;
    UCA0IE = UCRXIE;
}

static void sleep_until_interrupt(void)
{
    __asm__ volatile("dint\n\tnop" : : : "memory");
    if (line_tail == line_head)
        __asm__ volatile("bis #0x18, sr\n\tnop" : : : "memory");  // CPUOFF and GIE at once
    else
        __asm__ volatile("eint\n\tnop" : : : "memory");
}

int main(void)
{
    boots++;
    P1OUT = 0;
    P1DIR = ERROR_LED | BUSY_LED;
    P1SEL0 = UART_PINS;
    PM5CTL0 &= ~LOCKLPM5;
    start_clock();
    start_line();
    TA0CTL = TASSEL_SMCLK | MC_CONTINUOUS | TACLR | TAIE;
    __asm__ volatile("eint\n\tnop" : : : "memory");
    board_start();
    for (;;) {
        board_serve();
        sleep_until_interrupt();
    }
}
