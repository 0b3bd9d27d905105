"""Pictures of what the stages produce, for people to look at; no stage works from them."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.image import fitted

LONGEST_SIDE = 1024
ACCENT = (255, 176, 0)
COUNTERPART = (84, 168, 255)
FULL_DIFFERENCE = 0.1  # of alpha
UNDERNEATH = 48  # grey of an opaque pixel where alphas do not differ


def preview(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 reduced to at most 1024 pixels on its long side."""
    smaller = fitted(pixels, LONGEST_SIDE)
    return pixels.copy() if smaller is pixels else smaller


def grey(values: NDArray) -> NDArray[np.uint8]:
    """A trimap (uint8) or anything within 0..1 (float) as a grey picture."""
    if values.dtype != np.uint8:
        values = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.repeat(preview(values)[..., None], 3, axis=2)


def landmarks(image: NDArray[np.uint8], faces: Sequence[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """The photo with every face's 49 points on it."""
    picture = preview(image)
    scale = np.float32([picture.shape[1] / image.shape[1], picture.shape[0] / image.shape[0]])
    for points in faces:
        points = points * scale
        radius = max(1.5, float(np.ptp(points[:, 0])) / 60)
        for x, y in points:
            centre = (round(float(x) * 16), round(float(y) * 16))
            cv2.circle(picture, centre, round(radius * 16), ACCENT, cv2.FILLED, cv2.LINE_AA, 4)
    return picture


def channels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Normalized x, normalized y and mean mask (3, h, w) side by side."""
    x, y, mean_mask = values
    return preview(np.hstack([grey(x / 4 + 0.5), grey(y / 4 + 0.5), grey(mean_mask)]))


def difference(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Where two alphas (H, W) differ: amber where the first is more opaque, blue the second.

    Their mean lies dimly underneath; differences from FULL_DIFFERENCE on have full colour.
    """
    more = (first - second)[..., None] / FULL_DIFFERENCE
    dim = UNDERNEATH * (first + second)[..., None] / 2 * (1 - np.minimum(np.abs(more), 1))
    colours = np.clip(more, 0, 1) * ACCENT + np.clip(-more, 0, 1) * COUNTERPART + dim
    return preview(np.rint(colours).astype(np.uint8))
