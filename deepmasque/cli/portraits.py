"""The verbs for portraits: one photo, a folder of photos."""

import sys
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal

import typer

from deepmasque.batch import Options, background_from, plan, render
from deepmasque.cli.terminal import (
    Overwrite,
    OwnTrimap,
    Quiet,
    check_free,
    console,
    one_sentence,
    run_folder,
)
from deepmasque.errors import DeepMasqueError
from deepmasque.image import write_atomic
from deepmasque.portrait.knn_matting import FEATURES
from deepmasque.trace import log_stages

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
    with one_sentence():
        options = _options(background, alpha_only, features)
        target = _target(photo, result, options)
        suffix = _checked_suffix(target, options)
        if target is not None:
            check_free(target, [photo], overwrite)
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
    with one_sentence():
        options = _options(background, alpha_only, features)
        jobs, others = plan(photos, results, trimap)
        if not jobs:
            raise DeepMasqueError(f"{photos} holds no pictures.")
        run_folder(jobs, len(others), options, overwrite=overwrite, quiet=quiet)


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
