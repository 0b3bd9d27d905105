"""The matting errors on cases worked out by hand, and beside a second, slow implementation."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from deepmasque import matte
from deepmasque.evaluation.metrics import (
    METRICS,
    boundary_iou,
    conn,
    dtssd,
    grad,
    iou,
    mad,
    mse,
    sad,
    scores,
)

ALL = np.ones((40, 50), bool)
SUMS = [sad, grad, conn]
MEANS = [mad, mse]
ERRORS = SUMS + MEANS


def mattes(seed):
    """Two smooth random mattes and a random region."""
    random = np.random.default_rng(seed)
    smooth = (ndimage.gaussian_filter(random.random((40, 50)), 2) for _ in range(2))
    alpha, truth = (np.clip((s - s.mean()) * 6 + 0.5, 0, 1) for s in smooth)
    return alpha, truth, random.random((40, 50)) < 0.4


@pytest.fixture(scope="module")
def real(portrait):
    """The pipeline's alpha of a sample beside the network's mask, and the band between."""
    result = matte(portrait)
    return result.alpha, result.mask, result.trimap == 128


@pytest.mark.parametrize("metric", ERRORS)
def test_perfect_matte_has_no_error(metric):
    alpha, _, region = mattes(0)
    assert metric(alpha, alpha, region) == metric(alpha, alpha) == 0


@pytest.mark.parametrize("metric", [iou, boundary_iou])
def test_perfect_mask_overlaps_wholly(metric):
    alpha, _, region = mattes(0)
    assert metric(alpha, alpha, region) == metric(alpha, alpha) == 1


@pytest.mark.parametrize("metric", ERRORS)
def test_only_the_region_counts(metric):
    alpha, truth, region = mattes(1)
    assert metric(alpha, truth, region) > 0
    assert metric(alpha, truth, np.zeros_like(region)) == 0
    parts = metric(alpha, truth, region), metric(alpha, truth, ~region)
    share = region.mean() if metric in MEANS else 1
    rest = (1 - share) if metric in MEANS else 1
    whole = metric(alpha, truth, ALL)
    assert parts[0] * share + parts[1] * rest == pytest.approx(whole)
    assert whole == metric(alpha, truth)


def test_iou_by_hand():
    person = np.zeros((4, 5), bool)
    person[:2] = True
    found = np.zeros((4, 5), np.float32)
    found[1:3] = 0.9
    assert iou(found, person) == pytest.approx(5 / 15)
    assert iou(found, person, person) == pytest.approx(5 / 10)
    assert iou(np.full((4, 5), 0.5, np.float32), np.zeros((4, 5), bool)) == 1


def test_boundary_iou_by_hand():
    # 40 x 50 has a diagonal of 64, so the rim is one pixel wide: 36 pixels of a square of ten.
    truth = np.zeros((40, 50))
    truth[10:20, 10:20] = 1
    alpha = truth.copy()
    alpha[12:18, 12:18] = 0.6  # still person: nothing changes
    assert boundary_iou(alpha, truth) == 1
    alpha[19, 10:20] = 0  # one line less: its rim of 34 shares 26 with the 36
    assert iou(alpha, truth) == pytest.approx(0.9)
    assert boundary_iou(alpha, truth) == pytest.approx(26 / 44)
    # A person who fills the image has a rim along its border, so losing it all counts.
    assert boundary_iou(np.ones((40, 50)), np.zeros((40, 50))) == 0
    assert boundary_iou(np.ones((40, 50)), np.ones((40, 50))) == 1


def test_dtssd_by_hand():
    truths = np.zeros((3, 4, 5))
    alphas = truths.copy()
    alphas[1, 0, :2] = 0.5
    alphas[2] = alphas[1]  # wrong, but still: no flicker in the second pair
    assert dtssd(alphas, truths) == pytest.approx(100 * math.sqrt(2 * 0.25 / 20) / 2)
    assert dtssd(alphas + 0.1, truths) == pytest.approx(dtssd(alphas, truths))
    line = np.zeros(alphas.shape, bool)
    line[:, 0] = True
    assert dtssd(alphas, truths, line) == pytest.approx(100 * math.sqrt(2 * 0.25 / 5) / 2)
    assert dtssd(alphas[:1], truths[:1]) == 0


def test_sad_mad_and_mse_by_hand():
    truth = np.zeros((40, 50))
    alpha = truth.copy()
    alpha[0, :4] = 0.5, 1, 0.25, 0
    assert sad(alpha, truth, ALL) == pytest.approx(1.75 / 1000)
    assert mad(alpha, truth, ALL) == pytest.approx(1.75 / 2000)
    assert mse(alpha, truth, ALL) == pytest.approx((0.25 + 1 + 0.0625) / 2000)


def test_grad_of_a_ramp_by_hand():
    # On a ramp of slope m the derivative is m Σ x² g(x) · Σ g(y), kernels of unit energy.
    at = np.arange(-4, 5)
    g = np.exp(-(at**2) / (2 * 1.4**2))
    response = 0.01 * (at**2 * g).sum() / np.linalg.norm(at * g) * g.sum() / np.linalg.norm(g)
    ramp = np.broadcast_to(np.arange(50) * 0.01, (40, 50))
    inside = np.zeros((40, 50), bool)
    inside[10:20, 10:30] = True
    assert grad(ramp, np.zeros((40, 50)), inside) == pytest.approx(200 * response**2 / 1000)


def test_conn_of_a_loose_patch_by_hand():
    # A patch of 0.6 in the estimate that touches nothing: connected at level 0, so 0.6 is lost.
    truth = np.zeros((40, 50))
    truth[5:20, 5:20] = 1
    alpha = truth.copy()
    alpha[30:32, 30:33] = 0.6
    assert conn(alpha, truth, ALL) == pytest.approx(6 * 0.6 / 1000)
    alpha[30:32, 30:33] = 0.1  # below the tolerance of 0.15
    assert conn(alpha, truth, ALL) == pytest.approx(0)


def slow_gradient(pixels):
    """The benchmark's two-dimensional kernel, one pixel at a time."""
    sigma, half = 1.4, 4
    kernel = np.empty((9, 9))
    for i in range(9):
        for j in range(9):
            y, x = i - half, j - half
            gauss = np.exp(-(y**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
            slope = -x * np.exp(-(x**2) / (2 * sigma**2)) / (sigma**3 * np.sqrt(2 * np.pi))
            kernel[i, j] = gauss * slope
    kernel /= np.sqrt((kernel**2).sum())
    padded = np.pad(pixels, half, mode="edge")
    magnitude = np.empty_like(pixels)
    for y, x in np.ndindex(pixels.shape):
        window = padded[y : y + 9, x : x + 9]
        magnitude[y, x] = np.hypot((window * kernel).sum(), (window * kernel.T).sum())
    return magnitude


def slow_connectivity(alpha, truth):
    levels = [step / 10 for step in range(11)]
    connected = np.full(alpha.shape, -1.0)
    for before, level in pairwise(levels):
        labels, count = ndimage.label((alpha >= level) & (truth >= level))
        sizes = [np.count_nonzero(labels == part) for part in range(1, count + 1)]
        source = labels == np.argmax(sizes) + 1 if sizes else np.zeros(alpha.shape, bool)
        connected[(connected == -1) & ~source] = before
    connected[connected == -1] = 1
    parts = []
    for pixels in (alpha, truth):
        above = pixels - connected
        parts.append(1 - np.where(above >= 0.15, above, 0))
    return np.abs(parts[0] - parts[1])


def slow_rim(mask):
    """The pixels no further than 2 % of the diagonal from the background or the outside."""
    reach = max(1, round(0.02 * math.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    distance = ndimage.distance_transform_cdt(np.pad(mask, 1), "chessboard")[1:-1, 1:-1]
    return mask & (distance <= reach)


def slow_iou(found, person, region):
    found, person = ({(y, x) for y, x in np.argwhere(mask & region)} for mask in (found, person))
    return len(found & person) / len(found | person)


def slow_scores(alpha, truth, region):
    """Every error once more, by loops and by SciPy."""
    differences = [
        float(alpha[at]) - float(truth[at]) for at in np.ndindex(alpha.shape) if region[at]
    ]
    total = math.fsum(map(abs, differences))
    gradients = (slow_gradient(alpha) - slow_gradient(truth)) ** 2
    masks = alpha > 0.5, truth > 0.5
    return {
        "iou": slow_iou(*masks, region),
        "boundary_iou": slow_iou(*map(slow_rim, masks), region),
        "sad": total / 1000,
        "mad": total / len(differences),
        "mse": math.fsum(d * d for d in differences) / len(differences),
        "grad": gradients[region].sum() / 1000,
        "conn": slow_connectivity(alpha, truth)[region].sum() / 1000,
    }


def agrees(alpha, truth, region):
    """The largest difference between the errors and their twins, whole image and region."""
    both = scores(alpha, truth, region)
    whole = slow_scores(alpha, truth, np.ones_like(region))
    within = slow_scores(alpha, truth, region)
    assert set(both) == set(METRICS) | {f"{name}_unknown" for name in METRICS}
    differences = [both[name] - whole[name] for name in METRICS]
    differences += [both[f"{name}_unknown"] - within[name] for name in METRICS]
    return max(map(abs, differences)) < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_agree_with_a_second_implementation(seed):
    alpha, truth, region = mattes(seed)
    assert agrees(alpha, truth, region)
    stored = (np.rint(pixels * 255) / 255 for pixels in (alpha, truth))  # 0.2, 0.4 … occur exactly
    assert agrees(*stored, region)


def test_agree_on_a_real_matte(real):
    alpha, mask, band = real
    assert 0.5 < iou(alpha, mask) < 1 and band.any()
    assert agrees(alpha.astype(np.float64), mask.astype(np.float64), band)


@pytest.mark.parametrize("whole", [True, False])
def test_dtssd_agrees_with_a_second_implementation(whole):
    random = np.random.default_rng(5)
    alphas, truths = random.random((2, 4, 9, 7))
    regions = None if whole else random.random(alphas.shape) < 0.5
    pairs = []
    for t in (1, 2, 3):
        counted = np.ones((9, 7), bool) if whole else regions[t]
        squares = [
            ((alphas[t][at] - truths[t][at]) - (alphas[t - 1][at] - truths[t - 1][at])) ** 2
            for at in np.ndindex(9, 7)
            if counted[at]
        ]
        pairs.append(math.sqrt(math.fsum(squares) / len(squares)))
    assert abs(dtssd(alphas, truths, regions) - 100 * sum(pairs) / 3) < 1e-6
