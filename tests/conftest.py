import numpy as np
import pytest
from PIL import Image

from deepmasque import samples
from deepmasque.image import encode_png


@pytest.fixture(scope="session")
def portrait():
    """The astronaut, small enough for the whole pipeline to take a moment: (192, 192, 3) uint8."""
    with Image.open(samples.portraits()[0].path) as image:
        return np.asarray(image.convert("RGB").resize((192, 192), Image.Resampling.LANCZOS))


@pytest.fixture(scope="session")
def portrait_bytes(portrait):
    return encode_png(portrait)
