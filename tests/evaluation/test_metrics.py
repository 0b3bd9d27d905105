"""The matting errors on cases worked out by hand, and beside a second, slow implementation."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from deepmasque.evaluation.metrics import conn, grad, mad, mse, sad

ALL = np.ones((40, 50), bool)
METRICS = [sad, mad, mse, grad, conn]
MEANS = [mad, mse]


def mattes(seed):
    """Two smooth random mattes and a random region."""
    random = np.random.default_rng(seed)
    smooth = (ndimage.gaussian_filter(random.random((40, 50)), 2) for _ in range(2))
    alpha, truth = (np.clip((s - s.mean()) * 6 + 0.5, 0, 1) for s in smooth)
    return alpha, truth, random.random((40, 50)) < 0.4


@pytest.mark.parametrize("metric", METRICS)
def test_perfect_matte_has_no_error(metric):
    alpha, _, region = mattes(0)
    assert metric(alpha, alpha, region) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_only_the_region_counts(metric):
    alpha, truth, region = mattes(1)
    assert metric(alpha, truth, region) > 0
    assert metric(alpha, truth, np.zeros_like(region)) == 0
    parts = metric(alpha, truth, region), metric(alpha, truth, ~region)
    share = region.mean() if metric in MEANS else 1
    rest = (1 - share) if metric in MEANS else 1
    whole = metric(alpha, truth, ALL)
    assert parts[0] * share + parts[1] * rest == pytest.approx(whole)


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
    levels = np.linspace(0, 1, 11)
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


@pytest.mark.parametrize("seed", range(4))
def test_agree_with_a_second_implementation(seed):
    alpha, truth, region = mattes(seed)
    gradients = (slow_gradient(alpha) - slow_gradient(truth)) ** 2
    assert grad(alpha, truth, region) == pytest.approx(gradients[region].sum() / 1000)
    connectivity = slow_connectivity(alpha, truth)
    assert conn(alpha, truth, region) == pytest.approx(connectivity[region].sum() / 1000)
