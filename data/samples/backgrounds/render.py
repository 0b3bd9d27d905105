"""Render the sample backgrounds beside this file: python data/samples/backgrounds/render.py.

Every scene is computed in linear light, where lights add up, and graded to sRGB once at the end.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

WIDTH, HEIGHT = 1600, 1200
FOLDER = Path(__file__).parent

Scene = NDArray[np.float64]  # (HEIGHT, WIDTH, 3) linear light
X, Y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
ASPECT = WIDTH / HEIGHT


def linear(colour: str) -> NDArray[np.float64]:
    """Linear light of an sRGB "#rrggbb"."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def ramp(position: NDArray, *stops: tuple[float, str]) -> Scene:
    """Colours of (HEIGHT, WIDTH) positions, smooth between the stops."""
    where = np.array([stop for stop, _ in stops])
    colours = np.array([linear(colour) for _, colour in stops])
    return np.stack([np.interp(position, where, channel) for channel in colours.T], axis=-1)


def glow(x: float, y: float, radius: float) -> NDArray:
    """Round light falling off like a Gaussian; radius in picture heights."""
    return np.exp(-(((X - x) * ASPECT) ** 2 + (Y - y) ** 2) / (2 * radius**2))


def clouds(rng: np.random.Generator, scale: float, stretch: float = 1.0) -> NDArray:
    """Smooth noise of zero mean and unit deviation; scale in picture heights."""
    total = np.zeros((HEIGHT, WIDTH))
    for octave in range(4):
        sigma = scale * HEIGHT / 2**octave
        layer = gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), (sigma, sigma * stretch))
        total += layer / layer.std() / 2**octave
    return (total - total.mean()) / total.std()


def studio(rng: np.random.Generator) -> Scene:
    """A hand-painted grey backdrop lit from behind the sitter."""
    light = 0.10 + 0.62 * glow(0.5, 0.42, 0.42) + 0.03 * clouds(rng, 0.07)
    return ramp(light, (0.0, "#14161a"), (0.35, "#454c55"), (0.8, "#a9b0b5"), (1.1, "#dfe2e2"))


def bokeh(rng: np.random.Generator) -> Scene:
    """City lights at night, far out of focus."""
    scene = ramp(Y, (0, "#060a18"), (0.6, "#14162c"), (1, "#0a0810"))
    scene += 0.05 * glow(0.5, 0.62, 0.45)[..., None] * linear("#ff9a3c")
    lights = ["#ffb347", "#ffd9a0", "#ff7a3d", "#ff4f58", "#6fb7ff", "#fff2df", "#ffa02e"]
    for _ in range(110):
        x, y = rng.uniform(-0.05, 1.05), np.clip(rng.normal(0.56, 0.19), 0, 1)
        radius = rng.uniform(0.015, 0.07)
        distance = np.hypot((X - x) * ASPECT, Y - y) / radius
        disc = np.clip((1 - distance) * radius * HEIGHT / 3, 0, 1)
        rim = 0.75 + 0.6 * np.clip(distance, 0, 1) ** 6  # a lens brightens the edge of its discs
        strength = rng.uniform(0.06, 0.42)
        scene += (disc * rim * strength)[..., None] * linear(rng.choice(lights))
    return gaussian_filter(scene, (1.5, 1.5, 0))


def sunset(rng: np.random.Generator) -> Scene:
    """Evening sky over the sea."""
    horizon = 0.74
    sky_stops = (
        (0.0, "#26345f"),
        (0.3, "#6a5a8e"),
        (0.52, "#c97b86"),
        (0.67, "#f2a66b"),
        (horizon, "#ffd79a"),
    )
    sky = ramp(Y, *sky_stops)
    sky += 0.55 * glow(0.66, horizon, 0.16)[..., None] * linear("#ffc66e")
    sky += 2.2 * glow(0.66, horizon - 0.035, 0.026)[..., None] * linear("#fff3cf")
    streaks = np.clip(clouds(rng, 0.05, stretch=7) - 0.25, 0, None)
    streaks *= np.clip(1.15 - np.abs(Y - 0.42) / 0.38, 0, 1)
    cover = (1 - np.exp(-0.9 * streaks))[..., None]
    sky = sky * (1 - 0.75 * cover) + 0.75 * cover * ramp(
        Y, (0.1, "#5b4a78"), (0.45, "#e8747a"), (0.7, "#ffb56b")
    )
    depth = np.clip((Y - horizon) / (1 - horizon), 0, 1)
    mirrored = ramp(horizon - depth * 0.6, *sky_stops) * 0.5
    ripples = clouds(rng, 0.012, stretch=9) * (0.25 + 0.4 * depth)
    path = np.exp(-(((X - 0.66) * ASPECT / (0.03 + 0.16 * depth)) ** 2))
    sea = mirrored * np.clip(1 + 0.35 * ripples, 0, None)[..., None]
    sea += (0.75 * path * np.clip(0.35 + ripples, 0, 2.2))[..., None] * linear("#ffbf73")
    shore = np.clip((Y - horizon) * HEIGHT / 2, 0, 1)[..., None]
    return sky * (1 - shore) + sea * shore


