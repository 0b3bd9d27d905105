import cv2
import numpy as np
import pytest

from deepmasque.training.photos import Photo
from deepmasque.training.refinement_scenes import (
    LEAST_BAND,
    SIDE,
    load,
    prepare,
    random_trimap,
)


def soft_disc(size, radius):
    y, x = np.mgrid[:size, :size] - size / 2
    return np.clip((radius - np.hypot(y, x)) / 12 + 0.5, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Data with three photos of known alpha, plates, and one ready portrait."""
    data = tmp_path_factory.mktemp("data")
    ready = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    alpha = soft_disc(330, 110)
    for name in ("GT01", "GT02", "GT04"):
        image = rng.integers(0, 256, (330, 330, 3)) * alpha[..., None] + 40
        trimap = np.where(alpha == 1, 255, np.where(alpha == 0, 0, 128))
        for kind, pixels in (
            ("input", image.clip(0, 255)),
            ("alpha", alpha * 255),
            ("trimap1", trimap),
            ("trimap2", trimap),
        ):
            (data / "alphamatting" / kind).mkdir(parents=True, exist_ok=True)
            path = data / "alphamatting" / kind / f"{name}.png"
            cv2.imwrite(str(path), pixels.astype(np.uint8))
    (data / "backgrounds").mkdir()
    for index in range(3):
        plate = rng.integers(0, 256, (90, 120, 3), np.uint8)
        cv2.imwrite(str(data / "backgrounds" / f"{index}.jpg"), plate)
    person = Photo(
        image=rng.integers(0, 256, (240, 200, 3), np.uint8),
        foreground=rng.integers(0, 256, (240, 200, 3), np.uint8),
        mask=(soft_disc(240, 70)[:, 20:220] * 255).astype(np.uint8),
        trusted=np.full((240, 200), 255, np.uint8),
        placements=np.array([[[3.0, 0, 0], [0, 3, 0]]]),
    )
    np.savez(ready / "train_1.npz", **vars(person))
    return data, ready


def test_scenes_of_every_source_are_solved_and_come_again_the_same(sources, tmp_path):
    count = prepare(*sources, tmp_path, 7, 4, 1, 1)
    scenes = {path.stem: load(path) for path in tmp_path.glob("*.npz")}
    assert count == len(scenes)
    assert {"alphamatting_GT01_0000", "alphamatting_GT04_trimap2", "hair_00000"} <= set(scenes)
    wrong = []
    for scene in scenes.values():
        band = scene.trimap == 128
        assert band.mean() >= LEAST_BAND
        np.testing.assert_array_equal(scene.alpha[~band], scene.trimap[~band])
        wrong.append(abs(scene.alpha[band].astype(int) - scene.truth[band]).mean())
        assert scene.contrast.shape == scene.truth.shape == scene.image.shape[:2]
    assert np.mean(wrong) < 80
    assert scenes["alphamatting_GT02_trimap1"].image.shape == (330, 330, 3)
    assert scenes["alphamatting_GT02_0000"].image.shape == (SIDE, SIDE, 3)

    again = tmp_path / "alphamatting_GT02_0000.npz"
    again.unlink()
    assert prepare(*sources, tmp_path, 7, 4, 1, 1) == count
    for key, value in vars(load(again)).items():
        np.testing.assert_array_equal(value, getattr(scenes[again.stem], key))


def test_drawn_trimaps_are_true_and_the_pipelines_are_nearly_so():
    alpha = soft_disc(200, 60)
    kept = []
    for seed in range(40):
        trimap = random_trimap(alpha, np.random.default_rng(seed))
        assert set(np.unique(trimap)) == {0, 128, 255}
        known = trimap != 128
        wrong = abs(trimap[known] / 255 - alpha[known])
        assert (wrong > 0.5).mean() < 0.01
        kept.append(wrong.max())
    assert 10 < sum(worst <= 0.011 for worst in kept) < 40
