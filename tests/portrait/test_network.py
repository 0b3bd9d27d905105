import numpy as np
import torch
from safetensors.torch import load_file

from deepmasque.engine import portrait_engine
from deepmasque.layers import Encoder
from deepmasque.portrait.alignment import mean_placement
from deepmasque.portrait.network import PortraitFCN
from deepmasque.portrait.segmentation import network_input
from deepmasque.weights import verified


def test_the_onnx_export_computes_what_the_torch_network_does(portrait):
    network = PortraitFCN().eval()
    network.load_state_dict(load_file(verified("portrait.safetensors")))
    for image in (portrait, portrait[:, :100]):
        x = network_input(image, [mean_placement(*image.shape[:2])])
        with torch.inference_mode():
            expected = network(torch.from_numpy(x)[None])[0].numpy()
        np.testing.assert_allclose(portrait_engine()(x), expected, atol=0.02)


def test_score_maps_are_fused_down_to_stride_two():
    maps = Encoder(6).eval()(torch.zeros(1, 6, 96, 160))
    assert [tuple(m.shape[2:]) for m in maps] == [(48, 80), (24, 40), (12, 20), (6, 10), (3, 5)]
    assert PortraitFCN(6).eval()(torch.zeros(2, 6, 96, 160)).shape == (2, 2, 96, 160)


def test_channels_that_start_at_zero_change_nothing():
    network = PortraitFCN(7).eval()
    with torch.no_grad():
        network.encoder.layers[0][1].weight[:, 3:] = 0
    x = torch.randn(1, 7, 64, 64)
    other = x.clone()
    other[:, 3:] = 5
    assert torch.equal(network(x), network(other))
