"""FCN-8s (Long et al. 2015), the general segmenter that Shen et al. 2016 start from."""

from torch import Tensor, nn
from torch.nn import functional

from deepmasque.layers import SKIP_CHANNELS, Encoder

SCORED = (2, 3, 4)
"""The encoder's maps at strides 8, 16 and 32."""


class FCN8s(nn.Module):
    """Scores at strides 32, 16 and 8, each enlarged and added to the next; then enlarged by 8.

    The classifier is MobileNetV2 instead of VGG-16. forward: (B, C, H, W) float, H and W multiples
    of 32; returns (B, 1, H, W) logits of person.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.encoder = Encoder(channels)
        self.scores = nn.ModuleList(nn.Conv2d(SKIP_CHANNELS[index], 1, 1) for index in SCORED)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.encoder(x)
        score = None
        for index, scored in reversed(list(zip(SCORED, self.scores, strict=True))):
            finer = scored(maps[index])
            score = finer if score is None else finer + _enlarged(score, 2)
        return _enlarged(score, 8)


def _enlarged(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
