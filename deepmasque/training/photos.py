"""Training photos made ready: reduced, with foreground colours and the placement of every face.

One uncompressed .npz per photo, so that a training run reads, warps and never decodes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from deepmasque.compose import estimate_foreground
from deepmasque.portrait.alignment import placements, scaled
from deepmasque.portrait.landmarks import find_faces
from deepmasque.training.eg1800 import EG1800, read_rgb
from deepmasque.training.labels import Witnesses

READY_HEIGHT = 512
HELD_BACK_EVERY = 5
"""Every fifth photo of the fashion set is never trained on: it measures photos unlike EG1800."""


@dataclass(frozen=True)
class Photo:
    """One training photo.

    Attributes
    ----------
    image, foreground: (H, W, 3) uint8 sRGB.
    mask: (H, W) uint8, 255 where a person is.
    trusted: (H, W) uint8, 255 where the mask can be believed.
    placements: (faces, 2, 3) float64, photo to reference, pixels of this size; the leader first.
        Without a face the mean placement.
    """

    image: NDArray[np.uint8]
    foreground: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    trusted: NDArray[np.uint8]
    placements: NDArray[np.float64]


def load(path: Path) -> Photo:
    """Read what `prepare` wrote."""
    with np.load(path) as arrays:
        return Photo(**{name: arrays[name] for name in arrays.files})


def prepare(data: Path, ready: Path) -> None:
    """Make every photo of `data/eg1800` (train.txt) and `data/fashion` ready; skips what is.

    data: the folder with `eg1800/ fashion/`. ready: where the .npz files go.
    """
    ready.mkdir(parents=True, exist_ok=True)
    witnesses = Witnesses()
    for name, image, mask in track(list(_sources(data)), "Making photos ready"):
        target = ready / f"{name}.npz"
        if not target.exists():
            person = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE) > 127
            photo = make_ready(read_rgb(image), person, witnesses)
            partial = target.with_suffix(".part.npz")
            np.savez(partial, **vars(photo))
            partial.rename(target)


def make_ready(image: NDArray[np.uint8], person: NDArray[np.bool_], witnesses: Witnesses) -> Photo:
    """image: (H, W, 3) uint8; person: (H, W) bool. Landmarks are found at full size."""
    height, width = image.shape[:2]
    scale = READY_HEIGHT / height
    size = (round(width * scale), READY_HEIGHT)
    found = placements(find_faces(image), height, width)
    factors = size[0] / width, size[1] / height
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(person.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
    return Photo(
        image=image,
        foreground=estimate_foreground(image, alpha),
        mask=mask,
        trusted=witnesses.trusted(image, mask),
        placements=np.stack([scaled(transform, *factors) for transform in found]),
    )


def _sources(data: Path) -> Iterator[tuple[str, Path, Path]]:
    portraits = EG1800(data / "eg1800")
    for split in ("train", "development"):
        for photo in portraits.ids(split):
            folder = portraits.folder
            yield f"{split}_{photo}", folder / f"images/{photo}.jpg", folder / f"masks/{photo}.png"
    for index, image in enumerate(sorted((data / "fashion/images").glob("*.jpg"))):
        split = "held" if index % HELD_BACK_EVERY == 0 else "train"
        yield f"{split}_fashion_{image.stem}", image, data / f"fashion/masks/{image.stem}.png"
