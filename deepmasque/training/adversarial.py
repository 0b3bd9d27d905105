"""Adversarial fine-tuning of two-photo matting on pairs of which nobody knows the matte.

Background Matting V1 (Sengupta et al., Background Matting: The World is Your Green Screen, CVPR
2020, section 3.2): the network that has learned from composites supervises a copy of itself, and a
discriminator that sees the copy's cut-outs before other backgrounds tells whether they look like
photos. Pairs with a matte, where there are some, teach it as composites do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from deepmasque.errors import SettingsError
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.journal import Journal, Pictures, loggers
from deepmasque.training.plates import crop_of, training_plates
from deepmasque.training.portrait import loader_workers
from deepmasque.training.sheets import pixels_of, sheet
from deepmasque.training.shots import Shot, load
from deepmasque.training.two_photo import TwoPhotoTask, slope_error, take_networks, visible_error
from deepmasque.two_photo.network import ALPHA, ERROR, FOREGROUND, worst_patches
from deepmasque.weights import verified

BASE_SIDE = 512
"""Longer side at which the base network sees a picture, much as in use."""
CHANGED = 24
"""Levels by which the photo differs from the plate where the subject probably is."""
OPAQUE = 0.95
"""From this alpha on a re-composite has the photo's own pixels, as in the authors' code."""
STRANGE = 0.5
"""Share of the new backgrounds that come from the folder of plates, where there is one."""
SHOWN = 6


@dataclass(frozen=True)
class Settings:
    """What a run is made of; kept in its checkpoint and on its card.

    The paper has 0.05 for the supervision, and rates of 1e-4 and 1e-5 with a step of the
    discriminator in five. In runs of minutes that discriminator learns nothing, and a quicker one
    soon outweighs the supervision: alpha becomes a haze that looks like a photo before any ground
    (models/runs/two-photo-adversarial). So here the supervision is strong.

    epochs, samples: crops in all are epochs x samples. batch: crops per step. side: most pixels of
    a picture's longer side. crop: side of the crops. rate, discriminator_rate: of Adam.
    discriminator_every: steps of the network for one of the discriminator. supervision: weight of
    what the first network says beside the discriminator's; halved_every: epochs after which it is
    halved each time. alpha, slopes, foreground, composite: weights within the supervision.
    refined: share of the patches that are refined. seed: of the discriminator's start and the
    crops. start: checkpoint of another run; "" for the weights in models/.
    """

    epochs: int = 6
    samples: int = 200
    batch: int = 4
    side: int = 768
    crop: int = 384
    rate: float = 2e-5
    discriminator_rate: float = 1e-4
    discriminator_every: int = 1
    supervision: float = 4.0
    halved_every: int = 2
    alpha: float = 2.0
    slopes: float = 4.0
    foreground: float = 1.0
    composite: float = 1.0
    refined: float = 0.1
    seed: int = 2018
    start: str = ""

    @property
    def smaller(self) -> float:
        """How many times smaller the base network sees the pictures."""
        return max(1.0, self.side / BASE_SIDE)

    def supervision_at(self, epoch: int) -> float:
        """Weight of the first network's supervision in this epoch."""
        return self.supervision * 0.5 ** (epoch // self.halved_every)


FILMED = Settings()
CLIENT = Settings(epochs=20, samples=100, side=1536, crop=768, halved_every=10)
"""Photos are larger than frames, and hair is finer in them."""


def changed(settings: Settings, changes: Sequence[str]) -> Settings:
    """The settings with changes like "rate=1e-4".

    Raises SettingsError for what is no setting or does not fit it.
    """
    kinds = {field.name: field.type for field in fields(Settings) if field.name != "start"}
    for change in changes:
        name, _, value = change.partition("=")
        if name not in kinds:
            raise SettingsError(f"There is no setting {name}; there are {', '.join(kinds)}.")
        try:
            number = kinds[name](value)
        except ValueError as error:
            kind = "a whole number" if kinds[name] is int else "a number"
            raise SettingsError(f"{change} does not fit: {name} is {kind}.") from error
        if not 0 <= number < np.inf or (number == 0 and kinds[name] is int and name != "seed"):
            raise SettingsError(f"{change} does not fit: {name} is larger than that.")
        settings = replace(settings, **{name: number})
    return settings


class Discriminator(nn.Module):
    """Tells photos from composites, patch by patch (PatchGAN, Isola et al. 2017, but smaller).

    forward: (B, 3, H, W) in 0..1 to (B, 1, h, w), 1 for a photo and 0 for a composite.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 4, 2, 1),
            nn.LeakyReLU(0.2),
            *(part for width in (32, 64) for part in _halved(width)),
            nn.Conv2d(128, 1, 4, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x * 2 - 1)


def _halved(width: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(width, 2 * width, 4, 2, 1)
    return convolution, nn.InstanceNorm2d(2 * width, affine=True), nn.LeakyReLU(0.2)


class Batch(NamedTuple):
    """Crops as the networks see them, everything in 0..1.

    photo, plate (B, 3, h, w), prior (B, 2, h, w), alpha (B, 1, h, w), foreground (B, 3, h, w); the
    background of the re-composite (B, 3, h, w); and (B,) bool, of which crops alpha is known.
    """

    photo: Tensor
    plate: Tensor
    prior: Tensor
    alpha: Tensor
    foreground: Tensor
    elsewhere: Tensor
    known: Tensor

    def of(self, which: Tensor) -> "Batch":
        """The crops for which (B,) bool is true."""
        return Batch(*(x[which] for x in self))


class Crops(Dataset):
    """Crops that show the subject, new ones at every look; epoch and index alone decide which."""

    def __init__(self, settings: Settings, shots: Sequence[Path], plates: Sequence[Path]):
        self.settings, self.shots, self.plates = settings, shots, plates
        self.epoch = 0

    def __len__(self) -> int:
        return self.settings.samples

    def __getitem__(self, index: int) -> Batch:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.settings.seed, self.epoch, index))
        shot = load(self.shots[rng.integers(len(self.shots))])
        ys, xs = np.nonzero(difference(shot) > CHANGED)
        centre = np.array(shot.image.shape[:2]) / 2
        if len(ys):
            chosen = rng.integers(len(ys))
            centre = np.array([ys[chosen], xs[chosen]])
        centre = centre + rng.uniform(-0.3, 0.3, 2) * self.settings.crop
        elsewhere = crop_of(self._ground(rng), (self.settings.crop,) * 2, rng)
        return as_tensors(shot, self.settings.crop, centre, elsewhere, rng.random() < 0.5)

    def _ground(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        if self.plates and rng.random() < STRANGE:
            return read_rgb(self.plates[rng.integers(len(self.plates))])
        return load(self.shots[rng.integers(len(self.shots))]).plate


class Unmoved(Dataset):
    """One crop of each shot, always the same, round the middle of what has changed."""

    def __init__(self, settings: Settings, shots: Sequence[Path]):
        self.settings, self.shots = settings, shots

    def __len__(self) -> int:
        return len(self.shots)

    def __getitem__(self, index: int) -> Batch:
        shot = load(self.shots[index])
        places = np.nonzero(difference(shot) > CHANGED)
        centre = np.array(shot.image.shape[:2]) / 2
        if len(places[0]):
            centre = np.median(places, axis=1)
        elsewhere = np.zeros((self.settings.crop, self.settings.crop, 3), np.uint8)
        return as_tensors(shot, self.settings.crop, centre, elsewhere, mirrored=False)


def difference(shot: Shot) -> NDArray[np.uint8]:
    """(h, w) uint8: by how many levels photo and plate differ, without noise and fine edges."""
    return cv2.blur(cv2.absdiff(shot.image, shot.plate), (9, 9)).max(axis=2)


def as_tensors(
    shot: Shot,
    crop: int,
    centre: NDArray[np.float64],
    elsewhere: NDArray[np.uint8],
    mirrored: bool,
) -> Batch:
    """A crop of a shot round a place (row, column), inside the shot as far as it is large enough.

    elsewhere: (crop, crop, 3) uint8. The stacks of the result have no batch dimension.
    """
    height, width = shot.image.shape[:2]
    known = shot.alpha is not None
    prior = [cv2.resize(plane, (width, height)) for plane in shot.prior]
    nothing = np.zeros((height, width), np.uint8)
    alpha = shot.alpha if known else nothing
    foreground = shot.foreground if known else shot.image
    planes = np.dstack([shot.image, shot.plate, *prior, alpha, foreground])
    corner = np.clip(centre - crop / 2, 0, [max(0, side - crop) for side in (height, width)])
    top, left = corner.astype(int)
    planes = planes[top : top + crop, left : left + crop]
    missing = [(0, crop - side) for side in planes.shape[:2]]
    planes = np.pad(planes, (*missing, (0, 0)), "edge")
    planes = np.dstack([planes[:, ::-1] if mirrored else planes, elsewhere])
    x = torch.from_numpy(planes.transpose(2, 0, 1).astype(np.float32) / 255)
    return Batch(*x.split([3, 3, 2, 1, 3, 3]), torch.tensor(known))


class Shots(lightning.LightningDataModule):
    """The shots of a folder: to train on, held back, and held back with nobody in them."""

    def __init__(self, settings: Settings, folder: Path, plates: Sequence[Path], workers: int):
        super().__init__()
        self.settings, self.workers, self.plates = settings, workers, plates
        self.train, self.development, self.empty = (
            sorted(folder.glob(f"{split}_*.npz")) for split in ("train", "development", "empty")
        )

    def train_dataloader(self) -> DataLoader:
        crops = Crops(self.settings, self.train, self.plates)
        crops.epoch = self.trainer.lightning_module.epochs_done.item()
        return DataLoader(
            crops, self.settings.batch, drop_last=True, **loader_workers(self.workers)
        )

    def val_dataloader(self) -> list[DataLoader]:
        parts = (self.development, self.empty)
        return [DataLoader(Unmoved(self.settings, part), SHOWN) for part in parts]


class AdversarialTask(TwoPhotoTask):
    """A two-photo network, the first network that supervises it, and the discriminator."""

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.automatic_optimization = False
        self.first = TwoPhotoTask(settings).requires_grad_(False)
        self.discriminator = Discriminator()
        # The trainer's own count lags behind while a run is taken up again.
        self.register_buffer("epochs_done", torch.tensor(0))

    def on_train_epoch_start(self) -> None:
        """The first network never trains; nor do statistics, which few pictures would spoil."""
        self.first.eval()
        for part in self.network.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()

    def begin(self, start: str) -> None:
        """Take the weights of another run's checkpoint, or those in models/ for "".

        Raises SettingsError or WeightsError if they are not there or have another form.
        """
        if not start:
            for name, part in self.network.named_children():
                part.load_state_dict(load_file(verified(f"two_photo_{name}.safetensors")))
        else:
            take_networks(self.network, Path(start))
        self.first.network.load_state_dict(self.network.state_dict())

    def training_step(self, batch: Batch, index: int) -> None:
        batch = Batch(*batch)
        network, discriminator = self.optimizers()
        losses, figures = {}, {}
        if batch.known.any():
            labelled = batch.of(batch.known)
            told, figures["train_mad"] = self.losses(labelled[:5], self.settings.smaller)
            losses |= {f"labelled_{name}": value for name, value in told.items()}
        unlabelled = batch.of(~batch.known)
        if len(unlabelled.photo):
            self.discriminator.requires_grad_(False)
            supervised, composite = self.unlabelled_losses(unlabelled)
            losses |= supervised
            losses["generator"] = (self.discriminator(composite).float() - 1).square().mean()
            self.discriminator.requires_grad_(True)
        loss = sum(losses.values())
        self._step(network, loss)
        if len(unlabelled.photo):
            real, fake = (
                self.discriminator(x).float() for x in (unlabelled.photo, composite.detach())
            )
            told = ((real - 1).square().mean() + fake.square().mean()) / 2
            if index % self.settings.discriminator_every == 0:
                self._step(discriminator, told)
            figures |= {"photo_score": real.mean(), "composite_score": fake.mean()}
            figures["discriminator_loss"] = told
        named = {f"{name}_loss": value for name, value in losses.items()}
        self.log_dict({"train_loss": loss} | figures | named)

    def _step(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        self.clip_gradients(optimizer, 1.0, "norm")
        optimizer.step()

    def unlabelled_losses(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """What the first network has to say, by name, and the re-composite (B, 3, h, w)."""
        planes, whole = self.matted(self, batch)
        with torch.no_grad():
            first_planes, first = self.matted(self.first, batch)
        weight, settings = self.settings.supervision_at(int(self.epochs_done)), self.settings
        alpha, foreground = whole[:, ALPHA], whole[:, FOREGROUND]
        apart = foreground - first[:, FOREGROUND]
        again = composed(alpha, foreground, batch.plate)
        losses = {
            "alpha": weight * settings.alpha * (alpha - first[:, ALPHA]).abs().mean(),
            "slopes": weight * settings.slopes * slope_error(alpha, first[:, ALPHA]),
            "foreground": weight * settings.foreground * visible_error(apart, first[:, ALPHA]),
            "composite": weight * settings.composite * (again - batch.photo).abs().mean(),
            # The discriminator knows nothing of errors: the first network's expectation stays.
            "error": 4 * (planes[:, ERROR] - first_planes[:, ERROR]).square().mean(),
        }
        front = torch.where(alpha > OPAQUE, batch.photo, foreground)
        return losses, composed(alpha, front, batch.elsewhere)

    def matted(self, task: TwoPhotoTask, batch: Batch) -> tuple[Tensor, Tensor]:
        """The base's planes (B, 27, ...), and alpha and foreground (B, 4, h, w), by a task."""
        photo, plate, prior, *_ = batch
        planes = task.planes(photo, plate, prior, self.settings.smaller)
        chosen = worst_patches(planes.detach(), photo, self.settings.refined)
        return planes, task.network.whole(planes, photo, plate, chosen).float()

    def validation_step(self, batch: Batch, _: int, dataloader_idx: int = 0) -> None:
        batch = Batch(*batch)
        alpha = self.matted(self, batch)[1][:, ALPHA]
        first = self.matted(self.first, batch)[1][:, ALPHA]
        if dataloader_idx:
            self._look("development_empty_mad", alpha, batch.alpha)
            return
        for which, name in ((batch.known, "development_mad"), (~batch.known, "development_apart")):
            truth = torch.where(batch.known[:, None, None, None], batch.alpha, first)
            if which.any():
                self._look(name, alpha[which], truth[which])

    def _look(self, name: str, alpha: Tensor, truth: Tensor) -> None:
        off = (alpha - truth).abs().mean()
        self.log(name, off, batch_size=len(alpha), add_dataloader_idx=False)

    def on_train_epoch_end(self) -> None:
        self.epochs_done += 1

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(self.network.parameters(), self.settings.rate),
            torch.optim.Adam(self.discriminator.parameters(), self.settings.discriminator_rate),
        ]


