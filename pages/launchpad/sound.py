"""A recording in the place of a column."""

from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from serial import SerialBase
from streamlit.delta_generator import DeltaGenerator

from deepmasque import launchpad
from deepmasque.launchpad import Board
from deepmasque.launchpad.constants import CAPTURE_RATE_LEAST
from deepmasque.launchpad.link import VIRTUAL, open_port
from deepmasque.launchpad.virtual_board import VirtualBoard, VirtualPort, open_virtual
from deepmasque.portrait.trimap import UNKNOWN
from pages.components.markup import caption, chips
from pages.launchpad.board import Solved, sentence, solve
from pages.launchpad.figures import figures, plots

MICROPHONE = "The board’s microphone"


@dataclass(frozen=True)
class Sound:
    """A recording that took a column's place."""

    name: str
    moments: NDArray[np.float64]
    solved: Solved


def sound_view(url: str, message: DeltaGenerator) -> None:
    """A recording in the place of a column."""
    record, choose = st.columns([1, 1], gap="large")
    with record:
        st.audio_input(
            "Record", key="recorded", on_change=take_sound, args=["recorded", "Your recording"]
        )
        with st.container(horizontal=True):
            if st.button("Sample sound", icon=":material/graphic_eq:", key="sample-sound"):
                st.session_state["sound-job"] = ("Sample sound", None)
            if st.button(MICROPHONE, icon=":material/mic:", key="microphone"):
                st.session_state["sound-job"] = (MICROPHONE, None)
    with choose:
        st.file_uploader(
            "WAV file", type=["wav"], key="wav", on_change=take_sound, args=["wav", "Your file"]
        )
        st.html(
            caption(
                "Loud is foreground, silence background; what lies between, the board decides."
                + (
                    " The virtual board’s microphone hears your last sound."
                    if url == VIRTUAL
                    else ""
                )
            )
        )
    place = st.empty()
    if job := st.session_state.pop("sound-job", None):
        with sentence(message):
            st.session_state.sound = solve_sound(url, *job, place)
    if sound := st.session_state.get("sound"):
        column = sound.solved.column
        st.html(f'<h2 class="dm-title">{escape(sound.name)}</h2>')
        st.html(
            chips(f"{np.count_nonzero(column.trimap == UNKNOWN)} of {len(column.trimap)} unknown")
        )
        plots(sound.solved, signal=sound.moments, unit="moment")
        figures(sound.solved)


def take_sound(key: str, name: str) -> None:
    """Turn the recording that was just made or dropped into a job."""
    if file := st.session_state[key]:
        st.session_state["sound-job"] = (name, file.getvalue())


def solve_sound(url: str, name: str, data: bytes | None, place: DeltaGenerator) -> Sound:
    """Make a column of a recording and have it solved."""
    if name == MICROPHONE:
        with Board(listening(url), url) as board:
            board.hello()
            place.progress(0.0, "Listening")
            samples = board.capture(CAPTURE_RATE_LEAST)
            solved = solve(board, launchpad.signal_column(samples), "auto", place)
    else:
        samples, rate = launchpad.read_recording(data) if data else launchpad.sample_sound()
        column = launchpad.signal_column(samples)
        st.session_state.recording = (samples, rate)
        with launchpad.connect(url) as board:
            solved = solve(board, column, "auto", place)
    return Sound(name, launchpad.moments(samples), solved)


def listening(url: str) -> SerialBase | VirtualPort:
    """A board's line; at a virtual board's microphone the last recording is played."""
    if url != VIRTUAL:
        return open_port(url)
    samples, rate = st.session_state.get("recording") or launchpad.sample_sound()
    return open_virtual(VirtualBoard(microphone=(32767 * samples).astype(np.int16), rate=rate))
