"""Hardware: columns, whole portraits and sounds through a LaunchPad with 4 KB of RAM."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from random import randrange
from uuid import uuid4

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from serial import SerialBase
from streamlit.delta_generator import DeltaGenerator

import deepmasque
from deepmasque import launchpad
from deepmasque.evaluation.metrics import mad
from deepmasque.image import SUFFIXES, encode_png
from deepmasque.launchpad import (
    SRAM_BYTES,
    Assembly,
    Board,
    Column,
    ColumnResult,
    Columns,
    exact,
    twin,
)
from deepmasque.launchpad.constants import CAPTURE_RATE_LEAST
from deepmasque.launchpad.faults import FaultyLine
from deepmasque.launchpad.link import VIRTUAL, open_port
from deepmasque.launchpad.virtual_board import VirtualBoard, VirtualPort, open_virtual
from deepmasque.portrait import pictures
from deepmasque.portrait.trimap import UNKNOWN
from pages.components import (
    FOLDER,
    column_charts,
    column_slider,
    picture,
    picture_url,
    seconds,
    steps,
    working,
)
from pages.components.shelf import (
    LOADING,
    Job,
    Progress,
    another_photo,
    device,
    sample_gallery,
    title,
)

MODES = {"auto": "Auto", "exact": "Exact", "windowed": "Windowed"}
NOISE_RATE = 0.002  # of a byte: several faults in every column
CLOCK = 16_000_000
REDRAW_SECONDS = 0.4
PHASES = {"send": "Sending", "graph": "Graph", "solve": "Solving, step", "receive": "Receiving"}
ROOT = Path(__file__).parent.parent
IMAGES = [ROOT / "firmware" / "image" / f"fr2433.{ending}" for ending in ("txt", "elf")]
MEMORY = ROOT / "benchmarks" / "memory.json"
MICROPHONE = "The board’s microphone"


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


@dataclass(frozen=True)
class Sound:
    """A recording that took a column's place."""

    name: str
    moments: NDArray[np.float64]
    solved: Solved


# --- the board ------------------------------------------------------------------------------


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
        chips = st.empty()
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
        chips.html("".join(f'<span class="dm-chip">{escape(each)}</span> ' for each in said))
    if error := st.session_state.pop("hardware-error", None):
        message.error(error)
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


# --- the photo ------------------------------------------------------------------------------


def intake() -> None:
    """Ask for a photo: a file or a sample."""
    drop, pick = st.columns([6, 5], gap="large")
    key = f"hardware-file-{st.session_state.setdefault('attempt', 0)}"
    with drop.container(key="drop"):
        st.file_uploader(
            "Photo",
            type=SUFFIXES,
            key=key,
            on_change=take_file,
            args=[key],
            label_visibility="collapsed",
        )
    with pick.container(key="pick"):
        job = sample_gallery("hardware-samples", height="clamp(280px, 50vh, 480px)")
    if job:
        st.session_state["hardware-job"] = job
        st.rerun()


def take_file(key: str) -> None:
    """Turn the file that was just dropped into a job."""
    if file := st.session_state[key]:
        st.session_state.attempt += 1  # the next drop zone begins empty
        st.session_state["hardware-job"] = Job(file.name, file.getvalue())


def work_on(job: Job) -> None:
    """Find the band of a photo and cut it into columns, every stage shown as it ends."""
    stage, side = st.columns([7, 3], gap="medium")
    with side:
        st.html(f'<h1 class="dm-title dm-name">{title(job.name)}</h1>')
        rows = st.empty()
        st.button("Cancel", key="cancel", on_click=leave)
    progress = Progress(rows, stage=stage.empty())
    try:
        photo = deepmasque.read_image(job.photo)
        progress.show(photo, LOADING)
        device()
        matte = deepmasque.matte(photo, on_stage=progress)
        cut = launchpad.columns(matte.image, matte.trimap)
        desktop = deepmasque.knn_matting(cut.image, cut.trimap)
    except deepmasque.ImageError as error:
        st.session_state["hardware-error"] = another_photo(error)
    except deepmasque.DeepMasqueError as error:
        st.session_state["hardware-error"] = str(error)
    else:
        st.session_state.subject = Subject(job.name, cut, desktop)
    del st.session_state["hardware-job"]
    st.rerun()


def leave() -> None:
    """Forget the photo; the page asks for the next one."""
    for name in ("hardware-job", "subject", "running"):
        st.session_state.pop(name, None)


@st.cache_data(max_entries=6, show_spinner=False)
def banded(identity: str, _columns: Columns) -> str:
    """The photo as a data URL, dimmed where the trimap knows the answer."""
    known = (_columns.trimap != UNKNOWN)[..., None]
    shown = np.where(known, _columns.image * 0.55, _columns.image * 0.75 + (61, 41, 9))
    return picture_url(shown.astype(np.uint8), 1600)


