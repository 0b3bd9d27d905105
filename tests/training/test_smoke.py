"""`make train-smoke`: short trainings on the CPU, broken off and taken up again."""

import pytest
import torch
from short import EPOCHS, short_training

from deepmasque.training import runs
from deepmasque.training.export import trained_task
from deepmasque.training.journal import Journal

BROKEN_OFF = 7


class PowerCutError(Exception):
    pass


def test_the_loss_falls(run):
    losses = runs.read_run(run).curve("train_loss")["value"]
    assert losses.iloc[-3:].mean() < 0.9 * losses.iloc[:3].mean(), list(losses)


def test_a_run_writes_down_what_it_did(run):
    run = runs.read_run(run)
    assert run.epochs == EPOCHS
    assert not run.going
    assert run.settings["network"] == "PortraitFCN"
    assert list(run.samples) == [4, 8, 12]
    assert run.record.pictures == ("Photo", "Prior", "Probability", "Unknown")
    assert {"development_iou", "held_back_fashion_iou", "train_iou"} <= set(run.curves["measure"])


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(run, folders, tmp_path, monkeypatch):
    write = Journal.on_train_epoch_end

    def break_off(self, trainer, *rest):
        write(self, trainer, *rest)
        if trainer.current_epoch == BROKEN_OFF:
            raise PowerCutError

    with monkeypatch.context() as patched, pytest.raises(PowerCutError):
        patched.setattr(Journal, "on_train_epoch_end", break_off)
        short_training(folders, tmp_path)
    assert runs.read_run(tmp_path).epochs < EPOCHS
    short_training(folders, tmp_path)
    assert list(runs.read_run(tmp_path).samples) == [4, 8, 12]
    expected, found = (weights(each) for each in (run, tmp_path))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def weights(run):
    return trained_task(run / "last.ckpt").state_dict()
