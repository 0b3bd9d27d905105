"""Columns of a photo, one by one or all of them."""

import json
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from random import randrange
from uuid import uuid4

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

import deepmasque
from deepmasque import launchpad
from deepmasque.evaluation.metrics import mad
from deepmasque.image import encode_png
from deepmasque.launchpad import Assembly, Board, Column, Columns
from deepmasque.launchpad.faults import FaultyLine
from deepmasque.launchpad.link import open_port
from deepmasque.portrait import pictures
from deepmasque.portrait.trimap import UNKNOWN
from pages.components import column_slider, picture
from pages.components.intake import PhotoPage, Progress, title
from pages.components.markup import caption, chips, seconds, working
from pages.components.pictures import picture_url
from pages.components.shelf import Job
from pages.launchpad.board import CLOCK, REDRAW_SECONDS, Solved, sentence, solve
from pages.launchpad.figures import figures, plots, ram_share, table

PAGE = PhotoPage("hardware", kept=("subject", "running"))
MODES = {"auto": "Auto", "exact": "Exact", "windowed": "Windowed"}
NOISE_RATE = 0.002  # of a byte: several faults in every column


@dataclass
class Subject:
    """The photo of this visitor; `desktop` is the alpha of the desktop solver, (800, W) float32."""

    name: str
    columns: Columns
    desktop: NDArray[np.float32]
    solved: Solved | None = None
    assembly: Assembly = field(init=False)
    identity: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.assembly = Assembly(self.columns)


def cut(job: Job, photo: NDArray[np.uint8], progress: Progress) -> Subject:
    """Find the band of a photo and cut it into columns."""
    matte = deepmasque.matte(photo, on_stage=progress)
    columns = launchpad.columns(matte.image, matte.trimap)
    return Subject(job.name, columns, deepmasque.knn_matting(columns.image, columns.trimap))


@st.cache_data(max_entries=6, show_spinner=False)
def banded(identity: str, _columns: Columns) -> str:
    """The photo as a data URL, dimmed where the trimap knows the answer."""
    known = (_columns.trimap != UNKNOWN)[..., None]
    shown = np.where(known, _columns.image * 0.55, _columns.image * 0.75 + (61, 41, 9))
    return picture_url(shown.astype(np.uint8), 1600)


def column_view(url: str, message: DeltaGenerator) -> None:
    """Pick a column on the photo, send it, look at what came back."""
    subject: Subject = PAGE.result
    left, right = st.columns([11, 9], gap="large")
    with left:
        index = column_slider(
            banded(subject.identity, subject.columns),
            len(subject.columns),
            first=len(subject.columns) // 2,
            height="min(62vh, 118vw)",
            key=f"column-{subject.identity}",
        )
    column = subject.columns[index]
    with right:
        st.html(f'<h2 class="dm-title dm-name">{title(subject.name)}, column {index}</h2>')
        unknown = np.count_nonzero(column.trimap == UNKNOWN)
        first, second = subject.columns.explained
        marks = chips(
            f"{unknown} of {len(column.trimap)} unknown",
            f"2 components carry {first + second:.0%} of the colour",
        )
        st.html(f'<div class="dm-facts">{marks}</div>')
        mode, noise = settings()
        with st.container(horizontal=True):
            sending = st.button("Send column", type="primary", key="send")
            PAGE.leave_button()
        place = st.empty()
    if sending:
        with sentence(message):
            port = open_port(url)
            line = FaultyLine(port, NOISE_RATE, randrange(2**32)) if noise else None
            with Board(line or port, url) as board:
                board.hello()
                subject.solved = solve(board, column, mode, place, line)
    if subject.solved and subject.solved.column.index == index:
        with right:
            figures(subject.solved, subject.desktop[:, index])
        plots(subject.solved, desktop=subject.desktop[:, index])


def settings() -> tuple[str, bool]:
    """How to solve, and over which line."""
    with st.container(horizontal=True, vertical_alignment="center", key="settings"):
        mode = st.segmented_control(
            "Mode",
            MODES,
            format_func=MODES.get,
            default="auto",
            required=True,
            label_visibility="collapsed",
            key="column-mode",
        )
        noise = st.toggle(
            "Noisy line", key="noise", help="Flips, drops, doubles and adds bytes on the way."
        )
    return mode, noise


