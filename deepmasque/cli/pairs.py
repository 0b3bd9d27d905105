"""The verbs for two photos: one pair, a folder of pairs."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import typer

from deepmasque.cli.terminal import (
    Overwrite,
    Quiet,
    check_free,
    console,
    one_sentence,
    run_folder,
)
from deepmasque.errors import DeepMasqueError
from deepmasque.image import write_atomic
from deepmasque.two_photo.alignment import Mode
from deepmasque.two_photo.batch import PairJob, PairOptions, plan_pairs
from deepmasque.two_photo.morphology import CleanUp
from deepmasque.two_photo.refinement import Mode as Refinement

CLEAN_UP = "Clean-up (lengths in thousandths of the photo's long side)"


def _length(flag: str, said: str):
    """The type of a flag that is a length of the clean-up."""
    return Annotated[
        float,
        typer.Option(flag, min=0, help=said, rich_help_panel=CLEAN_UP, show_default=False),
    ]


def _options(
    mode: Annotated[
        Mode, typer.Option(help="Whether the camera stood still; auto measures it.")
    ] = "auto",
    refinement: Annotated[
        Refinement,
        typer.Option(
            help="Where the second network works: at a fixed number of places, wherever the first"
            " expects an error, or everywhere."
        ),
    ] = "sampling",
    alpha: Annotated[bool, typer.Option("--alpha", help="Write OUT_alpha.png too.")] = False,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Write OUT_foreground.png too.")
    ] = False,
    layers: Annotated[
        Literal["psd", "tiff"] | None,
        typer.Option(help="Write photo, plate and masked subject as layers too."),
    ] = None,
    threshold: Annotated[
        tuple[float, float],
        typer.Option(
            metavar="BLACK WHITE",
            help="Alpha that becomes 0 and alpha that becomes 1, such as 0.05 0.95.",
            rich_help_panel=CLEAN_UP,
        ),
    ] = (0.0, 1.0),
    open_: _length("--open", "Remove what is thinner than twice this.") = 0.0,
    close: _length("--close", "Close what is narrower than twice this.") = 0.0,
    largest: Annotated[
        bool,
        typer.Option("--largest", help="Keep the largest subject only.", rich_help_panel=CLEAN_UP),
    ] = False,
    holes: _length("--holes", "Fill holes up to this diameter.") = 0.0,
    erode: _length("--erode", "Shrink the subject by this.") = 0.0,
    dilate: _length("--dilate", "Grow the subject by this.") = 0.0,
    feather: _length("--feather", "Soften the edge by this standard deviation.") = 0.0,
) -> PairOptions:
    """The flags of both verbs, declared once."""
    clean_up = CleanUp(threshold, open_, close, largest, holes, erode, dilate, feather)
    return PairOptions(mode, refinement, clean_up, alpha, foreground, layers)


def _with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the flags of `_options`, whose result it takes as `options`."""
    flags = inspect.signature(_options).parameters
    own = dict(inspect.signature(verb).parameters)
    del own["options"]

    @wraps(verb)
    def call(**given) -> None:
        with one_sentence():
            options = _options(**{name: given.pop(name) for name in flags})
            verb(**given, options=options)

    parameters = [*own.values(), *flags.values()]
    ordered = sorted(parameters, key=lambda each: each.default is not inspect.Parameter.empty)
    call.__signature__ = inspect.Signature(ordered)
    call.__annotations__ = {each.name: each.annotation for each in ordered}
    return call


@_with_options
def one_pair(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The photo with the subject.")],
    plate: Annotated[
        Path, typer.Argument(metavar="PLATE", help="A photo of the same place without it.")
    ],
    options: PairOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            show_default=False,
            help="A .png file. Without it PHOTO_cutout.png beside PHOTO.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Cut the subject out of a photo with a second photo of the same place without it."""
    target = out or photo.with_name(f"{photo.stem}_cutout.png")
    if target.suffix.lower() != ".png":
        raise DeepMasqueError(f"{target} cannot be written: the cut-out is a .png file.")
    job = PairJob(photo, target, plate=plate)
    for each in options.targets(job):
        check_free(each, [photo, plate], overwrite)
    start = perf_counter()
    with console.status("Reading …") as status:
        files, notes = options.made(
            job, on_stage=lambda stage: status.update(f"{stage.name} done …")
        )
    for path, data in files.items():
        write_atomic(path, data)
    if not quiet:
        for note in notes:
            console.print(note)
        console.print(f"{', '.join(map(str, files))}: {perf_counter() - start:.1f} s")


@_with_options
def folder(
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="IN_DIR", help="A folder of NAME.jpg and NAME_plate.jpg, with all its folders."
        ),
    ],
    results: Annotated[
        Path, typer.Argument(metavar="OUT_DIR", help="Where the same folders hold the results.")
    ],
    options: PairOptions,
    plate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The plate of all photos that have none of their own."),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Cut the subjects out of every pair of a folder.

    Started again, it goes on where it stopped: results of the same pair and options are kept.
    """
    jobs, others = plan_pairs(photos, results, options, plate)
    if not jobs:
        raise DeepMasqueError(f"{photos} holds no pictures.")
    run_folder(jobs, len(others), options, overwrite=overwrite, quiet=quiet)
