"""The MSP430FR2433 around its CPU: memory map, clocks, and the peripherals a firmware touches.

Registers live in the lowest 4 KB of `Machine.memory`, as the CPU sees them; what has no register
(counters, due times) lives in `Machine.state`. Time is counted in MCLK cycles. Nothing ticks: a
peripheral says at which cycle it will next change, and `advance` brings it there.

Sources: MSP430FR4xx and MSP430FR2xx Family User's Guide (SLAU445), MSP430FR2433 data sheet
(SLASE59). Not modelled, and refused when touched: CRC module, RTC counter, 7-bit, parity and SPI
modes of eUSCI_A0, fractional and saturating products. eUSCI_A1, eUSCI_B0 and the backup memory
are plain storage. Not modelled and silent: timer capture and outputs, oscillator start-up times,
clocks that stop in low-power modes.
"""

import numpy as np
from numba import types
from numpy.typing import NDArray

from deepmasque.launchpad.machine import (
    ADC_AT,
    ADC_SAMPLE_AT,
    AT,
    BAUD,
    CACHE,
    CYCLES,
    FLAG,
    FRAM_OPEN,
    FRAM_PASSWORD,
    HORIZON,
    IDLE,
    INT,
    KICKS,
    LINE,
    LINE_BYTES,
    LOST,
    MACHINE,
    MCLK,
    MPY_AT,
    NEVER,
    NOT_MODELLED,
    NOTHING,
    OVERRUNS,
    PC,
    PMM_OPEN,
    PMM_PASSWORD,
    PULLED,
    RATE,
    RECEIVED,
    RESET,
    RESET_VECTOR,
    RX_AT,
    RX_FREE,
    RX_HEAD,
    RX_TAIL,
    SAMPLES,
    SENT,
    SOUND,
    STACK_LOW,
    STACK_TOP,
    SW_BOR,
    SW_POR,
    TIME_CYCLE,
    TIME_NS,
    TIMER_AT,
    TIMER_BASE,
    TIMER_POSITION,
    TIMER_TICKS,
    TO_HOST,
    TOO_EARLY,
    TOO_FAST,
    TOUCHED,
    TX_AT,
    TX_BYTE,
    TX_WAITING,
    VACANT,
    WDT_AT,
    WDT_BASE,
    WDT_EXPIRED,
    WDT_HELD,
    WDT_PASSWORD,
    Machine,
    compiled,
    demand_reset,
    fault,
)

# Registers of the peripherals
SFRIE1, SFRIFG1 = 0x0100, 0x0102
PMMCTL0, PM5CTL0 = 0x0120, 0x0130
SYSRSTIV, SYSCFG0 = 0x015E, 0x0160
CSCTL0, CSCTL1, CSCTL2, CSCTL3, CSCTL4 = 0x0180, 0x0182, 0x0184, 0x0186, 0x0188
CSCTL5, CSCTL6, CSCTL7, CSCTL8 = 0x018A, 0x018C, 0x018E, 0x0190
FRCTL0, WDTCTL = 0x01A0, 0x01CC
PAIN, PAOUT, PADIR, PAREN, PASEL0, PASEL1 = 0x0200, 0x0202, 0x0204, 0x0206, 0x020A, 0x020C
P1IV, PAIES, PAIE, PAIFG, P2IV, PBIN = 0x020E, 0x0218, 0x021A, 0x021C, 0x021E, 0x0220
TIMERS, TIMERS_END = 0x0380, 0x0480
MPY, OP2, RESLO, RESHI, SUMEXT = 0x04C0, 0x04C8, 0x04CA, 0x04CC, 0x04CE
MPY32L, MPY32H, OP2L, OP2H = 0x04D0, 0x04D2, 0x04E0, 0x04E2
RES0, RES1, RES3, MPY32CTL0 = 0x04E4, 0x04E6, 0x04EA, 0x04EC
UCTLW, UBRW, UMCTLW, USTATW, URXBUF, UTXBUF = 0x0500, 0x0506, 0x0508, 0x050A, 0x050C, 0x050E
UIE, UIFG, UIV, UA1IFG, UB0IFG = 0x051A, 0x051C, 0x051E, 0x053C, 0x056C
BACKUP, BACKUP_END = 0x0660, 0x0680
ADCCTL0, ADCCTL1, ADCCTL2, ADCMCTL0, ADCMEM0 = 0x0700, 0x0702, 0x0704, 0x070A, 0x0712
ADCIE, ADCIFG, ADCIV = 0x071A, 0x071C, 0x071E

REFO, VLO, MODOSC = 32768, 10_000, 5_000_000  # Hz; the crystal has the frequency of REFO
RANGES = (1_000_000, 2_000_000, 4_000_000, 8_000_000, 12_000_000, 16_000_000)  # of DCORSEL
FRAM_LIMIT = 8_200_000  # Hz that FRAM follows without wait states, with the DCO's tolerance
RXIFG, TXIFG, TXCPTIFG = 1, 2, 8
UCOE, UCFE, UCRXERR = 0x20, 0x40, 0x04
PAIR, TRIPLE = types.UniTuple(INT, 2), types.UniTuple(INT, 3)


