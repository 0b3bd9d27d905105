"""`python -m deepmasque.training COMMAND`: from the data sets to the files in models/."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deepmasque.errors import DeepMasqueError
from deepmasque.training.workers import keep_freed_memory

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

Data = Annotated[Path, typer.Option(help="Folder with eg1800/ fashion/ backgrounds/.")]
Places = Annotated[Path, typer.Option(help="Folder with backgrounds/.")]
Subjects = Annotated[Path, typer.Option(help="Where the cut-outs are.")]
Run = Annotated[Path, typer.Option(help="Folder of this run; goes on where it stopped.")]
Count = Annotated[int | None, typer.Option(help="Instead of the recipe's.")]
Rate = Annotated[float | None, typer.Option(help="Instead of the recipe's.")]
Ready = Annotated[Path, typer.Option(help="Where the ready photos are.")]
Patience = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many validations without a better one.")
]
Loggers = Annotated[
    list[str], typer.Option(help="tensorboard or wandb (offline), beside the CSV; may be repeated.")
]
Changes = Annotated[
    list[str],
    typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter; may be repeated."),
]
Start = Annotated[Path | None, typer.Option(help="Checkpoint instead of the weights in models/.")]
Grounds = Annotated[
    Path | None, typer.Option(help="Folder of photos without people, further new backgrounds.")
]


def given(**changes: float | None) -> dict[str, float]:
    """Those settings that were asked for."""
    return {name: value for name, value in changes.items() if value is not None}


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
    run: Run,
    recipe: Annotated[str, typer.Option(help="A recipe of recipes.toml.")] = "portrait",
    ready: Ready = Path("runs/ready"),
    epochs: Count = None,
    batch: Count = None,
    seed: Count = None,
    workers: int = 1,
    patience: Patience = None,
    logger: Loggers = (),
) -> None:
    """Train a network of the ladder, on the GPU where there is one."""
    from deepmasque.training.portrait import train_portrait
    from deepmasque.training.recipes import recipe as recipe_of

    changes = given(epochs=epochs, batch=batch, seed=seed)
    train_portrait(
        recipe_of(recipe, **changes),
        ready=ready,
        plates=data / "backgrounds",
        imagenet=imagenet,
        run=run,
        workers=workers,
        logs=logger,
        patience=patience,
    )


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Option(help="last.ckpt or best.ckpt of a run.")],
) -> None:
    """Write a trained network to models/, with its sha256 in the manifest."""
    from deepmasque.training.export import export_portrait

    for path in export_portrait(checkpoint):
        typer.echo(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def publish(
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    name: Annotated[str | None, typer.Option(help="Instead of the folder's name.")] = None,
    pictures: Annotated[
        bool, typer.Option(help="Leave them out where they show photos that may not be passed on.")
    ] = True,
) -> None:
    """Put a run's curves, settings and sample predictions, small, into models/runs/."""
    from deepmasque.training.runs import publish as publish_run

    for path in publish_run(run, name or run.name, pictures=pictures):
        typer.echo(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


@app.command()
def ladder(
    data: Data,
    trained: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    only: Annotated[list[str], typer.Option(help="Keys of rungs; may be repeated.")] = (),
) -> None:
    """Measure every rung of the ladder on eg1800/validation.txt; writes models/runs/ladder.csv."""
    from rich.progress import track

    from deepmasque.training.eg1800 import EG1800
    from deepmasque.training.ladder import enter, summary
    from deepmasque.training.ladder_scores import measure

    photos = EG1800(data / "eg1800")
    ids = track(photos.ids("validation"), "Measuring")
    table = enter(summary(measure(photos, ids, trained, tuple(only))))
    typer.echo(table.to_string())


@app.command()
def prepare_refinement(
    data: Annotated[Path, typer.Option(help="Folder with alphamatting/ backgrounds/.")],
    photos: Ready = Path("runs/ready"),
    ready: Annotated[Path, typer.Option(help="Where the scenes go.")] = Path("runs/refine-ready"),
    generated: Annotated[int, typer.Option(help="Scenes from the hair generator.")] = 600,
    composed: Annotated[int, typer.Option(help="Scenes from each photo with a truth.")] = 44,
    seed: int = 2018,
    workers: int = 1,
) -> None:
    """Make the residual network's scenes ready: composed, and solved by KNN matting."""
    from deepmasque.training.refinement_scenes import prepare

    count = prepare(data, photos, ready, seed, generated, composed, workers)
    typer.echo(f"{count} scenes are ready.")


@app.command()
def prepare_subjects(
    data: Annotated[Path, typer.Option(help="Folder with cutouts/ backgrounds/.")],
    photos: Ready = Path("runs/ready"),
    folder: Annotated[Path, typer.Option(help="Where the cut-outs go.")] = Path("runs/subjects"),
    people: int = 1600,
    shapes: int = 500,
    split: Annotated[str, typer.Option(help="train or development.")] = "train",
    height: Annotated[int, typer.Option(help="Pixels of photos of people.")] = 672,
    seed: int = 2018,
    workers: int = 1,
) -> None:
    """Make the cut-outs of two-photo scenes ready: people with drawn hair, shapes, clothing."""
    from deepmasque.training.subjects import prepare

    count = prepare(photos, data, folder, seed, people, shapes, workers, split, height)
    typer.echo(f"{count} cut-outs are ready.")


@app.command()
def refine(
    run: Run,
    start: Annotated[Path | None, typer.Option(help="Checkpoint to begin with.")] = None,
    ready: Annotated[Path, typer.Option(help="Where the scenes are.")] = Path("runs/refine-ready"),
    epochs: int = 30,
    rate: float = 1e-3,
    photos: Annotated[float, typer.Option(help="Share of crops from photos with a truth.")] = 0.0,
    fold: Annotated[int, typer.Option(help="Fold left out, 1 to 3; 0: none.")] = 0,
    seed: int = 2018,
    workers: int = 1,
    logger: Loggers = (),
) -> None:
    """Train the residual network that corrects KNN matting."""
    from deepmasque.training.refinement import Settings, train_refinement

    settings = Settings(epochs=epochs, rate=rate, photos=photos, fold=fold, seed=seed)
    train_refinement(settings, ready=ready, run=run, start=start, workers=workers, loggers=logger)


@app.command()
def export_refinement(
    checkpoint: Annotated[Path, typer.Option(help="last.ckpt of a run.")],
    folder: Annotated[Path | None, typer.Option(help="Instead of models/.")] = None,
) -> None:
    """Write a trained residual network to models/, with its sha256 in the manifest."""
    from deepmasque.training.export import export_refinement as export_network
    from deepmasque.weights import MODELS

    for path in export_network(checkpoint, folder or MODELS):
        typer.echo(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def two_photo(
    data: Places,
    run: Run,
    recipe: Annotated[str, typer.Option(help="base, then joint, then larger.")] = "base",
    start: Annotated[
        Path | None, typer.Option(help="last.ckpt of another run, or a portrait network's weights.")
    ] = None,
    subjects: Subjects = Path("runs/subjects"),
    epochs: Count = None,
    samples: Annotated[int | None, typer.Option(help="Scenes of an epoch, likewise.")] = None,
    rate: Rate = None,
    seed: Count = None,
    workers: int = 1,
    logger: Loggers = (),
) -> None:
    """Train two-photo matting: the base network, then both together."""
    from dataclasses import replace

    from deepmasque.training.two_photo import RECIPES, train_two_photo

    if recipe not in RECIPES:
        raise typer.BadParameter(f"the recipes are {', '.join(RECIPES)}")
    changes = given(epochs=epochs, samples=samples, rate=rate, seed=seed)
    train_two_photo(
        replace(RECIPES[recipe], start=str(start or ""), **changes),
        subjects=subjects,
        plates=data / "backgrounds",
        run=run,
        workers=workers,
        logs=logger,
    )


@app.command()
def prepare_patches(
    data: Places,
    checkpoint: Annotated[Path, typer.Option(help="last.ckpt of a joint run.")],
    subjects: Subjects = Path("runs/subjects"),
    folder: Annotated[Path, typer.Option(help="Where the patches go.")] = Path("runs/patches"),
    scenes: int = 400,
    seed: int = 2019,
    workers: int = 1,
) -> None:
    """Make the patches ready that the refinement of two-photo matting learns from."""
    from deepmasque.training.patches import prepare

    count = prepare(checkpoint, subjects, data / "backgrounds", folder, scenes, seed, workers)
    typer.echo(f"The patches of {count} scenes are ready.")


@app.command()
def two_photo_refinement(
    data: Places,
    run: Run,
    start: Annotated[Path, typer.Option(help="A checkpoint with the base of the patches.")],
    patches: Annotated[Path, typer.Option(help="Where the patches are.")] = Path("runs/patches"),
    subjects: Subjects = Path("runs/subjects"),
    epochs: Count = None,
    rate: Rate = None,
    seed: Count = None,
    workers: int = 1,
    logger: Loggers = (),
) -> None:
    """Train the refinement of two-photo matting alone, on ready patches."""
    from dataclasses import replace

    from deepmasque.training.patches import REFINE, train_refinement

    train_refinement(
        replace(REFINE, start=str(start), **given(epochs=epochs, rate=rate, seed=seed)),
        patches=patches,
        subjects=subjects,
        plates=data / "backgrounds",
        run=run,
        workers=workers,
        logs=logger,
    )


@app.command()
def two_photo_scores(
    data: Annotated[Path, typer.Option(help="Folder with eg1800/ fashion/ backgrounds/.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.csv and worst.jpg.")],
    count: Annotated[int, typer.Option(min=1, help="Composites.")] = 40,
    mode: Annotated[str, typer.Option(help="auto, tripod or hand-held.")] = "auto",
    refinement: Annotated[str, typer.Option(help="sampling, thresholding or full.")] = "sampling",
    seed: int = 2024,
) -> None:
    """Errors of two-photo matting on held-back composites, beside the portrait pipeline's."""
    import pandas as pd
    from rich.progress import track

    from deepmasque.portrait.pipeline import matte
    from deepmasque.training import two_photo_scores as composites
    from deepmasque.two_photo.pipeline import matte_two_photo

    def with_plate(image, plate):
        return matte_two_photo(image, plate, mode=mode, refinement=refinement).alpha

    pairs = map(composites.HeldBackPairs(data, seed), range(count))
    measured = composites.measured(pairs, with_plate, lambda image: matte(image).alpha)
    results = list(track(measured, "Measuring", total=count))
    rows = pd.DataFrame([row for result in results for row in result.rows])
    out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(out / "scores.csv", index=False)
    composites.write_contact_sheet(results, out / "worst.jpg")
    typer.echo(composites.summary(rows).to_string(float_format="%.3f"))
    for name, value in composites.shares(rows).items():
        typer.echo(f"{name}: {value:.3f} (goal at most {composites.GOALS[name]:g})")


@app.command()
def adversarial(
    videos: Annotated[
        Path,
        typer.Argument(
            help="A video or a folder of them. Beside each NAME.mp4 its plate: NAME_plate.jpg, or"
            " NAME.empty_frames.txt with the numbers of frames that show nobody."
        ),
    ],
    run: Run,
    start: Start = None,
    plates: Grounds = None,
    frames: Annotated[int, typer.Option(min=1, help="Of each video, to train on.")] = 160,
    changes: Changes = (),
    workers: int = 0,
    logger: Loggers = (),
) -> None:
    """Tune two-photo matting on videos that nobody matted, against a discriminator."""
    from deepmasque.training.adversarial import FILMED, changed
    from deepmasque.training.shots import filmed

    settings = changed(FILMED, changes)
    _tune(settings, filmed(videos, settings.side, frames), run, start, plates, workers, logger)


@app.command()
def client(
    folder: Annotated[
        Path,
        typer.Argument(
            help="NAME.jpg with NAME_plate.jpg and, where there is one, NAME_alpha.png."
        ),
    ],
    run: Run,
    start: Start = None,
    plate: Annotated[
        Path | None, typer.Option(help="For all photos without a plate of their own.")
    ] = None,
    plates: Grounds = None,
    changes: Changes = (),
    workers: int = 0,
    logger: Loggers = (),
) -> None:
    """Tune two-photo matting on one's own pairs: with their matte, or against a discriminator."""
    from deepmasque.training.adversarial import CLIENT, changed
    from deepmasque.training.shots import photographed

    settings = changed(CLIENT, changes)
    _tune(settings, photographed(folder, settings.side, plate), run, start, plates, workers, logger)


def _tune(settings, shots, run, start, plates, workers, logger) -> None:
    from dataclasses import replace

    from rich.progress import track

    from deepmasque.training.adversarial import tune
    from deepmasque.training.shots import write

    ready = run / "shots"
    if not ready.exists():
        write(track(shots, "Aligning"), ready)
    settings = replace(settings, start=str(start or ""))
    path = tune(settings, shots=ready, run=run, plates=plates, workers=workers, logs=logger)
    typer.echo(f"{path}: write its networks with export-two-photo --checkpoint {path} --folder DIR")


@app.command()
def export_two_photo(
    checkpoint: Annotated[Path, typer.Option(help="last.ckpt of a joint run.")],
    folder: Annotated[Path | None, typer.Option(help="Instead of models/.")] = None,
) -> None:
    """Write both networks of two-photo matting to models/, with their sha256 in the manifest."""
    from deepmasque.training.export import export_two_photo as export_networks
    from deepmasque.weights import MODELS

    for path in export_networks(checkpoint, folder or MODELS):
        typer.echo(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def hair(
    out: Annotated[Path, typer.Option(help="The JPEG file to write.")],
    data: Annotated[
        Path | None, typer.Option(help="Show ready photos before its backgrounds, not the samples.")
    ] = None,
    ready: Ready = Path("runs/ready"),
    seed: int = 23,
) -> None:
    """Draw hair on people, fur and more on shapes: photo, alpha, foreground, on green."""
    from deepmasque.image import encode_jpeg, write_atomic
    from deepmasque.training.hair_gallery import photo_gallery, sample_gallery

    if data is None:
        picture = sample_gallery(seed)
    else:
        picture = photo_gallery(ready, data / "backgrounds", seed)
    write_atomic(out, encode_jpeg(picture, quality=70))


def main() -> None:
    """Run the command line; what cannot be done is one sentence and exit code 1."""
    keep_freed_memory()
    try:
        app()
    except DeepMasqueError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