def portrait_view(url: str, _: DeltaGenerator) -> None:
    """All columns of the photo, with progress, cancel and resume."""
    subject: Subject = PAGE.result
    assembly, running = subject.assembly, "running" in st.session_state
    left_over = len(assembly.open)
    done = len(subject.columns) - left_over
    with st.container(horizontal=True, vertical_alignment="center", key="portrait-head"):
        st.html(f'<h2 class="dm-title dm-name">{title(subject.name)}</h2>')
        if running:
            st.button("Cancel", key="stop", on_click=stop)
        else:
            if left_over:
                label = f"Go on at column {assembly.open[0]}" if done else "Send all columns"
                st.button(label, type="primary", key="start", on_click=start)
            if done:
                st.button("From the start", key="again", on_click=start_again, args=[subject])
                portrait_downloads(subject)
    bar = st.empty()
    left, right = st.columns(2, gap="medium")
    with left:
        place = st.empty()
        st.html(caption("<b>The board</b>, one column at a time"))
    with right:
        picture(pictures.grey(subject.desktop), "Desktop", identity="0", key=named(subject, "all"))
        st.html(caption("<b>The desktop solver</b>, all columns at once"))
    if running:
        try:
            run_columns(url, assembly, bar, place)
        except deepmasque.DeepMasqueError as error:
            PAGE.say(str(error))
        del st.session_state["running"]
        st.rerun()
    with place:
        shown = pictures.grey(assembly.alpha)
        picture(shown, "Board", identity=str(done), key=named(subject, f"board-{done}"))
    if not left_over:
        summary(subject)


def named(subject: Subject, name: str) -> str:
    """Name a component so that it starts anew with every photo."""
    return f"{name}-{subject.identity}"


def start() -> None:
    """Let the columns run."""
    st.session_state.running = True


def start_again(subject: Subject) -> None:
    """Forget what was solved and let the columns run."""
    subject.assembly = Assembly(subject.columns)
    start()


def stop() -> None:
    """Stop the columns; what is solved is kept."""
    st.session_state.pop("running", None)


def run_columns(url: str, assembly: Assembly, bar: DeltaGenerator, place: DeltaGenerator) -> None:
    """Solve the open columns and show alpha as it grows."""
    total = len(assembly.columns)
    drawn = 0.0

    def draw(_: launchpad.Progress | Column) -> None:
        nonlocal drawn
        if (now := time.monotonic()) < drawn + REDRAW_SECONDS:
            return
        drawn = now
        done = total - len(assembly.open)
        cpu = seconds(assembly.cycles / CLOCK)
        bar.progress(done / total, f"{done} of {total} columns · {cpu} of a 16 MHz CPU")
        place.html(working(pictures.grey(assembly.alpha)))

    with launchpad.connect(url) as board:
        for column in assembly.solve(board, draw):
            draw(column)


def summary(subject: Subject) -> None:
    """What the whole portrait took, and how far the two alphas are apart."""
    assembly = subject.assembly
    alpha = assembly.alpha.astype(np.float32) / 255
    left, right = st.columns(2, gap="medium")
    with left:
        difference = pictures.difference(alpha, subject.desktop)
        picture(difference, "Difference", identity="0", key=named(subject, "difference"))
        st.html(
            caption(
                "<b>Amber</b>: the board is more opaque, <b class=dm-blue>blue</b>: the desktop"
            )
        )
    with right:
        table([(name, text) for name, text, _ in portrait_figures(subject)])
        for note in assembly.notes:
            st.html(caption(escape(note)))
        st.html(
            caption(
                "The board sees one column at a time; the desktop solver sees its neighbours too."
                " That is the difference."
            )
        )


def portrait_figures(subject: Subject) -> list[tuple[str, str, float]]:
    """What was measured of a whole portrait: name, text and value."""
    assembly, columns = subject.assembly, subject.columns
    apart = mad(assembly.alpha / 255, subject.desktop, columns.trimap == UNKNOWN)
    total, cpu = len(columns), assembly.cycles / CLOCK
    return [
        ("Columns", f"{total}, {assembly.windowed} of them windowed", total),
        ("CPU cycles", f"{assembly.cycles:,}", assembly.cycles),
        ("At 16 MHz", seconds(cpu), cpu),
        (
            "RAM, stack included",
            ram_share(assembly.ram_bytes),
            assembly.ram_bytes,
        ),
        ("Stack", f"{assembly.stack_bytes} bytes", assembly.stack_bytes),
        ("Board and desktop", f"{apart:.3f} apart on average in the band", apart),
    ]


def portrait_downloads(subject: Subject) -> None:
    """Offer alpha and figures."""
    stem = Path(subject.name).stem

    def record() -> str:
        return json.dumps({name: value for name, _, value in portrait_figures(subject)}, indent=1)

    for label, data, ending in (
        ("Alpha", lambda: encode_png(subject.assembly.alpha), "launchpad.png"),
        ("Figures", record, "launchpad.json"),
    ):
        st.download_button(label, data, f"{stem}-{ending}", on_click="ignore", key=ending)
