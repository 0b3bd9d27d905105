"""The deepmasque command: i for one photo, p for a folder, benchmark, launchpad for a board."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import deepmasque
from deepmasque.batch import Options, background_from, plan, reason, render, run
from deepmasque.errors import DeepMasqueError
from deepmasque.image import encode_png, write_atomic
from deepmasque.portrait.knn_matting import FEATURES
from deepmasque.trace import log_stages

if TYPE_CHECKING:
    from deepmasque.evaluation.benchmark import Row
    from deepmasque.launchpad import Assembly, Board

KEEP_EVERY = 20
"""Columns of a LaunchPad between two times that what it has solved is written to the disk."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Cut people out of photos.",
)
console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

Background = Annotated[
    str | None,
    typer.Option(
        metavar="COLOUR|A,B|FILE",
        help="Put a new background behind the person: a colour (#ffb000), a gradient from top to"
        " bottom (#ffb000,#000000) or a picture.",
    ),
]
AlphaOnly = Annotated[bool, typer.Option("--alpha-only", help="Write alpha as a grey picture.")]
Features = Annotated[
    Literal[*FEATURES], typer.Option(help="The colour space in which the matting compares pixels.")
]
OwnTrimap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your own trimap: black background, white person, grey unknown."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist already.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


@app.command("i")
def one_photo(
    photo: Annotated[str, typer.Argument(metavar="IN", help="A photo, or - for standard input.")],
    result: Annotated[
        str | None,
        typer.Argument(
            metavar="OUT",
            show_default=False,
            help="A .png file (a .jpg too with --background), or - for standard output. Without it"
            " IN_cutout.png, IN_alpha.png or IN_composite.png beside IN.",
        ),
    ] = None,
    trimap: OwnTrimap = None,
    background: Background = None,
    alpha_only: AlphaOnly = False,
    features: Features = "rgb",
    log: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Log every stage's picture and time for TensorBoard."),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Cut the person out of one photo."""
    with _one_sentence():
        options = _options(background, alpha_only, features)
        target = _target(photo, result, options)
        suffix = _checked_suffix(target, options)
        if target is not None:
            _check_free(target, photo, overwrite)
        elif sys.stdout.isatty():
            raise DeepMasqueError(
                "A picture cannot be shown here: send it to a file with > or OUT."
            )

        start = perf_counter()
        source = sys.stdin.buffer.read() if photo == "-" else Path(photo)
        with console.status("Reading …") as status:
            data, matte = render(
                source,
                options,
                trimap=trimap,
                suffix=suffix,
                on_stage=lambda stage: status.update(f"{stage.name} done …"),
            )
        if target is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        else:
            write_atomic(target, data)
        if log is not None:
            log_stages(matte, log, "photo" if photo == "-" else Path(photo).stem)
        if not quiet:
            for note in matte.notes:
                console.print(note)
            console.print(f"{target or 'standard output'}: {perf_counter() - start:.1f} s")


@app.command("p")
def folder(
    photos: Annotated[
        Path, typer.Argument(metavar="IN_DIR", help="A folder of photos, with all its folders.")
    ],
    results: Annotated[
        Path, typer.Argument(metavar="OUT_DIR", help="Where the same folders hold the results.")
    ],
    trimap: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Your own trimap for all photos, or a folder of trimaps named like the results.",
        ),
    ] = None,
    background: Background = None,
    alpha_only: AlphaOnly = False,
    features: Features = "rgb",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Cut the people out of every photo of a folder.

    Started again, it goes on where it stopped: results of the same photo and options are kept.
    """
    with _one_sentence():
        options = _options(background, alpha_only, features)
        jobs, others = plan(photos, results, trimap)
        if not jobs:
            raise DeepMasqueError(f"{photos} holds no pictures.")
        start = perf_counter()
        tally = Counter()
        with _progress(disable=quiet) as progress:
            task = progress.add_task("", total=len(jobs))
            for outcome in run(jobs, options, overwrite=overwrite):
                tally[outcome.state] += 1
                photo = str(outcome.job.photo)
                if outcome.state == "failed" or (outcome.text and not quiet):
                    said = outcome.text if photo in outcome.text else f"{photo}: {outcome.text}"
                    console.print(said)
                progress.update(task, advance=1, description=outcome.job.photo.name)
        if not quiet:
            console.print(_summary(tally, len(others), perf_counter() - start))
        if tally["failed"]:
            raise typer.Exit(1)


def _list_methods(wanted: bool) -> None:
    if not wanted:
        return
    from deepmasque.evaluation.methods import methods

    for method in methods():
        typer.echo(f"{method.name:24} {method.title}, from {method.needs}. {method.source}.")
        if why_not := method.unusable():
            typer.echo(f"{'':24} Not usable here: {why_not}")
    typer.echo(f"{'onnx:FILE':24} Any network of your own, from a picture to alpha.")
    raise typer.Exit


@app.command("benchmark")
def benchmark(
    data: Annotated[
        str,
        typer.Option(
            metavar="DIR|samples",
            help="Photos to compare on: the project's samples, a folder with images/ and masks/,"
            " one with input/, alpha/ and trimap1/ (trimap2/ …), or a plain one, without truth.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="Folder for alphas, table, report.")],
    methods: Annotated[
        str, typer.Option(metavar="A,B,…|all", help="Names of methods; all is all usable ones.")
    ] = "all",
    ids: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only the photos of these names, one a line."),
    ] = None,
    quiet: Quiet = False,
    _: Annotated[
        bool,
        typer.Option("--list", callback=_list_methods, is_eager=True, help="Print the methods."),
    ] = False,
) -> None:
    """Compare methods on photos: errors, seconds and memory in a table and a report.

    Stopped and started again, it goes on where it stopped: what is measured already is kept.
    """
    with _one_sentence():
        from deepmasque.evaluation.benchmark import run_benchmark, scenes, table
        from deepmasque.evaluation.methods import chosen
        from deepmasque.evaluation.report import summary, write_report

        photos = scenes(data, None if ids is None else ids.read_text().split())
        picked = chosen(methods)
        with _progress(disable=quiet) as progress:
            task = progress.add_task("", total=len(photos) * len(picked))

            def tell(row: "Row") -> None:
                progress.update(task, advance=1)
                if row.state == "failed":
                    console.print(f"{row.title}, {row.image}: {row.error}")

            try:
                rows = run_benchmark(
                    photos,
                    picked,
                    out,
                    on_start=lambda scene, method: progress.update(
                        task, description=f"{method.title}: {scene.name}"
                    ),
                    on_row=tell,
                )
            except KeyboardInterrupt as error:
                raise DeepMasqueError("Stopped: the same command goes on there.") from error
        write_report(out, photos)
        if not quiet:
            typer.echo(summary(table(rows)).to_string(index=False, float_format="%.4g"))
            console.print(f"Report: {out / 'report.html'}")
        if any(row.state == "failed" for row in rows):
            raise typer.Exit(1)


@app.command("launchpad")
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
    with _one_sentence():
        from deepmasque.launchpad import Assembly, columns, connect

        target = out or photo.with_name(f"{photo.stem}_launchpad.png")
        if target.suffix.lower() != ".png":
            raise DeepMasqueError(f"{target} cannot be written: the alpha is a .png file.")
        _check_free(target, str(photo), overwrite)
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


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    if show_version:
        typer.echo(f"deepmasque {version('deepmasque')}")
        raise typer.Exit


@contextmanager
def _one_sentence() -> Iterator[None]:
    """Any error becomes one sentence on standard error and the exit code 1."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:  # a terminal is no place for a traceback
        console.print(f"deepmasque: {reason(error)}")
        raise typer.Exit(1) from error


