"""Compare: methods and others' results on one photo and on many, and the leader board."""

import streamlit as st

from pages.comparison.board import board_view
from pages.comparison.many import many_view
from pages.comparison.photo import photo_view
from pages.components import steps

VIEWS = {"Side by side": photo_view, "Many photos": many_view, "Leader board": board_view}

view = list(VIEWS)[steps(list(VIEWS), [""] * len(VIEWS), key="compare-steps")]
with st.container(key="compare"):
    VIEWS[view]()
