import numpy as np
import pytest

from deepmasque.portrait.alignment import mean_placement
from deepmasque.training import augmentation
from deepmasque.training.photos import Photo


@pytest.fixture
def photo():
    """A bright disc on dark ground; its placement is the identity scaled to the reference."""
    y, x = np.mgrid[:256, :192]
    disc = (y - 128) ** 2 + (x - 96) ** 2 < 60**2
    image = np.where(disc[..., None], np.uint8([220, 180, 150]), np.uint8([20, 30, 40]))
    foreground = np.broadcast_to(np.uint8([220, 180, 150]), image.shape).copy()
    placement = mean_placement(256, 192)[None]
    mask = disc.astype(np.uint8) * 255
    return Photo(image, foreground, mask, np.full_like(mask, 255), placement)


@pytest.fixture
def plate():
    return np.full((300, 400, 3), (0, 0, 255), np.uint8)


def scenes(photo, plate, count=40, size=(160, 128), haired=0.0):
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield augmentation.compose(photo, photo, plate, size, haired, rng), rng


def test_scenes_are_reproducible_and_differ(photo, plate):
    first = [scene.image for scene, _ in scenes(photo, plate, 6)]
    again = [scene.image for scene, _ in scenes(photo, plate, 6)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len({image.tobytes() for image in first}) == 6


def test_the_mask_moves_with_the_person(photo, plate):
    """Wherever the mask says person, the scene shows the person's colour, and nowhere else."""
    for scene, _ in scenes(photo, plate):
        skin = scene.image[..., 0] > 120
        disagreement = np.mean(skin != (scene.mask > 0.5))
        assert disagreement < 0.03


def test_placements_move_with_the_person(photo, plate):
    for scene, _ in scenes(photo, plate):
        if not scene.mask.any():
            continue
        middle_of_reference = photo.placements[0] @ [96, 128, 1]
        transform = scene.transforms[0]
        x, y = np.linalg.solve(transform[:, :2], middle_of_reference - transform[:, 2])
        if 0 <= x < 128 and 0 <= y < 160:
            assert scene.mask[int(y), int(x)] > 0.5


def test_kinds_of_scene_come_about_as_often_as_they_should(photo, plate):
    kinds = [(scene.mask.any(), len(scene.transforms)) for scene, _ in scenes(photo, plate, 300)]
    assert np.mean([not person for person, _ in kinds]) == pytest.approx(
        augmentation.EMPTY, abs=0.03
    )
    company = np.mean([count > 1 for _, count in kinds])
    assert company == pytest.approx(augmentation.COMPANY, abs=0.05)


def test_what_stands_before_the_person_is_no_foreground(photo, plate):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scene = augmentation.compose(photo, photo, plate, (160, 128), 0.0, rng)
        hidden = augmentation.occluded(scene, plate, rng)
        taken = (scene.mask > 0.5) & (hidden.mask < 0.5)
        blue = hidden.image[..., 2].astype(int) - hidden.image[..., 0] > 100
        assert (blue | ~taken).mean() > 0.99
        assert (hidden.mask <= scene.mask).all()


def test_the_place_of_drawn_hair_is_known(photo, plate):
    bare = [scene for scene, _ in scenes(photo, plate, 40) if scene.mask.any()]
    assert all(scene.hair is None for scene in bare)
    drawn = [scene for scene, _ in scenes(photo, plate, 40, haired=1.0) if scene.mask.any()]
    fringes = [scene.mask[scene.hair] for scene in drawn if scene.hair.any()]
    assert np.mean([np.mean((f > 0.02) & (f < 0.98)) for f in fringes]) > 0.2
    shares = [scene.hair.mean() for scene in drawn]
    assert 0.01 < np.mean(shares) < 0.5


def test_light_changes_and_shape_does_not(photo):
    for seed in range(20):
        relit = augmentation.relit(photo.image, np.random.default_rng(seed))
        assert relit.shape == photo.image.shape
        assert relit.dtype == np.uint8


def test_channels_fit_the_scene(photo, plate):
    for scene, rng in scenes(photo, plate, 5):
        values = augmentation.channels(scene, rng)
        assert values.shape == (3, *scene.mask.shape)
        assert np.isfinite(values).all()


def test_over_is_the_compositing_equation():
    rng = np.random.default_rng(0)
    front, back = rng.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    alpha = rng.random((5, 4), dtype=np.float32)
    expected = alpha[..., None] * front + (1 - alpha[..., None]) * back
    assert np.abs(augmentation.over(front, alpha, back) - expected).max() <= 0.5
