"""A virtual MSP-EXP430FR2433: it executes a firmware image, and pyserial opens it like a board."""

import os
import select
import socket
import struct
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad import cpu, machine, peripherals
from deepmasque.launchpad.machine import CODE, INFO, INFO_END, RESET_VECTOR

IMAGE = Path(__file__).parents[2] / "firmware" / "image" / "fr2433.elf"
BUTTONS = {"S1": 1 << 11, "S2": 1 << 15}  # P2.3 and P2.7
SLICE = 0.005  # seconds of board time between two looks at the line
STEP = 0.001  # the same for a port without a thread
EM_MSP430 = 105


class BoardFault(LaunchPadError):  # noqa: N818, a fault is what the chip's manual calls it
    """The firmware did what the FR2433 cannot do; `pc` is the address of that instruction."""

    def __init__(self, message: str, pc: int) -> None:
        super().__init__(message)
        self.pc = pc


class VirtualBoard:
    """An MSP430FR2433 that executes a firmware image.

    Parameters
    ----------
    image: ELF (elf32-msp430) or TI-TXT, as a path or as its bytes.
    microphone: what the ADC hears on A0 to A7, played in a loop: a WAV file, or (N,) int16 at
        `rate` Hz. Silence without it.
    paced: served boards run in real time; otherwise as fast as they can while they work, and in
        real time while they wait. `run` never waits for the clock.
    baud: speed of the host's end of the line.

    An image that is none raises LaunchPadError.
    """

    def __init__(
        self,
        image: Path | bytes = IMAGE,
        *,
        microphone: Path | NDArray[np.int16] | None = None,
        rate: int = 8000,
        paced: bool = False,
        baud: int = 115200,
    ) -> None:
        if microphone is None:
            microphone = np.zeros(1, np.int16)
        elif not isinstance(microphone, np.ndarray):
            microphone, rate = read_wav(microphone)
        self.paced = paced
        self.faults: tuple[BoardFault, ...] = ()
        self._halted: BoardFault | None = None
        self._waiting = bytearray()
        self._lock = threading.RLock()
        self._machine = machine.power_up(baud, microphone, rate)
        for address, data in segments(image):
            self._machine.memory[address : address + len(data)] = np.frombuffer(data, np.uint8)
        if self._machine.words[RESET_VECTOR >> 1] == 0xFFFF:
            raise LaunchPadError("The firmware image has no reset vector: no board can start it.")
        peripherals.reset(self._machine, machine.BROWNOUT)

    def run(self, cycles: int, received: bytes = b"") -> bytes:
        """Run for `cycles` MCLK cycles and return the bytes sent meanwhile.

        `received` is queued behind what the host sent before and arrives at the speed of the
        line. Raises BoardFault when the firmware does what the chip cannot do; the board then
        stands still until `reset`.
        """
        sent = self.advance(cycles, received)
        if self._halted:
            raise self._halted
        return sent

    def advance(self, cycles: int, received: bytes = b"") -> bytes:
        """`run`, but a fault only stops the board and is left in `faults`."""
        m, s = self._machine, self._machine.state
        with self._lock:
            self._waiting += received
            end, sent = s[machine.CYCLES] + cycles, b""
            while not self._halted and s[machine.CYCLES] < end:
                self._feed()
                cpu.run(m, end)
                sent += m.memory[machine.TO_HOST :][: s[machine.SENT]].tobytes()
                s[machine.SENT] = 0
                if s[machine.FAULT]:
                    self._halt()
            return sent

    def reset(self) -> None:
        """Press RST: the board starts again; SRAM keeps its contents, FRAM its program."""
        with self._lock:
            self._halted = None
            self._machine.state[machine.FAULT] = 0
            peripherals.reset(self._machine, machine.RST_PIN)

    def press(self, *buttons: str) -> None:
        """Hold down exactly these of the buttons S1 and S2."""
        with self._lock:
            peripherals.pull(self._machine, sum(BUTTONS[b] for b in buttons))

    @property
    def leds(self) -> tuple[bool, bool]:
        """Whether LED1 and LED2 are lit."""
        w = self._machine.words
        if w[peripherals.PM5CTL0 >> 1] & 1:
            return False, False
        lit = int(w[peripherals.PAOUT >> 1] & w[peripherals.PADIR >> 1])
        return bool(lit & 1), bool(lit & 2)

    @property
    def cycles(self) -> int:
        """MCLK cycles since power-up."""
        return int(self._machine.state[machine.CYCLES])

    @property
    def instructions(self) -> int:
        """Instructions executed since power-up."""
        return int(self._machine.state[machine.INSTRUCTIONS])

    @property
    def clock(self) -> int:
        """Present MCLK in Hz, as the firmware set it up."""
        return int(self._machine.state[machine.MCLK])

    @property
    def seconds(self) -> float:
        """Board time since power-up."""
        return int(peripherals.nanoseconds(self._machine, self.cycles)) / 1e9

    @property
    def idle(self) -> bool:
        """Whether the firmware, when last run, slept or polled for something to happen."""
        return bool(self._machine.state[machine.IDLE])

    @property
    def halted(self) -> bool:
        """Whether a fault has stopped the board."""
        return self._halted is not None

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return self.registers[0]

    @property
    def registers(self) -> tuple[int, ...]:
        """R0 to R15."""
        return tuple(int(r) for r in self._machine.state[:16])

    @property
    def memory(self) -> NDArray[np.uint8]:
        """Copy of the (65536,) bytes of the address space."""
        return self._machine.memory[:0x10000].copy()

    @property
    def stack_high_water(self) -> int:
        """Most bytes of stack in use at once since the last reset."""
        s = self._machine.state
        return int(s[machine.STACK_TOP] - s[machine.STACK_LOW])

    @property
    def ram_high_water(self) -> int:
        """Bytes of SRAM written since power-up."""
        return int(self._machine.memory[machine.WRITTEN : machine.SEEN_RAM].sum())

    @property
    def overruns(self) -> int:
        """Bytes that arrived while the one before had not been read."""
        return int(self._machine.state[machine.OVERRUNS])

    @property
    def lost(self) -> int:
        """Bytes that arrived while the UART was off, or that it could not frame."""
        return int(self._machine.state[machine.LOST])

    def _feed(self) -> None:
        """Move what the host has sent into the ring from which the line delivers."""
        m, s = self._machine, self._machine.state
        head, size = int(s[machine.RX_HEAD]), machine.LINE_BYTES
        free = (int(s[machine.RX_TAIL]) - head - 1) % size
        part = np.frombuffer(bytes(self._waiting[:free]), np.uint8)
        if not len(part):
            return
        del self._waiting[: len(part)]
        m.memory[machine.RECEIVED + (head + np.arange(len(part))) % size] = part
        s[machine.RX_HEAD] = (head + len(part)) % size
        if s[machine.RX_AT] == machine.NEVER:
            start = max(s[machine.CYCLES], s[machine.RX_FREE])
            s[machine.RX_AT] = start + peripherals.line_byte(m)

    def _halt(self) -> None:
        s = self._machine.state
        pc, address = int(s[machine.AT]), int(s[machine.FAULT_ADDRESS])
        reason = machine.FAULTS[s[machine.FAULT]].format(address=address)
        self._halted = BoardFault(f"The firmware stopped at PC 0x{pc:04X}: {reason}.", pc)
        self.faults += (self._halted,)


