import cv2
import numpy as np
import pytest

from deepmasque.training.garments import garment
from deepmasque.training.hair import Subject
from deepmasque.training.photos import Photo
from deepmasque.training.subjects import encoded, load, person, prepare, trimmed


def ready_photo(rng, mask):
    return Photo(
        image=rng.integers(0, 256, (*mask.shape, 3), np.uint8),
        foreground=rng.integers(0, 256, (*mask.shape, 3), np.uint8),
        mask=mask,
        trusted=np.full(mask.shape, 255, np.uint8),
        placements=np.array([[[3.0, 0, 0], [0, 3, 0]]]),
    )


def disc(height, width, radius):
    y, x = np.mgrid[:height, :width] - np.array([height, width]).reshape(2, 1, 1) / 2
    return ((np.hypot(y, x) < radius) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Ready photos of every kind, those that measure among them, small cut-outs and plates."""
    photos, data = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in ("train_1", "train_fashion_2", "development_3", "held_fashion_4"):
        np.savez(photos / f"{name}.npz", **vars(ready_photo(rng, disc(120, 90, 35))))
    (data / "cutouts").mkdir()
    (data / "backgrounds").mkdir()
    for index in range(2):
        pixels = rng.integers(0, 256, (60, 40, 4), np.uint8)
        pixels[..., 3] = disc(60, 40, 18)
        cv2.imwrite(str(data / "cutouts" / f"{index}.png"), pixels)
        plate = rng.integers(0, 256, (90, 120, 3), np.uint8)
        cv2.imwrite(str(data / "backgrounds" / f"{index}.jpg"), plate)
    return photos, data


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_cut_outs_come_again_the_same_and_only_missing_ones_are_made(sources, tmp_path):
    assert prepare(*sources, tmp_path, 5, 3, 2) == 5
    made = contents(tmp_path)
    assert sorted(made) == [
        "train_person_00000.npz",
        "train_person_00001.npz",
        "train_person_00002.npz",
        "train_shape_00000.npz",
        "train_shape_00001.npz",
    ]
    assert len(set(made.values())) == 5
    (tmp_path / "train_person_00001.npz").unlink()
    (tmp_path / "train_shape_00000.npz").write_bytes(b"kept")
    prepare(*sources, tmp_path, 5, 3, 2, workers=2)
    assert contents(tmp_path) == made | {"train_shape_00000.npz": b"kept"}


def test_photos_that_measure_are_never_opened(sources, tmp_path):
    photos, data = sources
    ours = tmp_path / "ours"
    ours.mkdir()
    for path in photos.iterdir():
        wanted = path.name.startswith("development")
        (ours / path.name).write_bytes(path.read_bytes() if wanted else b"not to be read")
    assert prepare(ours, data, tmp_path / "out", 5, 6, 0, split="development") == 6
    assert len(list((tmp_path / "out").glob("development_person_*.npz"))) == 6


def test_what_is_read_is_what_was_seen():
    rng = np.random.default_rng(2)
    alpha = np.zeros((50, 60), np.float32)
    alpha[10:30, 20:45] = rng.integers(1, 256, (20, 25)) / 255
    smooth = cv2.GaussianBlur(rng.uniform(0, 255, (50, 60, 3)).astype(np.float32), (0, 0), 4)
    subject = Subject(smooth.astype(np.uint8), alpha)
    cut = trimmed(subject)
    assert cut.alpha.shape == (20, 25)


def test_a_written_cut_out_has_its_alpha_and_nearly_its_colours(tmp_path):
    rng = np.random.default_rng(3)
    smooth = cv2.GaussianBlur(rng.uniform(0, 255, (50, 60, 3)).astype(np.float32), (0, 0), 4)
    alpha = rng.integers(1, 256, (50, 60)) / np.float32(255)
    (tmp_path / "x.npz").write_bytes(encoded(Subject(smooth.astype(np.uint8), alpha)))
    read = load(tmp_path / "x.npz")
    np.testing.assert_allclose(read.alpha, alpha, atol=1e-6)
    assert abs(read.foreground.astype(int) - smooth.astype(np.uint8)).mean() < 3


def test_the_old_background_does_not_stay_round_a_person():
    """A mask two pixels too wide, on a photo whose background is pure green."""
    mask = disc(512, 384, 140)
    image = np.full((512, 384, 3), (0, 255, 0), np.uint8)
    image[disc(512, 384, 138) > 0] = (200, 40, 60)
    placement = np.array([[1.5, 0, 0], [0, 1.5, 0]])
    for seed in range(4):
        cut = person(image, mask, placement, np.random.default_rng(seed))
        shown = cut.alpha > 0.1
        green = cut.foreground[shown][:, 1].astype(int) > cut.foreground[shown][:, 0]
        assert green.mean() < 0.01


def test_garments_have_a_plain_inside_and_an_edge():
    texture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    for seed in range(12):
        cloth = garment((128, 96), np.random.default_rng(seed), texture)
        assert cloth.alpha.shape == (128, 96) and cloth.foreground.shape == (128, 96, 3)
        assert 0.05 < cloth.alpha.mean() < 0.9
        assert ((cloth.alpha > 0) & (cloth.alpha < 1)).any()
