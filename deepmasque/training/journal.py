"""What a run writes down while it goes on: curves, sample predictions, how it came about."""

import datetime
import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from numpy.typing import NDArray

from deepmasque import provenance
from deepmasque.errors import SettingsError
from deepmasque.image import encode_jpeg, write_atomic
from deepmasque.training.runs import RECORD, SAMPLES, Record

LOGGERS = ("tensorboard", "wandb")
LOG = "log"
JPEG_QUALITY = 75


def loggers(run: Path, more: Sequence[str] = ()) -> list[Logger]:
    """CSV always, each part of a resumed run a file of its own; and more, of LOGGERS.

    Weights & Biases writes offline: nothing leaves this machine before `wandb sync`.

    Raises SettingsError.
    """
    chosen: list[Logger] = [CSVLogger(run, name=LOG, flush_logs_every_n_steps=20)]
    for name in more:
        if name not in LOGGERS:
            raise SettingsError(f"There is no logger {name}; choose from {', '.join(LOGGERS)}.")
        if name == "tensorboard":
            chosen.append(TensorBoardLogger(run, name="tensorboard"))
        elif importlib.util.find_spec("wandb"):
            chosen.append(WandbLogger(run.name, save_dir=run, offline=True, project="deepmasque"))
        else:
            raise SettingsError("Weights & Biases is not installed: run `pip install wandb` first.")
    return chosen


class Pictures(Callback):
    """After every validation a sheet of sample predictions: run/samples/EPOCHS.jpg, and loggers.

    draw: makes the sheet, (H, W, 3) uint8, with the weights that were validated.
    """

    def __init__(self, run: Path, draw: Callable[[lightning.LightningModule], NDArray[np.uint8]]):
        self.folder, self.draw = run / SAMPLES, draw

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if trainer.sanity_checking:
            return
        sheet = self.draw(pl_module)
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{trainer.current_epoch + 1:04d}.jpg"
        write_atomic(self.folder / name, encode_jpeg(sheet, quality=JPEG_QUALITY))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(
                    "samples", sheet, trainer.global_step, dataformats="HWC"
                )
            elif isinstance(logger, WandbLogger):
                logger.log_image("samples", [sheet], trainer.global_step)


class Journal(Timer):
    """Keeps run/run.json: command, seconds of training over all parts, hardware, date, commit.

    pictures: the titles of the columns of the sample sheets.
    """

    def __init__(self, run: Path, pictures: Sequence[str] = ()):
        super().__init__()
        self.path, self.pictures = run / RECORD, tuple(pictures)

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        record = Record(
            command=command(sys.argv),
            seconds=round(self.time_elapsed(), 1),
            hardware=hardware(trainer),
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            commit=provenance.commit() or None,
            pictures=self.pictures,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, (json.dumps(asdict(record), indent=2) + "\n").encode())


def command(arguments: Sequence[str]) -> str:
    """A command line as others can type it: absolute paths are left with their last part."""
    program, *rest = arguments
    if Path(program).name == "__main__.py":
        words = ["python", "-m", ".".join(["deepmasque", Path(program).parent.name])]
    else:
        words = [Path(program).name]
    return " ".join(words + [provenance.portable(each) for each in rest])


def hardware(trainer: lightning.Trainer) -> str:
    """What the run was computed on, in words."""
    if trainer.strategy.root_device.type == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f"{provenance.processor()}, {threads} {'thread' if threads == 1 else 'threads'}"
