"""The board's twin: the same integer arithmetic as firmware/core, bit for bit.

The graph
    The distance of pixels i and j of a column is 32 (|Δf₀| + |Δf₁|) + |i − j|; their affinity falls
    with it linearly from 32 to 1 at twice the column's mean distance. Adjacent pixels are always
    tied, with affinity 32.
Exact mode
    An unknown pixel is tied to its 5 nearest, both ways: KNN matting (Chen, Li, Tang, TPAMI 35(9),
    2013). The symmetric system is solved by conjugate gradients, the diagonal as preconditioner,
    in 32-bit integers with 18 fractional bits and 64-bit sums.
Windowed mode, the anchored graph
    An unknown pixel is the weighted mean of its 4 nearest, of the adjacent two, and of its anchor,
    the nearest known pixel, with affinity 8; these ties count one way. Gauss-Seidel over windows
    of 16 unknown pixels, the state between windows in 1/16 levels of alpha.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from deepmasque.errors import LaunchPadError
from deepmasque.launchpad.columns import ColumnResult
from deepmasque.launchpad.constants import (
    ANCHOR,
    COLOUR_DISTANCE,
    ERROR_MEANINGS,
    EXACT_LIMIT,
    ITERATION_LIMIT,
    LINK,
    NEIGHBOURS,
    PIXELS,
    SWEEP_LIMIT,
    WINDOW,
    WINDOWED_NEIGHBOURS,
    ErrorCode,
)
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN

NOWHERE = 0xFFFF
ONE = 1 << 18  # alpha 1 in exact mode
ENOUGH = 1 << 17
STATE_TOP = 255 * 16  # alpha 1 in windowed mode
BLOCK = 64  # rows that the board searches on one side before the other
STILL, ROUNDS, SETTLED = 2, 8, 4


@dataclass(frozen=True)
class Graph:
    """The ties of a column's U unknown pixels, in units of affinity.

    Attributes
    ----------
    mode: "exact", ties counting both ways, or "windowed", one way and with anchors.
    unknown: (U,) int64 positions in the column, ascending.
    neighbours: (U, K) int64 positions of the nearest pixels; affinities: (U, K) int64 of 1..32, or
        0 where the column has no further pixel.
    anchors: (U,) int64 positions of the nearest known pixel.
    """

    mode: str
    unknown: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    affinities: NDArray[np.int64]
    anchors: NDArray[np.int64]


def solve_column(
    features: NDArray[np.int8], trimap: NDArray[np.uint8], mode: str = "auto"
) -> ColumnResult:
    """Compute what the board computes; arguments and errors as for `graph`."""
    ties = graph(features, trimap, mode)
    solve = _solve_exact if ties.mode == "exact" else _solve_windowed
    levels, iterations = solve(
        trimap.astype(np.int64), ties.unknown, ties.neighbours, ties.affinities, ties.anchors
    )
    alpha = np.where(trimap == FOREGROUND, 255, 0).astype(np.uint8)
    alpha[ties.unknown] = levels
    return ColumnResult(alpha, int(iterations), ties.mode, None, None, None)


def graph(features: NDArray[np.int8], trimap: NDArray[np.uint8], mode: str = "auto") -> Graph:
    """Return the ties of a column.

    features: (N, 2) int8, N of 1..800. trimap: (N,) uint8 of 0, 128 and 255. mode: "exact",
    "windowed", or "auto" for exact where the column's unknown pixels are few enough.
    Raises LaunchPadError where the board refuses the column: too many unknown pixels for exact
    mode, nothing known, another length or other values.
    """
    length = len(trimap)
    shapes_fit = features.shape == (length, 2) and features.dtype == np.int8
    if not shapes_fit or not 1 <= length <= PIXELS or mode not in ("auto", "exact", "windowed"):
        raise LaunchPadError(ERROR_MEANINGS[ErrorCode.BAD_VALUE])
    if not np.isin(trimap, (BACKGROUND, UNKNOWN, FOREGROUND)).all():
        raise LaunchPadError(ERROR_MEANINGS[ErrorCode.BAD_VALUE])
    unknown = np.flatnonzero(trimap == UNKNOWN)
    if len(unknown) == length:
        raise LaunchPadError(ERROR_MEANINGS[ErrorCode.NOTHING_KNOWN])
    if mode == "exact" and len(unknown) > EXACT_LIMIT:
        raise LaunchPadError(ERROR_MEANINGS[ErrorCode.TOO_MANY_UNKNOWN])
    if mode == "auto":
        mode = "exact" if len(unknown) <= EXACT_LIMIT else "windowed"
    count = NEIGHBOURS if mode == "exact" else WINDOWED_NEIGHBOURS
    wide = features.astype(np.int64)
    known = trimap != UNKNOWN
    neighbours, distances = _search_all(wide, unknown, 2, np.ones_like(known), count)
    anchors, _ = _search_all(wide, unknown, 1, known, 1)
    return Graph(mode, unknown, neighbours, _affinities(distances), anchors[:, 0])


@njit(cache=True)
def _search(features, i, first, eligible, neighbours, distances):
    """Fill in the nearest eligible pixels of i from `first` rows away on, in the board's order."""
    length, count = len(features), len(distances)
    for start in range(first, length, BLOCK):
        if start >= distances[-1]:
            return
        for side in (-1, 1):
            for rows in range(start, start + BLOCK):
                j = i + side * rows
                if not 0 <= j < length or not eligible[j]:
                    continue
                colour = abs(features[i, 0] - features[j, 0]) + abs(features[i, 1] - features[j, 1])
                distance = COLOUR_DISTANCE * colour + rows
                if distance < distances[-1]:
                    place = count - 1
                    while place > 0 and distances[place - 1] > distance:
                        distances[place] = distances[place - 1]
                        neighbours[place] = neighbours[place - 1]
                        place -= 1
                    distances[place], neighbours[place] = distance, j


