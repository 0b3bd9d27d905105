import numpy as np
import pytest

import deepmasque
from deepmasque import samples
from deepmasque.errors import AlignmentError, ImageError, SettingsError
from deepmasque.image import read_image, read_trimap
from deepmasque.two_photo.morphology import CleanUp
from deepmasque.two_photo.pipeline import STAGES, clean, matte_two_photo


@pytest.fixture(scope="module")
def pair():
    """The mannequin: nothing in it looks like a person to a network that knows people."""
    sample = samples.pairs()[-1]
    truth = read_trimap(sample.truth).astype(np.float32) / 255
    return read_image(sample.path), read_image(sample.plate), truth


@pytest.fixture(scope="module")
def solved(pair):
    stages = []
    return matte_two_photo(*pair[:2], on_stage=stages.append), stages


def test_stages_come_in_order_with_picture_and_time(solved):
    matte, stages = solved
    assert [stage.name for stage in stages] == list(STAGES)
    assert matte.stages == tuple(stages)
    assert all(stage.picture.dtype == np.uint8 and stage.seconds >= 0 for stage in stages)


@pytest.mark.parametrize("index", range(len(samples.pairs())))
def test_samples_are_cut_out(index):
    sample = samples.pairs()[index]
    truth = read_trimap(sample.truth).astype(np.float32) / 255
    alpha = matte_two_photo(sample.path, sample.plate).alpha
    assert np.abs(alpha - truth).mean() < 0.02


def test_everything_has_the_photos_size(solved, pair):
    matte = solved[0]
    size = pair[0].shape[:2]
    for name in ("alpha", "mask", "error_map"):
        values = getattr(matte, name)
        assert values.shape == size and values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
    assert matte.foreground.shape == (*size, 3) and matte.foreground.dtype == np.uint8
    assert matte.trimap.shape == size and set(np.unique(matte.trimap)) <= {0, 128, 255}
    assert matte.refined.shape == size and 0.05 < matte.refined.mean() < 0.15
    assert matte.alignment.plate.shape == matte.image.shape


def test_the_same_again_gives_the_same_bytes_and_leaves_the_photos_alone(solved, pair):
    photo, plate = pair[0].copy(), pair[1].copy()
    again = matte_two_photo(photo, plate)
    assert np.array_equal(again.alpha, solved[0].alpha)
    assert np.array_equal(again.foreground, solved[0].foreground)
    assert np.array_equal(photo, pair[0]) and np.array_equal(plate, pair[1])


def test_the_foreground_has_nothing_of_the_plate(solved, pair):
    """Before a background as far from the plate as can be, as the photo's own composite."""
    matte, truth = solved[0], pair[2]
    hidden = (truth > 0.3) & (truth < 0.9)
    ours = matte.alpha[..., None] * matte.foreground + (1 - matte.alpha[..., None]) * pair[1]
    error = np.abs(ours - pair[0]).mean(2)
    assert error[truth > 0.9].mean() < 3
    assert error[hidden].mean() < 20


def test_refining_more_keeps_what_was_refined(pair, solved):
    full = matte_two_photo(*pair[:2], refinement="full")
    assert full.refined.all()
    inside = solved[0].refined
    assert np.abs(full.alpha - solved[0].alpha)[inside].max() < 1e-4
    thresholded = matte_two_photo(*pair[:2], refinement="thresholding")
    assert not thresholded.refined.all()


def test_clean_up_is_done_again_alone(solved):
    matte = solved[0]
    stages = []
    hard = clean(matte, CleanUp(threshold=(0.4, 0.6)), on_stage=stages.append)
    assert [stage.name for stage in stages] == ["Clean-up", "Foreground"]
    assert [stage.name for stage in hard.stages] == list(STAGES)
    assert not np.array_equal(hard.alpha, matte.alpha)
    back = clean(hard, CleanUp())
    assert np.array_equal(back.alpha, matte.alpha)
    assert np.array_equal(back.foreground, matte.foreground)


def test_an_error_in_on_stage_ends_the_work(pair):
    class EnoughError(Exception):
        pass

    def stop(stage):
        raise EnoughError

    with pytest.raises(EnoughError):
        matte_two_photo(*pair[:2], on_stage=stop)


def test_wrong_use_is_one_sentence(pair):
    with pytest.raises(SettingsError, match="refinement is one of sampling"):
        matte_two_photo(*pair[:2], refinement="most")
    with pytest.raises(AlignmentError, match="same"):
        matte_two_photo(pair[0], pair[0])
    with pytest.raises(ImageError):
        matte_two_photo(b"no picture", pair[1])
    with pytest.raises(ImageError):
        deepmasque.matte_two_photo(pair[0], pair[1][..., 0])
