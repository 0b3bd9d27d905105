"""`python -m deepmasque.training COMMAND`: from the data sets to the files in models/."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

Data = Annotated[Path, typer.Option(help="Folder with eg1800/ fashion/ backgrounds/.")]
Ready = Annotated[Path, typer.Option(help="Where the ready photos are.")]


@app.command()
def reference(data: Data) -> None:
    """Learn the 49 facial points, the reference pose and the mean mask from eg1800/train.txt."""
    from deepmasque.training.reference import learn_reference

    for name, value in learn_reference(data / "eg1800").items():
        typer.echo(f"{name}: {value:.4g}")


@app.command()
def prepare(data: Data, ready: Ready = Path("runs/ready")) -> None:
    """Make the training photos ready: reduced, with foreground colours and face placements."""
    from deepmasque.training.photos import prepare as prepare_photos

    prepare_photos(data, ready)


@app.command()
def portrait(
    data: Data,
    imagenet: Annotated[Path, typer.Option(help="Folded MobileNetV2 weights (.npz).")],
    run: Annotated[Path, typer.Option(help="Folder of this run; goes on where it stopped.")],
    ready: Ready = Path("runs/ready"),
    epochs: int = 30,
    batch: int = 16,
    channels: Annotated[int, typer.Option(help="6 as in the paper, 7 with the prior.")] = 7,
    seed: int = 2018,
    workers: int = 1,
) -> None:
    """Train PortraitFCN+, on the GPU where there is one."""
    from deepmasque.training.portrait import Settings, train_portrait

    settings = Settings(epochs=epochs, batch=batch, channels=channels, seed=seed)
    train_portrait(
        settings,
        ready=ready,
        plates=data / "backgrounds",
        imagenet=imagenet,
        run=run,
        workers=workers,
    )


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Option(help="last.ckpt or best.ckpt of a run.")],
) -> None:
    """Write a trained network to models/, with its sha256 in the manifest."""
    from deepmasque.training.export import export_portrait

    for path in export_portrait(checkpoint):
        typer.echo(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    app()
