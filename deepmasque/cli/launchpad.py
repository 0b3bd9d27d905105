"""The verb that solves a photo on a board."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import deepmasque
from deepmasque.cli.terminal import (
    Overwrite,
    OwnTrimap,
    Quiet,
    check_free,
    console,
    one_sentence,
    progress_bar,
)
from deepmasque.errors import DeepMasqueError
from deepmasque.image import encode_png, write_atomic

if TYPE_CHECKING:
    from deepmasque.launchpad import Assembly, Board

KEEP_EVERY = 20
"""Columns of a LaunchPad between two times that what it has solved is written to the disk."""


def launchpad(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="A photo.")],
    port: Annotated[
        str,
        typer.Option(
            metavar="PORT",
            help="Where the board is: a serial port like /dev/ttyACM0 or COM3, socket://host:port,"
            " or virtual:// for one that this computer executes.",
        ),
    ] = "virtual://",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT",
            show_default=False,
            help="A .png file for the alpha, 800 pixels high. Without it PHOTO_launchpad.png"
            " beside PHOTO.",
        ),
    ] = None,
    trimap: OwnTrimap = None,
    mode: Annotated[
        Literal["auto", "exact", "windowed"],
        typer.Option(help="How a column is solved; auto is exact where it fits into the board."),
    ] = "auto",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Solve the matting of a photo on a LaunchPad with 4 KB of RAM, column by column.

    Interrupted and started again, it goes on where it stopped.
    """
    with one_sentence():
        from deepmasque.launchpad import Assembly, columns, connect

        target = out or photo.with_name(f"{photo.stem}_launchpad.png")
        if target.suffix.lower() != ".png":
            raise DeepMasqueError(f"{target} cannot be written: the alpha is a .png file.")
        check_free(target, [photo], overwrite)
        start = perf_counter()
        with connect(port) as board:
            with console.status("Reading …"):
                matte = deepmasque.matte(photo, trimap=trimap)
                cut = columns(matte.image, matte.trimap)
            kept = target.with_name(f".{target.name}.columns")
            assembly = Assembly.resumed(kept, cut, mode)
            _solve_columns(assembly, board, kept, quiet)
        write_atomic(target, encode_png(assembly.alpha))
        kept.unlink(missing_ok=True)
        if not quiet:
            for note in (*matte.notes, *assembly.notes):
                console.print(note)
            console.print(
                f"{target}: {len(cut)} columns, {assembly.ram_bytes} bytes of RAM,"
                f" {perf_counter() - start:.1f} s"
            )


def _solve_columns(assembly: "Assembly", board: "Board", kept: Path, quiet: bool) -> None:
    """Solve the columns that are open, and keep in a file what was solved if that is stopped."""
    total = len(assembly.columns)
    with progress_bar(disable=quiet) as progress:
        task = progress.add_task("", total=total, completed=total - len(assembly.open))
        try:
            for column in assembly.solve(board):
                progress.update(task, advance=1, description=f"column {column.index}")
                if column.index % KEEP_EVERY == 0:
                    assembly.save(kept)
        except BaseException as error:
            assembly.save(kept)
            if isinstance(error, KeyboardInterrupt):
                done = total - len(assembly.open)
                raise DeepMasqueError(
                    f"Stopped after {done} of {total} columns: the same command goes on there."
                ) from error
            raise
