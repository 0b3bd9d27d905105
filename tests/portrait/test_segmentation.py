import numpy as np
import pytest

from deepmasque.engine import portrait_engine
from deepmasque.portrait.alignment import mean_placement
from deepmasque.portrait.segmentation import (
    NETWORK_PIXELS,
    network_input,
    network_size,
    person_probability,
)


@pytest.mark.parametrize("size", [(800, 600), (600, 800), (4000, 6000), (100, 100), (450, 1000)])
def test_the_network_sees_the_photo_in_its_own_proportions(size):
    height, width = network_size(*size)
    assert height % 32 == width % 32 == 0
    assert height * width == pytest.approx(NETWORK_PIXELS, rel=0.15)
    assert height / width == pytest.approx(size[0] / size[1], rel=0.1)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (37, 53)])
def test_every_size_has_a_probability_of_its_own_size(size):
    image = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    for plane in person_probability(image, [mean_placement(*size)], portrait_engine()):
        assert plane.shape == size
        assert plane.dtype == np.float32
        assert 0 <= plane.min() <= plane.max() <= 1


def test_the_input_channels_are_in_their_ranges(portrait):
    x = network_input(portrait, [mean_placement(*portrait.shape[:2])])
    assert x.shape == (8, 320, 320)
    assert x.dtype == np.float32
    assert -1 <= x[:3].min() < -0.9 < 0.9 < x[:3].max() <= 1
    assert np.abs(x[3:5]).max() <= 2
    assert 0 <= x[5:].min() <= x[5:].max() <= 1
