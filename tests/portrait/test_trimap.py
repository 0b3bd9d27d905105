import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepmasque.errors import TrimapError
from deepmasque.portrait.trimap import Stroke, checked, from_mask, half_band, painted


def disc(height, width, radius):
    y, x = np.mgrid[:height, :width]
    return ((y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2).astype(np.float32)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_the_band_is_ten_pixels_on_either_side_at_600_by_800(scale):
    height, width = int(800 * scale), int(600 * scale)
    trimap = from_mask(disc(height, width, 200 * scale))
    row = trimap[height // 2]
    unknown = np.flatnonzero(row == 128)
    left = unknown[unknown < width / 2]
    assert len(left) == pytest.approx(20 * scale, abs=1)
    assert left.mean() == pytest.approx(width / 2 - 200 * scale, abs=1)
    assert half_band(height, width) == pytest.approx(10 * scale)


def test_the_band_widens_where_the_network_is_unsure():
    mask = disc(800, 600, 200)
    soft = cv2.GaussianBlur(mask, (0, 0), 15)
    mask[:, 300:] = soft[:, 300:]
    row = from_mask(mask)[400]
    assert np.count_nonzero(row[300:] == 128) > 1.8 * np.count_nonzero(row[:300] == 128)


def test_the_band_reaches_out_to_hair():
    mask = disc(800, 600, 200)
    fringe = ((disc(800, 600, 235) > 0) & (mask == 0)).astype(np.float32)
    fringe[:, 300:] = 0
    row = from_mask(mask, fringe)[400]
    assert (row[70:110] == 128).all()
    np.testing.assert_array_equal(row[300:], from_mask(mask)[400][300:])


def test_doubt_far_from_the_boundary_stays_out_of_the_band():
    mask = disc(800, 600, 290)
    mask[390:410, 290:310] = 0.8
    assert from_mask(mask)[400, 300] == 255


def test_specks_and_pinholes_are_noise():
    mask = disc(800, 600, 200)
    mask[20:30, 20:30] = 1
    mask[400:408, 300:308] = 0
    trimap = from_mask(mask)
    assert (trimap[10:50, 10:50] == 0).all()
    assert (trimap[390:420, 290:320] == 255).all()


@pytest.mark.parametrize("value", [0, 1])
def test_nobody_or_nothing_else_leaves_nothing_unknown(value):
    trimap = from_mask(np.full((60, 40), value, np.float32))
    assert (trimap == 255 * value).all()


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 30)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_any_mask_gives_a_trimap_that_matting_accepts(mask):
    trimap = from_mask(mask)
    assert trimap.shape == mask.shape
    assert set(np.unique(trimap)) <= {0, 128, 255}
    np.testing.assert_array_equal(checked(trimap, mask.shape), trimap)


def test_a_tiny_person_and_a_narrow_gap_keep_something_known():
    mask = disc(800, 600, 12)
    mask[:, 100:108] = 1
    trimap = from_mask(mask)
    assert trimap[400, 300] == 255
    assert (trimap[:, 103] == 255).all()
    gap = disc(800, 600, 200)
    gap[300:500, 294:306] = 0
    assert (from_mask(gap)[310:490, 299] == 0).all()


def test_all_but_black_and_white_is_unknown():
    given_trimap = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)
    np.testing.assert_array_equal(checked(given_trimap, (2, 3)), [[0, 128, 128], [128, 128, 255]])


@pytest.mark.parametrize(
    ("trimap", "words"),
    [
        (np.zeros((3, 4), np.uint8), "4 × 3 pixels but the photo is 3 × 2"),
        (np.full((2, 3), 128, np.uint8), "no foreground"),
        (np.array([[0, 0, 0], [0, 128, 0]], np.uint8), "no foreground"),
        (np.array([[255, 255, 255], [255, 128, 255]], np.uint8), "no background"),
        (np.zeros((2, 3, 3), np.uint8), "one grey picture"),
    ],
)
def test_an_unusable_trimap_is_refused_in_one_sentence(trimap, words):
    with pytest.raises(TrimapError, match=words):
        checked(trimap, (2, 3))


def test_strokes_mark_the_trimap_and_leave_the_first_one_alone():
    trimap = from_mask(disc(200, 150, 50))
    before = trimap.copy()
    strokes = [
        Stroke("keep", 5, [(10, 10), (60, 10)]),
        Stroke("erase", 4, [(75, 100)]),
        Stroke("unknown", 6, [(140, 190), (400, 190)]),
    ]
    result = painted(trimap, strokes)
    np.testing.assert_array_equal(trimap, before)
    assert (result[6:15, 10:60] == 255).all()
    assert result[100, 75] == 0
    assert result[100, 78] == 0
    assert result[190, 149] == 128


def test_later_strokes_lie_on_earlier_ones():
    blank = np.zeros((20, 20), np.uint8)
    marks = [Stroke("keep", 3, [(10, 10)]), Stroke("unknown", 1, [(10, 10)])]
    assert painted(blank, marks)[10, 10] == 128
    assert painted(blank, marks)[12, 10] == 255


def test_an_unheard_of_mark_is_refused():
    with pytest.raises(TrimapError, match="not blur"):
        painted(np.zeros((5, 5), np.uint8), [Stroke("blur", 1, [(1, 1)])])
