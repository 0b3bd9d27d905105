"""Truth at hair level: procedural strands with exact alpha and foreground colours.

Strands are curves that share root, direction and curl within a clump. They are drawn opaque and
several times too large, then reduced by averaging, so that a strand thinner than a pixel gives a
fractional alpha; layers of them are put over one another with premultiplied colours (Porter and
Duff, Compositing Digital Images, SIGGRAPH 1984).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait.refinement import filled
from deepmasque.training.plates import crop_of

Generator = np.random.Generator
Range = tuple[float, float]
Layer = NDArray[np.float32]
"""(h, w, 4): premultiplied colours 0..255 and alpha 0..1."""

FINE = 3
"""Strands are drawn this many times too large along either side."""
SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""
MARGIN = 8
"""Pixels round the strands for their width and blur."""
VISIBLE = np.float32(1 / 64)
"""Below this alpha a pixel's own foreground colour says nothing; its surroundings tell it."""
UNLIKE_HAIR = 120
"""Sum of the channels' differences from the usual colour at which something is no hair."""
MOST_STRANDS = 1500
"""Of one layer."""
BEHIND = 0.2
"""Share of the layers that come out from behind the subject."""
NOTHING = np.float32(1e-3)
"""An alpha that does not even show in 8 bits."""
HEAD_CENTRE, HEAD_RADIUS = (300.0, 320.0), 205.0
"""The head in pixels of the 600 x 800 reference pose, hair without volume included."""


@dataclass(frozen=True)
class Subject:
    """A cut-out. foreground: (h, w, 3) uint8, defined everywhere; alpha: (h, w) float32, 0..1."""

    foreground: NDArray[np.uint8]
    alpha: NDArray[np.float32]


@dataclass(frozen=True)
class HairScene:
    """A photo whose matte is known.

    Attributes
    ----------
    image: (h, w, 3) uint8, the composite after noise, JPEG and rounding.
    alpha: (h, w) float32 in 0..1.
    foreground, background: (h, w, 3) float32 in 0..255.
    composite: (h, w, 3) float32, exactly alpha * foreground + (1 - alpha) * background.
    """

    image: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    foreground: NDArray[np.float32]
    background: NDArray[np.float32]
    composite: NDArray[np.float32]


@dataclass(frozen=True)
class Style:
    """How strands grow; every pair is the range that one subject's own value is drawn from.

    clumps: per 100 pixels of boundary. strands: of a clump. length: in units, which are the head's
    radius or a sixth of the picture. width: of the root, pixels. gravity: how fast strands turn
    down. bend, curl: radians, of the whole strand and of its waves. waves: along one strand.
    splay: radians between the strands of a clump. spread: pixels between their roots. gather: share
    of the spread that is gone at the tip. lean: radians from the boundary's normal. depth: units
    that roots lie inside the boundary.
    """

    clumps: Range
    strands: Range
    length: Range
    width: Range = (0.3, 0.8)
    gravity: Range = (0, 0.5)
    bend: Range = (0.1, 0.6)
    curl: Range = (0.05, 0.3)
    waves: Range = (0.5, 2)
    splay: Range = (0.05, 0.25)
    spread: Range = (1, 4)
    gather: Range = (-0.5, 0.5)
    lean: Range = (0, 0.6)
    depth: Range = (0.03, 0.1)


