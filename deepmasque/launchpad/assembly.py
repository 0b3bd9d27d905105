"""A whole portrait through a board: column after column, stopped and gone on with at will."""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from deepmasque.image import write_atomic
from deepmasque.launchpad.board import Board, ColumnMode, OnProgress
from deepmasque.launchpad.columns import Column, ColumnResult, Columns
from deepmasque.launchpad.constants import ErrorCode
from deepmasque.launchpad.link import RefusedError

OPEN, SOLVED, NOTHING_KNOWN = 0, 1, 2


class Assembly:
    """The alphas of a photo's columns as they come in.

    Attributes
    ----------
    columns, mode: what is solved and how, see `Board.solve_column`.
    alpha: (800, W) uint8; the trimap where a column has not been solved.
    state: (W,) uint8, OPEN, SOLVED, or NOTHING_KNOWN where a column has no known pixel.
    cycles: of the solved columns together. windowed: how many of them took windowed mode.
    ram_bytes, stack_bytes: the most of any column.
    """

    def __init__(self, columns: Columns, mode: ColumnMode = "auto") -> None:
        self.columns, self.mode = columns, mode
        self.alpha = columns.trimap.copy()
        self.state = np.zeros(len(columns), np.uint8)
        self.cycles = self.windowed = self.ram_bytes = self.stack_bytes = 0

    @property
    def open(self) -> NDArray[np.intp]:
        """Indices of the columns that are still to be solved."""
        return np.flatnonzero(self.state == OPEN)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user on what did not go as wished."""
        stuck = np.count_nonzero(self.state == NOTHING_KNOWN)
        if not stuck:
            return ()
        return (f"{stuck} columns have no known pixel to solve from and stay as in the trimap.",)

    def solve(self, board: Board, on_progress: OnProgress | None = None) -> Iterator[Column]:
        """Solve the open columns from left to right and hand out each as it is done.

        Stop where you like: the next call goes on there. Errors as for `Board.solve_column`, but a
        column without any known pixel stays as the trimap has it.
        """
        for index in self.open:
            column = self.columns[index]
            try:
                result = board.solve_column(
                    column.features, column.trimap, self.mode, on_progress=on_progress
                )
            except RefusedError as refusal:
                if refusal.code != ErrorCode.NOTHING_KNOWN:
                    raise
                self.state[index] = NOTHING_KNOWN
            else:
                self._take(index, result)
            yield column

    def save(self, path: Path) -> None:
        """Keep what has been solved in a file."""
        stream = BytesIO()
        np.savez(stream, key=self._key(), alpha=self.alpha, state=self.state, totals=self._totals())
        write_atomic(path, stream.getvalue())

    @classmethod
    def resumed(cls, path: Path, columns: Columns, mode: ColumnMode = "auto") -> Self:
        """Go on with what `save` kept, if it is of the same columns; else from the beginning."""
        assembly = cls(columns, mode)
        try:
            with np.load(path, allow_pickle=False) as kept:
                if kept["key"].item() == assembly._key():
                    assembly.alpha, assembly.state = kept["alpha"], kept["state"]
                    totals = map(int, kept["totals"])
                    assembly.cycles, assembly.windowed, *most = totals
                    assembly.ram_bytes, assembly.stack_bytes = most
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return cls(columns, mode)
        return assembly

    def _take(self, index: int, result: ColumnResult) -> None:
        self.alpha[:, index] = result.alpha
        self.state[index] = SOLVED
        self.cycles += result.cycles
        self.windowed += result.mode == "windowed"
        self.ram_bytes = max(self.ram_bytes, result.ram_bytes)
        self.stack_bytes = max(self.stack_bytes, result.stack_bytes)

    def _totals(self) -> list[int]:
        return [self.cycles, self.windowed, self.ram_bytes, self.stack_bytes]

    def _key(self) -> str:
        digest = hashlib.sha256(self.mode.encode())
        digest.update(self.columns.features.tobytes())
        digest.update(self.columns.trimap.tobytes())
        return digest.hexdigest()
