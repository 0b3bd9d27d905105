"""What matting takes of a board's memory, and how to set up a board of one's own."""

import json
from html import escape
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepmasque import launchpad
from pages.components import FOLDER
from pages.components.charts import chart
from pages.components.markup import caption
from pages.launchpad import charts
from pages.launchpad.board import sentence, solve

ROOT = Path(__file__).parents[2]
IMAGES = [ROOT / "firmware" / "image" / f"fr2433.{ending}" for ending in ("txt", "elf")]
MEMORY = ROOT / "benchmarks" / "memory.json"


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
                "name": charts.BOARD,
                "bytes": ram,
                "source": "measured by the board itself, in this session, stack included",
            }
        )
    with place:
        chart(charts.memory(rows), "memory")
    sources = "".join(
        f"<dt>{escape(row['name'])}</dt><dd>{escape(row['source'])}</dd>" for row in rows
    )
    st.html(f'<dl class="dm-table dm-sources">{sources}</dl>')
    st.html(caption("For the matting step alone: networks, photo and program are not counted."))


def most_ram() -> int:
    """The most RAM that the board measured in this session; 0 before it did."""
    subject, sound = st.session_state.get("subject"), st.session_state.get("sound")
    found = [st.session_state.get("ram", 0)]
    found += [subject.assembly.ram_bytes] if subject else []
    found += [each.solved.result.ram_bytes for each in (subject, sound) if each and each.solved]
    return max(found)


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
