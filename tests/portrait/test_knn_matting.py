"""KNN matting on scenes whose alpha is known."""

import numpy as np
import pytest

from deepmasque.errors import TrimapError
from deepmasque.portrait.knn_matting import FEATURES, knn_matting, solve


def soft_disc(size=64):
    """A red disc with a soft edge on a blue ground: image, trimap, true alpha."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.clip((size / 4 - np.hypot(x, y)) / 6 + 0.5, 0, 1)
    red, blue = np.array([210, 60, 40]), np.array([30, 70, 160])
    image = np.round(alpha[..., None] * red + (1 - alpha[..., None]) * blue).astype(np.uint8)
    trimap = np.where(alpha == 0, 0, np.where(alpha == 1, 255, 128)).astype(np.uint8)
    return image, trimap, alpha


@pytest.mark.parametrize("features", FEATURES)
def test_soft_edge_is_found(features):
    image, trimap, truth = soft_disc()
    alpha = knn_matting(image, trimap, features)
    unknown = trimap == 128
    assert alpha.shape == trimap.shape
    assert alpha.dtype == np.float32
    assert np.array_equal(alpha[~unknown], truth[~unknown])
    assert np.abs(alpha - truth)[unknown].mean() < 0.15


def test_trimap_without_unknown_is_the_answer():
    image, trimap, _ = soft_disc()
    trimap[trimap == 128] = 0
    assert np.array_equal(knn_matting(image, trimap), trimap / np.float32(255))


@pytest.mark.parametrize("only", [(0, 128), (255, 128), (128,)])
def test_trimap_without_both_sides_is_refused(only):
    image, trimap, _ = soft_disc()
    trimap[~np.isin(trimap, only)] = 128
    with pytest.raises(TrimapError, match="marks no"):
        knn_matting(image, trimap)


def test_trimap_of_another_size_is_refused():
    image, trimap, _ = soft_disc()
    with pytest.raises(TrimapError, match="64 × 60 pixels but the photo is 64 × 64"):
        knn_matting(image, trimap[:60])


def test_residuals_fall_below_the_tolerance():
    image, trimap, _ = soft_disc()
    solution = solve(image, trimap)
    assert solution.residuals[0] == 1
    assert solution.residuals[-1] <= 1e-6
    assert solution.iterations == len(solution.residuals) - 1
