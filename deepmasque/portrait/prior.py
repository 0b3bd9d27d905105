"""The soft segmentation prior: two selfie probabilities of MediaPipe, more input of the network.

Background Matting V1 (Sengupta et al. 2020) feeds its network a soft segmentation in the same way.
"""

import threading
from functools import cache

import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait import mediapipe_graphs

_lock = threading.Lock()


def soft_segmentation(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probability of person, as two networks see it: one made for any photo, one for wide ones.

    They err in different places: their mean is better than either.

    image: (H, W, 3) uint8 sRGB. Returns (2, H, W) float32 in 0..1.
    """
    pixels = np.ascontiguousarray(image)
    with _lock:
        seen = [graph.process(pixels).segmentation_mask for graph in _graphs()]
    return np.clip(seen, 0, 1).astype(np.float32)


@cache
def _graphs():
    return mediapipe_graphs.selfie_segmentation(), mediapipe_graphs.wide_selfie_segmentation()
