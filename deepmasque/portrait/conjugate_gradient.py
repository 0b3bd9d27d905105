"""Deflated conjugate gradients for  A x = c,  A = I + T + Tᵀ  with T strictly lower triangular.

The preconditioner is symmetric Gauss-Seidel,  (I + T)(I + Tᵀ),  arranged so that a step is two
triangular solves (Eisenstat, SIAM J. Sci. Stat. Comput. 2(1), 1981). It smooths fast within a
neighbourhood and slowly across the band, where alpha is nearly an affine function of the colours
(that is what colour lines say). So the band is cut into cells, and the functions that are affine
in the colours of one cell span a coarse space Z. What of the error lies in Z is removed exactly,
in every step (Nicolaides, SIAM J. Numer. Anal. 24(2), 1987; Saad, Yeung, Erhel, Guyomarc'h, SIAM
J. Sci. Comput. 21(5), 2000): hard images take a sixth of the steps.

T is float32, because memory has to deliver it in every step; vectors are float64, because float32
sums stall before the tolerance. Everything here is plain loops in one fixed order, without BLAS,
whose sums depend on the number of threads: the same input gives the same bytes.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

FUNCTIONS = 4  # of a cell: one, red, green, blue
RANK = 1e-6  # a function of which less than this is new beside the others of its cell is left out
MOST_STEPS = 2000


@njit(cache=True, nogil=True)
def conjugate_gradient(
    lower: tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.float32]],
    right: NDArray[np.float64],
    start: NDArray[np.float64],
    cell: NDArray[np.uint32],
    functions: NDArray[np.float64],
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x (N,) and the residuals |c − A x| / |c|, preconditioned, before and after each step.

    lower: T in compressed rows: begin (N + 1,), columns, values. Unsigned, as Numba asks of every
        signed index whether it counts from the end, and that takes a third of the time.
    right, start: c and the first x, both (N,).
    cell: (N,), the cell of each unknown, counted from 0.
    functions: (N, FUNCTIONS), what spans the coarse space in the cells.

    In the coordinates  y = (I + Tᵀ) x  the matrix is  (I + T)⁻¹ A (I + Tᵀ)⁻¹.  A direction is kept
    as p in x and  p + q  in y; the matrix takes it to  p + (I + T)⁻¹ q.
    """
    upper = _transposed(lower)
    functions = _orthonormal(cell, functions)
    begin, cells, whole, above = _coarse_rows(lower, upper, cell, functions)
    factor = _cholesky(_coarse_matrix(begin, cells, whole, cell, functions))

    goal = _solve_lower(lower, right.copy())
    size = max(math.sqrt(_dot(goal, goal)), 1e-300)
    coarse = _restricted(right - _times(lower, upper, start), cell, functions)
    x = start + _prolonged(_solve_coarse(factor, coarse), cell, functions)
    residual = _solve_lower(lower, right - _times(lower, upper, x))
    p, q = np.zeros_like(x), np.zeros_like(x)
    beta, energy = 0.0, _dot(residual, residual)
    residuals = np.empty(MOST_STEPS + 1)
    residuals[0] = math.sqrt(energy) / size
    steps = 0
    while residuals[steps] > tolerance and steps < MOST_STEPS:
        t = _solve_upper(upper, residual.copy())
        share = _solve_coarse(factor, _gathered(begin, cells, whole, t, factor.shape[0]))
        _turn(p, q, t, residual, beta, share, cell, functions, begin, cells, above)
        image = _solve_lower(lower, q.copy())
        length = energy / _slope(p, q, image)
        previous, energy = energy, _step(x, residual, p, image, length)
        beta = energy / previous
        steps += 1
        residuals[steps] = math.sqrt(energy) / size
    return x, residuals[: steps + 1]


@njit(cache=True, nogil=True)
def _transposed(rows):
    begin, columns, values = rows
    turned = np.zeros(begin.size, np.int64)
    for s in range(columns.size):
        turned[columns[s] + 1] += 1
    turned = np.cumsum(turned)
    end = turned[:-1].copy()
    turned_columns, turned_values = np.empty_like(columns), np.empty_like(values)
    for i in range(begin.size - 1):
        for s in range(begin[i], begin[i + 1]):
            j = columns[s]
            turned_columns[end[j]], turned_values[end[j]] = i, values[s]
            end[j] += 1
    return turned.astype(np.uint64), turned_columns, turned_values


