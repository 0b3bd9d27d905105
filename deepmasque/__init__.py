"""DeepMasque cuts people out of photos and shows how: photo in, alpha matte out."""

from deepmasque.compose import composite, cutout
from deepmasque.errors import DeepMasqueError, ImageError, TrimapError, WeightsError
from deepmasque.image import read_image
from deepmasque.matte import Matte, Stage
from deepmasque.portrait.knn_matting import knn_matting
from deepmasque.portrait.pipeline import matte, rematte

__all__ = [
    "DeepMasqueError",
    "ImageError",
    "Matte",
    "Stage",
    "TrimapError",
    "WeightsError",
    "composite",
    "cutout",
    "knn_matting",
    "matte",
    "read_image",
    "rematte",
]
