"""What the networks that find people are built of: MobileNetV2, and its maps fused into one.

MobileNetV2: Sandler et al. 2018. The fusion is that of FCN-8s (Long et al. 2015), the feature maps
summed from coarse to fine, which here goes on to stride 2.
"""

from torch import Tensor, nn
from torch.nn import functional

STAGES = (
    # expansion, channels, blocks, stride
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
SKIPS = (1, 2, 3, 5, 7)
"""The layers of the encoder whose outputs, at strides 2, 4, 8, 16 and 32, are scored."""
SKIP_CHANNELS = (16, 24, 32, 96, 320)
FUSED_CHANNELS = (24, 32, 64, 96, 128)


class FullyConvolutional(nn.Module):
    """Encoder and fusion: (B, channels, H, W), H and W multiples of 32, to (B, 24, H/2, W/2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.encoder = Encoder(channels)
        self.context = Context(SKIP_CHANNELS[-1], FUSED_CHANNELS[-1])
        self.fusions = nn.ModuleList(
            Fusion(coarse, skip, fused)
            for coarse, skip, fused in zip(
                FUSED_CHANNELS[:0:-1], SKIP_CHANNELS[-2::-1], FUSED_CHANNELS[-2::-1], strict=True
            )
        )

    def fused(self, x: Tensor) -> Tensor:
        """The map at stride 2 that everything of the encoder went into."""
        *skips, coarsest = self.encoder(x)
        fused = self.context(coarsest)  # B, 128, H/32, W/32
        for fusion, skip in zip(self.fusions, reversed(skips), strict=True):
            fused = fusion(fused, skip)
        return fused


class Encoder(nn.Module):
    """MobileNetV2 up to its last 320-channel block; returns the maps at strides 2 to 32."""

    def __init__(self, channels: int):
        super().__init__()
        layers: list[nn.Module] = [ConvNorm(channels, 32, 3, stride=2)]
        width = 32
        for expansion, out, blocks, stride in STAGES:
            first = InvertedResidual(width, out, stride, expansion)
            others = (InvertedResidual(out, out, 1, expansion) for _ in range(blocks - 1))
            layers.append(nn.Sequential(first, *others))
            width = out
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in SKIPS:
                maps.append(x)
        return maps


class InvertedResidual(nn.Module):
    """Expand, filter each channel for itself, project; Sandler et al. 2018, table 1."""

    def __init__(self, inside: int, out: int, stride: int, expansion: int):
        super().__init__()
        hidden = inside * expansion
        expand = [ConvNorm(inside, hidden, 1)] if expansion > 1 else []
        self.body = nn.Sequential(
            *expand,
            ConvNorm(hidden, hidden, 3, stride=stride, groups=hidden),
            ConvNorm(hidden, out, 1, activation=False),
        )
        self.residual = stride == 1 and inside == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, ReLU6. Strided ones pad right and bottom, as the weights expect."""

    def __init__(
        self,
        inside: int,
        out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ):
        pad = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
        padding = 0 if stride == 2 else kernel // 2
        super().__init__(
            *pad,
            nn.Conv2d(inside, out, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(out),
            *([nn.ReLU6(inplace=True)] if activation else []),
        )


class Context(nn.Module):
    """The coarsest map, each place told of the whole photo by its mean."""

    def __init__(self, inside: int, out: int):
        super().__init__()
        self.near = ConvNorm(inside, out, 1)
        self.whole = nn.Conv2d(inside, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.near(x) + functional.relu(self.whole(x.mean((2, 3), keepdim=True)))


class Fusion(nn.Module):
    """One step of FCN fusion: twice as fine, plus the encoder's map of that stride; smoothed."""

    def __init__(self, coarse: int, skip: int, out: int):
        super().__init__()
        self.narrow = ConvNorm(coarse, out, 1, activation=False)
        self.skip = ConvNorm(skip, out, 1, activation=False)
        self.smooth = nn.Sequential(
            ConvNorm(out, out, 3, groups=out),
            ConvNorm(out, out, 1),
            ConvNorm(out, out, 3, groups=out),
            ConvNorm(out, out, 1),
        )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        return self.smooth(functional.relu6(upsampled(self.narrow(coarse)) + self.skip(skip)))


def upsampled(x: Tensor) -> Tensor:
    """Twice the height and width, bilinear."""
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
