from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from deepmasque.errors import SettingsError
from deepmasque.training import patches, shapes
from deepmasque.training.subjects import encoded
from deepmasque.training.two_photo import start_from, take_networks, trained_weights
from deepmasque.two_photo.network import TwoPhotoNetwork
from deepmasque.two_photo.patches import CORE, FULL, HALF

SETTINGS = replace(patches.REFINE, epochs=25, batch=10, curriculum=((0.0, 96, 2.0),), development=2)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(patches, "SIZES", ((96, 128), (128, 96)))
    monkeypatch.setattr(patches, "KEPT", 7)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Cut-outs and photos without people."""
    folder = tmp_path_factory.mktemp("places")
    rng = np.random.default_rng(0)
    for part in ("subjects", "plates"):
        (folder / part).mkdir()
    for split in ("train", "development"):
        for index in range(3):
            subject = shapes.synthetic_subject((96, 96), rng)
            (folder / "subjects" / f"{split}_{index}.npz").write_bytes(encoded(subject))
    for index in range(2):
        noise = rng.integers(0, 256, (9, 12, 3), np.uint8)
        plate = cv2.resize(noise, (240, 180), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / "plates" / f"{index}.png"), plate)
        cv2.imwrite(str(folder / "plates" / f"{index}.jpg"), plate)
    return {part: folder / part for part in ("subjects", "plates")}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of networks that have learned nothing."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("base") / "last.ckpt"
    save(TwoPhotoNetwork().state_dict(), path)
    return path


def save(weights, path):
    torch.save({"state_dict": {f"network.{name}": x for name, x in weights.items()}}, path)


def ready(checkpoint, places, folder, scenes=4):
    return patches.prepare(checkpoint, **places, folder=folder, scenes=scenes, seed=1)


def test_patches_come_again_the_same_and_only_the_missing_are_made(checkpoint, places, tmp_path):
    assert ready(checkpoint, places, tmp_path) == 4
    first, second = (tmp_path / f"0000{number}.npz" for number in (0, 1))
    before = first.read_bytes()
    first.unlink()
    second.write_bytes(b"kept")
    ready(checkpoint, places, tmp_path)
    assert first.read_bytes() == before
    assert second.read_bytes() == b"kept"


def test_a_batch_is_what_the_refinement_takes(checkpoint, places, tmp_path):
    ready(checkpoint, places, tmp_path, scenes=3)
    found = patches.Patches(tmp_path)
    assert len(found) == 3 * 7
    half, full, truth = found[[20, 3, 4]]
    assert half.shape == (3, 32, HALF, HALF) and full.shape == (3, 16, FULL, FULL)
    assert truth.shape == (3, 7, 16, 16) and truth.dtype == torch.float32
    assert truth.min() >= 0 and truth.max() <= 1
    # Photo and truth lie on one another: the photo is in both.
    margin = (FULL - CORE) // 2
    seen = (full[:, :3, margin:-margin, margin:-margin] + 1) / 2
    assert (seen - truth[:, 4:]).abs().max() < 1 / 255


def test_the_refinement_learns_and_the_base_stands_still(checkpoint, places, tmp_path):
    ready(checkpoint, places, tmp_path / "patches", scenes=6)
    run = tmp_path / "run"
    settings = replace(SETTINGS, start=str(checkpoint))
    last = patches.train_refinement(
        settings, patches=tmp_path / "patches", **places, run=run, workers=0
    )
    weights = trained_weights(last)
    for name, value in trained_weights(checkpoint).items():
        if name.startswith("base."):
            torch.testing.assert_close(weights[name], value, msg=name)  # averaging rounds
    network = TwoPhotoNetwork().eval()
    untaught = loss(network, tmp_path / "patches")
    network.load_state_dict(weights)
    assert loss(network, tmp_path / "patches") < 0.9 * untaught


def loss(network, folder):
    half, full, truth = patches.Patches(folder)[list(range(42))]
    with torch.inference_mode():
        return float(patches.refined_loss(network.refinement(half, full), truth))


def test_another_run_begins_with_the_base_alone(checkpoint, tmp_path):
    weights = trained_weights(checkpoint)
    base = {name: x for name, x in weights.items() if name.startswith("base.")}
    save(base | {"refinement.of.another.form": torch.zeros(3)}, tmp_path / "older.ckpt")
    network = TwoPhotoNetwork()
    start_from(network, tmp_path / "older.ckpt")
    for name, value in trained_weights(tmp_path / "older.ckpt", "base").items():
        assert torch.equal(network.base.state_dict()[name], value)


def test_networks_of_another_form_are_one_sentence(checkpoint, tmp_path):
    save({"refinement.of.another.form": torch.zeros(3)}, tmp_path / "older.ckpt")
    network = TwoPhotoNetwork()
    with pytest.raises(SettingsError, match="another form"):
        take_networks(network, tmp_path / "older.ckpt")
    take_networks(network, checkpoint)
    for name, value in trained_weights(checkpoint).items():
        assert torch.equal(network.state_dict()[name], value)


def test_what_is_missing_is_one_sentence(checkpoint, places, tmp_path):
    with pytest.raises(SettingsError, match="no patches"):
        patches.Patches(tmp_path)
    ready(checkpoint, places, tmp_path / "patches", scenes=1)
    settings = replace(SETTINGS, start="nowhere.ckpt")
    with pytest.raises(SettingsError, match=r"no checkpoint nowhere.ckpt"):
        patches.train_refinement(
            settings, patches=tmp_path / "patches", **places, run=tmp_path / "run", workers=0
        )