LONG = Style(
    (12, 30), (8, 18), (0.5, 1.4), gravity=(1, 3), curl=(0.1, 0.5), gather=(0, 0.8), lean=(0.4, 1.2)
)
CURLS = Style(
    (8, 20), (5, 12), (0.4, 1), gravity=(0.5, 2), curl=(0.8, 1.6), waves=(2, 5), lean=(0.2, 1)
)
FLYAWAY = Style((4, 20), (1, 4), (0.12, 0.6), (0.25, 0.5), (0, 1), (0.3, 1.5), (0.1, 0.7))
FRIZZ = Style(
    (60, 140), (2, 5), (0.1, 0.4), (0.3, 0.6), (0, 0.2), (0.3, 1.2), (0.6, 1.6), (1, 4), (0.3, 0.8)
)
SPIKES = Style((6, 14), (12, 30), (0.25, 0.8), splay=(0.02, 0.1), spread=(3, 7), gather=(0.5, 1))
FUR = Style((60, 140), (4, 9), (0.06, 0.25), spread=(1, 3), gather=(0, 0.8), lean=(0, 0.9))
STUBBLE = Style((60, 120), (2, 5), (0.015, 0.06), (0.3, 0.5), spread=(2, 5))
HAIR = (LONG, CURLS, FRIZZ, SPIKES, FUR, STUBBLE)
HAIR_ODDS = (0.4, 0.17, 0.12, 0.08, 0.17, 0.06)


@dataclass(frozen=True)
class Boundary:
    """Places along a subject's edge: points (n, 2) x, y and unit normals (n, 2) pointing out."""

    points: NDArray[np.float32]
    normals: NDArray[np.float32]

    def where(self, kept: NDArray[np.bool_]) -> "Boundary":
        """Those places only."""
        return Boundary(self.points[kept], self.normals[kept])


def head_circle(placement: NDArray[np.float64]) -> tuple[float, float, float]:
    """(cx, cy, radius) in photo pixels of the head that this photo-to-reference matrix places."""
    linear = placement[:, :2]
    x, y = np.linalg.solve(linear, np.array(HEAD_CENTRE) - placement[:, 2])
    return float(x), float(y), float(HEAD_RADIUS / np.sqrt(abs(np.linalg.det(linear))))


def with_strands(
    subject: Subject, rng: Generator, *, head: tuple[float, float, float] | None = None
) -> Subject:
    """The subject with hair round its head, or with fur along stretches of its whole boundary.

    head: (cx, cy, radius) in pixels; hair then grows from the boundary near the head and the rest,
    shoulders above all, stays as it is. Alpha never falls. A subject without any boundary inside
    the picture comes back as it was.
    """
    layer = premultiplied(subject)
    edge = boundary_of(subject.alpha)
    edge = near_head(subject, edge, head, rng) if head else _stretches(edge, rng)
    unit = head[2] if head else np.sqrt(subject.alpha.size) / 6
    main = HAIR[rng.choice(len(HAIR), p=HAIR_ODDS)]
    shown = _unveiled(subject.alpha, 0.1 * unit) if head else _wholly(layer)
    for style in _layers(main, rng):
        layer = _with_layer(layer, edge, unit, style, shown, rng)
    return subject_of(layer, subject.alpha)


def furred(layer: Layer, unit: float, style: Style, layers: int, rng: Generator) -> Layer:
    """The layer with so many layers of strands along the whole of its edge.

    unit: pixels that the style's lengths count in.
    """
    edge = boundary_of(layer[..., 3])
    for _ in range(layers):
        layer = _with_layer(layer, edge, unit, style, _wholly(layer), rng)
    return layer


def composed(subject: Subject, plate: NDArray[np.uint8], rng: Generator) -> HairScene:
    """The subject before a part of the plate, as a camera would have taken it.

    Gamma changes subject and plate alike before they meet, since it does not commute with blending.
    The lens blurs the picture of both together; being linear, it is applied to alpha, to alpha * F
    and to (1 - alpha) * B, so that alpha, F and B of the blurred photo are known exactly. Only
    noise, JPEG and rounding come after the composite and part `image` from it.

    plate: (H, W, 3) uint8 of any size.
    """
    size = subject.alpha.shape
    gamma = np.exp(rng.uniform(-0.35, 0.35))
    curve = (255 * (np.arange(256) / 255) ** gamma).astype(np.float32)
    front, back = curve[subject.foreground], curve[crop_of(plate, size, rng)]
    alpha = subject.alpha
    if rng.random() < 0.3:
        back = cv2.GaussianBlur(back, (0, 0), rng.uniform(0.5, 4))
    if rng.random() < 0.6:
        alpha, front, back = seen_through_lens(alpha, front, back, rng.uniform(0.3, 0.9))
    composite = blend(alpha, front, back)
    return HairScene(_degraded(composite, rng), alpha, front, back, composite)


