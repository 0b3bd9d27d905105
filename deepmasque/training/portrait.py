"""Training of PortraitFCN+: data, task and run, on PyTorch Lightning."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    WeightAveraging,
)
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from deepmasque.portrait.alignment import resized_channels
from deepmasque.portrait.network import PortraitFCN
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.training import augmentation
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.fcn8s import FCN8s
from deepmasque.training.initialisation import calibrate, load_imagenet
from deepmasque.training.journal import Journal, Pictures, loggers
from deepmasque.training.photos import load
from deepmasque.training.plates import training_plates
from deepmasque.training.recipes import Settings
from deepmasque.training.sheets import PortraitSheet

NETWORKS = {"PortraitFCN": PortraitFCN, "FCN-8s": FCN8s}
VALIDATE_EVERY = 4
"""Epochs between two looks at the development photos."""
UNKNOWN = -1.0
"""In the truth of uncertainty: nobody knows, it does not count."""
AVERAGING = 0.998
"""Decay of the moving average of the weights, a step."""
HAIR_WEIGHT = 4.0
"""How much more a pixel of hair counts than one without, as there are so few."""


class Scenes(Dataset):
    """Training scenes, a new one at every look; the epoch and the index alone decide which."""

    def __init__(self, settings: Settings, ready: Path, plates: Path, epoch: int = 0):
        pattern = "train_*.npz" if settings.portraits else "train_fashion_*.npz"
        self.photos = sorted(ready.glob(pattern))
        self.plates = training_plates(plates)
        self.settings, self.epoch = settings, epoch

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.settings.seed, self.epoch, index))
        company = load(self.photos[rng.integers(len(self.photos))])
        plate = read_rgb(self.plates[rng.integers(len(self.plates))])
        size, photo = self.settings.size_at(self.epoch), load(self.photos[index])
        scene = augmentation.compose(photo, company, plate, size, self.settings.haired, rng)
        image = augmentation.relit(scene.image, rng)
        x = _input(image, augmentation.channels(scene, rng), self.settings)
        truth = np.stack([scene.mask, scene.trusted, uncertainty_truth(scene)])
        return x, torch.from_numpy(truth)


class Unmoved(Dataset):
    """Ready photos as they are, for the figures shown during a run."""

    def __init__(self, settings: Settings, ready: Path, pattern: str):
        self.settings, self.photos = settings, sorted(ready.glob(pattern))

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        photo = load(self.photos[index])
        height, width = self.settings.last_size
        image = cv2.resize(photo.image, (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(photo.mask, (width, height), interpolation=cv2.INTER_AREA) / np.float32(
            255
        )
        channels = resized_channels(photo.placements, photo.mask.shape, (height, width))
        return _input(image, channels, self.settings), torch.from_numpy(mask)[None]


def _input(image, channels, settings: Settings) -> Tensor:
    """What the network sees of a scene: (channels, h, w) float32."""
    colour = image.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    planes = [colour, channels]
    if max(settings.channels) >= len(colour) + len(channels):
        planes.append(soft_segmentation(image))
    return torch.from_numpy(np.concatenate(planes)[settings.channels])


def uncertainty_truth(scene: augmentation.Scene) -> NDArray[np.float32]:
    """(h, w) float32: 1 where there is hair, 0 where not, UNKNOWN where nobody knows.

    Only for drawn hair it is known. In a photo it is certain just far from the boundary, a
    sixteenth of the height, that there is none.
    """
    if scene.hair is not None:
        return scene.hair.astype(np.float32)
    reach = len(scene.mask) // 16
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.morphologyEx(scene.mask, cv2.MORPH_GRADIENT, square) > 0
    return np.where(near, np.float32(UNKNOWN), np.float32(0))


class Photos(lightning.LightningDataModule):
    """The scenes of the current epoch, at the size that the curriculum says."""

    def __init__(self, settings: Settings, ready: Path, plates: Path, workers: int):
        super().__init__()
        self.settings, self.ready, self.plates, self.workers = settings, ready, plates, workers

    def train_dataloader(self) -> DataLoader:
        scenes = Scenes(self.settings, self.ready, self.plates)
        # The trainer's own epoch lags behind while a run is taken up again.
        steps = self.trainer.global_step if self.trainer else 0
        scenes.epoch = steps // max(1, len(scenes) // self.settings.batch)
        order = torch.Generator().manual_seed(self.settings.seed + scenes.epoch)
        return DataLoader(
            scenes,
            self.settings.batch,
            sampler=torch.randperm(len(scenes), generator=order).tolist(),
            drop_last=True,
            **loader_workers(self.workers),
        )

    def val_dataloader(self) -> list[DataLoader]:
        patterns = ("development_*.npz", "held_fashion_*.npz")
        return [
            DataLoader(
                Unmoved(self.settings, self.ready, pattern), 8, **loader_workers(self.workers)
            )
            for pattern in patterns
        ]


def loader_workers(count: int) -> dict[str, object]:
    """Loader processes that start afresh: MediaPipe's graphs do not survive a fork."""
    return {"num_workers": count, "multiprocessing_context": "spawn" if count else None}


