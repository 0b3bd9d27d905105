import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepmasque.portrait.alignment import (
    CHANNEL_LIMIT,
    fit_affine,
    fit_residual,
    mean_placement,
    placements,
    portrait_channels,
    scaled,
)
from deepmasque.weights import MASK_MARGIN, reference


def moved(points, transform):
    return points @ transform[:, :2].T + transform[:, 2]


@given(
    st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    st.lists(st.floats(-500, 500), min_size=2, max_size=2),
)
def test_an_exact_affine_is_found_again(linear, shift):
    transform = np.column_stack([np.reshape(linear, (2, 2)) + 3 * np.eye(2), shift])
    points = reference().pose.astype(np.float64)
    np.testing.assert_allclose(fit_affine(points, moved(points, transform)), transform, atol=1e-6)


def test_it_solves_the_system_of_the_paper_when_all_points_count_alike():
    """With no outlier to weigh down, one round is the 2n x 6 least-squares problem."""
    rng = np.random.default_rng(1)
    points = reference().pose.astype(np.float64)
    target = moved(points, np.array([[0.8, 0.1, 20], [-0.2, 1.1, 5]])) + rng.normal(0, 2, (49, 2))
    rows = np.zeros((98, 6))
    rows[0::2, 0:2], rows[0::2, 2] = points, 1
    rows[1::2, 3:5], rows[1::2, 5] = points, 1
    expected = np.linalg.lstsq(rows, target.ravel(), rcond=None)[0].reshape(2, 3)
    np.testing.assert_allclose(fit_affine(points, target, rounds=1), expected, atol=1e-8)


def test_wrong_points_do_not_pull_the_others_away():
    transform = np.array([[1.2, 0.1, 30], [-0.1, 0.9, -10]])
    points = reference().pose.astype(np.float64)
    target = moved(points, transform) + np.random.default_rng(2).normal(0, 0.5, (49, 2))
    target[:5] += 150
    robust = fit_affine(points, target)
    plain = fit_affine(points, target, rounds=1)
    error = [np.abs(moved(points, t) - moved(points, transform)).mean() for t in (robust, plain)]
    assert error[0] < 1.5
    assert error[1] > 5 * error[0]


def test_the_reference_photo_sees_the_mean_mask_itself():
    identity = np.eye(3)[:2]
    channels = portrait_channels([identity], 800, 600)
    inner = reference().mean_mask[MASK_MARGIN:-MASK_MARGIN, MASK_MARGIN:-MASK_MARGIN]
    np.testing.assert_allclose(channels[2], inner, atol=1e-6)
    x, y = np.rint(reference().pose.mean(axis=0)).astype(int)
    assert abs(channels[0, y, x]) < 0.005
    assert abs(channels[1, y, x]) < 0.005


def test_the_mean_mask_covers_the_face_wherever_it_is():
    pose = reference().pose * 0.4 + np.float32([700, 90])
    (transform,) = placements([pose], 600, 1000)
    mean_mask = portrait_channels([transform], 600, 1000)[2]
    x, y = np.rint(pose.mean(axis=0)).astype(int)
    assert mean_mask[y, x] > 0.98
    assert mean_mask[y, 100] < 0.02


def test_every_face_brings_its_mean_mask_and_the_first_leads():
    left, right = (reference().pose * 0.3 + np.float32([shift, 100]) for shift in (50, 600))
    transforms = placements([left, right], 500, 900)
    both = portrait_channels(transforms, 500, 900)
    alone = portrait_channels(transforms[:1], 500, 900)
    for points in (left, right):
        x, y = np.rint(points.mean(axis=0)).astype(int)
        assert both[2, y, x] > 0.98
    np.testing.assert_array_equal(both[:2], alone[:2])


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (600, 800), (800, 600)])
def test_without_a_face_the_whole_reference_is_placed_in_the_photo(size):
    (transform,) = placements([], *size)
    np.testing.assert_array_equal(transform, mean_placement(*size))
    channels = portrait_channels([transform], *size)
    assert channels.shape == (3, *size)
    assert np.isfinite(channels).all()
    assert np.abs(channels[:2]).max() <= CHANNEL_LIMIT
    bottom_middle = np.array([[size[1] / 2, size[0]]])
    np.testing.assert_allclose(moved(bottom_middle, transform), [[300, 800]])


def test_a_reduced_photo_has_the_reduced_channels():
    transform = np.array([[0.9, 0.1, 12], [-0.1, 1.1, -30.0]])
    large = portrait_channels([transform], 800, 600)
    small = portrait_channels([scaled(transform, 0.5, 0.5)], 400, 300)
    reduced = np.stack([cv2.resize(c, (300, 400), interpolation=cv2.INTER_AREA) for c in large])
    np.testing.assert_allclose(small, reduced, atol=0.01)


def test_the_residual_is_how_far_the_points_lie_from_the_pose():
    pose = reference().pose
    moved = pose + np.float32([3, 4])
    stay = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert fit_residual(moved, stay) == pytest.approx(5)
    assert fit_residual(moved, fit_affine(moved, pose)) == pytest.approx(0, abs=1e-3)
