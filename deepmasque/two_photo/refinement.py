"""Stages 3 and 4: the base network's alpha, made exact where the base expects to be wrong.

The steps of `network.TwoPhotoNetwork`, on NumPy arrays: the photo is never held in floating point
as a whole, so that 30 megapixels take no more than their results do.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from deepmasque.engine import Engine
from deepmasque.two_photo.patches import (
    ALPHA,
    CORE,
    ERROR,
    FINE_PLANES,
    FOREGROUND,
    FULL,
    HALF,
    PAIR,
    SLACK,
    base_size,
)

SHARE = 0.1
"""Of the patches, in sampling mode: the cost of a photo of a size is fixed."""
THRESHOLD = 0.01
"""Expected mean error of a patch from which on thresholding mode refines it."""
Mode = Literal["sampling", "thresholding", "full"]
MODES = get_args(Mode)
CHUNK = 512
"""Patches that pass through the network at once."""
MARGIN = HALF - CORE // 2
"""Pixels that the refinement sees round a patch."""


@dataclass(frozen=True)
class Base:
    """What the base network said.

    planes: (27, h, w) float32, as in `network.BaseNetwork`, alpha and error clipped to 0..1.
    """

    planes: NDArray[np.float32]

    @property
    def alpha(self) -> NDArray[np.float32]:
        """(h, w) float32 in 0..1, the coarse alpha."""
        return self.planes[ALPHA][0]

    @property
    def error(self) -> NDArray[np.float32]:
        """(h, w) float32 in 0..1, how far the coarse alpha is expected to be off."""
        return self.planes[ERROR][0]


def base(
    photo: NDArray[np.uint8],
    plate: NDArray[np.uint8],
    prior: NDArray[np.float32],
    engine: Engine,
) -> Base:
    """Run the base network on the reduced pair.

    photo, plate: (H, W, 3) uint8. prior: (2, h, w) float32 in 0..1, at any size, zeros for none.
    """
    size = base_size(*photo.shape[:2])
    how = cv2.INTER_AREA if size[0] < len(photo) else cv2.INTER_LINEAR
    x = np.empty((8, *size), np.float32)
    for planes, pixels in ((x[:3], photo), (x[3:PAIR], plate)):
        reduced = cv2.resize(pixels, size[::-1], interpolation=how)
        planes[:] = reduced.transpose(2, 0, 1)
    x[:PAIR] = x[:PAIR] / np.float32(127.5) - 1
    x[PAIR:] = [cv2.resize(plane, size[::-1]) for plane in prior]
    planes = engine(x)
    for which in (ALPHA, ERROR):
        planes[which] = planes[which].clip(0, 1)
    return Base(planes)


def chosen_patches(
    error: NDArray[np.float32], height: int, width: int, mode: Mode
) -> NDArray[np.int64]:
    """Which patches of a photo are refined: (N, 2) row and column, in order.

    error: (h, w) float32. mode: "sampling" takes the SHARE of all patches with the largest error,
    "thresholding" those above THRESHOLD, "full" all.
    """
    rows, columns = -(-height // CORE), -(-width // CORE)
    ys, xs = (
        (np.arange(4 * count) + 0.5) * (CORE / 4 * cells / side) - 0.5
        for count, side, cells in ((rows, height, len(error)), (columns, width, error.shape[1]))
    )
    spread = np.empty((1, 1, 4 * rows, 4 * columns), np.float32)
    _sample(error[None], ys[None], xs[None], spread)
    errors = spread.reshape(rows, 4, columns, 4).mean((1, 3))
    if mode == "sampling":
        count = max(1, round(SHARE * errors.size))
        places = np.sort(np.argsort(errors, axis=None, kind="stable")[-count:])
    elif mode == "thresholding":
        places = np.flatnonzero(errors > THRESHOLD)
    else:
        places = np.arange(errors.size)
    return np.stack([places // columns, places % columns], axis=1)


def refined(
    photo: NDArray[np.uint8],
    plate: NDArray[np.uint8],
    coarse: Base,
    patches: NDArray[np.int64],
    engine: Engine,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Alpha (H, W) float32 in 0..1 and foreground (H, W, 3) uint8 at the photo's size.

    photo, plate: (H, W, 3) uint8. patches: as `chosen_patches` gives them; elsewhere alpha and
    foreground are those of the base network, enlarged.
    """
    height, width = photo.shape[:2]
    alpha = cv2.resize(coarse.alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    foreground = np.empty_like(photo)
    _add_residual(photo, coarse.planes[FOREGROUND], foreground)
    told = np.concatenate([coarse.planes[:FINE_PLANES], coarse.planes[ERROR.stop :]])
    for start in range(0, len(patches), CHUNK):
        part = patches[start : start + CHUNK]
        half, full = _network_inputs(photo, plate, told, part)
        _put_back(engine.batch(half, full), photo, part, alpha, foreground)
    alpha -= np.float32(SLACK)
    alpha /= np.float32(1 - 2 * SLACK)
    return np.clip(alpha, 0, 1, out=alpha), foreground


def refined_pixels(patches: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    """(H, W) bool: where the patches lie."""
    grid = np.zeros((-(-height // CORE), -(-width // CORE)), bool)
    grid[patches[:, 0], patches[:, 1]] = True
    return grid.repeat(CORE, 0).repeat(CORE, 1)[:height, :width]


def _network_inputs(photo, plate, told, patches):
    """Half (N, 32, 18, 18) and full (N, 16, 22, 22), as `network.RefinementNetwork` wants them."""
    half = np.empty((len(patches), PAIR + len(told), HALF, HALF), np.float32)
    full = np.empty((len(patches), PAIR + FINE_PLANES, FULL, FULL), np.float32)
    _crop(photo, plate, patches, half[:, :PAIR], full[:, :PAIR])
    for planes, out, step in ((told, half[:, PAIR:], 2), (told[:FINE_PLANES], full[:, PAIR:], 1)):
        side = out.shape[-1]
        offsets = (np.arange(side) - side / 2 + 0.5) * step + CORE / 2
        ys, xs = (
            (patches[:, axis, None] * CORE + offsets) * (cells / length) - 0.5
            for axis, (cells, length) in enumerate(zip(told.shape[1:], photo.shape, strict=False))
        )
        _sample(planes, ys, xs, out)
    return half, full


@njit(cache=True, nogil=True)
def _sample(planes, ys, xs, out):
    """Bilinear values (N, C, k, l) of planes (C, h, w) at ys (N, k) x xs (N, l); borders go on."""
    height, width = planes.shape[1:]
    for n in range(len(ys)):
        for i in range(ys.shape[1]):
            y = min(max(ys[n, i], 0.0), height - 1.0)
            top = min(int(y), height - 2)
            down = np.float32(y - top)
            for j in range(xs.shape[1]):
                x = min(max(xs[n, j], 0.0), width - 1.0)
                left = min(int(x), width - 2)
                right = np.float32(x - left)
                for c in range(len(planes)):
                    plane = planes[c]
                    upper = plane[top, left] + right * (plane[top, left + 1] - plane[top, left])
                    lower = plane[top + 1, left] + right * (
                        plane[top + 1, left + 1] - plane[top + 1, left]
                    )
                    out[n, c, i, j] = upper + down * (lower - upper)


@njit(cache=True, nogil=True)
def _crop(photo, plate, patches, half, full):
    """Photo and plate round the patches, -1..1: at half size by the mean of four, and at full."""
    height, width = photo.shape[:2]
    inner = (HALF * 2 - FULL) // 2
    half[:] = -1
    for n in range(len(patches)):
        for i in range(2 * HALF):
            y = min(max(patches[n, 0] * CORE - MARGIN + i, 0), height - 1)
            for j in range(2 * HALF):
                x = min(max(patches[n, 1] * CORE - MARGIN + j, 0), width - 1)
                within = inner <= i < inner + FULL and inner <= j < inner + FULL
                for c in range(3):
                    for k in range(2):
                        value = np.float32(plate[y, x, c] if k else photo[y, x, c])
                        half[n, 3 * k + c, i // 2, j // 2] += value * np.float32(1 / 510)
                        if within:
                            full[n, 3 * k + c, i - inner, j - inner] = (
                                value * np.float32(1 / 127.5) - 1
                            )


@njit(cache=True, nogil=True)
def _add_residual(photo, residual, foreground):
    """The foreground (H, W, 3) uint8: photo and residual (3, h, w) of the range, enlarged."""
    height, width = photo.shape[:2]
    rows, columns = residual.shape[1:]
    for i in range(height):
        y = min(max((i + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
        top = min(int(y), rows - 2)
        down = np.float32(y - top)
        line = residual[:, top] + down * (residual[:, top + 1] - residual[:, top])
        for j in range(width):
            x = min(max((j + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
            left = min(int(x), columns - 2)
            right = np.float32(x - left)
            for c in range(3):
                change = line[c, left] + right * (line[c, left + 1] - line[c, left])
                value = photo[i, j, c] + np.float32(255) * change
                foreground[i, j, c] = np.uint8(min(max(value, 0), 255) + np.float32(0.5))


@njit(cache=True, nogil=True)
def _put_back(results, photo, patches, alpha, foreground):
    """Overwrite alpha and foreground in the patches by results (N, 4, 16, 16)."""
    height, width = alpha.shape
    for n in range(len(patches)):
        top, left = patches[n] * CORE
        for i in range(min(CORE, height - top)):
            for j in range(min(CORE, width - left)):
                alpha[top + i, left + j] = min(max(results[n, 0, i, j], 0), 1)
                for c in range(3):
                    value = photo[top + i, left + j, c] + 255 * results[n, 1 + c, i, j]
                    foreground[top + i, left + j, c] = np.uint8(min(max(value, 0), 255) + 0.5)
