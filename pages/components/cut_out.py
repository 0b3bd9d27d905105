"""A cut-out to look at over any background, and to take home."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from uuid import uuid4

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import deepmasque
from deepmasque import samples
from deepmasque.compose import Gradient, alpha_channel
from deepmasque.image import SUFFIXES, encode_jpeg, encode_png
from pages.components import before_after
from pages.components.intake import another_photo, title
from pages.components.markup import chips, seconds
from pages.components.pictures import picture_url, viewer_pictures
from pages.components.shelf import backgrounds

KEPT = ("own", "first", "chosen")
"""What the session remembers of the background."""
OWN_UPLOADER = ".st-key-own-background input[type=file]"


@dataclass(frozen=True)
class OwnBackground:
    """A background photo of the visitor's; `url` shows it in the browser."""

    identity: str
    pixels: NDArray[np.uint8]
    url: str


def facts(name: str, matte: deepmasque.Matte) -> None:
    """Name the photo and what was measured."""
    height, width = matte.alpha.shape
    whole = sum(stage.seconds for stage in matte.stages)
    marks = chips(f"{width} × {height}", seconds(whole), matte.device)
    notes = "".join(f"<p>{escape(note)}</p>" for note in matte.notes)
    st.html(
        f'<h1 class="dm-title dm-name">{title(name)}</h1>'
        f'<div class="dm-facts">{marks}</div><div class="dm-notes">{notes}</div>'
    )


def look(identity: str, matte: deepmasque.Matte) -> None:
    """Before and after over any background; identity: names the pictures of this matte."""
    choices = backgrounds()
    own: OwnBackground | None = st.session_state.get("own")
    if own:
        choices.append({"id": own.identity, "label": "Your photo", "kind": "photo", "url": own.url})
    first = st.session_state.setdefault("first", choices[0])
    picked = before_after(
        viewer_pictures(identity, matte),
        choices,
        chosen=first,
        key="viewer",
        uploader=OWN_UPLOADER,
    )
    st.session_state.chosen = picked or first
    with st.container(key="own-background"):
        st.file_uploader(
            "Background photo",
            type=SUFFIXES,
            key="own-file",
            on_change=_take_background,
            label_visibility="collapsed",
        )
    if error := st.session_state.pop("background-error", None):
        st.error(error)


def keep_background() -> None:
    """Let the viewer come back with the background that is chosen now."""
    if chosen := st.session_state.get("chosen"):
        st.session_state.first = chosen


def _take_background() -> None:
    """Read the background photo that was just chosen."""
    file = st.session_state["own-file"]
    if not file:
        return
    try:
        pixels = deepmasque.read_image(file.getvalue())
    except deepmasque.ImageError as error:
        st.session_state["background-error"] = another_photo(error)
        return
    st.session_state.own = OwnBackground(f"own-{uuid4().hex}", pixels, picture_url(pixels, 1200))


def downloads(
    name: str, matte: deepmasque.Matte, further: tuple[str, str, Callable[[], bytes]]
) -> None:
    """Offer every result at full size.

    name: of the photo's file; further: label, ending and content of a file, as for `offer`.
    """
    alpha, picked = alpha_channel(matte), st.session_state.chosen
    own = st.session_state.get("own")

    def composite() -> bytes:
        return encode_png(deepmasque.composite(matte, _new_background(picked, own)))

    def archive() -> bytes:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as files:
            files.writestr("colour.jpg", encode_jpeg(matte.foreground))
            files.writestr("alpha.png", encode_png(alpha))
        return held.getvalue()

    def cutout() -> bytes:
        return encode_png(deepmasque.cutout(matte))

    offer(name, "Download cut-out", "cutout.png", cutout, key="cutout", type="primary")
    columns = st.columns(2, gap="small")
    with columns[0]:
        offer(name, "Alpha", "alpha.png", lambda: encode_png(alpha), key="alpha")
        offer(
            name,
            "Composite",
            "composite.png",
            composite,
            key="composite",
            disabled=picked["kind"] == "transparent",
            help="Pick a background first",
        )
    with columns[1]:
        offer(name, *further, key="further")
        offer(name, "ZIP", "matte.zip", archive, key="zip")


def offer(name: str, label: str, ending: str, data: Callable[[], bytes], **options) -> None:
    """Offer a file that belongs to the photo `name`; it is made when it is asked for.

    options: as for `st.download_button`.
    """
    file = f"{Path(name).stem}-{ending}"
    st.download_button(label, data, file, on_click="ignore", width="stretch", **options)


def _new_background(picked: dict, own: OwnBackground | None) -> str | Gradient | NDArray[np.uint8]:
    """Turn what the viewer reports into what `deepmasque.composite` takes."""
    if picked["kind"] == "colour":
        return picked["colours"][0]
    if picked["kind"] == "gradient":
        return Gradient(*picked["colours"])
    if own and picked["id"] == own.identity:
        return own.pixels
    paths = {sample.name: sample.path for sample in samples.backgrounds()}
    return deepmasque.read_image(paths[picked["id"]])
