import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepmasque.portrait.alignment import mean_placement
from deepmasque.training import hair, shapes

SEEDS = range(12)
HEAD = (96.0, 80.0, 48.0)
SKIN = (200, 150, 120)


@pytest.fixture
def person():
    """A brown head on wide shoulders, the edges a pixel soft; (256, 192)."""
    y, x = np.mgrid[:256, :192]
    head = 48 - np.hypot(x - 96, y - 80)
    shoulders = np.minimum(y - 150, 80 - abs(x - 96))
    alpha = np.clip(np.maximum(head, shoulders) + 0.5, 0, 1).astype(np.float32)
    return hair.Subject(np.full((256, 192, 3), (90, 60, 40), np.uint8), alpha)


@pytest.fixture
def plate():
    return np.random.default_rng(5).integers(0, 256, (300, 400, 3), np.uint8)


def haired(person, seed):
    return hair.with_strands(person, np.random.default_rng(seed), head=HEAD)


def test_the_composite_is_the_compositing_equation(person, plate):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        scene = hair.composed(haired(person, seed), plate, rng)
        alpha = scene.alpha[..., None].astype(np.float64)
        expected = alpha * scene.foreground + (1 - alpha) * scene.background
        np.testing.assert_allclose(scene.composite, expected, atol=1e-4)
        for colours in (scene.foreground, scene.background):
            assert colours.dtype == np.float32
            assert colours.min() >= 0
            assert colours.max() <= 255


def test_the_photo_is_the_composite_but_for_noise(person):
    plate = np.full((300, 300, 3), (60, 120, 180), np.uint8)
    for seed in SEEDS:
        scene = hair.composed(haired(person, seed), plate, np.random.default_rng(seed))
        difference = scene.image - scene.composite
        assert abs(difference.mean()) < 1
        assert 0 < np.sqrt((difference**2).mean()) < 10


def test_the_lens_blurs_photo_and_truth_alike(person, plate):
    """Blurring the composite of what was in front of the lens gives the composite behind it."""
    cut = haired(person, 3)
    front, back = (np.float32(x) for x in (cut.foreground, plate[:256, :192]))
    before = hair.blend(cut.alpha, front, back)
    after = hair.blend(*hair.seen_through_lens(cut.alpha, front, back, 0.9))
    expected = cv2.GaussianBlur(before, (0, 0), 0.9)
    assert abs(after - expected).max() < 0.3


def test_the_seed_decides_every_byte(person, plate):
    def made(seed):
        rng = np.random.default_rng(seed)
        scene = hair.composed(hair.with_strands(person, rng, head=HEAD), plate, rng)
        return b"".join(plane.tobytes() for plane in vars(scene).values())

    assert made(1) == made(1)
    assert len({made(seed) for seed in range(5)}) == 5


def test_strands_add_fractional_alpha_outside_and_take_none_inside(person):
    fringes = []
    for seed in SEEDS:
        alpha = haired(person, seed).alpha
        assert alpha.dtype == np.float32
        assert alpha.min() >= 0
        assert alpha.max() <= 1
        assert (alpha >= person.alpha).all()
        fringe = (alpha > person.alpha + 0.02)[person.alpha == 0]
        fractional = (alpha > 0.05) & (alpha < 0.95) & (person.alpha == 0)
        fringes.append((fringe.sum(), fractional.sum()))
    drawn, fractional = np.sum(fringes, axis=0)
    assert drawn > 12 * 150
    assert fractional > 0.4 * drawn


def test_shoulders_stay_bare(person):
    for seed in SEEDS:
        added = haired(person, seed).alpha - person.alpha
        below_the_longest_hair = added[225:]
        assert not below_the_longest_hair[:, 40:152].any()
        assert (added[200:] > 0.05).mean() < 0.1


def test_cheeks_grow_no_hair(person):
    """Where the colours near the edge are not the crown's, no strand has its root."""
    skin = person.foreground.copy()
    skin[70:] = SKIN
    for seed in SEEDS:
        cut = hair.Subject(skin, person.alpha)
        edge = hair.near_head(cut, hair.boundary_of(cut.alpha), HEAD, np.random.default_rng(seed))
        assert (edge.points[:, 1] < 76).all()


def test_strands_have_the_colours_of_the_subject(person):
    for seed in SEEDS:
        cut = haired(person, seed)
        colours = cut.foreground[(cut.alpha > 0.2) & (person.alpha == 0)].astype(float)
        red, green, blue = colours.mean(axis=0)
        assert red > green > blue
        assert 30 < red < 200


def test_foreground_runs_on_smoothly_where_nothing_is_seen(person):
    cut = haired(person, 2)
    far = cut.foreground[200:, :8].astype(float)
    assert abs(far - (90, 60, 40)).max() < 90
    assert abs(np.diff(far, axis=0)).max() < 8


def test_hair_without_a_head_grows_along_stretches(person):
    covered = []
    for seed in SEEDS:
        cut = hair.with_strands(person, np.random.default_rng(seed))
        assert (cut.alpha >= person.alpha).all()
        covered.append((cut.alpha - person.alpha > 0.05).sum())
    assert np.median(covered) > 100
    assert len(set(covered)) == len(covered)


def test_a_subject_without_an_edge_stays_as_it_is():
    for alpha in (0, 1):
        full = hair.Subject(np.full((40, 30, 3), 7, np.uint8), np.full((40, 30), alpha, np.float32))
        cut = hair.with_strands(full, np.random.default_rng(0), head=(15, 15, 8))
        np.testing.assert_array_equal(cut.alpha, full.alpha)


def test_the_head_of_the_mean_placement_is_in_the_upper_middle():
    x, y, radius = hair.head_circle(mean_placement(400, 300))
    assert x == pytest.approx(150)
    assert 120 < y < 200
    assert 80 < radius < 130


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 2**32 - 1),
    headed=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_size_makes_a_scene(size, seed, headed):
    rng = np.random.default_rng(seed)
    subject = shapes.synthetic_subject(size, rng)
    head = (size[1] / 2, size[0] / 2, max(size) / 4) if headed else None
    cut = hair.with_strands(subject, rng, head=head)
    scene = hair.composed(cut, np.full((300, 300, 3), 128, np.uint8), rng)
    assert cut.alpha.shape == size
    assert (cut.alpha >= subject.alpha).all()
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    for plane in (scene.alpha, scene.foreground, scene.background, scene.composite):
        assert plane.dtype == np.float32
        assert np.isfinite(plane).all()
    assert scene.alpha.min() >= 0
    assert scene.alpha.max() <= 1
