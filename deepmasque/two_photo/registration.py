"""Which transforms could lay the plate on the photo: features, tracked corners, robust fits.

Every transform is a (3, 3) float64 matrix between pixel coordinates whose integers are the centres
of pixels, as in OpenCV. Everything random in OpenCV is seeded: the same pair, the same bytes.
"""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Kind = Literal["identity", "translation", "affine", "homography"]
"""What a transform does, from the safest to the most flexible."""
SUPPORT = {"translation": 6, "affine": 16, "homography": 32}
"""Fewest tracked corners that a transform may be fitted to: eight for every degree of freedom with
perspective, fewer for those that cannot bend far from their corners."""

SEED = 2020
LOWE_RATIO = 0.8
"""Lowe 2004, section 7.1: a match counts if its second best is clearly worse."""
RETURN_LIMIT = 0.3
"""Pixels by which a corner tracked there and back again may miss where it started."""
FEATURES, CORNERS = 3000, 1200
FURTHEST = 0.35
"""Share of the photo's diagonal by which a corner of the frame may move."""
FORESHORTENING = 1.5
"""Largest ratio of the distances of the frame's corners that a tilt of the camera explains."""
SCALING = 2.0


class Points(NamedTuple):
    """Matching positions (n, 2) float64 in the plate and in the photo."""

    plate: NDArray[np.float64]
    image: NDArray[np.float64]


def resizing(size: tuple[int, int], to: tuple[int, int]) -> NDArray[np.float64]:
    """The transform that a resize does; sizes are (height, width)."""
    across, down = to[1] / size[1], to[0] / size[0]
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])


def upright(size: tuple[int, int], to: tuple[int, int], turns: int = 0) -> NDArray[np.float64]:
    """A picture turned by so many quarters and scaled, middle on middle, until it fills another.

    The same size and no turn is the identity. Sizes are (height, width).
    """
    height, width = size
    cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns % 4]
    turned = (width, height) if turns % 2 else (height, width)
    scale = max(to[0] / turned[0], to[1] / turned[1])
    linear = scale * np.array([[cosine, -sine], [sine, cosine]], np.float64)
    middle, target = np.array([width - 1, height - 1]) / 2, np.array([to[1] - 1, to[0] - 1]) / 2
    transform = np.eye(3)
    transform[:2, :2] = linear
    transform[:2, 2] = target - linear @ middle
    return transform


