"""The dashboard's own components: plain HTML, CSS and JavaScript beside this file."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image
from streamlit.runtime.pages_manager import PagesManager

from deepmasque.compose import alpha_channel
from deepmasque.image import encode_jpeg, encode_png
from deepmasque.matte import Matte, Stage

# Until st.navigation has run once, Streamlit takes pages/ for its older kind of app, in which the
# address of a page runs that file alone, without app.py.
if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()

FOLDER = Path(__file__).parent
VIEW_SIDE = 2400  # long side of the pictures sent to the viewer: sharp at 3x zoom on a laptop
STAGE_SIDE = 720


def _asset(*names: str) -> str:
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)


_gallery = st.components.v2.component(
    "gallery",
    html='<div class="gallery"></div>',
    css=_asset("gallery.css"),
    js=_asset("gallery.js"),
)
_before_after = st.components.v2.component(
    "before_after",
    html=_asset("before_after.html"),
    css=_asset("stage.css", "before_after.css"),
    js=_asset("view.js", "before_after.js"),
)
_steps = st.components.v2.component(
    "steps",
    html='<div class="steps" role="tablist"></div>',
    css=_asset("steps.css"),
    js=_asset("steps.js"),
)
_picture = st.components.v2.component(
    "picture",
    html=_asset("picture.html"),
    css=_asset("stage.css"),
    js=_asset("view.js", "picture.js"),
)
_neighbours = st.components.v2.component(
    "neighbours",
    html=_asset("neighbours.html"),
    css=_asset("stage.css", "neighbours.css"),
    js=_asset("view.js", "neighbours.js"),
)
_column = st.components.v2.component(
    "column", html=_asset("column.html"), css=_asset("column.css"), js=_asset("column.js")
)
_brush = st.components.v2.component(
    "brush",
    html=_asset("brush.html"),
    css=_asset("stage.css", "brush.css"),
    js=_asset("view.js", "brush.js"),
)


def style() -> None:
    """Dress Streamlit's own widgets."""
    st.html(FOLDER / "page.css")


def gallery(pictures: Sequence[dict], *, key: str, height: str) -> str | None:
    """Show pictures as large buttons; the id of the one just pressed, or None."""
    return _gallery(
        data={"height": height, "pictures": list(pictures)}, key=key, on_picked_change=_heard
    ).picked


def before_after(
    pictures: dict,
    backgrounds: Sequence[dict],
    *,
    chosen: dict,
    key: str,
    uploader: str | None = None,
    first: dict | None = None,
    labels: tuple[str, str] = ("Before", "After"),
) -> dict | None:
    """Slide between photo and cut-out over a background; the background last picked, or None.

    pictures: what `viewer_pictures` returns; backgrounds: {id, label, kind, colours | url};
    chosen: the one to begin with; uploader: CSS selector of the file input for the visitor's own;
    first: pictures of another cut-out of the photo, which takes the photo's place.
    """
    data = pictures | {
        "backgrounds": list(backgrounds),
        "chosen": chosen,
        "uploader": uploader,
        "first": first,
        "labels": labels,
    }
    return _before_after(data=data, key=key, on_background_change=_heard).background


def steps(names: Sequence[str], times: Sequence[str], *, key: str) -> int:
    """Offer steps to go through by press, touch and arrow keys; the number of the one chosen."""
    data = {"names": list(names), "times": list(times), "step": 0}
    return _steps(data=data, key=key, on_step_change=_heard).step or 0


def picture(pixels: NDArray[np.uint8], label: str, *, identity: str, key: str) -> None:
    """Show a picture large, to zoom into."""
    url = picture_url(pixels, VIEW_SIDE)
    _picture(data={"id": identity, "label": label, "url": url}, key=key)


def neighbours(data: dict, *, key: str) -> list[int] | None:
    """Show a pixel and its neighbours; the pixel [x, y] last pointed at, or None.

    data: as in neighbours.js.
    """
    return _neighbours(data=data, key=key, on_pixel_change=_heard).pixel


def column_slider(url: str, count: int, *, first: int, height: str, key: str) -> int:
    """Show a photo with a line on it to drag; the column it stands on.

    url: data URL of the photo; count: its columns; height: CSS, the most it may take.
    """
    data = {"id": key, "url": url, "count": count, "column": first, "height": height}
    chosen = _column(data=data, key=key, on_column_change=_heard).column
    return first if chosen is None else chosen


