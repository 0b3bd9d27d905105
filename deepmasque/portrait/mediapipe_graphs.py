"""MediaPipe's graphs, made without its start-up chatter. A graph serves one thread at a time."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np


def face_mesh(most_faces: int) -> Any:
    """468 vertices of every near face; sees each photo for itself (no tracking)."""
    return _made(
        lambda solutions: solutions.face_mesh.FaceMesh(
            static_image_mode=True, max_num_faces=most_faces, min_detection_confidence=0.4
        )
    )


def far_face_detection() -> Any:
    """Boxes of faces up to about five metres away."""
    return _made(
        lambda solutions: solutions.face_detection.FaceDetection(
            model_selection=1, min_detection_confidence=0.4
        )
    )


def selfie_segmentation() -> Any:
    """Probability of person for each pixel, from a 256 x 256 look at the photo."""
    return _made(
        lambda solutions: solutions.selfie_segmentation.SelfieSegmentation(model_selection=0)
    )


def _made(make):
    """Build the graph and run it once, so that all its messages fall into the silence."""
    with _silenced_stderr():
        from mediapipe.python import solutions

        graph = make(solutions)
        graph.process(np.zeros((64, 64, 3), np.uint8))
    return graph


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """MediaPipe's C++ side writes to file descriptor 2 and knows no switch for all of it."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)
