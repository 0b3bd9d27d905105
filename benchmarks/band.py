"""How much of the hair lies in the trimap's band, and how large the band is.

    python benchmarks/band.py DATA [--csv FILE]

People of EG1800's development ids, none of them trained on, get drawn hair, whose alpha is known,
and backgrounds that are never trained on. Each scene of 600 x 800 goes the way of the portrait
pipeline up to the trimap. DATA holds eg1800/ and backgrounds/.
"""

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

from deepmasque.compose import estimate_foreground
from deepmasque.engine import portrait_engine
from deepmasque.portrait.alignment import placements
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.segmentation import person_probability
from deepmasque.portrait.trimap import UNKNOWN, from_mask, half_band
from deepmasque.training import hair
from deepmasque.training.eg1800 import EG1800, read_rgb
from deepmasque.training.plates import held_back_plates

SEED = 2018
FRACTIONAL = (0.05, 0.95)
OUTLINE = 3
"""Pixels taken off the labels' outline, which often holds some of the old background."""
WIDEST = 6.0
"""Factor on the band's width up to which an even band is tried."""


@dataclass(frozen=True)
class Scene:
    """A photo (h, w, 3) uint8, its true alpha (h, w), and where strands were drawn, (h, w) bool."""

    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    strands: NDArray[np.bool_]


def main(
    data: Annotated[Path, typer.Argument(help="Folder with eg1800 and backgrounds.")],
    csv: Annotated[Path | None, typer.Option(help="Write a line for every scene and band.")] = None,
    photos: Annotated[int, typer.Option(help="Use only the first so many photos.")] = 1000,
) -> None:
    """Print the table as Markdown."""
    rows = [
        {"scene": number, "band": name, **figures(scene, trimap)}
        for number, scene in enumerate(scenes(data, photos))
        for name, trimap in bands(scene.image).items()
    ]
    table = pd.DataFrame(rows)
    if csv:
        table.to_csv(csv, index=False)
    percent = table.set_index("band").drop(columns="scene") * 100
    means = percent.groupby("band", sort=False).mean()
    lowest = percent["hair inside"].groupby("band", sort=False).quantile(0.05)
    means.insert(2, "hair inside, 5th percentile", lowest)
    print(f"{table['scene'].nunique()} scenes, %, means\n")
    print(f"| band | {' | '.join(means.columns)} |\n|---|{'---:|' * len(means.columns)}")
    for band, row in means.iterrows():
        print(f"| {band} | {' | '.join(f'{value:.1f}' for value in row)} |")


def scenes(data: Path, photos: int) -> Iterator[Scene]:
    """Yield a scene for each photo."""
    portraits, plates = EG1800(data / "eg1800"), held_back_plates(data / "backgrounds")
    ids = portraits.ids("development")[:photos]
    for number, photo in enumerate(track(ids, "Measuring", console=Console(stderr=True))):
        rng = np.random.default_rng((SEED, number))
        plate = read_rgb(plates[rng.integers(len(plates))])
        yield scene(portraits.image(photo), portraits.mask(photo), plate, rng)


def scene(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    plate: NDArray[np.uint8],
    rng: np.random.Generator,
) -> Scene:
    """The person with drawn hair before the plate."""
    mask = cv2.erode(mask, np.ones((OUTLINE, OUTLINE), np.uint8))
    alpha = np.clip(cv2.GaussianBlur(mask, (0, 0), 1).astype(np.float32) / 255, 0, 1)
    head = hair.head_circle(placements(find_faces(image), *mask.shape)[0])
    person = hair.Subject(estimate_foreground(image, alpha), alpha)
    haired = hair.with_strands(person, rng, head=head)
    drawn = hair.composed(haired, plate, rng)
    return Scene(drawn.image, drawn.alpha, haired.alpha > alpha + 0.02)


def bands(image: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Trimaps of the photo."""
    transforms = placements(find_faces(image), *image.shape[:2])
    mask, uncertainty = person_probability(image, transforms, portrait_engine())
    person = (mask > 0.5).astype(np.float32)
    product = from_mask(mask, uncertainty)
    return {
        "10 px on either side": from_mask(person),
        "wider where the mask is unsure": from_mask(mask),
        "wider at hair too (the product)": product,
        "even, of the product's area": even_band(person, (product == UNKNOWN).mean()),
    }


def even_band(person: NDArray[np.float32], area: float) -> NDArray[np.uint8]:
    """The trimap of one width all round whose band has this share of the photo, by bisection."""
    low, high = 0.0, WIDEST
    for _ in range(8):
        middle = (low + high) / 2
        trimap = from_mask(person, width=middle)
        low, high = (low, middle) if (trimap == UNKNOWN).mean() > area else (middle, high)
    return trimap


def figures(scene: Scene, trimap: NDArray[np.uint8]) -> dict[str, float]:
    """Shares of the fractional pixels inside the band, and the band's share of the photo."""
    band = trimap == UNKNOWN
    fractional = (scene.alpha > FRACTIONAL[0]) & (scene.alpha < FRACTIONAL[1])
    from_hair = cv2.distanceTransform((~scene.strands).astype(np.uint8), cv2.DIST_L2, 5)
    bare = from_hair > 2 * half_band(*band.shape)
    of_hair = band[fractional & scene.strands]
    return {
        "fractional pixels inside": band[fractional].mean(),
        "hair inside": of_hair.mean() if of_hair.size else np.nan,
        "band area": band.mean(),
        "band area away from hair": (band & bare).mean(),
    }


if __name__ == "__main__":
    typer.run(main)
