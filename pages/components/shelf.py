"""What stands ready to be picked: sample photos and backgrounds."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

import deepmasque
from deepmasque import samples
from pages.components import gallery
from pages.components.pictures import picture_url

THUMBNAIL_SIDE = 640
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
