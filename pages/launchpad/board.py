"""The board behind the page: which port, what it says of itself, a column sent and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

import deepmasque
from deepmasque import launchpad
from deepmasque.launchpad import SRAM_BYTES, Board, Column, ColumnResult, exact, twin
from deepmasque.launchpad.faults import FaultyLine
from pages.components.markup import chips

CLOCK = 16_000_000
REDRAW_SECONDS = 0.4
PHASES = {"send": "Sending", "graph": "Graph", "solve": "Solving, step", "receive": "Receiving"}


@dataclass(frozen=True)
class Solved:
    """A column back from the board, with what the desktop makes of the same column."""

    column: Column
    result: ColumnResult
    twin: NDArray[np.uint8]
    exact: NDArray[np.uint8]
    sent: int
    received: int
    seconds: float
    faults: int | None = None


def head() -> tuple[str, DeltaGenerator]:
    """Title, port picker and what the board says of itself; the port, and a place for errors."""
    found = {port.url: port.description for port in launchpad.ports()}
    with st.container(horizontal=True, vertical_alignment="center", key="ports"):
        st.html('<h1 class="dm-title">Hardware</h1>', width="content")
        url = st.selectbox(
            "Port",
            list(found),
            format_func=lambda url: found.get(url, url),
            accept_new_options=True,
            label_visibility="collapsed",
            key="port",
            help="Another port or socket://host:port can be typed.",
            width=330,
        )
        connecting = st.button("Connect", icon=":material/usb:", key="connect")
        place = st.empty()
    message = st.empty()
    if connecting:
        st.session_state.pop("limits", None)
        with sentence(message), launchpad.connect(url or "") as board:
            st.session_state.limits = (url, board.hello())
    if st.session_state.get("limits", (None,))[0] == url:
        limits = st.session_state.limits[1]
        said = (
            "Energia" if limits.variant else "connected",
            f"{limits.clock_hz / 1e6:.0f} MHz",
            f"{SRAM_BYTES:,} bytes of RAM",
        )
        place.html(f'<div class="dm-line">{chips(*said)}</div>')
    return url or "", message


@contextmanager
def sentence(place: DeltaGenerator) -> Iterator[None]:
    """Whatever cannot be done becomes one sentence in a place."""
    try:
        yield
    except deepmasque.DeepMasqueError as error:
        place.error(str(error))


def solve(
    board: Board, column: Column, mode: str, place: DeltaGenerator, line: FaultyLine | None = None
) -> Solved:
    """Send a column and show how far it is."""
    meter = Meter(place.progress(0.0, "Sending"))
    start, sent, received = time.perf_counter(), board.sent, board.received
    result = board.solve_column(column.features, column.trimap, mode, meter)
    took = time.perf_counter() - start
    place.empty()
    return Solved(
        column,
        result,
        twin.solve_column(column.features, column.trimap, mode).alpha,
        exact.solve_column(column.features, column.trimap, mode).alpha,
        board.sent - sent,
        board.received - received,
        took,
        line.faults.total() if line else None,
    )


class Meter:
    """Shows now and then how far a column is."""

    def __init__(self, bar: DeltaGenerator) -> None:
        self.bar, self.next = bar, 0.0

    def __call__(self, progress: launchpad.Progress) -> None:
        """Take what the board reports; if the visitor pressed something, this ends the run."""
        if (now := time.monotonic()) < self.next:
            return
        self.next = now + REDRAW_SECONDS / 4
        share = 1.0 if progress.phase == "solve" else progress.done / max(1, progress.total)
        self.bar.progress(min(1.0, share), f"{PHASES[progress.phase]} {progress.done}")
