"""Exposure and white balance of the plate matched to the photo: a gain and a bias per channel."""

import cv2
import numpy as np
from numpy.typing import NDArray

SAMPLES = 8_000
ROUNDS = 8
GAINS = 0.5, 2.0
"""Gains beyond these are other light, not another exposure."""
USUAL = 0.35
"""Standard deviation of log gain among pairs: what decides when two gains explain as much."""
DARK, BRIGHT = 7, 248
"""Levels beyond which a pixel may be clipped and tells nothing."""
NOISE = 2.0
"""Levels: a plate that varies less than this noise cannot tell gain from bias."""
LARGEST_BIAS = 40.0
"""Levels: beyond it, it is other light too."""
TUKEY = 4.685
"""Tukey's biweight constant, in robust standard deviations."""


def exposure_match(
    image: NDArray[np.uint8], laid: NDArray[np.uint8], background: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain and bias with laid * gain + bias = image on the background, found robustly.

    It starts from the most frequent ratio, so that the subject may fill most of the mask, and goes
    on by iteratively reweighted least squares with Tukey's biweight; a pixel that is an outlier in
    one channel is one in all. Where the plate hardly varies, gain and bias cannot be told apart
    and the gain explains it all.

    image, laid: (h, w, 3) uint8, reduced by averaging; background: (h, w) bool, where to look.
    Returns gain (3,) and bias (3,) in levels, float64; 1 and 0 if there are not enough pixels.
    """
    usable = background & _within(image) & _within(laid)
    image, laid = cv2.blur(image, (5, 5)), cv2.blur(laid, (5, 5))
    rows, columns = np.nonzero(usable)
    if len(rows) < 32:
        return np.ones(3), np.zeros(3)
    step = max(1, len(rows) // SAMPLES)
    chosen = rows[::step], columns[::step]
    target, source = image[chosen].astype(np.float64), laid[chosen].astype(np.float64)
    gain, bias = _frequent_ratio(target, source), np.zeros(3)
    spread = 12.0
    for _ in range(ROUNDS):
        error = np.abs(target - source * gain - bias)
        worst = np.maximum(np.maximum(error[:, 0], error[:, 1]), error[:, 2])
        weight = np.square(np.clip(1 - np.square(worst / (TUKEY * spread)), 0, None))
        if weight.sum() < 16:
            break
        gain, bias = _weighted_fit(target, source, weight)
        agreeing = worst[weight > 0]
        spread = min(spread, max(1.5, 1.4826 * float(np.median(agreeing))))
    return gain, bias


def exposed(
    pixels: NDArray[np.uint8], gain: NDArray[np.float64], bias: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) uint8 * gain + bias, rounded and clipped."""
    levels = np.arange(256)[:, None] * gain + bias
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return cv2.LUT(pixels, table[:, None])


def _within(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return cv2.inRange(pixels, (DARK,) * 3, (BRIGHT,) * 3) > 0


def _frequent_ratio(target: NDArray[np.float64], source: NDArray[np.float64]):
    """The mode of target / source per channel, near 1 rather than far from it."""
    low, high = np.log(GAINS)
    edges = np.linspace(low, high, 141)
    middles = (edges[1:] + edges[:-1]) / 2
    usual = np.exp(-np.square(middles / USUAL) / 2)
    gains = []
    for ratio in np.log(target / source).T:
        counts, _ = np.histogram(ratio, edges)
        smooth = np.convolve(counts, np.hanning(9), mode="same")
        gains.append(np.exp(middles[np.argmax(smooth * usual)]))
    return np.array(gains)


def _weighted_fit(target, source, weight):
    """Least squares with a prior that the bias is 0, as strong as the noise."""
    total = weight.sum()
    mean_target, mean_source = weight @ target / total, weight @ source / total
    across = source - mean_source
    usual = mean_target / mean_source
    prior = total * NOISE**2
    gain = (weight @ (across * (target - mean_target)) + prior * usual) / (
        weight @ np.square(across) + prior
    )
    gain = np.clip(gain, *GAINS)
    bias = mean_target - gain * mean_source
    return gain, np.clip(bias, -LARGEST_BIAS, LARGEST_BIAS)
