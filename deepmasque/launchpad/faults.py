"""A bad line on purpose: for the tests, the benchmark and the page's noisy line."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import serial

NOISE = ("flip", "drop", "double", "garbage")
"""What happens to bytes: a bit flips, one is lost, one comes twice, others are put before it."""
GARBAGE = 12


class HostVanishedError(Exception):
    """The program that talks to the board ends here; the board is left as it is."""


class FaultyLine:
    """A port, like `port` itself, on which any byte of either direction may meet a fault.

    rate: probability of a fault per byte. seed: the same seed and bytes give the same faults.
    kinds: of NOISE, "reset" (calls `reset`, after which the board starts anew) and "vanish" (raises
    HostVanishedError while sending).
    `faults` counts those that happened by kind.
    """

    def __init__(
        self,
        port: serial.SerialBase,
        rate: float,
        seed: int,
        kinds: Sequence[str] = NOISE,
        reset: Callable[[], None] | None = None,
    ) -> None:
        self.faults: Counter[str] = Counter()
        self._port, self._rate, self._kinds, self._reset = port, rate, kinds, reset
        self._random = Random(seed)
        self._held = b""
        if hasattr(port, "clock"):
            self.clock = port.clock

    @property
    def timeout(self) -> float | None:
        """Seconds that `read` waits."""
        return self._port.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._port.timeout = seconds

    @property
    def in_waiting(self) -> int:
        """Bytes that `read` returns at once."""
        return len(self._held) + self._port.in_waiting

    def write(self, data: bytes) -> int:
        """Send what the faults leave of the bytes."""
        self._port.write(self._damaged(data, sending=True))
        return len(data)

    def read(self, size: int = 1) -> bytes:
        """Receive what the faults leave of up to `size` bytes."""
        if len(self._held) < size:
            self._held += self._damaged(self._port.read(size - len(self._held)), sending=False)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    def _damaged(self, data: bytes, sending: bool) -> bytes:
        result = bytearray()
        for byte in data:
            kind = self._fault()
            if kind == "vanish" and not sending:
                kind = None
            if kind:
                self.faults[kind] += 1
            result += self._after(kind, byte)
        return bytes(result)

    def _fault(self) -> str | None:
        """What happens to the next byte."""
        return self._random.choice(self._kinds) if self._random.random() < self._rate else None

    def _after(self, kind: str | None, byte: int) -> bytes:
        one = bytes((byte,))
        if kind == "flip":
            return bytes((byte ^ 1 << self._random.randrange(8),))
        if kind == "drop":
            return b""
        if kind == "double":
            return one + one
        if kind == "garbage":
            return self._random.randbytes(self._random.randint(1, GARBAGE)) + one
        if kind == "reset":
            self._reset()
        elif kind == "vanish":
            raise HostVanishedError
        return one
