import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepmasque.launchpad.constants import PAYLOAD_LIMIT
from deepmasque.launchpad.protocol import (
    FRAME_LIMIT,
    Decoder,
    Frame,
    cobs_decode,
    cobs_encode,
    crc16,
    encode,
)

bytes_of_a_frame = st.binary(max_size=PAYLOAD_LIMIT)
frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), bytes_of_a_frame)


def test_crc_is_the_one_of_the_catalogue():
    assert crc16(b"123456789") == 0x29B1


def test_cobs_is_the_one_of_the_paper():
    assert cobs_encode(b"\x11\x22\x00\x33") == b"\x03\x11\x22\x02\x33"
    assert cobs_encode(b"\0\0") == b"\x01\x01\x01"


@given(st.binary(max_size=253))
def test_cobs_hides_every_zero_and_comes_back(data):
    encoded = cobs_encode(data)
    assert 0 not in encoded and len(encoded) == len(data) + 1
    assert cobs_decode(encoded) == data


@given(st.binary(max_size=80))
def test_cobs_of_anything_is_decoded_or_refused(data):
    decoded = cobs_decode(data)
    assert decoded is None or cobs_encode(decoded) == (data or b"\x01")


@given(st.lists(frames, max_size=5), st.integers(1, 60))
def test_frames_come_back_however_the_bytes_are_cut(sent, size):
    line = b"".join(map(encode, sent))
    decoder, found = Decoder(), []
    for start in range(0, len(line), size):
        found += decoder.feed(line[start : start + size])
    assert found == sent
    assert max((len(piece) for piece in line.split(b"\0")), default=0) <= FRAME_LIMIT


@given(frames, st.binary(max_size=200))
def test_garbage_before_a_frame_does_not_hide_it(frame, garbage):
    assert Decoder().feed(garbage + encode(frame))[-1:] == [frame]


@given(frames)
def test_every_flipped_dropped_or_doubled_byte_is_noticed(frame):
    line = encode(frame)
    for place in range(1, len(line) - 1):
        flipped = line[:place] + bytes((line[place] ^ 0x55,)) + line[place + 1 :]
        dropped = line[:place] + line[place + 1 :]
        doubled = line[: place + 1] + line[place:]
        for wrong in (flipped, dropped, doubled):
            assert Decoder().feed(wrong) in ([], [frame])
        assert Decoder().feed(flipped) == []


def test_every_flipped_bit_is_noticed():
    line = encode(Frame(5, 77, bytes(range(40))))
    for bit in range(8, 8 * len(line) - 8):
        wrong = bytearray(line)
        wrong[bit // 8] ^= 1 << bit % 8
        assert Decoder().feed(bytes(wrong)) == []


def test_endless_noise_needs_no_memory():
    decoder = Decoder()
    noise = bytes(random.Random(1).choices(range(1, 256), k=1000))
    for _ in range(1000):
        assert decoder.feed(noise) == []
    assert len(decoder._held) <= FRAME_LIMIT
    assert decoder.feed(encode(Frame(1, 1))) == [Frame(1, 1)]


def test_a_payload_too_long_for_the_board_is_refused():
    with pytest.raises(ValueError, match="48 bytes"):
        encode(Frame(2, 1, bytes(49)))
