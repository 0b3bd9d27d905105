import json
import os
import time

import cv2
import lightning
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from deepmasque.errors import SettingsError, TrainingError
from deepmasque.training import journal, runs


def logged(epochs, steps_per_epoch=20, every=5, first=0):
    """A log as Lightning writes it: training rows, and a look after every second epoch."""
    rows = []
    for epoch in range(first, epochs):
        for step in range(epoch * steps_per_epoch, (epoch + 1) * steps_per_epoch):
            if (step + 1) % every == 0:
                rows.append({"epoch": epoch, "step": step, "train_loss": 1 / (step + 1)})
        rows.append({"step": step, "lr-AdamW": 1e-3})
        if epoch % 2:
            rows.append({"epoch": epoch, "step": step, "development_iou": epoch / epochs})
    return pd.DataFrame(rows)


def write(folder, table, **chosen):
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "metrics.csv", index=False)
    (folder / "hparams.yaml").write_text(yaml.dump(chosen))


def test_a_run_is_read_from_its_folder(tmp_path):
    write(tmp_path / "wide", logged(8), epochs=8, curriculum=((0.0, (64, 48)),))
    run = runs.read_run(tmp_path / "wide")
    assert run.name == "wide"
    assert run.settings == {"epochs": 8, "curriculum": [[0.0, [64, 48]]]}
    assert run.epochs == 8
    assert run.best("development_iou") == pytest.approx(7 / 8)
    assert run.best("held_back_fashion_iou") is None
    looks = run.curve("development_iou")
    assert list(looks["epoch"]) == [2, 4, 6, 8]
    assert set(run.curves["measure"]) == {"train_loss", "development_iou"}
    first = run.curve("train_loss").iloc[0]
    assert (first["epoch"], first["value"]) == (pytest.approx(5 / 20), pytest.approx(1 / 5))


def test_only_an_unfinished_run_whose_log_grows_is_going(tmp_path):
    write(tmp_path / "going", logged(4), epochs=8)
    write(tmp_path / "done", logged(8), epochs=8)
    write(tmp_path / "left", logged(4), epochs=8)
    long_ago = time.time() - 2 * runs.QUIET_SECONDS
    os.utime(tmp_path / "left" / "metrics.csv", (long_ago, long_ago))
    (tmp_path / "ready").mkdir()
    found = {run.name: run.going for run in runs.local_runs(tmp_path)}
    assert found == {"going": True, "done": False, "left": False}
    assert runs.local_runs(tmp_path / "nothing") == []


def test_a_resumed_run_has_one_curve(tmp_path):
    """The second part begins again at the last checkpoint; what the first logged after it goes."""
    write(tmp_path / "log" / "version_0", logged(6), epochs=12)
    write(tmp_path / "log" / "version_1", logged(11, first=4), epochs=12)
    write(tmp_path / "log" / "version_10", logged(12, first=10), epochs=12)
    run = runs.read_run(tmp_path)
    losses = run.curve("train_loss")
    assert losses["step"].is_unique
    assert list(losses["step"]) == list(range(4, 240, 5))
    assert list(run.curve("development_iou")["epoch"]) == [2, 4, 6, 8, 10, 12]
    assert run.best("development_iou") == pytest.approx(11 / 12)


@pytest.mark.parametrize("content", ["", "step\n1\n", "epoch,step\nx,y\n", "\x00\x01"])
def test_a_log_that_cannot_be_read_is_one_sentence(tmp_path, content):
    write(tmp_path / "broken", logged(2), epochs=2)
    (tmp_path / "broken" / "metrics.csv").write_text(content)
    with pytest.raises(TrainingError, match="cannot be read"):
        runs.read_run(tmp_path / "broken")
    assert runs.local_runs(tmp_path) == []


def test_a_folder_without_a_log_is_no_run(tmp_path):
    with pytest.raises(TrainingError, match="no training run"):
        runs.read_run(tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(0, 10) | st.none(), min_size=1, max_size=30),
    steps_per_epoch=st.integers(1, 9),
)
def test_tidy_keeps_every_value_and_its_place(values, steps_per_epoch):
    steps = np.arange(len(values))
    epoch = steps // steps_per_epoch
    table = pd.DataFrame({"epoch": epoch, "step": steps, "train_loss": np.array(values, float)})
    tidied = runs.tidy(table)
    kept = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
    assert list(zip(tidied["step"], tidied["value"], strict=True)) == kept
    assert tidied["epoch"].is_monotonic_increasing
    assert (tidied["epoch"] > 0).all()


