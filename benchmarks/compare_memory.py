"""Memory of a comparison that goes on and on: what its processes hold after each of many runs.

    python benchmarks/compare_memory.py [--runs 50] [--methods A,B,C]

One photo is matted again and again under other names, so that nothing is kept from before. The
first column is what the method's process held before a run, the second the most during it, the
third what the process held that asks for the runs and shows them, the dashboard's part.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from deepmasque import samples
from deepmasque.evaluation.benchmark import Row, Scene, run_benchmark
from deepmasque.evaluation.methods import chosen
from deepmasque.memory import held_mb
from deepmasque.provenance import hardware


def main(
    runs: Annotated[int, typer.Option(help="Times that each method works.")] = 50,
    methods: Annotated[
        str, typer.Option(help="Names with commas between them.")
    ] = "portraitfcn-knn,knn-rgb,mediapipe-selfie",
) -> None:
    """Print a table of megabytes after some of the runs."""
    photo = samples.portraits()[0].path
    scenes = [Scene(f"{number:03}", photo) for number in range(1, runs + 1)]
    marks = sorted({1, 2, runs // 5, runs // 2, runs} - {0})
    held = []

    def note(row: Row) -> None:
        held.append(held_mb())
        if row.error:
            raise SystemExit(row.error)

    with tempfile.TemporaryDirectory() as out:
        rows = run_benchmark(scenes, chosen(methods), Path(out), on_row=note)
    print(f"{photo.name}, {rows[0].width} × {rows[0].height}, {hardware()}, {rows[0].date[:10]}\n")
    print("| method | run | before, MB | most, MB | asking process, MB |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row, here in zip(rows, held, strict=True):
        if int(row.image) in marks:
            figures = (row.peak_mb - row.added_mb, row.peak_mb, here)
            print(f"| {row.title} | {int(row.image)} | {' | '.join(f'{f:.1f}' for f in figures)} |")


if __name__ == "__main__":
    typer.run(main)
