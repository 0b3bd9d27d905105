"""The MSP430X CPU of the FR2433: an interpreter of the machine code that users flash.

All 27 instructions of the MSP430 in every addressing mode, and of the MSP430X the address
instructions, PUSHM and POPM, multi-bit rotations, CALLA, and extension words with 20-bit operands,
repetition and zero carry. Cycle counts follow tables 4-8 to 4-19 of the user's guide (SLAU445);
above 8 MHz every miss of FRAM's cache (two sets of two lines of 64 bits, least recently used
first) adds the wait states of FRCTL0. What the guide leaves undefined is as follows: DADD keeps V
and corrects digits above 9 by subtracting 10; a status register that is a destination holds the
result; RLAM keeps V; EINT takes effect at once; LPMx stops no clock.

A program that sleeps, or polls in a loop that can end only by an event, is carried to the next
event in one step, so that a waiting board costs nothing; the count of cycles and instructions is
the same as if every round had been executed.
"""

import numpy as np
from numpy.typing import NDArray

from deepmasque.launchpad.machine import (
    AT,
    CACHE,
    CACHE_OLDER,
    CODE,
    CODE_END,
    CPUOFF,
    CYCLES,
    FAULT,
    GIE,
    HORIZON,
    IDLE,
    INFO,
    INFO_END,
    INSTRUCTIONS,
    INT,
    KICKS,
    LIMIT,
    LINE,
    LINE_BYTES,
    LOOK_GAP,
    LOOK_IN,
    MACHINE,
    MISALIGNED,
    NEVER,
    NO_INSTRUCTION,
    NOT_CODE,
    NOTHING,
    PC,
    PROTECTED,
    RAM,
    RAM_END,
    RESET,
    SEEN,
    SEEN_CYCLES,
    SEEN_INSTRUCTIONS,
    SEEN_KICKS,
    SEEN_PC,
    SEEN_RAM,
    SEEN_TOUCHED,
    SENT,
    SP,
    SR,
    STACK_LOW,
    STACK_TOP,
    STATE,
    TLV,
    TLV_END,
    TOUCHED,
    VACANT,
    WDT_AT,
    WDT_BASE,
    WRITTEN,
    Machine,
    compiled,
    fault,
)
from deepmasque.launchpad.peripherals import (
    FRCTL0,
    SYSCFG0,
    advance,
    next_event,
    pending_interrupt,
    read_register,
    reset,
    write_register,
)

C, Z, N, V = 1, 2, 4, 0x100
FLAGS = C | Z | N | V

# Cycles of format I by source (register, @Rn and @Rn+, immediate, indexed) and destination
TO_REGISTER, TO_PC, TO_MEMORY = (1, 2, 2, 3), (3, 4, 3, 5), (4, 5, 5, 6)
TO_REGISTER_20, TO_PC_20, TO_MEMORY_20 = (2, 4, 3, 5), (4, 6, 4, 7), (7, 9, 8, 10)


@compiled(NOTHING(MACHINE, INT))
def wait_states(m: Machine, line: int) -> None:
    """Account for reading a line of 8 bytes of FRAM."""
    s = m.state
    s[LINE] = line
    waits = np.int64(m.words[FRCTL0 >> 1] >> 4) & 7
    if waits == 0:
        return
    first = CACHE + 2 * (line & 1)
    older = CACHE_OLDER + (line & 1)
    for way in range(2):
        if s[first + way] == line:
            s[older] = 1 - way
            return
    way = s[older] & 1
    s[first + way] = line
    s[older] = 1 - way
    s[CYCLES] += waits


@compiled(INT(MACHINE, INT))
def fetch(m: Machine, pc: int) -> int:
    """Read the word of code at `pc`."""
    if pc >> 3 != m.state[LINE]:
        wait_states(m, pc >> 3)
    return np.int64(m.words[(pc & 0xFFFF) >> 1])


@compiled(INT(MACHINE, INT, INT))
def load_slowly(m: Machine, address: int, size: int) -> int:
    """`load` of anything but SRAM and FRAM."""
    if address & 1 and size != 1:
        fault(m, MISALIGNED, address)
    elif 0 <= address < 0x1000:
        word = read_register(m, address & ~1)
        return word if size != 1 else (word >> (8 * (address & 1))) & 0xFF
    elif INFO <= address < INFO_END or TLV <= address < TLV_END:
        if size == 1:
            return np.int64(m.memory[address])
        return np.int64(m.words[address >> 1])
    else:
        fault(m, VACANT, address)
    return np.int64(0)


