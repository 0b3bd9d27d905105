"""Sheets of sample predictions: a row for each of the project's portraits, a column a picture."""

from collections.abc import Sequence

import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray

from deepmasque import samples
from deepmasque.image import read_image
from deepmasque.portrait.alignment import placements
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.network import INPUTS
from deepmasque.portrait.pictures import grey
from deepmasque.portrait.segmentation import network_input
from deepmasque.training.recipes import Settings

TILE = 160
"""Pixels of a side of one picture: a sheet of twelve is about 30 kB."""


class PortraitSheet:
    """Draws what a network that is being trained makes of the sample portraits.

    titles: of the columns; the uncertainty is among them where the network tells it.
    """

    def __init__(self, settings: Settings):
        outputs = 2 if settings.network == "PortraitFCN" else 1
        self.titles = ("Photo", "Prior", "Probability", "Unknown")[: 2 + outputs]
        self.settings = settings
        self.photos = [read_image(sample.path) for sample in samples.portraits()]
        self.inputs = [self._input(photo) for photo in self.photos]

    def __call__(self, task: lightning.LightningModule) -> NDArray[np.uint8]:
        rows = zip(self.photos, self.inputs, strict=True)
        return sheet([self._row(task, photo, x) for photo, x in rows])

    def _input(self, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = self.settings.last_size
        transforms = placements(find_faces(photo), *photo.shape[:2])
        return network_input(photo, transforms, pixels=height * width)

    def _row(
        self, task: lightning.LightningModule, photo: NDArray[np.uint8], x: NDArray[np.float32]
    ) -> list[NDArray[np.uint8]]:
        seen = torch.from_numpy(x[self.settings.channels])[None].to(task.device)
        with torch.inference_mode():
            planes = task(seen)[0].sigmoid().float().cpu().numpy()
        prior = x[list(INPUTS["selfie"])][0]
        size = photo.shape[1::-1]
        return [photo, *(grey(cv2.resize(plane, size)) for plane in (prior, *planes))]


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Pictures (H, W, 3) uint8 in rows and columns, each reduced into a square of TILE pixels."""
    return np.vstack([np.hstack([_tile(picture) for picture in row]) for row in rows])


def pixels_of(plane: torch.Tensor) -> NDArray[np.uint8]:
    """A tensor (1 or 3, H, W) in 0..1 as a picture for a sheet, (H, W, 3) uint8."""
    pixels = (255 * plane.float().clamp(0, 1)).round().byte().expand(3, -1, -1)
    return pixels.permute(1, 2, 0).cpu().numpy()


def _tile(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    scale = TILE / max(height, width)
    size = round(width * scale), round(height * scale)
    reduced = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    top, left = (TILE - size[1]) // 2, (TILE - size[0]) // 2
    around = (top, TILE - size[1] - top), (left, TILE - size[0] - left), (0, 0)
    return np.pad(reduced, around)
