"""Upload & matte: a photo in, its stages as they run, the cut-out to look at, correct and keep."""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from uuid import uuid4

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

import deepmasque
from deepmasque import samples
from deepmasque.compose import Gradient, alpha_channel
from deepmasque.image import SUFFIXES, encode_jpeg, encode_png
from deepmasque.portrait import pipeline, trimap
from pages.components import before_after, brush
from pages.components.intake import PhotoPage, Progress, another_photo, one_photo, title
from pages.components.markup import chips, film, seconds, stage_times
from pages.components.pictures import brush_pictures, picture_url, viewer_pictures
from pages.components.shelf import Job, backgrounds

OWN_UPLOADER = ".st-key-own-background input[type=file]"
PAGE = PhotoPage("matte", kept=("work", "own", "first", "chosen"))


@dataclass
class Work:
    """What this visitor's page is about."""

    name: str
    matte: deepmasque.Matte
    identity: str = field(default_factory=lambda: uuid4().hex)


def intake() -> None:
    """Ask for a photo: a file with or without a trimap, the webcam or a sample."""
    st.html('<h1 class="dm-title">Upload &amp; matte</h1>')

    def below() -> None:
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Use the webcam", icon=":material/photo_camera:", key="webcam"):
                webcam()
            st.caption("Have a trimap? Add both files, named “Image” and “Trimap”.")

    PAGE.intake(read=photo_and_trimap, several=True, below=below)


@st.dialog("Webcam", width="large")
def webcam() -> None:
    """Take one picture."""
    picture = st.camera_input("Webcam", resolution="1080p", label_visibility="collapsed")
    if picture:
        PAGE.start(Job("webcam.jpg", picture.getvalue()))


def photo_and_trimap(files: Sequence[UploadedFile]) -> Job:
    """One photo, or a photo and its trimap, told apart by their names."""
    if len(files) == 1:
        return one_photo(files)
    marked = {
        word: [file for file in files if word in file.name.lower()] for word in ("image", "trimap")
    }
    if len(files) != 2 or any(len(found) != 1 for found in marked.values()):
        raise deepmasque.DeepMasqueError(
            "Add one photo, or two files whose names contain “Image” and “Trimap”."
        )
    photo, given = marked["image"][0], marked["trimap"][0]
    return Job(photo.name, photo.getvalue(), given.getvalue())


def matted(job: Job, photo: NDArray[np.uint8], progress: Progress) -> Work:
    """Cut the people out."""
    return Work(job.name, deepmasque.matte(photo, trimap=job.trimap, on_stage=progress))


@st.fragment
def result() -> None:
    """Look at the cut-out, put it on a background, correct it, take it home."""
    work: Work = PAGE.result
    left, right = st.columns([7, 3], gap="medium")
    with right:
        facts(work)
        mode = st.segmented_control(
            "View",
            ["Compare", "Correct"],
            default="Compare",
            required=True,
            label_visibility="collapsed",
            key="mode",
            width="stretch",
        )
        panel = st.container(key="panel")
    with left:
        if mode == "Correct":
            correct(work, panel)
        else:
            compare(work, panel)
    st.html(f'<h2 class="dm-title">Step by step</h2>{film(work.matte.stages)}')


def facts(work: Work) -> None:
    """Name the photo and what was measured."""
    height, width = work.matte.alpha.shape
    whole = sum(stage.seconds for stage in work.matte.stages)
    marks = chips(f"{width} × {height}", seconds(whole), work.matte.device)
    notes = "".join(f"<p>{escape(note)}</p>" for note in work.matte.notes)
    st.html(
        f'<h1 class="dm-title dm-name">{title(work.name)}</h1>'
        f'<div class="dm-facts">{marks}</div><div class="dm-notes">{notes}</div>'
    )


