"""The runs one can look at: committed in models/runs/, or where they are trained: runs/, or the
folder that DEEPMASQUE_RUNS names.

Light on purpose: neither torch nor lightning is loaded to read a run.
"""

import json
import math
import os
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from deepmasque.errors import TrainingError
from deepmasque.image import write_atomic
from deepmasque.provenance import portable
from deepmasque.weights import MODELS

COMMITTED = MODELS / "runs"
TRAINED = Path(os.environ.get("DEEPMASQUE_RUNS", MODELS.parent / "runs"))
RECORD = "run.json"
SAMPLES = "samples"
MOST_ROWS = 240
"""Rows of training curve that a committed log keeps; those of validation it keeps all."""
MOST_SAMPLE_BYTES = 280_000
QUIET_SECONDS = 900.0
"""A run whose log has not grown for this long is no longer going on."""
AXES = ("epoch", "step")


@dataclass(frozen=True)
class Record:
    """How a run came about; what was not written down is None.

    command: as typed. seconds: of training, over all its parts. hardware: in words. date: of its
    end, ISO. commit: of the code. pictures: the titles of the columns of every sample sheet.
    """

    command: str | None = None
    seconds: float | None = None
    hardware: str | None = None
    date: str | None = None
    commit: str | None = None
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A training run as it was logged.

    Attributes
    ----------
    settings: hyperparameters by name.
    curves: a row for each logged value: `measure`, `step`, `epoch` (a fraction: epochs done), and
        `value`.
    samples: sheets of sample predictions by the number of epochs done.
    going: whether its log has grown lately and its epochs are not all done.
    """

    name: str
    settings: dict[str, object]
    curves: pd.DataFrame
    record: Record
    samples: dict[int, Path] = field(default_factory=dict)
    going: bool = False

    @property
    def epochs(self) -> float:
        """Epochs done."""
        return float(self.curves["epoch"].max()) if len(self.curves) else 0.0

    def curve(self, measure: str) -> pd.DataFrame:
        """`epoch` and `value` of one measure."""
        return self.curves.loc[self.curves["measure"] == measure, ["epoch", "step", "value"]]

    def best(self, measure: str) -> float | None:
        """The highest value that a measure reached; None if it was never logged."""
        values = self.curve(measure)["value"]
        return float(values.max()) if len(values) else None


def committed_runs(folder: Path = COMMITTED) -> list[Run]:
    """Every published run: NAME.csv and NAME.json, in the order of their names."""
    records = (path.with_suffix(".json") for path in sorted(folder.glob("*.csv")))
    return [_committed(record) for record in records if record.exists()]


def local_runs(folder: Path = TRAINED) -> list[Run]:
    """The runs of this machine; what cannot be read, or has logged nothing yet, is left out."""
    found = []
    for each in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            found.append(read_run(each))
        except TrainingError:
            continue
    return found


def read_run(folder: Path) -> Run:
    """A run from the folder it was trained in, also while it goes on.

    Raises TrainingError if nothing was logged there, or nothing that can be read.
    """
    logs = _logs(folder)
    if not logs:
        raise TrainingError(f"{folder} holds no metrics.csv, so it is no training run.")
    try:
        curves = tidy(_joined([pd.read_csv(path) for path in logs]))
        settings = yaml.full_load(logs[-1].with_name("hparams.yaml").read_text()) or {}
        record = _record(folder / RECORD)
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise TrainingError(f"The log of {folder} cannot be read: {error}.") from error
    done = curves["epoch"].max() if len(curves) else 0
    quiet = time.time() - logs[-1].stat().st_mtime > QUIET_SECONDS
    return Run(
        name=folder.name,
        settings=_plain(settings),
        curves=curves,
        record=record,
        samples=_samples(folder / SAMPLES),
        going=not quiet and done < settings.get("epochs", math.inf),
    )


def publish(
    folder: Path, name: str, target: Path = COMMITTED, *, pictures: bool = True
) -> list[Path]:
    """Write a run into its committed form; returns the files.

    NAME.csv: the log, its training rows averaged in blocks down to MOST_ROWS; NAME.json: settings
    and record; NAME/: sample sheets, as many as fit into MOST_SAMPLE_BYTES, the last among them.
    pictures: False where the sheets show photos that may not be passed on. Of absolute paths
    only the last part is kept.

    Raises TrainingError like `read_run`.
    """
    run = read_run(folder)
    target.mkdir(parents=True, exist_ok=True)
    table, record = target / f"{name}.csv", target / f"{name}.json"
    log = thinned(_joined([pd.read_csv(path) for path in _logs(folder)]))
    write_atomic(table, log.to_csv(index=False, float_format="%.5g").encode())
    settings = {
        name: portable(value) if isinstance(value, str) else value
        for name, value in run.settings.items()
    }
    content = {"settings": settings} | asdict(run.record)
    write_atomic(record, (json.dumps(content, indent=2) + "\n").encode())
    return [table, record, *_publish_samples(run.samples if pictures else {}, target / name)]


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Lightning's table (a column a measure, mostly empty) as a row a value.

    Returns the columns `measure`, `step`, `epoch`, `value`; epoch is a fraction, found from the
    steps that the epochs took.
    """
    measures = [column for column in table.columns if column not in AXES]
    rows = (
        table.astype(float)
        .dropna(subset=["epoch"])
        .melt(AXES, measures, "measure")
        .dropna(subset=["value"])
    )
    if rows.empty:
        return pd.DataFrame({"measure": [], "step": [], "epoch": [], "value": []})
    steps = ((rows["step"] + 1) / (rows["epoch"] + 1)).max()
    rows["epoch"] = (rows["step"] + 1) / steps
    order = ["measure", "step"]
    return rows[["measure", "step", "epoch", "value"]].sort_values(order, ignore_index=True)


