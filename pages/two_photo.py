"""Two photos: with and without the subject in, its stages as they run, the cut-out to look at."""

from dataclasses import dataclass, field, replace
from uuid import uuid4

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from deepmasque.image import encode_png
from deepmasque.two_photo import pipeline
from deepmasque.two_photo.checklist import Light, checklist
from deepmasque.two_photo.layers import psd
from deepmasque.two_photo.morphology import CleanUp
from deepmasque.two_photo.plate import plate_notes
from pages.components import cut_out
from pages.components.intake import Progress
from pages.components.markup import film, stage_times
from pages.pair.intake import PAGE, PairJob, forget_all, intake, is_video, options, still
from pages.pair.views import (
    alignment_facts,
    alignment_view,
    clean_up_controls,
    error_facts,
    error_view,
    lights,
)

VIEWS = ("Compare", "Clean up", "Alignment", "Error")


@dataclass
class Work:
    """What this visitor's page is about.

    `preview` is the matte before any clean-up, small enough to be cleaned at once; `clean_up` is
    what is asked for, `done` what `matte` has had; `version` counts how often it was reset; `view`
    is the one last shown.
    """

    job: PairJob
    matte: pipeline.TwoPhotoMatte
    checklist: tuple[Light, ...]
    clean_up: CleanUp = field(default_factory=CleanUp)
    done: CleanUp = field(default_factory=CleanUp)
    version: int = 0
    view: str = VIEWS[0]
    identity: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.preview = pipeline.preview(self.matte)

    def finish(self) -> None:
        """Do at full size what was asked for."""
        if self.done != self.clean_up:
            self.matte, self.done = pipeline.clean(self.matte, self.clean_up), self.clean_up


def matted(job: PairJob, photo: NDArray[np.uint8], progress: Progress) -> Work:
    """Cut out what the plate does not show."""
    plate = still(job.plate_name, job.plate)
    matte = pipeline.matte_two_photo(
        photo, plate, mode=job.mode, refinement=job.refinement, on_stage=progress
    )
    if is_video(job.plate_name):
        matte = replace(matte, notes=(*matte.notes, *plate_notes(plate)))
    work = Work(job, matte, checklist(photo, matte.alignment))
    forget_all()
    return work


@st.fragment
def result() -> None:
    """Look at the cut-out, at how it came about, clean it up, take it home."""
    work: Work = PAGE.result
    left, right = st.columns([7, 3], gap="medium")
    with right:
        cut_out.facts(work.job.name, work.matte)
        view = st.segmented_control(
            "View",
            VIEWS,
            default=VIEWS[0],
            required=True,
            label_visibility="collapsed",
            key="pair-view",
            width="stretch",
        )
        if view != work.view:
            cut_out.keep_background()
            work.view = view
        if view == "Clean up":
            clean_up(work)
        else:
            with st.spinner("Cleaning up the whole photo …", show_time=False):
                work.finish()
    with left:
        show(work, view)
    with right:
        beside(work, view)
    st.html(
        f'<h2 class="dm-title">Capture</h2>{lights(work.checklist)}'
        f'<h2 class="dm-title">Step by step</h2>{film(work.matte.stages)}'
    )


def show(work: Work, view: str) -> None:
    """The large picture."""
    if view == "Alignment":
        alignment_view(work.identity, work.matte)
    elif view == "Error":
        error_view(work.identity, work.matte)
    elif view == "Clean up":
        with st.container(key="pair-cleaning"):
            shown = pipeline.clean(work.preview, work.clean_up)
            cut_out.look(f"{work.identity}-preview-{work.clean_up}", shown)
    else:
        cut_out.look(f"{work.identity}-{work.clean_up}", work.matte)


def beside(work: Work, view: str) -> None:
    """What belongs to it."""
    matte = work.matte
    if view == "Alignment":
        alignment_facts(matte)
        again(work)
    elif view == "Error":
        error_facts(matte)
    elif view == "Compare":
        name = work.job.name
        further = ("Foreground", "foreground.png", lambda: encode_png(matte.foreground))
        cut_out.downloads(name, matte, further)
        cut_out.offer(name, "Layers (PSD)", "layers.psd", lambda: psd(matte), key="layers")
        PAGE.leave_button(width="stretch", label="New pair")
        st.html(stage_times(matte.stages))


def clean_up(work: Work) -> None:
    """Clean the matte up as the sliders say, at once."""
    controls = f"{work.identity}-{work.version}"
    work.clean_up = clean_up_controls(work.matte, work.clean_up, controls)
    if st.button("Reset", key="clean-reset", disabled=work.clean_up == CleanUp()):
        work.clean_up = CleanUp()
        work.version += 1
        st.rerun(scope="fragment")


def again(work: Work) -> None:
    """Offer to cut out again with other options."""
    with st.container(horizontal=True):
        mode, refinement = options()
        if st.button("Cut out again", key="pair-again"):
            PAGE.start(replace(work.job, mode=mode, refinement=refinement))


PAGE.show(matted, result, intake)
