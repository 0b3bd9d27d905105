"""Stage 7: the residual network corrects KNN matting, in the band alone and at full resolution.

The band is covered with tiles, each seen with a margin round the part that is kept, so that the
cost grows with the band and a pixel does not depend on where the borders of the tiles fall.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from deepmasque.engine import Engine
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND

TILE, MARGIN = 256, 64
"""Side of what the network sees at once, and what of it is not kept on either side."""
CORE = TILE - 2 * MARGIN
CELL = 4
"""Local colours are found at this fraction of the size."""
SURE = 0.95
"""From this alpha on a pixel tells of the foreground's colours, below 1 - SURE of the other's."""
COLOUR_NOISE = 0.01
"""Squared distance of foreground and background, 0..1 colours, that noise alone would give."""


def refined(
    image: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    trimap: NDArray[np.uint8],
    engine: Engine,
) -> NDArray[np.float32]:
    """The alpha with the network's correction in the band; every other pixel as it was.

    image: (H, W, 3) uint8. alpha: (H, W) float32 in 0..1, as KNN matting solved it. trimap: (H, W)
    uint8, 0 background, 255 foreground, everything else unknown. Any size.
    Returns (H, W) float32 in 0..1.
    """
    unknown = (trimap != BACKGROUND) & (trimap != FOREGROUND)
    result = alpha.copy()
    if not unknown.any():
        return result
    colours = local_colours(image, alpha)
    for top, left in tiles(unknown):
        x = network_input(image, alpha, trimap, colours, top - MARGIN, left - MARGIN, TILE, TILE)
        corrected = np.clip(engine(x)[0, MARGIN:-MARGIN, MARGIN:-MARGIN], 0, 1)
        place = np.s_[top : top + CORE, left : left + CORE]
        band = unknown[place]
        result[place][band] = corrected[: band.shape[0], : band.shape[1]][band]
    return result


def tiles(unknown: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield top and left of every part of CORE x CORE pixels that holds any of the band."""
    for top in range(0, unknown.shape[0], CORE):
        for left in range(0, unknown.shape[1], CORE):
            if unknown[top : top + CORE, left : left + CORE].any():
                yield top, left


def network_input(
    image: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    trimap: NDArray[np.uint8],
    colours: NDArray[np.float32],
    top: int,
    left: int,
    height: int,
    width: int,
) -> NDArray[np.float32]:
    """The channels of `residual_network` for one window, (13, height, width) float32.

    colours: as `local_colours` returns them. top, left: multiples of CELL; the window may reach
    beyond the photo, whose outermost pixels go on there.
    """
    rows = np.clip(np.arange(top, top + height), 0, alpha.shape[0] - 1)
    columns = np.clip(np.arange(left, left + width), 0, alpha.shape[1] - 1)
    seen = np.ix_(rows, columns)
    pixels = image[seen].astype(np.float32) / 255
    known = trimap[seen]
    local = _enlarged(colours, top, left, height, width)
    front, back = local[..., :3], local[..., 3:]
    apart = front - back
    share = ((pixels - back) * apart).sum(2) / ((apart * apart).sum(2) + COLOUR_NOISE)
    x = np.empty((13, height, width), np.float32)
    x[:3] = pixels.transpose(2, 0, 1) * 2 - 1
    x[3] = alpha[seen] * 2 - 1
    x[4], x[5] = known == FOREGROUND, known == BACKGROUND
    x[6:12] = local.transpose(2, 0, 1) * 2 - 1
    x[12] = np.clip(share, 0, 1) * 2 - 1
    return x


def local_colours(image: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Foreground and background colours round every place, (H / CELL, W / CELL, 6), 0..1.

    The mean of what is surely one or the other near by, or where there is nothing, further away.
    """
    front, back = _sums(image, alpha, CELL, SURE)
    return np.concatenate([filled(front), filled(back)], axis=2) / np.float32(255)


def filled(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean colours (h, w, 3), run on smoothly to where there are none.

    Pull and push (Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4); what the coarser
    level says counts as one pixel. sums: (h, w, 4), summed colours and their number.
    """
    height, width = sums.shape[:2]
    if height * width == 1:
        return sums[..., :3] / np.maximum(sums[..., 3:], 1)
    half = (-(-width // 2), -(-height // 2))
    coarse = filled(cv2.resize(sums, half, interpolation=cv2.INTER_AREA) * np.float32(4))
    below = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return (sums[..., :3] + below) / (sums[..., 3:] + 1)


@njit(cache=True, nogil=True)
def _sums(image, alpha, cell, sure):
    """Summed RGB and number of the sure pixels in every cell, two arrays (h, w, 4)."""
    height, width = alpha.shape
    shape = (-(-height // cell), -(-width // cell), 4)
    front, back = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for y in range(height):
        for x in range(width):
            if alpha[y, x] >= sure:
                sums = front[y // cell, x // cell]
            elif alpha[y, x] <= 1 - sure:
                sums = back[y // cell, x // cell]
            else:
                continue
            for c in range(3):
                sums[c] += image[y, x, c]
            sums[3] += 1
    return front, back


def _enlarged(
    colours: NDArray[np.float32], top: int, left: int, height: int, width: int
) -> NDArray[np.float32]:
    """Local colours of a window at full size, the same wherever the window begins."""
    rows = np.arange(top // CELL - 1, -(-(top + height) // CELL) + 1)
    columns = np.arange(left // CELL - 1, -(-(left + width) // CELL) + 1)
    part = colours[
        np.ix_(rows.clip(0, colours.shape[0] - 1), columns.clip(0, colours.shape[1] - 1))
    ]
    size = (len(columns) * CELL, len(rows) * CELL)
    large = np.dstack([cv2.resize(part[..., i : i + 3], size) for i in (0, 3)])
    return large[CELL : CELL + height, CELL : CELL + width]
