"""How well the portrait pipeline meets person masks: IoU after each stage, on every photo."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepmasque.compose import composite
from deepmasque.evaluation.metrics import iou
from deepmasque.image import encode_jpeg, read_image, read_trimap, write_atomic
from deepmasque.matte import Matte
from deepmasque.portrait.knn_matting import Solution
from deepmasque.portrait.pictures import grey
from deepmasque.portrait.pipeline import matte
from deepmasque.portrait.prior import soft_segmentation

METHODS = {
    "selfie": "MediaPipe selfie segmentation",
    "network": "PortraitFCN+",
    "knn": "PortraitFCN+ and KNN matting",
    "refined": "the same and the residual network",
}
SHEET_BACKGROUND = (0, 160, 80)
SHEET_HEIGHT = 320


def measured(folder: Path, ids: list[str]) -> Iterator[dict[str, object]]:
    """Run the pipeline on `images/ID.jpg` and measure it against `masks/ID.png`, one by one.

    Yields a row per photo: id, faces found, IoU of each of METHODS, seconds of the whole.
    """
    for photo in ids:
        path = folder / "images" / f"{photo}.jpg"
        person = truth(folder, photo)
        solved: list[Solution] = []
        result = matte(path, on_solution=solved.append)
        yield {
            "photo": photo,
            "face": not any("No face was found" in note for note in result.notes),
            "selfie": iou(soft_segmentation(read_image(path))[0], person),
            "network": iou(result.mask, person),
            "knn": iou(solved[0].alpha, person),
            "refined": iou(result.alpha, person),
            "seconds": sum(stage.seconds for stage in result.stages),
        }


def truth(folder: Path, photo: str) -> NDArray[np.bool_]:
    """The person mask of a photo, (H, W) bool."""
    return read_trimap(folder / "masks" / f"{photo}.png") > 127


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean and 5th percentile IoU in % of each method."""
    scores = rows[list(METHODS)] * 100
    table = pd.DataFrame({"mean IoU": scores.mean(), "5th percentile": scores.quantile(0.05)})
    return table.rename(index=METHODS)


def write_contact_sheet(folder: Path, ids: list[str], target: Path) -> None:
    """A JPEG of photo, truth, mask, alpha and composite of each photo, one below the other."""
    strips = [_strip(matte(folder / "images" / f"{photo}.jpg"), folder, photo) for photo in ids]
    widest = max(strip.shape[1] for strip in strips)
    padded = [np.pad(s, ((0, 4), (0, widest - s.shape[1]), (0, 0))) for s in strips]
    write_atomic(target, encode_jpeg(np.vstack(padded)))


def _strip(result: Matte, folder: Path, photo: str) -> NDArray[np.uint8]:
    greys = (truth(folder, photo).astype(np.float32), result.mask, result.alpha)
    tiles = [result.image, *map(grey, greys), composite(result, SHEET_BACKGROUND)]
    height, width = result.image.shape[:2]
    size = (round(width * SHEET_HEIGHT / height), SHEET_HEIGHT)
    return np.hstack([cv2.resize(tile, size, interpolation=cv2.INTER_AREA) for tile in tiles])
