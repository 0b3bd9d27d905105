"""The virtual board around its CPU, with small programs given as machine code beside assembly."""

import time
import wave

import numpy as np
import pytest
import serial
from hypothesis import given
from hypothesis import strategies as st

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.board import connect
from deepmasque.launchpad.virtual_board import (
    BoardFault,
    VirtualBoard,
    open_virtual,
    segments,
    serve_pty,
    serve_socket,
)

CODE, ISR, RESET = 0xC400, 0xC600, 0xFFFE
MHZ_16 = 488 * 32768
BYTE_CYCLES = 10 * MHZ_16 / 115200

STACK = """
31400030      mov #0x3000, sp
b240805acc01  mov #0x5A80, &WDTCTL
"""
CLOCK = """
b24010a5a001  mov #0xA510, &FRCTL0
b2400a008201  mov #0x000A, &CSCTL1
b240e7018401  mov #487, &CSCTL2
"""
UART = """
92c33001      bic #LOCKLPM5, &PM5CTL0
b2d030000a02  bis #0x30, &P1SEL0
b24081000005  mov #UCSSEL__SMCLK | UCSWRST, &UCA0CTLW0
b2420605      mov #8, &UCA0BRW
b240a1f70805  mov #0xF7A1, &UCA0MCTLW
92c30005      bic #UCSWRST, &UCA0CTLW0
"""
START = STACK + CLOCK + UART
ECHO = """
92b31c05      1: bit #UCRXIFG, &UCA0IFG
fd27          jz 1b
15420c05      mov &UCA0RXBUF, r5
a2b31c05      2: bit #UCTXIFG, &UCA0IFG
fd27          jz 2b
82450e05      mov r5, &UCA0TXBUF
f53f          jmp 1b
"""
SLOW_ECHO = """
92b31c05      1: bit #UCRXIFG, &UCA0IFG
fd27          jz 1b
3640d007      mov #2000, r6
1683          3: dec r6
fe23          jnz 3b
17420a05      mov &UCA0STATW, r7
15420c05      mov &UCA0RXBUF, r5
82450e05      mov r5, &UCA0TXBUF
a2b31c05      2: bit #UCTXIFG, &UCA0IFG
fd27          jz 2b
82470e05      mov r7, &UCA0TXBUF
ed3f          jmp 1b
"""
SLEEPER = """
92431a05      mov #UCRXIE, &UCA0IE
32d01800      1: bis #GIE | CPUOFF, sr
fd3f          jmp 1b
"""
ECHO_ISR = """
a2931e05      cmp #2, &UCA0IV
0320          jne 1f
92420c050e05  mov &UCA0RXBUF, &UCA0TXBUF
0013          1: reti
"""
SEND_R5 = """
a2b31c05      1: bit #UCTXIFG, &UCA0IFG
fd27          jz 1b
82450e05      mov r5, &UCA0TXBUF
a2b31c05      2: bit #UCTXIFG, &UCA0IFG
fd27          jz 2b
8510          swpb r5
82450e05      mov r5, &UCA0TXBUF
3041          ret
"""
SAMPLE = """
b24010040007  mov #ADCSHT_4 | ADCON, &ADCCTL0
b24010020207  mov #ADCSHP | ADCSSEL__SMCLK, &ADCCTL1
b24010000407  mov #ADCRES_1, &ADCCTL2
a2420a07      mov #ADCINCH_4, &ADCMCTL0
b2d003000007  1: bis #ADCENC | ADCSC, &ADCCTL0
92b31c07      2: bit #ADCIFG0, &ADCIFG
fd27          jz 2b
15421207      mov &ADCMEM0, r5
b01200c6      call #0xC600
f53f          jmp 1b
"""
TIMERS = """
b24063009203  mov #99, &TA0CCR0
b24010008203  mov #CCIE, &TA0CCTL0
b24014028003  mov #TASSEL__SMCLK | MC__UP | TACLR, &TA0CTL
b2402401c003  mov #TASSEL__ACLK | MC__CONTINUOUS | TACLR, &TA1CTL
32d01800      1: bis #GIE | CPUOFF, sr
fd3f          jmp 1b
"""
TIMERS_ISR = """
1a53          inc r10
1b42d003      mov &TA1R, r11
0013          reti
"""
KICKER = """
b2400c5acc01  1: mov #WDTPW | WDTCNTCL | WDTIS__32K, &WDTCTL
fc3f          jmp 1b
"""
FOLLOW = """
92c33001      bic #LOCKLPM5, &PM5CTL0
f24003000402  mov.b #3, &P1DIR
f2d20702      bis.b #8, &P2REN
f2d20302      bis.b #8, &P2OUT
55420102      1: mov.b &P2IN, r5
75f2          and.b #8, r5
0511          rra r5
0511          rra r5
25e3          xor #2, r5
c2450202      mov.b r5, &P1OUT
f73f          jmp 1b
"""
HALT = """
ff3f          jmp $
"""


