"""What the pages share: samples, backgrounds, work under way, and how it is handed on."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

import deepmasque
from deepmasque import samples
from deepmasque.portrait import pipeline
from pages.components import gallery, picture_url, stage_rows, working

THUMBNAIL_SIDE = 640
LOADING = "Loading the networks …"
PLAIN = {"id": "transparent", "label": "Transparent", "kind": "transparent"}
COLOURS = {"White": "#ffffff", "Warm grey": "#b8b0a6", "Amber": "#f5a623", "Studio blue": "#3d6fa8"}
GRADIENTS = {
    "Dusk": ("#2b2f5e", "#f2a25c"),
    "Rose": ("#f6d5c5", "#b5677d"),
    "Stage": ("#3b342c", "#0d0b09"),
}


@dataclass(frozen=True)
class Job:
    """A photo waiting to be matted; `trimap` when the user brought one."""

    name: str
    photo: bytes
    trimap: bytes | None = None


@st.cache_resource(show_spinner=False)
def device() -> str:
    """Load every model once for all visitors; the name of the device that runs them."""
    return pipeline.warm_up()


@st.cache_data(max_entries=32, show_spinner=False)
def thumbnail(path: Path, side: int = THUMBNAIL_SIDE) -> str:
    """Encode a sample as a data URL."""
    return picture_url(deepmasque.read_image(path), side)


def sample_gallery(key: str, height: str) -> Job | None:
    """Show the sample portraits; the one just pressed."""
    shelf = {sample.name: sample for sample in samples.portraits()}
    picked = gallery(
        [
            {"id": sample.name, "label": sample.title, "url": thumbnail(sample.path)}
            for sample in shelf.values()
        ],
        key=key,
        height=height,
    )
    if not picked:
        return None
    sample = shelf[picked]
    return Job(sample.title + sample.path.suffix, sample.path.read_bytes())


def backgrounds() -> list[dict]:
    """Every background that can be picked, in the order shown."""
    colours = [
        {"id": f"colour-{name}", "label": name, "kind": "colour", "colours": [value]}
        for name, value in COLOURS.items()
    ]
    gradients = [
        {"id": f"gradient-{name}", "label": name, "kind": "gradient", "colours": list(pair)}
        for name, pair in GRADIENTS.items()
    ]
    photos = [
        {
            "id": sample.name,
            "label": sample.title,
            "kind": "photo",
            "url": thumbnail(sample.path, 1200),
        }
        for sample in samples.backgrounds()
    ]
    return [PLAIN, *colours, *gradients, *photos]


class Progress:
    """Lists the stages of a running job, and shows the latest picture large if there is a place."""

    def __init__(
        self,
        rows: DeltaGenerator,
        done: Sequence[deepmasque.Stage] = (),
        stage: DeltaGenerator | None = None,
    ) -> None:
        self.rows, self.done, self.stage = rows, list(done), stage
        self.rows.html(stage_rows(pipeline.STAGES, self.done))

    def __call__(self, stage: deepmasque.Stage) -> None:
        """Take the stage that has just ended."""
        self.done.append(stage)
        self.rows.html(stage_rows(pipeline.STAGES, self.done))
        self.show(stage.picture)

    def show(self, pixels: NDArray[np.uint8], label: str = "") -> None:
        """Show a picture large."""
        if self.stage:
            self.stage.html(working(pixels, label))


def another_photo(error: deepmasque.ImageError) -> str:
    """Say what is wrong with a picture and what to do."""
    return f"{str(error).rstrip('.')}; please choose another photo."


def title(name: str) -> str:
    """Write a file name as a heading."""
    return escape(Path(name).stem.replace("_", " "))
