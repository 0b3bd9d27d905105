"""The column's system in float64, to compare the board with."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

from deepmasque.launchpad.columns import ColumnResult
from deepmasque.launchpad.constants import ANCHOR, LINK
from deepmasque.launchpad.twin import graph
from deepmasque.portrait.trimap import FOREGROUND, UNKNOWN


def solve_column(
    features: NDArray[np.int8], trimap: NDArray[np.uint8], mode: str = "auto"
) -> ColumnResult:
    """Solve the graph of the board directly; arguments and errors as for `twin.graph`."""
    alphas, mode = solve(features, trimap, mode)
    levels = np.rint(255 * alphas).astype(np.uint8)
    return ColumnResult(levels, 0, mode, None, None, None)


def solve(
    features: NDArray[np.int8], trimap: NDArray[np.uint8], mode: str = "auto"
) -> tuple[NDArray[np.float64], str]:
    """Return alpha, (N,) float64 in 0..1, and the mode whose graph it solves."""
    ties = graph(features, trimap, mode)
    unknown, size, length = ties.unknown, len(ties.unknown), len(trimap)
    alpha = (trimap == FOREGROUND).astype(np.float64)
    if size == 0:
        return alpha, ties.mode

    adjacent = np.concatenate([unknown - 1, unknown + 1])
    inside = (adjacent >= 0) & (adjacent < length)
    rows = [np.repeat(unknown, ties.neighbours.shape[1]), np.tile(unknown, 2)[inside]]
    columns = [ties.neighbours.ravel(), adjacent[inside]]
    weights = [ties.affinities.ravel(), np.full(inside.sum(), LINK)]
    if ties.mode == "windowed":
        rows, columns = [*rows, unknown], [*columns, ties.anchors]
        weights = [*weights, np.full(size, ANCHOR)]
    else:
        back = trimap[columns[0]] == UNKNOWN
        rows, columns, weights = (
            [*rows, columns[0][back]],
            [*columns, rows[0][back]],
            [*weights, weights[0][back]],
        )
    row, column = np.concatenate(rows), np.concatenate(columns)
    weight = np.concatenate(weights).astype(np.float64)
    ties_of = coo_array((weight, (row, column)), shape=(length, length)).tocsr()[unknown]
    diagonal = coo_array((ties_of.sum(axis=1), (np.arange(size), np.arange(size))))
    known = trimap != UNKNOWN
    alpha[unknown] = spsolve(
        (diagonal - ties_of[:, unknown]).tocsc(), ties_of[:, known] @ alpha[known]
    )
    return alpha, ties.mode
