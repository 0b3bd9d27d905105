"""Samples through the stages, for the README: `picture.py stages|pairs OUT.jpg`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from deepmasque import composite, matte, matte_two_photo, read_image, samples
from deepmasque.image import encode_jpeg, write_atomic
from deepmasque.portrait.pictures import grey
from deepmasque.two_photo.pictures import expected_error, refined_patches

HEIGHT = 320
SHOWN = ("Landmarks", "PortraitFCN+", "Trimap", "KNN matting")
BACKGROUND = "sunset"
GREEN = "#00b140"


def main() -> None:
    """Write the strips of pictures to the path given."""
    what, out = sys.argv[1:]
    strips = {"stages": stages, "pairs": pairs}[what]()
    width = min(strip.shape[1] for strip in strips)
    write_atomic(Path(out), encode_jpeg(np.vstack([s[:, :width] for s in strips]), quality=88))


def stages() -> list[np.ndarray]:
    """A portrait, from one photo."""
    result = matte(samples.portraits()[0].path)
    done = {stage.name: stage.picture for stage in result.stages}
    background = next(s for s in samples.backgrounds() if s.name == BACKGROUND)
    last = composite(result, read_image(background.path))
    return [strip([result.image, *(done[name] for name in SHOWN), last])]


def pairs() -> list[np.ndarray]:
    """The sample pairs, a row each, cut to the same width a picture."""
    rows = []
    for sample in samples.pairs():
        result = matte_two_photo(sample.path, sample.plate)
        tiles = [
            result.image,
            result.alignment.plate,
            expected_error(result.image, result.error_map),
            refined_patches(result.image, result.refined),
            grey(result.alpha),
            composite(result, GREEN),
        ]
        rows.append(strip([square(tile) for tile in tiles]))
    return rows


def square(tile: np.ndarray) -> np.ndarray:
    """The upper left of a picture, as wide as high."""
    return tile[: min(tile.shape[:2]), : min(tile.shape[:2])]


def strip(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures side by side at one height."""
    scale = [HEIGHT / tile.shape[0] for tile in tiles]
    return np.hstack(
        [
            cv2.resize(tile, None, fx=s, fy=s, interpolation=cv2.INTER_AREA)
            for tile, s in zip(tiles, scale, strict=True)
        ]
    )


if __name__ == "__main__":
    main()