# --- one column -----------------------------------------------------------------------------


def column_view(url: str, message: DeltaGenerator) -> None:
    """Pick a column on the photo, send it, look at what came back."""
    subject: Subject = st.session_state.subject
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
        chips(
            f"{unknown} of {len(column.trimap)} unknown",
            f"2 components carry {first + second:.0%} of the colour",
        )
        mode, noise = settings()
        with st.container(horizontal=True):
            sending = st.button("Send column", type="primary", key="send")
            if st.button("New photo", key="new"):
                leave()
                st.rerun()
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


def chips(*said: str) -> None:
    """Show short facts."""
    marks = "".join(f'<span class="dm-chip">{escape(each)}</span>' for each in said)
    st.html(f'<div class="dm-facts">{marks}</div>')


def figures(solved: Solved, desktop: NDArray[np.float32] | None = None) -> None:
    """List what was measured."""
    result, band = solved.result, solved.column.trimap == UNKNOWN
    apart = most_apart(result.alpha, solved.exact)
    work = "iterations" if result.mode == "exact" else "sweeps"
    rows = [
        ("Bytes sent, received", f"{solved.sent:,}, {solved.received:,}"),
        ("Mode", f"{result.mode}, {result.iterations} {work}"),
        ("CPU cycles", f"{result.cycles:,}"),
        ("At 16 MHz", seconds(result.cycles / CLOCK)),
        ("Waited, line included", seconds(solved.seconds)),
        ("RAM, stack included", ram_share(result.ram_bytes)),
        ("Stack", f"{result.stack_bytes} bytes"),
        ("Board and twin", agreement(result.alpha, solved.twin)),
        (
            "Board and float64 exact",
            f"at most {apart} of 255 apart",
        ),
    ]
    if solved.faults is not None:
        rows.append(("Line faults", f"{solved.faults}, all noticed"))
    if desktop is not None and band.any():
        mean = mad(result.alpha / 255, desktop, band)
        rows.append(("Board and desktop", f"{mean:.3f} apart on average in the band"))
    table(rows)


def table(rows: list[tuple[str, str]]) -> None:
    """Show names and values."""
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    st.html(f'<dl class="dm-table">{cells}</dl>')


def ram_share(ram: int) -> str:
    """Write how much of its memory the board used."""
    return f"{ram:,} of {SRAM_BYTES:,} bytes"


