"""A sample through the stages, for the README: `python benchmarks/picture.py OUT.jpg`."""

import sys
from pathlib import Path

import cv2
import numpy as np

from deepmasque import composite, matte, read_image, samples
from deepmasque.image import encode_jpeg, write_atomic

HEIGHT = 320
SHOWN = ("Landmarks", "PortraitFCN+", "Trimap", "KNN matting")
BACKGROUND = "sunset"


def main() -> None:
    """Write the strip of pictures to the path given."""
    result = matte(samples.portraits()[0].path)
    stages = {stage.name: stage.picture for stage in result.stages}
    background = next(s for s in samples.backgrounds() if s.name == BACKGROUND)
    last = composite(result, read_image(background.path))
    tiles = [result.image, *(stages[name] for name in SHOWN), last]
    scale = [HEIGHT / tile.shape[0] for tile in tiles]
    strip = [
        cv2.resize(tile, None, fx=s, fy=s, interpolation=cv2.INTER_AREA)
        for tile, s in zip(tiles, scale, strict=True)
    ]
    write_atomic(Path(sys.argv[1]), encode_jpeg(np.hstack(strip), quality=88))


if __name__ == "__main__":
    main()
