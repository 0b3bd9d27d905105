"""Cut-outs for the scenes of two photos, made once: people with drawn hair, shapes, clothing.

One .npz per cut-out: the colours as JPEG, which is what they are from then on, and alpha as PNG.
`train_*` come from photos that may be trained on, `development_*` from those that choose between
settings; no photo that measures is among them.
"""

from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.image import write_atomic
from deepmasque.portrait.alignment import mean_placement
from deepmasque.training import hair, shapes
from deepmasque.training.eg1800 import read_rgb
from deepmasque.training.garments import garment
from deepmasque.training.hair import Generator, Subject
from deepmasque.training.photos import load as load_photo
from deepmasque.training.plates import training_plates
from deepmasque.training.workers import made

HEIGHT = 672
"""Of photos of people for scenes that the base network learns from."""
SHAPE_SIDE = 512
SMALL = 1.6
"""How much the small cut-outs of `data/cutouts` are enlarged."""
DEVELOPMENT_EVERY = 10
"""Every tenth of these small cut-outs is for development."""
SOURCES = (0.66, 0.16, 0.18)
"""Shares of portraits, whole bodies of the fashion set and small cut-outs among the people."""
HAIRED = 0.9
ROOM = 0.9
"""Head radii of room for hair round a photo."""
GARMENTS = 0.4
"""Share of clothing among what is no person."""
ROUNDED = 0.8
"""Share of the portraits whose shoulders, cut off by the photo's sides, are rounded."""
SURE = 4
"""Pixels of such a photo inside the mask from which on colours are the person's for certain."""
LEAST = 0.01
"""A cut-out that covers less than this share of its frame is drawn again."""


@dataclass(frozen=True)
class Sources:
    """Where cut-outs come from, every list in order of its names, and how tall portraits become."""

    portraits: list[Path]
    bodies: list[Path]
    small: list[Path]
    plates: list[Path]
    height: int


def load(path: Path) -> Subject:
    """Read what `prepare` wrote."""
    with np.load(path) as arrays:
        foreground = cv2.imdecode(arrays["foreground"], cv2.IMREAD_COLOR_RGB)
        alpha = cv2.imdecode(arrays["alpha"], cv2.IMREAD_GRAYSCALE)
    return Subject(foreground, alpha.astype(np.float32) / 255)


