"""Stages 3 and 4 as networks: a base on the reduced pair, a refinement where the base errs.

The form of Background Matting V2 (Lin et al., Real-Time High-Resolution Background Matting, CVPR
2021, section 3) with MobileNetV2, and, as Background Matting V1 has it (Sengupta et al. 2020), with
a soft segmentation as a further input. The base sees about as many pixels whatever the photo has;
only patches of the full photo pass through the refinement, those in which the base expects itself
to be wrong.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepmasque.layers import FUSED_CHANNELS, ConvNorm, FullyConvolutional, upsampled
from deepmasque.two_photo.patches import CORE, FULL, HALF, base_size

CHANNELS = 8
"""RGB of the photo, RGB of the plate, two planes of the soft segmentation prior."""
HIDDEN = 16
ALPHA, FOREGROUND, ERROR = slice(0, 1), slice(1, 4), slice(4, 5)
"""Which planes of the base are what; the others are hidden features for the refinement."""
PLANES = 5 + HIDDEN


class BaseNetwork(FullyConvolutional):
    """The reduced pair in; alpha, foreground, expected error and hidden features out.

    forward: (B, 8, H, W) float; RGB within -1..1, prior within 0..1, 0 where nothing is known of
    it; H and W multiples of 32. Returns (B, 21, H, W): alpha in units of 0..1; what is to be added
    to the photo for the foreground, in units of the whole range; expected absolute error of
    alpha; 16 hidden features. Nothing is clipped.
    """

    def __init__(self) -> None:
        super().__init__(CHANNELS)
        self.joined = ConvNorm(FUSED_CHANNELS[0] + CHANNELS, 24, 3)
        self.score = nn.Conv2d(24, PLANES, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = upsampled(self.fused(x))
        return self.score(self.joined(torch.cat([fine, x], 1)))


class RefinementNetwork(nn.Module):
    """Patches of the base's planes and of the pair in; alpha and foreground of their cores out.

    forward: half (N, 26, 14, 14), the planes of the base without the error, and photo and plate,
    at half the photo's size; full (N, 10, 20, 20), photo, plate, and the base's alpha and
    foreground, at the photo's size. Returns (N, 4, 16, 16), alpha and foreground as the base tells
    them, corrected.

    No convolution pads, so that a pixel does not depend on where its patch begins.
    """

    def __init__(self) -> None:
        super().__init__()
        self.coarse = nn.Sequential(_unpadded(PLANES - 1 + 6, 32), _unpadded(32, 24))
        self.fine = nn.Sequential(_unpadded(24 + 10, 16), nn.Conv2d(16, 4, 3))
        nn.init.zeros_(self.fine[-1].weight)
        nn.init.zeros_(self.fine[-1].bias)

    def forward(self, half: Tensor, full: Tensor) -> Tensor:
        coarse = functional.interpolate(self.coarse(half), scale_factor=2.0, mode="nearest")
        correction = self.fine(torch.cat([coarse, full], 1))
        inner = (FULL - CORE) // 2
        return full[:, 6:, inner:-inner, inner:-inner] + correction


class TwoPhotoNetwork(nn.Module):
    """Both networks, tensors in to tensors out, for training and for GPUs.

    The CPU has the same steps in `two_photo.refinement`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = BaseNetwork()
        self.refinement = RefinementNetwork()

    def forward(
        self, photo: Tensor, plate: Tensor, prior: Tensor, share: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """photo, plate: (B, 3, H, W) in 0..1. prior: (B, 2, any, any) in 0..1. share: of the
        patches, how many are refined.

        Returns alpha (B, 1, H, W), foreground (B, 3, H, W), both in 0..1, the expected error
        (B, 1, h, w), and (N, 3) int64, which patches were refined: picture, row and column.
        """
        size = base_size(*photo.shape[2:])
        pair = resized(torch.cat([photo, plate], 1), size) * 2 - 1
        planes = clipped(self.base(torch.cat([pair, resized(prior, size)], 1)))
        chosen = worst_patches(planes, photo, share)
        whole = self.whole(planes, photo, plate, chosen)
        return whole[:, ALPHA], whole[:, FOREGROUND], planes[:, ERROR], chosen

    def whole(self, planes: Tensor, photo: Tensor, plate: Tensor, chosen: Tensor) -> Tensor:
        """Alpha and foreground (B, 4, H, W) in 0..1, from the base's planes and the chosen
        patches refined.
        """
        whole = enlarged(planes[:, :4], photo)
        put_back(whole, self.refined(planes, photo, plate, chosen), photo, chosen)
        return whole.clamp(0, 1)

    def refined(self, planes: Tensor, photo: Tensor, plate: Tensor, chosen: Tensor) -> Tensor:
        """Alpha and foreground residual (N, 4, 16, 16) of the chosen patches."""
        size = photo.shape[2:]
        pair = torch.cat([photo, plate], 1) * 2 - 1
        seen = windows(pair, chosen, 2 * HALF)
        margin = HALF - FULL // 2
        told = torch.cat([planes[:, :4], planes[:, 5:]], 1)
        half = [sampled(told, chosen, size, HALF, 2), functional.avg_pool2d(seen, 2)]
        full = [seen[..., margin:-margin, margin:-margin], sampled(told[:, :4], chosen, size, FULL)]
        return self.refinement(torch.cat(half, 1), torch.cat(full, 1))


def clipped(planes: Tensor) -> Tensor:
    """The base's planes with alpha and error within 0..1.

    The gradient passes as if nothing had been clipped, so that what overshot still learns.
    """
    inside = planes.clone()
    for which in (ALPHA, ERROR):
        inside[:, which] = planes[:, which].clamp(0, 1)
    return planes + (inside - planes).detach()


def patch_errors(error: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, h, w) expected errors to their means (B, rows, columns) in the patches of a photo."""
    rows, columns = -(-height // CORE), -(-width // CORE)
    places = (
        ((torch.arange(4 * count, device=error.device) + 0.5) * CORE / 4 / side * 2 - 1)
        for count, side in ((rows, height), (columns, width))
    )
    grid = torch.stack(torch.meshgrid(*places, indexing="ij")[::-1], -1)
    spread = _bilinear(error, grid.expand(len(error), -1, -1, -1))
    return functional.avg_pool2d(spread, 4)[:, 0]


def worst_patches(planes: Tensor, photo: Tensor, share: float) -> Tensor:
    """The share of a photo's patches in which the base (B, 21, h, w) expects to be most wrong."""
    errors = patch_errors(planes[:, ERROR], *photo.shape[2:])
    return worst(errors, max(1, round(share * errors[0].numel())))


def worst(errors: Tensor, count: int) -> Tensor:
    """The `count` patches of every picture with the largest error: (N, 3) picture, row, column."""
    pictures, _, columns = errors.shape
    places = errors.flatten(1).topk(min(count, errors[0].numel()), dim=1).indices
    picture = torch.arange(pictures, device=errors.device)[:, None].expand_as(places)
    return torch.stack([picture, places // columns, places % columns], -1).flatten(0, 1)


def windows(x: Tensor, chosen: Tensor, side: int) -> Tensor:
    """(N, C, side, side), the patches of (B, C, H, W) and what surrounds them; borders go on."""
    height, width = x.shape[2:]
    margin = (side - CORE) // 2
    padded = functional.pad(
        x, (margin, margin + -width % CORE, margin, margin + -height % CORE), mode="replicate"
    )
    every = padded.unfold(2, side, CORE).unfold(3, side, CORE)
    return every[chosen[:, 0], :, chosen[:, 1], chosen[:, 2]]


def sampled(
    planes: Tensor, chosen: Tensor, size: tuple[int, int], side: int, step: int = 1
) -> Tensor:
    """(N, C, side, side), planes (B, C, h, w) enlarged to `size`, in and round the patches.

    step: pixels of the full size between two that are returned.
    """
    offsets = (torch.arange(side, device=planes.device) - side / 2 + 0.5) * step + CORE / 2
    ys, xs = (
        (chosen[:, axis, None] * CORE + offsets) / length * 2 - 1
        for axis, length in ((1, size[0]), (2, size[1]))
    )
    grid = torch.stack([xs[:, None].expand(-1, side, -1), ys[..., None].expand(-1, -1, side)], -1)
    parts = []
    for picture in range(len(planes)):
        own = grid[chosen[:, 0] == picture]
        columns = _bilinear(planes[picture : picture + 1], own.reshape(1, -1, side, 2))
        parts.append(columns[0].unflatten(1, (-1, side)).transpose(0, 1))
    return torch.cat(parts)


def enlarged(planes: Tensor, photo: Tensor) -> Tensor:
    """The base's alpha and foreground (B, 4, H, W) at the photo's size, in 0..1."""
    whole = functional.interpolate(planes, photo.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat([whole[:, :1], whole[:, 1:] + photo], 1)


def put_back(whole: Tensor, refined: Tensor, photo: Tensor, chosen: Tensor) -> None:
    """Overwrite alpha and foreground (B, 4, H, W) with those of the refined patches."""
    height, width = whole.shape[2:]
    along = torch.arange(CORE, device=whole.device)
    ys = (chosen[:, 1, None] * CORE + along)[:, :, None].expand(-1, -1, CORE)
    xs = (chosen[:, 2, None] * CORE + along)[:, None].expand(-1, CORE, -1)
    inside = (ys < height) & (xs < width)
    picture = chosen[:, 0, None, None].expand_as(ys)
    place = picture[inside], slice(None), ys[inside], xs[inside]
    values = refined.permute(0, 2, 3, 1)[inside].to(whole.dtype)
    values[:, 1:] += photo[place]
    whole[place] = values


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) to another size, bilinear, averaging where it gets smaller."""
    return functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)


def _bilinear(planes: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(
        planes, grid.to(planes.dtype), padding_mode="border", align_corners=False
    )


def _unpadded(inside: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, out, 3, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )
