"""KNN matting seen from one pixel: which pixels it is tied to, and how strongly."""

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait.knn_matting import TUNED, Ring, Solution

BETWEEN = (0.3, 0.7)  # alphas that only mixed pixels have
OPAQUE, CLEAR = 0.9, 0.1  # neighbours beyond these speak for one side
APART = 0.08  # least distance of two telling pixels, in long image sides


@dataclass(frozen=True)
class Neighbour:
    """A pixel that another one is tied to.

    x, y: in photo pixels. affinity: 0..1. ring: which of the method's rings found it, from 0.
    alpha: 0..1, as solved. known: the trimap decided it.
    """

    x: int
    y: int
    affinity: float
    ring: int
    alpha: float
    known: bool


@dataclass(frozen=True)
class Neighbourhood:
    """A pixel, its alpha 0..1, and its neighbours, the strongest of each ring first.

    A pixel that the trimap decided is `known` and has none.
    """

    x: int
    y: int
    alpha: float
    known: bool
    neighbours: tuple[Neighbour, ...]


def neighbourhood(
    solution: Solution, x: int, y: int, rings: tuple[Ring, ...] = TUNED.rings
) -> Neighbourhood:
    """Return the neighbours of the photo's pixel (x, y); `rings` as the solution was found with.

    Of a photo solved at 1/scale of its size, pixels and neighbours stand for scale x scale ones.
    """
    alpha = float(solution.alpha[y, x])
    across = -(-solution.alpha.shape[1] // solution.scale)
    at = np.flatnonzero(solution.band == y // solution.scale * across + x // solution.scale)
    if at.size == 0:
        return Neighbourhood(x, y, alpha, True, ())
    around, affinities = solution.neighbours[at[0]], solution.weights[at[0]]
    rows, columns = _places(solution, around)
    known = ~np.isin(around, solution.band)
    ring = _ring_of_each(len(around), rings)
    found = [
        Neighbour(
            int(columns[k]),
            int(rows[k]),
            float(affinities[k]),
            int(ring[k]),
            float(solution.alpha[rows[k], columns[k]]),
            bool(known[k]),
        )
        for k in np.lexsort([-affinities, ring])
    ]
    return Neighbourhood(x, y, alpha, False, tuple(found))


def telling_pixels(solution: Solution, most: int = 8) -> list[tuple[int, int]]:
    """Return (x, y) of mixed pixels, apart from each other, with strong ties to both sides.

    The topmost comes first, for hair is at the top. Empty only if nothing was unknown.
    """
    if solution.band.size == 0:
        return []
    rows, columns = _places(solution, solution.band)
    alphas = solution.alpha[rows, columns]
    mixed = np.flatnonzero((alphas > BETWEEN[0]) & (alphas < BETWEEN[1]))
    if mixed.size == 0:
        mixed = np.abs(alphas - 0.5).argmin(keepdims=True)
    beside = solution.alpha[_places(solution, solution.neighbours[mixed])]
    ties = solution.weights[mixed]
    to_subject = (ties * (beside > OPAQUE)).sum(axis=1)
    to_background = (ties * (beside < CLEAR)).sum(axis=1)

    chosen: list[tuple[int, int]] = []
    apart = APART * max(solution.alpha.shape)
    for k in mixed[np.argsort(-np.minimum(to_subject, to_background), kind="stable")]:
        x, y = int(columns[k]), int(rows[k])
        if all(np.hypot(x - u, y - v) >= apart for u, v in chosen):
            chosen.append((x, y))
        if len(chosen) == most:
            break
    return sorted(chosen, key=lambda pixel: pixel[1])


def _places(solution: Solution, flat: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns in the photo of flat indices at the size that was solved."""
    height, width = solution.alpha.shape
    rows, columns = np.divmod(flat.astype(np.int64), -(-width // solution.scale))
    middle = solution.scale // 2
    return (
        np.minimum(rows * solution.scale + middle, height - 1),
        np.minimum(columns * solution.scale + middle, width - 1),
    )


def _ring_of_each(columns: int, rings: tuple[Ring, ...]) -> NDArray[np.int64]:
    """Return the ring of every column; in a tiny photo no ring finds as many as it asks for."""
    most = next(n for n in count() if sum(min(ring.k, n) for ring in rings) >= columns)
    return np.repeat(np.arange(len(rings)), [min(ring.k, most) for ring in rings])