def moved(transform: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) taken through a transform."""
    if not len(points):
        return points
    return cv2.perspectiveTransform(np.float64(points)[:, None], transform)[:, 0]


def corners(size: tuple[int, int]) -> NDArray[np.float64]:
    """The middles of the four corner pixels, clockwise from the upper left, (4, 2)."""
    right, bottom = size[1] - 1, size[0] - 1
    return np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float64)


def matched_features(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> Points:
    """SIFT features (Lowe 2004) that are each other's best match, by far.

    image, plate: (h, w) uint8, any two sizes.
    """
    detector = cv2.SIFT_create(FEATURES, contrastThreshold=0.02)
    ours, of_image = detector.detectAndCompute(image, None)
    theirs, of_plate = detector.detectAndCompute(plate, None)
    if min(len(ours), len(theirs)) < 2:
        return Points(np.empty((0, 2)), np.empty((0, 2)))
    # SIFT's descriptors are whole numbers: in float32 these products are exact.
    distance = -2 * (of_plate @ of_image.T)
    distance += np.square(of_plate).sum(axis=1)[:, None]
    distance += np.square(of_image).sum(axis=1)
    rows = np.arange(len(of_plate))
    best, mutual = distance.argmin(axis=1), distance.argmin(axis=0)
    nearest = distance[rows, best]
    distance[rows, best] = np.inf
    kept = (nearest < LOWE_RATIO**2 * distance.min(axis=1)) & (mutual[best] == rows)
    return Points(
        np.array([theirs[row].pt for row in rows[kept]], np.float64).reshape(-1, 2),
        np.array([ours[row].pt for row in best[kept]], np.float64).reshape(-1, 2),
    )


def tracked_corners(
    image: NDArray[np.uint8], laid: NDArray[np.uint8], background: NDArray[np.bool_]
) -> Points:
    """Corners of the laid plate found again in the photo, to hundredths of a pixel.

    Shi and Tomasi's corners, spread over the picture, are tracked by Lucas and Kanade's method on
    a pyramid, and tracked back again: only those that return to where they started are kept.

    image, laid: (h, w) uint8, a few pixels apart at most; background: (h, w) bool, where to look.
    """
    area = np.count_nonzero(background)
    found = cv2.goodFeaturesToTrack(
        laid,
        CORNERS,
        qualityLevel=0.003,
        minDistance=max(3.0, np.sqrt(area / CORNERS) * 0.7),
        mask=background.astype(np.uint8),
        blockSize=5,
    )
    if found is None:
        return Points(np.empty((0, 2)), np.empty((0, 2)))
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 30, 0.005)
    how = {"winSize": (21, 21), "maxLevel": 3, "criteria": stop, "minEigThreshold": 1e-4}
    there, went, _ = cv2.calcOpticalFlowPyrLK(laid, image, found, None, **how)
    back, came, _ = cv2.calcOpticalFlowPyrLK(image, laid, there, None, **how)
    missed = np.linalg.norm((back - found)[:, 0], axis=1)
    kept = (went[:, 0] > 0) & (came[:, 0] > 0) & (missed < RETURN_LIMIT)
    return Points(np.float64(found[kept, 0]), np.float64(there[kept, 0]))


def rough_fit(
    points: Points, size: tuple[int, int], to: tuple[int, int], limit: float
) -> tuple[Kind, NDArray[np.float64]] | None:
    """The transform that most matched features agree on: a homography or a similarity.

    size, to: (height, width) of plate and photo; limit: pixels of the photo by which a feature may
    be off. None if no sound transform explains enough of them.
    """
    if len(points.plate) < SUPPORT["translation"]:
        return None
    cv2.setRNGSeed(SEED)
    similar, _ = cv2.estimateAffinePartial2D(
        *points, method=cv2.RANSAC, ransacReprojThreshold=limit, maxIters=4000
    )
    found = [] if similar is None else [("affine", np.vstack([similar, [0, 0, 1]]))]
    if len(points.plate) >= SUPPORT["affine"]:
        homography, _ = cv2.findHomography(*points, cv2.USAC_MAGSAC, limit, maxIters=4000)
        if homography is not None:
            found.append(("homography", homography))
    agreeing = {
        kind: np.count_nonzero(misses(transform, points) < limit)
        for kind, transform in found
        if is_sound(transform, size, to)
    }
    best = max(agreeing, key=agreeing.get, default=None)
    # Two matches fix a similarity, and of many some agree with any by chance.
    if best is None or agreeing[best] < SUPPORT["translation"] + 0.04 * len(points.plate):
        return None
    return best, dict(found)[best]


def fits(points: Points, limit: float) -> dict[str, NDArray[np.float64]]:
    """Every transform but the identity that the points can support, by its kind.

    limit: pixels of the photo by which a point may be off.
    """
    cv2.setRNGSeed(SEED)
    count, found = len(points.plate), {}
    if count >= SUPPORT["translation"]:
        found["translation"] = _translation(points, limit)
    if count >= SUPPORT["affine"]:
        affine, _ = cv2.estimateAffine2D(
            *points, method=cv2.USAC_MAGSAC, ransacReprojThreshold=limit
        )
        if affine is not None:
            found["affine"] = np.vstack([affine, [0, 0, 1]])
    if count >= SUPPORT["homography"]:
        homography, _ = cv2.findHomography(*points, cv2.USAC_MAGSAC, limit)
        if homography is not None:
            found["homography"] = homography
    return {
        kind: transform
        for kind, transform in found.items()
        if np.count_nonzero(misses(transform, points) < limit) >= SUPPORT[kind]
    }


def misses(transform: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """By how many pixels of the photo a transform misses each point, (n,)."""
    return np.linalg.norm(moved(transform, points.plate) - points.image, axis=1)


def quarter_turns(transform: NDArray[np.float64]) -> int:
    """By how many quarters a transform turns, to the nearest, 0..3."""
    return round(np.arctan2(transform[1, 0], transform[0, 0]) / (np.pi / 2)) % 4


def displacement(
    transform: NDArray[np.float64], size: tuple[int, int], to: tuple[int, int], turns: int = 0
) -> NDArray[np.float64]:
    """How far each corner of the plate comes to lie from where it lies unmoved, (4,) pixels."""
    ends = corners(size)
    straight = moved(upright(size, to, turns), ends)
    return np.linalg.norm(moved(transform, ends) - straight, axis=1)


def is_sound(transform: NDArray[np.float64], size: tuple[int, int], to: tuple[int, int]) -> bool:
    """Whether two photos of one place could lie so: not mirrored, folded, far off or all askew.

    size, to: (height, width) of plate and photo.
    """
    if not np.isfinite(transform).all():
        return False
    ends = corners(size)
    depth = ends @ transform[2, :2] + transform[2, 2]
    if depth.min() <= 0 or depth.max() > FORESHORTENING * depth.min():
        return False
    laid = moved(transform, ends)
    sides = np.roll(laid, -1, axis=0) - laid
    following = np.roll(sides, -1, axis=0)
    if (sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]).min() <= 0:
        return False
    turns = quarter_turns(transform)
    usual = abs(np.linalg.det(upright(size, to, turns)[:2, :2])) * size[0] * size[1]
    area = cv2.contourArea(laid.astype(np.float32))
    if not 1 / SCALING**2 < area / max(usual, 1) < SCALING**2:
        return False
    furthest = displacement(transform, size, to, turns).max()
    return bool(furthest < FURTHEST * np.hypot(*to))


def _translation(points: Points, limit: float) -> NDArray[np.float64]:
    """The displacement that most points share, averaged over them."""
    moves = points.image - points.plate
    near = np.linalg.norm(moves[:, None] - moves[None], axis=2) < limit
    transform = np.eye(3)
    transform[:2, 2] = moves[near[near.sum(axis=1).argmax()]].mean(axis=0)
    return transform
