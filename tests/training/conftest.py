"""A data set of the project's own samples, so small that a training on it takes seconds."""

import cv2
import numpy as np
import pytest
from short import short_training
from torch import nn

from deepmasque.layers import Encoder
from deepmasque.training.labels import Witnesses
from deepmasque.training.photos import make_ready

TRAINING_PHOTOS = 16


@pytest.fixture(scope="session")
def folders(tmp_path_factory, portrait):
    """Ready photos, plates and ImageNet weights, as `train_portrait` takes them."""
    folder = tmp_path_factory.mktemp("data")
    ready, plates, imagenet = folder / "ready", folder / "plates", folder / "imagenet.npz"
    ready.mkdir()
    plates.mkdir()
    rng = np.random.default_rng(0)
    person = np.zeros(portrait.shape[:2], bool)
    person[20:, 10:170] = True
    made = make_ready(portrait, person, Witnesses())
    names = [f"train_{index:02d}" for index in range(TRAINING_PHOTOS)]
    for name in (*names, "development_0", "held_fashion_0"):
        np.savez(ready / f"{name}.npz", **vars(made))
    for index in range(TRAINING_PHOTOS):
        noise = rng.integers(0, 256, (90, 120, 3), np.uint8)
        cv2.imwrite(str(plates / f"{index}.jpg"), noise)
    np.savez(imagenet, **folded(rng))
    return {"ready": ready, "plates": plates, "imagenet": imagenet, "workers": 0}


@pytest.fixture(scope="session")
def run(folders, tmp_path_factory):
    """The folder of a short run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("run")
    short_training(folders, folder)
    return folder


def folded(rng):
    """Weights of an encoder with its batch norms folded in, as large as trained ones."""
    arrays = {}
    convolutions = [part for part in Encoder(3).modules() if isinstance(part, nn.Conv2d)]
    for index, convolution in enumerate(convolutions):
        shape = tuple(convolution.weight.shape)
        scale = np.sqrt(2 / np.prod(shape[1:]))
        arrays[f"{index:02d}_weight"] = rng.normal(0, scale, shape).astype(np.float32)
        arrays[f"{index:02d}_bias"] = rng.normal(0, 0.1, shape[:1]).astype(np.float32)
    return arrays
