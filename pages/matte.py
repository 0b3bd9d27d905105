"""Upload & matte: a photo in, its stages as they run, the cut-out to look at, correct and keep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

import deepmasque
from deepmasque.image import encode_png
from deepmasque.portrait import pipeline, trimap
from pages.components import brush, cut_out
from pages.components.intake import PhotoPage, Progress, one_photo
from pages.components.markup import film, stage_times
from pages.components.pictures import brush_pictures
from pages.components.shelf import Job

PAGE = PhotoPage("matte", kept=("work", *cut_out.KEPT))


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
        cut_out.facts(work.name, work.matte)
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


def compare(work: Work, panel: DeltaGenerator) -> None:
    """Before and after over any background, the downloads beside it."""
    matte = work.matte
    cut_out.look(work.identity, matte)
    further = ("Trimap", "trimap.png", lambda: encode_png(matte.trimap))
    with panel:
        cut_out.downloads(work.name, matte, further)
        PAGE.leave_button(width="stretch")
        st.html(stage_times(matte.stages))


def correct(work: Work, panel: DeltaGenerator) -> None:
    """Paint on the trimap or widen its band, then solve the matting again."""
    matte = work.matte
    cut_out.keep_background()
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


PAGE.show(matted, result, intake)