def _options(background: str | None, alpha_only: bool, features: str) -> Options:
    if alpha_only and background is not None:
        raise typer.BadParameter("--alpha-only and --background exclude each other.")
    picked = None if background is None else background_from(background)
    return Options(picked, alpha_only, features)


def _target(photo: str, result: str | None, options: Options) -> Path | None:
    """The file to write; None for standard output."""
    if result == "-" or (result is None and photo == "-"):
        return None
    if result is not None:
        return Path(result)
    ending = "cutout"
    if options.alpha_only:
        ending = "alpha"
    elif options.background is not None:
        ending = "composite"
    return Path(photo).with_name(f"{Path(photo).stem}_{ending}.png")


def _checked_suffix(target: Path | None, options: Options) -> str:
    suffix = ".png" if target is None else target.suffix.lower()
    if suffix in (".jpg", ".jpeg") and options.background is None:
        raise DeepMasqueError("JPEG holds no transparency: name a .png, or give a --background.")
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise DeepMasqueError(f"{target} cannot be written: results are .png or .jpg files.")
    return suffix


def _check_free(target: Path, photo: str, overwrite: bool) -> None:
    if target.is_dir():
        raise DeepMasqueError(f"{target} is a folder: name a file, or use deepmasque p.")
    if not target.parent.is_dir():
        raise DeepMasqueError(f"{target.parent} is not a folder that exists.")
    if not target.exists():
        return
    if photo != "-" and Path(photo).exists() and target.samefile(photo):
        raise DeepMasqueError(f"{target} is the photo itself: name another file for the result.")
    if not overwrite:
        raise DeepMasqueError(f"{target} exists already: --overwrite replaces it.")


def _progress(disable: bool) -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=disable,
        transient=True,
    )


def _solve_columns(assembly: "Assembly", board: "Board", kept: Path, quiet: bool) -> None:
    """Solve the columns that are open, and keep in a file what was solved if that is stopped."""
    total = len(assembly.columns)
    with _progress(disable=quiet) as progress:
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


def _summary(tally: Counter, others: int, seconds: float) -> str:
    parts = [f"{tally['done']} done"]
    if tally["kept"]:
        parts.append(f"{tally['kept']} were there already")
    if tally["failed"]:
        parts.append(f"{tally['failed']} failed")
    if others:
        parts.append(f"{others} ignored (no pictures)")
    return f"{', '.join(parts)}. {seconds:.1f} s"


def main() -> None:
    """Entry of the installed command."""
    app()


if __name__ == "__main__":
    main()
