from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from deepmasque.errors import DeepMasqueError
from deepmasque.two_photo.morphology import OPAQUE, SEEN, CleanUp, cleaned

SIDE = 100  # so that one pixel is ten thousandths of the long side
PIXEL = 1000 / SIDE


@pytest.fixture
def alpha():
    """A blurred disc with a hole, a speck beside it and noise, (80, 100) float32."""
    y, x = np.mgrid[:80, :SIDE]
    disc = np.hypot(y - 42, x - 40) < 28
    hole = np.hypot(y - 40, x - 36) < 5
    speck = np.hypot(y - 15, x - 88) < 4
    soft = ndimage.gaussian_filter((disc & ~hole | speck).astype(np.float32), 1.5)
    noise = np.random.default_rng(4).uniform(0, 0.04, soft.shape)
    return np.clip(soft + noise, 0, 1).astype(np.float32)


def octagon(radius):
    """The structuring element by its definition: a disc cut by eight lines."""
    half = round((2**0.5 - 1) * radius)
    y, x = np.abs(np.mgrid[-radius : radius + 1, -radius : radius + 1])
    return x + y <= radius + half


def twin_erode(alpha, radius):
    return ndimage.grey_erosion(alpha, footprint=octagon(radius), mode="constant", cval=2)


def twin_dilate(alpha, radius):
    return ndimage.grey_dilation(alpha, footprint=octagon(radius), mode="constant", cval=-1)


TWINS = {
    "erode": twin_erode,
    "dilate": twin_dilate,
    "open": lambda alpha, radius: twin_dilate(twin_erode(alpha, radius), radius),
    "close": lambda alpha, radius: twin_erode(twin_dilate(alpha, radius), radius),
}


def test_off_changes_no_bit(alpha):
    result = cleaned(alpha, CleanUp())
    assert result.tobytes() == alpha.tobytes() and result is not alpha


@pytest.mark.parametrize(
    "clean_up",
    [
        CleanUp(threshold=(0.1, 0.9)),
        CleanUp(open=12.5),
        CleanUp(close=20),
        CleanUp(largest=True),
        CleanUp(holes=150),
        CleanUp(erode=15),
        CleanUp(dilate=15),
        CleanUp(feather=10),
    ],
)
def test_every_part_does_something_and_keeps_shape_range_and_input(alpha, clean_up):
    before = alpha.copy()
    result = cleaned(alpha, clean_up)
    assert np.array_equal(alpha, before)
    assert result.shape == alpha.shape and result.dtype == np.float32
    assert result.min() >= 0 and result.max() <= 1
    assert np.abs(result - alpha).max() > 0.05
    assert result.tobytes() == cleaned(alpha, clean_up).tobytes()


def test_threshold_is_a_line_between_black_and_white():
    alpha = np.array([[0, 0.2, 0.35, 0.5, 0.8, 1]], np.float32)
    result = cleaned(alpha, CleanUp(threshold=(0.2, 0.8)))
    assert result == pytest.approx(np.array([[0, 0, 0.25, 0.5, 1, 1]]), abs=1e-6)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("radius", [1, 2, 3, 7])
def test_morphology_is_that_of_scipy(alpha, name, radius):
    result = cleaned(alpha, CleanUp(**{name: radius * PIXEL}))
    assert np.array_equal(result, TWINS[name](alpha, radius))


@pytest.mark.parametrize("name", TWINS)
def test_between_two_radii_results_are_blended(alpha, name):
    result = cleaned(alpha, CleanUp(**{name: 2.25 * PIXEL}))
    expected = 0.75 * TWINS[name](alpha, 2) + 0.25 * TWINS[name](alpha, 3)
    assert np.abs(result - expected).max() < 1e-6
    less_than_a_pixel = cleaned(alpha, CleanUp(**{name: 0.5 * PIXEL}))
    assert np.abs(less_than_a_pixel - (alpha + TWINS[name](alpha, 1)) / 2).max() < 1e-6


def test_a_subject_cut_by_the_frame_is_not_eroded_there():
    result = cleaned(np.ones((60, SIDE), np.float32), CleanUp(erode=50))
    assert (result == 1).all()


