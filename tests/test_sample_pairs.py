import numpy as np
import pytest

from deepmasque import samples
from deepmasque.image import read_image, read_trimap
from deepmasque.two_photo.alignment import align


def opened(pair):
    return read_image(pair.path), read_image(pair.plate), read_trimap(pair.truth) / 255


@pytest.mark.parametrize("pair", samples.pairs(), ids=lambda pair: pair.name)
def test_a_sample_pair_is_labelled_and_its_photos_and_truth_fit(pair):
    photo, plate, truth = opened(pair)
    assert "ynthetic" in pair.note
    assert photo.shape == plate.shape == (*truth.shape, 3)
    assert 0.1 < truth.mean() < 0.7
    assert ((truth > 0.05) & (truth < 0.95)).any()


def test_outside_the_shirt_the_photos_of_the_mannequin_differ_by_shadow_and_noise():
    photo, plate, truth = opened(samples.pairs()[1])
    outside = truth == 0
    darker = (plate.astype(float) - photo)[outside].mean()
    assert 0 < darker < 12
    assert abs(photo.astype(float) - plate)[truth == 1].mean() > 40


def test_the_plate_of_the_portrait_has_to_be_aligned():
    photo, plate, truth = opened(samples.pairs()[0])
    outside = truth == 0
    laid = align(photo, plate).plate
    before, after = (
        abs(photo.astype(np.float32) - other)[outside].mean() for other in (plate, laid)
    )
    assert after < 0.5 * before
