from dataclasses import replace

import cv2
import numpy as np
import pytest

from deepmasque.training.hair import Subject, blend
from deepmasque.training.two_photo_scenes import (
    MISALIGNED,
    NONE,
    REALISTIC,
    TRAINING,
    pair_scene,
)

SIZE = (96, 128)


def soft_disc(size, radius):
    y, x = np.mgrid[:size, :size] - size / 2
    return np.clip((radius - np.hypot(y, x)) / 8 + 0.5, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def subject():
    rng = np.random.default_rng(1)
    return Subject(rng.integers(0, 256, (90, 90, 3), np.uint8), soft_disc(90, 36))


@pytest.fixture(scope="module")
def place():
    noise = np.random.default_rng(2).uniform(0, 255, (150, 220, 3)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 30, 220, cv2.NORM_MINMAX).astype(
        np.uint8
    )


def scene(subject, place, seed, perturbation=NONE, company=None):
    return pair_scene(subject, place, SIZE, np.random.default_rng(seed), perturbation, company)


def test_without_perturbation_the_photo_is_the_subject_before_the_plate(subject, place):
    for seed in range(6):
        pair = scene(subject, place, seed)
        expected = blend(pair.alpha, pair.foreground, pair.plate.astype(np.float32))
        assert abs(expected - pair.image).max() <= 0.501
        assert pair.alpha.shape == SIZE and pair.alpha.max() == 1


@pytest.mark.parametrize("kind", [TRAINING, REALISTIC, MISALIGNED])
def test_scenes_come_again_the_same_and_keep_their_ranges(subject, place, kind):
    for seed in range(12):
        one, other = (scene(subject, place, seed, kind, subject) for _ in range(2))
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name))
        assert one.image.dtype == one.plate.dtype == np.uint8
        assert one.image.shape == one.plate.shape == one.foreground.shape == (*SIZE, 3)
        assert one.alpha.dtype == np.float32 and one.alpha.min() >= 0 and one.alpha.max() <= 1
        assert one.foreground.min() >= 0 and one.foreground.max() <= 255


def test_the_shadow_is_background(subject, place):
    darker = 0
    for seed in range(8):
        pair = scene(subject, place, seed, replace(NONE, shadow=1.0))
        clear = pair.alpha == 0
        difference = pair.plate[clear].astype(int) - pair.image[clear]
        assert difference.min() >= -1
        darker += difference.mean() > 0.2
    assert darker >= 6


def test_a_bystander_is_in_both_photos_and_no_subject(subject, place):
    bright = Subject(np.full((60, 60, 3), 250, np.uint8), np.ones((60, 60), np.float32))
    seen = 0
    for seed in range(8):
        pair = scene(subject, place, seed, replace(NONE, bystander=1.0), bright)
        other = (pair.plate == 250).all(2) & (pair.alpha == 0)
        assert (pair.image[other] == 250).all()
        seen += other.mean() > 0.05
    assert seen >= 6


def test_clothing_on_a_mannequin_is_the_subject_and_the_mannequin_is_not(subject, place):
    tall = np.full((120, 50), 1, np.float32)
    mannequin = Subject(np.full((120, 50, 3), 240, np.uint8), np.pad(tall[2:-2, 2:-2], 2))
    shares = []
    for seed in range(8):
        bare = scene(subject, place, seed, replace(NONE, bystander=1.0, empty=1.0), mannequin)
        pair = scene(subject, place, seed, replace(NONE, dressed=1.0), mannequin)
        undressed = pair.alpha == 0
        np.testing.assert_array_equal(pair.image[undressed], pair.plate[undressed])
        shares.append(pair.alpha.mean())
        assert not bare.alpha.any()
    assert np.mean(shares) > 0.03


def test_an_empty_scene_shows_the_place_alone(subject, place):
    pair = scene(subject, place, 0, replace(NONE, empty=1.0, shadow=1.0))
    assert not pair.alpha.any()
    np.testing.assert_array_equal(pair.image, pair.plate)


def displacement(pair):
    """How far the middle of the photo has moved in the plate, whole pixels."""
    found = cv2.matchTemplate(pair.plate, pair.image[16:-16, 16:-16], cv2.TM_SQDIFF)
    return np.hypot(*np.array(cv2.minMaxLoc(found)[2]) - 16)


def test_the_plate_is_moved_as_far_as_asked(place):
    nobody = Subject(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.float32))
    for seed in range(5):
        moved = scene(nobody, place, seed, replace(NONE, shift=(5, 5)))
        assert displacement(moved) == pytest.approx(5, abs=0.8)


def test_exposure_differs_as_asked(subject, place):
    ratios = []
    for seed in range(20):
        pair = scene(subject, place, seed, replace(NONE, gain=(0.15, 0.15), empty=1.0))
        ratios.append(pair.plate.mean((0, 1)) / pair.image.mean((0, 1)))
    assert 0.1 < abs(np.array(ratios) - 1).max() < 0.17


def test_larger_scenes_have_longer_moves():
    assert TRAINING.scaled(4).shift == (0, 6)
    assert TRAINING.scaled(4).turn == TRAINING.turn
    assert TRAINING.scaled(4).shadow == TRAINING.shadow