POLLING_AND_ASLEEP = [
    pytest.param(ECHO, "", id="polling"),
    pytest.param(SLEEPER, ECHO_ISR, id="asleep"),
]


def machine_code(listing):
    return bytes.fromhex("".join(line.split()[0] for line in listing.split("\n") if line))


def image(main, isr="", vector=0xFFE4):
    """A program as TI-TXT: code at 0xC400, a service routine or subroutine at 0xC600."""
    parts = [(CODE, machine_code(main)), (RESET, CODE.to_bytes(2, "little"))]
    if isr:
        parts += [(ISR, machine_code(isr)), (vector, ISR.to_bytes(2, "little"))]
    return "".join(f"@{a:04X}\n{data.hex(' ')}\n" for a, data in parts).encode() + b"q\n"


def board(*listings, isr="", vector=0xFFE4, **options):
    return VirtualBoard(image("".join(listings), isr, vector), **options)


# The line


@pytest.mark.parametrize("program, isr", POLLING_AND_ASLEEP)
def test_echo_at_the_speed_of_the_line(program, isr):
    echo = board(START, program, isr=isr)
    echo.run(20_000)
    assert echo.clock == MHZ_16
    data = bytes(range(256))
    start, sent = echo.cycles, b""
    while len(sent) < len(data):
        sent += echo.run(1000, data if not sent and echo.cycles == start else b"")
        done = (echo.cycles - start) / BYTE_CYCLES
        assert len(sent) <= done
        if done > 257 + 2:
            break
    assert sent == data
    assert echo.overruns == echo.lost == 0


def test_bytes_before_the_uart_is_set_up_are_lost():
    #         mov  #1000, r6
    #      1: dec  r6
    #         jnz  1b
    late = board(STACK, CLOCK, "3640e803\n1683\nfe23\n", UART, ECHO)
    assert late.run(300_000, b"abcde") == b"cde"
    assert late.lost == 2


def test_overrun():
    """A reader slower than the line sees UCOE, and the newest byte."""
    slow = board(START, SLOW_ECHO)
    slow.run(20_000)
    sent = slow.run(100_000, b"abcdefgh")
    read, status = sent[::2], sent[1::2]
    assert read[0] == ord("e")  # four more came while it was busy with the first
    assert len(read) + slow.overruns == 8
    assert status[0] & 0x20


def test_wrong_baud_rate_garbles():
    assert board(START, ECHO, baud=9600).run(400_000, b"hello") != b"hello"


def test_locked_pins_connect_nothing():
    locked = board(STACK, CLOCK, "\n".join(["", *UART.split("\n")[2:]]), ECHO)
    locked.run(20_000)
    assert locked.run(200_000, b"hello") == b""
    assert locked.lost == 5


@pytest.mark.parametrize("serve", [serve_pty, serve_socket])
@pytest.mark.parametrize("program, isr", POLLING_AND_ASLEEP)
def test_pyserial_opens_it_like_a_board(serve, program, isr):
    echo = board(START, program, isr=isr)
    with serve(echo) as url, serial.serial_for_url(url, baudrate=115200, timeout=2) as port:
        time.sleep(0.05)
        for data in (b"hello", bytes(range(256)) * 4):
            port.write(data)
            assert port.read(len(data)) == data


def test_a_second_host_on_the_socket():
    with serve_socket(board(START, ECHO)) as url:
        for data in (b"first", b"second"):
            with serial.serial_for_url(url, timeout=2) as port:
                time.sleep(0.05)
                port.write(data)
                assert port.read(len(data)) == data


@pytest.mark.parametrize("program, isr", POLLING_AND_ASLEEP)
def test_a_waiting_board_costs_no_processor(program, isr):
    with serve_socket(board(START, program, isr=isr)):
        time.sleep(0.2)
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.1


