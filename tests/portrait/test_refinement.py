import numpy as np
import pytest

from deepmasque.engine import TorchEngine, refinement_engine
from deepmasque.portrait.refinement import (
    CORE,
    TILE,
    local_colours,
    network_input,
    refined,
    tiles,
)

RED, BLUE = np.uint8([200, 30, 30]), np.uint8([20, 40, 180])


def scene(height, width, seed=0):
    """A red disc with a soft edge before blue, a little noise, its alpha and its trimap."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2) - min(height, width) / 4
    alpha = np.clip(0.5 - distance / 8, 0, 1).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 3, (height, width, 3))
    image = alpha[..., None] * RED + (1 - alpha[..., None]) * BLUE + noise
    trimap = np.where(distance < -8, 255, np.where(distance > 8, 0, 128)).astype(np.uint8)
    return image.clip(0, 255).astype(np.uint8), alpha, trimap


class Constant:
    """An engine that answers with one number and counts what it is asked."""

    device = "test"

    def __init__(self, value):
        self.value, self.calls = value, 0

    def __call__(self, x):
        assert x.shape == (13, TILE, TILE)
        assert x.dtype == np.float32
        assert abs(x).max() <= 1
        self.calls += 1
        return np.full((1, TILE, TILE), self.value, np.float32)


@pytest.mark.parametrize("size", [(40, 31), (1, 9), (257, 130), (300, 520)])
@pytest.mark.parametrize("value", [0.3, -5, 7])
def test_only_the_band_changes_at_any_size(size, value):
    image, alpha, trimap = scene(*size)
    given = alpha.copy()
    result = refined(image, alpha, trimap, Constant(value))
    band = trimap == 128
    np.testing.assert_array_equal(alpha, given)
    np.testing.assert_array_equal(result[~band], alpha[~band])
    assert (result[band] == np.float32(np.clip(value, 0, 1))).all()


def test_without_a_band_nothing_is_asked():
    image, alpha, _ = scene(60, 60)
    engine = Constant(0.5)
    result = refined(image, alpha, np.zeros((60, 60), np.uint8), engine)
    np.testing.assert_array_equal(result, alpha)
    assert engine.calls == 0


def test_the_tiles_cover_the_band_and_no_more():
    unknown = np.zeros((5 * CORE, 7 * CORE), bool)
    unknown[CORE + 5, :] = True
    unknown[3 * CORE, 2] = True
    assert list(tiles(unknown)) == [(CORE, CORE * i) for i in range(7)] + [(3 * CORE, 0)]


def test_local_colours_are_those_of_the_two_sides():
    image, alpha, _ = scene(61, 90)
    colours = local_colours(image, alpha)
    assert colours.shape == (16, 23, 6)
    np.testing.assert_allclose(colours[..., :3] - RED / 255, 0, atol=0.04)
    np.testing.assert_allclose(colours[..., 3:] - BLUE / 255, 0, atol=0.04)


def test_local_colours_prefer_what_is_near():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = RED, BLUE
    front = local_colours(image, np.ones((64, 64), np.float32))[..., :3] * 255
    np.testing.assert_allclose(front[8, 0], RED, atol=15)
    np.testing.assert_allclose(front[8, 15], BLUE, atol=15)


def test_a_window_does_not_depend_on_where_it_begins():
    image, alpha, trimap = scene(150, 170)
    colours = local_colours(image, alpha)
    whole = network_input(image, alpha, trimap, colours, 0, 0, 152, 172)
    part = network_input(image, alpha, trimap, colours, 40, 64, 80, 96)
    np.testing.assert_allclose(part, whole[:, 40:120, 64:160], atol=1e-5)


def test_the_colours_alone_explain_the_alpha_of_a_flat_scene():
    image, alpha, trimap = scene(120, 120)
    x = network_input(image, alpha, trimap, local_colours(image, alpha), 0, 0, 120, 120)
    np.testing.assert_allclose((x[12] + 1) / 2, alpha, atol=0.1)


def test_the_shipped_network_gives_the_same_bytes_and_no_seams():
    image, alpha, trimap = scene(400, 420)
    rough = np.where(trimap == 128, 0.05 + 0.9 * alpha, alpha).astype(np.float32)
    engine = refinement_engine()
    result = refined(image, rough, trimap, engine)
    np.testing.assert_array_equal(result, refined(image, rough, trimap, engine))
    band = trimap == 128
    assert abs(result - alpha)[band].mean() < 0.9 * abs(rough - alpha)[band].mean()

    x = network_input(image, rough, trimap, local_colours(image, rough), -64, -64, 528, 544)
    whole = TorchEngine("refinement", "cpu")(x)[0, 64 : 64 + 400, 64 : 64 + 420].clip(0, 1)
    np.testing.assert_allclose(result[band], whole[band], atol=0.5 / 255)