@pytest.fixture
def trained(tmp_path):
    """A finished run with thirty looks."""
    folder = tmp_path / "trained"
    write(folder, logged(60, steps_per_epoch=40), epochs=60, batch=4)
    record = {"command": "python -m x", "seconds": 90.5, "pictures": ["Photo", "Probability"]}
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "samples").mkdir()
    rng = np.random.default_rng(0)
    for epoch in range(2, 62, 2):
        sheet = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "samples" / f"{epoch:04d}.jpg"), sheet)
    return folder


def test_a_published_run_is_the_run_in_small(trained, tmp_path):
    target = tmp_path / "models"
    files = runs.publish(trained, "small", target)
    assert {path.name for path in files} >= {"small.csv", "small.json", "0060.jpg"}
    before, after = runs.read_run(trained), runs.committed_runs(target)[0]
    assert (after.name, after.settings, after.record) == ("small", before.settings, before.record)
    assert after.record.seconds == 90.5
    assert after.record.hardware is None
    assert not after.going
    looks = before.curve("development_iou").reset_index(drop=True)
    pd.testing.assert_frame_equal(
        after.curve("development_iou").reset_index(drop=True), looks, rtol=1e-4
    )
    rows = pd.read_csv(target / "small.csv")
    assert rows["train_loss"].notna().sum() <= runs.MOST_ROWS
    assert "lr-AdamW" not in rows
    whole = before.curve("train_loss")["value"].mean()
    assert after.curve("train_loss")["value"].mean() == pytest.approx(whole, rel=1e-3)


def test_published_samples_are_few_and_spread_over_the_run(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "MOST_SAMPLE_BYTES", 100_000)
    runs.publish(trained, "small", tmp_path / "models")
    samples = runs.committed_runs(tmp_path / "models")[0].samples
    assert min(samples) == 2
    assert max(samples) == 60
    assert 2 < len(samples) < 30
    assert sum(path.stat().st_size for path in samples.values()) <= 100_000
    monkeypatch.setattr(runs, "MOST_SAMPLE_BYTES", 30_000)
    runs.publish(trained, "small", tmp_path / "models")
    assert list(runs.committed_runs(tmp_path / "models")[0].samples) == [60]
    runs.publish(trained, "small", tmp_path / "models", pictures=False)
    assert not list((tmp_path / "models").rglob("*.jpg"))


class Line(lightning.LightningModule):
    """The least that can be trained: one weight."""

    def __init__(self):
        super().__init__()
        self.save_hyperparameters({"epochs": 2})
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, _):
        loss = (self.weight - batch[0]).square().mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, _):
        self.log("development_iou", self.weight.item())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def grey_of(task):
    return np.full((32, 32, 3), round(task.weight.item() * 200), np.uint8)


def fitted(run, *, epochs, names=(), checkpoint=None):
    task = Line()
    data = DataLoader(TensorDataset(torch.ones(8)), 2)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=journal.loggers(run, names),
        callbacks=[
            journal.Pictures(run, grey_of),
            journal.Journal(run, ["Photo", "Probability"]),
            lightning.pytorch.callbacks.ModelCheckpoint(run, filename="last"),
        ],
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=1,
    )
    trainer.fit(task, data, data, ckpt_path=checkpoint, weights_only=False)
    return task


def test_what_lightning_writes_can_be_read(tmp_path):
    run = tmp_path / "line"
    fitted(run, epochs=1)
    fitted(run, epochs=2, names=["tensorboard"], checkpoint=run / "last.ckpt")
    found = runs.read_run(run)
    assert list(found.curve("train_loss")["step"]) == list(range(8))
    assert found.curve("train_loss")["value"].is_monotonic_decreasing
    assert list(found.samples) == [1, 2]
    bright = [cv2.imread(str(path)).mean() for path in found.samples.values()]
    assert bright[0] < bright[1]
    assert 0 <= found.record.seconds < 600
    assert found.record.pictures == ("Photo", "Probability")
    assert found.record.hardware
    assert list((run / "tensorboard").rglob("events.out.*"))


def test_a_logger_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="no logger paper"):
        journal.loggers(tmp_path, ["paper"])
    monkeypatch.setattr(journal.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="not installed"):
        journal.loggers(tmp_path, ["wandb"])


def test_the_command_names_no_folder_of_this_machine():
    arguments = ["/home/x/deepmasque/training/__main__.py", "portrait", "--data", "/data/of/mine"]
    expected = "python -m deepmasque.training portrait --data mine"
    assert journal.command(arguments) == expected
