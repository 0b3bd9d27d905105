"""KNN matting on scenes whose alpha is known, and beside an exact dense solver."""

import cv2
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from deepmasque.errors import TrimapError
from deepmasque.portrait import knn_matting as module
from deepmasque.portrait.knn_matting import (
    FEATURES,
    GRID,
    TEXTBOOK,
    TOLERANCE,
    TUNED,
    Prior,
    colour_features,
    knn_matting,
    solve,
)


def soft_disc(size=64):
    """A red disc with a soft edge on a blue ground: image, trimap, true alpha."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip((size / 4 - np.hypot(x, y)) / 6 + 0.5, 0, 1)
    red, blue = np.array([210, 60, 40]), np.array([30, 70, 160])
    image = np.round(alpha[..., None] * red + (1 - alpha[..., None]) * blue).astype(np.uint8)
    trimap = np.where(alpha == 0, 0, np.where(alpha == 1, 255, 128)).astype(np.uint8)
    return image, trimap, alpha


def noisy_disc(size=24, seed=4):
    """A soft disc under noise strong enough that no two neighbours are equally near."""
    image, trimap, _ = soft_disc(size)
    noise = np.random.default_rng(seed).normal(0, 25, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), trimap


def exact_alpha(image, trimap, features, method, prior=None):
    """Brute-force neighbours, every other window of the image, one dense system."""
    height, width = trimap.shape
    pixels = height * width
    unknown = np.flatnonzero(trimap.ravel() == 128)
    affinity = np.zeros((pixels, pixels))
    place = np.column_stack(np.divmod(np.arange(pixels), width)) / max(height, width)
    colours = colour_features(image, features).reshape(pixels, -1).astype(np.float64)
    for ring in method.rings:
        points = np.hstack([colours, ring.position * place])
        distance = np.linalg.norm(points[unknown, None] - points, axis=2)
        distance[np.arange(unknown.size), unknown] = np.inf
        order = np.argsort(distance, axis=1)
        ranked = np.take_along_axis(distance, order, axis=1)
        assert np.all(ranked[:, ring.k] - ranked[:, ring.k - 1] > 1e-6), "the neighbours are tied"
        lengths = ranked[:, : ring.k]
        weights = {
            "exponential": np.exp(-lengths / lengths.mean()),
            "linear": 1 - lengths / lengths.max(),
        }[method.kernel]
        for i, nearest, weight in zip(unknown, order[:, : ring.k], weights, strict=True):
            affinity[i, nearest] += weight
    affinity += affinity.T
    for step in (1, width):
        first = np.arange(pixels - step)
        first = first[first % width < width - 1] if step == 1 else first
        affinity[first, first + step] += GRID
        affinity[first + step, first] += GRID

    lines = np.zeros((pixels, pixels))
    for y in [*range(1, height - 2, 2), height - 2]:
        for x in [*range(1, width - 2, 2), width - 2]:
            window = (np.arange(y - 1, y + 2)[:, None] * width + np.arange(x - 1, x + 2)).ravel()
            centred = image.reshape(-1, 3)[window] / 255
            centred = centred - centred.mean(axis=0)
            covariance = centred.T @ centred / 9 + method.noise / 9 * np.eye(3)
            tie = (1 + centred @ np.linalg.solve(covariance, centred.T)) / 9
            lines[np.ix_(window, window)] += np.eye(9) - tie
    laplacian = np.diag(affinity.sum(axis=1)) - affinity + method.colour_line * lines

    alpha = (trimap.ravel() == 255).astype(np.float64)
    right_side = -laplacian[unknown] @ alpha
    if prior is not None:
        trust = prior.trust.ravel()[unknown].astype(np.float64)
        laplacian[unknown, unknown] += trust
        right_side += trust * prior.alpha.ravel()[unknown]
    alpha[unknown] = np.linalg.solve(laplacian[np.ix_(unknown, unknown)], right_side)
    return np.clip(alpha, 0, 1).reshape(height, width)


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("method", [TEXTBOOK, TUNED], ids=["textbook", "tuned"])
def test_agrees_with_the_exact_solver(features, method):
    image, trimap = noisy_disc()
    exact = exact_alpha(image, trimap, features, method)
    alpha = solve(image, trimap, features, method=method).alpha
    assert np.ptp(exact[trimap == 128]) > 0.5
    assert np.abs(alpha - exact).max() <= 1e-4


def test_a_prior_counts_as_much_as_it_is_trusted():
    image, trimap = noisy_disc()
    rng = np.random.default_rng(1)
    expected, trust = rng.random((2, *trimap.shape), np.float32)
    prior = Prior(expected, 20 * trust)
    exact = exact_alpha(image, trimap, "rgb", TUNED, prior)
    assert np.abs(solve(image, trimap, prior=prior).alpha - exact).max() <= 1e-4
    assert np.abs(exact - exact_alpha(image, trimap, "rgb", TUNED)).max() > 0.05
    nothing = Prior(prior.alpha, np.zeros_like(prior.trust))
    np.testing.assert_array_equal(
        solve(image, trimap, prior=nothing).alpha, solve(image, trimap).alpha
    )


def test_a_prior_of_a_large_band_counts_at_the_reduced_size(monkeypatch):
    image, trimap, alpha = soft_disc(128)
    ones, sure = np.ones(alpha.shape, np.float32), np.full(alpha.shape, 1e4, np.float32)
    monkeypatch.setattr(module, "BAND_BUDGET", 500)
    drawn = solve(image, trimap, prior=Prior(ones, sure))
    assert drawn.scale > 1
    assert (
        drawn.alpha[trimap == 128].mean() > solve(image, trimap).alpha[trimap == 128].mean() + 0.2
    )


@pytest.mark.parametrize("features", FEATURES)
def test_soft_edge_is_found(features):
    image, trimap, truth = soft_disc()
    alpha = knn_matting(image, trimap, features)
    unknown = trimap == 128
    assert alpha.shape == trimap.shape
    assert alpha.dtype == np.float32
    assert np.array_equal(alpha[~unknown], truth[~unknown])
    assert np.abs(alpha - truth)[unknown].mean() < 0.01


def test_same_bytes_on_one_thread_or_two():
    image, trimap = noisy_disc(96)
    results = []
    for threads in (1, 2, 2):
        cv2.setNumThreads(threads)
        with threadpool_limits(limits=threads):
            results.append(knn_matting(image, trimap).tobytes())
    cv2.setNumThreads(-1)
    assert results[0] == results[1] == results[2]


def test_inputs_stay_as_they_are():
    image, trimap = noisy_disc()
    before = image.copy(), trimap.copy()
    image.flags.writeable = trimap.flags.writeable = False
    knn_matting(image, trimap)
    assert np.array_equal(image, before[0])
    assert np.array_equal(trimap, before[1])


def test_convergence_is_recorded():
    image, trimap, _ = soft_disc()
    solution = solve(image, trimap)
    assert solution.iterations == len(solution.residuals) - 1
    assert solution.residuals[-1] <= TOLERANCE < solution.residuals[-2]


def test_a_good_start_saves_steps_and_a_bad_one_changes_nothing():
    image, trimap, _ = soft_disc()
    usual = solve(image, trimap)
    warm = solve(image, trimap, initial=usual.alpha)
    misled = solve(image, trimap, initial=1 - usual.alpha)
    assert warm.iterations < usual.iterations / 2
    assert np.abs(warm.alpha - usual.alpha).max() <= 1e-4
    assert np.abs(misled.alpha - usual.alpha).max() <= 1e-4


def test_neighbours_are_others_and_near_ones_weigh_more():
    image, trimap = noisy_disc()
    solution = solve(image, trimap, method=TEXTBOOK)
    assert solution.neighbours.shape == solution.weights.shape == (solution.band.size, 10)
    assert not np.any(solution.neighbours == solution.band[:, None])
    assert np.all(np.diff(solution.weights, axis=1) <= 0)


def test_a_band_over_the_budget_is_solved_at_half_the_size(monkeypatch):
    image, trimap, truth = soft_disc(128)
    full = solve(image, trimap)
    monkeypatch.setattr(module, "BAND_BUDGET", full.band.size // 3)
    coarse = solve(image, trimap)
    assert (full.scale, coarse.scale) == (1, 2)
    assert coarse.alpha.shape == trimap.shape
    assert coarse.alpha.dtype == np.float32
    assert np.array_equal(coarse.alpha[trimap != 128], full.alpha[trimap != 128])
    assert np.abs(coarse.alpha - truth).max() < 0.08
    assert np.abs(coarse.alpha - truth)[trimap == 128].mean() < 0.02


def test_strokes_thinner_than_a_coarse_pixel_still_count(monkeypatch):
    image, _, truth = soft_disc(96)
    trimap = np.full(truth.shape, 128, np.uint8)
    trimap[48, 40:56], trimap[4, 8:88] = 255, 0
    monkeypatch.setattr(module, "BAND_BUDGET", trimap.size // 12)
    solution = solve(image, trimap)
    assert solution.scale >= 4
    assert solution.alpha[48, 48] == 1
    assert solution.alpha[40, 48] > 0.8
    assert solution.alpha[10, 10] < 0.2


def test_trimap_without_unknown_is_the_answer():
    image, trimap, _ = soft_disc()
    trimap[trimap == 128] = 0
    solution = solve(image, trimap)
    assert np.array_equal(solution.alpha, trimap / np.float32(255))
    assert solution.band.size == solution.iterations == 0


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ((0, 128), r"no foreground \(white\) to"),
        ((255, 128), r"no background \(black\) to"),
        ((128,), r"no foreground \(white\) and no background \(black\) to"),
    ],
)
def test_trimap_with_nothing_to_compare_with_is_refused(kept, message):
    image, trimap, _ = soft_disc()
    trimap[~np.isin(trimap, kept)] = 128
    with pytest.raises(TrimapError, match=message):
        knn_matting(image, trimap)


def test_trimap_of_another_size_is_refused():
    image, trimap, _ = soft_disc()
    with pytest.raises(TrimapError, match="64 × 60 pixels but the photo is 64 × 64"):
        knn_matting(image, trimap[:60])


@pytest.mark.parametrize("bad", [lambda t: t[..., None], lambda t: t / 255, lambda t: t == 255])
def test_trimap_of_another_kind_is_refused(bad):
    image, trimap, _ = soft_disc()
    with pytest.raises(TrimapError, match="8 bits"):
        knn_matting(image, bad(trimap))


def test_every_value_but_black_and_white_is_unknown():
    image, trimap, _ = soft_disc()
    odd = trimap.copy()
    odd[trimap == 128] = np.resize([1, 77, 127, 129, 254], np.count_nonzero(trimap == 128))
    assert np.array_equal(knn_matting(image, odd), knn_matting(image, trimap))


def test_unknown_colour_is_refused():
    image, trimap, _ = soft_disc()
    with pytest.raises(ValueError, match="rgb, hsv, lab"):
        knn_matting(image, trimap, "cmyk")


@pytest.mark.parametrize("method", [TEXTBOOK, TUNED], ids=["textbook", "tuned"])
def test_an_island_that_looks_like_nothing_known_follows_its_surroundings(method):
    image = np.full((40, 60, 3), (200, 30, 30), np.uint8)
    image[:, :20] = (20, 20, 200)
    image[10:30, 35:50] = (0, 255, 0)  # green only here, and all of it unknown
    trimap = np.full((40, 60), 255, np.uint8)
    trimap[:, :20] = 0
    trimap[10:30, 35:50] = 128
    solution = solve(image, trimap, method=method)
    assert solution.residuals[-1] <= TOLERANCE
    assert np.all(solution.alpha[10:30, 35:50] > 0.8)


@pytest.mark.parametrize("shape", [(1, 3), (1, 200), (200, 1), (2, 100), (3, 3)])
def test_thin_and_tiny_pictures(shape):
    pixels = shape[0] * shape[1]
    ramp = np.linspace(0, 255, pixels).round().astype(np.uint8).reshape(shape)
    image = np.repeat(ramp[..., None], 3, axis=2)
    trimap = np.where(np.arange(pixels) < pixels / 3, 0, 128).astype(np.uint8)
    trimap[np.arange(pixels) >= pixels * 2 / 3] = 255
    alpha = knn_matting(image, trimap.reshape(shape)).ravel()
    unknown = alpha[trimap == 128]
    assert np.all((unknown > 0) & (unknown < 1))
    assert np.all(np.diff(unknown) >= -1e-3)


def test_one_unknown_pixel():
    image, trimap, _ = soft_disc()
    trimap = np.where(image[..., 0] > 120, 255, 0).astype(np.uint8)
    trimap[32, 32] = 128
    assert knn_matting(image, trimap)[32, 32] == pytest.approx(1, abs=1e-3)
