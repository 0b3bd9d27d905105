"""Training of two-photo matting: the base network first, then both networks together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, WeightAveraging
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deepmasque.errors import SettingsError
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.journal import Journal, Pictures, loggers
from deepmasque.training.plates import training_plates
from deepmasque.training.portrait import averaged, loader_workers
from deepmasque.training.sheets import pixels_of, sheet
from deepmasque.training.subjects import load as load_subject
from deepmasque.training.two_photo_scenes import TRAINING, TRAINING_WIDTH, pair_scene
from deepmasque.two_photo.network import (
    ALPHA,
    ERROR,
    FOREGROUND,
    TwoPhotoNetwork,
    base_input,
    clipped,
    patch_errors,
    resized,
    windows,
    worst,
    worst_patches,
)
from deepmasque.two_photo.patches import CORE

LAST = "last.ckpt"
SHOWN = 6
VISIBLE = 0.01
"""Above this alpha the foreground's colours are learned."""
WITHOUT_PRIOR = 0.35
"""Share of the scenes in which nothing is known of a soft segmentation."""
BY_CHANCE = 0.04
"""Share of all patches that the refinement learns from whatever the base expects of them."""
KEPT_PLATES = 600


@dataclass(frozen=True)
class Settings:
    """What a run is made of; kept in its checkpoint and on its card.

    epochs, samples: scenes in all are epochs x samples. batch: scenes per step. rate: peak of the
    one-cycle schedule. seed: of the weights' start, the order and the scenes. start: a checkpoint
    of another run, or the safetensors of a portrait network whose encoder and decoder the base
    starts from. curriculum: from which share of the epochs on the scenes have which side, and how
    many times smaller the base network sees them; where it is 1 the base learns alone. refined:
    share of the patches that the refinement learns from. development: scenes for the figures that
    are shown during a run.
    """

    epochs: int
    samples: int = 800
    batch: int = 16
    rate: float = 1e-3
    seed: int = 2018
    start: str = ""
    curriculum: tuple[tuple[float, int, float], ...] = ((0.0, 160, 1.0),)
    refined: float = 0.12
    development: int = 64

    def stage_at(self, epoch: int) -> tuple[int, float]:
        """Side of the scenes, and how many times smaller the base sees them, in this epoch."""
        progress = epoch / self.epochs
        return [stage[1:] for stage in self.curriculum if progress >= stage[0]][-1]


BASE = Settings(epochs=40, curriculum=((0.0, 160, 1.0), (0.45, 224, 1.0), (0.8, 288, 1.0)))
JOINT = Settings(
    epochs=36,
    samples=400,
    batch=6,
    rate=1e-3,
    curriculum=((0.0, 512, 2.0), (0.35, 640, 3.0), (0.75, 768, 4.0)),
    refined=0.14,
)
LARGER = replace(
    JOINT, epochs=14, samples=600, rate=4e-4, curriculum=((0.0, 640, 2.0),), refined=0.06
)
"""After joint training, with the base seeing its scenes as large as it sees photos."""
RECIPES = {"base": BASE, "joint": JOINT, "larger": LARGER}


class Scenes(Dataset):
    """Pairs of photos, new ones at every look; the epoch and the index alone decide which."""

    def __init__(self, settings: Settings, subjects: Sequence[Path], plates: Sequence[Path]):
        self.settings, self.subjects, self.plates = settings, subjects, plates
        self.epoch, self.count = 0, settings.samples

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self.settings.seed, self.epoch, index))
        subject, company = (
            load_subject(self.subjects[n]) for n in rng.integers(len(self.subjects), size=2)
        )
        plate = _plate(self.plates[rng.integers(len(self.plates))])
        side, _ = self.settings.stage_at(self.epoch)
        unlike = TRAINING.scaled(max(1, side / TRAINING_WIDTH))
        scene = pair_scene(subject, plate, (side, side), rng, unlike, company)
        known = rng.random() >= WITHOUT_PRIOR
        return as_tensors(scene.image, scene.plate, scene.alpha, scene.foreground, known)


@lru_cache(KEPT_PLATES)
def _plate(path: Path) -> NDArray[np.uint8]:
    return read_rgb(path)


