"""Stage 2: where the reference pose lies in the photo, and the three portrait channels.

Shen et al. 2016, section 4.1: an affine transform fits the photo's 49 facial points to those of
the reference pose; with it, normalized x, normalized y and the mean mask come into the photo.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.weights import MASK_MARGIN, REFERENCE_HEIGHT, REFERENCE_WIDTH, reference

CHANNEL_UNIT = 400.0
"""Reference pixels that count as 1 in the x and y channels: half the height of the reference."""
CHANNEL_LIMIT = 2.0
"""x and y end here, so that a tiny face in a large photo gives no unheard-of values."""


def fit_affine(
    points: NDArray[np.float32], target: NDArray[np.float32], rounds: int = 10
) -> NDArray[np.float64]:
    """Robust least-squares affine transform that takes `points` to `target`.

    The 2n x 6 system of the paper falls apart into two n x 3 systems with the same matrix. It is
    solved by iteratively reweighted least squares with Huber's weights (Huber 1964, k = 1.345
    robust standard deviations), so that a few wrong points do not pull the others away.

    points, target: (n, 2), n >= 3, not all on one line.
    Returns the (2, 3) float64 matrix A with target ≈ A [x, y, 1]ᵀ.
    """
    rows = np.column_stack([points, np.ones(len(points))]).astype(np.float64)
    weight = np.ones(len(points))
    for _ in range(rounds):
        solution, *_ = np.linalg.lstsq(rows * weight[:, None], target * weight[:, None], rcond=None)
        distance = np.linalg.norm(rows @ solution - target, axis=1)
        spread = 1.4826 * np.median(distance)
        if spread < 1e-9:
            break
        weight = np.sqrt(np.minimum(1, 1.345 * spread / np.maximum(distance, 1e-12)))
    return solution.T


def fit_residual(points: NDArray[np.float32], transform: NDArray[np.float64]) -> float:
    """Mean distance between a face's points, laid on the reference, and the reference pose.

    points: (49, 2) photo pixels. transform: (2, 3), photo to reference. Returns reference pixels.
    """
    laid = points @ transform[:, :2].T + transform[:, 2]
    return float(np.linalg.norm(laid - reference().pose, axis=1).mean())


def mean_placement(height: int, width: int) -> NDArray[np.float64]:
    """Photo to reference when there is no face: the reference as large as fits, on the bottom edge.

    Returns a (2, 3) float64 affine matrix.
    """
    scale = max(REFERENCE_WIDTH / width, REFERENCE_HEIGHT / height)
    left = (REFERENCE_WIDTH - width * scale) / 2
    top = REFERENCE_HEIGHT - height * scale
    return np.array([[scale, 0, left], [0, scale, top]])


def placements(
    faces: Sequence[NDArray[np.float32]], height: int, width: int
) -> list[NDArray[np.float64]]:
    """Photo-to-reference transform of every face in the order given; without faces the mean one."""
    if not faces:
        return [mean_placement(height, width)]
    return [fit_affine(points, reference().pose) for points in faces]


def portrait_channels(
    transforms: Sequence[NDArray[np.float64]], height: int, width: int
) -> NDArray[np.float32]:
    """Normalized x, normalized y and mean mask of a height x width photo.

    transforms: photo-to-reference matrices (2, 3) in pixels of that photo. The first leads: x and y
    are its reference coordinates, about the middle of the face. The mean masks of all are joined by
    their maximum, so that every person stays foreground.
    Returns (3, height, width) float32; x and y within ±2, the mean mask within 0..1.
    """
    learned = reference()
    lead = transforms[0]
    across = np.arange(width) + 0.5
    down = np.arange(height)[:, None] + 0.5
    middle = learned.pose.mean(axis=0)
    channels = np.empty((3, height, width), np.float32)
    for axis in range(2):
        position = lead[axis, 0] * across + lead[axis, 1] * down + lead[axis, 2] - middle[axis]
        channels[axis] = np.clip(position / CHANNEL_UNIT, -CHANNEL_LIMIT, CHANNEL_LIMIT)
    channels[2] = np.max(
        [_warped_mean_mask(learned.mean_mask, t, height, width) for t in transforms], axis=0
    )
    return channels


def resized_channels(
    transforms: Sequence[NDArray[np.float64]], size: tuple[int, int], to: tuple[int, int]
) -> NDArray[np.float32]:
    """The portrait channels of a photo of `size` once it is resized; sizes are (height, width)."""
    factors = to[1] / size[1], to[0] / size[0]
    return portrait_channels([scaled(transform, *factors) for transform in transforms], *to)


def scaled(transform: NDArray[np.float64], factor_x: float, factor_y: float) -> NDArray[np.float64]:
    """The same placement for a photo resized by the factors."""
    return transform @ np.diag([1 / factor_x, 1 / factor_y, 1])


def _warped_mean_mask(
    mean_mask: NDArray[np.float32], transform: NDArray[np.float64], height: int, width: int
) -> NDArray[np.float32]:
    """The mean mask seen from the photo, 0 beyond its margin."""
    return cv2.warpAffine(
        mean_mask,
        _between_pixel_centres(transform) + [[0, 0, MASK_MARGIN]],
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )


def _between_pixel_centres(transform: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transform for OpenCV, whose integer coordinates are the centres of pixels."""
    moved = transform.copy()
    moved[:, 2] += transform[:, :2] @ [0.5, 0.5] - 0.5
    return moved
