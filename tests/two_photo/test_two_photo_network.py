import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from deepmasque.two_photo import refinement
from deepmasque.two_photo.network import (
    BaseNetwork,
    TwoPhotoNetwork,
    explained,
    spread,
    surroundings,
)
from deepmasque.two_photo.patches import CORE, PLANES, base_size


class InTorch:
    """An engine that is a torch network."""

    def __init__(self, network):
        self.network = network

    def __call__(self, x):
        return self.batch(x[None])[0]

    def batch(self, *inputs):
        with torch.inference_mode():
            return self.network(*map(torch.from_numpy, inputs)).numpy()


@pytest.fixture(scope="module")
def network():
    """Random weights that correct strongly, so that patches differ from what is round them."""
    torch.manual_seed(1)
    made = TwoPhotoNetwork().eval()
    torch.nn.init.normal_(made.refinement.fine[-1].weight, std=0.05)
    torch.nn.init.normal_(made.base.score.weight, std=0.3)
    return made


@pytest.fixture
def pair():
    """Smooth, so that it does not matter how it is reduced."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 255, (2, 10, 16, 3), dtype=np.uint8)
    return np.stack([cv2.resize(x, (331, 203), interpolation=cv2.INTER_CUBIC) for x in coarse])


def solved(network, pair, mode, monkeypatch=None):
    prior = np.zeros((2, 32, 32), np.float32)
    base, refine = InTorch(network.base), InTorch(network.refinement)
    coarse = refinement.base(*pair, prior, base)
    patches = refinement.chosen_patches(coarse.error, *pair[0].shape[:2], mode)
    return coarse, patches, *refinement.refined(*pair, coarse, patches, refine)


@pytest.mark.parametrize(("mode", "share"), [("sampling", refinement.SHARE), ("full", 1.0)])
def test_arrays_and_tensors_take_the_same_steps(network, pair, mode, share):
    _, patches, alpha, foreground = solved(network, pair, mode)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None] / 255 for x in pair]
    with torch.inference_mode():
        theirs = network(*tensors, torch.zeros(1, 2, 32, 32), share)
    order = np.lexsort(theirs[3].numpy()[:, :0:-1].T)
    assert np.array_equal(theirs[3].numpy()[order, 1:], patches)
    # The reduced photos differ by their rounding to bytes.
    assert np.abs(theirs[0][0, 0].numpy() - alpha).max() < 0.02
    assert np.abs(255 * theirs[1][0].permute(1, 2, 0).numpy() - foreground).max() < 6


def test_pictures_of_a_batch_do_not_mix(network, pair):
    photo, plate = (torch.from_numpy(x).permute(2, 0, 1)[None] / 255 for x in pair)
    both = torch.cat([photo, plate]), torch.cat([plate, photo])
    prior = torch.rand(2, 2, 16, 16)
    with torch.inference_mode():
        together = network(*both, prior, 0.2)
        alone = network(plate, photo, prior[1:], 0.2)
    assert torch.allclose(together[0][1:], alone[0], atol=1e-5)
    assert torch.allclose(together[1][1:], alone[1], atol=1e-5)


def test_outside_the_patches_alpha_is_the_base_networks(network, pair):
    coarse, patches, alpha, _ = solved(network, pair, "sampling")
    inside = refinement.refined_pixels(patches, *alpha.shape)
    _, _, untouched, _ = solved_without_patches(network, pair, coarse)
    assert np.array_equal(alpha[~inside], untouched[~inside])
    assert np.mean(alpha[inside] != untouched[inside]) > 0.5
    assert 0.08 < inside.mean() < 0.12


def solved_without_patches(network, pair, coarse):
    none = np.empty((0, 2), np.int64)
    return None, None, *refinement.refined(*pair, coarse, none, InTorch(network.refinement))


def test_a_pixel_does_not_depend_on_which_other_patches_are_refined(network, pair):
    _, patches, some, _ = solved(network, pair, "sampling")
    _, _, every, _ = solved(network, pair, "full")
    inside = refinement.refined_pixels(patches, *some.shape)
    assert np.allclose(some[inside], every[inside], atol=1e-5)


def test_sampling_takes_the_patches_with_the_largest_expected_error():
    error = np.zeros((64, 96), np.float32)
    error[20:24, 40:44] = 0.5
    height, width = 64 * 8, 96 * 8
    patches = refinement.chosen_patches(error, height, width, "thresholding")
    inside = refinement.refined_pixels(patches, height, width)
    assert inside[20 * 8 : 24 * 8, 40 * 8 : 44 * 8].all() and inside.mean() < 0.01
    some = refinement.chosen_patches(error, height, width, "sampling")
    assert {*map(tuple, patches)} <= {*map(tuple, some)}
    assert len(some) == round(refinement.SHARE * 32 * 48)
    assert len(refinement.chosen_patches(error, height, width, "full")) == 32 * 48


@pytest.mark.parametrize("size", [(1, 1), (5, 700), (16, 16), (97, 33), (480, 640)])
def test_every_size(network, size):
    rng = np.random.default_rng(0)
    pair = rng.integers(0, 255, (2, *size, 3), dtype=np.uint8)
    before = pair.copy()
    for mode in refinement.MODES:
        _, _, alpha, foreground = solved(network, pair, mode)
        assert alpha.shape == size and alpha.dtype == np.float32
        assert alpha.min() >= 0 and alpha.max() <= 1 and np.isfinite(alpha).all()
        assert foreground.shape == (*size, 3) and foreground.dtype == np.uint8
    assert np.array_equal(pair, before)


def test_without_a_correction_the_refinement_leaves_the_base_as_it_is(pair):
    torch.manual_seed(0)
    network = TwoPhotoNetwork().eval()
    coarse, _, alpha, foreground = solved(network, pair, "full")
    _, _, base_alpha, base_foreground = solved_without_patches(network, pair, coarse)
    assert np.allclose(alpha, base_alpha, atol=1e-3)
    assert np.abs(foreground.astype(int) - base_foreground).max() <= 1


def test_planes_of_the_base_have_the_photos_size():
    assert base_size(1080, 1920) == (384, 672)
    with torch.inference_mode():
        assert BaseNetwork().eval()(torch.zeros(2, 8, 64, 96)).shape == (2, PLANES, 64, 96)
    assert CORE % 2 == 0


@pytest.fixture
def shaded():
    """Photo, plate (1, 3, 128, 128) and alpha: a disk with a wide soft edge, in its own shadow."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    rng = torch.Generator().manual_seed(0)
    plate = 0.4 + 0.2 * torch.rand(1, 3, 128, 128, generator=rng)
    alpha = ((40 - torch.hypot(y - 64, x - 64)) / 16 + 0.5).clamp(0, 1)[None, None]
    shadow = 1 - 0.4 * torch.exp(-((x - 50) ** 2 + (y - 64) ** 2) / 60**2)
    colour = torch.tensor([0.9, 0.2, 0.1])[None, :, None, None]
    photo = alpha * colour + (1 - alpha) * plate * shadow
    told = torch.cat([alpha, colour - photo], 1)
    return photo, plate, alpha, shadow, told