@compiled(INT(MACHINE, INT, INT))
def load(m: Machine, address: int, size: int) -> int:
    """Read a byte (size 1) or word (2) of memory."""
    if CODE <= address <= 0xFFFF and address >> 3 != m.state[LINE]:
        wait_states(m, address >> 3)
    if RAM <= address < RAM_END or CODE <= address <= 0xFFFF:
        if size == 1:
            return np.int64(m.memory[address])
        if address & 1 == 0:
            return np.int64(m.words[address >> 1])
    return load_slowly(m, address, size)


@compiled(INT(MACHINE, INT, INT))
def load_any(m: Machine, address: int, size: int) -> int:
    """`load`, or a 20-bit value (size 4) from two words."""
    if size != 4:
        return load(m, address, size)
    return load(m, address, 2) | (load(m, address + 2, 2) & 15) << 16


@compiled(NOTHING(MACHINE, INT, INT, INT))
def store_slowly(m: Machine, address: int, value: int, size: int) -> None:
    """`store` to anything but SRAM."""
    if address & 1 and size != 1:
        fault(m, MISALIGNED, address)
    elif 0 <= address < 0x1000:
        write_register(m, address, value, size == 1)
    elif CODE <= address <= 0xFFFF or INFO <= address < INFO_END:
        protection = 1 if address >= CODE else 2
        if m.words[SYSCFG0 >> 1] & protection:
            fault(m, PROTECTED, address)
            return
        m.state[TOUCHED] += 1
        m.memory[address] = value & 0xFF
        if size != 1:
            m.memory[address + 1] = value >> 8
    else:
        fault(m, VACANT, address)


@compiled(NOTHING(MACHINE, INT, INT, INT))
def store(m: Machine, address: int, value: int, size: int) -> None:
    """Write a byte (size 1) or word (2) of memory."""
    if RAM <= address < RAM_END:
        if size == 1:
            m.memory[address] = value
            m.memory[address - RAM + WRITTEN] = 1
            return
        if address & 1 == 0:
            m.words[address >> 1] = value
            m.memory[address - RAM + WRITTEN] = 1
            m.memory[address - RAM + WRITTEN + 1] = 1
            return
    store_slowly(m, address, value, size)


@compiled(NOTHING(MACHINE, INT, INT, INT))
def store_any(m: Machine, address: int, value: int, size: int) -> None:
    """`store`, or a 20-bit value (size 4) in two words."""
    if size != 4:
        store(m, address, value, size)
    else:
        store(m, address, value & 0xFFFF, 2)
        store(m, address + 2, value >> 16, 2)


@compiled(INT(INT, INT, INT, INT))
def indexed(base: int, index: int, high: int, extended: int) -> int:
    """Address of the indexed mode: 16 bits stay in the lower 64 KB, extended ones have 20."""
    if extended:
        return (base + index + high) & 0xFFFFF
    if base < 0x10000:
        return (base + index) & 0xFFFF
    return (base + (index ^ 0x8000) - 0x8000) & 0xFFFFF


@compiled(NOTHING(MACHINE, INT))
def move_stack(m: Machine, pointer: int) -> None:
    """Set the stack pointer and keep its lowest value."""
    s = m.state
    s[SP] = pointer & 0xFFFFE
    if s[STACK_TOP] == 0:
        s[STACK_TOP] = s[STACK_LOW] = s[SP]
    elif s[SP] < s[STACK_LOW]:
        s[STACK_LOW] = s[SP]


@compiled(NOTHING(MACHINE, INT, INT))
def push(m: Machine, value: int, size: int) -> None:
    """Push a byte or word (two bytes of stack) or a 20-bit value (four)."""
    move_stack(m, m.state[SP] - (4 if size == 4 else 2))
    store_any(m, m.state[SP], value, size)


@compiled(INT(MACHINE, INT))
def pop(m: Machine, size: int) -> int:
    """Pop a word or a 20-bit value."""
    s = m.state
    value = load_any(m, s[SP], size)
    s[SP] = (s[SP] + size) & 0xFFFFF
    return value


@compiled(NOTHING(MACHINE, INT, INT))
def set_register(m: Machine, register: int, value: int) -> None:
    """Write a register; status bits that end the run of instructions do so."""
    s = m.state
    if register == SP:
        move_stack(m, value)
    elif register == SR:
        s[SR] = value & 0xFFFF
        s[HORIZON] = -1
    elif register != 3:
        s[register] = value


