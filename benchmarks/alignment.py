"""How well the plate is laid on the photo, where the truth is known.

    python benchmarks/alignment.py DATA [--csv FILE]

A person of EG1800's development ids stands before a plate that is never trained on, 1920 x 1080.
The camera moves, turns and tilts a little between the two photos, the exposure changes, both get
noise. Beside `align` run what Background Matting V2's demo does (ORB, the best 15 % of the matches,
RANSAC) and SIFT with the ratio test and RANSAC, both on full pixels. DATA holds eg1800/ and
backgrounds/.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from deepmasque.training.eg1800 import EG1800, read_rgb
from deepmasque.training.plates import held_back_plates
from deepmasque.two_photo.alignment import align
from deepmasque.two_photo.registration import corners, moved

SEED = 2020
SIZE = 1080, 1920
FAILED = 20.0
"""Pixels of corner error from which an alignment counts as failed."""
SCENES = {
    "tripod": {"shift": 0.0, "turn": 0.0, "tilt": 0.0, "gain": 0.0},
    "exposure ±15 %": {"shift": 0.0, "turn": 0.0, "tilt": 0.0, "gain": 0.15},
    "8 px, 1.5°, ±15 %": {"shift": 8.0, "turn": 1.5, "tilt": 2e-6, "gain": 0.15},
    "40 px, 3°, ±25 %": {"shift": 40.0, "turn": 3.0, "tilt": 1e-5, "gain": 0.25},
}


Way = tuple[NDArray[np.float64], NDArray[np.uint8]]
"""A transform plate -> photo, (3, 3), and the plate laid by it."""


@dataclass(frozen=True)
class Scene:
    """Two photos (1080, 1920, 3) uint8, the true transform plate -> photo, the true alpha."""

    image: NDArray[np.uint8]
    plate: NDArray[np.uint8]
    transform: NDArray[np.float64]
    alpha: NDArray[np.float32]


def main(
    data: Annotated[Path, typer.Argument(help="Folder with eg1800 and backgrounds.")],
    csv: Annotated[Path | None, typer.Option(help="Write a line for every scene and way.")] = None,
    plates: Annotated[int, typer.Option(help="Use only the first so many plates.")] = 1000,
) -> None:
    """Print the table as Markdown."""
    rows = [
        {"scenes": name, "way": way, **figures(scene, function)}
        for name, scene in scenes(data, plates)
        for way, function in WAYS.items()
    ]
    table = pd.DataFrame(rows)
    if csv:
        table.to_csv(csv, index=False)
    groups = table.groupby(["scenes", "way"], sort=False)
    print("| scenes | way | corner error, px: mean | median | 95 % | failed | background, levels |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for (name, way), group in groups:
        error = group["error"]
        print(
            f"| {name} | {way} | {error.clip(upper=FAILED).mean():.2f} | {error.median():.2f} | "
            f"{error.clip(upper=FAILED).quantile(0.95):.2f} | "
            f"{(error >= FAILED).sum()} of {len(error)} | {group['levels'].mean():.2f} |"
        )
    print(f"\nErrors count {FAILED:.0f} px at most. Seconds, median: ", end="")
    print(
        ", ".join(f"{way} {s:.2f}" for way, s in table.groupby("way")["seconds"].median().items())
    )


def scenes(data: Path, plates: int) -> Iterator[tuple[str, Scene]]:
    """Yield every kind of scene before every plate."""
    portraits = EG1800(data / "eg1800")
    people = portraits.ids("development")
    paths = held_back_plates(data / "backgrounds")[:plates]
    for number, path in enumerate(track(paths, "Aligning", console=Console(stderr=True))):
        person = people[number % len(people)]
        image, mask = portraits.image(person), portraits.mask(person)
        for name, camera in SCENES.items():
            rng = np.random.default_rng((SEED, number))
            yield name, scene(image, mask, read_rgb(path), rng, **camera)


def scene(
    person: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    plate: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    shift: float,
    turn: float,
    tilt: float,
    gain: float,
) -> Scene:
    """The person before the plate, as high as the photo, after the camera moved.

    shift: pixels; turn: degrees; tilt: perspective terms; gain: share of exposure, each at most.
    """
    height, width = SIZE
    plate = cv2.resize(plate, (width, height), interpolation=cv2.INTER_CUBIC)
    angle, across, down, *perspective = rng.uniform(-1, 1, 5)
    middle = (width - 1) / 2, (height - 1) / 2
    transform = np.eye(3)
    transform[:2] = cv2.getRotationMatrix2D(middle, angle * turn, 1)
    transform[:2, 2] += np.array([across, down]) * shift
    transform[2, :2] = np.array(perspective) * tilt
    behind = cv2.warpPerspective(
        plate, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    ).astype(np.float32)
    scale = height / person.shape[0]
    wide = round(person.shape[1] * scale)
    left = round((width - wide) * rng.uniform(0.2, 0.8))
    image, alpha = behind.copy(), np.zeros(SIZE, np.float32)
    inside = np.s_[:, left : left + wide]
    alpha[inside] = cv2.resize(mask, (wide, height), interpolation=cv2.INTER_LINEAR) / 255
    over = alpha[inside][..., None]
    image[inside] = over * cv2.resize(person, (wide, height)) + (1 - over) * image[inside]
    gains = 1 + gain * (rng.uniform(-0.8, 0.8) + rng.uniform(-0.2, 0.2, 3))
    return Scene(_noisy(image, rng), _noisy(plate / gains, rng), transform, alpha)


def _noisy(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    noise = rng.normal(0, 2, pixels.shape).astype(np.float32)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def figures(scene: Scene, function) -> dict[str, float]:
    """Mean corner error in pixels, error of the laid plate on the background, seconds."""
    started = time.perf_counter()
    transform, laid = function(scene.image, scene.plate)
    seconds = time.perf_counter() - started
    ends = corners(SIZE)
    error = np.linalg.norm(moved(transform, ends) - moved(scene.transform, ends), axis=1).mean()
    background = scene.alpha == 0
    levels = cv2.absdiff(laid, scene.image)[background].mean()
    return {"error": error, "levels": levels, "seconds": seconds}


def ours(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> Way:
    """What the product does."""
    found = align(image, plate)
    return found.transform, found.plate


def sift(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> Way:
    """SIFT, ratio test, RANSAC, as in OpenCV's tutorial on homographies."""
    detector, matcher = cv2.SIFT_create(), cv2.BFMatcher()
    (ours, of_image), (theirs, of_plate) = (
        detector.detectAndCompute(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), None)
        for pixels in (image, plate)
    )
    pairs = matcher.knnMatch(of_plate, of_image, k=2)
    good = [first for first, second in pairs if first.distance < 0.7 * second.distance]
    return _by_homography(good, ours, theirs, plate, 5.0)


