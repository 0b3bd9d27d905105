"""Many photos: methods on the samples or on a folder, with progress, to be resumed any time."""

import streamlit as st

import deepmasque
from deepmasque.evaluation.benchmark import scenes
from deepmasque.evaluation.report import html
from pages.comparison.board import measured_part
from pages.comparison.measured import SAMPLES, Measured, folder_of, measured_in
from pages.comparison.photo import FIRST_CHOICE
from pages.comparison.run import Run, choose_methods, ticked_methods, watched
from pages.components.markup import caption

LAYOUTS = (
    "“samples”, “pairs”, or a folder on this machine: of photos; of images/ and masks/, perhaps"
    " plates/; or of input/, alpha/ and trimaps, as alphamatting.com has them. NAME_plate.jpg is"
    " the plate of NAME.jpg. What is finished is kept, and a run that was cancelled goes on where"
    " it stopped."
)


def many_view() -> None:
    """Choose photos and methods, run them, look at the table."""
    st.html(caption(LAYOUTS))
    with st.container(horizontal=True, vertical_alignment="bottom", key="many-photos"):
        st.text_input("Photos", SAMPLES, key="photos")
        st.number_input("At most", 1, 10_000, 20, key="most", width=150)
    chosen = choose_methods(FIRST_CHOICE, "many-methods")
    if watched("many-run"):
        return
    if run := st.session_state.pop("many-run", None):
        if run.rows:
            st.session_state["many-done"] = run.out
        st.session_state["many-error"] = run.error
    if error := st.session_state.pop("many-error", ""):
        st.error(error)
    st.button("Run", type="primary", key="run-many", disabled=not chosen, on_click=start)
    if out := st.session_state.get("many-done"):
        results(measured_in(out))


def start() -> None:
    """Let the ticked methods run on the photos that were named."""
    photos, most = st.session_state["photos"].strip(), st.session_state["most"]
    chosen = ticked_methods("many-methods")
    try:
        st.session_state["many-run"] = Run(scenes(photos)[:most], chosen, folder_of(photos))
    except (deepmasque.DeepMasqueError, OSError) as error:
        st.session_state["many-error"] = str(error)


def results(measured: Measured) -> None:
    """The table, its charts, and what can be taken home."""
    measured_part(measured, "many")
    with st.container(horizontal=True, key="many-downloads"):
        st.download_button(
            "Download table",
            lambda: measured.table.to_csv(index=False),
            "results.csv",
            on_click="ignore",
            key="many-csv",
        )
        st.download_button(
            "Download report",
            lambda: html(measured.table, measured.out, list(measured.scenes().values())),
            "report.html",
            on_click="ignore",
            key="many-html",
        )
