"""Stage 5: the trimap, which leaves unknown what matting has to decide."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import TrimapError

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
HALF_BAND = 10.0
"""Unknown pixels on either side of the boundary of a 600 x 800 photo (Shen et al. 2016)."""
REFERENCE_PIXELS = 600 * 800
UNSURE = (0.1, 0.9)
"""Between these probabilities the network is unsure, and the band grows over such pixels."""
UNSURE_REACH = 2.5
"""There the band grows to at most this many times its half width."""
HAIR = 0.25
"""From this uncertainty on the network sees hair or its like."""
HAIR_REACH = 8.0
"""There the band grows to at most this many times its half width."""
CORE = 0.5
"""The innermost of every patch stays known: what lies deeper than this share of its depth. So thin
people and narrow gaps have something to be solved from."""
SPECK = 0.0005
"""Patches of person, and holes in one, that are smaller than this share of the photo are noise."""


@dataclass(frozen=True)
class Stroke:
    """A stroke of the correcting brush.

    mark: "keep" for foreground, "erase" for background, "unknown".
    radius: of the brush, photo pixels. points: (x, y) in photo pixels, in order.
    """

    mark: str
    radius: float
    points: Sequence[tuple[float, float]]


NEEDED = {"foreground (white)": FOREGROUND, "background (black)": BACKGROUND}
MARKS = {"keep": FOREGROUND, "erase": BACKGROUND, "unknown": UNKNOWN}


def half_band(height: int, width: int) -> float:
    """Half width of the band in pixels: 10 in a photo of 600 x 800, growing with its diagonal."""
    return max(1.0, HALF_BAND * np.sqrt(height * width / REFERENCE_PIXELS))


def from_mask(
    mask: NDArray[np.float32],
    uncertainty: NDArray[np.float32] | None = None,
    *,
    width: float = 1.0,
) -> NDArray[np.uint8]:
    """Trimap round the boundary of a probability mask, wider where there is hair.

    mask: (H, W) float32 in 0..1. uncertainty: (H, W) float32 in 0..1, probability of pixels that
    show person and background at once; None where nothing is known of it. width: factor on the
    band's usual width.
    Returns (H, W) uint8 of 0, 128 and 255: without a person all 0, without background all 255.
    """
    person = without_specks((mask > 0.5).astype(np.uint8))
    trimap = person * np.uint8(FOREGROUND)
    if person.min() == person.max():
        return trimap
    to_boundary = np.where(person, _distance(person), _distance(1 - person))
    reach = half_band(*mask.shape) * width
    core = CORE * np.maximum(_deepest(person, to_boundary), _deepest(1 - person, to_boundary))
    factor = np.where((mask > UNSURE[0]) & (mask < UNSURE[1]), np.float32(UNSURE_REACH), 1)
    if uncertainty is not None:
        factor = np.where(uncertainty > HAIR, np.float32(HAIR_REACH), factor)
    band = to_boundary <= factor * reach
    trimap[band & (to_boundary <= core)] = UNKNOWN
    return trimap


def checked(trimap: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """A user's trimap as the matting wants it: 0 and 255 stay, every other value is unknown.

    Raises TrimapError if its size is not `shape` (height, width), or if unknown pixels are left
    without any foreground or any background to solve from.
    """
    if trimap.ndim != 2 or trimap.dtype != np.uint8:
        raise TrimapError("A trimap is one grey picture with 8 bits per pixel.")
    if trimap.shape != tuple(shape):
        raise TrimapError(
            f"The trimap is {trimap.shape[1]} × {trimap.shape[0]} pixels but the photo is "
            f"{shape[1]} × {shape[0]}; they must be the same."
        )
    known = (trimap == BACKGROUND) | (trimap == FOREGROUND)
    missing = [name for name, value in NEEDED.items() if not (trimap == value).any()]
    if missing and not known.all():
        raise TrimapError(
            f"The trimap has unknown pixels but no {' and no '.join(missing)} to compare them with."
        )
    return np.where(known, trimap, np.uint8(UNKNOWN))


def painted(trimap: NDArray[np.uint8], strokes: Sequence[Stroke]) -> NDArray[np.uint8]:
    """The trimap with the strokes on it, in order; the trimap given stays as it was.

    Raises TrimapError if a stroke's mark is none of "keep", "erase", "unknown".
    """
    result = trimap.copy()
    for stroke in strokes:
        if stroke.mark not in MARKS:
            raise TrimapError(f"A stroke marks {', '.join(MARKS)}, not {stroke.mark}.")
        _draw(result, stroke, MARKS[stroke.mark])
    return result


def _draw(trimap: NDArray[np.uint8], stroke: Stroke, value: int) -> None:
    path = np.rint(np.asarray(stroke.points, np.float64).reshape(-1, 2)).astype(np.int32)
    thickness = max(1, round(2 * stroke.radius))
    cv2.polylines(trimap, [path], isClosed=False, color=value, thickness=thickness)
    for x, y in path:
        cv2.circle(trimap, (int(x), int(y)), max(0, round(stroke.radius)), value, cv2.FILLED)


def without_specks(person: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) of 0 and 1 with the smallest patches of either kind given to the other."""
    for kind in (1, 0):
        _, labels, stats, _ = cv2.connectedComponentsWithStats((person == kind).astype(np.uint8))
        small = stats[:, cv2.CC_STAT_AREA] < SPECK * person.size
        small[0] = False  # label 0 is everything of the other kind
        person = np.where(small[labels], np.uint8(1 - kind), person)
    return person


def _deepest(kind: NDArray[np.uint8], depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """For every pixel of this kind the greatest depth in its patch, 0 elsewhere."""
    count, labels = cv2.connectedComponents(kind)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    deepest[0] = 0
    return deepest[labels]


def _distance(inside: NDArray[np.uint8]) -> NDArray[np.float32]:
    return cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_5)
