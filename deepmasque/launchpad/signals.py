"""A recording in the place of an image column: 800 moments instead of 800 pixels."""

import warnings
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.ndimage import uniform_filter1d

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.columns import Column, principal_features
from deepmasque.launchpad.constants import PIXELS
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN

SOUND_RATE = 8000
NEAR, FAR = 9, 49
"""Moments over which the energy around a moment is averaged."""
FLOOR = 60.0
"""dB below the loudest moment at which everything counts as silence."""
LEAST_SPAN = 6.0
"""dB between loud and silent without which the two cannot be told apart."""
SILENT, LOUD = 0.3, 0.7
"""Up to and from which share of the way from the softest to the loudest moment all is known."""


def read_recording(data: bytes) -> tuple[NDArray[np.float32], int]:
    """The samples of a WAV file of any rate and depth, its channels averaged.

    Returns (N,) float32 in -1..1, and samples a second. Raises LaunchPadError for anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate, samples = wavfile.read(BytesIO(data))
    except Exception as error:  # whatever the parser meets in a damaged file
        raise LaunchPadError("This is not a WAV recording that can be read.") from error
    if samples.size == 0:
        raise LaunchPadError("The recording is empty: record again.")
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    samples = np.nan_to_num(samples.astype(np.float32), posinf=0, neginf=0).clip(-1, 1)
    return samples if samples.ndim == 1 else samples.mean(axis=1), rate


def sample_sound() -> tuple[NDArray[np.float32], int]:
    """Two swelling tones between silences, to try without a microphone; as `read_recording`."""
    time = np.arange(2 * SOUND_RATE) / SOUND_RATE
    first, second = (np.exp(-(((time - middle) / 0.12) ** 2)) for middle in (0.6, 1.4))
    tones = first * np.sin(2 * np.pi * 330 * time) + 0.7 * second * np.sin(2 * np.pi * 523 * time)
    hiss = np.random.default_rng(1).normal(0, 0.002, time.size)
    return (0.6 * tones + hiss).astype(np.float32), SOUND_RATE


def signal_column(samples: NDArray) -> Column:
    """A column of a recording: which moments belong to the sound, which to the silence.

    It stands in for an image column as in the original demonstration, and shows that the board
    solves any signal, not that this is a good way to find speech. The recording is cut into 800
    moments of equal length. Three features of each, the sample of largest magnitude and the energy
    around it in dB, near and wide, are projected on two principal components like the colours of
    pixels. The trimap comes from the wide energy: loud moments are foreground, silent ones
    background, and what lies between is unknown.

    samples: (N,) of any scale, N at least 1; 800 samples of the board's microphone are taken one by
    one. Raises LaunchPadError if loud and silent moments cannot be told apart.
    """
    heard = moments(samples)
    near, far = (_decibels(uniform_filter1d(heard**2, size)) for size in (NEAR, FAR))
    softest, span = far.min(), np.ptp(far)
    if span < LEAST_SPAN:
        raise LaunchPadError(
            "The recording is equally loud from beginning to end: record a sound with silence"
            " before and after it."
        )
    height = (far - softest) / span
    trimap = np.select([height <= SILENT, height >= LOUD], [BACKGROUND, FOREGROUND], UNKNOWN)
    values = np.stack([heard / np.abs(heard).max(), near / FLOOR, far / FLOOR], axis=-1)
    features, _ = principal_features(values)
    return Column(0, features, trimap.astype(np.uint8))


def moments(samples: NDArray) -> NDArray[np.float64]:
    """The sample of largest magnitude in each of 800 stretches; short recordings are stretched.

    samples: (N,) of any scale, N at least 1. Returns (800,), the mean of all samples subtracted.
    """
    samples = samples - np.mean(samples, dtype=np.float64)
    if len(samples) < PIXELS:
        places = np.linspace(0, len(samples) - 1, PIXELS)
        return np.interp(places, np.arange(len(samples)), samples)
    stretches = np.array_split(samples, PIXELS)
    return np.array([stretch[np.abs(stretch).argmax()] for stretch in stretches])


def _decibels(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy in dB below the loudest moment, -FLOOR..0."""
    loudest = energy.max()
    if loudest <= 0:
        return np.zeros_like(energy)
    return 10 * np.log10((energy / loudest).clip(10 ** (-FLOOR / 10)))
