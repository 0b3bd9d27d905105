"""The verb that compares methods on photos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepmasque.cli.terminal import Quiet, console, one_sentence, progress_bar
from deepmasque.errors import DeepMasqueError

if TYPE_CHECKING:
    from deepmasque.evaluation.benchmark import Row


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


def benchmark(
    data: Annotated[
        str,
        typer.Option(
            metavar="DIR|samples|pairs",
            help="Photos to compare on: the project's samples or sample pairs, a folder with"
            " images/ and masks/ (plates/), one with input/, alpha/ and trimap1/ (trimap2/ …), or a"
            " plain one, without truth. NAME_plate.jpg is the plate of NAME.jpg.",
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
    with one_sentence():
        from deepmasque.evaluation.benchmark import run_benchmark, scenes, table
        from deepmasque.evaluation.methods import chosen
        from deepmasque.evaluation.report import summary, write_report

        photos = scenes(data, None if ids is None else ids.read_text().split())
        picked = chosen(methods)
        if methods == "all" and not any(photo.plate for photo in photos):
            picked = [method for method in picked if method.needs != "image and plate"]
        with progress_bar(disable=quiet) as progress:
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
