"""The look of every Plotly chart."""

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

AMBER, BLUE, WHITE, GREY = "#f5a623", "#54a8ff", "#f3ede4", "#9b9083"
PALE, GRID = "#b9afa2", "#2e2924"
COLOURS = (AMBER, BLUE, "#7fc77a", "#ec7063", "#b794f0", "#4cc3c7", "#d9a7c7", "#c8b88a", GREY)
"""Of lines and dots that have no colour of their own, in this order."""


def dressed(figure: go.Figure, height: int) -> go.Figure:
    """Give a chart the look of the dark stage."""
    figure.update_xaxes(
        gridcolor=GRID, zeroline=False, title_font_color=PALE, title_standoff=8, fixedrange=False
    )
    figure.update_yaxes(gridcolor=GRID, zeroline=False, title_font_color=PALE, fixedrange=True)
    return figure.update_layout(
        height=height,
        margin={"l": 60, "r": 16, "t": 44, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="#141110",
        font={"family": "Source Sans, sans-serif", "size": 14, "color": "#cfc6ba"},
        hoverlabel={"bgcolor": "#1a1714", "font_color": WHITE},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font_size": 13},
        dragmode=False,
    )


def chart(figure: go.Figure, key: str, place: DeltaGenerator | None = None) -> None:
    """Show a chart, here or in its place."""
    options = {"key": key, "theme": None, "config": {"displayModeBar": False}}
    (place or st).plotly_chart(figure, **options)
