"""From a ready photo to one training sample: another pose, another place, another light.

Rotations, scales and gammas reach as far as those of Shen et al. 2016, section 5.1.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait.alignment import mean_placement, portrait_channels
from deepmasque.training import hair
from deepmasque.training.photos import Photo
from deepmasque.training.plates import crop_of

REPLACED = 0.4
EMPTY = 0.04
COMPANY = 0.10
OCCLUDED = 0.06
HAIR_REACH = 1 / 64
"""Share of the height that the place of drawn hair goes on beyond the strands."""
VISIBLE = 0.02
"""Alpha that a strand adds at least where it is seen."""
DARK = 0.06
NO_LANDMARKS = 0.10
Generator = np.random.Generator


@dataclass(frozen=True)
class Scene:
    """A composed photo before it becomes tensors.

    image: (h, w, 3) uint8; mask: (h, w) float32 0..1; trusted: (h, w) float32, 0 where the mask
    cannot be believed; transforms: photo-to-reference, leader first; hair: (h, w) bool, where
    person and background mix over more than an edge; None where nobody knows.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.float32]
    trusted: NDArray[np.float32]
    transforms: list[NDArray[np.float64]]
    hair: NDArray[np.bool_] | None


def compose(
    photo: Photo,
    company: Photo,
    plate: NDArray[np.uint8],
    size: tuple[int, int],
    haired: float,
    rng: Generator,
) -> Scene:
    """One scene of size (height, width): the photo moved, at times on another plate, with company,
    or the plate alone. The share `haired` of the scenes has drawn hair.
    """
    height, width = size
    plate = crop_of(plate, size, rng)
    if rng.random() < EMPTY:
        empty = np.zeros(size, np.float32)
        return Scene(plate, empty, empty + 1, [mean_placement(height, width)], empty > 0)
    move = random_move(photo, size, rng)
    mask = _warped(photo.mask, move, size).astype(np.float32) / 255
    trusted = _warped(photo.trusted, move, size).astype(np.float32) / 255
    transforms = _moved(photo.placements, move)
    if rng.random() < haired:
        return _with_hair(photo, move, mask, trusted, transforms, plate, rng)
    if rng.random() < REPLACED:
        image = over(_warped(photo.foreground, move, size), softened(mask, rng), plate)
    else:
        image = _warped(photo.image, move, size)
    scene = Scene(image, mask, trusted, transforms, None)
    if rng.random() < COMPANY:
        scene = with_company(scene, company, rng)
    if rng.random() < OCCLUDED:
        scene = occluded(scene, plate, rng)
    return scene


def _with_hair(photo, move, mask, trusted, transforms, plate, rng) -> Scene:
    """The person with drawn hair before the plate."""
    subject = hair.Subject(_warped(photo.foreground, move, mask.shape), softened(mask, rng))
    haired = hair.with_strands(subject, rng, head=hair.head_circle(transforms[0]))
    scene = hair.composed(haired, plate, rng)
    reach = 2 * round(HAIR_REACH * len(mask)) + 1
    added = (haired.alpha > subject.alpha + VISIBLE).astype(np.uint8)
    grown = cv2.dilate(added, np.ones((reach, reach), np.uint8)) > 0
    return Scene(scene.image, scene.alpha, trusted, transforms, grown)


def with_company(scene: Scene, company: Photo, rng: Generator) -> Scene:
    """A second person, smaller and to one side, behind the first; both are foreground."""
    size = scene.mask.shape
    height, width = company.mask.shape
    scale = size[0] / height * rng.uniform(0.4, 0.9)
    side = rng.choice([rng.uniform(-0.1, 0.2), rng.uniform(0.8, 1.1)])
    left = side * size[1] - width * scale / 2
    move = np.array([[scale, 0, left], [0, scale, size[0] - height * scale]])
    theirs = _warped(company.mask, move, size, cv2.BORDER_CONSTANT).astype(np.float32) / 255
    shown = softened(theirs, rng) * (1 - scene.mask)
    image = over(_warped(company.foreground, move, size), shown, scene.image)
    mask = np.maximum(scene.mask, theirs)
    trusted = np.where(
        shown > 0, _warped(company.trusted, move, size) / np.float32(255), scene.trusted
    )
    return Scene(image, mask, trusted, scene.transforms + _moved(company.placements, move), None)


