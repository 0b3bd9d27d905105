"""The clean-up of a matte: levels, morphology, components, holes, feather.

Lengths are thousandths of the photo's long side, so that a preview at reduced size shows what the
same settings make of the full size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import DeepMasqueError

SEEN = 0.1
"""Alpha from which on a pixel makes a component; fainter ones belong to the nearest component."""
OPAQUE = 0.95
"""Alpha from which on a pixel closes a hole in."""

Alpha = NDArray[np.float32]


@dataclass(frozen=True)
class CleanUp:
    """What is done to alpha after the networks, in the order of the fields; nothing by default.

    Attributes
    ----------
    threshold: black and white point, 0..1: alpha up to the first becomes 0, from the second on 1,
        linear in between.
    open: radius of what is too thin to stay, such as stray hairs and specks.
    close: radius of what is too narrow to stay open.
    largest: keep the component with the most opacity only.
    holes: diameter of a disc with the area of the largest hole that is filled; what touches the
        border of the photo is no hole.
    erode: by how much the subject shrinks.
    dilate: by how much it grows.
    feather: standard deviation of the Gaussian that softens the edge.
    """

    threshold: tuple[float, float] = (0.0, 1.0)
    open: float = 0.0
    close: float = 0.0
    largest: bool = False
    holes: float = 0.0
    erode: float = 0.0
    dilate: float = 0.0
    feather: float = 0.0

    def __post_init__(self) -> None:
        black, white = self.threshold
        if not 0 <= black < white <= 1:
            raise DeepMasqueError(
                "The threshold needs a black point below its white point, both within 0 and 1."
            )
        lengths = (self.open, self.close, self.holes, self.erode, self.dilate, self.feather)
        if not all(0 <= length <= 1000 for length in lengths):
            raise DeepMasqueError("Lengths of the clean-up are within 0 and 1000.")


def cleaned(alpha: Alpha, clean_up: CleanUp) -> Alpha:
    """Alpha, (H, W) float32 in 0..1, cleaned; the given array stays as it is.

    Morphology is that of grey values, with octagons as structuring elements, so soft edges stay
    soft; between two whole radii the results are blended.
    """
    unit = max(alpha.shape) / 1000
    result = alpha.copy()
    black, white = clean_up.threshold
    if clean_up.threshold != (0, 1):
        result = np.clip((result - black) / (white - black), 0, 1).astype(np.float32)
    if clean_up.open:
        result = _at_radius(_opened, result, clean_up.open * unit)
    if clean_up.close:
        result = _at_radius(_closed, result, clean_up.close * unit)
    if clean_up.largest:
        result = _largest_component(result)
    if clean_up.holes:
        result = _filled(result, math.pi / 4 * (clean_up.holes * unit) ** 2)
    if clean_up.erode:
        result = _at_radius(_eroded, result, clean_up.erode * unit)
    if clean_up.dilate:
        result = _at_radius(_dilated, result, clean_up.dilate * unit)
    if clean_up.feather:
        result = cv2.GaussianBlur(
            result, (0, 0), clean_up.feather * unit, borderType=cv2.BORDER_REPLICATE
        )
    return result


def _at_radius(operation: Callable[[Alpha, int], Alpha], alpha: Alpha, radius: float) -> Alpha:
    """An operation at a radius between two whole pixels: their results, blended."""
    below = math.floor(radius)
    share = radius - below
    smaller = operation(alpha, below) if below else alpha
    if not share:
        return smaller
    return cv2.addWeighted(smaller, 1 - share, operation(alpha, below + 1), share, 0)


def _eroded(alpha: Alpha, radius: int) -> Alpha:
    return _by_octagon(cv2.erode, alpha, radius)


def _dilated(alpha: Alpha, radius: int) -> Alpha:
    return _by_octagon(cv2.dilate, alpha, radius)


def _opened(alpha: Alpha, radius: int) -> Alpha:
    return _dilated(_eroded(alpha, radius), radius)


def _closed(alpha: Alpha, radius: int) -> Alpha:
    return _eroded(_dilated(alpha, radius), radius)


def _by_octagon(operation: Callable[..., Alpha], alpha: Alpha, radius: int) -> Alpha:
    """Erode or dilate by a square and a diamond, which add up to a nearly regular octagon.

    The square costs the same at any size and the diamond grows by one cross after the other, where
    a disc would cost its whole area per pixel.
    """
    half = round((math.sqrt(2) - 1) * radius)
    square = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return operation(operation(alpha, square), cross, iterations=radius - half)


def _largest_component(alpha: Alpha) -> Alpha:
    """The component of most opacity, with the faint pixels that are nearest to it."""
    unseen = (alpha < SEEN).astype(np.uint8)
    if unseen.all():
        return alpha
    _, nearest = cv2.distanceTransformWithLabels(unseen, cv2.DIST_L2, cv2.DIST_MASK_5)
    opacity = np.bincount(nearest.ravel(), alpha.ravel())
    return np.where(nearest == opacity.argmax(), alpha, np.float32(0))


def _filled(alpha: Alpha, most: float) -> Alpha:
    """Holes of at most so many pixels made opaque."""
    open_pixels = (alpha < OPAQUE).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(open_pixels, connectivity=4)
    hole = stats[:, cv2.CC_STAT_AREA] <= most
    hole[0] = False
    edges = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    hole[np.concatenate(edges)] = False
    return np.where(hole[labels], np.float32(1), alpha)