def agreement(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> str:
    """Say whether two alphas are the same bytes."""
    wrong = np.count_nonzero(first != second)
    return "identical bytes" if not wrong else f"{wrong} pixels differ"


def most_apart(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> int:
    """Return the largest difference in levels."""
    return int(np.abs(first.astype(int) - second).max())


def plots(
    solved: Solved,
    *,
    desktop: NDArray[np.float32] | None = None,
    signal: NDArray | None = None,
    unit: str = "row",
) -> None:
    """Draw what came back."""
    column, alpha = solved.column, solved.result.alpha
    levels = {"Board": alpha, "Twin": solved.twin, "Exact": solved.exact}
    if desktop is not None:
        levels["Desktop"] = 255 * desktop
    lines, plane = st.columns([6, 4], gap="medium")
    with lines:
        chart(column_charts.alphas(column.trimap, levels, unit=unit, signal=signal), "alphas")
    with plane:
        chart(column_charts.plane(column.features, column.trimap, alpha), "plane")
        st.html(
            '<p class="dm-help dm-caption">Each point is a pixel in the plane of its two features,'
            " as the board sees it.</p>"
            if signal is None
            else '<p class="dm-help dm-caption">Each point is a moment: how it moves and how loud'
            " it is around it.</p>"
        )


def chart(figure: go.Figure, key: str) -> None:
    """Show a chart."""
    st.plotly_chart(figure, key=key, theme=None, config={"displayModeBar": False})


# --- the whole portrait ---------------------------------------------------------------------


def portrait_view(url: str, _: DeltaGenerator) -> None:
    """All columns of the photo, with progress, cancel and resume."""
    subject: Subject = st.session_state.subject
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
        caption("<b>The board</b>, one column at a time")
    with right:
        picture(pictures.grey(subject.desktop), "Desktop", identity="0", key=named(subject, "all"))
        caption("<b>The desktop solver</b>, all columns at once")
    if running:
        try:
            run_columns(url, assembly, bar, place)
        except deepmasque.DeepMasqueError as error:
            st.session_state["hardware-error"] = str(error)
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
        caption("<b>Amber</b>: the board is more opaque, <b class=dm-blue>blue</b>: the desktop")
    with right:
        table([(name, text) for name, text, _ in portrait_figures(subject)])
        for note in assembly.notes:
            caption(escape(note))
        caption(
            "The board sees one column at a time; the desktop solver sees its neighbours too."
            " That is the difference."
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
            f"{assembly.ram_bytes:,} of {SRAM_BYTES:,} bytes",
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


def caption(html: str) -> None:
    """Write a line under a picture."""
    st.html(f'<p class="dm-help dm-caption">{html}</p>')


# --- a sound --------------------------------------------------------------------------------


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
            if st.button("The board’s microphone", icon=":material/mic:", key="microphone"):
                st.session_state["sound-job"] = (MICROPHONE, None)
    with choose:
        st.file_uploader(
            "WAV file", type=["wav"], key="wav", on_change=take_sound, args=["wav", "Your file"]
        )
        caption(
            "Loud is foreground, silence background; what lies between, the board decides."
            + (" The virtual board’s microphone hears your last sound." if url == VIRTUAL else "")
        )
    place = st.empty()
    if job := st.session_state.pop("sound-job", None):
        with sentence(message):
            st.session_state.sound = solve_sound(url, *job, place)
    if sound := st.session_state.get("sound"):
        column = sound.solved.column
        st.html(f'<h2 class="dm-title">{escape(sound.name)}</h2>')
        chips(f"{np.count_nonzero(column.trimap == UNKNOWN)} of {len(column.trimap)} unknown")
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


# --- memory ---------------------------------------------------------------------------------


def memory_view(url: str, message: DeltaGenerator) -> None:
    """What matting takes elsewhere, and what the board measured of itself."""
    rows = json.loads(MEMORY.read_text(encoding="utf-8"))
    place = st.empty()
    if st.button("Measure the board", type="primary", key="measure"):
        with sentence(message), launchpad.connect(url) as board:
            column = launchpad.signal_column(launchpad.sample_sound()[0])
            st.session_state.ram = solve(board, column, "auto", st.empty()).result.ram_bytes
    if ram := most_ram():
        rows.append(
            {
                "name": column_charts.BOARD,
                "bytes": ram,
                "source": "measured by the board itself, in this session, stack included",
            }
        )
    with place:
        chart(column_charts.memory(rows), "memory")
    sources = "".join(
        f"<dt>{escape(row['name'])}</dt><dd>{escape(row['source'])}</dd>" for row in rows
    )
    st.html(f'<dl class="dm-table dm-sources">{sources}</dl>')
    caption("For the matting step alone: networks, photo and program are not counted.")


def most_ram() -> int:
    """The most RAM that the board measured in this session; 0 before it did."""
    subject, sound = st.session_state.get("subject"), st.session_state.get("sound")
    found = [st.session_state.get("ram", 0)]
    found += [subject.assembly.ram_bytes] if subject else []
    found += [each.solved.result.ram_bytes for each in (subject, sound) if each and each.solved]
    return max(found)


# --- a board of one's own -------------------------------------------------------------------


def board_view(_url: str, _: DeltaGenerator) -> None:
    """How to wire, flash and find a LaunchPad."""
    wires, words = st.columns([11, 9], gap="large", vertical_alignment="center")
    with wires:
        st.image(FOLDER / "wiring.svg", width="stretch")
    with words:
        st.html(
            '<ol class="dm-howto">'
            "<li><b>Plug in</b> an MSP-EXP430FR2433 by USB, the jumpers TXD and RXD in place. For"
            " sound, a microphone amplifier at 3V3, GND and P1.3.</li>"
            "<li><b>Flash</b> the firmware with one of<ul>"
            "<li>UniFlash: choose MSP430FR2433 and load <code>fr2433.txt</code></li>"
            '<li><code>mspdebug tilib "prog fr2433.elf"</code></li>'
            "<li>Energia: open <code>firmware/energia/DeepMasque</code>, board"
            " MSP-EXP430FR2433LP, Upload</li></ul></li>"
            "<li><b>Choose its port</b> above, “MSP Application UART”, and press Connect.</li></ol>"
        )
        with st.container(horizontal=True):
            for image in IMAGES:
                st.download_button(
                    image.name, image.read_bytes, image.name, on_click="ignore", key=image.name
                )


WITH_PHOTO = {"Column": column_view, "Whole portrait": portrait_view}
ALWAYS = {"Sound": sound_view, "Memory": memory_view, "Your board": board_view}
VIEWS = (*WITH_PHOTO, *ALWAYS)

if "hardware-job" in st.session_state:
    work_on(st.session_state["hardware-job"])
else:
    port, message = head()
    view = VIEWS[steps(VIEWS, [""] * len(VIEWS), key="hardware-steps")]
    with st.container(key="hardware"):
        if view in ALWAYS:
            ALWAYS[view](port, message)
        elif "subject" in st.session_state:
            WITH_PHOTO[view](port, message)
        else:
            intake()
