"""Which pixels of a person mask can be believed.

The masks of EG1800 and of the street photos hold errors: a dog or a glass of beer counted as the
person, half the hair left out, white borders counted in. Three networks that never saw these masks
(MediaPipe's two selfie segmentations and its pose segmentation) give evidence: where all three are
sure of the opposite, the mask is disputed, and training leaves the pixel out.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait import mediapipe_graphs
from deepmasque.portrait.prior import soft_segmentation

SURE = 0.85
"""A network is sure from this probability on, either way."""
SMALLEST = 5
"""Disputed parts narrower than this many pixels are what boundaries always look like."""


class Witnesses:
    """The three networks, loaded once for many photos."""

    def __init__(self) -> None:
        self._pose = mediapipe_graphs.pose_segmentation()

    def trusted(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """255 where a mask can be believed, 0 where it is disputed.

        image: (H, W, 3) uint8 sRGB. mask: (H, W) uint8, 255 where a person is.
        Returns (H, W) uint8. Where no pose is found, nothing is disputed.
        """
        pose = self._pose.process(np.ascontiguousarray(image)).segmentation_mask
        if pose is None:
            return np.full(mask.shape, 255, np.uint8)
        return undisputed([*soft_segmentation(image), pose], mask)


def undisputed(
    probabilities: list[NDArray[np.float32]], mask: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """255 where not all probabilities of person, each (H, W) in 0..1, are sure of the opposite."""
    against = np.where(
        mask > 127, np.max(probabilities, axis=0) < 1 - SURE, np.min(probabilities, axis=0) > SURE
    )
    square = np.ones((SMALLEST, SMALLEST), np.uint8)
    disputed = cv2.morphologyEx(against.astype(np.uint8), cv2.MORPH_OPEN, square)
    return (1 - disputed) * np.uint8(255)