def as_tensors(
    image: NDArray[np.uint8],
    plate: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    foreground: NDArray[np.float32],
    known: bool,
) -> tuple[Tensor, ...]:
    """Photo, plate (3, h, w), soft segmentation (2, h, w), alpha (1, h, w), foreground; 0..1.

    known: whether the soft segmentation is computed, else it is zero.
    """
    prior = np.zeros((2, *alpha.shape), np.float32)
    if known:
        scale = min(1, 256 / max(alpha.shape))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        prior[:] = [cv2.resize(p, alpha.shape[::-1]) for p in soft_segmentation(small)]
    colours = (x.astype(np.float32).transpose(2, 0, 1) / 255 for x in (image, plate, foreground))
    photo, ground, front = (torch.from_numpy(np.ascontiguousarray(x)) for x in colours)
    return photo, ground, torch.from_numpy(prior), torch.from_numpy(alpha)[None], front


class Pairs(lightning.LightningDataModule):
    """The scenes of the current epoch, at the size that the curriculum says."""

    def __init__(self, settings: Settings, subjects: Path, plates: Path, workers: int):
        super().__init__()
        self.settings, self.workers = settings, workers
        self.subjects, self.plates = subjects, training_plates(plates)

    def train_dataloader(self) -> DataLoader:
        scenes = Scenes(self.settings, sorted(self.subjects.glob("train_*.npz")), self.plates)
        # The trainer's own epoch lags behind while a run is taken up again.
        steps = self.trainer.global_step if self.trainer else 0
        scenes.epoch = steps // max(1, len(scenes) // self.settings.batch)
        return DataLoader(
            scenes, self.settings.batch, drop_last=True, **loader_workers(self.workers)
        )

    def val_dataloader(self) -> DataLoader:
        paths = sorted(self.subjects.glob("development_*.npz"))
        end = (0.0, *self.settings.curriculum[-1][1:])
        last = replace(self.settings, seed=0, curriculum=(end,))
        scenes = Scenes(last, paths, self.plates)
        scenes.count = self.settings.development
        return DataLoader(scenes, 4, **loader_workers(self.workers))


