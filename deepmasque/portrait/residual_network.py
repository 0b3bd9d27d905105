"""The residual network: what KNN matting got wrong, from the photo, its alpha and its trimap.

A residual network (He et al. 2016) in the shape of a U-Net (Ronneberger et al. 2015), as deep image
matting refines an alpha (Xu et al. 2017, stage two): the alpha runs through unchanged and the
network adds a correction. The last layer starts at zero, hence training starts from KNN matting.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 13
"""RGB, alpha, known foreground, known background, local foreground and background colours (three
each), and the alpha that these two colours explain the pixel's own colour by."""
ALPHA = 3
"""Which of them is the alpha."""
STRIDE = 16
"""Height and width are multiples of it."""
WIDTHS = (32, 64, 96, 128)


class ResidualNetwork(nn.Module):
    """Alpha and what speaks for and against it in, corrected alpha out.

    forward: (B, 13, H, W) float; colours and alphas within -1..1, known pixels 0 or 1; H and W
    multiples of 16. Returns (B, 1, H, W): alpha plus correction in units of 0..1, not clipped.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS):
        super().__init__()
        self.stem = ConvNorm(4 * CHANNELS, widths[0])
        self.down = nn.ModuleList(
            ConvNorm(fine, coarse, stride=2) for fine, coarse in pairwise(widths)
        )
        self.encoder = nn.ModuleList(Residual(width) for width in widths)
        self.narrow = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths))
        self.decoder = nn.ModuleList(Residual(width) for width in widths)
        self.correction = nn.Conv2d(widths[0], 4, 3, padding=1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.encoder[0](self.stem(functional.pixel_unshuffle(x, 2)))  # B, 32, H/2, W/2
        skips = [fine]
        for down, block in zip(self.down, self.encoder[1:], strict=True):
            skips.append(block(down(skips[-1])))
        fused = self.decoder[-1](skips.pop())  # B, 128, H/16, W/16
        for narrow, block in zip(reversed(self.narrow), reversed(self.decoder[:-1]), strict=True):
            fused = block(skips.pop() + _upsampled(narrow(fused)))
        correction = functional.pixel_shuffle(self.correction(fused), 2)
        return (x[:, ALPHA : ALPHA + 1] + 1) / 2 + correction


class ConvNorm(nn.Sequential):
    """3 x 3 convolution, batch norm, ReLU."""

    def __init__(self, inside: int, out: int, stride: int = 1):
        super().__init__(
            nn.Conv2d(inside, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside an identity path."""

    def __init__(self, width: int):
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(width, width),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


def _upsampled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
