"""A board: what it can be asked, and how a column gets there and its alphas back."""

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import randrange
from types import TracebackType
from typing import Literal, Self

import numpy as np
import serial
from numpy.typing import NDArray

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.columns import ColumnResult
from deepmasque.launchpad.constants import (
    ALPHA_COUNT_LIMIT,
    CODE_BACKGROUND,
    CODE_FOREGROUND,
    CODE_UNKNOWN,
    FEATURE_LIMIT,
    PART_FEATURES,
    PART_TRIMAP,
    PAYLOAD_LIMIT,
    PIXELS,
    PROGRESS_SECONDS,
    PROTOCOL_VERSION,
    REPLY,
    SAMPLE_COUNT_LIMIT,
    ErrorCode,
    Mode,
    Phase,
    Type,
)
from deepmasque.launchpad.link import Link, NoReplyError, RefusedError, open_port
from deepmasque.launchpad.protocol import Frame
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND

SRAM_BYTES = 4096
"""All the memory of an MSP430FR2433 that a program may write to while it runs."""
SILENCE_SECONDS = 2 * PROGRESS_SECONDS
"""A solving board that says nothing for so long is asked again."""
SOLVE_SECONDS = 120.0
ATTEMPTS = 5
"""How often a column is sent before its faults become an error."""

_U16 = struct.Struct("<H")  # an id, an offset or a count
_U32 = struct.Struct("<I")
_SHAPE = struct.Struct("<HB")
_BLOCK_PLACE = struct.Struct("<BH")
_HELLO = struct.Struct("<BBHHHHH")
_PROGRESS = struct.Struct("<BHH")
_DONE = struct.Struct("<BHI")
_STATS = struct.Struct("<HIHHH")
BLOCK_BYTES = (PAYLOAD_LIMIT - _U16.size - _BLOCK_PLACE.size) // 2 * 2  # whole feature pairs

ColumnMode = Literal["auto", "exact", "windowed"]


class _LostColumnError(LaunchPadError):
    """The column on the board is not what it should be: it has to be sent again."""


@dataclass(frozen=True)
class Limits:
    """What a board says of itself.

    Attributes
    ----------
    version: of the protocol. variant: 0 the bare FR2433 image, 1 the Energia sketch.
    clock_hz: of its CPU. pixels: most of a column. exact_limit: most unknown pixels of exact mode.
    window: unknown pixels that windowed mode solves at once. boot: differs after every reset.
    """

    version: int
    variant: int
    clock_hz: int
    pixels: int
    exact_limit: int
    window: int
    boot: int


@dataclass(frozen=True)
class Stats:
    """What the board measured: of its last solve, and of its memory since it started.

    Attributes
    ----------
    id: of the column. iterations: conjugate-gradient steps. cycles: of graph and solve.
    stack_bytes: the deepest stack. static_bytes: SRAM taken by variables.
    overruns: bytes that came faster than they were read.
    """

    id: int
    iterations: int
    cycles: int
    stack_bytes: int
    static_bytes: int
    overruns: int


@dataclass(frozen=True)
class Progress:
    """How far a column is: `done` of `total` in the phase send, graph, solve or receive."""

    phase: Literal["send", "graph", "solve", "receive"]
    done: int
    total: int


OnProgress = Callable[[Progress], None]
_Report = Callable[[str, int, int], None]


def connect(url: str, timeout: float = 3.0) -> "Board":
    """Open the line to a board and wait until it answers.

    url: a serial port's name ("/dev/ttyACM0", "COM3"), a pty, "socket://host:port", or "virtual://"
    for a board that this process executes instruction by instruction.
    timeout: seconds after which what was not answered is an error, here and in every request.
    Raises LaunchPadError if there is no such port, it is in use, or no board answers there.
    """
    board = Board(open_port(url), url, timeout)
    try:
        board.hello()
    except BaseException:
        board.close()
        raise
    return board


