import cv2
import numpy as np
import pytest

from deepmasque.portrait.knn_matting import TEXTBOOK, TUNED, Solution, solve
from deepmasque.portrait.neighbours import neighbourhood, telling_pixels


@pytest.fixture(scope="module")
def trimap(portrait):
    """A band round the head."""
    trimap = np.full(portrait.shape[:2], 0, np.uint8)
    cv2.ellipse(trimap, (85, 90), (60, 80), 0, 0, 360, 128, cv2.FILLED)
    cv2.ellipse(trimap, (85, 90), (30, 45), 0, 0, 360, 255, cv2.FILLED)
    return trimap


@pytest.fixture(scope="module")
def solution(portrait, trimap):
    return solve(portrait, trimap)


def test_an_unknown_pixel_has_the_neighbours_and_affinities_of_the_solution(solution, trimap):
    row = solution.band.size // 3
    y, x = divmod(int(solution.band[row]), trimap.shape[1])
    seen = neighbourhood(solution, x, y)
    assert (seen.x, seen.y, seen.known) == (x, y, False)
    assert seen.alpha == pytest.approx(float(solution.alpha[y, x]))
    expected = zip(solution.neighbours[row], solution.weights[row], strict=True)
    places = {(int(j) % 192, int(j) // 192, float(w)) for j, w in expected}
    assert {(n.x, n.y, n.affinity) for n in seen.neighbours} == places
    for near in seen.neighbours:
        assert near.known == (trimap[near.y, near.x] != 128)
        assert near.alpha == float(solution.alpha[near.y, near.x])


def test_the_strongest_of_each_ring_come_first_and_the_first_ring_is_the_nearer(solution, trimap):
    y, x = divmod(int(solution.band[1000]), trimap.shape[1])
    rings = [
        [near for near in neighbourhood(solution, x, y).neighbours if near.ring == ring]
        for ring in (0, 1)
    ]
    assert [len(ring) for ring in rings] == [ring.k for ring in TUNED.rings]
    for ring in rings:
        affinities = [near.affinity for near in ring]
        assert affinities == sorted(affinities, reverse=True)
    distances = [sum(np.hypot(n.x - x, n.y - y) for n in ring) for ring in rings]
    assert distances[0] < distances[1]


@pytest.mark.parametrize(("x", "y", "alpha"), [(2, 2, 0.0), (85, 90, 1.0)])
def test_a_known_pixel_has_no_neighbours(solution, x, y, alpha):
    seen = neighbourhood(solution, x, y)
    assert seen.known
    assert seen.alpha == alpha
    assert seen.neighbours == ()


def test_another_method_brings_its_own_rings(portrait, trimap):
    plain = solve(portrait, trimap, method=TEXTBOOK)
    y, x = divmod(int(plain.band[0]), trimap.shape[1])
    assert {n.ring for n in neighbourhood(plain, x, y, TEXTBOOK.rings).neighbours} == {0}


def test_a_tiny_photo_has_fewer_neighbours():
    image = np.arange(12, dtype=np.uint8).reshape(1, 4, 3) * 20
    seen = neighbourhood(solve(image, np.uint8([[0, 128, 255, 255]])), 1, 0)
    assert [near.ring for near in seen.neighbours] == [0, 0, 0, 1, 1, 1]


def test_a_huge_photo_shows_the_neighbours_at_its_own_size():
    alpha = np.tile(np.linspace(0, 1, 7, dtype=np.float32), (5, 1))
    coarse = Solution(  # 3 x 4 pixels
        alpha,
        (1.0,),
        2,
        np.int64([5, 6]),
        np.int32([[4, 7], [5, 11]]),
        np.float32([[0.2, 0.9], [0.5, 0.4]]),
    )
    seen = neighbourhood(coarse, 3, 2)
    assert [(n.x, n.y, n.known) for n in seen.neighbours] == [(1, 3, True), (6, 3, True)]
    assert neighbourhood(coarse, 0, 2).known
    assert [n.known for n in neighbourhood(coarse, 5, 3).neighbours] == [False, True]


def test_telling_pixels_are_mixed_apart_and_tied_to_both_sides(solution):
    pixels = telling_pixels(solution, most=4)
    assert 1 <= len(pixels) <= 4
    for x, y in pixels:
        assert 0.3 < solution.alpha[y, x] < 0.7
    best = neighbourhood(solution, *pixels[0]).neighbours
    assert any(near.alpha > 0.9 for near in best)
    assert any(near.alpha < 0.1 for near in best)
    for i, (x, y) in enumerate(pixels):
        assert all(np.hypot(x - u, y - v) >= 0.08 * 192 for u, v in pixels[:i])


def test_without_a_mixed_pixel_the_one_nearest_to_a_half_is_told():
    image = np.zeros((1, 9, 3), np.uint8)
    image[0, 5:] = 255
    trimap = np.uint8([[0, 0, 0, 0, 128, 255, 255, 255, 255]])
    assert telling_pixels(solve(image, trimap)) == [(4, 0)]


def test_where_nothing_is_unknown_nothing_is_told(portrait):
    known = np.zeros(portrait.shape[:2], np.uint8)
    assert telling_pixels(solve(portrait, known)) == []
