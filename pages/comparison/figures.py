"""How figures of a comparison are written: their headings, their units, their tables."""

import pandas as pd
import streamlit as st

HEADINGS = {
    "iou": ("IoU, % ↑", "%.2f"),
    "boundary_iou": ("boundary IoU, % ↑", "%.2f"),
    "sad": ("SAD ↓", "%.2f"),
    "mse": ("MSE ↓", "%.4f"),
    "mad": ("MAD ↓", "%.4f"),
    "grad": ("Grad ↓", "%.2f"),
    "conn": ("Conn ↓", "%.2f"),
    "seconds": ("time, s ↓", "%.2f"),
    "cpu_seconds": ("CPU, s ↓", "%.2f"),
    "added_mb": ("memory, MB ↓", "%.0f"),
    "peak_mb": ("with program, MB ↓", "%.0f"),
}
"""By column of a benchmark's table: heading and format."""
PERCENT = ("iou", "boundary_iou")
MEANING = (
    "Sort by pressing a heading. SAD, Grad and Conn are in thousands, as published. The memory is "
    "what the method needed for this photo, beyond itself; the next column counts program and "
    "models too."
)


def figure_table(rows: pd.DataFrame, key: str, *, select: bool = False) -> int | None:
    """Show rows as a table to be sorted by its headings; the row that was pressed, if any.

    rows: columns of HEADINGS, and others in front of them, which are shown as they are. Columns
    of which nothing is known are left out.
    """
    shown = rows.copy()
    for name in PERCENT:
        if name in shown:
            shown[name] = 100 * shown[name]
    shown = shown.dropna(axis="columns", how="all")
    columns = {
        name: st.column_config.NumberColumn(heading, format=form)
        for name, (heading, form) in HEADINGS.items()
    }
    options = {"on_select": "rerun", "selection_mode": "single-row"} if select else {}
    with st.container(key=f"table-{key}"):
        event = st.dataframe(
            shown, column_config=columns, hide_index=True, width="stretch", key=key, **options
        )
    pressed = event.selection.rows if select else []
    return pressed[0] if pressed else None