def occluded(scene: Scene, plate: NDArray[np.uint8], rng: Generator) -> Scene:
    """Something before the person, with the look of the plate; it is not foreground."""
    height, width = scene.mask.shape
    thing = np.zeros(scene.mask.shape, np.float32)
    middle = rng.uniform((0.1, 0.4), (0.9, 1.0)) * (width, height)
    axes = rng.uniform(0.04, 0.22, 2) * height
    cv2.ellipse(thing, (middle, 2 * axes, rng.uniform(0, 180)), 1.0, cv2.FILLED)
    looks = crop_of(plate, scene.mask.shape, rng)
    image = over(looks, softened(thing, rng), scene.image)
    return replace(scene, image=image, mask=scene.mask * (1 - thing))


def relit(image: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """Gamma, gain, colour cast, contrast; at times low light, grey, blur, noise, JPEG."""
    light = image.astype(np.float32) / 255
    if rng.random() < 0.8:
        light = light ** np.exp(rng.uniform(np.log(0.5), np.log(1.6)))
        light *= rng.uniform(0.7, 1.25) * rng.uniform(0.88, 1.12, 3).astype(np.float32)
        light = (light - 0.5) * rng.uniform(0.75, 1.25) + 0.5
    if rng.random() < DARK:
        light *= rng.uniform(0.15, 0.5)
    if rng.random() < 0.08:
        light = np.repeat(light.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < 0.15:
        light = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.25:
        light += rng.normal(0, rng.uniform(0.005, 0.05), light.shape).astype(np.float32)
    pixels = np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
    return pixels


def channels(scene: Scene, rng: Generator) -> NDArray[np.float32]:
    """(3, h, w) portrait channels, for some samples as if no face had been found."""
    height, width = scene.mask.shape
    if rng.random() < NO_LANDMARKS:
        return portrait_channels([mean_placement(height, width)], height, width)
    trembled = [t + t * rng.normal(0, 0.01, t.shape) for t in scene.transforms]
    return portrait_channels(trembled, height, width)


def random_move(photo: Photo, size: tuple[int, int], rng: Generator) -> NDArray[np.float64]:
    """Affine (2, 3) from photo to scene: turned, scaled, shifted, at times mirrored."""
    height, width = photo.mask.shape
    reach = rng.choice([8, 22, 45], p=[0.6, 0.3, 0.1])
    angle = np.deg2rad(rng.uniform(-reach, reach))
    zoom = np.exp(rng.normal(0, 0.2))
    zoom = np.clip(zoom, 0.6, 1.5) * max(size[0] / height, size[1] / width)
    stretch = np.exp(rng.normal(0, 0.05))
    mirror = rng.choice([-1, 1])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([zoom * stretch * mirror, zoom / stretch])
    centre = np.array([size[1], size[0]]) * (0.5 + rng.normal(0, 0.06, 2))
    return np.column_stack([linear, centre - linear @ [width / 2, height / 2]])


def softened(mask: NDArray[np.float32], rng: Generator) -> NDArray[np.float32]:
    """The binary mask with the soft edge of a camera."""
    return cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.3) * mask.shape[0] / 256)


def over(
    foreground: NDArray[np.uint8], alpha: NDArray[np.float32], background: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """alpha * foreground + (1 - alpha) * background."""
    a = alpha[..., None]
    return np.rint(a * foreground + (1 - a) * background).astype(np.uint8)


def _warped(pixels, move, size, border=cv2.BORDER_REPLICATE):
    shrinks = abs(np.linalg.det(move[:, :2])) < 0.3
    if shrinks:
        pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        move = move @ np.diag([2, 2, 1])
    return cv2.warpAffine(pixels, move, size[::-1], flags=cv2.INTER_LINEAR, borderMode=border)


def _moved(transforms: NDArray[np.float64], move: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The placements after the photo was moved: photo-to-reference after scene-to-photo."""
    back = np.vstack([cv2.invertAffineTransform(move), [0, 0, 1]])
    return [transform @ back for transform in transforms]