def _register_map() -> NDArray[np.uint8]:
    """Per word of the peripheral space: 0 vacant, 1 present, 2 present but not modelled."""
    present = np.zeros(0x800, np.uint8)
    for first, last in (
        (0x0100, 0x0105),
        (0x0120, 0x0131),
        (0x0140, 0x0165),
        (0x0180, 0x0191),
        (0x01A0, 0x01A7),
        (0x01CC, 0x01CD),
        (0x0200, 0x021F),
        (0x0220, 0x022D),
        (0x0380, 0x03AF),
        (0x03C0, 0x03EF),
        (0x0400, 0x042F),
        (0x0440, 0x046F),
        (0x04C0, 0x04ED),
        (0x0500, 0x056F),
        (0x0660, 0x067F),
        (0x0700, 0x071F),
    ):
        present[first // 2 : last // 2 + 1] = 1
    for first, last in ((0x01C0, 0x01C7), (0x0300, 0x030D)):
        present[first // 2 : last // 2 + 1] = 2
    return present


REGISTERS = _register_map()
SAMPLE_CLOCKS = (4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1024, 1024, 1024)
# MCLK cycles after the last operand until RES0..RES3 hold a product, per width of the operands
READY_16, READY_48, READY_64 = (3, 3, 4, 4), (3, 5, 6, 7), (3, 3, 5, 6)


@compiled(PAIR(MACHINE))
def dco(m: Machine) -> tuple[int, int]:
    """Hz the FLL steers the DCO to, what the range of DCORSEL allows of it, and FLLUNLOCK."""
    w = m.words
    divider = np.int64(w[CSCTL3 >> 1]) & 7
    reference = REFO if divider == 0 else REFO // (16 << min(divider, 5))
    control = np.int64(w[CSCTL2 >> 1])
    wanted = (reference * ((control & 0x3FF) + 1)) << min((control >> 12) & 7, 5)
    nominal = RANGES[min((np.int64(w[CSCTL1 >> 1]) >> 1) & 7, 5)]
    low, high = nominal * 6 // 10, nominal * 13 // 10
    if wanted > high:
        return high, 1
    if wanted < low:
        return low, 2
    return wanted, 0


@compiled(NOTHING(MACHINE))
def check_fram_speed(m: Machine) -> None:
    """Refuse a CPU clock that FRAM cannot follow."""
    if m.state[MCLK] > FRAM_LIMIT and m.words[FRCTL0 >> 1] & 0x70 == 0:
        fault(m, TOO_FAST, m.state[MCLK])


@compiled(NOTHING(MACHINE))
def set_clocks(m: Machine) -> None:
    """Derive MCLK from the clock registers and carry everything that is under way over to it."""
    s, w = m.state, m.words
    frequency, _ = dco(m)
    source = np.int64(w[CSCTL4 >> 1]) & 7
    if source == 0:
        control = np.int64(w[CSCTL2 >> 1])
        frequency >>= min((control >> 12) & 7, 5)
    elif source == 3:
        frequency = VLO
    else:
        frequency = REFO
    frequency >>= np.int64(w[CSCTL5 >> 1]) & 7
    frequency = max(frequency, 1)
    now, old = s[CYCLES], s[MCLK]
    if old > 0:
        s[TIME_NS] += (now - s[TIME_CYCLE]) * 1_000_000_000 // old
        if s[RX_AT] != NEVER:
            s[RX_AT] = now + (s[RX_AT] - now) * frequency // old
    s[TIME_CYCLE], s[MCLK] = now, frequency
    s[RX_FREE] = now
    check_fram_speed(m)


@compiled(PAIR(MACHINE, INT))
def ratio(m: Machine, source: int) -> tuple[int, int]:
    """Ticks per MCLK cycle, as a fraction, of source 0 SMCLK, 1 ACLK, 2 VLOCLK, 3 MODOSC."""
    if source == 0:
        return 1, np.int64(1) << ((np.int64(m.words[CSCTL5 >> 1]) >> 4) & 3)
    if source == 1:
        return REFO, m.state[MCLK]
    return (VLO if source == 2 else MODOSC), m.state[MCLK]


@compiled(INT(MACHINE, INT))
def nanoseconds(m: Machine, cycle: int) -> int:
    """Board time at a cycle of the present clock, ns since power-up."""
    s = m.state
    return s[TIME_NS] + (cycle - s[TIME_CYCLE]) * 1_000_000_000 // s[MCLK]


@compiled(INT(MACHINE))
def bit_time(m: Machine) -> int:
    """Length of a bit of eUSCI_A0 in 1/8 MCLK cycles, the modulation averaged; 0 without clock."""
    w = m.words
    source = (np.int64(w[UCTLW >> 1]) >> 6) & 3
    if source == 0:
        return 0
    modulation = np.int64(w[UMCTLW >> 1])
    eighths = 8 * np.int64(w[UBRW >> 1])
    if modulation & 1:
        eighths = 16 * eighths + 8 * ((modulation >> 4) & 15)
    for i in range(8, 16):
        eighths += (modulation >> i) & 1
    ticks, cycles = ratio(m, 1 if source == 1 else 0)
    return eighths * cycles // ticks


@compiled(INT(INT, INT, INT))
def sampled(byte: int, sender: int, receiver: int) -> int:
    """What a receiver of bit time `receiver` reads of a byte sent with `sender`; -1: no frame."""
    if sender <= 0 or receiver <= 0:
        return -1
    frame = (byte << 1) | 0x200
    result = 0
    for k in range(10):
        position = (2 * k + 1) * receiver // (2 * sender)
        level = (frame >> position) & 1 if position < 10 else 1
        if (k == 0 and level == 1) or (k == 9 and level == 0):
            return -1
        result |= level << k
    return (result >> 1) & 0xFF


@compiled(FLAG(MACHINE, INT))
def connected(m: Machine, pin: int) -> bool:
    """Whether the pin of port 1 carries the UART: function selected, and I/O unlocked."""
    w = m.words
    selected = (w[PASEL0 >> 1] >> pin) & 1 == 1 and (w[PASEL1 >> 1] >> pin) & 1 == 0
    return selected and w[PM5CTL0 >> 1] & 1 == 0


@compiled(INT(MACHINE))
def line_byte(m: Machine) -> int:
    """MCLK cycles that a byte of the host takes on the line."""
    return 10 * m.state[MCLK] // m.state[BAUD]


@compiled(NOTHING(MACHINE))
def receive(m: Machine) -> None:
    """A byte of the host is complete."""
    s, w = m.state, m.words
    byte = np.int64(m.memory[RECEIVED + s[RX_TAIL]])
    s[RX_TAIL] = (s[RX_TAIL] + 1) & 0xFFFF
    s[RX_FREE] = s[RX_AT]
    s[RX_AT] = NEVER if s[RX_TAIL] == s[RX_HEAD] else s[RX_FREE] + line_byte(m)
    control = np.int64(w[UCTLW >> 1])
    if control & 1 or not connected(m, 5):
        s[LOST] += 1
        return
    byte = sampled(byte, 8 * s[MCLK] // s[BAUD], bit_time(m))
    status = np.int64(w[USTATW >> 1])
    if byte < 0:
        if control & 0x20 == 0:
            s[LOST] += 1
            return
        byte, status = 0, status | UCFE | UCRXERR
    if w[UIFG >> 1] & RXIFG:
        status |= UCOE | UCRXERR
        s[OVERRUNS] += 1
    w[USTATW >> 1] = status
    w[URXBUF >> 1] = byte
    w[UIFG >> 1] |= RXIFG


@compiled(NOTHING(MACHINE, INT, INT))
def transmit(m: Machine, byte: int, start: int) -> None:
    """Shift a byte out from cycle `start` on."""
    m.state[TX_BYTE] = byte
    m.state[TX_AT] = start + max(10 * bit_time(m) // 8, 1)


@compiled(NOTHING(MACHINE))
def transmitted(m: Machine) -> None:
    """The shift register is empty: hand its byte to the host, go on with the next."""
    s, w = m.state, m.words
    if connected(m, 4):
        byte = sampled(s[TX_BYTE], bit_time(m), 8 * s[MCLK] // s[BAUD])
        if byte >= 0:
            m.memory[TO_HOST + s[SENT]] = byte
            s[SENT] += 1
    done = s[TX_AT]
    if s[TX_WAITING]:
        s[TX_WAITING] = 0
        w[UIFG >> 1] |= TXIFG
        transmit(m, np.int64(w[UTXBUF >> 1]), done)
    else:
        w[UIFG >> 1] |= TXCPTIFG
        s[TX_AT] = NEVER


@compiled(TRIPLE(MACHINE))
def watchdog_clock(m: Machine) -> tuple[int, int, int]:
    """Ticks per cycle of the watchdog's source, as a fraction, and the ticks of its interval."""
    control = np.int64(m.words[WDTCTL >> 1])
    source = (control >> 5) & 3
    ticks, cycles = ratio(m, min(source, 2))
    bits = (31, 27, 23, 19, 15, 13, 9, 6)[control & 7]
    return ticks, cycles, np.int64(1) << bits


@compiled(NOTHING(MACHINE))
def schedule_watchdog(m: Machine) -> None:
    """Compute when the watchdog expires."""
    s = m.state
    if m.words[WDTCTL >> 1] & 0x80:
        s[WDT_AT] = NEVER
        return
    ticks, cycles, interval = watchdog_clock(m)
    s[WDT_AT] = s[WDT_BASE] + (interval * cycles + ticks - 1) // ticks


@compiled(NOTHING(MACHINE, INT))
def write_watchdog(m: Machine, value: int) -> None:
    """WDTCTL: password, hold, clear, source and interval."""
    s, w = m.state, m.words
    if value >> 8 != 0x5A:
        demand_reset(m, WDT_PASSWORD)
        return
    ticks, cycles, _ = watchdog_clock(m)
    held = np.int64(w[WDTCTL >> 1]) & 0x80
    count = s[WDT_HELD] if held else (s[CYCLES] - s[WDT_BASE]) * ticks // cycles
    if value & 8:
        count = 0
    kick = 0x6900 | (value & 0xF7)
    if np.int64(w[WDTCTL >> 1]) == kick:
        s[KICKS] += 1
    else:
        s[TOUCHED] += 1
    w[WDTCTL >> 1] = kick
    ticks, cycles, _ = watchdog_clock(m)
    s[WDT_HELD] = count
    s[WDT_BASE] = s[CYCLES] - count * cycles // ticks
    schedule_watchdog(m)


@compiled(PAIR(MACHINE, INT))
def timer_clock(m: Machine, base: int) -> tuple[int, int]:
    """Ticks per cycle of a timer, as a fraction; (0, 1) when it stands still."""
    w = m.words
    control = np.int64(w[base >> 1])
    source = (control >> 8) & 3
    if (control >> 4) & 3 == 0 or source == 0 or source == 3:
        return 0, 1
    ticks, cycles = ratio(m, 1 if source == 1 else 0)
    divider = ((np.int64(w[(base + 0x20) >> 1]) & 7) + 1) << ((control >> 6) & 3)
    return ticks, cycles * divider


@compiled(INT(MACHINE, INT))
def timer_period(m: Machine, base: int) -> int:
    """Ticks after which a timer repeats itself; 0: it stands still."""
    mode = (np.int64(m.words[base >> 1]) >> 4) & 3
    top = np.int64(m.words[(base + 0x12) >> 1])
    if mode == 2:
        return 0x10000
    if top == 0:
        return 0
    return top + 1 if mode == 1 else 2 * top


@compiled(INT(INT, INT, INT, FLAG))
def timer_step(position: int, value: int, period: int, updown: bool) -> int:
    """Ticks from a position until the timer next counts to a value; 0: never."""
    if value >= period:
        return 0
    step = (value - position - 1) % period + 1
    if updown:
        step = min(step, (period - value - position - 1) % period + 1)
    return step


@compiled(NOTHING(MACHINE, INT))
def sync_timer(m: Machine, i: int) -> None:
    """Bring the counter and flags of timer `i` to the present and compute its next event."""
    s, w = m.state, m.words
    base = TIMERS + 0x40 * i
    s[TIMER_AT + i] = NEVER
    ticks, cycles = timer_clock(m, base)
    period = timer_period(m, base)
    if ticks == 0 or period == 0:
        return
    updown = np.int64(w[base >> 1]) & 0x30 == 0x30
    count = (s[CYCLES] - s[TIMER_BASE + i]) * ticks // cycles
    elapsed = count - s[TIMER_TICKS + i]
    position = (s[TIMER_POSITION + i] + s[TIMER_TICKS + i]) % period
    s[TIMER_TICKS + i] = count
    now = (position + elapsed) % period
    top = period // 2
    w[(base + 0x10) >> 1] = period - now if updown and now > top else now
    nearest = np.int64(0)
    for n in range(4):  # CCR0, CCR1, CCR2, and the way back to zero
        if n == 2 and i >= 2:
            continue
        register = (base + 2 + 2 * n) >> 1 if n < 3 else base >> 1
        if n < 3 and w[register] & 0x100:
            continue
        value = np.int64(w[(base + 0x12 + 2 * n) >> 1]) if n < 3 else 0
        step = timer_step(position, value, period, updown and n < 3)
        if 0 < step <= elapsed:
            w[register] |= 1
        if w[register] & 1 == 0:
            step = timer_step(now, value, period, updown and n < 3)
            if step > 0 and (nearest == 0 or step < nearest):
                nearest = step
    if nearest > 0:
        due = (count + nearest) * cycles
        s[TIMER_AT + i] = s[TIMER_BASE + i] + (due + ticks - 1) // ticks


@compiled(NOTHING(MACHINE, INT))
def rebase_timer(m: Machine, i: int) -> None:
    """Count on from the present value, with the present settings."""
    s, w = m.state, m.words
    base = TIMERS + 0x40 * i
    value = np.int64(w[(base + 0x10) >> 1])
    period = timer_period(m, base)
    s[TIMER_POSITION + i] = value if value < period else 0
    s[TIMER_BASE + i], s[TIMER_TICKS + i] = s[CYCLES], 0
    sync_timer(m, i)


@compiled(NOTHING(MACHINE, INT, INT))
def write_timer(m: Machine, address: int, value: int) -> None:
    """A register of Timer_A."""
    i, offset = (address - TIMERS) >> 6, address & 0x3F
    sync_timer(m, i)
    if offset == 0 and value & 4:
        m.words[(address + 0x10) >> 1] = 0
        value &= ~4
    m.words[address >> 1] = value
    rebase_timer(m, i)


@compiled(INT(MACHINE, INT))
def timer_vector(m: Machine, i: int) -> int:
    """TAxIV, which also clears the flag it names."""
    base = TIMERS + 0x40 * i
    for n in range(1, 4):
        if n == 2 and i >= 2:
            continue
        register = (base + 2 + 2 * n) >> 1 if n < 3 else base >> 1
        enable = 0x10 if n < 3 else 2
        if m.words[register] & 1 and m.words[register] & enable:
            m.words[register] &= ~np.uint16(1)
            sync_timer(m, i)
            return 2 * n if n < 3 else 14
    return 0


@compiled(NOTHING(MACHINE, INT))
def start_conversion(m: Machine, start: int) -> None:
    """Sample the selected channel, then convert it."""
    s, w = m.state, m.words
    control = np.int64(w[ADCCTL1 >> 1])
    select = (control >> 3) & 3
    ticks, cycles = ratio(m, 3 if select == 0 else (1 if select == 1 else 0))
    divider = (1, 4, 64, 64)[(np.int64(w[ADCCTL2 >> 1]) >> 8) & 3] * (((control >> 5) & 7) + 1)
    hold = SAMPLE_CLOCKS[(np.int64(w[ADCCTL0 >> 1]) >> 8) & 15]
    resolution = (np.int64(w[ADCCTL2 >> 1]) >> 4) & 3
    s[ADC_SAMPLE_AT] = start + hold * divider * cycles // ticks
    s[ADC_AT] = start + (hold + 10 + 2 * min(resolution, 2)) * divider * cycles // ticks
    w[ADCCTL1 >> 1] |= 1


@compiled(NOTHING(MACHINE))
def converted(m: Machine) -> None:
    """The conversion is complete."""
    s, w = m.state, m.words
    channel = np.int64(w[ADCMCTL0 >> 1]) & 15
    level = np.int64(0)  # of 16 bits
    if channel < 8:
        moment = nanoseconds(m, s[ADC_SAMPLE_AT]) * s[RATE] // 1_000_000_000
        level = np.int64(w[(SOUND >> 1) + moment % s[SAMPLES]]) ^ 0x8000  # int16, offset
    elif channel == 13:
        level = np.int64(0x745D)  # 1.5 V of 3.3 V
    elif channel == 15:
        level = np.int64(0xFFFF)
    control = np.int64(w[ADCCTL2 >> 1])
    bits = 8 + 2 * min((control >> 4) & 3, 2)
    result = level >> (16 - bits)
    if control & 8:
        result = ((result << (16 - bits)) - 0x8000) & 0xFFFF
    w[ADCMEM0 >> 1] = result
    w[ADCIFG >> 1] |= 0x11 if w[ADCIFG >> 1] & 1 else 1
    done = s[ADC_AT]
    s[ADC_AT] = NEVER
    w[ADCCTL1 >> 1] &= ~np.uint16(1)
    repeat = w[ADCCTL1 >> 1] & 4 and w[ADCCTL0 >> 1] & 0x80 and w[ADCCTL0 >> 1] & 2
    if repeat:
        start_conversion(m, done)


@compiled(NOTHING(MACHINE, FLAG))
def multiply(m: Machine, wide: bool) -> None:
    """Compute the product that the mode asks for; `wide`: the second operand has 32 bits."""
    s, w = m.state, m.words
    control = np.int64(w[MPY32CTL0 >> 1])
    signed, accumulate, long = control & 0x10, control & 0x20, control & 0x40
    if long:
        a = np.int64(w[MPY32L >> 1]) | np.int64(w[MPY32H >> 1]) << 16
        if signed and a & 0x80000000:
            a -= np.int64(1) << 32
    else:
        a = np.int64(w[MPY >> 1])
        if signed and a & 0x8000:
            a -= 0x10000
    if wide:
        b = np.int64(w[OP2L >> 1]) | np.int64(w[OP2H >> 1]) << 16
        if signed and b & 0x80000000:
            b -= np.int64(1) << 32
    else:
        b = np.int64(w[OP2 >> 1])
        if signed and b & 0x8000:
            b -= 0x10000
    words = 4 if long or wide else 2
    carry = np.int64(0)
    product = a * b  # modulo 2**64, as the result registers hold it
    for i in range(words):
        part = ((product >> (16 * i)) & 0xFFFF) + carry
        if accumulate:
            part += np.int64(w[(RES0 >> 1) + i])
        w[(RES0 >> 1) + i] = part & 0xFFFF
        carry = part >> 16
    w[RESLO >> 1] = w[RES0 >> 1]
    w[RESHI >> 1] = w[RES1 >> 1]
    if signed:
        w[SUMEXT >> 1] = 0xFFFF if w[(RES0 >> 1) + words - 1] & 0x8000 else 0
    else:
        w[SUMEXT >> 1] = carry if accumulate else 0
    w[MPY32CTL0 >> 1] = (control & ~1) | (w[SUMEXT >> 1] & 1)
    s[MPY_AT] = s[CYCLES]


@compiled(NOTHING(MACHINE, INT, INT, FLAG))
def write_multiplier(m: Machine, address: int, value: int, byte: bool) -> None:
    """An operand, which may start a product, or a result register of MPY32."""
    s, w = m.state, m.words
    s[TOUCHED] += 1
    register = address & ~1
    control = np.int64(w[MPY32CTL0 >> 1])
    if register == MPY32CTL0:
        if value & 0x0C:
            fault(m, NOT_MODELLED, register)
        w[register >> 1] = value
        return
    operand = register < RESLO or MPY32L <= register < RES0
    if not byte:
        w[register >> 1] = value
    elif not operand:
        m.memory[address] = value
    else:
        signed = (register >> 1) & 1 if register < OP2 else (register >> 2) & 1
        if register == OP2 or register >= OP2L:
            signed = (control >> 4) & 1
        w[register >> 1] = value | 0xFF00 if signed and value & 0x80 else value
    if register < OP2:
        w[MPY32CTL0 >> 1] = (control & ~0x70) | ((register - MPY) >> 1) << 4
        w[MPY >> 1] = w[register >> 1]
    elif MPY32L <= register < OP2L:
        w[MPY32CTL0 >> 1] = (control & ~0x70) | 0x40 | ((register - MPY32L) >> 2) << 4
        w[(MPY32L + (register & 2)) >> 1] = w[register >> 1]
    elif register == OP2:
        w[MPY32CTL0 >> 1] = control & ~0x80
        multiply(m, False)
    elif register == OP2L:
        w[MPY32CTL0 >> 1] = control | 0x80
    elif register == OP2H:
        multiply(m, True)
    elif register in (RESLO, RESHI):
        w[(RES0 + register - RESLO) >> 1] = w[register >> 1]
    elif register in (RES0, RES1):
        w[(RESLO + register - RES0) >> 1] = w[register >> 1]


@compiled(NOTHING(MACHINE, INT))
def check_product(m: Machine, register: int) -> None:
    """Refuse to read a result before the cycle from which the multiplier holds it."""
    s, w = m.state, m.words
    i = min(register - RESLO >> 1, 1) if register < RES0 else register - RES0 >> 1
    widths = (np.int64(w[MPY32CTL0 >> 1]) >> 6) & 3
    ready = READY_16[i] if widths != 1 and widths != 3 else READY_48[i]
    if widths == 3:
        ready = READY_64[i]
    # The operand is read in the second cycle of an instruction, in the third behind an index.
    mode = (np.int64(w[s[AT] >> 1]) >> 4) & 3
    if s[CYCLES] + (3 if mode == 1 else 2) < s[MPY_AT] + ready:
        fault(m, TOO_EARLY, register)


@compiled(INT(MACHINE))
def pins(m: Machine) -> int:
    """Levels of the pins of P1 (low byte) and P2: driven, pulled by a resistor, or by a button."""
    w, s = m.words, m.state
    out, direction, resistor = w[PAOUT >> 1], w[PADIR >> 1], w[PAREN >> 1]
    levels = np.int64(out & (direction | resistor)) | 0x20  # RXD idles high
    return levels & ~(s[PULLED] & ~np.int64(direction))


@compiled(NOTHING(MACHINE, INT))
def pull(m: Machine, mask: int) -> None:
    """Pull pins low from outside and release all others, with the interrupts that causes."""
    w = m.words
    before = pins(m)
    m.state[PULLED] = mask
    edges = before ^ pins(m)
    falling = edges & before
    select = np.int64(w[PAIES >> 1])
    w[PAIFG >> 1] |= np.uint16((falling & select) | (edges & ~falling & ~select))


@compiled(INT(MACHINE, INT))
def port_vector(m: Machine, shift: int) -> int:
    """P1IV (shift 0) or P2IV (shift 8), which also clears the flag it names."""
    w = m.words
    for i in range(8):
        bit = np.uint16(1) << np.uint16(i + shift)
        if w[PAIFG >> 1] & w[PAIE >> 1] & bit:
            w[PAIFG >> 1] &= ~bit
            return 2 + 2 * i
    return 0


@compiled(INT(MACHINE, INT))
def read_register(m: Machine, address: int) -> int:
    """Read the word of a peripheral at an even address, with what reading does to it."""
    s, w = m.state, m.words
    present = REGISTERS[address >> 1]
    if present != 1:
        fault(m, VACANT if present == 0 else NOT_MODELLED, address)
        return np.int64(0)
    value = np.int64(w[address >> 1])
    if MPY <= address <= MPY32CTL0:
        if RESLO <= address <= SUMEXT or RES0 <= address <= RES3:
            check_product(m, address)
    elif TIMERS <= address < TIMERS_END:
        i, offset = (address - TIMERS) >> 6, address & 0x3F
        if offset == 0x2E:
            s[TOUCHED] += 1
            sync_timer(m, i)
            return timer_vector(m, i)
        sync_timer(m, i)
        if offset == 0x10:
            s[TOUCHED] += 1
        return np.int64(w[address >> 1])
    elif address == URXBUF:
        s[TOUCHED] += 1
        w[UIFG >> 1] &= ~np.uint16(RXIFG)
        w[USTATW >> 1] &= 0x80
    elif address == USTATW:
        value |= 1 if s[TX_AT] != NEVER or s[RX_AT] - s[CYCLES] < line_byte(m) else 0
        s[TOUCHED] += value & 1
    elif address == UIV:
        s[TOUCHED] += 1
        for i in range(4):
            if w[UIFG >> 1] & w[UIE >> 1] & (1 << i):
                w[UIFG >> 1] &= ~np.uint16(1 << i)
                return np.int64(2 + 2 * i)
        return np.int64(0)
    elif address == ADCMEM0:
        s[TOUCHED] += 1
        w[ADCIFG >> 1] &= ~np.uint16(1)
    elif address == ADCIV:
        s[TOUCHED] += 1
        for i in range(6):
            bit = np.uint16((0x10, 0x20, 8, 4, 2, 1)[i])
            if w[ADCIFG >> 1] & w[ADCIE >> 1] & bit:
                w[ADCIFG >> 1] &= ~bit
                return np.int64(2 + 2 * i)
        return np.int64(0)
    elif address == PAIN:
        return pins(m)
    elif address in (P1IV, P2IV):
        s[TOUCHED] += 1
        return np.int64(port_vector(m, 0 if address == P1IV else 8))
    elif address in (CSCTL7, SFRIFG1):
        no_crystal = np.int64(w[PASEL0 >> 1]) & 0x300 != 0x300
        value |= 2 if no_crystal else 0
        if address == CSCTL7:
            value |= dco(m)[1] << 8
    elif address == SYSRSTIV:
        s[TOUCHED] += 1
        w[address >> 1] = 0
    return value


@compiled(NOTHING(MACHINE, INT, INT, FLAG))
def write_guarded(m: Machine, address: int, value: int, byte: bool) -> None:
    """FRCTL0 or PMMCTL0: the password 0xA5 in the upper byte, of the same write or an earlier."""
    s, w = m.state, m.words
    register = address & ~1
    key = FRAM_OPEN if register == FRCTL0 else PMM_OPEN
    if byte and address & 1:
        s[key] = value >> 8 == 0xA5
        return
    if value >> 8 != 0xA5 and not (byte and s[key]):
        demand_reset(m, FRAM_PASSWORD if register == FRCTL0 else PMM_PASSWORD)
        return
    w[register >> 1] = 0x9600 | (value & 0xFF)
    if register == FRCTL0:
        check_fram_speed(m)
    elif value & 0x04:
        demand_reset(m, SW_BOR)
    elif value & 0x08:
        demand_reset(m, SW_POR)


@compiled(NOTHING(MACHINE, INT, INT, FLAG))
def write_register(m: Machine, address: int, value: int, byte: bool) -> None:
    """Write a word or byte of a peripheral, with what writing does to it."""
    s, w = m.state, m.words
    present = REGISTERS[address >> 1]
    if present != 1:
        fault(m, VACANT if present == 0 else NOT_MODELLED, address)
        return
    if MPY <= address <= MPY32CTL0 + 1:
        write_multiplier(m, address, value, byte)
        return
    s[HORIZON] = -1
    register = address & ~1
    old = np.int64(w[register >> 1])
    if byte:
        value = (old & 0xFF) | value << 8 if address & 1 else (old & 0xFF00) | value
    if register == WDTCTL:
        write_watchdog(m, 0 if byte else value)
        return
    if value != old or register in (UTXBUF, ADCCTL0):
        s[TOUCHED] += 1
    if TIMERS <= register < TIMERS_END:
        write_timer(m, register, value)
    elif CSCTL0 <= register <= CSCTL8:
        for i in range(4):
            sync_timer(m, i)
        ticks, cycles, _ = watchdog_clock(m)
        count = (s[CYCLES] - s[WDT_BASE]) * ticks // cycles
        w[register >> 1] = value
        set_clocks(m)
        ticks, cycles, _ = watchdog_clock(m)
        s[WDT_BASE] = s[CYCLES] - count * cycles // ticks
        schedule_watchdog(m)
        for i in range(4):
            rebase_timer(m, i)
    elif register in (FRCTL0, PMMCTL0):
        write_guarded(m, address, value, byte)
    elif register == SYSCFG0:
        if value >> 8 == 0xA5:
            w[register >> 1] = 0x9600 | (value & 0xFF)
    elif register == UCTLW:
        if value & 0xFF00:
            fault(m, NOT_MODELLED, register)
        w[register >> 1] = value
        if value & 1:
            w[UIE >> 1] = w[USTATW >> 1] = 0
            w[UIFG >> 1] = TXIFG
            s[TX_AT] = NEVER
            s[TX_WAITING] = 0
    elif register == UTXBUF:
        w[register >> 1] = value & 0xFF
        if w[UCTLW >> 1] & 1 == 0:
            if s[TX_AT] == NEVER:
                transmit(m, value & 0xFF, s[CYCLES])
            else:
                s[TX_WAITING] = 1
                w[UIFG >> 1] &= ~np.uint16(TXIFG)
    elif register == USTATW:
        w[register >> 1] = value & 0xFE
    elif register == ADCCTL0:
        w[register >> 1] = value & ~1
        if value & 2 == 0 and s[ADC_AT] != NEVER:
            s[ADC_AT] = NEVER
            w[ADCCTL1 >> 1] &= ~np.uint16(1)
        if value & 0x13 == 0x13 and s[ADC_AT] == NEVER:
            if w[ADCCTL1 >> 1] & 0x0E00 != 0x0200:
                fault(m, NOT_MODELLED, ADCCTL1)
            start_conversion(m, s[CYCLES])
    elif register == ADCCTL1:
        w[register >> 1] = (value & ~1) | (old & 1)
    elif register != PAIN and register != PBIN and register != URXBUF and register != ADCIV:
        w[register >> 1] = value


@compiled(INT(MACHINE))
def next_event(m: Machine) -> int:
    """Return the cycle at which a peripheral next changes by itself."""
    s = m.state
    due = min(min(s[RX_AT], s[TX_AT]), min(s[WDT_AT], s[ADC_AT]))
    for i in range(4):
        due = min(due, s[TIMER_AT + i])
    return due


@compiled(FLAG(MACHINE))
def advance(m: Machine) -> bool:
    """Let everything happen that is due at the present cycle; return whether anything was."""
    s, w = m.state, m.words
    happened = False
    while next_event(m) <= s[CYCLES] and s[SENT] < LINE_BYTES:
        happened = True
        if s[RX_AT] <= s[CYCLES]:
            receive(m)
        if s[TX_AT] <= s[CYCLES]:
            transmitted(m)
        if s[ADC_AT] <= s[CYCLES]:
            converted(m)
        if s[WDT_AT] <= s[CYCLES]:
            if w[WDTCTL >> 1] & 0x10:
                w[SFRIFG1 >> 1] |= 1
                s[WDT_BASE] = s[WDT_AT]
                schedule_watchdog(m)
            else:
                s[WDT_AT] = NEVER
                demand_reset(m, WDT_EXPIRED)
        for i in range(4):
            if s[TIMER_AT + i] <= s[CYCLES]:
                sync_timer(m, i)
    return happened


@compiled(INT(MACHINE))
def pending_interrupt(m: Machine) -> int:
    """Vector of the pending interrupt of highest priority, 0 if none; clears single flags."""
    w = m.words
    for i in range(4):
        base = TIMERS + 0x40 * i
        if w[(base + 2) >> 1] & 0x11 == 0x11:
            w[(base + 2) >> 1] &= ~np.uint16(1)
            sync_timer(m, i)
            return 0xFFF8 - 4 * i
        overflow = w[base >> 1] & 3 == 3
        if overflow or w[(base + 4) >> 1] & 0x11 == 0x11 or w[(base + 6) >> 1] & 0x11 == 0x11:
            return 0xFFF6 - 4 * i
    if w[SFRIE1 >> 1] & w[SFRIFG1 >> 1] & 1:
        w[SFRIFG1 >> 1] &= ~np.uint16(1)
        return 0xFFE6
    if w[UIE >> 1] & w[UIFG >> 1]:
        return 0xFFE4
    if w[ADCIE >> 1] & w[ADCIFG >> 1]:
        return 0xFFDE
    ports = w[PAIE >> 1] & w[PAIFG >> 1]
    if ports:
        return 0xFFDC if ports & 0xFF else 0xFFDA
    return 0


@compiled(NOTHING(MACHINE, INT))
def reset(m: Machine, cause: int) -> None:
    """Bring every register to its value after a reset and start at the reset vector."""
    s, w = m.state, m.words
    locked = w[PM5CTL0 >> 1] & 1 if cause >= WDT_EXPIRED else 1
    w[: BACKUP >> 1] = 0
    w[BACKUP_END >> 1 : 0x1000 >> 1] = 0
    w[PM5CTL0 >> 1] = locked
    w[PMMCTL0 >> 1] = 0x9640
    w[SYSRSTIV >> 1] = cause
    w[SYSCFG0 >> 1] = 0x9603
    w[SFRIFG1 >> 1] = 0x0002 | (cause == WDT_EXPIRED)
    w[CSCTL1 >> 1] = 0x0033
    w[CSCTL2 >> 1] = 0x101F
    w[CSCTL4 >> 1] = 0x0100
    w[CSCTL5 >> 1] = 0x1000
    w[CSCTL6 >> 1] = 0x00C1
    w[CSCTL8 >> 1] = 0x0007
    w[FRCTL0 >> 1] = 0x9600
    w[WDTCTL >> 1] = 0x6904
    w[UCTLW >> 1] = 0x0001
    w[UIFG >> 1] = TXIFG
    w[UA1IFG >> 1] = TXIFG
    w[UB0IFG >> 1] = TXIFG
    w[ADCCTL2 >> 1] = 0x0010
    s[TX_AT] = s[ADC_AT] = NEVER
    s[TX_WAITING] = s[PMM_OPEN] = s[FRAM_OPEN] = s[WDT_HELD] = 0
    s[LINE] = -1
    for i in range(4):
        s[CACHE + i] = -1
        s[TIMER_AT + i] = NEVER
        s[TIMER_BASE + i] = s[TIMER_POSITION + i] = s[TIMER_TICKS + i] = 0
    for i in range(16):
        s[i] = 0
    s[PC] = np.int64(w[RESET_VECTOR >> 1])
    s[STACK_TOP] = s[STACK_LOW] = 0
    s[CYCLES] += 4
    s[RESET] = s[IDLE] = 0
    set_clocks(m)
    s[WDT_BASE] = s[CYCLES]
    schedule_watchdog(m)
