"""The soft segmentation prior: MediaPipe's selfie probability, one more input of the network.

Background Matting V1 (Sengupta et al. 2020) feeds its network a soft segmentation in the same way.
"""

import threading
from functools import cache

import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait import mediapipe_graphs

_lock = threading.Lock()


def soft_segmentation(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probability of person.

    image: (H, W, 3) uint8 sRGB. Returns (H, W) float32 in 0..1.
    """
    with _lock:
        probability = _graph().process(np.ascontiguousarray(image)).segmentation_mask
    return np.clip(probability, 0, 1).astype(np.float32)


@cache
def _graph():
    return mediapipe_graphs.selfie_segmentation()
