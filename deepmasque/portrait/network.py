"""Stage 3: PortraitFCN+, person probability from the photo and its portrait channels.

The fully convolutional form of FCN-8s (Long et al. 2015) as Shen et al. 2016 use it: an ImageNet
classifier without its head, whose feature maps are scored from coarse to fine and fused by sums.
Here the classifier is MobileNetV2 (Sandler et al. 2018) and the sums go on to stride 2.
"""

from torch import Tensor, nn

from deepmasque.layers import FUSED_CHANNELS, FullyConvolutional, upsampled

INPUTS = {
    "rgb": (0, 1, 2),
    "x and y": (3, 4),
    "mean mask": (5,),
    "selfie": (6,),
    "wide selfie": (7,),
}
"""The channels of the input: the paper's six, and the two planes of the soft segmentation prior."""
CHANNELS = 8


class PortraitFCN(FullyConvolutional):
    """Photo and channels in; out at full size the logit of person, and that of a truth between
    person and background, as in hair.

    forward: (B, C, H, W) float, C as given; RGB within -1..1, x and y within ±2, mean mask and
    prior within 0..1; H and W multiples of 32. Returns (B, 2, H, W) logits.
    """

    def __init__(self, channels: int = CHANNELS):
        super().__init__(channels)
        self.score = nn.Conv2d(FUSED_CHANNELS[0], 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return upsampled(self.score(self.fused(x)))