class PortraitTask(lightning.LightningModule):
    """A network learning the probability of person and its own uncertainty."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.save_hyperparameters(asdict(settings))
        self.settings = settings
        self.network = NETWORKS[settings.network](len(settings.channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        x, truth = batch
        mask, trusted, uncertain = truth.split(1, dim=1)
        logits = self(x.contiguous(memory_format=torch.channels_last)).float()
        loss = portrait_loss(logits[:, :1], mask, trusted)
        figures = {"train_loss": loss, "train_iou": iou(logits[:, :1], mask).mean()}
        if logits.shape[1] > 1:
            figures["uncertainty_loss"] = uncertainty_loss(logits[:, 1:], uncertain)
            loss = loss + figures["uncertainty_loss"]
        self.log_dict(figures, prog_bar=True)
        return loss

    def validation_step(
        self, batch: tuple[Tensor, Tensor], _: int, dataloader_idx: int = 0
    ) -> None:
        x, mask = batch
        score = iou(self(x)[:, :1].float(), mask).mean()
        name = ("development_iou", "held_back_fashion_iou")[dataloader_idx]
        self.log(name, score, batch_size=len(x), prog_bar=True, add_dataloader_idx=False)

    def configure_optimizers(self) -> dict:
        encoder = list(self.network.encoder.parameters())
        known = {id(parameter) for parameter in encoder}
        decoder = [p for p in self.network.parameters() if id(p) not in known]
        rates = [self.settings.encoder_rate, self.settings.decoder_rate]
        optimizer = torch.optim.AdamW(
            [{"params": encoder, "lr": rates[0]}, {"params": decoder, "lr": rates[1]}],
            weight_decay=1e-2,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, rates, total_steps=self.trainer.estimated_stepping_batches, pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def portrait_loss(logit: Tensor, mask: Tensor, trusted: Tensor) -> Tensor:
    """Mean binary cross-entropy, edge pixels threefold, plus 1 - soft IoU of each photo.

    logit, mask, trusted: (B, 1, H, W); mask within 0..1; trusted 0 where it does not count.
    """
    spread = functional.max_pool2d(mask, 9, 1, 4) + functional.max_pool2d(-mask, 9, 1, 4)
    weight = (1 + 2 * spread) * trusted
    entropy = functional.binary_cross_entropy_with_logits(logit, mask, weight=weight)
    probability, mask = logit.sigmoid() * trusted, mask * trusted
    shared = (probability * mask).sum((1, 2, 3))
    union = (probability + mask - probability * mask).sum((1, 2, 3))
    return entropy + 0.5 * (1 - (shared + 1) / (union + 1)).mean()


def uncertainty_loss(logit: Tensor, truth: Tensor) -> Tensor:
    """Mean binary cross-entropy where the truth, (B, 1, H, W), is known."""
    weight = torch.where(truth == UNKNOWN, 0.0, 1 + (HAIR_WEIGHT - 1) * truth)
    return functional.binary_cross_entropy_with_logits(logit, truth.clamp(min=0), weight=weight)


def averaged(average: Tensor, current: Tensor, steps: Tensor) -> Tensor:
    """Exponential moving average of the weights, quicker at first, so that it forgets the start."""
    decay = min(AVERAGING, (1 + int(steps)) / (10 + int(steps)))
    return (decay * average + (1 - decay) * current).to(current.dtype)


def iou(logit: Tensor, mask: Tensor) -> Tensor:
    """Intersection over union of each photo at threshold 0.5; 1 where both are empty."""
    found, true = logit > 0, mask > 0.5
    union = (found | true).sum((1, 2, 3))
    return torch.where(union > 0, (found & true).sum((1, 2, 3)) / union.clamp(min=1), 1.0)


def start_from(task: PortraitTask, checkpoint: Path) -> None:
    """Put the weights of another run into the task; inputs it did not have start at zero."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    theirs = Settings(**content["hyper_parameters"]).channels
    weights, first = content["state_dict"], "network.encoder.layers.0.1.weight"
    widened = torch.zeros_like(task.network.encoder.layers[0][1].weight)
    for place, channel in enumerate(theirs):
        widened[:, task.settings.channels.index(channel)] = weights[first][:, place]
    task.load_state_dict(weights | {first: widened})


def train_portrait(
    settings: Settings,
    *,
    ready: Path,
    plates: Path,
    imagenet: Path,
    run: Path,
    workers: int,
    logs: Sequence[str] = (),
    patience: int | None = None,
) -> Path:
    """Train, or go on where `run/last.ckpt` stands; returns the checkpoint of averaged weights.

    imagenet: the folded MobileNetV2 weights that the encoder starts from. logs: of
    journal.LOGGERS, beside the CSV. patience: stop after so many looks at the development photos
    without a better one; None for never.

    Raises TrainingError if a logger is not there.
    """
    writers = loggers(run, logs)
    lightning.seed_everything(settings.seed)
    task = PortraitTask(settings)
    last = run / "last.ckpt"
    data = Photos(settings, ready, plates, workers)
    if not last.exists() and settings.start:
        start_from(task, Path(settings.start))
    elif not last.exists() and settings.pretrained:
        load_imagenet(task.network.encoder, imagenet)
        calibrate(task.network, next(iter(data.train_dataloader()))[0])
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        precision="bf16-mixed",
        logger=writers,
        callbacks=_callbacks(settings, run, patience),
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=min(VALIDATE_EVERY, settings.epochs),
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
    )
    trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=False)
    return last


def _callbacks(settings: Settings, run: Path, patience: int | None) -> list[Callback]:
    draw = PortraitSheet(settings)
    best = {"monitor": "development_iou", "mode": "max"}
    return [
        # Before the averaging, which takes the averaged weights back out after a validation.
        Pictures(run, draw),
        Journal(run, draw.titles),
        ModelCheckpoint(run, filename="best", **best),
        ModelCheckpoint(
            run, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        ),
        WeightAveraging(avg_fn=averaged),
        LearningRateMonitor("epoch"),
        *([EarlyStopping(**best, patience=patience)] if patience is not None else []),
    ]
