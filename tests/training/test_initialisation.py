import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from deepmasque.portrait.network import PortraitFCN
from deepmasque.training.initialisation import calibrate, load_imagenet


@pytest.fixture
def folded(tmp_path):
    """Weights of the right shapes, as large as a trained network's."""
    rng = np.random.default_rng(0)
    arrays = {}
    convolutions = [m for m in PortraitFCN().encoder.modules() if isinstance(m, nn.Conv2d)]
    for index, convolution in enumerate(convolutions):
        shape = list(convolution.weight.shape)
        shape[1] = 3 if index == 0 else shape[1]
        scale = np.sqrt(2 / np.prod(shape[1:]))
        arrays[f"{index:02d}_weight"] = rng.normal(0, scale, shape).astype(np.float32)
        arrays[f"{index:02d}_bias"] = rng.normal(0, 0.2, shape[0]).astype(np.float32)
    path = tmp_path / "folded.npz"
    np.savez(path, **arrays)
    return path


def test_the_calibrated_encoder_computes_what_the_folded_one_does(folded):
    network = PortraitFCN(7)
    load_imagenet(network.encoder, folded)
    x = torch.randn(8, 7, 96, 96, generator=torch.Generator().manual_seed(0))
    expected = _folded_first_block(np.load(folded), x[:, :3])
    calibrate(network, x)
    for training in (True, False):
        network.train(training)
        with torch.no_grad():
            found = network.encoder.layers[1](network.encoder.layers[0](x))
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02)


def _folded_first_block(arrays, rgb):
    """Convolution, depthwise, projection, written out with the folded biases."""
    weights = [torch.from_numpy(arrays[f"{i:02d}_weight"]) for i in range(3)]
    biases = [torch.from_numpy(arrays[f"{i:02d}_bias"]) for i in range(3)]
    x = functional.relu6(
        functional.conv2d(functional.pad(rgb, (0, 1, 0, 1)), weights[0], biases[0], 2)
    )
    x = functional.relu6(functional.conv2d(x, weights[1], biases[1], padding=1, groups=32))
    return functional.conv2d(x, weights[2], biases[2])