def test_largest_component_keeps_its_faint_surroundings(alpha):
    result = cleaned(alpha, CleanUp(largest=True))
    labels, count = ndimage.label(alpha >= SEEN, np.ones((3, 3)))
    opacity = ndimage.sum(alpha, labels, np.arange(1, count + 1))
    best = labels == 1 + np.argmax(opacity)
    apart = [ndimage.distance_transform_edt(~part) for part in (best, (labels > 0) & ~best)]
    surely = np.abs(apart[0] - apart[1]) > 2  # OpenCV's distances are a little off
    expected = np.where(apart[0] < apart[1], alpha, 0)
    assert count == 2 and np.array_equal(result[surely], expected[surely])
    assert result[42, 40:69].tobytes() == alpha[42, 40:69].tobytes()
    assert result[15, 88] == 0


def test_largest_component_of_nothing_is_nothing():
    empty = np.full((40, SIDE), 0.05, np.float32)
    assert np.array_equal(cleaned(empty, CleanUp(largest=True)), empty)


def test_holes_up_to_the_size_are_filled(alpha):
    labels, count = ndimage.label(alpha < OPAQUE)
    area = np.bincount(labels.ravel())
    hole = labels[40, 36]
    diameter = 2 * np.sqrt(area[hole] / np.pi) * PIXEL
    filled = cleaned(alpha, CleanUp(holes=1.01 * diameter))
    expected = np.where(
        (labels > 0) & (labels != labels[0, 0]) & (labels != labels[0, -1]), np.float32(1), alpha
    )
    assert count >= 2 and np.array_equal(filled, expected)
    assert cleaned(alpha, CleanUp(holes=0.99 * diameter))[40, 36] == alpha[40, 36]


def test_what_touches_the_border_is_no_hole():
    alpha = np.ones((80, SIDE), np.float32)
    alpha[50:, 45:55] = 0  # between two legs
    alpha[20:24, 20:24] = 0
    result = cleaned(alpha, CleanUp(holes=1000))
    assert (result[50:, 45:55] == 0).all() and (result[:50] == 1).all()


def test_feather_is_a_gaussian(alpha):
    result = cleaned(alpha, CleanUp(feather=2 * PIXEL))
    expected = ndimage.gaussian_filter(alpha, 2, mode="nearest", truncate=8)
    assert np.abs(result - expected).max() < 2e-3


@pytest.mark.parametrize(
    "clean_up",
    [
        CleanUp(erode=8),
        CleanUp(dilate=8),
        CleanUp(feather=6),
        CleanUp(open=60),  # more than the speck
        CleanUp(close=70),  # more than the hole
    ],
)
def test_a_preview_looks_like_the_full_size(alpha, clean_up):
    """Reduced and then cleaned is what cleaned and then reduced is."""
    smooth = ndimage.gaussian_filter(np.where(alpha < 0.05, 0, alpha), 1)
    large = np.clip(ndimage.zoom(smooth, 8, order=1), 0, 1)
    small = reduced(large)
    full = reduced(cleaned(large, clean_up))
    assert np.abs(cleaned(small, clean_up) - full).mean() < 0.3 * np.abs(small - full).mean()


def reduced(alpha):
    """An eighth of the size."""
    return alpha.reshape(80, 8, SIDE, 8).mean((1, 3)).astype(np.float32)


def test_parts_follow_each_other_in_the_order_of_the_fields(alpha):
    whole = CleanUp((0.1, 0.9), 12.0, 10.0, True, 150.0, 20.0, 10.0, 5.0)
    step = alpha
    for name in CleanUp.__dataclass_fields__:
        step = cleaned(step, replace(CleanUp(), **{name: getattr(whole, name)}))
    assert np.array_equal(cleaned(alpha, whole), step)


@pytest.mark.parametrize(
    "settings",
    [
        {"threshold": (0.5, 0.5)},
        {"threshold": (-0.1, 1)},
        {"threshold": (0.9, 0.1)},
        {"erode": -1},
        {"feather": 1001},
        {"holes": float("nan")},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(DeepMasqueError, match=r"^[A-Z][^.]+\.$"):
        CleanUp(**settings)
