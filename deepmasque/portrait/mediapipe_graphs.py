"""MediaPipe's graphs, made without its start-up chatter. A graph serves one thread at a time."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


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


def wide_selfie_segmentation() -> Any:
    """Probability of person for each pixel, from a 144 x 256 (height x width) look at the photo."""
    return _made(
        lambda solutions: solutions.selfie_segmentation.SelfieSegmentation(model_selection=1)
    )


def pose_segmentation() -> Any:
    """Probability of person for each pixel, round the one person whose pose is found."""
    return _made(
        lambda solutions: solutions.pose.Pose(static_image_mode=True, enable_segmentation=True)
    )


def _made(make):
    """Build the graph and show it a face once, so that all its messages fall into the silence."""
    with _silenced_stderr():
        from mediapipe.python import solutions

        graph = make(solutions)
        graph.process(_drawn_face())
    return graph


def _drawn_face() -> NDArray[np.uint8]:
    """(256, 256, 3) uint8, a face plain enough to draw and real enough to be found."""
    picture = np.full((256, 256, 3), 90, np.uint8)

    def ellipse(centre, axes, colour, start=0):
        cv2.ellipse(picture, centre, axes, 0, start, 360, colour, cv2.FILLED)

    ellipse((128, 128), (62, 82), (224, 172, 140))
    ellipse((128, 70), (66, 40), (60, 40, 30), start=180)
    for x in (102, 154):
        ellipse((x, 112), (13, 7), (250, 250, 250))
        ellipse((x, 112), (6, 6), (50, 30, 20))
        ellipse((x, 94), (16, 5), (60, 40, 30), start=180)
    ellipse((128, 140), (9, 14), (205, 150, 120))
    ellipse((128, 172), (24, 8), (180, 70, 70))
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


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
