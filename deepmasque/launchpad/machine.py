"""The state of a virtual MSP430FR2433: its memory map, and where everything is kept.

Numbers are from the data sheet (SLASE59) and the family user's guide (SLAU445).
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit, typeof, types
from numpy.typing import NDArray

# The address space
RAM, RAM_END = 0x2000, 0x3000
CODE, CODE_END = 0xC400, 0xFF80
INFO, INFO_END = 0x1800, 0x1A00
TLV, TLV_END = 0x1A00, 0x1B00
RESET_VECTOR = 0xFFFE
DEVICE_ID = 0x8240

# Behind it, in the same array: which bytes of SRAM were written, a copy of SRAM, the two
# directions of the line, and the sound as int16
WRITTEN, SEEN_RAM, RECEIVED, TO_HOST, SOUND = 0x10000, 0x11000, 0x12000, 0x22000, 0x32000
LINE_BYTES = 0x10000

# Indices of Machine.state; the first sixteen are the CPU's registers
PC, SP, SR = 0, 1, 2
# instructions end at the cycle HORIZON, the run at LIMIT; AT: address of the present instruction
CYCLES, INSTRUCTIONS, HORIZON, LIMIT, AT, STACK_TOP, STACK_LOW = range(16, 23)
FAULT, FAULT_ADDRESS, RESET, IDLE = range(23, 27)
# FRAM line of 8 bytes read last; lines in the cache, two per set; which of the two is older
LINE, CACHE, CACHE_OLDER = 27, 28, 32
MCLK, TIME_NS, TIME_CYCLE, BAUD = range(34, 38)
RX_AT, RX_HEAD, RX_TAIL, RX_FREE, LOST, OVERRUNS = range(38, 44)
TX_AT, TX_BYTE, TX_WAITING, SENT = range(44, 48)
WDT_AT, WDT_BASE, WDT_HELD, KICKS = range(48, 52)
ADC_AT, ADC_SAMPLE_AT, RATE, SAMPLES = range(52, 56)
MPY_AT, PMM_OPEN, FRAM_OPEN, PULLED = range(56, 60)
TIMER_AT, TIMER_BASE, TIMER_POSITION, TIMER_TICKS = 60, 64, 68, 72
# TOUCHED counts accesses after which the machine is not what it was, or that tell the time
TOUCHED, LOOK_IN, LOOK_GAP, SEEN_PC, SEEN_CYCLES, SEEN_INSTRUCTIONS = range(76, 82)
SEEN_TOUCHED, SEEN_KICKS, SEEN, STATE_SIZE = 82, 83, 84, 100
NEVER = 1 << 62

GIE, CPUOFF = 8, 16

# Causes of a reset, as SYSRSTIV names them
BROWNOUT, RST_PIN, SW_BOR, SW_POR = 0x02, 0x04, 0x06, 0x14
WDT_EXPIRED, WDT_PASSWORD, FRAM_PASSWORD, PMM_PASSWORD = 0x16, 0x18, 0x1A, 0x20

FAULTS = (
    "",
    "it left its code and would execute 0x{address:04X}",
    "it accesses a word at the odd address 0x{address:04X}",
    "it writes to the write-protected memory at 0x{address:04X}",
    "it accesses 0x{address:04X}, where the FR2433 has no memory",
    "the CPU has no instruction 0x{address:04X}",
    "it uses the register 0x{address:04X} in a way the virtual board does not model",
    "it runs the CPU at {address} Hz without the wait state that FRAM needs",
    "it reads the product at 0x{address:04X} before the multiplier has finished",
)
NOT_CODE, MISALIGNED, PROTECTED, VACANT = 1, 2, 3, 4
NO_INSTRUCTION, NOT_MODELLED, TOO_FAST, TOO_EARLY = 5, 6, 7, 8


class Machine(NamedTuple):
    """All there is to know about a board; the arrays are changed in place.

    Attributes
    ----------
    memory: (SOUND + 2 N,) uint8, the address space and what is kept behind it.
    words: the same as uint16.
    state: (STATE_SIZE,) int64.
    """

    memory: NDArray[np.uint8]
    words: NDArray[np.uint16]
    state: NDArray[np.int64]


def power_up(baud: int, sound: NDArray[np.int16], rate: int) -> Machine:
    """Return a machine without a program: FRAM erased, SRAM undefined as after power-up.

    baud: of the host. sound: (N,) int16 at `rate` Hz, what the ADC hears.
    """
    memory = np.full(SOUND + 2 * len(sound), 0xFF, np.uint8)
    memory[:0x1000] = 0
    memory[WRITTEN:SOUND] = 0
    # SRAM wakes with arbitrary contents; a fixed seed keeps runs repeatable.
    memory[RAM:RAM_END] = np.random.default_rng(2433).integers(0, 256, RAM_END - RAM, np.uint8)
    words = memory.view(np.uint16)
    words[(TLV + 4) // 2] = DEVICE_ID
    words[SOUND // 2 :] = sound.astype(np.int16).view(np.uint16)
    state = np.zeros(STATE_SIZE, np.int64)
    state[[RX_AT, TX_AT, WDT_AT, ADC_AT]] = NEVER
    state[TIMER_AT : TIMER_AT + 4] = NEVER
    state[[BAUD, RATE, SAMPLES]] = baud, rate, len(sound)
    return Machine(memory, words, state)


INT, NOTHING, FLAG = types.int64, types.void, types.boolean
MACHINE = typeof(power_up(1, np.zeros(1, np.int16), 1))
STATE = MACHINE.types[2]

_SOURCES = sha256(
    b"".join(
        Path(__file__).with_name(n).read_bytes() for n in ("machine.py", "peripherals.py", "cpu.py")
    )
).hexdigest()[:8]


def compiled(signature: types.Type) -> Callable[[Callable], Callable]:
    """Return the decorator that compiles a function of this numba signature, once per machine."""

    def decorate(function: Callable) -> Callable:
        # The cache knows a function by this name and its own file alone; it must also notice
        # changes of what the function calls.
        function.__qualname__ += _SOURCES
        # Reference counts cost more than the instructions interpreted, and nothing owns an array.
        return njit(signature, cache=True, nogil=True, _nrt=False)(function)

    return decorate


@compiled(NOTHING(MACHINE, INT, INT))
def fault(m: Machine, code: int, address: int) -> None:
    """Stop the board; the first fault counts."""
    if m.state[FAULT] == 0:
        m.state[FAULT], m.state[FAULT_ADDRESS] = code, address
    m.state[HORIZON] = -1


@compiled(NOTHING(MACHINE, INT))
def demand_reset(m: Machine, cause: int) -> None:
    """Reset the board before its next instruction."""
    m.state[RESET] = cause
    m.state[HORIZON] = -1
