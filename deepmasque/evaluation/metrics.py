"""How far an alpha matte lies from the truth, by the definitions that the field publishes.

IoU, SAD, MAD, MSE, Gradient and Connectivity: Rhemann, Rother, Wang, Gelautz, Kohli, Rott: A
Perceptually Motivated Online Benchmark for Image Matting. CVPR 2009. Boundary IoU: Cheng, Girshick,
Dollár, Berg, Kirillov: Boundary IoU: Improving Object-Centric Image Segmentation Evaluation. CVPR
2021. dtSSD: Erofeev, Gitman, Vatolin, Fedorov, Wang: Perceptually Motivated Benchmark for Video
Matting. BMVC 2015.

All take `alpha` and `truth`, (H, W) float in 0..1, and `region`, (H, W) bool, the pixels that
count: the unknown ones, say, or all where it is None. An empty region has no error.
"""

import math
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

GRADIENT_SIGMA = 1.4
CONNECTIVITY_LEVELS = 10  # steps of 0.1
CONNECTIVITY_TOLERANCE = 0.15
BOUNDARY = 0.02  # of the image's diagonal

Region = NDArray[np.bool_] | None


def scores(
    alpha: NDArray, truth: NDArray, unknown: NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """Every error of one image by its name; with `unknown` also "…_unknown", over that region.

    SAD, Grad and Conn in thousands as they are published.
    """
    found = {name: metric(alpha, truth) for name, metric in METRICS.items()}
    if unknown is not None:
        found |= {
            f"{name}_unknown": metric(alpha, truth, unknown) for name, metric in METRICS.items()
        }
    return found


def iou(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
    """Intersection over union of what is more than half opaque; 1 where neither has any.

    The truth may be (H, W) bool.
    """
    return _overlap(alpha > 0.5, truth > 0.5, region)


def boundary_iou(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
    """IoU of the pixels of either mask that lie within 2 % of the diagonal of its outline.

    The masks are what is more than half opaque. Distances are by the chessboard, and the border of
    the image belongs to the outline, as in the authors' code.
    """
    reach = max(1, round(BOUNDARY * math.hypot(*truth.shape)))
    return _overlap(_rim(alpha > 0.5, reach), _rim(truth > 0.5, reach), region)


def sad(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
    """Sum of absolute differences, in thousands."""
    return _total(np.abs(_double(alpha) - truth), region) / 1000


def mad(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
    """Mean absolute difference."""
    return _mean(np.abs(_double(alpha) - truth), region)


def mse(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
    """Mean squared difference."""
    return _mean(np.square(_double(alpha) - truth), region)


def grad(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
    """Sum of squared differences between gradient magnitudes (σ = 1.4), in thousands."""
    difference = _gradient_magnitude(_double(alpha)) - _gradient_magnitude(_double(truth))
    return _total(np.square(difference), region) / 1000


def conn(alpha: NDArray, truth: NDArray, region: Region = None) -> float:
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
    return _total(np.abs(difference), region) / 1000


METRICS = {
    "iou": iou,
    "boundary_iou": boundary_iou,
    "sad": sad,
    "mse": mse,
    "mad": mad,
    "grad": grad,
    "conn": conn,
}


def dtssd(alphas: NDArray, truths: NDArray, regions: Region = None) -> float:
    """How much more, or less, a video's matte moves than the truth: 100 × the root mean square.

    For each pair of frames the root of the mean squared difference between the changes of alpha and
    of the truth, then the mean over the pairs: per pixel and hundredfold, as RVM, MODNet and others
    print it, so that videos of any size compare. 0 for fewer than two frames.

    alphas, truths: (T, H, W). regions: (T, H, W) bool, the pixels that count at each frame; of a
    pair, those that count at the later one.
    """
    pairs = []
    for t in range(1, len(truths)):
        change = _double(alphas[t]) - alphas[t - 1]
        true_change = _double(truths[t]) - truths[t - 1]
        region = None if regions is None else regions[t]
        pairs.append(100 * math.sqrt(_mean(np.square(change - true_change), region)))
    return float(np.mean(pairs)) if pairs else 0.0


def _double(pixels: NDArray) -> NDArray[np.float64]:
    return np.asarray(pixels, np.float64)


def _total(errors: NDArray[np.float64], region: Region) -> float:
    return float(errors.sum() if region is None else errors[region].sum())


def _mean(errors: NDArray[np.float64], region: Region) -> float:
    count = errors.size if region is None else np.count_nonzero(region)
    return _total(errors, region) / max(count, 1)


def _overlap(found: NDArray[np.bool_], person: NDArray[np.bool_], region: Region) -> float:
    if region is not None:
        found, person = found[region], person[region]
    union = np.count_nonzero(found | person)
    return np.count_nonzero(found & person) / union if union else 1.0


def _rim(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """The pixels of a mask within `reach` of its outline."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    border = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    return mask & (cv2.erode(mask.astype(np.uint8), square, **border) == 0)


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
