"""Pairs of photos whose matte is known: with a subject, and the same place without it.

The second photo is what alignment hands to the networks: laid on the first, with what alignment
leaves over. Everything up to the composite is exact: alpha * F + (1 - alpha) * B, where B is the
place with the subject's shadow; only noise, JPEG, rounding and the plate's own faults come after.
"""

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.training.garments import cloth_of
from deepmasque.training.hair import Generator, Range, Subject, blend, seen_through_lens

MOST_ENLARGED = 1.5
"""Cut-outs larger than this times their own size would be blurred beside the plate."""
CUT = 0.05
"""Share of a cut-out's first or last row that is opaque where the photo cut the subject off."""
PLATE_WIDTH = 2400
"""The plates are enlarged to this and get the fine texture that their own pixels cannot show."""
TEXTURE = 3.0
"""Standard deviation of that texture, levels."""
GRAIN = 1 << 22
"""Values of noise that small scenes take theirs from."""


@dataclass(frozen=True)
class PairScene:
    """Two photos of one place and the truth about the first.

    Attributes
    ----------
    image, plate: (h, w, 3) uint8, with the subject and without.
    alpha: (h, w) float32 in 0..1. foreground: (h, w, 3) float32 in 0..255.
    """

    image: NDArray[np.uint8]
    plate: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    foreground: NDArray[np.float32]


@dataclass(frozen=True)
class Perturbation:
    """How the two photos differ, the subject apart, and what is hard about them.

    Ranges are drawn from evenly, then given a random sign or direction; chances are 0..1.

    Attributes
    ----------
    shift: pixels. turn: degrees. bend: pixels that every corner moves on its own.
    wild: chance that these three are four times as large, as where alignment went half wrong.
    gain: share by which the plate's light is off, half of it for all channels alike. bias: levels.
    uneven: share by which the light changes over the plate.
    noise: levels, of either photo. blur: pixels, of the plate alone. lens: pixels, of both.
    jpeg: chance, for either photo. gamma: exponent, logarithmic, of both photos.
    shadow: chance that the subject throws one. moving: chance that something moved in the plate.
    uncovered: chance that the plate does not reach a side of the photo. clipped: chance of too much
    light. alike: chance that the subject takes the colours of the place.
    empty: chance of no subject. second, bystander, dressed: chances that the company is a second
    subject, stands in both photos, or stands in both and in the first wears what is the subject.
    """

    shift: Range = (0, 1.5)
    turn: Range = (0, 0.15)
    bend: Range = (0, 0.5)
    wild: float = 0.12
    gain: Range = (0, 0.08)
    bias: Range = (0, 4)
    uneven: Range = (0, 0.06)
    noise: Range = (0, 6)
    blur: Range = (0, 0.8)
    lens: Range = (0, 0.7)
    jpeg: float = 0.5
    gamma: Range = (0, 0.35)
    shadow: float = 0.6
    moving: float = 0.08
    uncovered: float = 0.15
    clipped: float = 0.08
    alike: float = 0.08
    empty: float = 0.03
    second: float = 0.2
    bystander: float = 0.12
    dressed: float = 0.12

    def scaled(self, factor: float) -> "Perturbation":
        """The same for a picture so many times as large: lengths in pixels grow with it."""
        lengths = ("shift", "bend", "blur", "lens")
        longer = {name: tuple(factor * end for end in getattr(self, name)) for name in lengths}
        return replace(self, **longer)


TRAINING = Perturbation()
"""Lengths for scenes TRAINING_WIDTH pixels wide."""
TRAINING_WIDTH = 480
_NOTHING = {name: 0 * np.array(value) for name, value in vars(TRAINING).items()}
NONE = Perturbation(**{k: tuple(v) if v.ndim else float(v) for k, v in _NOTHING.items()})
REALISTIC = replace(
    NONE,
    shift=(0, 0.7),
    gain=(0, 0.03),
    bias=(0, 1),
    uneven=(0, 0.03),
    noise=(1, 3),
    blur=(0, 0.5),
    lens=(0.5, 0.9),
    jpeg=1.0,
    shadow=0.7,
)
"""Two photos 1920 pixels wide from a tripod, the exposure locked."""
MISALIGNED = replace(REALISTIC, shift=(8, 8), turn=(1.5, 1.5), gain=(0.15, 0.15))
"""The same from the hand, the exposure not locked."""


