"""The integer twin against brute force, against the exact solution, and on columns made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad import exact, twin
from deepmasque.launchpad.constants import ANCHOR, EXACT_LIMIT, LINK, PIXELS

B, U, F = 0, 128, 255


def column(trimap, features=None):
    trimap = np.array(trimap, np.uint8)
    if features is None:
        features = np.zeros((len(trimap), 2))
    return np.array(features, np.int8), trimap


@st.composite
def columns(draw):
    """Columns of a few colours with noise, in runs of background, unknown and foreground."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.sampled_from([2, 7, 60, 240, PIXELS]))
    runs = draw(st.integers(1, 40))
    colours = random.integers(-60, 61, (runs, 2))[np.arange(length) * runs // length]
    noise = random.normal(0, draw(st.sampled_from([0, 1, 8, 60])), (length, 2))
    features = np.clip(np.rint(colours + noise), -60, 60).astype(np.int8)
    trimap = random.choice([B, U, U, F], runs)[np.arange(length) * runs // length].astype(np.uint8)
    trimap[random.integers(length)] = random.choice([B, F])
    return features, trimap


@settings(max_examples=60, deadline=None)
@given(columns(), st.sampled_from(["auto", "windowed"]))
def test_twin_stays_within_two_levels_of_the_exact_solution(sample, mode):
    features, trimap = sample
    solved = twin.solve_column(features, trimap, mode)
    alpha, exact_mode = exact.solve(features, trimap, mode)
    assert solved.mode == exact_mode
    unknown = trimap == U
    assert np.array_equal(solved.alpha[~unknown], trimap[~unknown])
    if unknown.any():
        errors = np.abs(solved.alpha - 255 * alpha)[unknown]
        assert errors.max() <= 2
        assert errors.mean() <= 0.75


@settings(max_examples=40, deadline=None)
@given(columns(), st.sampled_from(["auto", "windowed"]))
def test_graph_holds_the_nearest_pixels(sample, mode):
    features, trimap = sample
    ties = twin.graph(features, trimap, mode)
    rows = np.arange(len(trimap))
    for i, neighbours, affinities, anchor in zip(
        ties.unknown, ties.neighbours, ties.affinities, ties.anchors, strict=True
    ):
        away = np.abs(rows - i)
        distances = 32 * np.abs(features - features[i].astype(int)).sum(axis=1) + away
        candidates = np.sort(distances[away > 1])[: len(neighbours)]
        found = affinities > 0
        assert np.array_equal(distances[neighbours[found]], candidates)
        assert len(candidates) == found.sum() == len(set(neighbours[found]))
        assert distances[anchor] == distances[trimap != U].min()


@settings(max_examples=40, deadline=None)
@given(columns(), st.sampled_from(["auto", "windowed"]))
def test_exact_solution_balances_every_unknown_pixel(sample, mode):
    features, trimap = sample
    ties = twin.graph(features, trimap, mode)
    alpha, _ = exact.solve(features, trimap, mode)
    pull = np.zeros(len(trimap))
    for i, neighbours, affinities, anchor in zip(
        ties.unknown, ties.neighbours, ties.affinities, ties.anchors, strict=True
    ):
        for j, affinity in zip(neighbours, affinities, strict=True):
            pull[i] += affinity * (alpha[j] - alpha[i])
            if ties.mode == "exact":
                pull[j] += affinity * (alpha[i] - alpha[j])
        for j in (i - 1, i + 1):
            if 0 <= j < len(trimap):
                pull[i] += LINK * (alpha[j] - alpha[i])
        if ties.mode == "windowed":
            pull[i] += ANCHOR * (alpha[anchor] - alpha[i])
    assert np.allclose(pull[trimap == U], 0, atol=1e-6)


@pytest.mark.parametrize("solve", [twin.solve_column, exact.solve_column])
def test_a_pixel_between_two_ends_of_its_colour_is_half_each(solve):
    assert solve(*column([B, U, F])).alpha.tolist() == [0, 128, 255]


def test_a_pixel_takes_the_alpha_of_its_colour():
    colours = np.array([-50] * 40 + [-50] * 10 + [50] * 10 + [50] * 40)
    features, trimap = column([B] * 40 + [U] * 20 + [F] * 40, np.column_stack([colours, colours]))
    for mode in ("exact", "windowed"):
        alpha = twin.solve_column(features, trimap, mode).alpha
        assert (alpha[40:45] < 40).all()
        assert (alpha[55:60] > 215).all()


@pytest.mark.parametrize("mode", ["exact", "windowed"])
@pytest.mark.parametrize(("known", "level"), [(B, 0), (F, 255)])
def test_one_kind_of_known_pixel_fills_the_column(mode, known, level):
    random = np.random.default_rng(1)
    features, trimap = column([U] * 40 + [known] + [U] * 40, random.integers(-60, 61, (81, 2)))
    assert (twin.solve_column(features, trimap, mode).alpha == level).all()


def test_islands_are_reached_along_the_column():
    """Pixels of a colour that no known pixel has; their neighbours are one another."""
    features, trimap = column([B] * 30 + [U] * 60 + [F] * 30, [[0, 0]] * 120)
    features[45:75] = 60
    for mode in ("exact", "windowed"):
        alpha = twin.solve_column(features, trimap, mode).alpha
        assert np.abs(alpha - 255 * exact.solve(features, trimap, mode)[0]).max() <= 2
        assert 0 < alpha[60] < 255


@pytest.mark.parametrize("length", [1, 2, 799, 800])
def test_columns_without_unknown_pixels_are_their_trimap(length):
    features, trimap = column([F] * length)
    solved = twin.solve_column(features, trimap)
    assert (solved.alpha == 255).all()
    assert (solved.mode, solved.iterations) == ("exact", 0)


def test_auto_is_exact_up_to_the_limit():
    for unknown, mode in ((EXACT_LIMIT, "exact"), (EXACT_LIMIT + 1, "windowed")):
        features, trimap = column([B] * 20 + [U] * unknown + [F] * 20)
        assert twin.solve_column(features, trimap).mode == mode


@pytest.mark.parametrize(
    ("trimap", "mode", "words"),
    [
        ([U] * 9, "auto", "no known pixel"),
        ([B] + [U] * (EXACT_LIMIT + 1), "exact", "Too many"),
        ([B, 7, F], "auto", "out of its range"),
        ([], "auto", "out of its range"),
        ([B] * (PIXELS + 1), "auto", "out of its range"),
        ([B], "fast", "out of its range"),
    ],
)
def test_impossible_columns_are_refused_with_a_reason(trimap, mode, words):
    for solve in (twin.solve_column, exact.solve_column):
        with pytest.raises(LaunchPadError, match=words):
            solve(*column(trimap, np.zeros((len(trimap), 2))), mode)