def prepare(
    photos: Path,
    data: Path,
    folder: Path,
    seed: int,
    people: int,
    shapes: int,
    workers: int = 1,
    split: str = "train",
    height: int = HEIGHT,
) -> int:
    """Make cut-outs ready, those that are not there yet; returns how many there are.

    photos: of `photos.prepare`. data: the folder with `cutouts/ backgrounds/`. folder: gets
    `SPLIT_person_NNNNN.npz` and `SPLIT_shape_NNNNN.npz`. split: "train" or "development". height:
    pixels of a photo of a person before everything but the person is cut away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = _sources(photos, data, split, height)
    tasks = [(f"{split}_person_{n:05d}", _person) for n in range(people)]
    tasks += [(f"{split}_shape_{n:05d}", _shape) for n in range(shapes)]
    np.random.default_rng(seed).shuffle(tasks)  # a part of them is a fair sample of all
    return made(partial(_write, folder, sources, seed), tasks, workers)


def _sources(photos: Path, data: Path, split: str, height: int) -> Sources:
    bodies = sorted(photos.glob(f"{split}_fashion_*.npz"))
    small = enumerate(sorted((data / "cutouts").glob("*.png")))
    developing = split == "development"
    return Sources(
        portraits=[path for path in sorted(photos.glob(f"{split}_*.npz")) if path not in bodies],
        bodies=bodies,
        small=[path for n, path in small if (n % DEVELOPMENT_EVERY == 0) == developing],
        plates=training_plates(data / "backgrounds"),
        height=height,
    )


def _write(folder: Path, sources: Sources, seed: int, name: str, make) -> bool:
    """Make one cut-out from its name and the seed alone."""
    cv2.setNumThreads(1)
    target = folder / f"{name}.npz"
    if not target.exists():
        subject = make(sources, np.random.default_rng((seed, *name.encode())))
        write_atomic(target, encoded(subject))
    return True


def encoded(subject: Subject) -> bytes:
    """The file of a cut-out, reduced to the rectangle in which anything is seen."""
    subject = trimmed(subject)
    options = [cv2.IMWRITE_JPEG_QUALITY, 95]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    colours = cv2.cvtColor(subject.foreground, cv2.COLOR_RGB2BGR)
    alpha = np.rint(subject.alpha * 255).astype(np.uint8)
    stream = BytesIO()
    np.savez(
        stream,
        foreground=cv2.imencode(".jpg", colours, options)[1],
        alpha=cv2.imencode(".png", alpha, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1],
    )
    return stream.getvalue()


def trimmed(subject: Subject) -> Subject:
    """The cut-out without empty rows and columns round it."""
    seen = subject.alpha >= 0.5 / 255
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return Subject(subject.foreground[part], subject.alpha[part])


def _person(sources: Sources, rng: Generator) -> Subject:
    odds = np.array(SOURCES) * [bool(x) for x in (sources.portraits, sources.bodies, sources.small)]
    kind = rng.choice(3, p=odds / odds.sum())
    paths = (sources.portraits, sources.bodies, sources.small)[kind]
    path = paths[rng.integers(len(paths))]
    if kind == 2:
        return _small(path, rng)
    photo = load_photo(path)
    return person(photo.image, photo.mask, photo.placements[0], rng, sources.height)


def person(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    placement: NDArray[np.float64],
    rng: Generator,
    height: int = HEIGHT,
) -> Subject:
    """The person of a photo with drawn hair, enlarged to a frame of so many pixels' height.

    The masks are binary and off by pixels. What shows is therefore a little smaller than the mask,
    has the soft edge of a lens, and takes its colours from farther inside.

    image: (H, W, 3) uint8. mask: (H, W) uint8, 255 where the person is. placement: (2, 3) of the
    face, photo to reference; with that of the mean face, as if none was found, no hair is drawn.
    """
    found = not np.allclose(placement, mean_placement(*mask.shape))
    scale = height / len(mask)
    size = round(mask.shape[1] * scale), height
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    mask = cv2.GaussianBlur(mask, (0, 0), 2.5 * height / HEIGHT)  # takes the steps off the masks
    unit = height / HEIGHT
    inset, soft = rng.uniform(0.5, 3) * unit, np.exp(rng.uniform(-0.5, 1)) * unit
    depth = _depth(mask)
    alpha = np.clip(0.5 + (depth - inset) / (2 * soft), 0, 1)
    alpha = alpha * alpha * (3 - 2 * alpha)
    if rng.random() < ROUNDED:
        alpha = alpha * _shoulders(alpha, rng)
    sure = np.clip((depth - max(inset + 1.5 * soft, SURE * unit)) / unit, 0, 1).astype(np.float32)
    grain = rng.normal(0, rng.uniform(1, 4), (*image.shape[:2], 1))
    image = np.clip(image + grain, 0, 255).astype(np.uint8)
    inner = hair.subject_of(hair.premultiplied(Subject(image, sure)))
    subject = Subject(inner.foreground, alpha.astype(np.float32))
    if not found or rng.random() > HAIRED:
        return subject
    x, y, radius = (scale * value for value in hair.head_circle(placement))
    subject, left, top = _with_room(subject, round(ROOM * radius), below=y + radius)
    return hair.with_strands(subject, rng, head=(x + left, y + top, radius))


def _with_room(subject: Subject, room: int, below: float) -> tuple[Subject, int, int]:
    """The cut-out with so many empty pixels above and beside it, and those at the left and top.

    None where the photo cuts off the head, which ends at the row `below`: from there no hair grows.
    """
    head = subject.alpha[: max(1, int(below))]
    left, right, top = (
        0 if (side > 0.5).any() else room for side in (head[:, 0], head[:, -1], head[0])
    )
    around = (top, 0), (left, right)
    colours = np.pad(subject.foreground, (*around, (0, 0)), mode="edge")
    return Subject(colours, np.pad(subject.alpha, around)), left, top


def _depth(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Signed pixels from the edge of the mask, positive inside; the photo's sides are no edge."""
    inside = np.pad((mask > 0.5).astype(np.uint8), 1, mode="edge")
    within, without = (
        cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        for side in (inside, 1 - inside)
    )
    return cv2.GaussianBlur(within - without, (0, 0), 1)


def _shoulders(alpha: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """0..1, (h, w): takes away the straight sides where the photo cut off the shoulders."""
    height, width = alpha.shape
    kept = np.ones_like(alpha)
    for mirrored in (False, True):
        view, here = (alpha[:, ::-1], kept[:, ::-1]) if mirrored else (alpha, kept)
        reach = round(rng.uniform(0.05, 0.14) * width)
        if not (view[:, 0] > 0.5).any() or not (view[:, reach] > 0.5).any():
            continue
        top = int(np.argmax(view[:, reach] > 0.5))
        fall = rng.uniform(0.15, 0.45) * height
        t = np.clip((np.arange(height) - top) / fall, 0, 1)
        limit = reach * (1 - np.sqrt(1 - (1 - t) ** 2)) + rng.uniform(3, 12)
        limit += rng.uniform(0, 8) * np.sin(np.arange(height) / rng.uniform(15, 60))
        edge = np.arange(width)[None] - limit[:, None]
        here *= np.clip(0.5 + edge / rng.uniform(1, 4), 0, 1)
    return kept


def _small(path: Path, rng: Generator) -> Subject:
    """A cut-out of a whole person; already soft at its edge."""
    pixels = cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    alpha = pixels[..., 3].astype(np.float32) / 255
    subject = hair.subject_of(hair.premultiplied(Subject(pixels[..., :3], alpha)), alpha)
    size = [round(SMALL * side) for side in alpha.shape[::-1]]
    front = cv2.resize(subject.foreground, size, interpolation=cv2.INTER_CUBIC)
    alpha = np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    grain = rng.normal(0, rng.uniform(1, 4), (*alpha.shape, 1))
    return Subject(np.clip(front + grain, 0, 255).astype(np.uint8), alpha)


def _shape(sources: Sources, rng: Generator) -> Subject:
    """Fur, nets, leaves and the like, or a piece of clothing."""
    texture = read_rgb(sources.plates[rng.integers(len(sources.plates))])
    size = (SHAPE_SIDE, SHAPE_SIDE)
    while True:
        if rng.random() < GARMENTS:
            subject = garment(size, rng, texture)
        else:
            subject = shapes.synthetic_subject(size, rng, texture)
        if subject.alpha.mean() > LEAST:
            return subject
