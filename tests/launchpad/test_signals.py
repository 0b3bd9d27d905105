import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.signals import read_recording, sample_sound, signal_column
from deepmasque.launchpad.twin import solve_column


def word(rate=8000, seconds=2.0):
    """A tone that swells and fades between silences, with a little noise."""
    time = np.arange(int(rate * seconds)) / rate
    swell = np.exp(-(((time - seconds / 2) / (seconds / 10)) ** 2))
    noise = np.random.default_rng(1).normal(0, 0.002, time.size)
    return 0.5 * swell * np.sin(2 * np.pi * 300 * time) + noise


def wav(samples, rate=8000):
    stream = io.BytesIO()
    wavfile.write(stream, rate, samples)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [(np.uint8, 127, 128), (np.int16, 32767, 0), (np.int32, 2**31 - 1, 0), (np.float32, 1, 0)],
)
def test_every_depth_gives_the_same_samples(dtype, scale, offset):
    samples = word()
    read, rate = read_recording(wav((samples * scale + offset).astype(dtype)))
    assert read.dtype == np.float32 and rate == 8000
    assert np.abs(read - samples).max() < (0.02 if dtype == np.uint8 else 1e-4)


def test_channels_are_averaged():
    left = word().astype(np.float32)
    read, _ = read_recording(wav(np.stack([left, np.zeros_like(left)], axis=1)))
    assert np.allclose(read, left / 2, atol=1e-6)


@pytest.mark.parametrize("rate", [800, 8000, 44100])
def test_the_sound_is_foreground_and_the_silence_background(rate):
    column = signal_column(word(rate))
    assert column.features.shape == (800, 2) and column.features.dtype == np.int8
    assert set(np.unique(column.trimap)) == {0, 128, 255}
    assert (column.trimap[380:420] == 255).all()
    assert (column.trimap[:150] == 0).all() and (column.trimap[-150:] == 0).all()


def test_the_sample_sound_has_two_tones():
    column = signal_column(sample_sound()[0])
    starts = np.flatnonzero(np.diff((column.trimap == 255).astype(int)) == 1)
    assert len(starts) == 2


def test_the_board_puts_the_edge_of_the_sound_between():
    column = signal_column(word())
    alpha = solve_column(column.features, column.trimap).alpha.astype(int)
    unknown = column.trimap == 128
    assert 10 < unknown.sum() < 400
    swelling = alpha[:400][unknown[:400]]
    assert swelling[0] < 90 and swelling[-1] > 165


@pytest.mark.parametrize(
    "samples", [np.zeros(4000), np.ones(5), np.sin(np.arange(40000) / 5), np.zeros(1)]
)
def test_a_recording_without_silence_or_sound(samples):
    with pytest.raises(LaunchPadError, match="equally loud"):
        signal_column(samples)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"ID3\x04 an MP3", wav(np.zeros(0, np.int16))])
def test_no_recording(data):
    with pytest.raises(LaunchPadError) as error:
        signal_column(read_recording(data)[0])
    assert str(error.value).count(".") == 1


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data):
    whole = bytearray(wav((word(400, 0.5) * 32767).astype(np.int16)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    try:
        column = signal_column(read_recording(bytes(whole[: data.draw(st.integers(0, 460))]))[0])
    except LaunchPadError:
        return
    assert column.trimap.shape == (800,)
