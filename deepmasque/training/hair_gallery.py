"""The picture by which drawn hair and fur are judged: photo, alpha, foreground, on green."""

from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque import matte, read_image, samples
from deepmasque.portrait.alignment import placements
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.pictures import grey
from deepmasque.training import hair
from deepmasque.training.photos import load
from deepmasque.training.plates import held_back_plates
from deepmasque.training.shapes import synthetic_subject

TILE = 180
GREEN = (30, 170, 80)
COLUMNS = 6
AROUND = 2.1
"""Half the side of what is shown of a person, in radii of the head."""
Head = tuple[float, float, float]


def sample_gallery(seed: int) -> NDArray[np.uint8]:
    """Drawn hair on a sample portrait before sample backgrounds: these may be published."""
    cut = matte(samples.portraits()[0].path)
    placement = placements(find_faces(cut.image), *cut.alpha.shape)[0]
    person = hair.Subject(cut.foreground, cut.alpha), hair.head_circle(placement)
    return _gallery(COLUMNS * [person], [sample.path for sample in samples.backgrounds()], seed)


def photo_gallery(ready: Path, plates: Path, seed: int) -> NDArray[np.uint8]:
    """Drawn hair on ready photos of the development set before plates never trained on."""
    photos = sorted(ready.glob("development_*.npz"))
    people = []
    for path in np.random.default_rng(seed).choice(photos, COLUMNS, replace=False):
        photo = load(path)
        alpha = cv2.GaussianBlur(photo.mask, (0, 0), 1).astype(np.float32) / 255
        people.append(
            (hair.Subject(photo.foreground, alpha), hair.head_circle(photo.placements[0]))
        )
    return _gallery(people, held_back_plates(plates), seed)


def _gallery(
    people: Iterable[tuple[hair.Subject, Head]], plates: list[Path], seed: int
) -> NDArray[np.uint8]:
    """(8 TILE, COLUMNS TILE, 3) uint8: people above, shapes below."""
    rng = np.random.default_rng(seed)
    subjects = [_with_hair(subject, head, rng) for subject, head in people]
    subjects += [synthetic_subject((TILE, TILE), rng) for _ in range(COLUMNS)]
    grounds = [plates[index] for index in rng.permutation(len(plates))]
    columns = [
        _column(hair.composed(subject, read_image(ground), rng))
        for subject, ground in zip(subjects, cycle(grounds), strict=False)
    ]
    return np.vstack([np.hstack(columns[:COLUMNS]), np.hstack(columns[COLUMNS:])])


def _with_hair(subject: hair.Subject, head: Head, rng: np.random.Generator) -> hair.Subject:
    """The head and its surroundings, (TILE, TILE), with drawn hair."""
    x, y, radius = head
    height, width = subject.alpha.shape
    side = int(min(2 * AROUND * radius, height, width))
    left = int(np.clip(x - side / 2, 0, width - side))
    top = int(np.clip(y - side / 2, 0, height - side))
    foreground, alpha = (
        cv2.resize(
            plane[top : top + side, left : left + side], (TILE, TILE), interpolation=cv2.INTER_AREA
        )
        for plane in (subject.foreground, subject.alpha)
    )
    scale = TILE / side
    head = ((x - left) * scale, (y - top) * scale, radius * scale)
    return hair.with_strands(hair.Subject(foreground, alpha), rng, head=head)


def _column(scene: hair.HairScene) -> NDArray[np.uint8]:
    green = np.broadcast_to(np.float32(GREEN), scene.foreground.shape)
    floats = scene.foreground, hair.blend(scene.alpha, scene.foreground, green)
    foreground, on_green = (np.rint(np.clip(plane, 0, 255)).astype(np.uint8) for plane in floats)
    return np.vstack([scene.image, grey(scene.alpha), foreground, on_green])