def window(rng: np.random.Generator) -> Scene:
    """Late light through a window onto a plastered wall."""
    wall = ramp(X * 0.7 + Y * 0.3, (0.0, "#d8c3a5"), (0.55, "#c0a98b"), (1.0, "#85725d"))
    wall *= (1 + 0.035 * clouds(rng, 0.02) + 0.05 * clouds(rng, 0.14))[..., None]
    u, v = X * ASPECT - 0.34 * Y, Y + 0.22 * X  # the panes lean with the low sun
    panes = np.zeros_like(X)
    for column in range(2):
        for row in range(3):
            left, top = 0.20 + column * 0.27, 0.16 + row * 0.25
            panes += ((u > left) & (u < left + 0.235) & (v > top) & (v < top + 0.215)) * 1.0
    leaves = gaussian_filter(1.0 * (clouds(rng, 0.035, stretch=1.4) > 0.75), 12)
    panes *= 1 - 0.6 * leaves * np.clip(1.5 - 1.6 * Y, 0, 1)
    sun = 0.6 * gaussian_filter(panes, 5) + 0.4 * gaussian_filter(panes, 18)
    return wall * (0.50 + sun[..., None] * linear("#ffe0ae") * 1.15)


def paper(rng: np.random.Generator) -> Scene:
    """Warm handmade paper with fibres."""
    sheet = ramp(Y, (0, "#efe6d6"), (1, "#e2d6c2"))
    relief = 0.7 * clouds(rng, 0.006) + 0.5 * clouds(rng, 0.05)
    fibres = np.zeros_like(X)
    for _ in range(420):
        length, bend = rng.uniform(30, 110), rng.normal(0, 0.012)
        angle = rng.uniform(0, np.pi) + bend * np.arange(int(length))
        column = (rng.uniform(0, WIDTH) + np.cumsum(np.cos(angle))).astype(int) % WIDTH
        row = (rng.uniform(0, HEIGHT) + np.cumsum(np.sin(angle))).astype(int) % HEIGHT
        fibres[row, column] += rng.uniform(0.4, 1.0)
    fibres = gaussian_filter(fibres, 0.9)
    shade = np.gradient(gaussian_filter(relief, 1.2), axis=(0, 1))
    emboss = (shade[0] + shade[1]) / np.std(shade[0] + shade[1])
    light = 1 + 0.022 * emboss + 0.012 * relief - 0.28 * fibres
    vignette = 1 - 0.20 * (1 - glow(0.45, 0.4, 0.62))
    return sheet * (light * vignette)[..., None]


def amber(rng: np.random.Generator) -> Scene:
    """Dark stage with one warm lamp behind haze: the colours of the dashboard."""
    haze = np.clip(1 + 0.22 * clouds(rng, 0.16, stretch=1.6), 0.2, None)
    scene = ramp(Y, (0, "#0d0f14"), (1, "#171411"))
    scene += (0.20 * glow(0.5, 0.30, 0.26) * haze)[..., None] * linear("#f0a030")
    scene += (0.35 * glow(0.5, 0.24, 0.12))[..., None] * linear("#ffd48a")
    beams = np.abs((X - 0.5) * ASPECT) < 0.05 + 0.55 * np.clip(Y - 0.02, 0, None)
    beam = gaussian_filter(1.0 * beams, 30) * np.exp(-1.6 * Y) * haze
    return scene + (0.10 * beam)[..., None] * linear("#ffbe5c")


def graded(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """sRGB bytes with a soft shoulder and just enough grain to hide banding."""
    light = np.clip(scene, 0, None)
    light = np.where(light > 0.6, 0.6 + 0.4 * np.tanh((light - 0.6) / 0.4), light)
    srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    grain = rng.normal(0, 0.9, (HEIGHT, WIDTH, 1))
    return np.clip(srgb * 255 + grain + 0.5, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    for scene in (studio, bokeh, sunset, window, paper, amber):
        rng = np.random.default_rng(7)
        picture = Image.fromarray(graded(scene(rng), rng))
        picture.save(FOLDER / f"{scene.__name__}.jpg", quality=86, optimize=True)
