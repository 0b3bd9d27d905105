import cv2
import numpy as np
import pytest

from deepmasque.training import shapes
from deepmasque.training.hair import subject_of

SIZE = (160, 140)


def made(kind, seed):
    return subject_of(kind(SIZE, np.random.default_rng(seed), None))


@pytest.mark.parametrize("kind", [kind for _, kind in shapes.KINDS])
def test_every_kind_shows_itself_and_the_background(kind):
    """Over some seeds: part of the picture is covered, part is not, and part is in between."""
    alphas = np.stack([made(kind, seed).alpha for seed in range(6)])
    assert alphas.min() == 0
    assert 0.01 < alphas.mean() < 0.9
    assert ((alphas > 0.05) & (alphas < 0.95)).mean() > 0.005


@pytest.mark.parametrize("kind", [kind for _, kind in shapes.KINDS])
def test_every_kind_is_reproducible(kind):
    first, again, other = made(kind, 4), made(kind, 4), made(kind, 5)
    np.testing.assert_array_equal(first.alpha, again.alpha)
    np.testing.assert_array_equal(first.foreground, again.foreground)
    assert (first.alpha != other.alpha).any()


def test_a_net_has_holes():
    """Threads part the background into many patches."""
    patches = []
    for seed in range(6):
        holes = (made(shapes._net, seed).alpha < 0.3).astype(np.uint8)
        patches.append(cv2.connectedComponents(holes, connectivity=4)[0])
    assert np.median(patches) > 20


def test_a_veil_lets_the_background_through():
    alpha = made(shapes._veil, 1).alpha
    inside = alpha[alpha > 0.02]
    assert ((inside > 0.05) & (inside < 0.95)).mean() > 0.5


def test_surfaces_may_take_their_pattern_from_a_picture():
    """Stripes of the texture show as a step between neighbouring columns of some bodies."""
    texture = np.zeros((200, 200, 3), np.uint8)
    texture[:, ::20] = 255
    striped = []
    for seed in range(20):
        surface = shapes._surface(SIZE, np.random.default_rng(seed), texture).mean(axis=(0, 2))
        striped.append(abs(np.diff(surface)).max() > 6 * np.median(abs(np.diff(surface))))
    assert 2 < sum(striped) < 15


def test_subjects_are_of_many_kinds():
    shares = [
        shapes.synthetic_subject(SIZE, np.random.default_rng(seed)).alpha.mean()
        for seed in range(15)
    ]
    assert np.std(shares) > 0.1
