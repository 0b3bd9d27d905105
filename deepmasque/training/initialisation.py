"""The encoder's start: MobileNetV2 as trained on ImageNet, its batch norms brought back to life."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from deepmasque.layers import Encoder
from deepmasque.portrait.network import PortraitFCN


def load_imagenet(encoder: Encoder, folded: Path) -> None:
    """Put ImageNet weights into the encoder; input channels beyond RGB start at zero.

    folded: .npz with `NN_weight`, `NN_bias` in execution order, batch norm folded into both.
    The biases go into the batch norms, whose scale `calibrate` then sets.
    """
    arrays = np.load(folded)
    with torch.no_grad():
        for index, (convolution, norm) in enumerate(_layers(encoder)):
            weight = torch.from_numpy(arrays[f"{index:02d}_weight"])
            convolution.weight.zero_()
            convolution.weight[:, : weight.shape[1]] = weight
            norm.bias.copy_(torch.from_numpy(arrays[f"{index:02d}_bias"]))


def calibrate(network: PortraitFCN, x: Tensor) -> None:
    """Give every batch norm of the encoder the scale and shift that undo its own normalization.

    A folded convolution has no statistics left. On the batch x (B, C, H, W) they are measured, and
    scale and shift are set so that the encoder computes what the folded one does while its
    batch norms train like any other.
    """
    hooks = [norm.register_forward_pre_hook(_measure) for _, norm in _layers(network.encoder)]
    network.train()
    with torch.no_grad():
        network.encoder(x)
    for hook in hooks:
        hook.remove()


def _measure(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
    mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.add_(mean)


def _layers(encoder: Encoder) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    modules = list(encoder.modules())
    convolutions = [module for module in modules if isinstance(module, nn.Conv2d)]
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    return list(zip(convolutions, norms, strict=True))
