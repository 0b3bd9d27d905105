"""Where photo and laid plate differ, and where they show the same."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

CHANGED = 10
"""Levels beyond those of the plate around it that make a pixel changed."""
LEAST_SUBJECT = 0.001
"""Share of the photo below which changed pixels are no subject."""
BLOCK = 15
"""Pixels across which photo and plate are correlated."""
TEXTURED = 4.0
"""Standard deviation, in levels, of a block that has something to correlate."""
AGREEING = 0.7
"""Correlation of a block that shows the same in both."""


class Agreement(NamedTuple):
    """Blocks centred on each pixel, (h, w) bool: what can be compared, and what is the same."""

    textured: NDArray[np.bool_]
    agreeing: NDArray[np.bool_]

    def share(self, where: NDArray[np.bool_]) -> float | None:
        """Share of the textured blocks that agree; None where hardly any block is textured."""
        textured = self.textured & where
        if np.count_nonzero(textured) < 0.02 * where.size:
            return None
        return float(self.agreeing[textured].mean())


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The luma of a picture, (h, w) uint8."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)


def change(image: NDArray[np.uint8], laid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By how many levels each pixel leaves the range of the plate's 3 x 3 pixels around it.

    So an edge that lies less than a pixel beside its place is no change.
    image, laid: (h, w, 3) uint8. Returns (h, w) uint8, the largest of the channels.
    """
    around = np.ones((3, 3), np.uint8)
    above = cv2.subtract(image, cv2.dilate(laid, around))
    below = cv2.subtract(cv2.erode(laid, around), image)
    red, green, blue = cv2.split(cv2.max(above, below))
    return cv2.max(cv2.max(red, green), blue)


def probable_subject(
    image: NDArray[np.uint8], laid: NDArray[np.uint8], covered: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Where the photo changed in regions, closed, filled and widened by a few pixels.

    image, laid: (h, w, 3) uint8, reduced by averaging, the exposure matched; covered: (h, w) bool,
    the rest is never subject. Returns (h, w) bool.
    """
    changed = ((change(image, laid) > CHANGED) & covered).astype(np.uint8)
    changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, _disc(3))
    changed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, _disc(9))
    changed = cv2.morphologyEx(changed, cv2.MORPH_OPEN, _disc(5))
    outlines, _ = cv2.findContours(changed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = [o for o in outlines if cv2.contourArea(o) >= LEAST_SUBJECT * changed.size]
    subject = np.zeros_like(changed)
    cv2.drawContours(subject, large, -1, 1, cv2.FILLED)
    return (cv2.dilate(subject, _disc(9)) > 0) & covered


def agreement(
    image: NDArray[np.uint8], laid: NDArray[np.uint8], covered: NDArray[np.bool_]
) -> Agreement:
    """Where the plate is textured, and where the photo correlates with it (normalised, Lewis 1995).

    image, laid: (h, w, 3) uint8; covered: (h, w) bool.
    """
    ours, theirs = grey(image).astype(np.float32), grey(laid).astype(np.float32)
    mean_ours, mean_theirs = _mean(ours), _mean(theirs)
    variance_ours = np.maximum(_mean(ours * ours) - mean_ours**2, 1)
    variance_theirs = np.maximum(_mean(theirs * theirs) - mean_theirs**2, 0)
    covariance = _mean(ours * theirs) - mean_ours * mean_theirs
    textured = (variance_theirs > TEXTURED**2) & covered
    agreeing = covariance > AGREEING * np.sqrt(variance_ours * variance_theirs)
    return Agreement(textured, textured & agreeing)


def _mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    return cv2.blur(plane, (BLOCK, BLOCK))


def _disc(size: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
