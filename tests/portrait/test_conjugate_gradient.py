"""Deflated conjugate gradients beside a dense solver."""

import numpy as np
import pytest
from scipy import sparse

from deepmasque.portrait.conjugate_gradient import FUNCTIONS, conjugate_gradient

SIDE = 40


def chain_of_patches(seed=0):
    """A Laplacian on a grid whose ties are weak between patches, scaled to a unit diagonal.

    Its slow errors are constant in a patch. Returns A, c, T in rows, the cells, their functions.
    """
    random = np.random.default_rng(seed)
    number = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    pairs = [(number[:, 1:], number[:, :-1]), (number[1:], number[:-1])]
    rows, columns = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    patch = (number // SIDE // 8 * SIDE + number % SIDE // 8).ravel()
    ties = random.uniform(0.5, 1, rows.size) * np.where(patch[rows] == patch[columns], 1, 1e-4)
    lower = sparse.csr_array((ties, (rows, columns)), shape=(number.size, number.size))
    known = np.zeros(number.size)
    known[number[0]] = 1e-3
    diagonal = lower.sum(axis=0) + lower.sum(axis=1) + known
    scale = sparse.diags_array(1 / np.sqrt(diagonal))
    lower = sparse.csr_array(-(scale @ lower @ scale)).astype(np.float32)
    matrix = (lower + lower.T).toarray().astype(np.float64) + np.eye(number.size)
    cell = np.unique(patch, return_inverse=True)[1].astype(np.uint32)
    functions = np.hstack([np.ones((number.size, 1)), random.random((number.size, FUNCTIONS - 1))])
    functions *= np.sqrt(diagonal)[:, None]
    parts = lower.indptr.astype(np.uint64), lower.indices.astype(np.uint32), lower.data
    return matrix, random.normal(size=number.size), parts, cell, functions


@pytest.fixture(scope="module")
def system():
    return chain_of_patches()


def test_agrees_with_a_dense_solver(system):
    matrix, right, lower, cell, functions = system
    exact = np.linalg.solve(matrix, right)
    x, residuals = conjugate_gradient(lower, right, np.zeros_like(right), cell, functions, 1e-10)
    assert np.abs(x - exact).max() <= 1e-6 * np.abs(exact).max()
    assert residuals[-1] <= 1e-10 < residuals[-2]


def test_the_coarse_space_takes_the_slow_errors_away(system):
    _, right, lower, cell, functions = system
    start = np.zeros_like(right)
    silent = np.zeros_like(functions)
    deflated = conjugate_gradient(lower, right, start, cell, functions, 1e-8)[1]
    plain = conjugate_gradient(lower, right, start, cell, silent, 1e-8)[1]
    assert deflated.size < plain.size / 2


def test_functions_that_say_nothing_new_do_no_harm(system):
    _, right, lower, cell, functions = system
    start = np.zeros_like(right)
    doubled = functions[:, [0, 1, 1, 0]]
    single = np.hstack([functions[:, :2], np.zeros_like(functions[:, :2])])
    x, residuals = conjugate_gradient(lower, right, start, cell, doubled, 1e-8)
    again, others = conjugate_gradient(lower, right, start, cell, single, 1e-8)
    assert residuals.size == others.size
    assert np.allclose(x, again, rtol=0, atol=1e-6 * np.abs(x).max())


def test_the_solution_as_a_start_is_left_alone(system):
    matrix, right, lower, cell, functions = system
    exact = np.linalg.solve(matrix, right)
    x, residuals = conjugate_gradient(lower, right, exact, cell, functions, 1e-6)
    assert residuals.size == 1
    assert np.abs(x - exact).max() <= 1e-6 * np.abs(exact).max()


def test_nothing_on_the_right_gives_zero(system):
    _, right, lower, cell, functions = system
    zero = np.zeros_like(right)
    x, residuals = conjugate_gradient(lower, zero, zero, cell, functions, 1e-6)
    assert not x.any()
    assert residuals.tolist() == [0]