class Board:
    """A board at the other end of an open line; a context manager that closes the line.

    port, name, timeout: as for `Link`. Every method raises LaunchPadError for whatever the line or
    the board does wrong, at the latest `timeout` seconds after the last valid frame.
    """

    def __init__(self, port: serial.SerialBase, name: str, timeout: float = 3.0) -> None:
        self._link = Link(port, name, timeout)
        self._id = randrange(65536)  # so that a column of the last host is not taken for ours

    def __enter__(self) -> Self:
        """Return the board itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the line."""
        self.close()

    def close(self) -> None:
        """Close the line; the board stays as it is."""
        self._link.close()

    @property
    def sent(self) -> int:
        """Bytes sent on this line."""
        return self._link.sent

    @property
    def received(self) -> int:
        """Bytes received on this line."""
        return self._link.received

    def hello(self) -> Limits:
        """Who the board is; what it was solving goes on."""
        try:
            reply = self._link.ask(Type.HELLO, size=_HELLO.size)
        except NoReplyError as error:
            if self.received:
                raise NoReplyError(
                    f"What speaks on {self._link.name} is not this firmware: flash it, or choose"
                    " another port."
                ) from error
            raise
        version, variant, clock_khz, *rest = _HELLO.unpack(reply)
        if version != PROTOCOL_VERSION:
            raise LaunchPadError(
                f"The board speaks version {version} of the protocol, not {PROTOCOL_VERSION}: flash"
                " the firmware that came with this program."
            )
        return Limits(version, variant, clock_khz * 1000, *rest)

    def ping(self, data: bytes = b"") -> float:
        """Send up to 48 bytes there and back; the seconds it took."""
        start = self._link.clock()
        self._link.ask(Type.PING, data, begins=data)
        return self._link.clock() - start

    def reset(self) -> Limits:
        """Start the board anew; who it is then."""
        self._link.ask(Type.RESET)
        return self.hello()

    def stats(self) -> Stats:
        """What the board measured."""
        reply = self._link.ask(Type.STATS, size=_U16.size + _STATS.size)
        return Stats(*_U16.unpack_from(reply), *_STATS.unpack_from(reply, _U16.size))

    def capture(self, rate: int) -> NDArray[np.int16]:
        """Sample the board's microphone channel; a column that it held is lost.

        rate: samples a second. Returns (800,) int16.
        """
        reply = self._link.ask(
            Type.CAPTURE, _U16.pack(rate), size=_U16.size, patience=PIXELS / rate
        )
        (samples,) = _U16.unpack(reply)
        data = b""
        for start in range(0, samples, SAMPLE_COUNT_LIMIT):
            wanted = min(SAMPLE_COUNT_LIMIT, samples - start)
            place = _U16.pack(start)
            data += self._link.ask(
                Type.GET_SAMPLES, place + bytes((wanted,)), begins=place, size=2 * wanted
            )
        return np.frombuffer(data, "<i2").astype(np.int16)

    def solve_column(
        self,
        features: NDArray[np.int8],
        trimap: NDArray[np.uint8],
        mode: ColumnMode = "auto",
        on_progress: OnProgress | None = None,
    ) -> ColumnResult:
        """Have a column solved.

        What the line damages is sent again, the whole column too if the board lost it. The alphas
        returned are those that the board's own checksum vouches for.

        features: (N, 2) int8 in -60..60, N in 1..800. trimap: (N,) uint8, 0 background, 128
        unknown, 255 foreground. mode: "exact", "windowed", or "auto" for exact where it fits.
        on_progress: called with each Progress; an error raised in it cancels the solve.
        Raises ValueError for arrays of another kind, RefusedError if exact mode is asked and too
        many pixels are unknown, or if none is known.
        """
        column = _encoded(features, trimap, mode)
        for _ in range(ATTEMPTS):
            self._id = self._id % 65535 + 1  # 0 is no column's
            try:
                return self._solved(_U16.pack(self._id), column, on_progress)
            except _LostColumnError as error:
                lost = error
        raise LaunchPadError(f"A column was lost {ATTEMPTS} times; the last time, {lost}") from lost

    def _solved(
        self, id: bytes, column: "_EncodedColumn", on_progress: OnProgress | None
    ) -> ColumnResult:
        report = partial(_report, on_progress)
        try:
            self._send(id, column, report)
            mode, iterations, check = self._wait(id, column, report)
            alpha = self._fetch(id, column.length, report)
            stats = self.stats()
        except RefusedError as refusal:
            if refusal.code in (ErrorCode.TOO_MANY_UNKNOWN, ErrorCode.NOTHING_KNOWN):
                raise
            if refusal.code == ErrorCode.BUSY:
                self._cancel()
            raise _LostColumnError(f"the board said: {refusal}") from refusal
        except NoReplyError:
            raise
        except BaseException:
            self._cancel()
            raise
        if zlib.crc32(id + alpha) != check or _U16.pack(stats.id) != id:
            raise _LostColumnError("its alphas did not arrive whole.")
        return ColumnResult(
            np.frombuffer(alpha, np.uint8).copy(),
            iterations,
            Mode(mode).name.lower(),
            stats.cycles,
            stats.static_bytes + stats.stack_bytes,
            stats.stack_bytes,
        )

    def _send(self, id: bytes, column: "_EncodedColumn", report: _Report) -> None:
        self._link.ask(Type.BEGIN, id + column.shape, begins=id)
        total = len(column.features) + len(column.trimap)
        sent = 0
        for part, data in ((PART_FEATURES, column.features), (PART_TRIMAP, column.trimap)):
            for start in range(0, len(data), BLOCK_BYTES):
                head = id + _BLOCK_PLACE.pack(part, start)
                block = data[start : start + BLOCK_BYTES]
                self._link.ask(Type.BLOCK, head + block, begins=head)
                sent += len(block)
                report("send", sent, total)

    def _wait(self, id: bytes, column: "_EncodedColumn", report: _Report) -> tuple[int, int, int]:
        """Mode, iterations and the checksum of the alphas."""
        request = id + _U32.pack(zlib.crc32(id + column.shape + column.features + column.trimap))
        sizes = {
            Type.SOLVE | REPLY: 0,
            Type.PROGRESS: _PROGRESS.size,
            Type.DONE: _DONE.size,
        }

        def right(frame: Frame) -> bool:
            size = _U16.size + sizes.get(frame.kind, -1)
            return frame.payload.startswith(id) and len(frame.payload) == size

        end = self._link.clock() + SOLVE_SECONDS
        silent = 0.0
        while self._link.clock() < end:
            frame = self._link.exchange(Type.SOLVE, request, right, silent=silent)
            while frame:
                if frame.kind == Type.DONE:
                    return _DONE.unpack_from(frame.payload, _U16.size)
                if frame.kind == Type.PROGRESS:
                    phase, done, total = _PROGRESS.unpack_from(frame.payload, _U16.size)
                    report(Phase(phase).name.lower(), done, total)
                frame = self._link.next_frame(right, SILENCE_SECONDS)
            silent = SILENCE_SECONDS
        raise LaunchPadError(f"The board did not solve a column in {SOLVE_SECONDS:.0f} s.")

    def _fetch(self, id: bytes, length: int, report: _Report) -> bytes:
        alpha = b""
        for start in range(0, length, ALPHA_COUNT_LIMIT):
            wanted = min(ALPHA_COUNT_LIMIT, length - start)
            place = id + _U16.pack(start)
            alpha += self._link.ask(
                Type.GET_ALPHA, place + bytes((wanted,)), begins=place, size=wanted
            )
            report("receive", len(alpha), length)
        return alpha

    def _cancel(self) -> None:
        with suppress(LaunchPadError):  # nothing runs on a board that cannot be reached
            self._link.ask(Type.CANCEL)