@njit(cache=True, nogil=True)
def _solve_lower(lower, x):
    """Solve (I + T) x' = x in place."""
    begin, columns, values = lower
    for i in range(x.size):
        total = x[i]
        for s in range(begin[i], begin[i + 1]):
            total -= values[s] * x[columns[s]]
        x[i] = total
    return x


@njit(cache=True, nogil=True)
def _solve_upper(upper, x):
    """Solve (I + Tᵀ) x' = x in place."""
    begin, columns, values = upper
    for i in range(x.size - 1, -1, -1):
        total = x[i]
        for s in range(begin[i], begin[i + 1]):
            total -= values[s] * x[columns[s]]
        x[i] = total
    return x


@njit(cache=True, nogil=True)
def _times(lower, upper, x):
    y = x.copy()
    for begin, columns, values in (lower, upper):
        for i in range(x.size):
            for s in range(begin[i], begin[i + 1]):
                y[i] += values[s] * x[columns[s]]
    return y


@njit(cache=True, nogil=True)
def _dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True)
def _turn(p, q, t, residual, beta, share, cell, functions, begin, cells, above):
    """Make the next direction:  p ← t + β p − Z share,  q ← r − t + β q − Tᵀ Z share."""
    for i in range(p.size):
        in_x, in_q = 0.0, 0.0
        for f in range(FUNCTIONS):
            in_x += functions[i, f] * share[FUNCTIONS * cell[i] + f]
        for s in range(begin[i], begin[i + 1]):
            for f in range(FUNCTIONS):
                in_q += above[s, f] * share[FUNCTIONS * cells[s] + f]
        p[i] = t[i] + beta * p[i] - in_x
        q[i] = residual[i] - t[i] + beta * q[i] - in_q


@njit(cache=True, nogil=True)
def _slope(p, q, image):
    """Add p to the image of q, which completes it; return its product with the direction."""
    total = 0.0
    for i in range(p.size):
        image[i] += p[i]
        total += (p[i] + q[i]) * image[i]
    return total


@njit(cache=True, nogil=True)
def _step(x, residual, p, image, length):
    """Go along the direction; return the energy of what is left."""
    total = 0.0
    for i in range(x.size):
        x[i] += length * p[i]
        residual[i] -= length * image[i]
        total += residual[i] * residual[i]
    return total


@njit(cache=True, nogil=True)
def _orthonormal(cell, functions):
    """Return the functions made orthonormal in every cell; those that say nothing new are zero."""
    functions = functions.copy()
    cells = cell.max() + 1
    for f in range(FUNCTIONS):
        before, after = np.zeros(cells), np.zeros(cells)
        for i in range(cell.size):
            before[cell[i]] += functions[i, f] ** 2
        for g in range(f):
            overlap = np.zeros(cells)
            for i in range(cell.size):
                overlap[cell[i]] += functions[i, f] * functions[i, g]
            for i in range(cell.size):
                functions[i, f] -= overlap[cell[i]] * functions[i, g]
        for i in range(cell.size):
            after[cell[i]] += functions[i, f] ** 2
        for i in range(cell.size):
            new = after[cell[i]] > RANK * before[cell[i]]
            functions[i, f] = functions[i, f] / math.sqrt(after[cell[i]]) if new else 0.0
    return functions


@njit(cache=True, nogil=True)
def _coarse_rows(lower, upper, cell, functions):
    """Return A Z and Tᵀ Z by rows: begin, cells, and both values (…, FUNCTIONS) float32."""
    begin, cells = _cells_met(lower, upper, cell)
    whole = np.zeros((cells.size, FUNCTIONS))
    above = np.zeros((cells.size, FUNCTIONS))
    place = np.empty(cell.max() + 1, np.int64)
    for i in range(cell.size):
        for s in range(begin[i], begin[i + 1]):
            place[cells[s]] = s
        for f in range(FUNCTIONS):
            whole[begin[i], f] += functions[i, f]
        for s in range(lower[0][i], lower[0][i + 1]):
            j = lower[1][s]
            for f in range(FUNCTIONS):
                whole[place[cell[j]], f] += lower[2][s] * functions[j, f]
        for s in range(upper[0][i], upper[0][i + 1]):
            j = upper[1][s]
            for f in range(FUNCTIONS):
                value = upper[2][s] * functions[j, f]
                whole[place[cell[j]], f] += value
                above[place[cell[j]], f] += value
    return begin, cells, whole, above


