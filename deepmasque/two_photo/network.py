"""Stages 3 and 4 as networks: a base on the reduced pair, a refinement where the base errs.

The form of Background Matting V2 (Lin et al., Real-Time High-Resolution Background Matting, CVPR
2021, section 3) with MobileNetV2, and, as Background Matting V1 has it (Sengupta et al. 2020), with
a soft segmentation as a further input. The base sees about as many pixels whatever the photo has;
only patches of the full photo pass through the refinement, those in which the base expects itself
to be wrong. What V2 has not: between the two the plate is brought into the photo's light, shadows
and all, and how far a pixel has gone from the plate's colour to the subject's is told to the
refinement (difference matting, Qian and Sezan 1999).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepmasque.layers import FUSED_CHANNELS, ConvNorm, FullyConvolutional, upsampled
from deepmasque.two_photo.patches import (
    ALPHA,
    CORE,
    ERROR,
    FINE_PLANES,
    FOREGROUND,
    FULL,
    HALF,
    LIGHT,
    NEARBY,
    PAIR,
    PLANES,
    SLACK,
    base_size,
)

CHANNELS = 8
"""RGB of the photo, RGB of the plate, two planes of the soft segmentation prior."""
SURROUNDINGS = 6
"""Planes that are computed from those that the base learns: light and colours near by."""
CELL = 4
"""Pixels of the base whose mean is the finest step of its surroundings."""
CERTAIN = 0.1
"""Below this alpha a pixel begins to say what the light on the background is."""
DARK = 0.01
"""Added to colours of 0..1 whose ratio is the light, so that black says nothing."""
EXPLAINED = 14
"""Channels that `explained` makes of photo, plate and planes."""
COLOUR_NOISE = 1e-3
"""Squared distance of foreground and background below which a pixel's share says little."""