class TwoPhotoTask(lightning.LightningModule):
    """Base and refinement network learning alpha, foreground and where they will be wrong."""

    def __init__(self, settings: Settings):
        super().__init__()
        self.save_hyperparameters(asdict(settings))
        self.settings = settings
        self.network = TwoPhotoNetwork()

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        losses, mad = self.losses(batch, self.settings.stage_at(self.scenes_epoch())[1])
        loss = sum(losses.values())
        named = {f"{name}_loss": value for name, value in losses.items()}
        self.log_dict({"train_loss": loss, "train_mad": mad, **named}, prog_bar=True)
        return loss

    def losses(self, batch: tuple[Tensor, ...], smaller: float) -> tuple[dict[str, Tensor], Tensor]:
        """Every loss by name, and how far the base's alpha is off on average.

        batch: stacks of what `as_tensors` gives. smaller: how many times the base sees it reduced.
        """
        photo, plate, prior, alpha, foreground = batch
        planes = self.planes(photo, plate, prior, smaller)
        losses = base_losses(planes, photo, alpha, foreground)
        if smaller > 1:
            errors = patch_errors(planes[:, ERROR].detach(), *photo.shape[2:])
            chosen = learned_from(
                errors, self.settings.refined, self.settings.seed + self.global_step
            )
            refined = self.network.refined(planes, photo, plate, chosen).float()
            losses["refined"] = refined_loss(refined, patch_truth(alpha, foreground, photo, chosen))
        return losses, (planes[:, ALPHA] - resized(alpha, planes.shape[2:])).abs().mean()

    def scenes_epoch(self) -> int:
        """The epoch of the scenes, which a run taken up again knows better than its trainer."""
        return self.global_step // max(1, self.settings.samples // self.settings.batch)

    def planes(self, photo: Tensor, plate: Tensor, prior: Tensor, smaller: float) -> Tensor:
        """The base network's planes, (B, 27, h, w) float32, of the pair reduced so many times."""
        size = [max(32, round(side / smaller / 32) * 32) for side in photo.shape[2:]]
        x = base_input(photo, plate, prior, size)
        return clipped(self.network.base(x.contiguous(memory_format=torch.channels_last)).float())

    def validation_step(self, batch: tuple[Tensor, ...], _: int) -> None:
        photo, plate, prior, alpha, _ = batch
        smaller = self.settings.curriculum[-1][2]
        planes = self.planes(photo, plate, prior, smaller)
        mad = (planes[:, ALPHA] - resized(alpha, planes.shape[2:])).abs().mean()
        self.log("development_base_mad", mad, batch_size=len(photo), prog_bar=True)
        if smaller > 1:
            chosen = worst_patches(planes, photo, self.settings.refined)
            whole = self.network.whole(planes, photo, plate, chosen)
            mad = (whole[:, ALPHA] - alpha).abs().mean()
        self.log("development_mad", mad, batch_size=len(photo), prog_bar=True)

    def configure_optimizers(self) -> dict:
        learning = [each for each in self.parameters() if each.requires_grad]
        optimizer = torch.optim.AdamW(learning, self.settings.rate, weight_decay=1e-2)
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.settings.rate, total_steps=steps, pct_start=0.1
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def base_losses(
    planes: Tensor, photo: Tensor, alpha: Tensor, foreground: Tensor
) -> dict[str, Tensor]:
    """Lin et al. 2021, section 4: alpha and its slopes, visible foreground, expected error.

    planes: (B, 27, h, w), clipped. photo, alpha, foreground: (B, 3 or 1, H, W) in 0..1.
    """
    size = planes.shape[2:]
    small, true, front = (resized(x, size) for x in (photo, alpha, foreground))
    coarse = planes[:, ALPHA]
    off = (coarse - true).abs()
    # What base and truth differ by at the photo's own size is what the refinement could mend.
    missed = resized((resized(coarse, alpha.shape[2:]) - alpha).abs().detach(), size)
    return {
        "alpha": off.mean(),
        "slopes": slope_error(coarse, true),
        "foreground": visible_error(small + planes[:, FOREGROUND] - front, true),
        "error": 4 * (planes[:, ERROR] - missed).square().mean(),
    }


def learned_from(errors: Tensor, share: float, seed: int) -> Tensor:
    """Which patches the refinement learns from, (N, 3) as `worst` gives them: the worst, and some
    by chance, so that it also learns to leave alone.

    errors: (B, rows, columns), expected. share: of all patches.
    """
    dice = torch.Generator().manual_seed(seed)
    lucky = torch.rand(errors.shape, generator=dice).to(errors.device) < BY_CHANCE
    return worst(errors.masked_fill(lucky, 1.0), round(share * errors[0].numel()))


def patch_truth(alpha: Tensor, foreground: Tensor, photo: Tensor, chosen: Tensor) -> Tensor:
    """What `refined_loss` measures the chosen patches by, (N, 7, 16, 16)."""
    return windows(torch.cat([alpha, foreground, photo], 1), chosen, CORE)


def refined_loss(refined: Tensor, truth: Tensor) -> Tensor:
    """Of refined patches (N, 4, 16, 16): alpha, its slopes and visible foreground.

    truth: of `patch_truth`, alpha, foreground and photo in 0..1.
    """
    true, front, pixels = truth.split([1, 3, 3], 1)
    found = clipped(refined, [ALPHA])[:, ALPHA]
    return (
        (found - true).abs().mean()
        + slope_error(found, true)
        + visible_error(pixels + refined[:, FOREGROUND] - front, true)
    )