def segments(image: Path | bytes) -> list[tuple[int, bytes]]:
    """Addresses and contents of what an ELF or TI-TXT image puts into FRAM."""
    if isinstance(image, bytes):
        data, name = image, "The firmware image"
    else:
        try:
            data, name = Path(image).read_bytes(), Path(image).name
        except OSError as error:
            raise LaunchPadError(f"The firmware image {image} cannot be read.") from error
    try:
        parts = _elf_segments(data) if data.startswith(b"\x7fELF") else _ti_txt_segments(data)
    except (ValueError, struct.error) as error:
        raise LaunchPadError(
            f"{name} is neither an ELF file for the MSP430 nor a TI-TXT file."
        ) from error
    for address, part in parts:
        end = address + len(part)
        if not (CODE <= address <= end <= 0x10000 or INFO <= address <= end <= INFO_END):
            raise LaunchPadError(
                f"{name} needs memory at 0x{address:04X}, where the FR2433 has no FRAM."
            )
    return parts


def _elf_segments(data: bytes) -> list[tuple[int, bytes]]:
    kind, order, architecture = struct.unpack_from("<BB12xH", data, 4)
    if (kind, order, architecture) != (1, 1, EM_MSP430):
        raise ValueError
    table = struct.unpack_from("<I", data, 28)[0]
    size, count = struct.unpack_from("<HH", data, 42)
    parts = []
    for i in range(count):
        kind, offset, _, address, length = struct.unpack_from("<IIIII", data, table + i * size)
        if kind == 1 and length:
            if offset + length > len(data):
                raise ValueError
            parts.append((address, data[offset : offset + length]))
    return parts


def _ti_txt_segments(data: bytes) -> list[tuple[int, bytes]]:
    text = data.decode("ascii").split()
    if text[-1:] not in (["q"], ["Q"]) or not text[0].startswith("@"):
        raise ValueError
    parts: list[tuple[int, bytearray]] = []
    for word in text[:-1]:
        if word.startswith("@"):
            parts.append((int(word[1:], 16), bytearray()))
        elif len(word) == 2:
            parts[-1][1].append(int(word, 16))
        else:
            raise ValueError
    return [(address, bytes(part)) for address, part in parts]


def read_wav(path: Path) -> tuple[NDArray[np.int16], int]:
    """Samples (N,) int16 of a WAV file's first channel and their rate in Hz."""
    try:
        with wave.open(str(path)) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise LaunchPadError(f"{path} is not a WAV file that can be played.") from error
    frames = np.frombuffer(raw, np.uint8).reshape(-1, channels, width)[:, 0]
    if not len(frames):
        raise LaunchPadError(f"{path} holds no sound.")
    if width == 1:
        return (frames[:, 0].astype(np.int16) - 128) << 8, rate
    return np.ascontiguousarray(frames[:, -2:]).view("<i2")[:, 0].astype(np.int16), rate