def blend(
    alpha: NDArray[np.float32], foreground: NDArray[np.float32], background: NDArray[np.float32]
) -> NDArray[np.float32]:
    """alpha * F + (1 - alpha) * B, (h, w, 3) float32."""
    share = alpha[..., None]
    return share * foreground + (1 - share) * background


def boundary_of(alpha: NDArray[np.float32]) -> Boundary:
    """The subject's edge at alpha = 0.5, without the sides of the picture."""
    height, width = alpha.shape
    inside = (alpha > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return Boundary(np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))
    points = np.concatenate(contours)[:, 0]
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 3)
    slope = [
        cv2.Sobel(soft, cv2.CV_32F, *axis)[points[:, 1], points[:, 0]] for axis in ((1, 0), (0, 1))
    ]
    slope = -np.stack(slope, axis=1)
    steep = np.linalg.norm(slope, axis=1)
    x, y = points.T
    kept = (x > 1) & (y > 1) & (x < width - 2) & (y < height - 2) & (steep > 1e-3)
    normals = slope / np.maximum(steep, 1e-3)[:, None]
    return Boundary(points.astype(np.float32), normals.astype(np.float32)).where(kept)


def near_head(
    subject: Subject, edge: Boundary, head: tuple[float, float, float], rng: Generator
) -> Boundary:
    """The edge round the head, down to the ears, the chin or the shoulders.

    Below the brows only where the colours are those of the crown: hair, not cheeks and collars.
    """
    across, down = (edge.points - head[:2]).T / head[2]
    low = rng.choice([0, 0.6, 1.2], p=[0.4, 0.3, 0.3])
    crown = down < -0.2
    kept = (np.hypot(across, down) < 1.7) & (down < low) & (abs(across) < 1.5)
    if crown.any():
        colours = _inner_colours(premultiplied(subject), edge, np.full((len(down), 1), 5.0))
        away = np.abs(colours - np.median(colours[crown], axis=0)).sum(axis=1)
        kept &= crown | (away < UNLIKE_HAIR)
    return edge.where(kept)


def _stretches(boundary: Boundary, rng: Generator) -> Boundary:
    """Stretches of the boundary, between a third and all of it."""
    waves = boundary.points @ rng.normal(0, 0.03, (2, 3)) + rng.uniform(0, 2 * np.pi, 3)
    swell = np.sin(waves).sum(axis=1)
    share = min(1, rng.uniform(0.33, 1.5))
    return boundary.where(swell <= np.quantile(swell, share)) if len(swell) else boundary


def _layers(main: Style, rng: Generator) -> Iterator[Style]:
    """From the back to the front: the main style in one to three densities, then flyaways."""
    share = np.exp(rng.uniform(np.log(0.1), np.log(1.3)))
    for _ in range(rng.integers(1, 4)):
        yield replace(main, clumps=tuple(share * count for count in main.clumps))
    if rng.random() < 0.7:
        yield FLYAWAY


def _unveiled(alpha: NDArray[np.float32], reach: float) -> NDArray[np.float32]:
    """How much strands show, (h, w, 1): less the deeper inside, where they would cross the face."""
    within = cv2.GaussianBlur(alpha, (0, 0), max(reach, 0.5))
    return np.clip(2 * (1 - within), 0, 1)[..., None]


def _wholly(layer: Layer) -> NDArray[np.float32]:
    return np.ones((*layer.shape[:2], 1), np.float32)


