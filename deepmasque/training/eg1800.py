"""The EG1800 set of Shen et al. 2016: 600 x 800 portraits, person masks, 49 facial points."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

DEVELOPMENT_IDS = 86
"""The last ids of train.txt: never trained on, they choose between settings. validation.txt does
not: it is only reported."""


@dataclass(frozen=True)
class EG1800:
    """The folder with `images/ masks/ landmarks49.csv train.txt validation.txt`."""

    folder: Path

    def ids(self, split: str) -> list[str]:
        """Photo ids of "train", "development" or "validation"."""
        if split == "validation":
            return self._listed("validation")
        listed = self._listed("train")
        return listed[-DEVELOPMENT_IDS:] if split == "development" else listed[:-DEVELOPMENT_IDS]

    def _listed(self, name: str) -> list[str]:
        return (self.folder / f"{name}.txt").read_text().split()

    def image(self, photo: str) -> NDArray[np.uint8]:
        """(800, 600, 3) uint8 sRGB."""
        return read_rgb(self.folder / "images" / f"{photo}.jpg")

    def mask(self, photo: str) -> NDArray[np.uint8]:
        """(800, 600) uint8, 255 where the person is."""
        path = self.folder / "masks" / f"{photo}.png"
        return (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127).astype(np.uint8) * 255

    def landmarks(self) -> dict[str, NDArray[np.float32]]:
        """(49, 2) float32 pixels of every photo that has them."""
        table = pd.read_csv(self.folder / "landmarks49.csv", dtype={"id": str}).dropna()
        points = table.drop(columns="id").to_numpy(np.float32).reshape(-1, 49, 2)
        return dict(zip(table["id"], points, strict=True))


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A training photo: (H, W, 3) uint8. These files are trusted; users' go through `image`."""
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
