"""Subjects that are no people, with exact alpha: fur, plants, nets, feathers, weaves, veils.

They stand for what makes matting hard: thin things, holes, see-through and soft edges.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.training.hair import (
    FINE,
    FRIZZ,
    FUR,
    SHIFT,
    SPIKES,
    STUBBLE,
    Generator,
    Layer,
    Subject,
    furred,
    over,
    premultiplied,
    reduced,
    subject_of,
)
from deepmasque.training.plates import crop_of

Points = NDArray[np.floating]
Colour = NDArray[np.floating]
BARK, LEAF = (92, 64, 40), (78, 104, 44)


def synthetic_subject(
    size: tuple[int, int], rng: Generator, texture: NDArray[np.uint8] | None = None
) -> Subject:
    """A subject of size (height, width), sharp or out of focus, in whole or in part.

    texture: (H, W, 3) uint8, a picture that surfaces may be cut from.
    """
    odds, makers = zip(*KINDS, strict=True)
    maker = makers[rng.choice(len(makers), p=odds)]
    layer = maker(size, rng, texture)
    if rng.random() < 0.3:
        layer = _out_of_focus(layer, rng)
    return subject_of(layer)


def _toy(size, rng, texture) -> Layer:
    """Round bodies with fur."""
    layer = _body(size, rng, texture)
    style = (FUR, FUR, FRIZZ, SPIKES, STUBBLE)[rng.integers(5)]
    if rng.random() < 0.6:
        style = replace(style, depth=(0.1, 0.5))
        layer[..., :3] *= rng.uniform(0.5, 1)
    return furred(layer, _unit(size), style, rng.integers(1, 4), rng)


def _tuft(size, rng, texture) -> Layer:
    """A small body with long strands: a thistle, a brush, a doll's hair."""
    layer = _body(size, rng, texture, bodies=1, reach=(0.12, 0.25))
    style = replace(SPIKES, clumps=(20, 60), length=(0.4, 1.4), depth=(0.1, 0.4))
    return furred(layer, _unit(size), style, rng.integers(1, 4), rng)


def _plant(size, rng, texture) -> Layer:
    """Stalks that branch, with leaves."""
    sheet = Sheet(size)
    height, width = size
    bark = np.clip(np.array(BARK) * np.exp(rng.normal(0, 0.3, 3)), 0, 255)
    green = np.clip(np.array(LEAF) * np.exp(rng.normal(0, 0.35, 3)), 0, 255)
    leafy, slim = rng.uniform(0, 1), rng.uniform(0.12, 0.5)
    for _ in range(rng.integers(2, 9)):
        root = np.array([width * rng.uniform(0.2, 0.8), height * rng.uniform(0.7, 1.1)])
        heading = rng.normal(-np.pi / 2, 0.35)
        length = height * rng.uniform(0.35, 0.9)
        _branch(sheet, root, heading, length, rng.uniform(1.5, 7), (bark, green, leafy, slim), rng)
    return _lit(sheet.layer(), rng)


