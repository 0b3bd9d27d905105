import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from deepmasque.training.export import trained_network
from deepmasque.training.photos import load, make_ready
from deepmasque.training.portrait import (
    Settings,
    iou,
    portrait_loss,
    train_portrait,
)


def square(size, edge):
    mask = torch.zeros(1, 1, size, size)
    mask[..., :edge, :] = 1
    return mask


def test_iou_by_hand():
    truth = square(10, 4)
    assert iou(torch.where(square(10, 5) > 0, 3.0, -3.0), truth).item() == pytest.approx(40 / 50)
    assert iou(torch.full((1, 1, 10, 10), -3.0), torch.zeros(1, 1, 10, 10)).item() == 1


def test_the_loss_falls_towards_the_truth_and_edges_count_threefold():
    truth = square(64, 32)
    sign = truth * 2 - 1
    losses = [portrait_loss(sign * sure, truth).item() for sure in (-2.0, 0.0, 2.0, 20.0)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-3
    at_edge, inside = sign * 20, sign * 20
    at_edge[..., 31, 10] *= -1
    inside[..., 10, 10] *= -1
    ratio = portrait_loss(at_edge, truth).item() / portrait_loss(inside, truth).item()
    assert 2.5 < ratio < 3.0


def test_scenes_grow_along_the_curriculum():
    settings = Settings(epochs=10, curriculum=((0.0, (64, 64)), (0.5, (96, 64))))
    assert [settings.size_at(epoch)[0] for epoch in (0, 4, 5, 9)] == [64, 64, 96, 96]


@pytest.fixture(scope="module")
def run(tmp_path_factory, portrait):
    """A short training on the sample, stopped and resumed half-way."""
    folder = tmp_path_factory.mktemp("training")
    ready, plates, run = folder / "ready", folder / "plates", folder / "run"
    ready.mkdir()
    plates.mkdir()
    rng = np.random.default_rng(0)
    person = np.zeros(portrait.shape[:2], bool)
    person[20:, 10:170] = True
    made = make_ready(portrait, person)
    for index in range(16):
        np.savez(ready / f"train_{index:02d}.npz", **vars(made))
        cv2.imwrite(str(plates / f"{index}.jpg"), rng.integers(0, 256, (90, 120, 3), np.uint8))
    for name in ("development_0", "held_fashion_0"):
        np.savez(ready / f"{name}.npz", **vars(made))
    shapes = _folded_shapes()
    imagenet = folder / "imagenet.npz"
    np.savez(
        imagenet,
        **{k: rng.normal(0, s, shape).astype(np.float32) for k, (s, shape) in shapes.items()},
    )
    folders = {"ready": ready, "plates": plates, "imagenet": imagenet, "run": run, "workers": 0}
    small = Settings(epochs=25, batch=4, curriculum=((0.0, (64, 64)),))
    train_portrait(small, **folders)
    return folders


def _folded_shapes():
    from torch import nn

    from deepmasque.portrait.network import Encoder

    shapes = {}
    for i, c in enumerate(m for m in Encoder(3).modules() if isinstance(m, nn.Conv2d)):
        shapes[f"{i:02d}_weight"] = (np.sqrt(2 / c.weight[0].numel()), tuple(c.weight.shape))
        shapes[f"{i:02d}_bias"] = (0.1, (c.weight.shape[0],))
    return shapes


def test_a_few_steps_of_training_make_the_loss_fall(run):
    checkpoint = run["run"] / "last.ckpt"
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    assert state["global_step"] == 100
    log = pd.read_csv(run["run"] / "metrics.csv")
    assert log["development_iou"].notna().any()
    losses = log["train_loss"].dropna()
    assert losses.iloc[-3:].mean() < 0.9 * losses.iloc[:2].mean(), list(losses)


def test_the_exported_network_is_the_averaged_one(run):
    network = trained_network(run["run"] / "last.ckpt")
    state = torch.load(run["run"] / "last.ckpt", map_location="cpu", weights_only=True)
    name = "score.weight"
    assert torch.equal(network.state_dict()[name], state["state_dict"][f"network.{name}"])


def test_a_ready_photo_keeps_what_it_was_made_of(run, portrait):
    photo = load(run["ready"] / "train_00.npz")
    assert photo.image.shape == (512, 512, 3)
    assert photo.mask.shape == (512, 512)
    assert photo.placements.shape == (1, 2, 3)
