"""The ladder: what every step from FCN-8s to the whole pipeline is worth, on the same photos."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepmasque.errors import TrainingError
from deepmasque.training.runs import COMMITTED

TABLE = COMMITTED / "ladder.csv"
PAPER = 95.91
"""Mean IoU in % of PortraitFCN+ on its own test photos: Shen et al. 2016, table 1."""


@dataclass(frozen=True)
class Rung:
    """A row of the ladder.

    key: the run whose network is measured, or one of SHIPPED. original, paper: mean IoU in % that
    the original project reports for this step, and Shen et al. 2016.
    """

    key: str
    title: str
    original: float | None = None
    paper: float | None = None


LADDER = (
    Rung("street-fcn8s", "FCN-8s, no portrait photos", original=55.0),
    Rung("three-channels", "PortraitFCN, 3 channels"),
    Rung("six-channels", "PortraitFCN+, 6 channels", original=93.0, paper=PAPER),
    Rung("with-prior", "+ soft segmentation prior"),
    Rung("portrait", "+ second prior, drawn hair"),
    Rung("knn", "+ KNN matting", original=95.9),
    Rung("residual", "+ residual network", original=97.1),
)
ABLATIONS = (
    Rung("short-six", "PortraitFCN+, 6 channels", original=93.0),
    Rung("short-no-pretraining", "without ImageNet pretraining", original=70.0),
    Rung("short-no-mean-mask", "without the mean mask"),
    Rung("short-no-xy", "without x and y"),
    Rung("short-three", "without all three"),
)
"""All with the same short schedule at 160 x 128; they compare among themselves only."""
SHIPPED = ("portrait", "knn", "residual")
"""The stages of the pipeline with the weights in models/."""


def read_ladder(path: Path = TABLE) -> pd.DataFrame:
    """What was measured: `mean_iou` and `fifth_percentile` in %, `photos`, `date` by `key`.

    Raises TrainingError if the table is missing or damaged.
    """
    if not path.exists():
        raise TrainingError(
            "The ladder was not measured yet: `python -m deepmasque.training ladder`."
        )
    try:
        table = pd.read_csv(path).set_index("key")
        return table[["mean_iou", "fifth_percentile", "photos", "date"]]
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{path.name} cannot be read: {error}.") from error


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean and 5th percentile in % with the number of photos and today's date.

    scores: IoU, 0..1, a row for each photo and a column for each key.
    """
    percent = scores * 100
    table = pd.DataFrame({"mean_iou": percent.mean(), "fifth_percentile": percent.quantile(0.05)})
    table["photos"] = len(scores)
    table["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
    return table.rename_axis("key").round(2)


def enter(measured: pd.DataFrame, path: Path = TABLE) -> pd.DataFrame:
    """Put measured rows into the table, in the ladder's order; the others stay."""
    known = read_ladder(path) if path.exists() else measured[:0]
    kept = known.loc[[key for key in known.index if key not in measured.index]]
    order = [rung.key for rung in (*LADDER, *ABLATIONS)]
    table = pd.concat([kept, measured]) if len(kept) else measured
    table = table.loc[sorted(table.index, key=order.index)]
    table.to_csv(path)
    return table
