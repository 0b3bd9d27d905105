"""What the refinement network learns from: patches of scenes as large as photos, made once.

The base stands still, so what the refinement sees of a scene never changes; a step then costs only
what the small network costs.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from deepmasque.errors import SettingsError
from deepmasque.image import write_atomic
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.hair import Generator
from deepmasque.training.plates import training_plates
from deepmasque.training.subjects import load as load_subject
from deepmasque.training.two_photo import (
    LAST,
    WITHOUT_PRIOR,
    Pairs,
    Settings,
    TwoPhotoTask,
    as_tensors,
    fit,
    learned_from,
    patch_truth,
    refined_loss,
    start_from,
    take_networks,
)
from deepmasque.training.two_photo_scenes import (
    REALISTIC,
    TRAINING,
    TRAINING_WIDTH,
    Perturbation,
    detailed,
    pair_scene,
)
from deepmasque.training.workers import made
from deepmasque.two_photo.network import ERROR, TwoPhotoNetwork, patch_errors

SIZES = ((1080, 1920), (1920, 1080), (1200, 1600), (1600, 1200))
"""Of the scenes: height and width."""
LOCKED = replace(REALISTIC, second=TRAINING.second, bystander=TRAINING.bystander)
"""Half of the scenes are as from a tripod, the others as hard as those the base learns from."""
KEPT = 500
"""Patches of a scene, of those in which the base expects to be most wrong."""
NAMES = ("half", "full", "truth")
"""What is kept of a patch: the refinement's inputs, and the truth as `refined_loss` takes it."""
REFINE = Settings(
    epochs=24,
    batch=400,
    rate=2e-3,
    seed=2019,
    curriculum=((0.0, 768, 2.0),),
    refined=0.14,
    development=32,
)
"""The batch counts patches, the curriculum is that of the development scenes."""


def prepare(
    checkpoint: Path,
    subjects: Path,
    plates: Path,
    folder: Path,
    scenes: int,
    seed: int,
    workers: int = 1,
) -> int:
    """Make the patches of scenes ready, those that are not there yet; how many scenes there are.

    checkpoint: of a run whose base the refinement shall follow. subjects: of `subjects.prepare`.
    plates: folder of photos without people. folder: gets `NNNNN.npz`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    people, grounds = sorted(subjects.glob("train_*.npz")), training_plates(plates)
    write = partial(_write, checkpoint, people, grounds, folder, seed)
    return made(write, [(number,) for number in range(scenes)], workers)


def _write(
    checkpoint: Path,
    subjects: list[Path],
    plates: list[Path],
    folder: Path,
    seed: int,
    number: int,
) -> bool:
    """Make one scene from its number and the seed alone."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    target = folder / f"{number:05d}.npz"
    if not target.exists():
        rng = np.random.default_rng((seed, number))
        scene = _scene(subjects, plates, rng)
        patches = _patches(_base_of(checkpoint), scene, rng)
        stream = BytesIO()
        np.savez(stream, **{name: x.half().numpy() for name, x in zip(NAMES, patches, strict=True)})
        write_atomic(target, stream.getvalue())
    return True


def _scene(subjects: list[Path], plates: list[Path], rng: Generator) -> tuple[Tensor, ...]:
    subject, company = (load_subject(subjects[n]) for n in rng.integers(len(subjects), size=2))
    size = SIZES[rng.integers(len(SIZES))]
    plate = detailed(read_rgb(plates[rng.integers(len(plates))]), rng)
    scene = pair_scene(subject, plate, size, rng, _perturbation(size, rng), company)
    known = rng.random() >= WITHOUT_PRIOR
    return as_tensors(scene.image, scene.plate, scene.alpha, scene.foreground, known)


def _perturbation(size: tuple[int, int], rng: Generator) -> Perturbation:
    return LOCKED if rng.random() < 0.5 else TRAINING.scaled(size[1] / TRAINING_WIDTH)


@torch.inference_mode()
def _patches(network: TwoPhotoNetwork, scene: tuple[Tensor, ...], rng: Generator) -> list[Tensor]:
    """What the refinement sees of some patches, twice, and the truth of `refined_loss`."""
    photo, plate, prior, alpha, foreground = (x[None] for x in scene)
    planes = network.planes(photo, plate, prior)
    errors = patch_errors(planes[:, ERROR], *photo.shape[2:])
    chosen = learned_from(errors, REFINE.refined, int(rng.integers(1 << 31)))
    chosen = chosen[torch.from_numpy(rng.permutation(len(chosen))[:KEPT])]
    truth = patch_truth(alpha, foreground, photo, chosen)
    return [*network.seen(planes, photo, plate, chosen), truth]


@cache
def _base_of(checkpoint: Path) -> TwoPhotoNetwork:
    network = TwoPhotoNetwork().eval()
    start_from(network, checkpoint)
    return network


class Patches(Dataset):
    """Every patch of a folder in memory; an index is a list of patches, so a batch."""

    def __init__(self, folder: Path):
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise SettingsError(f"{folder} has no patches: make them with prepare-patches.")
        self.arrays = {name: _joined(files, name) for name in NAMES}

    def __len__(self) -> int:
        return len(self.arrays["truth"])

    def __getitem__(self, which: list[int]) -> tuple[Tensor, ...]:
        places = np.sort(which)
        return tuple(torch.from_numpy(x[places]).float() for x in self.arrays.values())


def _joined(files: Sequence[Path], name: str) -> NDArray[np.float16]:
    return np.concatenate([_read(file, name) for file in files])


def _read(file: Path, name: str) -> NDArray[np.float16]:
    with np.load(file) as arrays:
        return arrays[name]


class ReadyPatches(Pairs):
    """Ready patches to learn from; the development scenes are those of the other recipes."""

    def __init__(
        self, settings: Settings, subjects: Path, plates: Path, patches: Path, workers: int
    ):
        super().__init__(settings, subjects, plates, workers)
        self.patches = Patches(patches)

    def train_dataloader(self) -> DataLoader:
        order = BatchSampler(RandomSampler(self.patches), self.settings.batch, drop_last=True)
        return DataLoader(self.patches, sampler=order, batch_size=None)


class RefinementTask(TwoPhotoTask):
    """The refinement network learning alone, by a base that stands still."""

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.network.base.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> "RefinementTask":
        """As in torch; the batch norms of the base stay as they are."""
        super().train(mode)
        self.network.base.eval()
        return self

    def training_step(self, batch: tuple[Tensor, ...], _: int) -> Tensor:
        half, full, truth = batch
        loss = refined_loss(self.network.refinement(half, full).float(), truth)
        self.log("train_loss", loss, prog_bar=True)
        return loss


def train_refinement(
    settings: Settings,
    *,
    patches: Path,
    subjects: Path,
    plates: Path,
    run: Path,
    workers: int,
    logs: Sequence[str] = (),
) -> Path:
    """Train the refinement of a checkpoint alone, or go on where `run/last.ckpt` stands; returns
    the checkpoint of averaged weights.

    settings: `start` is the checkpoint, with the base that the patches were made with. patches:
    of `prepare`. subjects, plates: for the development scenes, as in `train_two_photo`.

    Raises SettingsError if a logger, the patches or the checkpoint is not there, or its networks
    have another form.
    """
    lightning.seed_everything(settings.seed)
    task = RefinementTask(settings)
    if not (run / LAST).exists():
        take_networks(task.network, Path(settings.start))
    return fit(task, ReadyPatches(settings, subjects, plates, patches, workers), run, logs)