def _with_layer(
    layer: Layer,
    boundary: Boundary,
    unit: float,
    style: Style,
    shown: NDArray[np.float32],
    rng: Generator,
) -> Layer:
    """One more layer of clumps, mostly in front; see-through, moved or out of focus at times."""
    if not len(boundary.points):
        return layer
    clumps = len(boundary.points) / 100 * rng.uniform(*style.clumps)
    count = 1 + int(min(clumps, MOST_STRANDS / np.mean(style.strands)))
    roots = _places(len(boundary.points), count, rng)
    tints = _local_colours(layer, boundary.where(roots), rng)
    curves, clump = _curves(style, boundary.where(roots), layer[..., 3], unit, rng)
    rows, columns = part = _around(curves, layer.shape[:2])
    curves -= np.float32([columns.start, rows.start])
    strands = _drawn(layer[part].shape[:2], curves, clump, tints, rng.uniform(*style.width), rng)
    strands[..., :3] *= _light(strands.shape[:2], rng)
    strands = _blurred(strands, rng)
    strands *= shown[part] * np.float32(rng.choice([1, rng.uniform(0.6, 1)]))
    under, upper = layer[part], strands
    if rng.random() < BEHIND:
        under, upper = upper, under
    result = layer.copy()
    result[part] = over(upper, under)
    return result


