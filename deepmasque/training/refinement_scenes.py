"""Scenes for the residual network: composed, left unknown in part, solved by KNN matting, kept.

One uncompressed .npz per scene. The name tells the source: `hair_*` and `shape_*` come from the
hair generator, `alphamatting_NAME_*` from that photo of alphamatting.com.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import TrimapError
from deepmasque.evaluation import alphamatting
from deepmasque.portrait.knn_matting import solve
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN, from_mask, half_band
from deepmasque.training import hair, shapes
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.photos import load as load_photo
from deepmasque.training.plates import crop_of, training_plates
from deepmasque.training.workers import made

SIDE = 320
"""Of a scene that is cut from a photo of alphamatting.com, or made up."""
LEAST_BAND = 0.04
"""Scenes with a smaller share of unknown pixels are not worth their place."""
PORTRAIT_BANDS = 0.4
"""Share of the scenes whose trimap is made as the portrait pipeline makes it."""
Generator = np.random.Generator


@dataclass(frozen=True)
class Scene:
    """What the residual network learns from.

    Attributes
    ----------
    image: (h, w, 3) uint8. trimap: (h, w) uint8.
    alpha: (h, w) uint8, 255 opaque, as KNN matting solved it; truth: likewise, as it is.
    contrast: (h, w) uint8, mean distance of foreground and background over the channels.
    """

    image: NDArray[np.uint8]
    trimap: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    contrast: NDArray[np.uint8]


def load(path: Path) -> Scene:
    """Read what `prepare` wrote."""
    with np.load(path) as arrays:
        return Scene(**{name: arrays[name] for name in arrays.files})


def prepare(
    data: Path, photos: Path, ready: Path, seed: int, hairy: int, composed: int, workers: int
) -> int:
    """Make scenes ready, those that are not there yet; returns how many there are.

    data: the folder with `alphamatting/ backgrounds/`. photos: of `photos.prepare`. hairy: scenes
    from the hair generator. composed: scenes from every photo of alphamatting.com.
    """
    ready.mkdir(parents=True, exist_ok=True)
    plates = training_plates(data / "backgrounds")
    people = sorted(photos.glob("train_*.npz"))
    tasks: list[tuple[str, Callable[[Generator], Scene | None]]] = []
    for name in alphamatting.names(data / "alphamatting"):
        folder = data / "alphamatting"
        known = {trimap: partial(_taken, folder, name, trimap) for trimap in alphamatting.TRIMAPS}
        new = {f"{n:04d}": partial(_recomposed, folder, name, plates) for n in range(composed)}
        tasks += [(f"alphamatting_{name}_{kind}", make) for kind, make in (known | new).items()]
    for number in range(hairy):
        if number % 4 == 3:
            tasks.append((f"shape_{number:05d}", partial(_shape, plates)))
        else:
            tasks.append((f"hair_{number:05d}", partial(_person, people, plates)))
    np.random.default_rng(seed).shuffle(tasks)  # a part of them is a fair sample of all
    return made(_write, [(ready, name, make, seed) for name, make in tasks], workers)


def _write(ready: Path, name: str, make: Callable[[Generator], Scene | None], seed: int) -> bool:
    """Make one scene from its name and the seed alone."""
    cv2.setNumThreads(1)
    target = ready / f"{name}.npz"
    if target.exists():
        return True
    scene = make(np.random.default_rng((seed, *name.encode())))
    if scene is None:
        return False
    unfinished = ready / f".{name}.npz"
    np.savez(unfinished, **vars(scene))
    unfinished.rename(target)
    return True


def _taken(folder: Path, name: str, trimap: str, rng: Generator) -> Scene | None:
    """A photo of alphamatting.com as it is."""
    photo, foreground = _photo(folder, name)
    return _solved(photo.image, photo.trimaps[trimap], photo.alpha, foreground, photo.image)


def _recomposed(folder: Path, name: str, plates: list[Path], rng: Generator) -> Scene | None:
    """A part of such a photo at another scale, its subject mostly before another background."""
    photo, foreground = _photo(folder, name)
    scale = max(np.exp(rng.uniform(np.log(0.6), np.log(1.5))), SIDE / min(photo.alpha.shape))
    place = _interesting(photo.alpha, scale, rng)
    warp = partial(cv2.warpAffine, M=place, dsize=(SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    pixels = photo.alpha, foreground, photo.image
    if scale < 1:  # warpAffine does not average
        pixels = (cv2.GaussianBlur(x, (0, 0), 0.35 / scale) for x in pixels)
    smooth = cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC
    alpha, front, image = (warp(x, flags=smooth) for x in pixels)
    alpha = np.clip(alpha, 0, 1)
    trimap = random_trimap(alpha, rng)
    if rng.random() < 0.3:
        return _solved(image, trimap, alpha, front, image)
    plate = crop_of(read_rgb(plates[rng.integers(len(plates))]), (SIDE, SIDE), rng)
    front = _recoloured(front, rng) if rng.random() < 0.5 else front
    scene = hair.composed(hair.Subject(front, alpha), plate, rng)
    return _solved(scene.image, trimap, scene.alpha, scene.foreground, scene.background)


def _person(people: list[Path], plates: list[Path], rng: Generator) -> Scene | None:
    """A person with drawn hair."""
    photo = load_photo(people[rng.integers(len(people))])
    alpha = cv2.GaussianBlur(photo.mask, (0, 0), rng.uniform(0.6, 2)).astype(np.float32) / 255
    head = hair.head_circle(photo.placements[0])
    haired = hair.with_strands(hair.Subject(photo.foreground, alpha), rng, head=head)
    plate = read_rgb(plates[rng.integers(len(plates))])
    return _generated(hair.composed(haired, plate, rng), rng)


def _shape(plates: list[Path], rng: Generator) -> Scene | None:
    """Fur, nets, feathers and the like."""
    texture, plate = (read_rgb(plates[n]) for n in rng.integers(len(plates), size=2))
    subject = shapes.synthetic_subject((SIDE, SIDE), rng, texture)
    return _generated(hair.composed(subject, plate, rng), rng)


def _generated(scene: hair.HairScene, rng: Generator) -> Scene | None:
    trimap = random_trimap(scene.alpha, rng)
    return _solved(scene.image, trimap, scene.alpha, scene.foreground, scene.background)


@cache
def _photo(folder: Path, name: str) -> tuple[alphamatting.Photo, NDArray[np.uint8]]:
    photo = alphamatting.read(folder, name)
    return photo, photo.foreground()


def _interesting(alpha: NDArray[np.float32], scale: float, rng: Generator) -> NDArray[np.float64]:
    """A map of the photo to SIDE x SIDE pixels with a fractional pixel in its middle third."""
    ys, xs = np.nonzero((alpha > 0.02) & (alpha < 0.98))
    chosen = rng.integers(len(ys))
    wanted = SIDE * rng.uniform(0.3, 0.7, 2) - scale * np.array([ys[chosen], xs[chosen]])
    y, x = np.clip(wanted, SIDE - scale * np.array(alpha.shape), 0)
    turn = np.array([[scale, 0, x], [0, scale, y]])
    if rng.random() < 0.5:
        turn = np.array([[-1, 0, SIDE - 1], [0, 1, 0]]) @ np.vstack([turn, [0, 0, 1]])
    return turn


def _recoloured(foreground: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    gains = np.exp(rng.normal(0, 0.25, 3))
    return np.clip(foreground * gains, 0, 255).astype(np.uint8)


def random_trimap(alpha: NDArray[np.float32], rng: Generator) -> NDArray[np.uint8]:
    """A trimap as a person might draw it round the true alpha, or as the portrait pipeline does.

    Drawn ones are true: what they call known is known. The pipeline's come from a mask whose
    boundary is a little off, and hair may reach beyond their band.
    """
    if rng.random() < PORTRAIT_BANDS:
        return _portrait_trimap(alpha, rng)
    known = (alpha > 0.99).astype(np.uint8), (alpha < 0.01).astype(np.uint8)
    reach = rng.uniform(1, 22)
    front, back = (
        cv2.erode(side, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)))
        for side, r in zip(
            known, np.rint(reach * rng.uniform(0.5, 1.2, 2)).astype(int), strict=True
        )
    )
    return np.where(front, FOREGROUND, np.where(back, BACKGROUND, UNKNOWN)).astype(np.uint8)


def _portrait_trimap(alpha: NDArray[np.float32], rng: Generator) -> NDArray[np.uint8]:
    height, width = alpha.shape
    sigma = rng.uniform(1, 5)
    soft = cv2.GaussianBlur(alpha, (0, 0), sigma)
    wrong = rng.normal(0, 1, (height // 24 + 1, width // 24 + 1)).astype(np.float32)
    wrong = cv2.resize(wrong, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.clip(soft + rng.uniform(0, 0.25) * wrong * (4 * soft * (1 - soft)), 0, 1)
    reach = rng.uniform(7, 18)  # of photos of half a megapixel to two
    return from_mask(mask.astype(np.float32), width=reach / half_band(height, width))


def _solved(
    image: NDArray[np.uint8],
    trimap: NDArray[np.uint8],
    truth: NDArray[np.float32],
    foreground: NDArray,
    background: NDArray,
) -> Scene | None:
    """The scene with its KNN alpha; None where there is nothing worth solving."""
    if (trimap == UNKNOWN).mean() < LEAST_BAND:
        return None
    try:
        alpha = solve(image, trimap).alpha
    except TrimapError:
        return None
    contrast = np.abs(foreground.astype(np.float32) - background).mean(2)
    return Scene(image, trimap, _bytes(alpha), _bytes(truth), np.rint(contrast).astype(np.uint8))


def _bytes(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(alpha * 255).astype(np.uint8)
