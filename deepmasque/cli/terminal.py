"""What all verbs share: one sentence for an error, progress, options, where results may go."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deepmasque.batch import Job, Work, reason, run
from deepmasque.errors import DeepMasqueError

console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist already.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
OwnTrimap = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your own trimap: black background, white person, grey unknown."
    ),
]


def new_app() -> typer.Typer:
    """The command without its verbs."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Cut people out of photos.",
    )
    app.callback(invoke_without_command=True)(_root)
    return app


def _root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    if show_version:
        typer.echo(f"deepmasque {version('deepmasque')}")
        raise typer.Exit


@contextmanager
def one_sentence() -> Iterator[None]:
    """Any error becomes one sentence on standard error and the exit code 1."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:  # a terminal is no place for a traceback
        console.print(f"deepmasque: {reason(error)}")
        raise typer.Exit(1) from error


def progress_bar(disable: bool) -> Progress:
    """A bar with what is done, what is left and what is at work."""
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
        console=console,
        disable=disable,
        transient=True,
    )


def check_free(target: Path, photos: Sequence[str | Path], overwrite: bool) -> None:
    """Raise DeepMasqueError where a result must not be written; "-" is a photo without a file."""
    if target.is_dir():
        raise DeepMasqueError(f"{target} is a folder: name a file, or use deepmasque p or pairs.")
    if not target.parent.is_dir():
        raise DeepMasqueError(f"{target.parent} is not a folder that exists.")
    if not target.exists():
        return
    files = [Path(photo) for photo in photos if photo != "-"]
    if any(file.exists() and target.samefile(file) for file in files):
        raise DeepMasqueError(f"{target} is the photo itself: name another file for the result.")
    if not overwrite:
        raise DeepMasqueError(f"{target} exists already: --overwrite replaces it.")


def run_folder(
    jobs: Sequence[Job], ignored: int, work: Work, *, overwrite: bool, quiet: bool
) -> None:
    """Do the jobs of a folder, tell what failed and what came of it; exit code 1 if any failed."""
    start = perf_counter()
    tally = Counter()
    with progress_bar(disable=quiet) as progress:
        task = progress.add_task("", total=len(jobs))
        for outcome in run(jobs, work, overwrite=overwrite):
            tally[outcome.state] += 1
            photo = str(outcome.job.photo)
            if outcome.state == "failed" or (outcome.text and not quiet):
                said = outcome.text if photo in outcome.text else f"{photo}: {outcome.text}"
                console.print(said)
            progress.update(task, advance=1, description=outcome.job.photo.name)
    if not quiet:
        console.print(_summary(tally, ignored, perf_counter() - start))
    if tally["failed"]:
        raise typer.Exit(1)


def _summary(tally: Counter, ignored: int, seconds: float) -> str:
    parts = [f"{tally['done']} done"]
    if tally["kept"]:
        parts.append(f"{tally['kept']} were there already")
    if tally["failed"]:
        parts.append(f"{tally['failed']} failed")
    if ignored:
        parts.append(f"{ignored} ignored (no pictures)")
    return f"{', '.join(parts)}. {seconds:.1f} s"