def _around(curves: NDArray[np.float32], size: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns of the picture that the curves, blurred, may be seen in."""
    low = np.clip(curves.min(axis=(0, 1)).astype(int) - MARGIN, 0, np.array(size[::-1]) - 1)
    high = np.clip(curves.max(axis=(0, 1)).astype(int) + MARGIN, low + 1, size[::-1])
    return slice(low[1], high[1]), slice(low[0], high[0])


def _places(along: int, count: int, rng: Generator) -> NDArray[np.int64]:
    """Indices along the boundary, strewn evenly or in locks."""
    if rng.random() < 0.4:
        return rng.integers(along, size=count)
    locks = rng.integers(along, size=rng.integers(3, 25))
    near = rng.normal(0, rng.uniform(0.005, 0.04) * along, count)
    return (rng.choice(locks, count) + np.rint(near).astype(np.int64)) % along


def _curves(
    style: Style, roots: Boundary, alpha: NDArray[np.float32], unit: float, rng: Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Curves (strands, points, 2) in pixels and the clump, one a root, that each belongs to."""
    clumps = len(roots.points)
    low, high = (max(1, round(count)) for count in style.strands)
    clump = np.repeat(np.arange(clumps), rng.integers(low, high + 1, clumps))
    strands = len(clump)

    def shared(values: Range) -> NDArray[np.float64]:
        return (rng.uniform(*values) * rng.uniform(0.6, 1.4, clumps))[clump]

    waves = rng.uniform(*style.waves)
    t = np.linspace(0, 1, int(np.clip(6 * waves, 8, 24)), dtype=np.float32)
    start = _headings(style, roots.normals, rng)[clump]
    start = start + rng.normal(0, rng.uniform(*style.splay), strands)
    sense = rng.choice([-1, 1], clumps)[clump]
    bend = shared(style.bend) * sense + rng.normal(0, 0.15, strands)
    curl = shared(style.curl) * rng.uniform(0.7, 1.3, strands)
    phase = rng.uniform(0, 2 * np.pi, clumps)[clump] + rng.normal(0, 0.4, strands)
    length = shared(style.length) * unit * rng.uniform(0.45, 1.1, strands)
    angle = start[:, None] + bend[:, None] * t
    angle += curl[:, None] * np.sin(2 * np.pi * waves * t + phase[:, None])
    steps = np.stack([np.cos(angle), np.sin(angle)], axis=2)
    steps[..., 1] += shared(style.gravity)[:, None] * t
    steps /= np.maximum(np.linalg.norm(steps, axis=2, keepdims=True), 1e-6)
    steps *= (length / len(t))[:, None, None]
    depth = 1 + rng.exponential(rng.uniform(*style.depth) * unit, (strands, 1))
    base = roots.points[clump] - roots.normals[clump] * depth
    beyond = _at(alpha, base) < 0.5
    base[beyond] += (roots.normals[clump] * (depth - 1))[beyond]
    offset = rng.normal(0, rng.uniform(*style.spread), (strands, 1, 2))
    offset = offset * (1 - rng.uniform(*style.gather) * t)[:, None]
    path = np.cumsum(steps, axis=1) - steps[:, :1]
    return (base[:, None] + offset + path).astype(np.float32), clump


def _headings(style: Style, normals: NDArray[np.float32], rng: Generator) -> NDArray[np.float64]:
    """The direction that each clump starts in: off the normal, all to one side or all down."""
    side = np.sign(normals[:, 0]) if rng.random() < 0.6 else rng.choice([-1, 1])
    lean = side * rng.uniform(*style.lean) * rng.uniform(0.5, 1.5, len(normals))
    return np.arctan2(normals[:, 1], normals[:, 0]) + lean + rng.normal(0, 0.15, len(normals))


def _drawn(
    size: tuple[int, int],
    curves: NDArray[np.float32],
    clump: NDArray[np.int64],
    colours: NDArray[np.float32],
    width: float,
    rng: Generator,
) -> Layer:
    """Tapering strands, opaque, reduced to the picture's size. colours: (clumps, 3), 0..255."""
    height, wide = size
    canvas = np.zeros((height * FINE, wide * FINE, 4), np.uint8)
    fixed = np.rint((curves + 0.5) * FINE * 2**SHIFT - 2 ** (SHIFT - 1)).astype(np.int32)
    ends = np.searchsorted(clump, np.arange(len(colours) + 1))
    thick = max(1, round(width * FINE))
    shades = np.exp(rng.normal(0, 0.22, (len(colours), 3)))
    tints = np.clip(colours[:, None] * shades[..., None], 0, 255)
    points = fixed.shape[1]
    for number in rng.permutation(len(colours)):
        strands = fixed[ends[number] : ends[number + 1]]
        for shade in range(3):
            colour = (*tints[number, shade].tolist(), 255)
            for thickness in range(1, thick + 1):
                until = points * (thick + 1 - thickness) // thick
                lines = list(strands[shade::3, :until])
                cv2.polylines(canvas, lines, False, colour, thickness, cv2.LINE_8, SHIFT)
    return reduced(canvas)


def _local_colours(layer: Layer, roots: Boundary, rng: Generator) -> NDArray[np.float32]:
    """Colours of strands, (n, 3): those of the layer nearby, the far ones drawn to the usual."""
    colours = _inner_colours(layer, roots, rng.uniform(3, 9, (len(roots.points), 1)))
    usual = np.median(colours, axis=0)
    away = np.abs(colours - usual).sum(axis=1, keepdims=True)
    colours += (usual - colours) * np.clip(away / UNLIKE_HAIR, 0.2, 0.9)
    gain = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.15, (len(colours), 1)))
    return np.clip(colours * gain, 0, 255).astype(np.float32)


def _inner_colours(layer: Layer, edge: Boundary, depth: NDArray[np.float64]) -> NDArray[np.float32]:
    """The layer's colours (n, 3) at that depth in pixels, (n, 1), inside its edge."""
    mixed = _at(layer, edge.points - edge.normals * depth)
    return mixed[:, :3] / np.maximum(mixed[:, 3:], 0.25)


