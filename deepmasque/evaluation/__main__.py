"""`python -m deepmasque.evaluation COMMAND`: the figures of the README."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.progress import track

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def main() -> None:
    """The figures of the README."""


@app.command()
def portraits(
    data: Annotated[Path, typer.Option(help="Folder with images/ID.jpg and masks/ID.png.")],
    ids: Annotated[Path, typer.Option(help="Text file with one photo id per line.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.csv and worst.jpg.")],
    worst: Annotated[int, typer.Option(help="How many of the worst to show.")] = 10,
) -> None:
    """IoU of the network and of the whole pipeline, beside MediaPipe's selfie segmentation."""
    from deepmasque.evaluation.portraits import measured, summary, write_contact_sheet

    listed = ids.read_text().split()
    rows = pd.DataFrame(track(measured(data, listed), "Measuring", total=len(listed)))
    out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(out / "scores.csv", index=False)
    typer.echo(summary(rows).to_string(float_format="%.2f"))
    typer.echo(f"faces found: {rows['face'].sum()} of {len(rows)}")
    typer.echo(f"median seconds: {rows['seconds'].median():.2f}")
    hardest = list(rows.sort_values("knn")["photo"][:worst])
    write_contact_sheet(data, hardest, out / "worst.jpg")


if __name__ == "__main__":
    app()