@compiled(INT(INT, INT, INT, INT))
def decimal_sum(a: int, b: int, carry: int, digits: int) -> int:
    """Sum of binary-coded decimals, its carry above the highest digit."""
    result = np.int64(0)
    for i in range(digits):
        digit = ((a >> (4 * i)) & 15) + ((b >> (4 * i)) & 15) + carry
        carry = np.int64(1 if digit >= 10 else 0)
        if carry:
            digit = (digit - 10) & 15
        result |= digit << (4 * i)
    return result | carry << (4 * digits)


@compiled(INT(STATE, INT, INT, INT, INT))
def operate(s: NDArray[np.int64], operation: int, a: int, b: int, mask: int) -> int:
    """Result of source `a` and destination `b`; sets the status bits. Operations as encoded."""
    if operation == 4:
        return a
    if operation == 12:
        return b & ~a
    if operation == 13:
        return b | a
    top = (mask + 1) >> 1
    status = s[SR] & ~FLAGS
    if operation <= 9:
        if operation >= 7:
            a ^= mask
        if operation == 5:
            result = a + b
        elif operation <= 7:
            result = a + b + (s[SR] & C)
        else:
            result = a + b + 1
        if result > mask:
            status |= C
        result &= mask
        if (a ^ result) & (b ^ result) & top:
            status |= V
    elif operation == 10:
        digits = 2 if mask == 0xFF else (4 if mask == 0xFFFF else 5)
        result = decimal_sum(a, b, s[SR] & C, digits)
        status |= s[SR] & V
        if result > mask:
            status |= C
        result &= mask
    else:
        result = a ^ b if operation == 14 else a & b
        if operation == 14 and a & b & top:
            status |= V
        if result:
            status |= C
    if result & top:
        status |= N
    if result == 0:
        status |= Z
    s[SR] = status
    return result


@compiled(INT(STATE, INT, INT, INT))
def shift_right(s: NDArray[np.int64], value: int, fill: int, mask: int) -> int:
    """Rotate or shift right by one bit, `fill` entering at the top; sets the status bits."""
    top = (mask + 1) >> 1
    result = value >> 1 | (top if fill else 0)
    status = s[SR] & ~FLAGS | (value & 1)
    if result & top:
        status |= N
    if result == 0:
        status |= Z
    s[SR] = status
    return result


@compiled(NOTHING(MACHINE, INT))
def rotate_many(m: Machine, op: int) -> None:
    """RRCM, RRAM, RLAM, RRUM: rotate a register by one to four bits."""
    s = m.state
    count, kind, register = ((op >> 10) & 3) + 1, (op >> 8) & 3, op & 15
    mask = np.int64(0xFFFF if op & 0x10 else 0xFFFFF)
    top = (mask + 1) >> 1
    value = s[register] & mask
    for _ in range(count):
        if kind == 2:
            overflow = s[SR] & V
            value = operate(s, 5, value, value, mask)
            s[SR] = s[SR] & ~V | overflow
        else:
            fill = s[SR] & C if kind == 0 else (value & top if kind == 1 else 0)
            value = shift_right(s, value, fill, mask)
    set_register(m, register, value)
    s[CYCLES] += count