def composed(alpha: Tensor, foreground: Tensor, ground: Tensor) -> Tensor:
    """The composite (B, 3, h, w) of what is (B, 1, h, w) opaque before a ground."""
    return alpha * foreground + (1 - alpha) * ground


class ShotSheet:
    """Draws what the networks make of some shots, every time the same ones."""

    titles = (
        "Photo",
        "Soft segmentation",
        "Predicted alpha",
        "Supervising alpha",
        "Foreground",
    )

    def __init__(self, data: Shots):
        shots = data.development or data.train
        places = np.linspace(0, len(shots) - 1, min(SHOWN, len(shots))).round().astype(int)
        crops = Unmoved(data.settings, [shots[place] for place in places])
        self.batch = Batch(*map(torch.stack, zip(*crops, strict=True)))

    def __call__(self, task: AdversarialTask) -> NDArray[np.uint8]:
        batch = Batch(*(x.to(task.device) for x in self.batch))
        with torch.inference_mode():
            _, whole = task.matted(task, batch)
            _, first = task.matted(task.first, batch)
        alpha, foreground = whole[:, ALPHA], whole[:, FOREGROUND]
        known = batch.known[:, None, None, None]
        supervising = torch.where(known, batch.alpha, first[:, ALPHA])
        soft = batch.prior.mean(1, keepdim=True)
        columns = (batch.photo, soft, alpha, supervising, alpha * foreground)
        return sheet([[pixels_of(x) for x in row] for row in zip(*columns, strict=True)])