def test_paced_board_runs_in_real_time():
    paced = board(START, ECHO, paced=True)
    with serve_socket(paced):
        start, seconds = time.monotonic(), paced.seconds
        time.sleep(0.4)
        assert paced.seconds - seconds == pytest.approx(time.monotonic() - start, abs=0.05)


def test_virtual_port_repeats_itself():
    def conversation():
        with open_virtual(board(START, ECHO)) as port:
            port.timeout = 0.01
            result = [port.read(4)]
            port.write(b"hello")
            result += [port.read(3), port.in_waiting, port.read(8), port.clock()]
            return result

    first = conversation()
    assert first[0] == b""
    assert first[1] + first[3] == b"hello"
    assert 0.02 < first[4] < 0.025
    assert conversation() == first


def test_virtual_port_forgets_and_reopens():
    echo = board(START, ECHO)
    with open_virtual(echo) as port:
        port.timeout = 0.01
        port.read()
        port.write(b"old")
        port.read(1)
        echo.run(100_000)
        port.reset_input_buffer()
    with open_virtual(echo) as port:
        port.write(b"new")
        assert port.read(3) == b"new"


# Time


@pytest.mark.parametrize(
    "program, isr",
    [(ECHO, ""), (SLEEPER, ECHO_ISR), (TIMERS, TIMERS_ISR), (KICKER, "")],
    ids=["polling", "asleep", "timer", "kicking the watchdog"],
)
def test_skipped_rounds_count_as_if_executed(program, isr):
    """Waiting loops and sleep are skipped; small steps leave no room for that."""
    vector = 0xFFF8 if program is TIMERS else 0xFFE4
    whole, stepped = (board(START, program, isr=isr, vector=vector) for _ in range(2))
    for data in (b"", b"a", b"bc"):
        sent = whole.run(30_000, data)
        end = whole.cycles
        pieces = stepped.run(1, data)
        while stepped.cycles < end:
            pieces += stepped.run(min(7, end - stepped.cycles))
        assert pieces == sent
        assert stepped.cycles == whole.cycles
        assert stepped.instructions == whole.instructions
        assert stepped.registers == whole.registers