def thinned(table: pd.DataFrame) -> pd.DataFrame:
    """The log without learning rates, its training rows averaged in blocks of equal length.

    Training rows are those of columns that begin with "train_"; a block has the step and the epoch
    of its last row.
    """
    table = table.dropna(subset=["epoch"])
    table = table[[c for c in table.columns if not c.startswith("lr-")]]
    training = [column for column in table.columns if column.startswith("train_")]
    is_training = table[training].notna().any(axis=1) if training else table["step"] < 0
    rows, looks = table[is_training], table[~is_training]
    block = max(1, math.ceil(len(rows) / MOST_ROWS))
    groups = np.arange(len(rows)) // block
    how = {c: "last" if c in AXES else "mean" for c in rows.columns}
    joined = pd.concat([rows.groupby(groups).agg(how), looks]).sort_values("step", kind="stable")
    joined = joined.astype(dict.fromkeys(AXES, int)).dropna(axis="columns", how="all")
    return joined[[*AXES, *sorted(c for c in joined.columns if c not in AXES)]]


def _committed(path: Path) -> Run:
    try:
        content = json.loads(path.read_text())
        settings = content.pop("settings")
        record = _recorded(content)
        curves = tidy(pd.read_csv(path.with_suffix(".csv")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"The committed run {path.stem} cannot be read: {error}.") from error
    return Run(path.stem, settings, curves, record, _samples(path.with_suffix("")))


def _logs(folder: Path) -> list[Path]:
    """The logs of a run, one more for each time it was resumed: Lightning's version_0, 1, ..."""
    found = [log for log in folder.rglob("metrics.csv") if log.with_name("hparams.yaml").exists()]
    return sorted(found, key=lambda log: int(log.parent.name.partition("version_")[2] or -1))


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """The parts of a log as one: where a later one begins again, the earlier one ends."""
    kept = parts[-1:]
    for part in reversed(parts[:-1]):
        first = kept[0]["step"].min()
        kept.insert(0, part[part["step"] < first])
    return pd.concat(kept, ignore_index=True)


def _record(path: Path) -> Record:
    return _recorded(json.loads(path.read_text())) if path.exists() else Record()


def _recorded(content: dict) -> Record:
    return Record(**content | {"pictures": tuple(content.get("pictures", ()))})


def _samples(folder: Path) -> dict[int, Path]:
    return {int(path.stem): path for path in sorted(folder.glob("*.jpg")) if path.stem.isdigit()}


def _publish_samples(samples: dict[int, Path], target: Path) -> list[Path]:
    shutil.rmtree(target, ignore_errors=True)
    chosen = _spread(samples)
    if chosen:
        target.mkdir()
    return [Path(shutil.copyfile(samples[epoch], target / samples[epoch].name)) for epoch in chosen]


def _spread(samples: dict[int, Path]) -> list[int]:
    """As many looks as may be kept, evenly spread from the first to the last."""
    epochs = sorted(samples)
    for count in range(len(epochs), 0, -1):
        places = np.linspace(0, len(epochs) - 1, count).round().astype(int) if count > 1 else [-1]
        chosen = [epochs[place] for place in places]
        if sum(samples[epoch].stat().st_size for epoch in chosen) <= MOST_SAMPLE_BYTES:
            return chosen
    return []


def _plain(value):
    """Tuples and the like as JSON would give them back."""
    return json.loads(json.dumps(value, default=str))
