"""The subject's own colours, cut-outs, and new backgrounds.

Everything is blended in sRGB: alpha and foreground are solved in it, and it is the space in which
every viewer will blend the cut-out.
"""

from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from deepmasque.errors import DeepMasqueError
from deepmasque.matte import Matte

Colour = tuple[int, int, int] | str
"""(r, g, b) of 0..255, or text such as "#ffb000", "#fb0" or "black"."""


@dataclass(frozen=True)
class Gradient:
    """A background that runs from one colour at the top to another at the bottom."""

    top: Colour
    bottom: Colour


Background = Colour | Gradient | NDArray[np.uint8]

_one_at_a_time = Lock()  # Numba's plain thread pool ends the process when two threads enter it


def estimate_foreground(image: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The subject's colours without the old background shining through.

    Multi-level estimation (Germer et al., Fast Multi-Level Foreground Estimation, ICPR 2020), by
    PyMatting. Wholly opaque pixels keep the colours of the photo; elsewhere the colours of the
    subject run on smoothly, so that a cut-out may be scaled and blurred without a halo.

    image: (H, W, 3) uint8. alpha: (H, W) float32 in 0..1.
    Returns (H, W, 3) uint8.
    """
    if max(alpha.shape) == 1:
        return image.copy()  # the pyramid needs at least two pixels
    import numba

    # Numba's TBB layer meets OpenVINO's TBB and then waits for ever when the process should end.
    numba.config.THREADING_LAYER = "workqueue"
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    with _one_at_a_time:
        estimate = estimate_foreground_ml(image.astype(np.float32) / 255, alpha)
    foreground = (estimate * 255 + 0.5).astype(np.uint8)
    return np.where(alpha[..., None] == 1, image, foreground)


def cutout(matte: Matte) -> NDArray[np.uint8]:
    """The subject alone, (H, W, 4) uint8 RGBA with straight (not premultiplied) alpha."""
    return np.dstack([matte.foreground, alpha_channel(matte)])


def alpha_channel(matte: Matte) -> NDArray[np.uint8]:
    """Alpha as grey, (H, W) uint8, 255 for the subject."""
    return np.rint(matte.alpha * 255).astype(np.uint8)


def composite(matte: Matte, background: Background) -> NDArray[np.uint8]:
    """The subject before a new background, (H, W, 3) uint8 sRGB of the photo's size.

    background: a colour, a `Gradient`, or an (h, w, 3) uint8 picture of any size, which is scaled
    to cover the photo and centred.
    Raises DeepMasqueError if that is no colour and no such picture.
    """
    height, width = matte.alpha.shape
    scene = background_picture(background, height, width)
    return cv2.blendLinear(matte.foreground, scene, matte.alpha, 1 - matte.alpha)


def background_picture(background: Background, height: int, width: int) -> NDArray[np.uint8]:
    """The background as (height, width, 3) uint8; see `composite`."""
    if isinstance(background, Gradient):
        down = np.linspace(0, 1, height)[:, None]
        ramp = (1 - down) * _rgb(background.top) + down * _rgb(background.bottom)
        return np.rint(ramp).astype(np.uint8)[:, None].repeat(width, axis=1)
    if isinstance(background, np.ndarray) and background.ndim == 3:
        return _covering(background, height, width)
    return np.full((height, width, 3), _rgb(background), np.uint8)


def _rgb(colour: Colour) -> NDArray[np.uint8]:
    try:
        channels = np.array(ImageColor.getrgb(colour) if isinstance(colour, str) else colour)
    except ValueError:
        channels = np.array(None)
    if channels.shape != (3,) or channels.dtype.kind not in "iu" or not _is_byte(channels):
        raise DeepMasqueError(
            f"{colour} is not a colour: write it as #rrggbb or three whole numbers from 0 to 255."
        )
    return channels.astype(np.uint8)


def _is_byte(values: NDArray) -> bool:
    return bool((values >= 0).all() and (values <= 255).all())


def _covering(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The centre of a picture, as large as fits the wanted shape, scaled to it."""
    if picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise DeepMasqueError("A background picture must be an RGB array of 8-bit values.")
    given_height, given_width = picture.shape[:2]
    scale = max(height / given_height, width / given_width)
    crop_height = max(1, round(height / scale))
    crop_width = max(1, round(width / scale))
    top = (given_height - crop_height) // 2
    left = (given_width - crop_width) // 2
    crop = picture[top : top + crop_height, left : left + crop_width]
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(crop, (width, height), interpolation=kind)