def _at(plane: NDArray[np.float32], points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Values of the plane at the pixels nearest to points (n, 2), x and y."""
    height, width = plane.shape[:2]
    x, y = np.clip(np.rint(points).astype(int), 0, (width - 1, height - 1)).T
    return plane[y, x]


def _light(size: tuple[int, int], rng: Generator) -> NDArray[np.float32]:
    """Factors (h, w, 1) that change slowly over the picture, so that hair shines in bands."""
    cells = rng.normal(0, 0.25, (rng.integers(3, 9), rng.integers(3, 9))).astype(np.float32)
    return np.exp(cv2.resize(cells, size[::-1], interpolation=cv2.INTER_CUBIC))[..., None]


def _blurred(layer: Layer, rng: Generator) -> Layer:
    """At times moved during the exposure or out of focus."""
    chance = rng.random()
    if chance < 0.15:
        return cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.5, 2))
    if chance < 0.25:
        return cv2.filter2D(layer, -1, _motion(rng.uniform(2, 9), rng.uniform(0, np.pi)))
    return layer


def _motion(length: float, angle: float) -> NDArray[np.float32]:
    """The kernel of a straight movement, summing to 1."""
    side = 2 * int(np.ceil(length / 2)) + 3
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    ends = np.rint((side // 2 + np.stack([-reach, reach])) * 2**SHIFT).astype(np.int32)
    kernel = np.zeros((side, side), np.uint8)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 255, 1, cv2.LINE_AA, SHIFT)
    return (kernel / kernel.sum()).astype(np.float32)


def premultiplied(subject: Subject) -> Layer:
    """The layer that a cut-out is."""
    layer = np.empty((*subject.alpha.shape, 4), np.float32)
    np.multiply(subject.foreground, subject.alpha[..., None], out=layer[..., :3])
    layer[..., 3] = subject.alpha
    return layer


def reduced(canvas: NDArray[np.uint8]) -> Layer:
    """What was drawn FINE times too large on a transparent (FINE h, FINE w, 4) canvas."""
    size = canvas.shape[1] // FINE, canvas.shape[0] // FINE
    layer = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    layer[..., 3] /= 255
    return layer


def over(top: Layer, bottom: Layer) -> Layer:
    """Porter and Duff's over."""
    return top + (1 - top[..., 3:]) * bottom


def subject_of(layer: Layer, at_least: NDArray[np.float32] | float = 0.0) -> Subject:
    """The cut-out that a layer is; its alpha is kept from falling below `at_least` by rounding."""
    alpha = np.clip(np.maximum(layer[..., 3], at_least), 0, 1)
    return Subject(np.rint(_colours(layer)).astype(np.uint8), alpha)


def _colours(layer: Layer) -> NDArray[np.float32]:
    """Straight colours (h, w, 3), run on smoothly to where nothing is seen."""
    alpha = layer[..., 3:]
    seen = alpha >= VISIBLE
    straight = layer * seen / np.maximum(alpha, VISIBLE)
    return np.clip(np.where(seen, straight[..., :3], filled(straight)), 0, 255)


def seen_through_lens(
    alpha: NDArray[np.float32],
    front: NDArray[np.float32],
    back: NDArray[np.float32],
    sigma: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Alpha, F and B of the blurred photo; where a share is nearly nothing its colour stays."""
    seen = np.clip(cv2.GaussianBlur(alpha, (0, 0), sigma), 0, 1)

    def blurred(colours, before, after):
        """Colours in front of the lens, with their shares there and behind it."""
        shares = cv2.GaussianBlur(colours * before[..., None], (0, 0), sigma)
        mixed = np.minimum(shares / np.maximum(after, NOTHING)[..., None], 255)
        return np.where(after[..., None] >= NOTHING, mixed, colours)

    return seen, blurred(front, alpha, seen), blurred(back, 1 - alpha, 1 - seen)


def _degraded(composite: NDArray[np.float32], rng: Generator) -> NDArray[np.uint8]:
    """Noise of the sensor, JPEG, 8 bits."""
    noisy = composite
    if rng.random() < 0.6:
        noise = rng.standard_normal(composite.shape, np.float32)
        noisy = composite + noise * np.float32(np.exp(rng.uniform(np.log(0.5), np.log(8))))
    image = np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 98))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image