@njit(cache=True, nogil=True)
def _cells_met(lower, upper, cell):
    """List the cells of every unknown and of all it is tied to, its own first, each once."""
    begin = np.zeros(cell.size + 1, np.uint64)
    cells = np.empty(cell.size + 2 * lower[1].size, np.uint32)
    seen = np.full(cell.max() + 1, -1, np.int64)
    count = 0
    for i in range(cell.size):
        seen[cell[i]] = i
        cells[count] = cell[i]
        count += 1
        for rows, columns, _ in (lower, upper):
            for s in range(rows[i], rows[i + 1]):
                other = cell[columns[s]]
                if seen[other] != i:
                    seen[other] = i
                    cells[count] = other
                    count += 1
        begin[i + 1] = count
    return begin, cells[:count].copy()


@njit(cache=True, nogil=True)
def _restricted(x, cell, functions):
    """Return Zᵀ x."""
    share = np.zeros((cell.max() + 1) * FUNCTIONS)
    for i in range(x.size):
        for f in range(FUNCTIONS):
            share[FUNCTIONS * cell[i] + f] += functions[i, f] * x[i]
    return share


@njit(cache=True, nogil=True)
def _gathered(begin, cells, rows, x, size):
    """Return  (rows)ᵀ x."""
    share = np.zeros(size)
    for i in range(x.size):
        for s in range(begin[i], begin[i + 1]):
            for f in range(FUNCTIONS):
                share[FUNCTIONS * cells[s] + f] += rows[s, f] * x[i]
    return share


@njit(cache=True, nogil=True)
def _prolonged(share, cell, functions):
    """Return Z share."""
    x = np.empty(cell.size)
    for i in range(x.size):
        total = 0.0
        for f in range(FUNCTIONS):
            total += functions[i, f] * share[FUNCTIONS * cell[i] + f]
        x[i] = total
    return x


@njit(cache=True, nogil=True)
def _coarse_matrix(begin, cells, whole, cell, functions):
    """Return  Zᵀ A Z,  with ones on the diagonal where a function is zero."""
    size = (cell.max() + 1) * FUNCTIONS
    matrix = np.zeros((size, size))
    for i in range(cell.size):
        for s in range(begin[i], begin[i + 1]):
            for f in range(FUNCTIONS):
                for g in range(FUNCTIONS):
                    row, column = FUNCTIONS * cell[i] + f, FUNCTIONS * cells[s] + g
                    matrix[row, column] += functions[i, f] * whole[s, g]
    for k in range(size):
        if matrix[k, k] <= 0:
            matrix[k, k] = 1
    return matrix


@njit(cache=True, nogil=True)
def _cholesky(matrix):
    """Return U, upper triangular, with  Uᵀ U = matrix;  overwrites it."""
    for k in range(matrix.shape[0]):
        matrix[k, k:] /= math.sqrt(matrix[k, k])
        for i in range(k + 1, matrix.shape[0]):
            factor = matrix[k, i]
            if factor != 0:
                for j in range(i, matrix.shape[0]):
                    matrix[i, j] -= factor * matrix[k, j]
    return matrix


@njit(cache=True, nogil=True)
def _solve_coarse(factor, x):
    """Solve  Uᵀ U x' = x  in place."""
    for k in range(x.size):
        x[k] /= factor[k, k]
        for j in range(k + 1, x.size):
            x[j] -= factor[k, j] * x[k]
    for k in range(x.size - 1, -1, -1):
        total = x[k]
        for j in range(k + 1, x.size):
            total -= factor[k, j] * x[j]
        x[k] = total / factor[k, k]
    return x
