"""`make train-smoke`: short trainings on the CPU, broken off and taken up again."""

import numpy as np
import pytest
import test_refine
import torch
from short import EPOCHS, short_training

from deepmasque.training import runs, shapes
from deepmasque.training.journal import Journal
from deepmasque.training.refinement import train_refinement
from deepmasque.training.subjects import encoded
from deepmasque.training.two_photo import Settings as PairSettings
from deepmasque.training.two_photo import train_two_photo


class PowerCutError(Exception):
    pass


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """Ready scenes for the residual network."""
    folder = tmp_path_factory.mktemp("scenes")
    for seed in range(4):
        np.savez(folder / f"hair_{seed:05d}.npz", **vars(test_refine.scene(seed)))
    return folder


@pytest.fixture(scope="session")
def subjects(tmp_path_factory):
    """Cut-outs to put into pairs of photos."""
    folder = tmp_path_factory.mktemp("subjects")
    rng = np.random.default_rng(0)
    for split in ("train", "development"):
        for index in range(4):
            subject = shapes.synthetic_subject((96, 96), rng)
            (folder / f"{split}_{index}.npz").write_bytes(encoded(subject))
    return folder


@pytest.fixture(scope="session")
def trainings(folders, scenes, subjects):
    """What trains each network into a folder, or goes on there."""
    settings = test_refine.Settings(epochs=4, samples=80, batch=4, crop=64, rate=3e-3)
    pairs = PairSettings(
        epochs=4,
        samples=60,
        batch=4,
        rate=1e-3,
        curriculum=((0.0, 96, 2.0),),
        development=2,
    )
    places = {"subjects": subjects, "plates": folders["plates"], "workers": 0}
    return {
        "two-photo": lambda run: train_two_photo(pairs, run=run, **places),
        "portrait": lambda run: short_training(folders, run),
        "refine": lambda run: train_refinement(settings, ready=scenes, run=run),
    }


@pytest.fixture(scope="session", params=["portrait", "refine", "two-photo"])
def undisturbed(request, run, trainings, tmp_path_factory):
    """A network's name and the folder of a run that ended by itself."""
    if request.param == "portrait":
        return request.param, run
    folder = tmp_path_factory.mktemp(request.param)
    trainings[request.param](folder)
    return request.param, folder


def test_the_loss_falls(undisturbed):
    _, run = undisturbed
    losses = runs.read_run(run).curve("train_loss")["value"]
    assert losses.iloc[-3:].mean() < 0.9 * losses.iloc[:2].mean(), list(losses)


def test_a_run_writes_down_what_it_did(run):
    run = runs.read_run(run)
    assert run.epochs == EPOCHS
    assert not run.going
    assert run.settings["network"] == "PortraitFCN"
    assert list(run.samples) == [4, 8, 12]
    assert run.record.pictures == ("Photo", "Prior", "Probability", "Unknown")
    assert {"development_iou", "held_back_fashion_iou", "train_iou"} <= set(run.curves["measure"])


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(
    undisturbed, trainings, tmp_path, monkeypatch
):
    name, run = undisturbed
    whole = runs.read_run(run)
    write = Journal.on_train_epoch_end

    def break_off(self, trainer, *rest):
        write(self, trainer, *rest)
        if trainer.current_epoch == whole.epochs // 2:
            raise PowerCutError

    with monkeypatch.context() as patched, pytest.raises(PowerCutError):
        patched.setattr(Journal, "on_train_epoch_end", break_off)
        trainings[name](tmp_path)
    assert runs.read_run(tmp_path).epochs < whole.epochs
    trainings[name](tmp_path)
    assert list(runs.read_run(tmp_path).samples) == list(whole.samples)
    expected, found = (weights(each) for each in (run, tmp_path))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def weights(run):
    return torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)["state_dict"]