def orb(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> Way:
    """ORB and the best 15 % of all matches, as in the demo of Background Matting V2."""
    detector, matcher = cv2.ORB_create(), cv2.BFMatcher(cv2.NORM_HAMMING)
    (ours, of_image), (theirs, of_plate) = (
        detector.detectAndCompute(p, None) for p in (image, plate)
    )
    if not (len(ours) and len(theirs)):
        return np.eye(3), plate
    matches = sorted(matcher.match(of_plate, of_image), key=lambda match: match.distance)
    return _by_homography(matches[: int(len(matches) * 0.15)], ours, theirs, plate, 3.0)


def _by_homography(matches, ours, theirs, plate, limit):
    """RANSAC's homography and the plate laid by it; both unmoved where there is none."""
    source = np.array([theirs[match.queryIdx].pt for match in matches])
    target = np.array([ours[match.trainIdx].pt for match in matches])
    cv2.setRNGSeed(SEED)
    transform = None
    if len(matches) >= 4:
        transform, _ = cv2.findHomography(source, target, cv2.RANSAC, limit)
    if transform is None:
        return np.eye(3), plate
    return transform, cv2.warpPerspective(
        plate, transform, SIZE[::-1], borderMode=cv2.BORDER_REPLICATE
    )


WAYS = {"align": ours, "SIFT, RANSAC": sift, "ORB, RANSAC (V2)": orb}

if __name__ == "__main__":
    typer.run(main)
