"""What the LaunchPad's firmware promises, measured on the virtual board.

    python benchmarks/launchpad.py

Every column of the sample portraits is solved by the committed image, by its twin and exactly, and
the assembled alphas are compared with the desktop solver's. Beside them stands what the desktop
solver itself loses when it sees one column at a time: no solver of single columns knows more.
"""

import time

import numpy as np
from numpy.typing import NDArray

from deepmasque import knn_matting, matte, read_image, samples
from deepmasque.errors import LaunchPadError
from deepmasque.launchpad import exact, twin
from deepmasque.launchpad.board import Board, connect
from deepmasque.launchpad.columns import Columns, columns
from deepmasque.launchpad.constants import EXACT_LIMIT, PIXELS
from deepmasque.launchpad.faults import NOISE, FaultyLine, HostVanishedError
from deepmasque.launchpad.virtual_board import VirtualBoard, open_virtual, serve_pty
from deepmasque.portrait.trimap import UNKNOWN

HZ = 16e6
FAULTS = 10_000
FAULT_RATE = 0.002  # of a byte


def main() -> None:
    """Print the table as Markdown."""
    portraits = {sample.title: portrait(sample.path) for sample in samples.portraits()}
    with Board(open_virtual(VirtualBoard()), "virtual") as board:
        solved = [solve_portrait(board, cut) for cut in portraits.values()]
        wide = {name: widest(cut) for name, cut in portraits.items()}
        wide["noise"] = noise()
        seconds = {n: board.solve_column(*column).cycles / HZ for n, column in wide.items()}
        stats = board.stats()
    errors = np.concatenate([part["errors"] for part in solved])
    most = max((part["cycles"] for part in solved), key=max)
    slowest = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    wrong, ended, right, longest = count_faults(portraits["Astronaut"])
    print("| measure | goal | measured |\n|---|---|---|")
    for row in (
        (
            "SRAM including stack, the board's own high-water mark",
            "≤ 4096 B",
            f"{stats.static_bytes + stats.stack_bytes} B ({stats.stack_bytes} of stack)",
        ),
        (
            "board = twin, every column of three portraits",
            "identical",
            f"{sum(part['equal'] for part in solved)} of {sum(len(c) for c in portraits.values())}",
        ),
        (
            "board against the exact solution, levels of 255",
            "max ≤ 2, mean ≤ 0.5",
            f"max {errors.max():.2f}, mean {errors.mean():.2f}",
        ),
        (f"s at 16 MHz, {EXACT_LIMIT} unknown", "≤ 0.8", f"{max(most) / HZ:.2f}"),
        (f"s at 16 MHz, {PIXELS - 4} unknown", "≤ 20", slowest),
        (
            f"{FAULTS:,} line faults",
            "0 wrong, 0 hangs",
            f"{wrong} wrong, 0 hangs; {right} columns solved, {ended} ended by an error;"
            f" the longest took {longest:.1f} s",
        ),
        ("s from start to HELLO through a pty", "≤ 2", f"{start_seconds():.2f}"),
    ):
        print("| " + " | ".join(row) + " |")
    print("\n| mean difference to the desktop solver | exact columns | all | desktop by column |")
    print("|---|---:|---:|---:|")
    for name, part in zip(portraits, solved, strict=True):
        figures = " | ".join(f"{part[key]:.3f}" for key in ("exact", "auto", "floor"))
        print(f"| {name}, {part['share']:.0%} of columns exact | {figures} |")


def portrait(path: str) -> Columns:
    """Cut a photo into columns with the trimap that the pipeline finds."""
    return columns(read_image(path), matte(path).trimap)


def solve_portrait(board: Board, cut: Columns) -> dict:
    """Solve every column and compare."""
    band = cut.trimap == UNKNOWN
    unknown = band.sum(axis=0)
    alpha = np.zeros(cut.trimap.shape, np.uint8)
    errors, cycles, equal = [], [0], 0
    for column in cut:
        result = board.solve_column(column.features, column.trimap)
        expected = twin.solve_column(column.features, column.trimap)
        equal += np.array_equal(result.alpha, expected.alpha)
        right, _ = exact.solve(column.features, column.trimap)
        errors.append(np.abs(result.alpha - 255 * right)[band[:, column.index]])
        alpha[:, column.index] = result.alpha
        if result.mode == "exact":
            cycles.append(result.cycles)
    desktop = knn_matting(cut.image, cut.trimap)
    few = band & (unknown <= EXACT_LIMIT)
    difference = np.abs(alpha / 255 - desktop)
    return {
        "equal": equal,
        "errors": np.concatenate(errors),
        "cycles": cycles,
        "exact": difference[few].mean(),
        "auto": difference[band].mean(),
        "floor": np.abs(by_column(cut, few) - desktop)[few].mean(),
        "share": (unknown <= EXACT_LIMIT).mean(),
    }


def by_column(cut: Columns, wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the desktop solver's alpha of each wanted column by itself; one half where it cannot.

    It needs foreground and background in the column.
    """
    alpha = np.full(cut.trimap.shape, 0.5)
    for x in np.flatnonzero(wanted.any(axis=0)):
        column = np.ascontiguousarray(cut.trimap[:, x : x + 1])
        if {0, 255} <= set(column.flat):
            photo = np.ascontiguousarray(cut.image[:, x : x + 1])
            alpha[:, x] = knn_matting(photo, column)[:, 0]
    return alpha


def widest(cut: Columns) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Return the column with the most unknown pixels, all but four made unknown."""
    column = cut[int((cut.trimap == UNKNOWN).sum(axis=0).argmax())]
    known = np.flatnonzero(column.trimap != UNKNOWN)
    kept = known[np.linspace(0, len(known) - 1, 4).astype(int)]
    trimap = np.full(PIXELS, UNKNOWN, np.uint8)
    trimap[kept] = column.trimap[kept]
    return column.features, trimap


def noise() -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
    """Return a column of random colours, in which nothing is near: the slowest of all."""
    trimap = np.full(PIXELS, UNKNOWN, np.uint8)
    trimap[[0, 266]], trimap[[533, 799]] = 0, 255
    return np.random.default_rng(1).integers(-60, 61, (PIXELS, 2)).astype(np.int8), trimap


def count_faults(cut: Columns) -> tuple[int, int, int, float]:
    """Send short columns over a bad line until enough has gone wrong.

    Returns wrong columns, conversations ended by an error, right columns, and the longest
    conversation in seconds of board time. It returns at all because none hung.
    """
    machine = VirtualBoard()
    line = FaultyLine(
        open_virtual(machine), FAULT_RATE, 1, (*3 * NOISE, "reset", "vanish"), machine.reset
    )
    short = [(c.features[::8].copy(), c.trimap[::8].copy()) for c in list(cut)[100:700:20]]
    expected = [twin.solve_column(*column).alpha for column in short]
    wrong = ended = right = 0
    longest = 0.0
    while line.faults.total() < FAULTS:
        which = (right + ended) % len(short)
        began = machine.seconds
        try:
            alpha = Board(line, "virtual").solve_column(*short[which]).alpha
            good = np.array_equal(alpha, expected[which])
            right, wrong = right + good, wrong + (not good)
        except (LaunchPadError, HostVanishedError):
            ended += 1
        longest = max(longest, machine.seconds - began)
    return wrong, ended, right, longest


def start_seconds() -> float:
    """Return the time from nothing to the reply to HELLO; the virtual board is compiled already."""
    start = time.perf_counter()
    with serve_pty(VirtualBoard()) as url, connect(url) as board:
        board.hello()
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