def _branch(sheet, root, heading, length, thickness, looks, rng) -> None:
    """One branch, then those that spring from it, down to the leaves."""
    bark, green, leafy, slim = looks
    curve = _curve(root, heading, length, rng.normal(0, 0.5), rng.normal(0, 0.15, 2))
    sheet.rod(curve, thickness, bark)
    twigs = rng.integers(2, 7)
    for at in rng.integers(len(curve) // 4, len(curve), twigs):
        side = heading + rng.choice([-1, 1]) * rng.uniform(0.3, 1.1)
        if thickness > 1.2 and length > 20:
            _branch(
                sheet, curve[at], side, length * rng.uniform(0.3, 0.6), thickness * 0.5, looks, rng
            )
        if rng.random() < leafy or thickness <= 1.2:
            tint = np.clip(green * np.exp(rng.normal(0, 0.25)), 0, 255)
            sheet.leaf(curve[at], side, rng.uniform(10, 34), slim * rng.uniform(0.7, 1.3), tint)


def _net(size, rng, texture) -> Layer:
    """Two families of thin threads that cross, in a frame or to the sides of the picture."""
    height, width = size
    sheet = Sheet(size)
    spacing, thickness = rng.uniform(6, 22), rng.uniform(0.4, 2.6)
    thickness = min(thickness, spacing / 3)
    colour = _colour(rng)
    turn, angle = rng.uniform(0, np.pi), rng.uniform(0.8, np.pi / 2)
    reach = np.hypot(height, width) / 2
    warp = rng.normal(0, 0.03 * reach, 2), rng.uniform(0, 6, 2), rng.uniform(0.5, 2, 2) / reach
    t = np.linspace(-reach, reach, 40)
    for heading in (turn, turn + angle):
        along = np.array([np.cos(heading), np.sin(heading)])
        across = np.array([-along[1], along[0]])
        for place in np.arange(-reach, reach, spacing):
            line = np.array([width / 2, height / 2]) + t[:, None] * along + place * across
            line += warp[0] * np.sin(np.pi * line[:, ::-1] * warp[2] + warp[1])
            sheet.rod(line, thickness, np.clip(colour * np.exp(rng.normal(0, 0.12)), 0, 255))
    layer = sheet.layer()
    outline = _outline(size, rng, (0.3, 0.5))
    if rng.random() < 0.7:
        layer *= _mask(size, outline)[..., None]
        frame = Sheet(size)
        frame.rod(np.vstack([outline, outline[:1]]), rng.uniform(1, 8), _colour(rng))
        layer = over(frame.layer(), layer)
    return _lit(layer, rng)


def _feather(size, rng, texture) -> Layer:
    """Quills with barbs on both sides, in groups, and down at the root."""
    layer = np.zeros((*size, 4), np.float32)
    for _ in range(rng.integers(1, 4)):
        layer = over(_one_feather(size, rng), layer)
    return _lit(layer, rng)


def _one_feather(size, rng) -> Layer:
    sheet = Sheet(size)
    span = min(size)
    start = np.array(size[::-1]) * rng.uniform(0.25, 0.75, 2)
    heading = rng.uniform(0, 2 * np.pi)
    length = span * rng.uniform(0.5, 1)
    start = start - length / 2 * np.array([np.cos(heading), np.sin(heading)])
    quill = _curve(start, heading, length, rng.normal(0, 0.5), (0, 0), 64)
    colours = _colour(rng), _colour(rng)
    breadth, slant = span * rng.uniform(0.06, 0.2), rng.uniform(0.4, 1.1)
    barbs = int(length * rng.uniform(0.8, 2))
    places = np.sort(rng.uniform(0.08, 1, barbs))
    tilt = np.interp(places, np.linspace(0, 1, 14), rng.normal(0, 0.16, 14))
    for place, lean in zip(places, tilt, strict=True):
        at = int(place * 63)
        ahead = quill[min(at + 1, 63)] - quill[max(at - 1, 0)]
        forward = np.arctan2(ahead[1], ahead[0])
        wide = breadth * np.sin(np.pi * min(1, 0.12 + 0.88 * place) ** 0.7) * rng.uniform(0.8, 1.05)
        tint = colours[0] + (colours[1] - colours[0]) * np.clip(place + rng.normal(0, 0.1), 0, 1)
        tint = np.clip(tint * np.exp(rng.normal(0, 0.12)), 0, 255)
        loose = rng.normal(0, 0.5 if place < 0.25 else 0.05)
        for side in (-1, 1):
            curve = _curve(quill[at], forward + side * (slant + lean + loose), wide, -side * 0.5)
            sheet.line(curve, rng.uniform(0.4, 1), tint)
    sheet.rod(quill, rng.uniform(1, 3), colours[1])
    return sheet.layer()


def _weave(size, rng, texture) -> Layer:
    """Thick rods over one another, with holes between them."""
    height, width = size
    sheet = Sheet(size)
    colour, thickness = _colour(rng), rng.uniform(3, 14)
    middle = np.array([width, height]) * rng.uniform(0.4, 0.6, 2)
    radius = min(size) * rng.uniform(0.3, 0.48)
    angle = np.linspace(0, 2 * np.pi, 60)
    for _ in range(rng.integers(7, 20)):
        tilt, flat = rng.uniform(0, np.pi), rng.uniform(0.1, 1)
        ring = np.stack([np.cos(angle), flat * np.sin(angle)], axis=1) * radius
        turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        tint = np.clip(colour * np.exp(rng.normal(0, 0.2)), 0, 255)
        sheet.rod(middle + ring @ turn.T, thickness * rng.uniform(0.6, 1.2), tint)
    return _lit(sheet.layer(), rng)


def _flower(size, rng, texture) -> Layer:
    """Petals round a furry middle."""
    sheet = Sheet(size)
    middle = np.array(size[::-1]) * rng.uniform(0.35, 0.65, 2)
    petals, length = rng.integers(6, 26), min(size) * rng.uniform(0.25, 0.5)
    colour, slim = _colour(rng), rng.uniform(0.15, 0.45)
    for heading in rng.permutation(petals) * 2 * np.pi / petals:
        tint = np.clip(colour * np.exp(rng.normal(0, 0.15)), 0, 255)
        sheet.leaf(
            middle, heading + rng.normal(0, 0.08), length * rng.uniform(0.8, 1.1), slim, tint
        )
    layer = _lit(sheet.layer(), rng)
    heart = Sheet(size)
    heart.fill(_outline(size, rng, (0.06, 0.14), middle), _colour(rng))
    return over(furred(heart.layer(), _unit(size) / 2, FUR, 1, rng), layer)


def _veil(size, rng, texture) -> Layer:
    """Cloth or glass that lets the background through, in folds."""
    layer = _body(size, rng, texture)
    density = rng.uniform(0.15, 0.8) + rng.uniform(0, 0.3) * _noise(size, rng, rng.integers(4, 14))
    layer *= np.clip(density, 0.05, 1)[..., None]
    if rng.random() < 0.5:
        layer = over(_net(size, rng, texture), layer)
    return layer


def _pierced(size, rng, texture) -> Layer:
    """A body with holes, some of them with fuzzy rims."""
    layer = _body(size, rng, texture)
    height, width = size
    for _ in range(rng.integers(3, 20)):
        centre = rng.uniform(0.15, 0.85, 2) * (width, height)
        layer *= 1 - _mask(size, _outline(size, rng, (0.01, 0.1), centre))[..., None]
    return furred(layer, _unit(size), STUBBLE, 1, rng) if rng.random() < 0.4 else layer


def _wires(size, rng, texture) -> Layer:
    """Cables, stalks and threads, a few of each."""
    height, width = size
    sheet = Sheet(size)
    for _ in range(rng.integers(3, 30)):
        root = rng.uniform(-0.1, 1.1, 2) * (width, height)
        length = rng.uniform(0.3, 1.3) * max(size)
        curve = _curve(
            root, rng.uniform(0, 2 * np.pi), length, rng.normal(0, 1.2), rng.normal(0, 1, 2)
        )
        sheet.rod(curve, np.exp(rng.uniform(np.log(0.4), np.log(6))), _colour(rng))
    layer = over(sheet.layer(), _body(size, rng, texture)) if rng.random() < 0.5 else sheet.layer()
    return _lit(layer, rng)


KINDS = (
    (0.34, _toy),
    (0.12, _tuft),
    (0.13, _plant),
    (0.09, _net),
    (0.08, _feather),
    (0.06, _weave),
    (0.05, _flower),
    (0.05, _veil),
    (0.04, _pierced),
    (0.04, _wires),
)


class Sheet:
    """Opaque drawing FINE times too large. Lengths and places are in pixels of the picture."""

    def __init__(self, size: tuple[int, int]):
        self.canvas = np.zeros((size[0] * FINE, size[1] * FINE, 4), np.uint8)

    def line(self, curve: Points, thickness: float, colour: Colour) -> None:
        """A curve of one thickness."""
        drawn = max(1, round(thickness * FINE))
        paint = (*np.clip(colour, 0, 255).tolist(), 255)
        cv2.polylines(self.canvas, [_fixed(curve)], False, paint, drawn, cv2.LINE_8, SHIFT)

    def rod(self, curve: Points, thickness: float, colour: Colour) -> None:
        """A round rod: darker at its sides, bright along its back."""
        self.line(curve, thickness, np.asarray(colour) * 0.55)
        if thickness * FINE > 3:
            self.line(curve, thickness * 0.7, np.asarray(colour) * 0.85)
            back = np.asarray(curve) - thickness * 0.12
            self.line(back, thickness * 0.35, np.asarray(colour) * 1.15)

    def fill(self, outline: Points, colour: Colour) -> None:
        """The inside of an outline."""
        paint = (*np.clip(colour, 0, 255).tolist(), 255)
        cv2.fillPoly(self.canvas, [_fixed(outline)], paint, cv2.LINE_8, SHIFT)

    def leaf(
        self, root: Points, heading: float, length: float, slim: float, colour: Colour
    ) -> None:
        """A leaf or petal, one half lighter, with its vein. slim: its breadth over its length."""
        t = np.linspace(0, 1, 14)
        spine = _curve(root, heading, length, 0.4, (0, 0), 14)
        across = np.array([-np.sin(heading), np.cos(heading)])
        half = (np.sin(np.pi * t**0.8) * slim * length / 2)[:, None] * across
        self.fill(np.vstack([spine, (spine + half)[::-1]]), np.asarray(colour) * 0.8)
        self.fill(np.vstack([spine, (spine - half)[::-1]]), np.asarray(colour) * 1.1)
        self.line(spine, 0.5, np.asarray(colour) * 0.65)

    def layer(self) -> Layer:
        """What was drawn, at the picture's size."""
        return reduced(self.canvas)


def _fixed(points: Points) -> NDArray[np.int32]:
    """Places as OpenCV draws them, with fractional bits."""
    return np.rint(((np.asarray(points) + 0.5) * FINE - 0.5) * 2**SHIFT).astype(np.int32)


def _curve(root, heading, length, bend, waves=(0, 0), count=24) -> Points:
    """A curve from `root`, bending by `bend` radians in all and in two waves of those radians."""
    t = np.linspace(0, 1, count)
    angle = heading + bend * t + waves[0] * np.sin(4 * t) + waves[1] * np.sin(9 * t)
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=1) * length / count
    return np.asarray(root) + np.cumsum(steps, axis=0) - steps[0]