def test_timers():
    """TA0 interrupts every 100 SMCLK cycles, TA1 counts ACLK."""
    timers = board(STACK, CLOCK, TIMERS, isr=TIMERS_ISR, vector=0xFFF8)
    timers.run(1000)
    first = timers.registers[10]
    timers.run(MHZ_16 // 10)
    assert timers.registers[10] - first == pytest.approx(MHZ_16 / 10 / 100, abs=1)
    assert timers.registers[11] == pytest.approx(3276.8, abs=3)


@pytest.mark.parametrize(
    "setup, clock",
    [
        ("", 32 * 32768),
        (CLOCK, MHZ_16),
        # mov #0x0006, &CSCTL1; mov #243, &CSCTL2
        ("b24006008201\nb240f3008401\n", 244 * 32768),
        # mov #0x0011, &CSCTL5, behind the clock of 16 MHz
        (CLOCK + "b24011008a01\n", MHZ_16 // 2),
    ],
)
def test_clock_follows_its_registers(setup, clock):
    running = board(STACK, setup, HALT)
    running.run(1000)
    assert running.clock == clock
    before = running.seconds
    running.run(clock)
    assert running.seconds - before == pytest.approx(1, abs=1e-4)


# The watchdog: r10 takes SYSRSTIV
#         mov  &SYSRSTIV, r10
#         mov  r10, &0x2000
CAUSE = "1a425e01\n824a0020\n"


def test_watchdog_resets_unless_held():
    neglected = board(CAUSE, HALT)
    neglected.run(100)
    assert neglected.memory[0x2000] == 0x02  # brown-out
    neglected.run(32768)
    assert neglected.memory[0x2000] == 0x16  # time-out
    held = board("b240805acc01\n", CAUSE, HALT)
    held.run(1_000_000)
    assert held.memory[0x2000] == 0x02


def test_a_kicked_watchdog_is_skipped_over():
    kicker = board(CAUSE, KICKER)
    kicker.run(1000)
    start = time.process_time()
    kicker.run(10**9)
    assert time.process_time() - start < 0.5
    assert kicker.memory[0x2000] == 0x02
    assert kicker.idle


def test_watchdog_password():
    #         mov  #0x0080, &WDTCTL
    wrong = board(CAUSE, "b2408000cc01\n", HALT)
    wrong.run(40)
    assert wrong.memory[0x2000] == 0x18


def test_reset_keeps_sram_and_names_its_cause():
    echo = board(CAUSE, START, ECHO)
    echo.run(20_000)
    memory = echo.memory
    echo.reset()
    assert echo.pc == CODE
    assert (echo.memory[0x2000:0x3000] == memory[0x2000:0x3000]).all()
    echo.run(20_000)
    assert echo.memory[0x2000] == 0x04
    assert echo.run(50_000, b"again") == b"again"


# The microphone


def write_wav(path, samples, rate):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def converted(sampler, cycles):
    sent = sampler.run(cycles)
    return np.frombuffer(sent[: len(sent) & ~1], "<u2")


def test_adc_hears_the_wav(tmp_path):
    """A ramp that lasts 50 ms comes back in 10 bits, in the board's own time."""
    rate = 20_000
    ramp = np.linspace(-32768, 32767, rate // 20).astype(np.int16)
    write_wav(tmp_path / "ramp.wav", ramp, rate)
    sampler = board(START, SAMPLE, isr=SEND_R5, microphone=tmp_path / "ramp.wav")
    heard = converted(sampler, MHZ_16 // 25)
    assert len(heard) > 200
    rises = np.diff(heard.astype(int))
    assert (rises >= 0).all()
    per_sample = 1024 / (0.05 * 115200 / 20)  # two bytes on the line for every sample
    assert rises.mean() == pytest.approx(per_sample, rel=0.02)


def test_adc_takes_samples_as_an_array():
    for level in (-32768, -1, 0, 32767):
        sampler = board(START, SAMPLE, isr=SEND_R5, microphone=np.full(10, level, np.int16))
        assert set(converted(sampler, 100_000)) == {(level + 32768) >> 6}


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"\x00" * 100])
def test_microphone_that_is_no_wav(tmp_path, content):
    path = tmp_path / "sound.wav"
    path.write_bytes(content)
    with pytest.raises(LaunchPadError, match="WAV"):
        board(HALT, microphone=path)


# Pins


def test_leds_and_buttons():
    follow = board(STACK, FOLLOW)
    follow.run(1000)
    assert follow.leds == (False, False)
    follow.press("S1")
    follow.run(1000)
    assert follow.leds == (False, True)
    follow.press()
    follow.run(1000)
    assert follow.leds == (False, False)


# What the chip cannot do

FAULTS = [  # the instruction, its place behind STACK, and what is wrong
    ("82430020\n824300c4\n", "write-protected memory at 0xC400"),  # clr &0x2000; clr &0xC400
    ("82430018\n", "write-protected memory at 0x1800"),  # clr &0x1800, information FRAM
    ("15420120\n", "odd address 0x2001"),  # mov &0x2001, r5
    ("15420000\n", "0x0000, where"),  # mov &0, r5: a null pointer
    ("c2430030\n", "0x3000, where"),  # clr.b &0x3000: one behind SRAM
    ("15420080\n", "0x8000, where"),  # mov &0x8000, r5
    ("30400020\n", "execute 0x2000"),  # br #0x2000
    ("3040feff\n", "execute 0xFFFE"),  # br #0xFFFE
    ("b2400a008201\nb240e7018401\n", "15990784 Hz without the wait state"),
    ("1542c001\n", "register 0x01C0"),  # mov &CRCDI, r5
    ("b24000900005\n", "register 0x0500"),  # mov #0x9000, &UCA0CTLW0: parity, 7 bits
]


@pytest.mark.parametrize("listing, reason", FAULTS)
def test_faults_name_their_place(listing, reason):
    faulty = board(STACK, listing, HALT)
    with pytest.raises(BoardFault, match=reason) as caught:
        faulty.run(1000)
    place = CODE + len(machine_code(STACK + listing)) - len(machine_code(listing.split()[-1]))
    if "execute" not in reason:
        assert caught.value.pc == place
        assert f"PC 0x{place:04X}" in str(caught.value)
    assert str(caught.value).endswith(".")
    assert faulty.halted
    assert faulty.faults == (caught.value,)
    with pytest.raises(BoardFault):
        faulty.run(1000)
    faulty.reset()
    assert not faulty.halted


@pytest.mark.parametrize("op", [0x1380 + 0x20, 0x13C0, 0x1040 | 0x80, 0x1140 | 0x80])
def test_unknown_instructions(op):
    faulty = board(STACK, op.to_bytes(2, "little").hex() + "\n", HALT)
    with pytest.raises(BoardFault, match=f"no instruction 0x{op:04X}"):
        faulty.run(1000)


def test_fault_reaches_the_port_after_what_was_sent():
    #         mov  #'x', &UCA0TXBUF
    #      1: bit  #UCTXCPTIFG, &UCA0IFG
    #         jz   1b
    #         clr  &0xC400
    last_words = board(START, "b24078000e05\nb2b21c05\nfd27\n824300c4\n", HALT)
    port = open_virtual(last_words)
    port.timeout = 0.01
    assert port.read(2) == b"x"
    with pytest.raises(BoardFault, match="0xC400"):
        port.read(1)


def test_unprotected_fram_can_be_written():
    #         mov  #0xA500, &SYSCFG0
    #         mov  #0x1234, &0xD000
    writer = board(STACK, "b24000a56001\nb240341200d0\n", HALT)
    writer.run(1000)
    assert tuple(writer.memory[0xD000:0xD002]) == (0x34, 0x12)


def test_high_water_marks():
    #         push #1
    #         push #2
    #         add  #4, sp
    #         mov.b #1, &0x2000
    marks = board(STACK, "1312\n2312\n2152\nd2430020\n", HALT)
    marks.run(1000)
    assert marks.stack_high_water == 4
    assert marks.ram_high_water == 5


# Images


def elf(parts, machine=105, kind=1):
    header = b"\x7fELF" + bytes([kind, 1, 1]) + bytes(9)
    fields = [(2, 2), (machine, 2), (1, 4), (CODE, 4), (52, 4), (0, 4), (0, 4), (52, 2), (32, 2)]
    fields += [(len(parts), 2), (0, 2), (0, 2), (0, 2)]
    header += b"".join(value.to_bytes(size, "little") for value, size in fields)
    table, body, offset = b"", b"", 52 + 32 * len(parts)
    for address, data in parts:
        entry = (1, offset + len(body), address, address, len(data), len(data), 5, 2)
        table += b"".join(value.to_bytes(4, "little") for value in entry)
        body += data
    return header + table + body


PARTS = [(CODE, machine_code(START + ECHO)), (RESET, CODE.to_bytes(2, "little"))]


def test_elf_and_ti_txt_are_the_same(tmp_path):
    path = tmp_path / "echo.elf"
    path.write_bytes(elf(PARTS))
    text = image(START + ECHO)
    assert segments(path) == segments(text) == PARTS
    assert VirtualBoard(path).run(200_000, b"same") == VirtualBoard(text).run(200_000, b"same")


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "neither"),
        (b"q", "neither"),
        (b"@C400 zz q", "neither"),
        (b"@C400 31 40", "neither"),
        (elf(PARTS)[:60], "neither"),
        (elf(PARTS)[:-4], "neither"),
        (elf(PARTS, machine=40), "neither"),
        (elf(PARTS, kind=2), "neither"),
        (b"@8000 31 40 q", "0x8000"),
        (b"@FFFE 00 C4 00 q", "0xFFFE"),
        (b"@C400 31 40 q", "reset vector"),
    ],
)
def test_wrong_images_in_one_sentence(data, reason):
    with pytest.raises(LaunchPadError, match=reason) as caught:
        VirtualBoard(data)
    assert str(caught.value).count(".") == 1
    assert str(caught.value).endswith(".")


def test_missing_image(tmp_path):
    with pytest.raises(LaunchPadError, match="cannot be read"):
        VirtualBoard(tmp_path / "none.elf")


@given(st.one_of(st.binary(), st.binary().map(lambda b: elf(PARTS)[:52] + b)))
def test_noise_is_no_image(data):
    try:
        parts = segments(data)
    except LaunchPadError:
        return
    assert all(0 <= address <= address + len(part) <= 0x10000 for address, part in parts)


@given(st.lists(st.tuples(st.integers(0xC400, 0xFF00), st.binary(min_size=1, max_size=64))))
def test_images_are_read_back(parts):
    text = "".join(f"@{a:x}\n{data.hex(' ')}\n" for a, data in parts).encode() + b"q"
    if parts:
        assert segments(text) == parts
    assert segments(elf(parts)) == parts


# The committed firmware


def test_start_and_hello_within_two_seconds():
    start = time.monotonic()
    with serve_pty(VirtualBoard()) as url, connect(url) as host:
        limits = host.hello()
    assert time.monotonic() - start < 2
    assert limits.pixels == 800
    assert limits.clock_hz == pytest.approx(MHZ_16, rel=1e-3)
