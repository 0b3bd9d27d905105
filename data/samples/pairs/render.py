"""Make the sample pairs beside this file: python data/samples/pairs/render.py.

Every pair is a photo, its plate and the true alpha. The places, the mannequin and its shirt are
computed; the person is a public-domain portrait of this repository with hair drawn on.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from deepmasque import matte, samples
from deepmasque.image import encode_jpeg, encode_png, write_atomic
from deepmasque.training import hair

FOLDER = Path(__file__).parent
FINE = 2
"""Everything drawn is drawn so many times too large."""

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """Something drawn: colour (h, w, 3) 0..255 and alpha (h, w) 0..1, FINE times too large."""

    colour: Plane
    alpha: Plane


def smooth(plane: Plane, sigma: float) -> Plane:
    """Blurred by so many pixels."""
    return cv2.GaussianBlur(np.asarray(plane, np.float32), (0, 0), sigma)


def over(upper: Layer, below: Plane) -> Plane:
    """The layer before a picture."""
    return hair.blend(upper.alpha, upper.colour, below)


def noise(shape: tuple[int, int], sigma: tuple[float, float], rng: np.random.Generator) -> Plane:
    """Smooth noise of unit deviation; sigma across and down, pixels."""
    reduce = max(1, int(min(sigma) / 3))
    small = rng.standard_normal((shape[0] // reduce + 1, shape[1] // reduce + 1), np.float32)
    small = cv2.GaussianBlur(small, (0, 0), sigma[0] / reduce, sigmaY=sigma[1] / reduce)
    return cv2.resize(small / small.std(), shape[::-1], interpolation=cv2.INTER_CUBIC)


def photographed(scene: Plane, rng: np.random.Generator, grain: float = 1.5) -> NDArray[np.uint8]:
    """The scene with the noise of a sensor, in 8 bits."""
    noisy = scene + grain * rng.standard_normal(scene.shape, np.float32)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)


def shadowed(scene: Plane, thing: Plane, offset, reach: float, depth: float) -> Plane:
    """The scene in the soft shadow of something; offset (x, y) and reach in pixels."""
    move = np.float32([[1, 0, offset[0]], [0, 1, offset[1]]])
    thrown = cv2.warpAffine(thing, move, thing.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return scene * (1 - depth * smooth(thrown, reach))[..., None]


def written(name: str, photo: NDArray, plate: NDArray, truth: Plane) -> None:
    """Write the three files of a pair."""
    write_atomic(FOLDER / f"{name}.jpg", encode_jpeg(photo, 90))
    write_atomic(FOLDER / f"{name}_plate.jpg", encode_jpeg(plate, 90))
    write_atomic(FOLDER / f"{name}_alpha.png", encode_png(np.rint(truth * 255).astype(np.uint8)))


# The portrait: an astronaut in a library, from the hand


def library(height: int, width: int, rng: np.random.Generator) -> Plane:
    """Shelves of books, a little out of focus, lit by a lamp at the right; (height, width, 3)."""
    scene = np.full((height, width, 3), (58, 38, 24), np.float32)
    board, space = 22, 178
    for top in range(-60, height, board + space):
        _shelf(scene, top, board, space, rng)
    grain = noise((height, width), (40, 1.2), rng)[..., None]
    scene *= 1 + 0.04 * grain
    y, x = np.mgrid[:height, :width].astype(np.float32)
    lamp = np.exp(-((x / width - 0.86) ** 2 / 0.10 + (y / height - 0.25) ** 2 / 0.22))
    scene *= (0.58 + 0.95 * lamp)[..., None] * np.float32([1.05, 0.98, 0.86])
    return smooth(scene, 2.2)


def _shelf(scene: Plane, top: int, board: int, space: int, rng: np.random.Generator) -> None:
    """One row of books on its board, drawn into the scene."""
    height, width = scene.shape[:2]
    left = -20
    while left < width:
        if rng.random() < 0.1:  # a gap, or a book that leans
            left += int(rng.uniform(15, 60))
            continue
        wide, tall = int(rng.uniform(16, 46)), int(space * rng.uniform(0.62, 0.95))
        _book(scene, left, top + board + space - tall, wide, tall, rng)
        left += wide + 1
    shade = np.linspace(0.35, 1, 46)[:, None, None]
    under = slice(max(top + board, 0), max(min(top + board + 46, height), 0))
    scene[under] *= shade[-(under.stop - under.start) or 46 :][: under.stop - under.start]
    wood = slice(max(top, 0), max(min(top + board, height), 0))
    scene[wood] = (
        np.float32([126, 84, 50])
        * np.linspace(1.15, 0.8, board)[:, None, None][board - (wood.stop - wood.start) :]
    )


def _book(scene: Plane, left: int, top: int, wide: int, tall: int, rng) -> None:
    """A spine: round, with bands and a title of a few strokes."""
    part = scene[max(top, 0) : max(top + tall, 0), max(left, 0) : max(left + wide, 0)]
    if not part.size:
        return
    tints = (
        (120, 30, 28),
        (28, 54, 92),
        (30, 74, 52),
        (146, 110, 58),
        (70, 46, 84),
        (196, 182, 150),
    )
    colour = np.array(tints[rng.integers(6)]) * rng.uniform(0.6, 1.25)
    spine = np.full((tall, wide, 3), colour, np.float32)
    ink = colour * 0.35 if colour.mean() > 130 else (214, 178, 96)
    for place in rng.choice([0.07, 0.12, 0.2, 0.78, 0.86, 0.93], rng.integers(1, 4), replace=False):
        cv2.line(spine, (0, int(place * tall)), (wide, int(place * tall)), list(map(float, ink)), 2)
    middle, reach = wide // 2, int(tall * rng.uniform(0.1, 0.2))
    for step in range(int(tall * 0.45) - reach, int(tall * 0.45) + reach, 7):
        if rng.random() < 0.8:
            half = max(2, int(wide * rng.uniform(0.08, 0.2)))
            cv2.line(spine, (middle - half, step), (middle + half, step), list(map(float, ink)), 3)
    bow = np.sin(np.linspace(0.25, np.pi - 0.15, wide)) ** 0.7
    spine *= bow[None, :, None]
    part[:] = spine[-part.shape[0] :, -part.shape[1] :][:, : part.shape[1]]


RING = ((177.3, 213.4), (109.0, 190.0), 115.8)
"""The helmet ring of the suit, fitted in the portrait: its far side is as dark as its ground."""
HAIR_SEED = 2


def astronaut(scale: float, rng: np.random.Generator) -> hair.Subject:
    """The cut-out of the sample portrait, enlarged, with loose hair."""
    solved = matte(samples.portraits()[0].path)
    ring = np.zeros(solved.alpha.shape, np.float32)
    cv2.ellipse(ring, RING, 1.0, cv2.FILLED, cv2.LINE_AA)
    alpha = np.maximum(np.clip((solved.alpha - 0.08) / 0.84, 0, 1), smooth(ring, 0.6))
    foreground = hair.subject_of(
        hair.premultiplied(hair.Subject(solved.image, np.where(ring > 0.5, 1, solved.alpha**3)))
    ).foreground
    size = [round(scale * side) for side in alpha.shape[::-1]]
    colour = cv2.resize(foreground, size, interpolation=cv2.INTER_CUBIC)
    soft = smooth(colour.astype(np.float32), 1.6)
    colour = np.clip(colour + 0.9 * (colour - soft), 0, 255).astype(np.uint8)
    alpha = np.clip(cv2.resize(alpha, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    head = tuple(scale * value for value in (191, 104, 72))
    room = round(0.5 * head[2])
    around = (room, 0), (0, room)
    framed = hair.Subject(
        np.pad(colour, (*around, (0, 0)), mode="edge"), np.pad(alpha, around).astype(np.float32)
    )
    return hair.with_strands(framed, rng, head=(head[0], head[1] + room, head[2]))


def portrait_pair() -> None:
    """The astronaut before the library; the plate taken from a little aside, exposed longer."""
    height, width, margin = 960, 1280, 48
    rng = np.random.default_rng(11)
    place = library(height + 2 * margin, width + 2 * margin, rng)
    subject = astronaut(2.4, np.random.default_rng(HAIR_SEED))
    tall, wide = subject.alpha.shape
    alpha = np.zeros((height, width), np.float32)
    colour = np.zeros((height, width, 3), np.float32)
    alpha[height - tall :, :wide], colour[height - tall :, :wide] = (
        subject.alpha,
        subject.foreground,
    )
    colour *= np.float32([1.0, 0.93, 0.84])
    back = place[margin:-margin, margin:-margin]
    back = shadowed(back, alpha, (-60, 30), 45, 0.35)
    alpha, colour, back = hair.seen_through_lens(alpha, colour, back, 0.7)
    photo = photographed(hair.blend(alpha, colour, back), rng)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -0.9, 1.006)
    turn[:, 2] += (11, -7)
    shifted = turn @ np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1]])
    plate = cv2.warpAffine(smooth(place, 0.7), shifted, (width, height))
    written("portrait", photo, photographed(plate * np.float32([1.13, 1.1, 1.06]), rng), alpha)


# The ghost mannequin: a dressmaker's bust, then the same bust in a shirt

TALL, WIDE = 1280, 960
Y, X = (
    (axis.astype(np.float32) + 0.5) / (FINE * TALL)
    for axis in np.mgrid[: FINE * TALL, : FINE * WIDE]
)
X -= 0.5 * WIDE / TALL
BUST = ((0.155, 0.036), (0.20, 0.040), (0.222, 0.062), (0.25, 0.115), (0.285, 0.143))
BUST += ((0.36, 0.142), (0.50, 0.118), (0.60, 0.135), (0.68, 0.147), (0.725, 0.140))
SHIRT = ((0.205, 0.062), (0.235, 0.10), (0.262, 0.142), (0.30, 0.158), (0.40, 0.160))
SHIRT += ((0.52, 0.153), (0.64, 0.164), (0.78, 0.172))
SLEEVE = ((0.124, 0.302), (0.158, 0.37), (0.193, 0.50), (0.208, 0.665))
SLEEVE_WIDTH = (0.046, 0.048, 0.042, 0.034)
LIGHT = np.float32([-0.50, -0.48, 0.72])


def body(profile: tuple[tuple[float, float], ...], depth: float = 0.75) -> Plane:
    """Heights towards the viewer of a body that is an ellipse in every row; nan outside.

    profile: (row, half width) in picture heights.
    """
    rows = np.array(profile)[:, 0]
    half = half_width(profile)
    within = 1 - (X / half) ** 2
    inside = (rows[0] <= Y) & (rows[-1] + 0.10 * half * np.clip(within, 0, 1) >= Y)
    return np.where(inside & (within > 0), depth * half * np.sqrt(np.maximum(within, 0)), np.nan)


def half_width(profile: tuple[tuple[float, float], ...]) -> Plane:
    """Half widths of a body in every row, (h, 1)."""
    rows, halves = np.array(profile).T
    return PchipInterpolator(rows, halves)(np.clip(Y[:, :1], rows[0], rows[-1])).astype(np.float32)


def tube(points: NDArray, radii: NDArray) -> tuple[Plane, Plane]:
    """Heights of a bent round sleeve, nan outside, and how far along it every pixel lies, 0..1."""
    t = np.linspace(0, 1, len(points))
    fine = np.linspace(0, 1, 200)
    line = PchipInterpolator(t, points)(fine).astype(np.float32)
    wide = PchipInterpolator(t, radii)(fine).astype(np.float32)
    best, along = np.full(X.shape, -1, np.float32), np.zeros(X.shape, np.float32)
    for centre, radius, place in zip(line, wide, fine, strict=True):
        rows = slice(*np.clip(((centre[1] + [-radius, radius]) * FINE * TALL).astype(int), 0, None))
        within = radius**2 - (X[rows] - centre[0]) ** 2 - (Y[rows] - centre[1]) ** 2
        higher = np.sqrt(np.maximum(within, 0)) > best[rows]
        along[rows] = np.where(higher & (within > 0), place, along[rows])
        best[rows] = np.where(
            within > 0, np.maximum(best[rows], np.sqrt(np.abs(within))), best[rows]
        )
    ends = line[-1, 1] + 0.2 * (wide[-1] - (X - line[-1, 0]) ** 2 / wide[-1]) < Y
    return np.where((best > 0) & ~ends, best, np.nan), along


def lit(heights: Plane, gloss: float = 0.0) -> Plane:
    """Light on a surface of heights in picture heights, (h, w) factors about 1."""
    filled = np.nan_to_num(heights) * FINE * TALL
    down, across = np.gradient(filled)
    length = np.sqrt(1 + down**2 + across**2)
    facing = (LIGHT[2] - LIGHT[0] * across - LIGHT[1] * down) / length
    fill = 0.5 + 0.5 / length
    shine = gloss * np.clip(facing, 0, 1) ** 24
    return (0.30 * fill + 0.78 * np.clip(facing, 0, 1) + shine).astype(np.float32)


def polygon(points: NDArray) -> Plane:
    """The inside of an outline in picture heights, 0 or 1."""
    mask = np.zeros(X.shape, np.uint8)
    pixels = (np.asarray(points) + (0.5 * WIDE / TALL, 0)) * FINE * TALL
    cv2.fillPoly(mask, [np.rint(pixels).astype(np.int32)], 1)
    return mask.astype(np.float32)


def studio(rng: np.random.Generator) -> Plane:
    """A paper backdrop that runs out over the floor."""
    wall = 186 + 30 * np.exp(-((X + 0.05) ** 2 / 0.09 + (Y - 0.40) ** 2 / 0.13))
    floor = 0.5 + 0.5 * np.tanh((Y - 0.90) / 0.035)
    shade = wall * (1 - 0.10 * floor) + 16 * floor - 30 * np.clip(Y - 0.93, 0, 1) * 4
    paper = 1 + 0.010 * noise(X.shape, (60, 60), rng) + 0.006 * noise(X.shape, (2, 2), rng)
    scene = (shade * paper)[..., None] * np.float32([1.0, 0.985, 0.955])
    tape = polygon([(-0.30, 0.962), (-0.255, 0.958), (-0.254, 0.968), (-0.299, 0.973)])
    return over(Layer(scene * 0 + np.float32([52, 54, 60]), smooth(tape, 1.5)), scene)


def mannequin(scene: Plane, rng: np.random.Generator) -> Plane:
    """The scene with the bust on its stand."""
    base = ((X / 0.125) ** 2 + ((Y - 0.945) / 0.024) ** 2 < 1).astype(np.float32)
    pole = ((abs(X) < 0.0105) & (Y > 0.71) & (Y < 0.945)).astype(np.float32)
    heights = body(BUST)
    figure = np.isfinite(heights).astype(np.float32)
    scene = shadowed(scene, np.maximum(figure, pole), (115, 51), 115, 0.22)
    scene = shadowed(scene, base, (31, 15), 31, 0.55)
    metal = np.clip(1.25 - ((X + 0.004) / 0.009) ** 2 * 0.5, 0.3, 1.4)[..., None]
    iron = np.float32([60, 58, 56]) * (0.9 + 0.5 * np.exp(-((X + 0.05) ** 2) / 0.002))[..., None]
    scene = over(Layer(iron * (1.15 - 6 * np.clip(Y - 0.94, 0, 1))[..., None], base), scene)
    scene = over(Layer(np.float32([150, 138, 118]) * metal, pole), scene)
    linen = 1 + 0.03 * noise(X.shape, (0.9, 4), rng) + 0.03 * noise(X.shape, (4, 0.9), rng)
    seams = 1 - 0.28 * np.exp(-((X / 0.0011) ** 2))
    for side in (-1, 1):
        seams *= 1 - 0.22 * np.exp(-(((X - side * (0.072 + 0.06 * (Y - 0.5) ** 2)) / 0.0011) ** 2))
    seams *= 1 - 0.2 * np.exp(-(((Y - 0.205) / 0.0012) ** 2))
    colour = np.float32([214, 196, 166]) * (lit(heights) * linen * seams)[..., None]
    scene = over(Layer(colour, figure), scene)
    cap = ((X / 0.037) ** 2 + ((Y - 0.155) / 0.0105) ** 2 < 1).astype(np.float32)
    wood = np.float32([146, 94, 54]) * (1 + 0.08 * noise(X.shape, (30, 1.5), rng))[..., None]
    knob = body(((0.118, 0.006), (0.126, 0.0115), (0.136, 0.008), (0.15, 0.013)))
    scene = over(Layer(wood * 1.25, cap), scene)
    return over(
        Layer(wood * lit(knob, 0.6)[..., None], np.isfinite(knob).astype(np.float32)), scene
    )


def shirt(rng: np.random.Generator) -> Layer:
    """A striped shirt, its collar open, on the bust."""
    torso = body(SHIRT, 0.62)
    hem = 0.745 + 0.024 * np.cos(np.clip(X / 0.17, -1, 1) * np.pi) + 0.003 * np.sin(X * 70)
    torso = np.where(hem > Y, torso, np.nan)
    drape = noise(X.shape, (26, 300), rng) * np.clip((Y - 0.28) * 3, 0, 1)
    drape += 0.6 * noise(X.shape, (60, 90), rng)
    for side in (-1, 1):  # cloth pulls from the armpits
        pull = np.sin(((abs(X) - 0.13) * 0.8 + (Y - 0.36)) * 150) * (np.sign(X) == side)
        drape += 0.8 * pull * np.exp(-((abs(X) - 0.13) ** 2 / 0.0012 + (Y - 0.37) ** 2 / 0.004))
    half = half_width(SHIRT)
    heights = torso + 0.0038 * drape
    stripes = half * np.arcsin(np.clip(X / half, -1, 1)) + 0.0014 * drape
    parts = np.zeros(X.shape, np.int8)
    cuffs = np.zeros(X.shape, np.float32)
    for side in (-1, 1):
        sleeve, along = tube(np.array(SLEEVE) * (side, 1), np.array(SLEEVE_WIDTH))
        across = noise(X.shape, (70, 16), rng) * (0.5 + 0.9 * np.exp(-((along - 0.55) ** 2) / 0.04))
        sleeve = sleeve + 0.0017 * across + 0.012 - 0.02 * along
        nearer = np.isfinite(sleeve) & ~(heights > sleeve)
        heights = np.where(nearer, sleeve, heights)
        lean = X - side * (0.05 * along + 0.14)
        stripes = np.where(nearer, lean + 0.0012 * across, stripes)
        parts[nearer] = side
        cuffs = np.where(nearer & (along > 0.93), 1.0, cuffs)
    seam = smooth((cv2.Laplacian(parts.astype(np.float32), cv2.CV_32F) != 0) * 1.0, 2.2)
    seam += smooth(abs(cv2.Sobel(cuffs, cv2.CV_32F, 0, 1)) > 0, 1.2)
    neck = polygon([(-0.066, 0.19), (0.066, 0.19), (0.040, 0.245), (0.0, 0.318), (-0.040, 0.245)])
    alpha = np.isfinite(heights) * (1 - neck)
    heights = np.where(np.isfinite(heights), heights, 0)
    colour = _striped(stripes, rng) * (lit(heights) * (1 - np.clip(0.5 * seam, 0, 0.6)))[..., None]
    layer = _buttoned(Layer(colour.astype(np.float32), alpha.astype(np.float32)), rng)
    return _collared(layer, rng)


def _striped(across: Plane, rng: np.random.Generator) -> Plane:
    """Cotton in two blues, woven."""
    share = np.clip(0.5 + 3 * np.cos(across * 2 * np.pi / 0.0105), 0, 1)[..., None]
    weave = 1 + 0.035 * noise(X.shape, (1, 2.5), rng) + 0.035 * noise(X.shape, (2.5, 1), rng)
    cloth = (1 - share) * np.float32([226, 232, 240]) + share * np.float32([104, 142, 196])
    return cloth * weave[..., None]


def _buttoned(layer: Layer, rng: np.random.Generator) -> Layer:
    """The layer with its front edge, a pocket and buttons."""
    dark = 1 - 0.35 * np.exp(-(((X - 0.0165) / 0.0009) ** 2)) * (Y > 0.3)
    dark *= 1 - 0.45 * smooth(((X > 0.0165) & (X < 0.0215)) * 1.0, 5) * (Y > 0.3)
    stitch = (np.sin(Y * 2 * np.pi / 0.0042) > -0.3) * (Y > 0.3)
    dark *= 1 - 0.22 * stitch * np.exp(-(((X - 0.013) / 0.0006) ** 2))
    pocket = polygon(
        [(0.050, 0.385), (0.118, 0.381), (0.118, 0.452), (0.084, 0.466), (0.050, 0.454)]
    )
    rim = smooth(abs(cv2.Laplacian(pocket, cv2.CV_32F)) > 0, 1.4)
    colour = layer.colour * (dark * (1 - 0.5 * np.clip(rim, 0, 1)))[..., None]
    for row in np.arange(0.335, 0.72, 0.072):
        far = np.hypot(X, Y - row) / 0.0072
        shade = np.hypot(X - 0.0016, Y - row - 0.002) / 0.0078
        colour *= (1 - 0.4 * smooth((shade < 1) * 1.0, 2))[..., None]
        pearl = (
            np.float32([238, 234, 224])
            * (1.02 - 0.25 * (far > 0.72) + 0.1 * (far < 0.5))[..., None]
        )
        colour = over(Layer(pearl.astype(np.float32), (far < 1).astype(np.float32)), colour)
        for hole in ((-0.0019, -0.0019), (0.0019, -0.0019), (-0.0019, 0.0019), (0.0019, 0.0019)):
            dot = np.hypot(X - hole[0], Y - row - hole[1]) < 0.001
            colour[dot] = (70, 74, 90)
    return Layer(colour, layer.alpha)


def _collared(layer: Layer, rng: np.random.Generator) -> Layer:
    """The layer with the two leaves of a collar and the shade under them."""
    colour, alpha = layer.colour, layer.alpha
    inner = polygon(
        [(-0.060, 0.192), (-0.041, 0.180), (-0.040, 0.245), (0.0, 0.318), (-0.055, 0.25)]
    )
    stand = np.maximum(inner, inner[:, ::-1])
    shaded = _striped(X + Y * 0.3, rng) * np.float32(0.55)
    colour, alpha = over(Layer(shaded, stand), colour), np.maximum(alpha, stand)
    for side in (-1, 1):
        outline = [(0.041, 0.180), (0.066, 0.190), (0.098, 0.236), (0.074, 0.304), (0.012, 0.296)]
        outline += [(0.030, 0.262), (0.043, 0.232)]
        leaf = smooth(polygon(np.array(outline) * (side, 1)), 3)
        leaf = np.clip((leaf - 0.5) * 6 + 0.5, 0, 1)
        colour = shadowed(colour, leaf, (8, 15), 10, 0.5)
        tilt = smooth(leaf, 22) * 0.02 + 0.02 * (0.2 - abs(abs(X) - 0.06))
        rim = smooth(abs(cv2.Laplacian(smooth(leaf, 3), cv2.CV_32F)), 1)
        edge = np.exp(-(((smooth(leaf, 8) - 0.78) / 0.05) ** 2)) * 0.16
        cloth = (
            _striped(side * X * 0.8 + Y * 0.6, rng)
            * (lit(tilt) * (1 - edge) * 1.04 - rim)[..., None]
        )
        colour = over(Layer(cloth.astype(np.float32), leaf), colour)
        alpha = np.maximum(alpha, leaf)
    return Layer(colour, alpha)


def mannequin_pair() -> None:
    """The bust, and the bust in its shirt, from a tripod; the subject is the shirt alone."""
    rng = np.random.default_rng(5)
    scene = mannequin(studio(rng), rng)
    layer = shirt(rng)
    shaded = shadowed(scene, layer.alpha, (115, 51), 115, 0.20)
    shaded = shadowed(shaded, layer.alpha, (10, 20), 18, 0.35)
    size = (WIDE, TALL)
    alpha = cv2.resize(layer.alpha, size, interpolation=cv2.INTER_AREA)
    mixed = (
        cv2.resize(layer.colour * layer.alpha[..., None], size, interpolation=cv2.INTER_AREA)
        / np.maximum(alpha, 1e-3)[..., None]
    )
    back, plate = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (shaded, scene))
    alpha, colour, back = hair.seen_through_lens(alpha, np.clip(mixed, 0, 255), back, 0.6)
    photo = photographed(hair.blend(alpha, colour, back), rng)
    written("mannequin", photo, photographed(smooth(plate, 0.6), rng), alpha)


if __name__ == "__main__":
    portrait_pair()
    mannequin_pair()
