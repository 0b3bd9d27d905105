"""The line to a board: finds and opens it, and sends a request until it is answered."""

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import serial
from serial.tools import list_ports

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.constants import BAUD, ERROR, ERROR_MEANINGS, REPLY
from deepmasque.launchpad.protocol import Decoder, Frame, encode

VIRTUAL = "virtual://"
RESEND_SECONDS = 0.2
"""A board answers within 20 ms, USB included; what takes longer was lost."""
POLL_SECONDS = 0.02
TI = 0x0451
"""USB vendor of the LaunchPad's debug probe."""


class NoReplyError(LaunchPadError):
    """Nothing on the line answers as a board does."""


class RefusedError(LaunchPadError):
    """The board understood the request and refuses it; `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(ERROR_MEANINGS.get(code, f"The board refuses with code {code}."))
        self.code = code


@dataclass(frozen=True)
class Port:
    """Where a board may be: what `connect` takes, and the name a person knows it by."""

    url: str
    description: str


def ports() -> list[Port]:
    """Where a board may be: the virtual one first, then serial ports, those of TI before others."""
    found = sorted(list_ports.comports(), key=lambda port: (port.vid != TI, port.device))
    return [
        Port(VIRTUAL, "Virtual LaunchPad"),
        *(
            Port(port.device, f"{port.device} · {port.description}".removesuffix(" · n/a"))
            for port in found
        ),
    ]


def open_port(url: str) -> serial.SerialBase:
    """Open what `connect` was given; LaunchPadError with the reason if that fails."""
    if url == VIRTUAL:
        from deepmasque.launchpad.virtual_board import open_virtual  # compiles for seconds, once

        return open_virtual()
    if not url or ("://" in url and not url.startswith("socket://")):
        raise LaunchPadError(
            f"“{url}” is no board: name a serial port, socket://host:port or {VIRTUAL}."
        )
    try:
        return serial.serial_for_url(
            url, BAUD, timeout=POLL_SECONDS, write_timeout=1, exclusive=True
        )
    except (OSError, ValueError) as error:
        raise LaunchPadError(_why_closed(url, error)) from error


def _why_closed(url: str, error: Exception) -> str:
    said = str(error)
    number = getattr(error, "errno", None)
    if url.startswith("socket://"):
        return f"Nobody answers at {url}: start the board there, and check host and port."
    if number == errno.ENOENT or "FileNotFoundError" in said:
        return f"There is no port {url}: plug the board in and look for its port again."
    if number in (errno.EBUSY, errno.EAGAIN) or "PermissionError" in said:
        return f"{url} is in use by another program: close that one first."
    if number == errno.EACCES:
        return f"{url} may not be opened: give yourself the right to, usually by group dialout."
    return f"{url} is not a serial port."


class Link:
    """An open line with one request outstanding at a time.

    port: an object like serial.Serial. Where it has a `clock()`, time-outs are counted in its
    seconds: a virtual board's own, which pass as fast as it is executed.
    name: of the port, for messages. timeout: seconds after which no answer is an error.
    `sent` and `received` count bytes.
    """

    def __init__(self, port: serial.SerialBase, name: str, timeout: float) -> None:
        self.name, self.timeout = name, timeout
        self.sent = self.received = 0
        self.clock: Callable[[], float] = getattr(port, "clock", time.monotonic)
        self._port = port
        self._port.timeout = POLL_SECONDS
        self._decoder = Decoder()
        self._frames: list[Frame] = []
        self._sequences = cycle(range(1, 256))  # 0 is what a board says unasked
        self._sequence = 0

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def ask(
        self,
        kind: int,
        payload: bytes = b"",
        *,
        begins: bytes = b"",
        size: int = 0,
        patience: float = 0.0,
    ) -> bytes:
        """The rest of the payload of the one right reply.

        begins: what the reply repeats of the request. size: bytes after that.
        patience: seconds that the answer takes beyond the usual.
        """

        def right(frame: Frame) -> bool:
            return (
                frame.kind == kind | REPLY
                and frame.sequence == self._sequence
                and frame.payload.startswith(begins)
                and len(frame.payload) == len(begins) + size
            )

        return self.exchange(kind, payload, right, patience=patience).payload[len(begins) :]

    def exchange(
        self,
        kind: int,
        payload: bytes,
        right: Callable[[Frame], bool],
        *,
        patience: float = 0.0,
        silent: float = 0.0,
    ) -> Frame:
        """Send a request again and again; the first frame that is `right`.

        patience: as for `ask`. silent: seconds that the board has said nothing for already.
        Raises RefusedError if the board refuses, NoReplyError if time is up.
        """
        self._sequence = next(self._sequences)
        request = encode(Frame(kind, self._sequence, payload))
        end = self.clock() + self.timeout + patience - silent
        while self.clock() < end:
            self._write(request)
            if frame := self.next_frame(right, RESEND_SECONDS + patience):
                return frame
        raise NoReplyError(
            f"Nothing answers on {self.name}: is the board plugged in, powered and flashed?"
        )

    def next_frame(self, right: Callable[[Frame], bool], seconds: float) -> Frame | None:
        """The next `right` frame; None if there is none for so long.

        Raises RefusedError if the last request is refused.
        """
        end = self.clock() + seconds
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if right(frame):
                    return frame
                if frame.kind == ERROR and frame.sequence == self._sequence:
                    raise RefusedError(frame.payload[-1])
            if self.clock() >= end:
                return None
            self._frames += self._decoder.feed(self._read())

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise self._cut() from error
        self.sent += len(data)

    def _read(self) -> bytes:
        try:
            data = self._port.read(max(1, self._port.in_waiting))
        except OSError as error:
            raise self._cut() from error
        self.received += len(data)
        return data

    def _cut(self) -> LaunchPadError:
        return LaunchPadError(f"The line to {self.name} was cut: plug the board in again.")
