"""DeepMasque cuts people out of photos and shows how: photo in, alpha matte out."""

from deepmasque.compose import composite, cutout
from deepmasque.errors import (
    AlignmentError,
    DeepMasqueError,
    ImageError,
    TrimapError,
    WeightsError,
)
from deepmasque.image import read_image
from deepmasque.matte import Matte, Stage
from deepmasque.portrait.knn_matting import knn_matting
from deepmasque.portrait.pipeline import matte, rematte
from deepmasque.two_photo.pipeline import TwoPhotoMatte, matte_two_photo

__all__ = [
    "AlignmentError",
    "DeepMasqueError",
    "ImageError",
    "Matte",
    "Stage",
    "TrimapError",
    "TwoPhotoMatte",
    "WeightsError",
    "composite",
    "cutout",
    "knn_matting",
    "matte",
    "matte_two_photo",
    "read_image",
    "rematte",
]
