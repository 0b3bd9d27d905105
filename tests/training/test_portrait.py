import tomllib

import pytest
import torch

from deepmasque.errors import SettingsError
from deepmasque.training.export import trained_task
from deepmasque.training.photos import load
from deepmasque.training.portrait import (
    NETWORKS,
    UNKNOWN,
    PortraitTask,
    iou,
    portrait_loss,
    start_from,
    uncertainty_loss,
)
from deepmasque.training.recipes import RECIPES, recipe


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
    everywhere = torch.ones_like(truth)
    losses = [
        portrait_loss(sign * sure, truth, everywhere).item() for sure in (-2.0, 0.0, 2.0, 20.0)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-3
    at_edge, inside = sign * 20, sign * 20
    at_edge[..., 31, 10] *= -1
    inside[..., 10, 10] *= -1
    ratio = (
        portrait_loss(at_edge, truth, everywhere).item()
        / portrait_loss(inside, truth, everywhere).item()
    )
    assert 2.5 < ratio < 3.0


def test_what_is_not_trusted_does_not_count():
    truth, wrong = square(64, 32), (square(64, 40) * 2 - 1) * 20
    trusted = torch.ones_like(truth)
    trusted[..., 32:40, :] = 0
    assert portrait_loss(wrong, truth, torch.ones_like(truth)).item() > 1
    assert portrait_loss(wrong, truth, trusted).item() < 1e-3


def test_unknown_uncertainty_does_not_count():
    truth = torch.tensor([[[[0.0, 1.0, UNKNOWN]]]])
    sure = torch.tensor([[[[-20.0, 20.0, 20.0]]]])
    assert uncertainty_loss(sure, truth).item() < 1e-6
    assert uncertainty_loss(-sure, truth).item() > 10


def test_every_recipe_can_be_made():
    with pytest.raises(SettingsError, match=r"no recipe lasagne; there are .*portrait"):
        recipe("lasagne")
    for name in tomllib.loads(RECIPES.read_text()):
        if name != "common":
            settings = recipe(name)
            network = NETWORKS[settings.network](len(settings.channels)).eval()
            assert network(torch.zeros(1, len(settings.channels), 64, 64)).shape[2:] == (64, 64)


def test_another_runs_weights_are_carried_over_and_new_inputs_start_at_zero(run, tmp_path):
    theirs = trained_task(run / "last.ckpt")
    task = PortraitTask(recipe("portrait"))
    start_from(task, run / "last.ckpt")
    x = torch.randn(1, 8, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(task.eval()(x), theirs(x[:, theirs.settings.channels]), atol=1e-5)


def test_scenes_grow_along_the_curriculum():
    settings = recipe("portrait", epochs=10, curriculum=((0.0, (64, 64)), (0.5, (96, 64))))
    assert [settings.size_at(epoch)[0] for epoch in (0, 4, 5, 9)] == [64, 64, 96, 96]


def test_the_exported_network_is_the_averaged_one(run):
    network = trained_task(run / "last.ckpt").network
    state = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)
    name = "score.weight"
    assert torch.equal(network.state_dict()[name], state["state_dict"][f"network.{name}"])


def test_a_ready_photo_keeps_what_it_was_made_of(folders):
    photo = load(folders["ready"] / "train_00.npz")
    assert photo.image.shape == (512, 512, 3)
    assert photo.mask.shape == (512, 512)
    assert photo.trusted.shape == (512, 512)
    assert photo.placements.shape == (1, 2, 3)
