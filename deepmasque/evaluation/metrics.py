"""The errors of an alpha matte that the field publishes.

Rhemann, Rother, Wang, Gelautz, Kohli, Rott: A Perceptually Motivated Online Benchmark for Image
Matting. CVPR 2009. All take `alpha` and `truth`, (H, W) float in 0..1, and `region`, (H, W) bool,
the pixels that count (usually the unknown ones). 0 is perfect.
"""

import math
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

GRADIENT_SIGMA = 1.4
CONNECTIVITY_LEVELS = 10  # steps of 0.1
CONNECTIVITY_TOLERANCE = 0.15


def sad(alpha: NDArray, truth: NDArray, region: NDArray[np.bool_]) -> float:
    """Sum of absolute differences, in thousands."""
    return float(np.abs(_double(alpha) - truth)[region].sum() / 1000)


def mad(alpha: NDArray, truth: NDArray, region: NDArray[np.bool_]) -> float:
    """Mean absolute difference; 0 where the region is empty."""
    return 1000 * sad(alpha, truth, region) / max(int(region.sum()), 1)


def mse(alpha: NDArray, truth: NDArray, region: NDArray[np.bool_]) -> float:
    """Mean squared difference; 0 where the region is empty."""
    return float(np.square(_double(alpha) - truth)[region].sum() / max(region.sum(), 1))


def grad(alpha: NDArray, truth: NDArray, region: NDArray[np.bool_]) -> float:
    """Sum of squared differences between gradient magnitudes (σ = 1.4), in thousands."""
    difference = _gradient_magnitude(_double(alpha)) - _gradient_magnitude(_double(truth))
    return float(np.square(difference)[region].sum() / 1000)


def conn(alpha: NDArray, truth: NDArray, region: NDArray[np.bool_]) -> float:
    """Sum of absolute differences in connectivity, in thousands.

    A pixel's connectivity falls as its alpha rises above the highest level, in steps of 0.1, at
    which it still hangs together with the largest part that is opaque in both mattes.
    """
    alpha, truth = _double(alpha), _double(truth)
    connected = np.ones_like(truth)
    undecided = np.ones(truth.shape, bool)
    levels = np.arange(CONNECTIVITY_LEVELS + 1) / CONNECTIVITY_LEVELS
    for below, level in pairwise(levels):
        source = _largest_part((alpha >= level) & (truth >= level))
        connected[undecided & ~source] = below
        undecided &= source
    difference = _connectivity(alpha, connected) - _connectivity(truth, connected)
    return float(np.abs(difference)[region].sum() / 1000)


def _double(pixels: NDArray) -> NDArray[np.float64]:
    return np.asarray(pixels, np.float64)


def _gradient_magnitude(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian derivatives whose kernels have unit energy, as in the benchmark's own code."""
    sigma = GRADIENT_SIGMA
    cut = 0.01  # of the Gaussian density: where the kernel ends
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * cut)))
    at = np.arange(-half, half + 1)
    smooth = np.exp(-(at**2) / (2 * sigma**2))
    slope = at * smooth
    smooth, slope = smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)
    along_x = cv2.sepFilter2D(pixels, -1, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    along_y = cv2.sepFilter2D(pixels, -1, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(along_x, along_y)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 4-connected part of a mask; all False where there is none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    if count == 1:
        return mask
    return labels == 1 + np.argmax(stats[1:, cv2.CC_STAT_AREA])


def _connectivity(pixels: NDArray[np.float64], connected: NDArray[np.float64]) -> NDArray:
    above = pixels - connected
    return 1 - above * (above >= CONNECTIVITY_TOLERANCE)
