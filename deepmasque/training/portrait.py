"""Training of PortraitFCN+: data, task and run, on PyTorch Lightning."""

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from deepmasque.portrait.alignment import resized_channels
from deepmasque.portrait.network import PRIOR_CHANNELS, PortraitFCN
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.training import augmentation
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.initialisation import calibrate, load_imagenet
from deepmasque.training.photos import load

CURRICULUM = ((0.0, (160, 128)), (0.4, (256, 192)), (0.8, (384, 288)))
FULL_SIZE = (384, 288)
VALIDATE_EVERY = 4
"""Epochs between two looks at the development photos."""


@dataclass(frozen=True)
class Settings:
    """What a run is made of; kept in its checkpoint and on its card.

    epochs: passes over the training photos. batch: scenes per step. encoder_rate, decoder_rate:
    peaks of the one-cycle schedule. seed: of the weights' start, the order and the augmentation.
    channels: 6 as in the paper, 7 with the soft segmentation prior. curriculum: from which share of
    the epochs on the scenes have which size (height, width).
    """

    epochs: int = 30
    batch: int = 16
    encoder_rate: float = 5e-4
    decoder_rate: float = 2.5e-3
    seed: int = 2018
    channels: int = PRIOR_CHANNELS
    curriculum: tuple[tuple[float, tuple[int, int]], ...] = CURRICULUM

    def size_at(self, epoch: int) -> tuple[int, int]:
        """Scene size (height, width) in this epoch."""
        progress = epoch / self.epochs
        return [size for start, size in self.curriculum if progress >= start][-1]


class Scenes(Dataset):
    """Training scenes, a new one at every look; the epoch and the index alone decide which."""

    def __init__(self, ready: Path, plates: Path, size: tuple[int, int], epoch: int, seed: int):
        self.photos = sorted(ready.glob("train_*.npz"))
        self.plates = sorted(plates.glob("*.jpg"))
        self.size, self.epoch, self.seed = size, epoch, seed

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.seed, self.epoch, index))
        company = load(self.photos[rng.integers(len(self.photos))])
        plate = read_rgb(self.plates[rng.integers(len(self.plates))])
        scene = augmentation.compose(load(self.photos[index]), company, plate, self.size, rng)
        image = augmentation.relit(scene.image, rng)
        return _tensors(image, augmentation.channels(scene, rng), scene.mask)


class Unmoved(Dataset):
    """Ready photos as they are, for the figures shown during a run."""

    def __init__(self, ready: Path, pattern: str):
        self.photos = sorted(ready.glob(pattern))

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        photo = load(self.photos[index])
        height, width = FULL_SIZE
        image = cv2.resize(photo.image, (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(photo.mask, (width, height), interpolation=cv2.INTER_AREA) / 255
        channels = resized_channels(photo.placements, photo.mask.shape, FULL_SIZE)
        return _tensors(image, channels, mask)


def _tensors(image, channels, mask) -> tuple[Tensor, Tensor]:
    """Network input (7, h, w) and mask (1, h, w), both float32."""
    colour = image.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    stack = np.concatenate([colour, channels, soft_segmentation(image)[None]])
    return torch.from_numpy(stack), torch.from_numpy(mask.astype(np.float32))[None]


class Photos(lightning.LightningDataModule):
    """The scenes of the current epoch, at the size that the curriculum says."""

    def __init__(self, settings: Settings, ready: Path, plates: Path, workers: int):
        super().__init__()
        self.settings, self.ready, self.plates, self.workers = settings, ready, plates, workers

    def train_dataloader(self) -> DataLoader:
        epoch = self.trainer.current_epoch if self.trainer else 0
        size, seed = self.settings.size_at(epoch), self.settings.seed
        scenes = Scenes(self.ready, self.plates, size, epoch, seed)
        return DataLoader(
            scenes,
            self.settings.batch,
            shuffle=True,
            drop_last=True,
            num_workers=self.workers,
            generator=torch.Generator().manual_seed(seed + epoch),
        )

    def val_dataloader(self) -> list[DataLoader]:
        patterns = ("development_*.npz", "held_fashion_*.npz")
        return [
            DataLoader(Unmoved(self.ready, pattern), 8, num_workers=self.workers)
            for pattern in patterns
        ]


class PortraitTask(lightning.LightningModule):
    """PortraitFCN+ learning person probability: cross-entropy and soft IoU, edges counted more."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.save_hyperparameters(asdict(settings))
        self.settings = settings
        self.network = PortraitFCN(settings.channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x[:, : self.settings.channels])

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        x, mask = batch
        logit = self(x.contiguous(memory_format=torch.channels_last)).float()
        loss = portrait_loss(logit, mask)
        self.log_dict({"train_loss": loss, "train_iou": iou(logit, mask).mean()}, prog_bar=True)
        return loss

    def validation_step(
        self, batch: tuple[Tensor, Tensor], _: int, dataloader_idx: int = 0
    ) -> None:
        x, mask = batch
        score = iou(self(x).float(), mask).mean()
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


def portrait_loss(logit: Tensor, mask: Tensor) -> Tensor:
    """Mean binary cross-entropy, edge pixels threefold, plus 1 - soft IoU of each photo.

    logit, mask: (B, 1, H, W); mask within 0..1.
    """
    spread = functional.max_pool2d(mask, 9, 1, 4) + functional.max_pool2d(-mask, 9, 1, 4)
    entropy = functional.binary_cross_entropy_with_logits(logit, mask, weight=1 + 2 * spread)
    probability = logit.sigmoid()
    shared = (probability * mask).sum((1, 2, 3))
    union = (probability + mask - probability * mask).sum((1, 2, 3))
    return entropy + 0.5 * (1 - (shared + 1) / (union + 1)).mean()


def iou(logit: Tensor, mask: Tensor) -> Tensor:
    """Intersection over union of each photo at threshold 0.5; 1 where both are empty."""
    found, true = logit > 0, mask > 0.5
    union = (found | true).sum((1, 2, 3))
    return torch.where(union > 0, (found & true).sum((1, 2, 3)) / union.clamp(min=1), 1.0)


def train_portrait(
    settings: Settings, *, ready: Path, plates: Path, imagenet: Path, run: Path, workers: int
) -> Path:
    """Train, or go on where `run/last.ckpt` stands; returns the checkpoint of averaged weights.

    imagenet: the folded MobileNetV2 weights that the encoder starts from.
    """
    lightning.seed_everything(settings.seed)
    task = PortraitTask(settings)
    last = run / "last.ckpt"
    data = Photos(settings, ready, plates, workers)
    if not last.exists():
        load_imagenet(task.network.encoder, imagenet)
        calibrate(task.network, next(iter(data.train_dataloader()))[0][:, : settings.channels])
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        precision="bf16-mixed",
        logger=CSVLogger(run, name="", version=""),
        callbacks=[
            ModelCheckpoint(run, filename="best", monitor="development_iou", mode="max"),
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
    )
    trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=False)
    return last