@dataclass(frozen=True)
class _EncodedColumn:
    """A column as its blocks and checksum hold it."""

    length: int
    shape: bytes
    features: bytes
    trimap: bytes


def _encoded(
    features: NDArray[np.int8], trimap: NDArray[np.uint8], mode: ColumnMode
) -> _EncodedColumn:
    length = len(trimap)
    if trimap.dtype != np.uint8 or trimap.shape != (length,) or not 1 <= length <= PIXELS:
        raise ValueError(f"a column's trimap is (N,) uint8, N in 1..{PIXELS}")
    if features.dtype != np.int8 or features.shape != (length, 2):
        raise ValueError("a column's features are (N, 2) int8, N as of its trimap")
    if length and np.abs(features.astype(int)).max() > FEATURE_LIMIT:
        raise ValueError(f"a column's features lie in -{FEATURE_LIMIT}..{FEATURE_LIMIT}")
    codes = np.full((length + 3) // 4 * 4, CODE_BACKGROUND, np.uint8)
    codes[:length] = np.select(
        [trimap == BACKGROUND, trimap == FOREGROUND],
        [CODE_BACKGROUND, CODE_FOREGROUND],
        CODE_UNKNOWN,
    )
    packed = (codes.reshape(-1, 4) << np.array([0, 2, 4, 6], np.uint8)).sum(axis=1, dtype=np.uint8)
    shape = _SHAPE.pack(length, Mode[mode.upper()])
    return _EncodedColumn(length, shape, features.tobytes(), packed.tobytes())


def _report(on_progress: OnProgress | None, phase: str, done: int, total: int) -> None:
    if on_progress:
        on_progress(Progress(phase, done, total))
