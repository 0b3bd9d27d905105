"""A photo as columns of 800 pixels with two features each, and alphas back to a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.constants import FEATURE_LIMIT, PIXELS
from deepmasque.portrait.knn_matting import colour_features
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN, checked

WIDTH_LIMIT = 4 * PIXELS
"""Most columns of a photo; a panorama that is wider has to be cropped first."""
ROUNDING = 1e-6
"""Features that differ by less, of about 0..1, are equal."""
OUTLIERS = 0.002
"""Share of the feature values that are clipped, so that a few odd pixels do not crowd the rest."""


@dataclass(frozen=True)
class Column:
    """What the board is given.

    Attributes
    ----------
    index: column of the photo, counted from the left.
    features: (800, 2) int8 in -60..60, from top to bottom.
    trimap: (800,) uint8, 0 background, 128 unknown, 255 foreground.
    """

    index: int
    features: NDArray[np.int8]
    trimap: NDArray[np.uint8]


@dataclass(frozen=True)
class ColumnResult:
    """A solved column and what solving it took; None is what was not measured.

    Attributes
    ----------
    alpha: (N,) uint8, 0 background to 255 foreground.
    iterations: of the conjugate gradients, summed over windows.
    mode: "exact" or "windowed".
    cycles: clock cycles of graph and solve.
    ram_bytes: SRAM in use at the worst moment since the board started, its stack included.
    stack_bytes: the stack's share of them.
    """

    alpha: NDArray[np.uint8]
    iterations: int
    mode: str
    cycles: int | None
    ram_bytes: int | None
    stack_bytes: int | None


@dataclass(frozen=True)
class Columns(Sequence[Column]):
    """All columns of a photo, from left to right.

    Attributes
    ----------
    image: (800, W, 3) uint8 sRGB, the photo at the height of a column.
    trimap: (800, W) uint8 of 0, 128 and 255.
    features: (800, W, 2) int8 in -60..60.
    explained: share of the variance of the pixels' colours that each feature carries, 0..1.
    """

    image: NDArray[np.uint8]
    trimap: NDArray[np.uint8]
    features: NDArray[np.int8]
    explained: tuple[float, float]

    def __len__(self) -> int:
        """Return the number of columns, W."""
        return self.trimap.shape[1]

    def __getitem__(self, index: int) -> Column:
        """Return one column; IndexError outside the photo."""
        index = range(len(self))[index]
        return Column(index, self.features[:, index].copy(), self.trimap[:, index].copy())


def columns(image: NDArray[np.uint8], trimap: NDArray[np.uint8]) -> Columns:
    """Cut a photo into the columns that a board solves.

    The photo is resized to 800 rows, its aspect kept. The colours in which KNN matting compares
    pixels are projected on the two principal components of this photo and scaled alike, so that
    distances keep their proportions.

    image: (H, W, 3) uint8 sRGB. trimap: (H, W) uint8, 0 background, 255 foreground, all else
    unknown; a resized pixel is known only where all that it covers is.
    Raises TrimapError for a trimap that does not fit, LaunchPadError for a photo that is more than
    four times as wide as high.
    """
    trimap = checked(trimap, image.shape[:2])
    size = (max(1, round(image.shape[1] * PIXELS / image.shape[0])), PIXELS)
    if size[0] > WIDTH_LIMIT:
        raise LaunchPadError("The photo is more than four times as wide as high: crop it first.")
    smaller = image.shape[0] >= PIXELS
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    features, explained = principal_features(colour_features(image, "rgb"))
    return Columns(image, _resized_trimap(trimap, size, smaller), features, explained)


def principal_features(values: NDArray) -> tuple[NDArray[np.int8], tuple[float, float]]:
    """Project features on their two principal components and quantise these.

    values: (..., C) float, C at least 2. Returns (..., 2) int8 in -60..60, and the share of the
    variance that each carries; both shares are 0 where all values are equal.
    """
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    flat -= flat.mean(axis=0)
    variances, axes = np.linalg.eigh(flat.T @ flat / len(flat))
    axes = axes[:, :-3:-1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(2)])  # LAPACK leaves the sign open
    projected = flat @ axes
    reach = np.quantile(np.abs(projected), 1 - OUTLIERS) or np.abs(projected).max()
    if reach < ROUNDING:
        return np.zeros((*values.shape[:-1], 2), np.int8), (0.0, 0.0)
    quantised = np.rint(projected * (FEATURE_LIMIT / reach)).clip(-FEATURE_LIMIT, FEATURE_LIMIT)
    shares = variances[:-3:-1].clip(0) / variances.clip(0).sum()
    return quantised.astype(np.int8).reshape(*values.shape[:-1], 2), tuple(map(float, shares))


def _resized_trimap(
    trimap: NDArray[np.uint8], size: tuple[int, int], smaller: bool
) -> NDArray[np.uint8]:
    if not smaller:
        return cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST_EXACT)
    foreground, background = (
        cv2.resize((trimap == known).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
        for known in (FOREGROUND, BACKGROUND)
    )
    return np.select([foreground, background], [FOREGROUND, BACKGROUND], UNKNOWN).astype(np.uint8)