def _body(size, rng, texture, bodies=None, reach=(0.18, 0.4)) -> Layer:
    """One to three overlapping rounded shapes with a surface, lit from one side."""
    shape = np.zeros(size, np.float32)
    for _ in range(bodies or rng.integers(1, 4)):
        shape = np.maximum(shape, _mask(size, _outline(size, rng, reach)))
    surface = _surface(size, rng, texture)
    soft = cv2.GaussianBlur(shape, (0, 0), max(2.0, min(size) / 16))
    heading = rng.uniform(0, 2 * np.pi)
    shifted = np.roll(
        soft, np.rint(np.array([np.sin(heading), np.cos(heading)]) * 8).astype(int), (0, 1)
    )
    light = 0.75 + 0.35 * soft + 0.6 * (soft - shifted)
    surface = np.clip(surface * light[..., None], 0, 255)
    return premultiplied(Subject(surface, shape))


def _outline(size, rng, reach, centre=None) -> Points:
    """A smooth closed outline; its mean radius is a share `reach` of the smaller side."""
    height, width = size
    if centre is None:
        centre = rng.uniform(0.25, 0.75, 2) * (width, height)
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.ones_like(angle)
    for order in range(2, 7):
        radius += rng.normal(0, 0.3 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    radius = np.maximum(radius, 0.25) * min(size) * rng.uniform(*reach)
    oval = np.exp(rng.normal(0, 0.2))
    return centre + np.stack([np.cos(angle) * oval, np.sin(angle) / oval], axis=1) * radius[:, None]


def _mask(size, outline) -> NDArray[np.float32]:
    """The inside of an outline, (h, w) float32 in 0..1, with smoothed edges."""
    sheet = Sheet(size)
    sheet.fill(outline, np.zeros(3))
    return np.ascontiguousarray(sheet.layer()[..., 3])


def _surface(size, rng, texture) -> NDArray[np.float32]:
    """Colours (h, w, 3), 0..255: between two of them, as noise or the texture's light says."""
    if texture is not None and rng.random() < 0.4:
        share = crop_of(texture, size, rng).mean(axis=2) / 255
    else:
        share = sum(_noise(size, rng, 2**octave) / octave for octave in range(2, 7))
        share = np.clip(0.5 + rng.uniform(0.2, 0.8) * share, 0, 1)
    grain = np.exp(rng.normal(0, 0.06, (*size, 1)).astype(np.float32))
    first, second = _colour(rng), _colour(rng)
    if rng.random() < 0.6:
        second = first * rng.uniform(0.4, 1.5)
    surface = (first + (second - first) * share[..., None]) * grain
    return np.clip(surface, 0, 255).astype(np.float32)


def _colour(rng) -> Colour:
    """A colour as things have it, seldom vivid: (3,) 0..255."""
    hue, vivid, value = rng.uniform(0, 180), rng.beta(1.5, 2), rng.beta(2, 1.6)
    hsv = np.float32([[[2 * hue, vivid, value]]])
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64) * 255


def _noise(size, rng, cells) -> NDArray[np.float32]:
    """Smooth noise (h, w), about -1..1, with so many cells along the picture."""
    grid = rng.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def _unit(size) -> float:
    return min(size) / 5


def _lit(layer: Layer, rng) -> Layer:
    """Light and shadow that change over the picture."""
    light = np.exp(0.35 * _noise(layer.shape[:2], rng, rng.integers(2, 9)))
    colour = np.minimum(layer[..., :3] * light[..., None], 255 * layer[..., 3:])
    return np.concatenate([colour, layer[..., 3:]], axis=2)


def _out_of_focus(layer: Layer, rng) -> Layer:
    """Blurred, in whole or more to one side."""
    soft = cv2.GaussianBlur(layer, (0, 0), np.exp(rng.uniform(np.log(0.6), np.log(4))))
    if rng.random() < 0.5:
        return soft
    share = np.clip(0.5 + _noise(layer.shape[:2], rng, 2), 0, 1)[..., None]
    return share * soft + (1 - share) * layer
