"""Photos without people, the new backgrounds of training scenes."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HELD_BACK_EVERY = 10
"""Every tenth plate is never trained on: it measures on grounds that no network has seen."""


def training_plates(folder: Path) -> list[Path]:
    """The plates to train on, in order of their names."""
    return [path for index, path in enumerate(_all(folder)) if index % HELD_BACK_EVERY]


def held_back_plates(folder: Path) -> list[Path]:
    """The plates to measure on, in order of their names."""
    return _all(folder)[::HELD_BACK_EVERY]


def crop_of(
    plate: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A random part of the plate, at times mirrored, at the scene's size (height, width)."""
    height, width = plate.shape[:2]
    scale = min(height / size[0], width / size[1]) * rng.uniform(0.5, 1)
    tall, wide = int(size[0] * scale), int(size[1] * scale)
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    part = plate[top : top + tall, left : left + wide][:, :: rng.choice([-1, 1])]
    return cv2.resize(part, size[::-1], interpolation=cv2.INTER_AREA)


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jpg"))
