import numpy as np
import pytest

from deepmasque.launchpad.assembly import NOTHING_KNOWN, OPEN, SOLVED, Assembly
from deepmasque.launchpad.board import connect
from deepmasque.launchpad.columns import columns
from deepmasque.launchpad.twin import solve_column


@pytest.fixture(scope="module")
def cut():
    """Six columns; the last has no known pixel."""
    random = np.random.default_rng(3)
    image = random.integers(0, 256, (800, 6, 3), np.uint8)
    trimap = np.zeros((800, 6), np.uint8)
    trimap[300:360], trimap[360:], trimap[:, 5] = 128, 255, 128
    return columns(image, trimap)


@pytest.fixture(scope="module")
def expected(cut):
    alpha = cut.trimap.copy()
    for column in list(cut)[:5]:
        alpha[:, column.index] = solve_column(column.features, column.trimap).alpha
    return alpha


def test_all_columns_in_order(cut, expected):
    assembly = Assembly(cut)
    with connect("virtual://") as board:
        done = [column.index for column in assembly.solve(board)]
    assert done == list(range(6)) and not assembly.open.size
    assert np.array_equal(assembly.alpha, expected)
    assert list(assembly.state) == [SOLVED] * 5 + [NOTHING_KNOWN]
    assert assembly.stack_bytes < assembly.ram_bytes <= 4096
    assert assembly.cycles > 5 * 100_000 and assembly.windowed == 0


def test_stopped_kept_and_gone_on_with(cut, expected, tmp_path):
    path = tmp_path / "kept"
    first = Assembly(cut)
    with connect("virtual://") as board:
        for column in first.solve(board):
            if column.index == 2:
                break
    first.save(path)
    second = Assembly.resumed(path, cut)
    assert list(second.open) == [3, 4, 5] and second.cycles == first.cycles
    with connect("virtual://") as board:
        assert [column.index for column in second.solve(board)] == [3, 4, 5]
    assert np.array_equal(second.alpha, expected)


def test_another_photo_or_mode_or_damage_begins_anew(cut, tmp_path):
    path = tmp_path / "kept"
    kept = Assembly(cut, "exact")
    kept.state[:] = SOLVED
    kept.save(path)
    assert not Assembly.resumed(path, cut, "exact").open.size
    assert (Assembly.resumed(path, cut, "auto").state == OPEN).all()
    other = columns(cut.image[:, ::-1].copy(), cut.trimap)
    assert (Assembly.resumed(path, other, "exact").state == OPEN).all()
    path.write_bytes(path.read_bytes()[:-40])
    assert (Assembly.resumed(path, cut, "exact").state == OPEN).all()
    path.write_bytes(b"anything")
    assert (Assembly.resumed(path, cut, "exact").state == OPEN).all()
    path.unlink()
    assert (Assembly.resumed(path, cut, "exact").state == OPEN).all()