def compare(work: Work, panel: DeltaGenerator) -> None:
    """Before and after over any background, the downloads beside it."""
    choices = backgrounds()
    own: OwnBackground | None = st.session_state.get("own")
    if own:
        choices.append({"id": own.identity, "label": "Your photo", "kind": "photo", "url": own.url})
    first = st.session_state.setdefault("first", choices[0])
    picked = before_after(
        viewer_pictures(work.identity, work.matte),
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
            on_change=take_background,
            label_visibility="collapsed",
        )
    if error := st.session_state.pop("background-error", None):
        st.error(error)
    with panel:
        downloads(work, st.session_state.chosen, own)
        PAGE.leave_button(width="stretch")
        st.html(stage_times(work.matte.stages))


@dataclass(frozen=True)
class OwnBackground:
    """A background photo of the visitor's; `url` shows it in the browser."""

    identity: str
    pixels: NDArray[np.uint8]
    url: str


def take_background() -> None:
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


def downloads(work: Work, picked: dict, own: OwnBackground | None) -> None:
    """Offer every result at full size; each is encoded when it is asked for."""
    matte, stem = work.matte, Path(work.name).stem
    alpha = alpha_channel(matte)

    def cutout() -> bytes:
        return encode_png(deepmasque.cutout(matte))

    def composite() -> bytes:
        return encode_png(deepmasque.composite(matte, new_background(picked, own)))

    def archive() -> bytes:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as files:
            files.writestr("colour.jpg", encode_jpeg(matte.foreground))
            files.writestr("alpha.png", encode_png(alpha))
        return held.getvalue()

    def offer(label: str, data: Callable[[], bytes], ending: str, **options) -> None:
        st.download_button(
            label, data, f"{stem}-{ending}", on_click="ignore", width="stretch", **options
        )

    offer("Download cut-out", cutout, "cutout.png", key="cutout", type="primary")
    left, right = st.columns(2, gap="small")
    with left:
        offer("Alpha", lambda: encode_png(alpha), "alpha.png", key="alpha")
        offer(
            "Composite",
            composite,
            "composite.png",
            key="composite",
            disabled=picked["kind"] == "transparent",
            help="Pick a background first",
        )
    with right:
        offer("Trimap", lambda: encode_png(matte.trimap), "trimap.png", key="trimap")
        offer("ZIP", archive, "matte.zip", key="zip")


def new_background(picked: dict, own: OwnBackground | None) -> str | Gradient | NDArray[np.uint8]:
    """Turn what the viewer reports into what `deepmasque.composite` takes."""
    if picked["kind"] == "colour":
        return picked["colours"][0]
    if picked["kind"] == "gradient":
        return Gradient(*picked["colours"])
    if own and picked["id"] == own.identity:
        return own.pixels
    paths = {sample.name: sample.path for sample in samples.backgrounds()}
    return deepmasque.read_image(paths[picked["id"]])


def correct(work: Work, panel: DeltaGenerator) -> None:
    """Paint on the trimap or widen its band, then solve the matting again."""
    matte = work.matte
    st.session_state.first = st.session_state.chosen  # what the viewer will come back with
    with panel:
        st.html(
            '<p class="dm-help"><b>Amber</b> is what the matting decides. Paint what must stay, '
            "what must go, or where it should look again.</p>"
        )
        width = st.slider("Band width", 0.5, 4.0, 1.0, 0.25, format="%.2f×", key="band")
        rows = st.empty()
    base = (
        matte.trimap if width == 1 else trimap.from_mask(matte.mask, matte.uncertainty, width=width)
    )
    strokes = brush(
        brush_pictures(f"{work.identity}-{width}", matte.image, base), key=f"brush-{work.identity}"
    )
    if strokes is None:
        return
    kept = pipeline.STAGES.index("Trimap")
    try:
        painted = trimap.painted(base, [trimap.Stroke(**stroke) for stroke in strokes])
        again = deepmasque.rematte(matte, painted, on_stage=Progress(rows, matte.stages[:kept]))
    except deepmasque.DeepMasqueError as error:
        panel.error(str(error))
        return
    st.session_state.work = Work(work.name, again)
    del st.session_state["mode"]
    st.rerun(scope="fragment")


if PAGE.job:
    PAGE.work_on(matted)
elif PAGE.result:
    result()
else:
    intake()