def test_light_and_colours_near_by_are_found_under_a_shadow(shaded):
    photo, plate, alpha, shadow, told = shaded
    around = surroundings(told, torch.cat([photo, plate], 1) * 2 - 1)
    behind = (alpha < 0.9).expand(1, 3, -1, -1)
    assert (around[:, :3] - shadow).abs()[behind].mean() < 0.02
    assert (around[:, 3:] - (photo + told[:, 1:])).abs()[alpha.expand_as(photo) > 0.05].max() < 0.02


def test_the_share_of_the_foreground_is_alpha_where_light_and_colours_are_known(shaded):
    photo, plate, alpha, shadow, told = shaded
    x = torch.cat(
        [photo * 2 - 1, plate * 2 - 1, told, shadow.expand_as(photo), photo + told[:, 1:]], 1
    )
    assert (explained(x)[:, -1:] - alpha).abs().max() < 0.02
    unlit = torch.cat([x[:, :10], torch.ones_like(photo), x[:, 13:]], 1)
    assert (explained(unlit)[:, -1:] - alpha).abs().mean() > 0.04


def test_without_any_background_the_plate_keeps_its_light(shaded):
    photo, plate, alpha, _, told = shaded
    told = torch.cat([torch.ones_like(alpha), told[:, 1:]], 1)
    around = surroundings(told, torch.cat([photo, plate], 1) * 2 - 1)
    assert torch.allclose(around[:, :3], torch.ones_like(photo))


def test_spread_is_the_weighted_mean_where_weights_are_dense_and_goes_on_smoothly():
    colours = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    left = torch.zeros(1, 1, 64, 64)
    left[..., :32] = 1
    found = spread(colours, left)
    means = functional.avg_pool2d(colours, 8)[..., :3]
    assert (functional.avg_pool2d(found, 8)[..., :3] - means).abs().max() < 0.1
    assert (found[..., 48:] - colours[..., :32].mean()).abs().max() < 0.15