def tune(
    settings: Settings,
    *,
    shots: Path,
    run: Path,
    plates: Path | None = None,
    workers: int = 0,
    logs: Sequence[str] = (),
) -> Path:
    """Tune the networks, or go on where `run/last.ckpt` stands; returns that checkpoint.

    shots: folder that `shots.write` filled. plates: folder of photos without people, further
    backgrounds of the re-composites. logs: of journal.LOGGERS, beside the CSV.

    Raises SettingsError if a logger, a checkpoint or anything to train on is not there.
    """
    writers = loggers(run, logs)
    lightning.seed_everything(settings.seed)
    data = Shots(settings, shots, training_plates(plates) if plates else [], workers)
    if not data.train:
        raise SettingsError(f"{shots} holds nothing to train on: no frame shows anybody.")
    if settings.samples < settings.batch:
        raise SettingsError("An epoch must have at least as many samples as a batch.")
    task, last = AdversarialTask(settings), run / "last.ckpt"
    draw = ShotSheet(data)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        precision="bf16-mixed",
        logger=writers,
        callbacks=[
            Pictures(run, draw),
            Journal(run, draw.titles),
            ModelCheckpoint(
                run, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
            ),
        ],
        reload_dataloaders_every_n_epochs=1,
        log_every_n_steps=min(5, settings.samples // settings.batch),
        num_sanity_val_steps=0,
    )
    if not last.exists():
        task.begin(settings.start)
        trainer.validate(task, data, verbose=False)
    trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=False)
    return last
