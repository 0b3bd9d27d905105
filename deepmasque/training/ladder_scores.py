"""IoU of every rung of the ladder on every photo, from runs' checkpoints and the whole pipeline."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from deepmasque.errors import TrainingError
from deepmasque.evaluation.metrics import iou
from deepmasque.matte import Matte
from deepmasque.portrait.alignment import placements
from deepmasque.portrait.knn_matting import Solution
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.pipeline import matte
from deepmasque.portrait.segmentation import network_input
from deepmasque.training.eg1800 import EG1800
from deepmasque.training.export import trained_task
from deepmasque.training.ladder import ABLATIONS, LADDER, SHIPPED
from deepmasque.training.portrait import PortraitTask


class View:
    """One photo, (H, W, 3) uint8; what several rungs need of it is computed once."""

    def __init__(self, image: NDArray[np.uint8]):
        self.image = image
        self._inputs: dict[int, NDArray[np.float32]] = {}

    def network_input(self, pixels: int) -> NDArray[np.float32]:
        """All channels, at about so many pixels."""
        if pixels not in self._inputs:
            self._inputs[pixels] = network_input(self.image, self._transforms, pixels=pixels)
        return self._inputs[pixels]

    @cached_property
    def _transforms(self) -> list[NDArray[np.float64]]:
        return placements(find_faces(self.image), *self.image.shape[:2])

    @cached_property
    def matted(self) -> tuple[Matte, Solution]:
        """What the pipeline makes of it, and how its KNN matting was solved."""
        solutions = []
        return matte(self.image, on_solution=solutions.append), *solutions


Mask = Callable[[View], NDArray[np.float32]]
"""The probability of person, (H, W) float32."""


def measure(
    photos: EG1800,
    ids: Iterable[str],
    trained: Path,
    only: tuple[str, ...] = (),
) -> pd.DataFrame:
    """IoU at full size of every rung whose weights are here; runs that still go on are left out.

    trained: the folder of runs, each with last.ckpt. only: keys of rungs; empty for all.
    Returns a row for each photo and a column for each rung, 0..1.

    Raises TrainingError if a rung that was asked for has no weights here.
    """
    rungs = {key: mask for key, mask in _rungs(trained) if not only or key in only}
    if missing := [key for key in only if key not in rungs]:
        raise TrainingError(f"There are no weights of {', '.join(missing)} to measure.")
    scores = {}
    for photo in ids:
        view, person = View(photos.image(photo)), photos.mask(photo) > 0
        scores[photo] = {key: iou(mask(view), person) for key, mask in rungs.items()}
    return pd.DataFrame.from_dict(scores, orient="index")


def _rungs(trained: Path) -> Iterator[tuple[str, Mask]]:
    for rung in (*LADDER, *ABLATIONS):
        checkpoint = trained / rung.key / "last.ckpt"
        if rung.key not in SHIPPED and _finished(checkpoint):
            yield rung.key, _network(trained_task(checkpoint))
    yield "portrait", lambda view: view.matted[0].mask
    yield "knn", lambda view: view.matted[1].alpha
    yield "residual", lambda view: view.matted[0].alpha


def _finished(checkpoint: Path) -> bool:
    if not checkpoint.exists():
        return False
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    whole = content["hyper_parameters"]["epochs"]
    return content.get("epoch", whole) + 1 >= whole


def _network(task: PortraitTask) -> Mask:
    height, width = task.settings.last_size

    def mask(view: View) -> NDArray[np.float32]:
        x = view.network_input(height * width)[task.settings.channels]
        with torch.inference_mode():
            logit = task(torch.from_numpy(x)[None])[0, 0]
        size = view.image.shape[1::-1]
        larger = cv2.resize(logit.numpy(), size, interpolation=cv2.INTER_LINEAR)
        return 1 / (1 + np.exp(-larger))

    return mask