def pair_scene(
    subject: Subject,
    plate: NDArray[np.uint8],
    size: tuple[int, int],
    rng: Generator,
    perturbation: Perturbation = TRAINING,
    company: Subject | None = None,
    margin: int = 0,
) -> PairScene:
    """One scene of size (height, width) from cut-outs and a photo of any size without people.

    company: a second cut-out, for `perturbation.second`, `bystander` and `dressed`; without it
    these do not happen.
    margin: pixels of the place round the photo, if the plate needs no more: scenes of one seed and
    margin that differ in nothing but how the plate was moved and lit have the same photo.
    """
    move, margin = _move(size, perturbation, margin, rng)
    wide = (size[0] + 2 * margin, size[1] + 2 * margin)
    ground = _crop(plate, wide, rng).astype(np.float32)
    front, ground = _cast(subject, company, ground, perturbation, rng)
    front, ground = _exposed(front, ground, perturbation, rng)
    back = _shadowed(ground, front.alpha, perturbation, rng)
    alpha, colours = front.alpha, front.foreground.astype(np.float32)
    sigma = rng.uniform(*perturbation.lens)
    if sigma > 0.2:
        alpha, colours, back = seen_through_lens(alpha, colours, back, sigma)
        ground = cv2.GaussianBlur(ground, (0, 0), sigma)
    inner = slice(margin, margin + size[0]), slice(margin, margin + size[1])
    alpha, colours, back = (np.ascontiguousarray(x[inner]) for x in (alpha, colours, back))
    laid = cv2.warpPerspective(ground, move, size[::-1], borderMode=cv2.BORDER_REPLICATE)
    image = _photographed(blend(alpha, colours, back), perturbation, rng)
    return PairScene(image, _faulty(laid, perturbation, rng), alpha, colours)


def detailed(plate: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """The plate enlarged, with a texture that belongs to the place: both photos show it."""
    height, width = plate.shape[:2]
    size = PLATE_WIDTH, round(height * PLATE_WIDTH / width)
    large = cv2.resize(plate, size, interpolation=cv2.INTER_CUBIC)
    texture = rng.standard_normal((size[1], size[0], 1), np.float32)
    texture = cv2.GaussianBlur(texture, (0, 0), 0.8)[..., None]
    texture *= TEXTURE / texture.std()
    return np.clip(large + texture, 0, 255).astype(np.uint8)


def _move(size, perturbation, margin, rng) -> tuple[NDArray[np.float64], int]:
    """The homography from the ground to the laid plate, and the ground's margin round the photo."""
    height, width = size
    factor = 4 if rng.random() < perturbation.wild else 1
    heading, turn = rng.uniform(0, 2 * np.pi), np.deg2rad(_signed(perturbation.turn, rng))
    shift = rng.uniform(*perturbation.shift) * np.array([np.cos(heading), np.sin(heading)])
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    arms = corners - (width / 2, height / 2)
    swung = arms @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) - arms
    bend = rng.uniform(*perturbation.bend) * rng.uniform(-1, 1, (4, 2))
    off = factor * (shift + swung + bend)
    margin = max(margin, int(np.ceil(np.abs(off).max())) + 2 if np.any(off) else 0)
    move = cv2.getPerspectiveTransform(
        (corners + margin).astype(np.float32), (corners + off).astype(np.float32)
    )
    return move, margin


def _cast(subject, company, ground, perturbation, rng) -> tuple[Subject, NDArray[np.float32]]:
    """Who is in the picture: what is in front of the ground, and the ground with bystanders."""
    size = ground.shape[:2]
    second, bystander, dressed = np.cumsum(
        [perturbation.second, perturbation.bystander, perturbation.dressed]
    )
    role = rng.random() if company is not None else np.inf
    if second <= role < dressed:
        other = _placed(_plain(company, rng) if role >= bystander else company, size, rng)
        ground = blend(other.alpha, other.foreground, ground)
    if rng.random() < perturbation.empty:
        return Subject(ground.astype(np.uint8), np.zeros(size, np.float32)), ground
    if bystander <= role < dressed:
        worn = _dressed(other, subject, rng)
        if worn.alpha.mean() > 0:
            return worn, ground
    front = _alike(_placed(subject, size, rng), ground, perturbation, rng)
    if role < second:
        front = _over(front, _alike(_placed(company, size, rng), ground, perturbation, rng))
    return front, ground


