"""Frames of the wire protocol: COBS around type, sequence, length, payload and CRC-16."""

import binascii
from dataclasses import dataclass

from deepmasque.launchpad.constants import PAYLOAD_LIMIT

HEADER, CHECK = 3, 2
FRAME_LIMIT = 1 + HEADER + PAYLOAD_LIMIT + CHECK
"""Bytes of the longest encoded frame, without its zeros: COBS adds one to less than 255."""


@dataclass(frozen=True)
class Frame:
    """One message on the line; kind and sequence are one byte each, the payload at most 48."""

    kind: int
    sequence: int
    payload: bytes = b""


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF, not reflected."""
    return binascii.crc_hqx(data, 0xFFFF)


def encode(frame: Frame) -> bytes:
    """A frame as it goes on the line, a zero before it and one after.

    The leading zero ends whatever noise the receiver has gathered.
    Raises ValueError for a payload of more than 48 bytes.
    """
    if len(frame.payload) > PAYLOAD_LIMIT:
        raise ValueError(f"a payload has at most {PAYLOAD_LIMIT} bytes, not {len(frame.payload)}")
    body = bytes((frame.kind, frame.sequence, len(frame.payload))) + frame.payload
    return b"\0" + cobs_encode(body + crc16(body).to_bytes(CHECK, "little")) + b"\0"


class Decoder:
    """Takes bytes as they arrive and finds the frames in them; drops silently all that is none."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that these bytes complete, in order."""
        *ended, rest = data.split(b"\0")
        frames = []
        for piece in ended:
            self._hold(piece)
            if not self._overlong and (frame := _parsed(bytes(self._held))):
                frames.append(frame)
            self._held.clear()
            self._overlong = False
        self._hold(rest)
        return frames

    def _hold(self, piece: bytes) -> None:
        self._overlong |= len(self._held) + len(piece) > FRAME_LIMIT
        if not self._overlong:
            self._held += piece


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire, Baker 1999): the same data without zeros.

    data: less than 254 bytes, so that one code byte reaches every next zero.
    """
    return b"".join(bytes((len(group) + 1,)) + group for group in data.split(b"\0"))


def cobs_decode(data: bytes) -> bytes | None:
    """The data that `cobs_encode` was given; None for what it never returns."""
    groups = []
    while data:
        code = data[0]
        if code == 0 or code > len(data):
            return None
        groups.append(data[1:code])
        data = data[code:]
    return b"\0".join(groups)


def _parsed(encoded: bytes) -> Frame | None:
    data = cobs_decode(encoded)
    if data is None or len(data) < HEADER + CHECK or data[2] != len(data) - HEADER - CHECK:
        return None
    body = data[:-CHECK]
    if crc16(body) != int.from_bytes(data[-CHECK:], "little"):
        return None
    return Frame(body[0], body[1], body[HEADER:])
