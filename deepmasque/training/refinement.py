"""Training of the residual network: data, task and run, on PyTorch Lightning."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from deepmasque.evaluation import alphamatting
from deepmasque.portrait.pictures import grey
from deepmasque.portrait.refinement import CELL, local_colours, network_input
from deepmasque.portrait.residual_network import ALPHA, ResidualNetwork
from deepmasque.portrait.trimap import UNKNOWN
from deepmasque.training import journal, sheets
from deepmasque.training.refinement_scenes import Scene, load

HELD_BACK_EVERY = 30
"""Every so many a generated scene is kept for the figure shown during a run."""
VALIDATE_EVERY = 5
"""Epochs between two looks at them."""
LEVELS = 4
"""Of the pyramid in the loss."""
SHOWN = 6
"""Crops on a sheet of sample predictions."""


@dataclass(frozen=True)
class Settings:
    """What a run is made of; kept in its checkpoint and on its card.

    epochs, samples: crops in all are epochs x samples. batch: crops per step. crop: their side,
    pixels. rate: peak of the one-cycle schedule. seed: of the weights' start, the order and the
    augmentation. photos: share of the crops from alphamatting.com, the rest comes from the
    generator. fold: the fold of alphamatting.com that is left out; 0 leaves out none.
    """

    epochs: int = 30
    samples: int = 800
    batch: int = 8
    crop: int = 192
    rate: float = 1e-3
    seed: int = 2018
    photos: float = 0.0
    fold: int = 0


class Crops(Dataset):
    """Training crops, a new one at every look; the epoch and the index alone decide which."""

    def __init__(self, generated: Sequence[Path], photos: Sequence[Path], settings: Settings):
        self.generated, self.photos, self.settings = generated, photos, settings
        self.epoch = 0

    def __len__(self) -> int:
        return self.settings.samples

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.settings.seed, self.epoch, index))
        source = self.photos if rng.random() < self.settings.photos else self.generated
        return crop_of(load(source[rng.integers(len(source))]), self.settings.crop, rng, move=True)


class HeldBack(Dataset):
    """One crop of every held-back scene, always the same."""

    def __init__(self, paths: Sequence[Path], crop: int):
        self.paths, self.crop = paths, crop

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng(index)
        return crop_of(load(self.paths[index]), self.crop, rng, move=False)


def crop_of(scene: Scene, side: int, rng: np.random.Generator, *, move: bool) -> tuple[Tensor, ...]:
    """Network input (13, side, side), truth, band and contrast (1, side, side), all float32.

    The crop holds a random pixel of the band. move: mirrored, turned and in another light.
    """
    image = _relit(scene.image, rng) if move else scene.image
    alpha = scene.alpha.astype(np.float32) / 255
    top, left = _window(scene.trimap == UNKNOWN, side, rng)
    x = network_input(
        image, alpha, scene.trimap, local_colours(image, alpha), top, left, side, side
    )
    place = np.s_[top : top + side, left : left + side]
    band = (scene.trimap[place] == UNKNOWN).astype(np.float32)
    planes = [scene.truth[place] / np.float32(255), band, scene.contrast[place] / np.float32(255)]
    stacks = [x, *(plane[None] for plane in planes)]
    if move:
        turns, mirror = rng.integers(4), rng.choice([-1, 1])
        stacks = [np.rot90(stack, turns, (1, 2))[..., ::mirror] for stack in stacks]
    return tuple(torch.from_numpy(np.ascontiguousarray(stack)) for stack in stacks)


def _window(unknown: NDArray[np.bool_], side: int, rng: np.random.Generator) -> tuple[int, int]:
    ys, xs = np.nonzero(unknown)
    chosen = rng.integers(len(ys))
    corner = np.array([ys[chosen], xs[chosen]]) - rng.uniform(0.2, 0.8, 2) * side
    most = np.array(unknown.shape) - side
    top, left = np.clip(corner, 0, most).astype(int) // CELL * CELL
    return int(top), int(left)


def _relit(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of the time another gamma and other gains of the three channels."""
    if rng.random() < 0.5:
        return image
    gamma, gains = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0, 0.12, 3))
    ramp = (np.arange(256) / 255) ** gamma
    table = np.clip(255 * ramp[:, None] * gains, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])