class VirtualPort:
    """A board behind pyserial's interface, without a thread: reading is what makes it run.

    Time-outs count board time, see `clock`; the same calls therefore give the same bytes.
    """

    name = port = "virtual://"
    baudrate = 115200

    def __init__(self, board: VirtualBoard, timeout: float | None = 1.0) -> None:
        self.board = board
        self.timeout = timeout
        self.is_open = True
        self._buffer = bytearray()

    def __enter__(self) -> "VirtualPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def clock(self) -> float:
        """Board time in seconds."""
        return self.board.seconds

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        if not self._buffer:
            self._run(STEP)
        return len(self._buffer)

    def read(self, size: int = 1) -> bytes:
        """Return `size` bytes, or fewer after `timeout` seconds of board time (None: 3600)."""
        end = self.clock() + (3600 if self.timeout is None else self.timeout)
        step = STEP
        while len(self._buffer) < size and (left := end - self.clock()) > 0:
            if self.board.halted and self._buffer:
                break
            self._run(min(step, left))
            step = 2 * step if self.board.idle else STEP
        part = bytes(self._buffer[:size])
        del self._buffer[: len(part)]
        return part

    def write(self, data: bytes) -> int:
        """Queue bytes for the board."""
        self._buffer += self.board.advance(0, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: what was written is already on the line."""

    def reset_input_buffer(self) -> None:
        """Forget what the board has sent."""
        self._buffer.clear()

    def close(self) -> None:
        """Leave the board as it is; another port may be opened on it."""
        self.is_open = False

    def _run(self, seconds: float) -> None:
        if self.board.halted:
            raise self.board.faults[-1]
        self._buffer += self.board.advance(max(1, int(seconds * self.board.clock)))


def open_virtual(board: VirtualBoard | None = None) -> VirtualPort:
    """Open a board, by default a new one with the committed firmware, as a serial port."""
    return VirtualPort(board or VirtualBoard())


class _Line(Protocol):
    def receive(self, timeout: float) -> bytes: ...

    def send(self, data: bytes) -> None: ...


class _Pty:
    def __init__(self) -> None:
        # Windows has neither of the two; there, sockets serve.
        import pty
        import tty

        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.name = os.ttyname(self._slave)

    def receive(self, timeout: float) -> bytes:
        if not select.select([self._master], [], [], timeout)[0]:
            return b""
        return os.read(self._master, 4096)

    def send(self, data: bytes) -> None:
        try:
            os.write(self._master, data)
        except BlockingIOError:
            return  # nobody reads: a real line loses the bytes too

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


class _Socket:
    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._client: socket.socket | None = None
        self.name = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def receive(self, timeout: float) -> bytes:
        ends = [self._listener, *([self._client] if self._client else [])]
        ready = select.select(ends, [], [], timeout)[0]
        if self._listener in ready:
            self._drop()
            self._client, _ = self._listener.accept()
            self._client.setblocking(False)
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif ready:
            try:
                if data := self._client.recv(4096):
                    return data
            except OSError:
                pass
            self._drop()
        return b""

    def send(self, data: bytes) -> None:
        if self._client:
            try:
                self._client.send(data)
            except BlockingIOError:
                return
            except OSError:
                self._drop()

    def close(self) -> None:
        self._drop()
        self._listener.close()

    def _drop(self) -> None:
        if self._client:
            self._client.close()
            self._client = None


@contextmanager
def serve_pty(board: VirtualBoard) -> Iterator[str]:
    """Run the board behind a pseudo-terminal; yields its name, for pyserial."""
    with _served(board, _Pty()) as name:
        yield name


@contextmanager
def serve_socket(board: VirtualBoard, port: int = 0) -> Iterator[str]:
    """Run the board behind a TCP port of this machine; yields its socket:// URL, for pyserial."""
    with _served(board, _Socket(port)) as name:
        yield name


@contextmanager
def _served(board: VirtualBoard, line: _Pty | _Socket) -> Iterator[str]:
    stop = threading.Event()
    thread = threading.Thread(target=_serve, args=(board, line, stop), daemon=True)
    thread.start()
    try:
        yield line.name
    finally:
        stop.set()
        thread.join()
        line.close()


def _serve(board: VirtualBoard, line: _Line, stop: threading.Event) -> None:
    origin = time.monotonic() - board.seconds
    while not stop.is_set():
        ahead = board.seconds - (time.monotonic() - origin)
        if board.halted:
            ahead = SLICE
        elif not (board.paced or board.idle):
            origin, ahead = time.monotonic() - board.seconds, 0.0
        received = line.receive(max(0.0, ahead))
        if sent := board.advance(int(SLICE * board.clock), received):
            line.send(sent)