@njit(cache=True)
def _search_all(features, unknown, first, eligible, count):
    neighbours = np.zeros((len(unknown), count), np.int64)
    distances = np.full((len(unknown), count), NOWHERE)
    for k in range(len(unknown)):
        _search(features, unknown[k], first, eligible, neighbours[k], distances[k])
    return neighbours, distances


def _affinities(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    there = distances != NOWHERE
    mean = int(distances[there].sum()) // max(int(there.sum()), 1)
    slope = min(65536 * LINK // (2 * mean + 1), 65535)
    return np.where(there, np.maximum(LINK - (distances * slope >> 16), 1), 0)


@njit(cache=True)
def _scaled(value, factor):
    return (value * factor + 0x8000) >> 16


@njit(cache=True)
def _ratio(numerator, denominator):
    bits = 16
    while denominator < numerator and bits < 31:
        denominator <<= 1
        bits += 1
    if denominator < numerator:
        return 0x7FFFFFFF
    quotient = 0
    for _ in range(bits + 1):
        quotient <<= 1
        if numerator >= denominator:
            numerator -= denominator
            quotient |= 1
        numerator <<= 1
    return min(quotient, 0x7FFFFFFF)


@njit(cache=True)
def _solve_exact(trimap, unknown, neighbours, affinities, anchors):
    size, length = len(unknown), len(trimap)
    number = np.full(length, -1, np.int64)
    number[unknown] = np.arange(size)
    diagonal, pull = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for k in range(size):
        for s in range(neighbours.shape[1]):
            j, affinity = neighbours[k, s], affinities[k, s]
            diagonal[k] += affinity
            if number[j] >= 0:
                diagonal[number[j]] += affinity
            elif trimap[j] == FOREGROUND:
                pull[k] += affinity
        for j in (unknown[k] - 1, unknown[k] + 1):
            if 0 <= j < length:
                diagonal[k] += LINK
                if trimap[j] == FOREGROUND:
                    pull[k] += LINK

    alpha, product = np.zeros(size, np.int64), np.zeros(size, np.int64)
    residual = ONE * pull
    inverse = 65536 // diagonal
    direction = _scaled(residual, inverse)
    energy = (residual * direction).sum()
    iterations = 0
    while energy > ENOUGH and iterations < ITERATION_LIMIT:
        product[:] = diagonal * direction
        for k in range(size):
            for s in range(neighbours.shape[1]):
                j = number[neighbours[k, s]]
                if j >= 0:
                    product[k] -= affinities[k, s] * direction[j]
                    product[j] -= affinities[k, s] * direction[k]
            if k + 1 < size and unknown[k + 1] == unknown[k] + 1:
                product[k] -= LINK * direction[k + 1]
                product[k + 1] -= LINK * direction[k]
        curvature = (direction * product).sum()
        if curvature <= 0:
            break
        step, before = _ratio(energy, curvature), energy
        alpha += _scaled(direction, step)
        residual -= _scaled(product, step)
        energy = (residual * _scaled(residual, inverse)).sum()
        iterations += 1
        if energy > ENOUGH:
            share = _ratio(energy, before)
            direction = _scaled(residual, inverse) + _scaled(direction, share)
    return np.minimum(np.maximum((alpha * 255 + ONE // 2) >> 18, 0), 255), iterations


@njit(cache=True)
def _solve_windowed(trimap, unknown, neighbours, affinities, anchors):
    size, length = len(unknown), len(trimap)
    state = np.where(trimap == FOREGROUND, STATE_TOP, 0)
    for k in range(size):
        state[unknown[k]] = state[anchors[k]]
    tied = state.copy()  # to what the anchors pull
    most, sweep = NOWHERE, 0
    row = np.full(length, -1, np.int64)
    while most > STILL and sweep < SWEEP_LIMIT:
        order = np.arange(size) if sweep % 2 == 0 else np.arange(size)[::-1]
        most = 0
        for first in range(0, size, WINDOW):
            window = order[first : first + WINDOW]
            row[unknown[window]] = np.arange(len(window))
            levels = _solve_window(
                window, row, state, tied, length, unknown, neighbours, affinities
            )
            row[unknown[window]] = -1
            for r in range(len(window)):
                position, level = unknown[window[r]], (levels[r] + 8) >> 4
                most = max(most, abs(level - state[position]))
                state[position] = level
        sweep += 1
    return (state[unknown] + 8) >> 4, sweep


@njit(cache=True)
def _solve_window(window, row, state, tied, length, unknown, neighbours, affinities):
    rows = len(window)
    ties = np.zeros((rows, rows), np.int64)
    pull, diagonal = np.zeros(rows, np.int64), np.full(rows, ANCHOR)
    for r in range(rows):
        k = window[r]
        position = unknown[k]
        pull[r] = ANCHOR * tied[position]
        for s in range(neighbours.shape[1] + 2):
            side = s - neighbours.shape[1]
            j = neighbours[k, s] if side < 0 else position + 2 * side - 1
            if not 0 <= j < length:
                continue
            affinity = affinities[k, s] if side < 0 else LINK
            diagonal[r] += affinity
            if row[j] >= 0:
                ties[r, row[j]] += affinity
            else:
                pull[r] += affinity * state[j]
    level = state[unknown[window]] << 4
    inverse = 65536 // diagonal
    for turn in range(ROUNDS):
        most = 0
        for i in range(rows):
            r = i if turn % 2 == 0 else rows - 1 - i
            force = pull[r] * 16 - level[r] * diagonal[r] + (ties[r] * level).sum()
            move = _scaled(force, inverse[r])
            level[r] += move
            most = max(most, abs(move))
        if most < SETTLED:
            break
    return level
