"""What every way of matting hands out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stage:
    """One finished step of the work.

    Attributes
    ----------
    name: as listed by the pipeline that ran it.
    picture: (h, w, 3) uint8 sRGB, what the step produced, at most 1024 px on the long side.
    seconds: wall-clock time of the step.
    notes: sentences for the user on what was done and found.
    """

    name: str
    picture: NDArray[np.uint8]
    seconds: float
    notes: tuple[str, ...] = ()


OnStage = Callable[[Stage], None]


@dataclass(frozen=True)
class Matte:
    """A photo and its solved matte: image = alpha * foreground + (1 - alpha) * background.

    Attributes
    ----------
    image: (H, W, 3) uint8 sRGB, the photo as it was read.
    alpha: (H, W) float32 in 0..1, the opacity of the subject.
    foreground: (H, W, 3) uint8 sRGB, the subject's own colours without the old background.
    trimap: (H, W) uint8, 0 background, 128 unknown, 255 foreground.
    mask: (H, W) float32 in 0..1, the network's probability of person before any matting.
    uncertainty: (H, W) float32 in 0..1, the network's probability that a pixel shows subject and
        background at once, as hair does.
    stages: every step in order, with picture and time.
    notes: sentences on what did not go as wished, such as a face that was not found.
    device: what ran the networks.
    """

    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    foreground: NDArray[np.uint8]
    trimap: NDArray[np.uint8]
    mask: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]
    device: str


@dataclass
class _Running:
    """What a stage at work leaves for its record."""

    picture: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class StageLog:
    """Times the stages and hands them out as they are done."""

    on_stage: OnStage | None
    done: list[Stage] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[_Running]:
        start, running = time.perf_counter(), _Running()
        yield running
        notes = (*running.warnings, *running.notes)
        stage = Stage(name, running.picture, time.perf_counter() - start, notes)
        self.done.append(stage)
        self.warnings += running.warnings
        if self.on_stage:
            self.on_stage(stage)
