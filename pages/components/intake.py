"""A photo's way into a page: asked for, worked on while one watches, looked at, left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

import deepmasque
from deepmasque.image import SUFFIXES
from deepmasque.portrait import pipeline
from pages.components.markup import stage_rows, working
from pages.components.shelf import Job, sample_gallery

LOADING = "Loading the networks …"


@st.cache_resource(show_spinner=False)
def device() -> str:
    """Load every model once for all visitors; the name of the device that runs them."""
    return pipeline.warm_up()


def title(name: str) -> str:
    """Write a file name as a heading."""
    return escape(Path(name).stem.replace("_", " "))


def another_photo(error: deepmasque.ImageError) -> str:
    """Say what is wrong with a picture and what to do."""
    return f"{str(error).rstrip('.')}; please choose another photo."


class Progress:
    """Lists the stages of a running job, and shows the latest picture large if there is a place."""

    def __init__(
        self,
        rows: DeltaGenerator,
        done: Sequence[deepmasque.Stage] = (),
        stage: DeltaGenerator | None = None,
        names: Sequence[str] = pipeline.STAGES,
    ) -> None:
        self.rows, self.done, self.stage, self.names = rows, list(done), stage, names
        self.rows.html(stage_rows(names, self.done))

    def __call__(self, stage: deepmasque.Stage) -> None:
        """Take the stage that has just ended."""
        self.done.append(stage)
        self.rows.html(stage_rows(self.names, self.done))
        self.show(stage.picture)

    def show(self, pixels: NDArray[np.uint8], label: str = "") -> None:
        """Show a picture large."""
        if self.stage:
            self.stage.html(working(pixels, label))


def one_photo(files: Sequence[UploadedFile]) -> Job:
    """The photo that was dropped."""
    return Job(files[0].name, files[0].getvalue())


def hand_over(page: str, job: Job) -> None:
    """Leave a photo for a page to begin with."""
    st.session_state[f"{page}-job"] = job


@dataclass(frozen=True)
class PhotoPage:
    """A page about one photo at a time, so that a visitor's memory stays bounded.

    name: begins the names of its widgets and of what it remembers.
    kept: what it keeps in the session while it is about a photo; first what the work makes.
    stages: what the work goes through. load: loads what it needs, once for all visitors.
    """

    name: str
    kept: tuple[str, ...]
    stages: Sequence[str] = pipeline.STAGES
    load: Callable[[], str] = device

    @property
    def job(self) -> Job | None:
        """The photo to be worked on."""
        return st.session_state.get(f"{self.name}-job")

    @property
    def result(self) -> Any:
        """What the work made."""
        return st.session_state.get(self.kept[0])

    def show(
        self,
        make: Callable[[Job, NDArray[np.uint8], Progress], Any],
        look: Callable[[], None],
        ask: Callable[[], None],
    ) -> None:
        """Work on the photo that waits, look at what was made, or ask for one."""
        if self.job:
            self.work_on(make)
        elif self.result:
            look()
        else:
            ask()

    def intake(
        self,
        *,
        height: str = "clamp(280px, 56vh, 520px)",
        read: Callable[[Sequence[UploadedFile]], Job] = one_photo,
        several: bool = False,
        below: Callable[[], None] | None = None,
    ) -> None:
        """Ask for a photo: a file or a sample.

        height: of the samples, CSS; read: makes a job of what was dropped, which may be `several`
        files, or raises DeepMasqueError; below: draws what else is offered under the drop zone.
        """
        if error := self.pop_error():
            st.error(error)
        drop, pick = st.columns([6, 5], gap="large")
        key = f"{self.name}-files-{st.session_state.setdefault(f'{self.name}-attempt', 0)}"
        with drop.container(key="drop"):
            st.file_uploader(
                "Photo",
                type=SUFFIXES,
                accept_multiple_files=several,
                key=key,
                on_change=self._take,
                args=[key, read],
                label_visibility="collapsed",
            )
            if below:
                below()
        with pick.container(key="pick"):
            job = sample_gallery(f"{self.name}-samples", height)
        if job:
            self.start(job)

    def _take(self, key: str, read: Callable[[Sequence[UploadedFile]], Job]) -> None:
        """Turn what was just dropped into a job, or into a sentence why not."""
        if not (files := st.session_state[key]):
            return
        st.session_state[f"{self.name}-attempt"] += 1  # the next drop zone begins empty
        try:
            hand_over(self.name, read(files if isinstance(files, list) else [files]))
        except deepmasque.DeepMasqueError as error:
            self.say(str(error))

    def start(self, job: Job) -> None:
        """Begin with a photo in a fresh script run."""
        hand_over(self.name, job)
        st.rerun()

    def work_on(self, make: Callable[[Job, NDArray[np.uint8], Progress], Any]) -> None:
        """Make the result of the photo, (H, W, 3) uint8, every stage shown as it ends."""
        job = self.job
        for name in self.kept:  # the last photo makes room
            st.session_state.pop(name, None)
        stage, side = st.columns([7, 3], gap="medium")
        with side:
            st.html(f'<h1 class="dm-title dm-name">{title(job.name)}</h1>')
            rows = st.empty()
            st.button("Cancel", key="cancel", on_click=self.leave)
        progress = Progress(rows, stage=stage.empty(), names=self.stages)
        try:
            photo = deepmasque.read_image(job.photo)
            progress.show(photo, LOADING)
            self.load()
            st.session_state[self.kept[0]] = make(job, photo, progress)
        except deepmasque.ImageError as error:
            self.say(another_photo(error))
        except deepmasque.DeepMasqueError as error:
            self.say(str(error))
        del st.session_state[f"{self.name}-job"]
        st.rerun()

    def leave_button(self, width: str = "content", label: str = "New photo") -> None:
        """Offer to begin with another photo."""
        if st.button(label, key="new", width=width):
            self.leave()
            st.rerun()

    def leave(self) -> None:
        """Forget the photo; the page asks for the next one."""
        for name in (f"{self.name}-job", *self.kept):
            st.session_state.pop(name, None)

    def say(self, sentence: str) -> None:
        """Keep a sentence for the next script run to show."""
        st.session_state[f"{self.name}-error"] = sentence

    def pop_error(self) -> str | None:
        """The sentence that was kept, once."""
        return st.session_state.pop(f"{self.name}-error", None)
