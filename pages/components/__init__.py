"""The dashboard's own components: plain HTML, CSS and JavaScript beside this file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.components.v2.types import ComponentRenderer
from streamlit.runtime.pages_manager import PagesManager

from pages.components.pictures import VIEW_SIDE, picture_url

# Until st.navigation has run once, Streamlit takes pages/ for its older kind of app, in which the
# address of a page runs that file alone, without app.py.
if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()

FOLDER = Path(__file__).parent


def _component(name: str, *parts: str) -> ComponentRenderer:
    """Register NAME.html, .css and .js, with the .css and .js of the parts it is made of."""

    def text(*files: str) -> str:
        return "\n".join((FOLDER / file).read_text(encoding="utf-8") for file in files)

    return st.components.v2.component(
        name,
        html=text(f"{name}.html"),
        css=text(*(f"{each}.css" for each in (*parts, name))),
        js=text("mount.js", *(f"{each}.js" for each in (*parts, name))),
    )


_gallery = _component("gallery")
_steps = _component("steps")
_column = _component("column")
_ballot = _component("ballot")
_picture = _component("picture", "stage")
_neighbours = _component("neighbours", "stage")
_brush = _component("brush", "stage")
_before_after = _component("before_after", "stage", "backdrop")
_side_by_side = _component("side_by_side", "stage", "backdrop", "modes")
_flicker = _component("flicker", "stage", "modes")
_camera = _component("camera")


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


def side_by_side(
    tiles: Sequence[dict],
    modes: Sequence[str],
    backgrounds: Sequence[dict],
    *,
    identity: str,
    key: str,
) -> None:
    """Show pictures of one size side by side, zoomed and moved together.

    identity: another one begins anew; tiles: {id, label, said, views}, where views has, by mode,
    what `cut_out_urls` returns or {url}.
    modes: the first is shown first; a tile without a view for one shows its own first.
    backgrounds: as for `before_after`, the first is shown first.
    """
    data = {"id": identity, "tiles": list(tiles), "modes": list(modes)}
    _side_by_side(data=data | {"backgrounds": list(backgrounds), "chosen": backgrounds[0]}, key=key)


def flicker(pictures: Sequence[dict], *, identity: str, key: str) -> None:
    """Show one of several pictures of one size large; a press changes between the first two.

    pictures: {label, url}; identity: another one begins anew.
    """
    _flicker(data={"id": identity, "pictures": list(pictures)}, key=key)


def camera(shots: Sequence[dict], *, wait: int, key: str) -> list[str] | None:
    """Take shots with the webcam, each after a countdown of `wait` seconds; their data URLs.

    shots: {said}, what to do until it is taken.
    """
    return _camera(data={"shots": list(shots), "wait": wait}, key=key, on_taken_change=_heard).taken


def ballot(identity: str, *, undo: bool, key: str, on_choice: Callable[[str, str], None]) -> None:
    """Ask which of two is better, by press and by key, once for every identity.

    undo: whether there is a vote to take back; on_choice: called before the next script run with
    the identity and "left", "right", "tie", "skip" or "undo".
    """

    def heard() -> None:
        said = st.session_state[key]["choice"]
        on_choice(said["id"], said["choice"])

    _ballot(data={"id": identity, "undo": undo}, key=key, on_choice_change=heard)


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


def brush(pictures: dict, *, key: str, done: str = "Solve again") -> list[dict] | None:
    """Paint keep, erase and unknown on a trimap; the strokes when the button `done` is pressed."""
    return _brush(data=pictures | {"done": done}, key=key, on_solve_change=_heard).solve


def _heard() -> None:
    """Streamlit reports an event only when it has a callback."""
