"""Benchmarks that were run: this machine's, with their pictures, and the tables of the project."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

import deepmasque
from deepmasque.evaluation.benchmark import Scene, read_table, scenes
from deepmasque.image import read_image, read_trimap, reduced, write_atomic
from pages.comparison.run import RUNS
from pages.components.pictures import TILE_SIDE, cut_out_urls, picture_url

FOLDER = RUNS / "dashboard"
TABLES = Path(__file__).parents[2] / "docs" / "benchmarks"
SAMPLES = "samples"
OWN = {SAMPLES: "Samples", "pairs": "Sample pairs"}
"""Photos of the project, and what they are called."""
PHOTOS = "photos.txt"
TILE_PIXELS = 1_000_000


@dataclass(frozen=True)
class Measured:
    """A benchmark's table, by name; `out` and `photos` where its pictures are on this machine."""

    name: str
    table: pd.DataFrame
    out: Path | None = None
    photos: str = ""

    def scenes(self) -> dict[tuple[str, str], Scene]:
        """The photos by name and set of trimaps; none where they have gone."""
        try:
            return {(each.name, each.trimaps): each for each in scenes(self.photos)}
        except deepmasque.DeepMasqueError:
            return {}


def folder_of(photos: str) -> Path:
    """Where the results on some photos, a folder or of OWN, are kept; remembers the photos."""
    name = photos if photos in OWN else "-".join(Path(photos).resolve().parts[1:])
    out = FOLDER / name
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / PHOTOS, photos.encode())
    return out


def measured_in(out: Path) -> Measured:
    """The run whose results lie in a folder."""
    photos = (out / PHOTOS).read_text(encoding="utf-8")
    name = OWN.get(photos) or Path(photos).name
    return Measured(name, read_table(out), out, photos)


def runs() -> list[Measured]:
    """This machine's runs, those on the samples first."""
    found = [measured_in(file.parent) for file in sorted(FOLDER.glob("*/results.parquet"))]
    return sorted((run for run in found if len(run.table)), key=lambda run: run.photos != SAMPLES)


def tables() -> list[Measured]:
    """The tables that come with the project."""
    found = []
    for file in sorted(TABLES.glob("*.csv")):
        table = pd.read_csv(file)
        texts = table.columns.difference(table.select_dtypes("number").columns)
        found.append(Measured(file.stem.replace("_", " "), table.fillna(dict.fromkeys(texts, ""))))
    return found


def photo_tile(scene: Scene) -> dict:
    """A photo for `side_by_side`."""
    url = photo_url(scene.image, scene.image.stat().st_mtime)
    return {"id": "photo", "label": "Photo", "said": "", "views": {"Photo": {"url": url}}}


def alpha_views(scene: Scene, alpha: Path) -> dict:
    """An alpha's views for `side_by_side`."""
    cut = alpha_urls(scene.image, alpha, alpha.stat().st_mtime)
    return {"Cut-out": cut, "Alpha": {"url": cut["alpha"]}}


@st.cache_data(max_entries=40, show_spinner=False)
def photo_url(path: Path, changed: float) -> str:
    """A photo as a data URL."""
    return picture_url(read_image(path), TILE_SIDE)


@st.cache_data(max_entries=60, show_spinner=False)
def alpha_urls(photo: Path, alpha: Path, changed: float) -> dict[str, str]:
    """Foreground and alpha as data URLs."""
    image, grey = reduced(read_image(photo), TILE_PIXELS), reduced(read_trimap(alpha), TILE_PIXELS)
    return cut_out_urls(f"{photo}-{alpha}-{changed}", image, grey / np.float32(255))


def by_photo(runs: Sequence[Measured]) -> dict[str, list[str]]:
    """The methods that have a result, by photo, for a vote; photos are named FOLDER/PHOTO."""
    found: dict[str, set[str]] = {}
    for run in runs:
        there = {name for name, _ in run.scenes()}
        for row in run.table[run.table["state"] == "done"].itertuples():
            if row.image in there:
                found.setdefault(f"{run.out.name}/{row.image}", set()).add(row.method)
    return {photo: sorted(methods) for photo, methods in found.items() if len(methods) > 1}