@compiled(INT(MACHINE, INT, INT))
def address_instruction(m: Machine, op: int, pc: int) -> int:
    """MOVA, CMPA, ADDA, SUBA (and BRA, RETA); returns the PC behind it."""
    s = m.state
    kind, source, register = (op >> 4) & 15, (op >> 8) & 15, op & 15
    if kind == 4 or kind == 5:
        rotate_many(m, op)
        return pc
    word = np.int64(0)
    at = pc
    if kind in (2, 3, 6, 7, 8, 9, 10, 11):
        word = fetch(m, pc)
        pc += 2
    s[PC] = at
    to_pc = 2 if register == PC else 0
    if kind == 6 or kind == 7:
        address = word | register << 16 if kind == 6 else indexed(s[register], word, 0, 0)
        store_any(m, address, s[source], 4)
        s[CYCLES] += 4
        return pc
    s[PC] = pc
    if kind <= 3:
        if kind == 2:
            address = word | source << 16
        elif kind == 3:
            address = indexed(at if source == PC else s[source], word, 0, 0)
        else:
            address = s[source]
        value = load_any(m, address, 4)
        if kind == 1:
            set_register(m, source, (s[source] + 4) & 0xFFFFF)
        s[CYCLES] += (3 if kind <= 1 else 4) + to_pc
    else:
        immediate = kind < 12
        value = word | source << 16 if immediate else s[source]
        operation = kind & 3
        if operation:
            result = operate(s, (0, 9, 5, 8)[operation], value, s[register], np.int64(0xFFFFF))
            value = s[register] if operation == 1 else result
            s[CYCLES] += 3 if immediate or to_pc else 1
        else:
            s[CYCLES] += (2 if immediate else 1) + (to_pc if not immediate else to_pc // 2)
    set_register(m, register, value)
    return s[PC]


@compiled(INT(MACHINE, INT, INT))
def call_far(m: Machine, op: int, pc: int) -> int:
    """CALLA; returns the address called."""
    s = m.state
    kind, register = (op >> 4) & 15, op & 15
    at = pc
    word = np.int64(0)
    if kind in (5, 8, 9, 11):
        word = fetch(m, pc)
        pc += 2
    s[PC] = at
    if kind == 4:
        target, cycles = s[register], 5
    elif kind == 5:
        target = load_any(m, indexed(s[register], word, 0, 0), 4)
        cycles = 6 if register == SP else 5
    elif kind == 6 or kind == 7:
        target, cycles = load_any(m, s[register], 4), 6
        if kind == 7:
            set_register(m, register, (s[register] + 4) & 0xFFFFF)
    elif kind == 8:
        target, cycles = load_any(m, word | register << 16, 4), 7
    elif kind == 9:
        target, cycles = load_any(m, (at + word + (register << 16)) & 0xFFFFF, 4), 7
    elif kind == 11:
        target, cycles = word | register << 16, 5
    else:
        fault(m, NO_INSTRUCTION, op)
        return pc
    push(m, pc, 4)
    s[CYCLES] += cycles
    return target


@compiled(NOTHING(MACHINE, INT))
def push_many(m: Machine, op: int) -> None:
    """PUSHM and POPM, of words or 20-bit values."""
    s = m.state
    count, register = ((op >> 4) & 15) + 1, op & 15
    size = 2 if op & 0x100 else 4
    mask = 0xFFFF if size == 2 else 0xFFFFF
    for i in range(count):
        if op & 0x200:
            set_register(m, (register + i) & 15, pop(m, size))
        else:
            push(m, s[(register - i) & 15] & mask, size)
    s[CYCLES] += 2 + count * (size // 2)


@compiled(NOTHING(MACHINE, INT))
def notice_loop(m: Machine, pc: int) -> None:
    """Remember the machine, or find that it is where it was and carry it to the next event.

    Called at backward jumps. The state remembered is renewed after twice as many jumps each time
    (Brent's cycle detection), so that loops of any length are found and busy code pays little.
    """
    s = m.state
    s[LOOK_IN] -= 1
    if s[LOOK_IN] <= 0:
        s[LOOK_GAP] = min(2 * s[LOOK_GAP], 1 << 20)
        s[LOOK_IN] = s[LOOK_GAP]
        for i in range(1, 16):
            s[SEEN + i] = s[i]
        for i in range(RAM, RAM_END, 2):
            m.words[(SEEN_RAM + i - RAM) >> 1] = m.words[i >> 1]
        s[SEEN_PC], s[SEEN_CYCLES] = pc, s[CYCLES]
        s[SEEN_INSTRUCTIONS], s[SEEN_TOUCHED], s[SEEN_KICKS] = (
            s[INSTRUCTIONS],
            s[TOUCHED],
            s[KICKS],
        )
        return
    for i in range(1, 16):
        if s[SEEN + i] != s[i]:
            return
    same = s[SEEN_TOUCHED] == s[TOUCHED]
    for i in range((RAM_END - RAM) >> 1):
        same &= m.words[(SEEN_RAM >> 1) + i] == m.words[(RAM >> 1) + i]
    if not same:
        s[SEEN_PC] = -1
        return
    s[IDLE] = 1
    period = s[CYCLES] - s[SEEN_CYCLES]
    kicked = s[SEEN_KICKS] != s[KICKS]
    expiry = s[WDT_AT]
    if kicked:
        s[WDT_AT] = NEVER
    rounds = (min(s[LIMIT], next_event(m)) - s[CYCLES]) // period
    s[WDT_AT] = expiry
    if rounds <= 0:
        return
    s[CYCLES] += rounds * period
    s[INSTRUCTIONS] += rounds * (s[INSTRUCTIONS] - s[SEEN_INSTRUCTIONS])
    if kicked:
        s[WDT_AT] += rounds * period
        s[WDT_BASE] += rounds * period
    s[SEEN_PC] = -1


@compiled(NOTHING(MACHINE))
def execute(m: Machine) -> None:
    """Execute instructions until the cycle HORIZON."""
    s = m.state
    pc = s[PC]
    while s[CYCLES] < s[HORIZON]:
        s[AT] = pc
        if pc < CODE or pc >= CODE_END:
            fault(m, NOT_CODE, pc)
            break
        if pc & 1:
            fault(m, MISALIGNED, pc)
            break
        op = fetch(m, pc)
        pc += 2
        s[INSTRUCTIONS] += 1

        if op & 0xE000 == 0x2000:
            condition, status = (op >> 10) & 7, s[SR]
            if condition == 0:
                taken = status & Z == 0
            elif condition == 1:
                taken = status & Z != 0
            elif condition == 2:
                taken = status & C == 0
            elif condition == 3:
                taken = status & C != 0
            elif condition == 4:
                taken = status & N != 0
            elif condition == 7:
                taken = True
            else:
                less = (status & N != 0) != (status & V != 0)
                taken = less == (condition == 6)
            s[CYCLES] += 2
            if taken:
                target = (pc + 2 * (((op & 0x3FF) ^ 0x200) - 0x200)) & 0xFFFF
                backward = target < pc
                pc = target
                if backward and (pc == s[SEEN_PC] or s[LOOK_IN] <= 1):
                    notice_loop(m, pc)
                elif backward:
                    s[LOOK_IN] -= 1
            continue

        extension = np.int64(0)
        if op & 0xF800 == 0x1800:
            extension = op
            op = fetch(m, pc)
            pc += 2
        size = 1 if op & 0x40 else 2
        if extension and extension & 0x40 == 0:
            size = 4
        mask = np.int64(0xFF if size == 1 else (0xFFFF if size == 2 else 0xFFFFF))
        mode = (op >> 4) & 3
        two = op >= 0x4000
        source = (op >> 8) & 15 if two else op & 15
        operation = op >> 12

        if not two:
            if op < 0x1000 and extension == 0:
                pc = address_instruction(m, op, pc)
                continue
            if op & 0xFF00 == 0x1300 and extension == 0:
                if op == 0x1300:
                    status = pop(m, 2)
                    pc = pop(m, 2) | (status & 0xF000) << 4
                    set_register(m, SR, status & 0x0FFF)
                    s[CYCLES] += 5
                else:
                    pc = call_far(m, op, pc)
                continue
            if op & 0xFC00 == 0x1400 and extension == 0:
                s[PC] = pc
                push_many(m, op)
                pc = s[PC]
                continue
            operation = (op >> 7) & 7
            if op & 0xFC00 != 0x1000 or operation > 5:
                fault(m, NO_INSTRUCTION, op)
                break

        # The source operand, and where it lies
        s[PC] = pc
        address = np.int64(-1)
        kind = 0
        if mode == 0:
            a = s[source] & mask
        elif source == 3 or (source == SR and mode >= 2):
            if source == 3:
                a = np.int64(mode) if mode < 3 else mask
            else:
                a = np.int64(4 if mode == 2 else 8)
        elif mode == 1:
            kind = 3
            word = fetch(m, pc)
            pc += 2
            high = ((extension >> 7) & 15) << 16
            address = word + high if source == SR else indexed(s[source], word, high, extension)
            a = load_any(m, address, size)
        elif source == PC and mode == 3:
            kind = 2
            a = fetch(m, pc)
            pc += 2
            if size == 4:
                a |= ((extension >> 7) & 15) << 16
            a &= mask
        else:
            kind = 1
            address = s[source]
            a = load_any(m, address, size)
            if mode == 3:
                step = 2 if size == 1 and source == SP else size
                s[source] = (s[source] + step) & 0xFFFFF
        s[PC] = pc

        repeats = 1
        if extension and mode == 0 and (not two or op & 0x80 == 0):
            repeats = (extension & 15) + 1
            if extension & 0x80:
                repeats = (s[extension & 15] & 15) + 1

        if two:
            register = op & 15
            if op & 0x80:
                word = fetch(m, pc)
                high = (extension & 15) << 16
                if register == SR:
                    address = word + high
                else:
                    address = indexed(s[register], word, high, extension)
                pc += 2
                if operation != 4:
                    b = load_any(m, address, size)
                    result = operate(s, operation, a, b, mask)
                else:
                    result = a
                quick = operation == 4 or operation == 9 or operation == 11
                if size == 4:
                    s[CYCLES] += TO_MEMORY_20[kind] - (2 if quick else 0)
                else:
                    s[CYCLES] += TO_MEMORY[kind] - quick + (extension != 0)
                if operation != 9 and operation != 11:
                    store_any(m, address, result, size)
                continue
            if register == PC:
                s[CYCLES] += TO_PC_20[kind] if size == 4 else TO_PC[kind] + (extension != 0)
            elif size == 4:
                s[CYCLES] += TO_REGISTER_20[kind]
            else:
                s[CYCLES] += TO_REGISTER[kind] + (extension != 0)
            s[CYCLES] += repeats - 1
            for _ in range(repeats):
                if repeats > 1:
                    a = s[source] & mask
                if extension & 0x100 and mode == 0 and operation in (6, 7, 10):
                    s[SR] &= ~C
                result = operate(s, operation, a, s[register] & mask, mask)
                if operation == 9 or operation == 11:
                    continue
                if register > 3:
                    s[register] = result
                else:
                    set_register(m, register, result)
            pc = s[PC]
            continue

        if operation == 5:
            s[CYCLES] += 4 if kind < 3 else (6 if source == SR else 5)
            push(m, pc, 2)
            pc = a
            continue
        if operation == 4:
            if extension == 0:
                s[CYCLES] += 3 if kind < 3 else 4
            elif size == 4:
                s[CYCLES] += (5, 6, 5, 7)[kind] + (kind == 3 and source == SP)
            else:
                s[CYCLES] += (4, 4, 4, 5)[kind] + (kind == 3 and source == SP)
            for _ in range(repeats):
                push(m, a, size)
            continue

        no_byte_form = operation & 1 and op & 0x40  # of SWPB and SXT
        if no_byte_form or kind == 2 or (mode != 0 and address < 0):
            fault(m, NO_INSTRUCTION, op)
            break
        if extension == 0:
            s[CYCLES] += 1 if kind == 0 else (3 if kind == 1 else 4)
        elif kind == 0:
            s[CYCLES] += 1 + repeats
        else:
            s[CYCLES] += (4 if kind == 1 else 5) + (2 if size == 4 else 0)
        if operation == 3 and kind == 0:
            mask = np.int64(0xFFFFF)
        for _ in range(repeats):
            if operation == 0:
                fill = 0 if extension & 0x100 and kind == 0 else s[SR] & C
                a = shift_right(s, a, fill, mask)
            elif operation == 2:
                a = shift_right(s, a, a & ((mask + 1) >> 1), mask)
            elif operation == 1:
                a = (a & 0xF0000) | (a >> 8) & 0xFF | (a & 0xFF) << 8
            else:
                a = (((a & 0xFF) ^ 0x80) - 0x80) & mask
                operate(s, 11, a, a, mask)
        if kind == 0:
            set_register(m, source, a)
            pc = s[PC]
        else:
            store_any(m, address, a, size)
    s[PC] = pc


@compiled(NOTHING(MACHINE, INT))
def interrupt(m: Machine, vector: int) -> None:
    """Enter an interrupt service routine."""
    s = m.state
    s[AT] = s[PC]
    push(m, s[PC] & 0xFFFF, 2)
    push(m, s[SR] | (s[PC] >> 16) << 12, 2)
    s[SR] &= 0x40  # SCG0 stays
    s[PC] = np.int64(m.words[vector >> 1])
    s[CYCLES] += 6
    s[IDLE] = 0


@compiled(NOTHING(MACHINE))
def look_anew(m: Machine) -> None:
    """Start the search for idle loops again: something has happened."""
    s = m.state
    s[IDLE], s[SEEN_PC], s[LOOK_IN], s[LOOK_GAP] = 0, -1, 1, 1


@compiled(NOTHING(MACHINE, INT))
def run(m: Machine, limit: int) -> None:
    """Run the board until the cycle `limit`, a fault, or until `sent` must be emptied."""
    s = m.state
    s[LIMIT] = limit
    look_anew(m)
    while s[FAULT] == 0 and s[CYCLES] < limit and s[SENT] < LINE_BYTES:
        if advance(m):
            look_anew(m)
        if s[RESET]:
            reset(m, s[RESET])
        if s[SR] & GIE:
            vector = pending_interrupt(m)
            if vector:
                interrupt(m, vector)
        if s[FAULT]:
            break
        horizon = min(limit, next_event(m))
        if s[SR] & CPUOFF:
            s[IDLE] = 1
            s[CYCLES] = max(s[CYCLES], horizon)
        else:
            s[HORIZON] = horizon
            execute(m)
