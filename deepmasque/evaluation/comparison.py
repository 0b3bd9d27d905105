"""What stands beside our own results: others' cut-outs, and a truth that was given or painted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import ImageError, TrimapError
from deepmasque.evaluation.metrics import METRICS
from deepmasque.image import read_opacity, read_trimap
from deepmasque.portrait.trimap import FOREGROUND, UNKNOWN

Size = tuple[int, int]
"""Height and width, pixels."""


@dataclass(frozen=True)
class Truth:
    """What alphas are measured against: alpha (H, W) float32, and where it counts, (H, W) bool."""

    alpha: NDArray[np.float32]
    region: NDArray[np.bool_] | None = None


def others_alpha(data: bytes, name: str, size: Size, full: Size) -> NDArray[np.float32]:
    """The alpha of a cut-out that somebody else made of the photo.

    data: a picture file with transparency, as large as the photo or as its reduction.
    size: of the reduction that is compared; full: of the photo itself.
    Returns alpha of that `size`, float32 in 0..1. Raises ImageError with a sentence for the user.
    """
    with _called(name):
        pixels = read_opacity(data)
    return _fitting(pixels, name, size, full)


def given_truth(data: bytes, name: str, size: Size, full: Size) -> Truth:
    """A truth from a picture file: its transparency, or where it has none its grey values.

    Arguments, errors and size as for `others_alpha`.
    """
    try:
        pixels = read_opacity(data)
    except ImageError:
        with _called(name):
            pixels = read_trimap(data)
    return Truth(_fitting(pixels, name, size, full))


def painted_truth(trimap: NDArray[np.uint8]) -> Truth:
    """A truth that was painted; what was left unknown does not count.

    trimap: (H, W) uint8. Raises TrimapError where nothing is known.
    """
    known = trimap != UNKNOWN
    if not known.any():
        raise TrimapError("Paint what must stay and what must go: nothing is known yet.")
    return Truth((trimap == FOREGROUND).astype(np.float32), known)


def errors(alpha: NDArray[np.float32], truth: Truth) -> dict[str, float]:
    """Every error of an alpha, (H, W) float32, by its name in `metrics`."""
    return {name: metric(alpha, truth.alpha, truth.region) for name, metric in METRICS.items()}


@contextmanager
def _called(name: str) -> Iterator[None]:
    """Complaints about a file that was uploaded name it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(str(error).replace("The file", name, 1)) from error


def _fitting(pixels: NDArray[np.uint8], name: str, size: Size, full: Size) -> NDArray[np.float32]:
    if pixels.shape not in (size, full):
        height, width = pixels.shape
        raise ImageError(
            f"{name} is {width} × {height} and the photo {full[1]} × {full[0]}: "
            "save it at the photo's size."
        )
    if pixels.shape != size:
        pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    return pixels / np.float32(255)
