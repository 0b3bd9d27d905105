from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepmasque.compose import Gradient, alpha_channel, composite, cutout, estimate_foreground
from deepmasque.errors import DeepMasqueError
from deepmasque.matte import Matte

ORANGE, BLUE = np.array([230, 140, 40]), np.array([30, 60, 200])


def soft_disc(size=96):
    """Alpha of a disc whose rim takes twelve pixels, like hair out of focus."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.clip((size / 3 - np.hypot(x, y)) / 12 + 0.5, 0, 1).astype(np.float32)


def blend(alpha, front, back):
    return np.rint(alpha[..., None] * front + (1 - alpha[..., None]) * back).astype(np.uint8)


def matte_of(alpha, foreground):
    empty = np.zeros(alpha.shape, np.uint8)
    return Matte(foreground, alpha, foreground, empty, alpha, alpha, (), (), "cpu")


@pytest.fixture(scope="module")
def disc():
    alpha = soft_disc()
    image = blend(alpha, ORANGE, BLUE)
    return image, alpha, estimate_foreground(image, alpha)


class TestForeground:
    def test_the_old_background_is_gone_from_the_rim(self, disc):
        image, alpha, foreground = disc
        rim = (alpha > 0.05) & (alpha < 0.95)
        spill = np.abs(image[rim].astype(int) - ORANGE).mean()
        assert spill > 60, "the photo itself is full of spill"
        assert np.abs(foreground[rim].astype(int) - ORANGE).mean() < 6

    def test_opaque_pixels_are_untouched(self, disc):
        image, alpha, foreground = disc
        assert foreground.dtype == np.uint8 and foreground.shape == image.shape
        assert np.array_equal(foreground[alpha == 1], image[alpha == 1])

    def test_blending_it_back_gives_the_photo(self, disc):
        image, alpha, foreground = disc
        again = blend(alpha, foreground, BLUE).astype(int)
        assert np.abs(again - image).max() <= 6

    @pytest.mark.parametrize("shape", [(1, 1), (1, 2), (1, 5000), (5000, 1), (2, 2), (3, 7)])
    def test_any_shape(self, shape):
        image = np.full((*shape, 3), 77, np.uint8)
        assert estimate_foreground(image, np.full(shape, 0.5, np.float32)).shape == (*shape, 3)

    @pytest.mark.parametrize("opacity", [0.0, 1.0])
    def test_all_or_nothing(self, opacity):
        image = np.random.default_rng(2).integers(0, 256, (16, 16, 3), np.uint8)
        foreground = estimate_foreground(image, np.full((16, 16), opacity, np.float32))
        assert foreground.shape == image.shape
        assert opacity == 0 or np.array_equal(foreground, image)

    def test_threads_may_call_it_together(self, disc):
        image, alpha, foreground = disc
        with ThreadPoolExecutor(4) as pool:
            for result in pool.map(lambda _: estimate_foreground(image, alpha), range(8)):
                assert np.array_equal(result, foreground)


class TestCutout:
    def test_colours_and_alpha(self, disc):
        _, alpha, foreground = disc
        rgba = cutout(matte_of(alpha, foreground))
        assert rgba.shape == (96, 96, 4) and rgba.dtype == np.uint8
        assert np.array_equal(rgba[..., :3], foreground)
        assert np.abs(rgba[..., 3] - alpha * 255).max() <= 0.5

    def test_alpha_channel_rounds(self):
        alpha = np.array([[0, 0.5, 0.999, 1]], np.float32)
        assert alpha_channel(matte_of(alpha, np.zeros((1, 4, 3), np.uint8))).tolist() == [
            [0, 128, 255, 255]
        ]


class TestComposite:
    def test_halfway_between_the_two(self):
        alpha = np.full((2, 2), 0.25, np.float32)
        matte = matte_of(alpha, np.full((2, 2, 3), 200, np.uint8))
        assert np.array_equal(composite(matte, (40, 80, 120)), [[[80, 110, 140]] * 2] * 2)

    def test_exact_where_alpha_is_0_or_1(self):
        front = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)
        back = np.random.default_rng(4).integers(0, 256, (8, 8, 3), np.uint8)
        alpha = np.zeros((8, 8), np.float32)
        alpha[:, 4:] = 1
        result = composite(matte_of(alpha, front), back)
        assert np.array_equal(result[:, :4], back[:, :4])
        assert np.array_equal(result[:, 4:], front[:, 4:])

    @pytest.mark.parametrize("colour", [(255, 176, 0), [255, 176, 0], "#ffb000", "#FFB000"])
    def test_ways_to_name_a_colour(self, colour):
        matte = matte_of(np.zeros((3, 5), np.float32), np.zeros((3, 5, 3), np.uint8))
        assert (composite(matte, colour) == (255, 176, 0)).all()

    def test_named_and_short_colours(self):
        matte = matte_of(np.zeros((3, 5), np.float32), np.zeros((3, 5, 3), np.uint8))
        assert (composite(matte, "#f80") == (255, 136, 0)).all()
        assert (composite(matte, "white") == 255).all()

    @pytest.mark.parametrize(
        "colour",
        ["#ggg", "", "nocolour", "#ff000080", (1, 2), (1, 2, 3, 4), (0, 0, 300), (-1, 0, 0),
         (0.5, 0.5, 0.5), None],
    )  # fmt: skip
    def test_what_is_no_colour(self, colour):
        matte = matte_of(np.zeros((3, 5), np.float32), np.zeros((3, 5, 3), np.uint8))
        with pytest.raises(DeepMasqueError, match="is not a colour"):
            composite(matte, colour)

    def test_gradient_runs_from_top_to_bottom(self):
        matte = matte_of(np.zeros((101, 3), np.float32), np.zeros((101, 3, 3), np.uint8))
        result = composite(matte, Gradient("#000000", (200, 100, 50)))
        assert tuple(result[0, 0]) == (0, 0, 0) and tuple(result[-1, 2]) == (200, 100, 50)
        assert tuple(result[50, 1]) == (100, 50, 25)
        assert (result == result[:, :1]).all()

    def test_gradient_of_one_row(self):
        matte = matte_of(np.zeros((1, 1), np.float32), np.zeros((1, 1, 3), np.uint8))
        assert composite(matte, Gradient("red", "blue")).tolist() == [[[255, 0, 0]]]

    @pytest.mark.parametrize("shape", [(30, 90), (90, 30), (300, 900), (6, 6), (1, 1)])
    def test_picture_covers_and_is_centred(self, shape):
        """A picture whose middle is green keeps it in the middle, in its own proportions."""
        picture = np.zeros((*shape, 3), np.uint8)
        size = min(shape)
        top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
        picture[top : top + size, left : left + size, 1] = 255
        matte = matte_of(np.zeros((40, 40), np.float32), np.zeros((40, 40, 3), np.uint8))
        assert (composite(matte, picture) == (0, 255, 0)).all()

    @pytest.mark.parametrize(
        "picture",
        [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
    )
    def test_what_is_no_background_picture(self, picture):
        matte = matte_of(np.zeros((3, 5), np.float32), np.zeros((3, 5, 3), np.uint8))
        with pytest.raises(DeepMasqueError):
            composite(matte, picture)