def _placed(subject: Subject, size: tuple[int, int], rng: Generator) -> Subject:
    """The cut-out somewhere in a frame of that size, mirrored or turned a little at times."""
    tall, wide = subject.alpha.shape
    top_cut, cut = ((subject.alpha[row] > 0.5).mean() > CUT for row in (0, -1))
    share = np.exp(rng.uniform(*np.log((0.55, 1.35) if cut else (0.4, 1.3))))
    if cut and top_cut:
        share = max(share, 1.05)
    zoom = min(share * size[0] / tall, MOST_ENLARGED)
    bottom, left = _corner(tall * zoom, wide * zoom, size, cut, rng)
    if top_cut:
        bottom = min(bottom, tall * zoom - 2)
    step = min(round(1 / zoom), tall, wide) if zoom < 1 else 1
    if step > 1:  # warping does not average; by a whole number averaging is quick
        whole = slice(tall % step, None), slice(wide % step, None)
        smaller = (wide // step, tall // step)
        subject = Subject(
            cv2.resize(subject.foreground[whole], smaller, interpolation=cv2.INTER_AREA),
            cv2.resize(subject.alpha[whole], smaller, interpolation=cv2.INTER_AREA),
        )
        tall, wide, zoom = *subject.alpha.shape, zoom * step
    mirror = rng.choice([-1, 1])
    lean = 0 if cut else np.deg2rad(rng.normal(0, 4))
    turn = zoom * np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    turn = turn @ np.diag([mirror, 1])
    centre = np.array([left + wide * zoom / 2, bottom - tall * zoom / 2])
    place = np.column_stack([turn, centre - turn @ [wide / 2 - 0.5, tall / 2 - 0.5]])
    colours, alpha = (
        cv2.warpAffine(pixels, place, size[::-1], flags=cv2.INTER_LINEAR, borderMode=border)
        for pixels, border in (
            (subject.foreground, cv2.BORDER_REPLICATE),
            (subject.alpha, cv2.BORDER_CONSTANT),
        )
    )
    return Subject(colours, alpha)


def _corner(tall, wide, size, cut, rng) -> tuple[float, float]:
    """Bottom and left side of a cut-out in the frame; who is cut off ends below it."""
    height, width = size
    left = rng.normal(0.5, 0.2) * width - wide / 2
    if cut:
        return height + 2 + rng.uniform(0, 0.3) * tall, left
    if tall < height and rng.random() < 0.7:
        return rng.uniform(tall, height + 0.05 * tall), left
    return rng.uniform(0.95 * tall, 0.6 * height + tall), left


def _over(upper: Subject, lower: Subject) -> Subject:
    """One subject in front of another as one cut-out."""
    alpha = upper.alpha + (1 - upper.alpha) * lower.alpha
    share = (upper.alpha / np.maximum(alpha, 1e-3))[..., None]
    colours = share * upper.foreground + (1 - share) * lower.foreground
    return Subject(np.rint(colours).clip(0, 255).astype(np.uint8), alpha)


def _plain(company: Subject, rng: Generator) -> Subject:
    """The cut-out in shades of one colour, as mannequins are."""
    if rng.random() < 0.3:
        return company
    tint = rng.uniform(120, 255) * np.exp(-rng.uniform(0, 0.4) * np.array([0, 0.5, 1]))
    light = company.foreground.mean(2, keepdims=True) / 255
    shades = tint * (0.35 + 0.65 * light ** rng.uniform(0.4, 1))
    return Subject(shades.clip(0, 255).astype(np.uint8), company.alpha)


def _dressed(mannequin: Subject, cloth: Subject, rng: Generator) -> Subject:
    """Clothing that follows a mannequin's outline between two heights; the subject is it alone."""
    size = height, width = mannequin.alpha.shape
    body = mannequin.alpha
    rows = np.flatnonzero((body > 0.5).any(1))
    if len(rows) < 8:
        return Subject(mannequin.foreground, np.zeros(size, np.float32))
    top, tall = rows[0], rows[-1] - rows[0]
    collar = top + tall * rng.uniform(0.05, 0.4) + _wave(width, 0.04 * tall, rng)
    hem = collar + tall * rng.uniform(0.25, 0.7) + _wave(width, 0.04 * tall, rng)
    y = np.arange(height)[:, None]
    soft = rng.uniform(0.6, 2)
    between = np.clip((y - collar) / soft + 0.5, 0, 1) * np.clip((hem - y) / soft + 0.5, 0, 1)
    grown = cv2.GaussianBlur(body, (0, 0), max(0.6, rng.uniform(0, 0.04) * tall))
    outline = np.clip((grown - rng.uniform(0.08, 0.5)) * rng.uniform(4, 12) + 0.5, 0, 1)
    pattern = cloth_of(size, rng, cloth.foreground)
    light = cv2.GaussianBlur(mannequin.foreground, (0, 0), 2).mean(2, keepdims=True) / 140
    colours = np.clip(pattern * np.clip(light, 0.4, 1.6), 0, 255).astype(np.uint8)
    return Subject(colours, (between * outline).astype(np.float32))


def _wave(width: int, reach: float, rng: Generator) -> NDArray[np.float64]:
    places = np.linspace(0, 2 * np.pi, width)
    return reach * np.sin(places * rng.uniform(0.5, 4) + rng.uniform(0, 6))


def _alike(front, ground, perturbation, rng) -> Subject:
    """At times in the colours of the place: the subject's mean becomes that of the ground."""
    if rng.random() >= perturbation.alike or not front.alpha.any():
        return front
    share = front.alpha[..., None] / front.alpha.sum()
    off = (share * (ground - front.foreground)).sum((0, 1)) * rng.uniform(0.5, 1)
    return replace(front, foreground=np.clip(front.foreground + off, 0, 255).astype(np.uint8))


def _exposed(front, ground, perturbation, rng) -> tuple[Subject, NDArray[np.float32]]:
    """Subject and place under one light and one exposure, too much of it at times."""
    levels = np.linspace(0, 1, 256) ** np.exp(_signed(perturbation.gamma, rng))
    if rng.random() < perturbation.clipped:
        levels = levels * rng.uniform(1.1, 1.8)
    levels = np.clip(255 * levels, 0, 255)
    if perturbation.gamma[1] == 0 and levels[-1] == 255 and levels[1] == 1:
        return front, ground
    curve = np.rint(levels).astype(np.uint8)
    bright = cv2.LUT(np.rint(ground).astype(np.uint8), curve).astype(np.float32)
    return replace(front, foreground=cv2.LUT(front.foreground, curve)), bright


def _shadowed(ground, alpha, perturbation, rng) -> NDArray[np.float32]:
    """The ground in the subject's shadows: one thrown on what is behind, one where it stands."""
    if rng.random() >= perturbation.shadow or not alpha.any():
        return ground
    height = len(alpha)
    thrown = rng.normal(0, 0.06, 2) * height + (0, 0.02 * height)
    reach = np.exp(rng.uniform(np.log(0.01), np.log(0.08))) * height
    deep = rng.uniform(0.05, 0.5) * _cast_shadow(alpha, thrown, reach)
    contact = rng.uniform(0, 0.4) * _cast_shadow(alpha, (0, 0.008 * height), 0.012 * height)
    tint = np.float32([1, rng.uniform(0.9, 1), rng.uniform(0.8, 1)])
    return ground * (1 - (1 - (1 - deep) * (1 - contact))[..., None] * tint)


def _cast_shadow(alpha, offset, sigma) -> NDArray[np.float32]:
    """Alpha moved by `offset` (x, y) and blurred; computed at a quarter of the size or so."""
    small = max(1, int(sigma / 2))
    size = max(8, alpha.shape[1] // small), max(8, alpha.shape[0] // small)
    scale = size[0] / alpha.shape[1], size[1] / alpha.shape[0]
    reduced = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    place = np.float32([[1, 0, offset[0] * scale[0]], [0, 1, offset[1] * scale[1]]])
    moved = cv2.warpAffine(reduced, place, size, borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(moved, (0, 0), sigma * scale[0])
    return cv2.resize(soft, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _faulty(laid, perturbation, rng) -> NDArray[np.uint8]:
    """The plate as it was taken at another moment and then laid on the photo."""
    if rng.random() < perturbation.moving:
        laid = _moved_in(laid, rng)
    sigma = rng.uniform(*perturbation.blur)
    if sigma > 0.2:
        laid = cv2.GaussianBlur(laid, (0, 0), sigma)
    common, single = _signed(perturbation.gain, rng), rng.uniform(-1, 1, 3)
    gains = (1 + common * 0.5) * (1 + single * abs(common) * 0.5)
    biases = rng.uniform(-1, 1, 3) * rng.uniform(*perturbation.bias)
    field = rng.uniform(*perturbation.uneven) * rng.uniform(-1, 1, (3, 3, 1)) + gains
    light = cv2.resize(field.astype(np.float32), laid.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    plate = _photographed(laid * light + np.float32(biases), perturbation, rng)
    return _uncovered(plate, rng) if rng.random() < perturbation.uncovered else plate


def _moved_in(laid, rng) -> NDArray[np.float32]:
    """Something that is elsewhere, or not there at all, in the photo: a part of the plate moved."""
    height, width = laid.shape[:2]
    thing = np.zeros((height, width), np.float32)
    middle = rng.uniform(0, 1, 2) * (width, height)
    axes = rng.uniform(0.03, 0.15, 2) * height
    cv2.ellipse(thing, (middle, 2 * axes, rng.uniform(0, 180)), 1.0, cv2.FILLED)
    thing = cv2.GaussianBlur(thing, (0, 0), rng.uniform(0.6, 4))
    reach = rng.choice([0.01, 0.5]) * height
    place = np.float32([[1, 0, rng.uniform(-reach, reach)], [0, 1, rng.uniform(-reach, reach)]])
    moved = cv2.warpAffine(laid, place, (width, height), borderMode=cv2.BORDER_REFLECT)
    return blend(thing, moved, laid)


def _uncovered(plate, rng) -> NDArray[np.uint8]:
    """The plate with a strip at one or two sides that it does not reach, filled."""
    plate = plate.copy()
    for turns in rng.permutation(4)[: rng.integers(1, 3)]:
        view = np.rot90(plate, turns)
        strip = int(rng.uniform(0, 0.05) * len(view)) + 1
        mean = rng.random() < 0.3
        view[:strip] = plate.mean((0, 1)) if mean else view[strip]
    return plate


def _photographed(composite, perturbation, rng) -> NDArray[np.uint8]:
    """Noise of the sensor, 8 bits, JPEG."""
    sigma = rng.uniform(*perturbation.noise)
    if sigma > 0:
        composite = composite + np.float32(sigma) * _grain(composite.shape, rng)
    pixels = np.rint(np.clip(composite, 0, 255)).astype(np.uint8)
    if rng.random() < perturbation.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 98))]
        pixels = cv2.imdecode(cv2.imencode(".jpg", pixels, quality)[1], cv2.IMREAD_COLOR)
    return pixels


def _grain(shape: tuple[int, ...], rng: Generator) -> NDArray[np.float32]:
    """Normal noise; where it fits from somewhere in a fixed sheet, as drawing takes long."""
    count = int(np.prod(shape))
    if 2 * count > GRAIN:
        return rng.standard_normal(shape, np.float32)
    start = rng.integers(GRAIN - count)
    return _grain_sheet()[start : start + count].reshape(shape)


@cache
def _grain_sheet() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(GRAIN, np.float32)


def _crop(plate, size, rng) -> NDArray[np.uint8]:
    """A random part of the plate, at times mirrored, enlarged no more than it must be."""
    height, width = plate.shape[:2]
    most = min(height / size[0], width / size[1])
    scale = most * rng.uniform(0.55, 1)
    tall, wide = int(size[0] * scale), int(size[1] * scale)
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    part = plate[top : top + tall, left : left + wide][:, :: rng.choice([-1, 1])]
    kind = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return cv2.resize(part, size[::-1], interpolation=kind)


def _signed(span: Range, rng: Generator) -> float:
    return rng.uniform(*span) * rng.choice([-1, 1])
