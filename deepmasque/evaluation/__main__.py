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
    hardest = list(rows.sort_values("refined")["photo"][:worst])
    write_contact_sheet(data, hardest, out / "worst.jpg")


@app.command()
def alphamatting(
    data: Annotated[Path, typer.Option(help="Folder with input, alpha, trimap1, trimap2.")],
    weights: Annotated[Path, typer.Option(help="Folder with FOLD/refinement.safetensors.")],
    out: Annotated[Path, typer.Option(help="Folder for errors.csv and PyMatting's alphas.")],
    fold: Annotated[list[int], typer.Option(help="Only this one; may be repeated.")] = (1, 2, 3),
) -> None:
    """Errors of KNN matting and of its refinement, leave-one-fold-out, beside PyMatting's."""
    from deepmasque.evaluation.alphamatting import GOALS, measured, shares, summary, torch_engine

    engines = {each: torch_engine(weights / str(each) / "refinement.safetensors") for each in fold}
    out.mkdir(parents=True, exist_ok=True)
    rows = pd.DataFrame(track(measured(data, engines, out), "Measuring"))
    rows.to_csv(out / "errors.csv", index=False)
    typer.echo(summary(rows).to_string(float_format="%.3f"))
    for peer, share in shares(rows).items():
        typer.echo(f"SAD on trimap1 / {peer}: {share:.3f} (goal {GOALS[peer]:.2f})")


if __name__ == "__main__":
    app()
