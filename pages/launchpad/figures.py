"""What came back from the board: figures, charts, and how it compares."""

from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from deepmasque.evaluation.metrics import mad
from deepmasque.launchpad import SRAM_BYTES
from deepmasque.portrait.trimap import UNKNOWN
from pages.components.charts import chart
from pages.components.markup import caption, seconds
from pages.launchpad import charts
from pages.launchpad.board import CLOCK, Solved


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
        chart(charts.alphas(column.trimap, levels, unit=unit, signal=signal), "alphas")
    with plane:
        chart(charts.plane(column.features, column.trimap, alpha), "plane")
        st.html(
            caption(
                "Each point is a pixel in the plane of its two features, as the board sees it."
                if signal is None
                else "Each point is a moment: how it moves and how loud it is around it."
            )
        )
