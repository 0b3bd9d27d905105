import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepmasque.errors import LaunchPadError, TrimapError
from deepmasque.launchpad import columns
from deepmasque.launchpad.columns import principal_features

random = np.random.default_rng(1)


def photo(height, width):
    y, x = np.mgrid[:height, :width]
    image = np.stack([255 * x / width, 255 * y / height, 128 + 0 * x], axis=-1).astype(np.uint8)
    trimap = np.full((height, width), 128, np.uint8)
    trimap[: height // 3], trimap[-height // 3 :] = 0, 255
    return image, trimap


@pytest.mark.parametrize("size", [(400, 300), (800, 600), (1600, 1201), (1000, 3)])
def test_the_photo_gets_800_rows_and_keeps_its_aspect(size):
    cut = columns(*photo(*size))
    assert cut.image.shape[:2] == cut.trimap.shape == (800, round(800 * size[1] / size[0]))
    column = cut[len(cut) // 2]
    assert column.features.shape == (800, 2) and column.features.dtype == np.int8
    assert column.trimap.shape == (800,) and column.trimap.dtype == np.uint8
    assert [each.index for each in cut] == list(range(len(cut)))


@pytest.mark.parametrize("height", [200, 800, 1600, 2003])
def test_resizing_knows_no_more_than_the_trimap(height):
    cut = columns(*photo(height, 20))
    middle = cut.trimap[:, len(cut) // 2]
    assert set(np.unique(cut.trimap)) == {0, 128, 255}
    assert np.count_nonzero(middle == 0) == pytest.approx(800 / 3, abs=3)
    assert (np.diff(middle.astype(int)) >= 0).all()


def test_a_shrunk_pixel_is_known_only_where_all_of_it_is():
    image, trimap = photo(1600, 400)
    trimap[100, 100] = 255
    trimap[1500, 200] = 128
    cut = columns(image, trimap)
    assert cut.trimap[50, 50] == 128 and cut.trimap[750, 100] == 128


def test_features_are_the_two_directions_of_largest_variance():
    direction = np.linalg.qr(random.normal(size=(4, 4)))[0]
    values = (random.normal(size=(60, 50, 4)) * [9, 4, 1, 0.1]) @ direction
    features, explained = principal_features(values)
    assert explained == pytest.approx((81 / 98, 16 / 98), abs=0.03)
    flat = features.reshape(-1, 2).astype(float)
    correlation = np.corrcoef(np.column_stack([flat, values.reshape(-1, 4) @ direction[:2].T]).T)
    assert abs(correlation[0, 2]) > 0.99 and abs(correlation[1, 3]) > 0.99
    assert np.abs(flat[:, 0]).max() == 60
    assert flat[:, 0].std() / flat[:, 1].std() == pytest.approx(9 / 4, rel=0.05)


@given(arrays(np.float32, (7, 5, 3), elements=st.floats(-2, 2, width=32)))
def test_features_of_anything_stay_in_range(values):
    features, explained = principal_features(values)
    assert np.abs(features.astype(int)).max() <= 60
    assert 0 <= sum(explained) <= 1 + 1e-9
    again, _ = principal_features(values)
    assert np.array_equal(features, again)


def test_one_colour_has_no_variance():
    features, explained = principal_features(np.full((4, 4, 3), 0.3))
    assert not features.any() and explained == (0, 0)


def test_a_panorama_has_to_be_cropped():
    with pytest.raises(LaunchPadError, match="crop it first"):
        columns(*photo(100, 401))


def test_a_trimap_of_another_size():
    image, trimap = photo(90, 60)
    with pytest.raises(TrimapError):
        columns(image, trimap[1:])
