"""Stage 3: the probability of person at each pixel, from PortraitFCN+."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.engine import Engine, size_of_about
from deepmasque.portrait.alignment import resized_channels
from deepmasque.portrait.prior import soft_segmentation

NETWORK_PIXELS = 384 * 288
"""The network sees the photo reduced or enlarged to about as many pixels as its last training
scenes had."""


def person_probability(
    image: NDArray[np.uint8],
    transforms: Sequence[NDArray[np.float64]],
    engine: Engine,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probability of person, and uncertainty, at the photo's own size.

    image: (H, W, 3) uint8 sRGB. transforms: photo-to-reference (2, 3), the leader first.
    Returns the mask and the uncertainty, each (H, W) float32 in 0..1. The uncertainty is the
    probability that a pixel shows person and background at once, as hair does.
    """
    height, width = image.shape[:2]
    planes = engine(network_input(image, transforms))
    sizes = (width, height)
    logits = [cv2.resize(plane, sizes, interpolation=cv2.INTER_LINEAR) for plane in planes]
    mask, uncertainty = (1 / (1 + np.exp(-logit)) for logit in logits)
    return mask, uncertainty


def network_input(
    image: NDArray[np.uint8],
    transforms: Sequence[NDArray[np.float64]],
    pixels: int = NETWORK_PIXELS,
) -> NDArray[np.float32]:
    """(8, h, w) float32: RGB within -1..1, the portrait channels, the soft segmentation prior.

    pixels: about how many the network is to see.
    """
    size = network_size(*image.shape[:2], pixels)
    reduced = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    return np.concatenate(
        [
            reduced.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1,
            resized_channels(transforms, image.shape[:2], size),
            soft_segmentation(reduced),
        ]
    )


def network_size(height: int, width: int, pixels: int = NETWORK_PIXELS) -> tuple[int, int]:
    """Height and width of the network's input of about so many pixels for a photo of this size."""
    return size_of_about(pixels, height, width)
