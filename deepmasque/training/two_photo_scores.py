"""Two photos on composites that nothing was trained on, beside the portrait pipeline.

People of eg1800/validation.txt with drawn hair and held-back whole bodies, before held-back plates,
as photos of 1920 x 1080. Every scene is measured twice: with a plate from a tripod, and with one
from the hand: 8 px and 1.5 degrees off, its exposure 15 % off. The photo is the same.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepmasque.evaluation.metrics import conn, grad, mad, mse, sad
from deepmasque.image import encode_jpeg, read_image, read_trimap, write_atomic
from deepmasque.portrait.alignment import placements
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.pictures import grey
from deepmasque.training.eg1800 import EG1800
from deepmasque.training.hair import Subject
from deepmasque.training.photos import HELD_BACK_EVERY
from deepmasque.training.plates import held_back_plates
from deepmasque.training.subjects import person, trimmed
from deepmasque.training.two_photo_scenes import (
    MISALIGNED,
    REALISTIC,
    PairScene,
    detailed,
    pair_scene,
)

SIZE = (1080, 1920)
MARGIN = 64
"""Pixels of the place round the photo: more than MISALIGNED moves a corner."""
BODIES_EVERY = 4
"""Every fourth subject is a whole body of the fashion set."""
ALIGNED, HAND_HELD = "tripod", "hand-held"
TWO_PHOTO, PORTRAIT = "two photos", "portrait pipeline"
ERRORS = ("MAD", "SAD", "MSE", "Grad", "Conn")
GOALS = {"MAD x 1e-3": 6.0, "of the portrait pipeline's": 0.5, "hand-held over tripod": 1.3}
"""The most that each of `shares` may be."""
STRIP_HEIGHT = 216

TwoPhotoMatting = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
"""Photo and plate to alpha."""
PortraitMatting = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Photo to alpha."""


@dataclass(frozen=True)
class HeldBackPair:
    """One photo with two plates; `name` tells subject and place. The photos are the same."""

    name: str
    aligned: PairScene
    hand_held: PairScene


@dataclass(frozen=True)
class Result:
    """What one pair gave: a row for each plate and method, and a strip of pictures."""

    rows: list[dict[str, object]]
    strip: NDArray[np.uint8]


class HeldBackPairs:
    """The pairs by number, each made anew from its number and the seed.

    data: the folder with `eg1800/ fashion/ backgrounds/`.
    """

    def __init__(self, data: Path, seed: int = 2024, size: tuple[int, int] = SIZE):
        self.seed, self.size = seed, size
        rng = np.random.default_rng(seed)
        portraits = EG1800(data / "eg1800")
        bodies = sorted((data / "fashion/images").glob("*.jpg"))[::HELD_BACK_EVERY]
        folder = portraits.folder
        self.portraits = [
            (folder / f"images/{photo}.jpg", folder / f"masks/{photo}.png")
            for photo in rng.permutation(portraits.ids("validation"))
        ]
        self.bodies = [
            (bodies[n], data / f"fashion/masks/{bodies[n].stem}.png")
            for n in rng.permutation(len(bodies))
        ]
        plates = held_back_plates(data / "backgrounds")
        self.plates = [plates[n] for n in rng.permutation(len(plates))]

    def __call__(self, number: int) -> HeldBackPair:
        rng = np.random.default_rng((self.seed, number))
        sources = self.bodies if number % BODIES_EVERY == BODIES_EVERY - 1 else self.portraits
        image, mask = sources[number % len(sources)]
        path = self.plates[number % len(self.plates)]
        subject = _subject(image, mask, self.size[0], rng)
        plate = detailed(read_image(path), rng)
        aligned, hand_held = (
            pair_scene(
                subject,
                plate,
                self.size,
                np.random.default_rng((self.seed, number, 1)),
                perturbation,
                margin=MARGIN,
            )
            for perturbation in (REALISTIC, MISALIGNED)
        )
        return HeldBackPair(f"{image.stem} at {path.stem}", aligned, hand_held)


def _subject(image: Path, mask: Path, height: int, rng: np.random.Generator) -> Subject:
    photo = read_image(image)
    shown = np.where(read_trimap(mask) > 127, 255, 0).astype(np.uint8)
    placement = placements(find_faces(photo), *shown.shape)[0]
    return trimmed(person(photo, shown, placement, rng, height))


def measured(
    pairs: Iterable[HeldBackPair], two_photo: TwoPhotoMatting, portrait: PortraitMatting
) -> Iterator[Result]:
    """Measure both ways of matting on every pair, one by one."""
    for pair in pairs:
        truth = pair.aligned.alpha
        tripod, seconds = _timed(two_photo, pair.aligned.image, pair.aligned.plate)
        held, seconds_held = _timed(two_photo, pair.hand_held.image, pair.hand_held.plate)
        alone, seconds_alone = _timed(portrait, pair.aligned.image)
        solved = (
            (ALIGNED, TWO_PHOTO, tripod, seconds),
            (HAND_HELD, TWO_PHOTO, held, seconds_held),
            (ALIGNED, PORTRAIT, alone, seconds_alone),
        )
        rows = [
            {"pair": pair.name, "plate": plate, "method": method}
            | errors(alpha, truth)
            | {"seconds": took}
            for plate, method, alpha, took in solved
        ]
        photos = pair.aligned.image, pair.hand_held.plate
        yield Result(rows, _strip([*photos, *map(grey, (truth, tripod, held, alone))]))


def errors(alpha: NDArray[np.float32], truth: NDArray[np.float32]) -> dict[str, float]:
    """MAD and MSE x 1e-3 and SAD, Grad, Conn in thousands, over the whole photo."""
    values = (
        1000 * mad(alpha, truth),
        sad(alpha, truth),
        1000 * mse(alpha, truth),
        grad(alpha, truth),
        conn(alpha, truth),
    )
    return dict(zip(ERRORS, values, strict=True))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean errors and median seconds of each method with each plate, and the worst MAD."""
    groups = rows.groupby(["method", "plate"], sort=False)
    table = groups[list(ERRORS)].mean()
    return table.assign(**{"worst MAD": groups["MAD"].max(), "seconds": groups["seconds"].median()})


def shares(rows: pd.DataFrame) -> dict[str, float]:
    """The figures of GOALS."""
    mads = summary(rows)["MAD"]
    tripod = mads[TWO_PHOTO, ALIGNED]
    found = (tripod, tripod / mads[PORTRAIT, ALIGNED], mads[TWO_PHOTO, HAND_HELD] / tripod)
    return dict(zip(GOALS, found, strict=True))


def write_contact_sheet(results: list[Result], target: Path, worst: int = 8) -> None:
    """A JPEG of the pairs with the largest MAD of two photos, the largest first.

    Photo, hand-held plate, truth, alpha with the tripod's plate, with the hand-held one, alpha of
    the portrait pipeline.
    """
    ordered = sorted(results, key=_largest, reverse=True)
    write_atomic(target, encode_jpeg(np.vstack([each.strip for each in ordered[:worst]]), 85))


def _largest(result: Result) -> float:
    return max(row["MAD"] for row in result.rows if row["method"] == TWO_PHOTO)


def _timed(matting, *photos: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    start = perf_counter()
    alpha = matting(*photos)
    return alpha, perf_counter() - start


def _strip(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    height, width = pictures[0].shape[:2]
    size = round(width * STRIP_HEIGHT / height), STRIP_HEIGHT
    return np.hstack([cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in pictures])