def slope_error(alpha: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference of the slopes along rows and columns."""
    off = alpha - truth
    return sum(off.diff(dim=axis).abs().mean() for axis in (2, 3))


def visible_error(off: Tensor, alpha: Tensor) -> Tensor:
    """Mean absolute difference of colours (B, 3, h, w) where alpha (B, 1, h, w) lets them be seen.

    off: the difference.
    """
    visible = alpha > VISIBLE
    return (off.abs() * visible).sum() / (3 * visible.sum().clamp(min=1))


class PairSheet:
    """Draws what the networks make of some development scenes, every time the same ones."""

    titles = ("Photo", "Plate", "Soft segmentation", "Base alpha", "Alpha", "Error", "Truth")

    def __init__(self, data: Pairs):
        scenes = data.val_dataloader().dataset
        self.rows = [scenes[index] for index in range(SHOWN)]

    def __call__(self, task: TwoPhotoTask) -> NDArray[np.uint8]:
        return sheet(
            [self._row(task, *(x[None].to(task.device) for x in row)) for row in self.rows]
        )

    def _row(self, task, photo, plate, prior, alpha, _) -> list[NDArray[np.uint8]]:
        with torch.inference_mode():
            planes = task.planes(photo, plate, prior, task.settings.curriculum[-1][2])
            chosen = worst_patches(planes, photo, task.settings.refined)
            whole = task.network.whole(planes, photo, plate, chosen)[:, ALPHA]
        soft = prior.mean(1, keepdim=True)
        shown = (photo, plate, soft, planes[:, ALPHA], whole, 4 * planes[:, ERROR], alpha)
        return [pixels_of(resized(x, photo.shape[2:])[0]) for x in shown]


def trained_weights(checkpoint: Path, part: str = "") -> dict[str, Tensor]:
    """The averaged weights of a run's networks, by their names in TwoPhotoNetwork or its part."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    own = f"network.{part}." if part else "network."
    return {name.removeprefix(own): x for name, x in content.items() if name.startswith(own)}


def take_networks(network: TwoPhotoNetwork, checkpoint: Path) -> None:
    """Take both networks of a run's checkpoint.

    Raises SettingsError if it is not there, or its networks have another form.
    """
    if not checkpoint.is_file():
        raise SettingsError(f"There is no checkpoint {checkpoint} to start from.")
    try:
        network.load_state_dict(trained_weights(checkpoint))
    except RuntimeError as error:
        raise SettingsError(f"{checkpoint} has networks of another form than today's.") from error


def start_from(network: TwoPhotoNetwork, weights: Path) -> None:
    """Begin with the base of another run's checkpoint, or of a portrait network's weights.

    Of the latter's inputs the base has the photo and the soft segmentation; the plate starts at
    zero, and so does what the base has more. The refinement begins anew.
    """
    if weights.suffix == ".ckpt":
        network.base.load_state_dict(trained_weights(weights, "base"))
        return
    from safetensors.torch import load_file

    theirs, first = load_file(weights), "encoder.layers.0.1.weight"
    widened = torch.zeros_like(network.base.encoder.layers[0][1].weight)
    widened[:, :3], widened[:, 6:] = theirs[first][:, :3], theirs[first][:, 6:]
    known = {name: value for name, value in theirs.items() if not name.startswith("score")}
    network.base.load_state_dict(known | {first: widened}, strict=False)


def train_two_photo(
    settings: Settings,
    *,
    subjects: Path,
    plates: Path,
    run: Path,
    workers: int,
    logs: Sequence[str] = (),
) -> Path:
    """Train, or go on where `run/last.ckpt` stands; returns the checkpoint of averaged weights.

    subjects: of `subjects.prepare`. plates: folder of photos without people. logs: of
    journal.LOGGERS, beside the CSV.

    Raises SettingsError if a logger is not there.
    """
    lightning.seed_everything(settings.seed)
    task = TwoPhotoTask(settings)
    if settings.start and not (run / LAST).exists():
        start_from(task.network, Path(settings.start))
    return fit(task, Pairs(settings, subjects, plates, workers), run, logs)


def fit(task: TwoPhotoTask, data: Pairs, run: Path, logs: Sequence[str]) -> Path:
    """Train a task on its scenes, or go on; returns the checkpoint of averaged weights."""
    writers, settings, last = loggers(run, logs), task.settings, run / LAST
    draw = PairSheet(data)
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        precision="bf16-mixed",
        logger=writers,
        callbacks=[
            Pictures(run, draw),
            Journal(run, draw.titles),
            ModelCheckpoint(run, filename="best", monitor="development_mad", mode="min"),
            ModelCheckpoint(
                run, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
            ),
            WeightAveraging(avg_fn=averaged),
            LearningRateMonitor("epoch"),
        ],
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=min(4, settings.epochs),
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        num_sanity_val_steps=0,
    )
    trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=False)
    return last