class BaseNetwork(FullyConvolutional):
    """The reduced pair in; alpha, foreground, expected error and hidden features out.

    forward: (B, 8, H, W) float; RGB within -1..1, prior within 0..1, 0 where nothing is known of
    it; H and W multiples of 32. Returns (B, 27, H, W): alpha in units of 0..1; what is to be added
    to the photo for the foreground, in units of the whole range; how many times brighter than the
    plate the background of the photo is, RGB; the foreground's colours near by, RGB in 0..1;
    expected absolute error of alpha; 16 hidden features. What is learned is not clipped.
    """

    def __init__(self) -> None:
        super().__init__(CHANNELS)
        self.joined = ConvNorm(FUSED_CHANNELS[0] + CHANNELS, 24, 3)
        self.score = nn.Conv2d(24, PLANES - SURROUNDINGS, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        fine = upsampled(self.fused(x))
        told = self.score(self.joined(torch.cat([fine, x], 1)))
        around = surroundings(told[:, :4].detach(), x)
        return torch.cat([told[:, :4], around, told[:, 4:]], 1)


class RefinementNetwork(nn.Module):
    """Patches of the base's planes and of the pair in; alpha and foreground of their cores out.

    forward: half (N, 32, 18, 18), photo, plate, and the planes of the base without the error, at
    half the photo's size; full (N, 16, 22, 22), the same without hidden features, at the photo's
    size. Returns (N, 4, 16, 16), alpha and foreground as the base tells them, corrected.

    No convolution pads, so that a pixel does not depend on where its patch begins.
    """

    def __init__(self) -> None:
        super().__init__()
        hidden = PLANES - 1 - FINE_PLANES
        self.coarse = nn.Sequential(
            _unpadded(EXPLAINED + hidden, 48), _unpadded(48, 48), _unpadded(48, 48)
        )
        self.fine = nn.Sequential(
            _unpadded(48 + EXPLAINED, 32), _unpadded(32, 32), nn.Conv2d(32, 4, 3)
        )
        nn.init.zeros_(self.fine[-1].weight)
        nn.init.zeros_(self.fine[-1].bias)

    def forward(self, half: Tensor, full: Tensor) -> Tensor:
        seen = PAIR + FINE_PLANES
        hidden = half[:, seen:]
        coarse = self.coarse(torch.cat([explained(half[:, :seen]), hidden], 1))
        coarse = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        beyond = (coarse.shape[-1] - FULL) // 2
        coarse = coarse[..., beyond:-beyond, beyond:-beyond]
        correction = self.fine(torch.cat([coarse, explained(full)], 1))
        inner = (FULL - CORE) // 2
        return full[:, PAIR : PAIR + 4, inner:-inner, inner:-inner] + correction


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
        planes = self.planes(photo, plate, prior)
        chosen = worst_patches(planes, photo, share)
        whole = self.whole(planes, photo, plate, chosen)
        return whole[:, ALPHA], whole[:, FOREGROUND], planes[:, ERROR], chosen

    def planes(self, photo: Tensor, plate: Tensor, prior: Tensor) -> Tensor:
        """What the base says of the reduced pair, (B, 27, h, w), alpha and error within 0..1."""
        x = base_input(photo, plate, prior, base_size(*photo.shape[2:]))
        return clipped(self.base(x))

    def whole(self, planes: Tensor, photo: Tensor, plate: Tensor, chosen: Tensor) -> Tensor:
        """Alpha and foreground (B, 4, H, W) in 0..1, from the base's planes and the chosen
        patches refined.
        """
        whole = enlarged(planes[:, :4], photo)
        put_back(whole, self.refined(planes, photo, plate, chosen), photo, chosen)
        stretched = (whole[:, ALPHA] - SLACK) / (1 - 2 * SLACK)
        return torch.cat([stretched, whole[:, FOREGROUND]], 1).clamp(0, 1)

    def refined(self, planes: Tensor, photo: Tensor, plate: Tensor, chosen: Tensor) -> Tensor:
        """Alpha and foreground residual (N, 4, 16, 16) of the chosen patches."""
        return self.refinement(*self.seen(planes, photo, plate, chosen))

    def seen(
        self, planes: Tensor, photo: Tensor, plate: Tensor, chosen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the refinement sees of the chosen patches."""
        size = photo.shape[2:]
        pair = torch.cat([photo, plate], 1) * 2 - 1
        seen = windows(pair, chosen, 2 * HALF)
        margin = HALF - FULL // 2
        fine = planes[:, :FINE_PLANES]
        told = torch.cat([fine, planes[:, ERROR.stop :]], 1)
        half = [functional.avg_pool2d(seen, 2), sampled(told, chosen, size, HALF, 2)]
        full = [seen[..., margin:-margin, margin:-margin], sampled(fine, chosen, size, FULL)]
        return torch.cat(half, 1), torch.cat(full, 1)


def base_input(photo: Tensor, plate: Tensor, prior: Tensor, size: Sequence[int]) -> Tensor:
    """What the base sees, (B, 8, h, w): photo, plate and prior of 0..1 brought to `size`."""
    pair = resized(torch.cat([photo, plate], 1), size) * 2 - 1
    return torch.cat([pair, resized(prior, size)], 1)


def surroundings(told: Tensor, x: Tensor) -> Tensor:
    """Light and the foreground's colours near by, (B, 6, H, W), as in the planes of the base.

    told: (B, 4, H, W), alpha and foreground of the base. x: its input. Light is the ratio of photo
    to plate where both show the background: it carries shadows, exposure and white balance.
    """
    photo, plate = ((x[:, start : start + 3] + 1) / 2 for start in (0, 3))
    alpha = told[:, ALPHA].clamp(0, 1)
    behind, front = (1 - alpha / CERTAIN).clamp(min=0), alpha**4
    ground = spread(torch.cat([photo, plate], 1), behind)
    light = (ground[:, :3] + DARK) / (ground[:, 3:] + DARK)
    return torch.cat([light, spread((photo + told[:, FOREGROUND]).clamp(0, 1), front)], 1)


def spread(colours: Tensor, weight: Tensor) -> Tensor:
    """Weighted means (B, C, H, W) of the colours near by, H and W multiples of 32.

    Pull and push (Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4) from cells of CELL
    pixels on. weight: (B, 1, H, W), 0..1.
    """
    sums = CELL**2 * functional.avg_pool2d(torch.cat([colours * weight, weight], 1), CELL)
    means = _pulled(sums, steps=3)
    return functional.interpolate(means, scale_factor=float(CELL), mode="bilinear")


def _pulled(sums: Tensor, steps: int) -> Tensor:
    """Means of sums (B, C + 1, h, w), the weight last; what is coarser counts as one pixel."""
    if steps == 0:
        whole = sums.sum((2, 3), keepdim=True)
        coarser = whole[:, :-1] / whole[:, -1:].clamp(min=1e-6)
    else:
        coarser = upsampled(_pulled(4 * functional.avg_pool2d(sums, 2), steps - 1))
    return (sums[:, :-1] + coarser) / (sums[:, -1:] + 1)


def explained(x: Tensor) -> Tensor:
    """Patches with the plate in the photo's light, and each pixel's share of the foreground.

    x: (N, 16, h, w), photo and plate in -1..1, then the base's first planes. Returns (N, 14, h, w):
    photo, lit plate, alpha, foreground, colours near by, and the share s that makes the photo
    nearest to s * near by + (1 - s) * plate (Qian and Sezan 1999, equation 2).
    """
    pair, alpha_and_foreground = x[:, :PAIR], x[:, PAIR : PAIR + 4]
    light, nearby = (x[:, PAIR + which.start : PAIR + which.stop] for which in (LIGHT, NEARBY))
    photo, plate = (pair[:, :3] + 1) / 2, (pair[:, 3:] + 1) / 2
    ground = (plate * light).clamp(0, 1)
    apart = nearby - ground
    gone = ((photo - ground) * apart).sum(1, keepdim=True)
    share = (gone / (apart.square().sum(1, keepdim=True) + COLOUR_NOISE)).clamp(0, 1)
    seen = [pair[:, :3], ground * 2 - 1, alpha_and_foreground, nearby * 2 - 1, share]
    return torch.cat(seen, 1)


def clipped(planes: Tensor, which: Sequence[slice] = (ALPHA, ERROR)) -> Tensor:
    """The base's planes with some of them, alpha and error, within 0..1.

    The gradient passes as if nothing had been clipped, so that what overshot still learns.
    """
    inside = planes.clone()
    for part in which:
        inside[:, part] = planes[:, part].clamp(0, 1)
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
    """The share of a photo's patches in which the base (B, 27, h, w) expects to be most wrong."""
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


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
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
