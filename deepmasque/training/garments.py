"""Clothing that nobody wears: pieces of cloth with exact alpha, cut, patterned and laid in folds.

They stand for what hangs on a mannequin, and for anything else that has neither hair nor a face.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.training.hair import Generator, Subject
from deepmasque.training.plates import crop_of
from deepmasque.training.shapes import Sheet

SHIRT = (
    ((0.40, 0.06), (0.26, 0.12), (0.04, 0.42), (0.16, 0.50), (0.28, 0.34), (0.27, 0.94)),
    ((0.73, 0.94), (0.72, 0.34), (0.84, 0.50), (0.96, 0.42), (0.74, 0.12), (0.60, 0.06)),
)
DRESS = (
    ((0.40, 0.03), (0.30, 0.06), (0.34, 0.38), (0.12, 0.97)),
    ((0.88, 0.97), (0.66, 0.38), (0.70, 0.06), (0.60, 0.03)),
)
TROUSERS = (
    ((0.30, 0.04), (0.22, 0.97), (0.42, 0.97), (0.50, 0.36)),
    ((0.58, 0.97), (0.78, 0.97), (0.70, 0.04)),
)
SCARF = (
    ((0.42, 0.02), (0.30, 0.40), (0.40, 0.98)),
    ((0.66, 0.98), (0.58, 0.45), (0.64, 0.02)),
)
PATTERNS = (SHIRT, DRESS, TROUSERS, SCARF)
FRINGE = 0.3
"""Share of the pieces whose edge is a little out of focus."""


def garment(size: tuple[int, int], rng: Generator, texture: NDArray[np.uint8]) -> Subject:
    """One piece of cloth of size (height, width). texture: (H, W, 3) uint8, printed on some."""
    outline = np.array([point for side in PATTERNS[rng.integers(4)] for point in side])
    outline = _rounded(outline + rng.normal(0, 0.02, outline.shape), rng.uniform(0.5, 2.5))
    outline = (outline - 0.5) * np.exp(rng.normal(0, 0.12, 2)) + 0.5
    sheet = Sheet(size)
    sheet.fill(outline * size[::-1], np.zeros(3))
    alpha = np.ascontiguousarray(sheet.layer()[..., 3])
    if rng.random() < FRINGE:
        alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.5, 2.5))
    cloth = cloth_of(size, rng, texture) * folds(size, rng)[..., None]
    return Subject(np.clip(cloth, 0, 255).astype(np.uint8), np.clip(alpha, 0, 1))


def cloth_of(
    size: tuple[int, int], rng: Generator, texture: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Colours of cloth before it is lit, (h, w, 3), 0..255: plain, striped, checked or printed."""
    height, width = size
    first, second = rng.uniform(15, 245, (2, 3)).astype(np.float32)
    if rng.random() < 0.4:  # many clothes have no strong colour
        first = first * 0.15 + first.mean() * 0.85
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
    along = np.sin((np.cos(turn) * x + np.sin(turn) * y) * 2 * np.pi / period)
    across = np.sin((np.cos(turn) * y - np.sin(turn) * x) * 2 * np.pi / period)
    kind = rng.choice(["plain", "stripes", "checks", "print"], p=[0.4, 0.15, 0.15, 0.3])
    if kind == "print":
        return crop_of(texture, size, rng).astype(np.float32)
    share = {"plain": 0 * x, "stripes": along, "checks": (along + across) / 2}[kind]
    share = np.clip(0.5 + 2 * share, 0, 1) if kind != "plain" else share
    cloth = first + (second - first) * share[..., None]
    return cloth * np.exp(rng.normal(0, 0.04, (height, width, 1))).astype(np.float32)


def folds(size: tuple[int, int], rng: Generator) -> NDArray[np.float32]:
    """Light on hanging cloth, (h, w) factors: long soft ridges, mostly upright."""
    height, width = size
    light = np.zeros(size, np.float32)
    for strength in (0.25, 0.18, 0.12):
        ridges = rng.normal(0, 1, (rng.integers(2, 5), rng.integers(5, 16))).astype(np.float32)
        light += strength * cv2.resize(ridges, (width, height), interpolation=cv2.INTER_CUBIC)
    shear = np.float32([[1, rng.normal(0, 0.25), 0], [0, 1, 0]])
    light = cv2.warpAffine(light, shear, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.exp(rng.uniform(0.5, 1.3) * light - 0.1)


def _rounded(outline: NDArray[np.float64], corner: float) -> NDArray[np.float64]:
    """The closed outline as many points, its corners rounded over about `corner` percent of it."""
    closed = np.vstack([outline, outline[:1]])
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    places = np.linspace(0, steps[-1], 300, endpoint=False)
    dense = np.stack([np.interp(places, steps, axis) for axis in closed.T], axis=1)
    reach = round(3 * corner * 3)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (3 * corner)) ** 2)
    wrapped = np.vstack([dense[-reach:], dense, dense[:reach]]) if reach else dense
    smooth = [np.convolve(axis, kernel / kernel.sum(), "valid") for axis in wrapped.T]
    return np.stack(smooth, axis=1)
