"""Charts of a preference study: who was preferred to whom, and the ranking that follows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from pages.components.charts import AMBER, BLUE, GRID, PALE, WHITE, dressed

SCALE = [[0, BLUE], [0.5, "#26211c"], [1, AMBER]]


def matrix(
    shares: NDArray[np.float64], names: Sequence[str], counts: NDArray | None = None
) -> go.Figure:
    """How often the column's method was preferred to the row's, 0..1; NaN stays empty.

    shares: (M, M). counts: how many votes stand behind each.
    """
    percent = 100 * shares
    said = [
        [
            "" if np.isnan(share) else _sentence(column, row, share, counts, i, j)
            for j, (column, share) in enumerate(zip(names, line, strict=True))
        ]
        for i, (row, line) in enumerate(zip(names, percent, strict=True))
    ]
    figure = go.Figure(
        go.Heatmap(
            z=percent,
            x=list(names),
            y=list(names),
            zmin=0,
            zmax=100,
            colorscale=SCALE,
            xgap=3,
            ygap=3,
            text=[["" if np.isnan(each) else f"{each:.0f}" for each in line] for line in percent],
            texttemplate="%{text}",
            textfont={"size": 15, "color": WHITE, "shadow": "auto"},
            customdata=said,
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=False,
            colorbar={
                "orientation": "h",
                "y": -0.02,
                "yanchor": "top",
                "ticksuffix": " %",
                "thickness": 8,
                "outlinewidth": 0,
            },
        )
    )
    figure.update_xaxes(
        title="was preferred to the row’s", side="top", tickangle=-60, showgrid=False
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    dressed(figure, 180 + 46 * max(5, len(names)))
    figure.update_xaxes(fixedrange=True, automargin=True)
    return figure.update_layout(margin={"l": 8, "r": 8, "t": 110}).update_yaxes(automargin=True)


def _sentence(column: str, row: str, percent: float, counts: NDArray | None, i: int, j: int) -> str:
    of = "of the votes" if counts is None else f"of {counts[i, j]:.0f} votes"
    return f"<b>{column}</b> was preferred to<br><b>{row}</b> in {percent:.0f} % {of}"


def scores(ranking: pd.DataFrame, titles: dict[str, str]) -> go.Figure:
    """Every method's score with its interval, the best on top; `ranking` as it is computed."""
    percent = 100 * ranking[["score", "low", "high"]]
    figure = go.Figure(
        go.Scatter(
            x=percent["score"],
            y=[titles.get(name, name) for name in ranking["method"]],
            mode="markers",
            marker={"size": 13, "color": AMBER},
            error_x={
                "array": percent["high"] - percent["score"],
                "arrayminus": percent["score"] - percent["low"],
                "color": PALE,
                "thickness": 2,
                "width": 6,
            },
            customdata=np.column_stack([percent["low"], percent["high"], ranking["votes"]]),
            hovertemplate=(
                "<b>%{y}</b><br>%{x:.1f} %, 95 % interval %{customdata[0]:.1f} to"
                " %{customdata[1]:.1f} %<br>%{customdata[2]} votes<extra></extra>"
            ),
        )
    )
    figure.add_vline(50, line={"color": GRID, "width": 2, "dash": "dash"})
    figure.update_xaxes(title="preferred to<br>an average method, %", range=[0, 100])
    figure.update_yaxes(autorange="reversed")
    dressed(figure, 130 + 46 * max(4, len(ranking)))
    figure.update_xaxes(fixedrange=True)
    return figure.update_layout(margin={"l": 20, "t": 20, "b": 70}).update_yaxes(automargin=True)