class Scenes(lightning.LightningDataModule):
    """The ready scenes, without the fold that is left out."""

    def __init__(self, settings: Settings, ready: Path, workers: int):
        super().__init__()
        self.settings, self.workers = settings, workers
        generated = sorted([*ready.glob("hair_*.npz"), *ready.glob("shape_*.npz")])
        self.held_back = generated[::HELD_BACK_EVERY]
        self.crops = Crops(
            [path for index, path in enumerate(generated) if index % HELD_BACK_EVERY],
            photos_outside(settings.fold, ready),
            settings,
        )

    def train_dataloader(self) -> DataLoader:
        self.crops.epoch = self.trainer.current_epoch if self.trainer else 0
        return DataLoader(self.crops, self.settings.batch, drop_last=True, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(HeldBack(self.held_back, self.settings.crop), self.settings.batch)


def photos_outside(fold: int, ready: Path) -> list[Path]:
    """Ready scenes of alphamatting.com whose photos are not in this fold."""
    paths = sorted(ready.glob("alphamatting_*.npz"))
    names = [path.stem.split("_")[1] for path in paths]
    listed = sorted(set(names))
    return [
        path
        for path, name in zip(paths, names, strict=True)
        if alphamatting.fold_of(name, listed) != fold
    ]


class RefinementTask(lightning.LightningModule):
    """The residual network learning true alphas from KNN alphas."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.save_hyperparameters(asdict(settings))
        self.settings = settings
        self.network = ResidualNetwork()

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.contiguous(memory_format=torch.channels_last)).float()

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        x, truth, band, contrast = batch
        alpha = self(x)
        loss = refinement_loss(alpha, truth, band, contrast)
        ratio = error_ratio(alpha, x, truth, band)
        self.log_dict({"train_loss": loss, "train_error_ratio": ratio}, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], _: int) -> None:
        x, truth, band, _ = batch
        ratio = error_ratio(self(x), x, truth, band)
        self.log("development_error_ratio", ratio, batch_size=len(x), prog_bar=True)

    def configure_optimizers(self) -> dict:
        optimizer = torch.optim.AdamW(self.parameters(), self.settings.rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            self.settings.rate,
            total_steps=self.trainer.estimated_stepping_batches,
            pct_start=0.1,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def refinement_loss(alpha: Tensor, truth: Tensor, band: Tensor, contrast: Tensor) -> Tensor:
    """Error in the band, of alpha, of the composite, of the slopes, and at coarser levels.

    All (B, 1, H, W); alpha is not clipped, the others within 0..1. An alpha beyond 0 or 1 where the
    truth is just that counts as right, since it will be clipped.
    """
    beyond = ((truth <= 0) & (alpha < 0)) | ((truth >= 1) & (alpha > 1))
    error = torch.where(beyond, 0.0, alpha - truth) * band
    pixels = band.sum().clamp(min=1)
    slopes = error.diff(dim=2).abs().sum() + error.diff(dim=3).abs().sum()
    direct = error.abs().sum() + 0.5 * (error.abs() * contrast).sum() + 0.25 * slopes
    return (direct + 0.25 * _coarse_errors(error)) / pixels


def _coarse_errors(error: Tensor) -> Tensor:
    """Sum of |Laplacian pyramid| of the error, every level weighed by the area of its pixels."""
    total = error.new_zeros(())
    for level in range(LEVELS):
        coarse = functional.avg_pool2d(error, 2)
        details = error - functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        total = total + details.abs().sum() * 4**level
        error = coarse
    return total / LEVELS


def error_ratio(alpha: Tensor, x: Tensor, truth: Tensor, band: Tensor) -> Tensor:
    """SAD of the corrected alpha over that of the alpha given, both in the band."""
    before = (x[:, ALPHA : ALPHA + 1] + 1) / 2
    after = ((alpha.clamp(0, 1) - truth).abs() * band).sum()
    return after / ((before - truth).abs() * band).sum().clamp(min=1e-3)


def sheet(task: RefinementTask, scenes: Scenes) -> NDArray[np.uint8]:
    """Photo, KNN alpha, corrected alpha and truth of a few held-back crops."""
    crops = HeldBack(scenes.held_back, scenes.settings.crop)
    return sheets.sheet([_row(task, *crops[i]) for i in range(min(SHOWN, len(crops)))])


def _row(
    task: RefinementTask, x: Tensor, truth: Tensor, band: Tensor, _: Tensor
) -> list[NDArray[np.uint8]]:
    with torch.inference_mode():
        corrected = torch.where(band > 0, task(x[None].to(task.device))[0].cpu(), truth)
    photo = ((x[:3] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    given = (x[ALPHA] + 1) / 2
    return [photo, *(grey(alpha.clamp(0, 1).numpy()) for alpha in (given, corrected[0], truth[0]))]


COLUMNS = ("photo", "KNN matting", "refined", "truth")


def train_refinement(
    settings: Settings,
    *,
    ready: Path,
    run: Path,
    start: Path | None = None,
    workers: int = 0,
    loggers: Sequence[str] = (),
) -> Path:
    """Train, or go on where `run/last.ckpt` stands; returns the checkpoint of averaged weights.

    start: checkpoint of an earlier run whose weights this one begins with.
    """
    lightning.seed_everything(settings.seed)
    task = RefinementTask(settings)
    last = run / "last.ckpt"
    if start and not last.exists():
        task.network.load_state_dict(trained_network(start).state_dict())
    scenes = Scenes(settings, ready, workers)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        precision="bf16-mixed",
        logger=journal.loggers(run, loggers),
        callbacks=[
            journal.Pictures(run, lambda module: sheet(module, scenes)),
            journal.Journal(run, COLUMNS),
            ModelCheckpoint(
                run, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
            ),
            EMAWeightAveraging(decay=0.998),
            LearningRateMonitor("epoch"),
        ],
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=min(VALIDATE_EVERY, settings.epochs),
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
    )
    trainer.fit(task, scenes, ckpt_path=last if last.exists() else None, weights_only=False)
    return last


def trained_network(checkpoint: Path) -> ResidualNetwork:
    """The averaged weights of a run."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    task = RefinementTask(Settings(**content["hyper_parameters"]))
    task.load_state_dict(content["state_dict"])
    return task.network.eval()