def brush(pictures: dict, *, key: str) -> list[dict] | None:
    """Paint keep, erase and unknown on a trimap; the strokes when "Solve again" is pressed."""
    return _brush(data=pictures, key=key, on_solve_change=_heard).solve


@st.cache_data(max_entries=6, show_spinner=False)
def viewer_pictures(identity: str, _matte: Matte) -> dict[str, str]:
    """Photo, foreground and alpha as data URLs of one size, at most VIEW_SIDE px long."""
    return {
        "id": identity,
        "photo": picture_url(_matte.image, VIEW_SIDE),
        "foreground": picture_url(_matte.foreground, VIEW_SIDE),
        "alpha": data_url(encode_png(shrunk(alpha_channel(_matte), VIEW_SIDE)), "png"),
    }


@st.cache_data(max_entries=6, show_spinner=False)
def brush_pictures(
    identity: str, _image: NDArray[np.uint8], _trimap: NDArray[np.uint8]
) -> dict[str, str | int]:
    """Photo and trimap as data URLs for `brush`, with the photo's size in pixels."""
    height, width = _trimap.shape
    return {
        "id": identity,
        "width": width,
        "height": height,
        "photo": picture_url(_image, VIEW_SIDE),
        "trimap": data_url(encode_png(shrunk(_trimap, VIEW_SIDE, Image.Resampling.NEAREST)), "png"),
    }


def working(pixels: NDArray[np.uint8], label: str = "") -> str:
    """Show a picture on the stage while something is being done to it."""
    tag = f"<span>{escape(label)}</span>" if label else ""
    url = picture_url(pixels, 1024)
    return f'<div class="dm-working"><img src="{url}" alt="Latest step">{tag}</div>'


def stage_rows(names: Sequence[str], done: Sequence[Stage]) -> str:
    """List the stages while they run: picture, name and seconds of those that are done."""
    rows = []
    for index, name in enumerate(names):
        stage = done[index] if index < len(done) else None
        state = "done" if stage else "running" if index == len(done) else "waiting"
        picture = f'<img src="{picture_url(stage.picture, 128)}" alt="">' if stage else "<i></i>"
        chip = f'<span class="dm-chip">{seconds(stage.seconds)}</span>' if stage else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in stage.notes) if stage else ""
        rows.append(
            f'<li class="{state}">{picture}<div><b>{escape(name)}</b>{notes}</div>{chip}</li>'
        )
    return f'<ol class="dm-rows" aria-live="polite">{"".join(rows)}</ol>'


def stage_times(stages: Sequence[Stage]) -> str:
    """List every stage's seconds with a bar for its share of the whole."""
    whole = sum(stage.seconds for stage in stages) or 1.0
    rows = "".join(
        f"<li>{escape(stage.name)}<span>{seconds(stage.seconds)}</span>"
        f'<i style="--share:{stage.seconds / whole:.1%}"></i></li>'
        for stage in stages
    )
    return f'<ol class="dm-times">{rows}</ol>'


def film(stages: Sequence[Stage]) -> str:
    """Every stage as a large card; a card that has the focus fills the window."""
    cards = []
    for number, stage in enumerate(stages, 1):
        name, url = escape(stage.name), picture_url(stage.picture, STAGE_SIDE)
        notes = "".join(f"<p>{escape(note)}</p>" for note in stage.notes)
        cards.append(
            f'<figure><span class="dm-frame" tabindex="0" role="img" aria-label="{name}, enlarge">'
            f'<img src="{url}" alt="{name}"></span>'
            f"<figcaption><small>{number}</small><b>{name}</b>"
            f'<span class="dm-chip">{seconds(stage.seconds)}</span></figcaption>{notes}</figure>'
        )
    return f'<div class="dm-film">{"".join(cards)}</div>'


def seconds(value: float) -> str:
    """Write a duration the way one says it."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def shrunk(
    pixels: NDArray[np.uint8], side: int, resample: Image.Resampling = Image.Resampling.LANCZOS
) -> NDArray[np.uint8]:
    """Scale a picture down so that its long side is at most `side` px."""
    if max(pixels.shape[:2]) <= side:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), resample)
    return np.asarray(picture)


def picture_url(pixels: NDArray[np.uint8], side: int) -> str:
    """Encode an RGB picture as a JPEG data URL, at most `side` px long."""
    return data_url(encode_jpeg(shrunk(pixels, side), quality=90), "jpeg")


def data_url(data: bytes, kind: str) -> str:
    """Write an encoded picture as a URL the browser opens without a request."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _heard() -> None:
    """Streamlit reports an event only when it has a callback."""
