import pytest
import torch

from deepmasque.portrait.residual_network import ALPHA, CHANNELS, ResidualNetwork


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ResidualNetwork().eval()


def test_it_starts_as_the_identity(network):
    x = torch.rand(2, CHANNELS, 64, 48) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(network(x), (x[:, ALPHA : ALPHA + 1] + 1) / 2)


def test_it_stays_small():
    assert sum(parameter.numel() for parameter in ResidualNetwork().parameters()) < 1.5e6


def test_a_pixel_sees_more_than_a_hundred_pixels_round_it(network):
    torch.nn.init.normal_(network.correction.weight)
    x = torch.randn(1, CHANNELS, 320, 320, requires_grad=True)
    network(x)[0, 0, 160, 160].backward()
    seen = x.grad.abs().amax((0, 1)) > 0
    rows, columns = seen.nonzero().T
    assert rows.max() - rows.min() > 100
    assert columns.max() - columns.min() > 100
