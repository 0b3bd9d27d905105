"""Charts of solved columns."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from pages.components.charts import AMBER, BLUE, GREY, WHITE, dressed

COLOURS = {"Board": AMBER, "Twin": WHITE, "Exact": BLUE, "Desktop": GREY}
BOARD = "LaunchPad"
KINDS = {
    BACKGROUND: ("background", "circle-open", 5),
    FOREGROUND: ("foreground", "circle", 5),
    UNKNOWN: ("unknown", "diamond", 9),
}


def plane(
    features: NDArray[np.int8], trimap: NDArray[np.uint8], alpha: NDArray[np.uint8]
) -> go.Figure:
    """The pixels of a column in the plane of their two features, coloured by alpha."""
    figure = go.Figure()
    for value, (name, symbol, size) in KINDS.items():
        those = trimap == value
        figure.add_scatter(
            x=features[those, 0],
            y=features[those, 1],
            name=f"{name} {np.count_nonzero(those)}",
            mode="markers",
            marker={
                "symbol": symbol,
                "size": size,
                "color": alpha[those],
                "cmin": 0,
                "cmax": 255,
                "colorscale": [[0, "#4f7fb8"], [0.5, "#8a8178"], [1, AMBER]],
                "showscale": value == UNKNOWN,
                "colorbar": {"title": "alpha", "thickness": 10, "outlinewidth": 0, "len": 0.8},
                "line": {"width": 1, "color": "#141110"} if value == UNKNOWN else None,
            },
            customdata=np.column_stack([np.flatnonzero(those), alpha[those]]),
            hovertemplate="row %{customdata[0]}, alpha %{customdata[1]}<extra></extra>",
        )
    figure.update_xaxes(title="1st component")
    figure.update_yaxes(title="2nd component")
    return dressed(figure, 460)


def alphas(
    trimap: NDArray[np.uint8],
    solved: dict[str, NDArray],
    *,
    unit: str = "row",
    signal: NDArray | None = None,
) -> go.Figure:
    """Trimap and alphas as strips, the alphas as lines, and by how much the board differs.

    solved: alphas in levels 0..255 by the names of COLOURS, the board's among them.
    signal: what the column stands for, if it is a recording, drawn behind the lines.
    """
    figure = make_subplots(
        rows=3, shared_xaxes=True, row_heights=[0.34, 0.4, 0.26], vertical_spacing=0.045
    )
    strips = {"Trimap": trimap, **solved}
    figure.add_heatmap(
        z=np.stack(list(strips.values())),
        y=list(strips),
        zmin=0,
        zmax=255,
        colorscale=[[0, "#050404"], [1, "#ffffff"]],
        showscale=False,
        ygap=4,
        hovertemplate=f"%{{y}}, {unit} %{{x}}: %{{z:.0f}}<extra></extra>",
        row=1,
        col=1,
    )
    if signal is not None:
        wave = 127.5 + 127.5 * signal / np.abs(signal).max()
        figure.add_scatter(
            y=wave, line={"color": "#4a4138", "width": 1}, hoverinfo="skip", name="sound",
            showlegend=False, row=2, col=1,
        )  # fmt: skip
    for name, alpha in solved.items():
        figure.add_scatter(
            y=alpha,
            name=name,
            line={
                "color": COLOURS[name],
                "width": 4 if name == "Board" else 1.6,
                "dash": "dot" if name == "Twin" else "solid",
            },
            hovertemplate=f"{name} %{{y:.0f}}<extra></extra>",
            row=2,
            col=1,
        )
        if name != "Board":
            figure.add_scatter(
                y=solved["Board"].astype(float) - alpha,
                name=f"Board − {name}",
                line={"color": COLOURS[name], "width": 1.6},
                showlegend=False,
                hovertemplate=f"Board − {name}: %{{y:.0f}}<extra></extra>",
                row=3,
                col=1,
            )
    for start, end in runs(trimap == UNKNOWN):
        figure.add_vrect(start - 0.5, end - 0.5, fillcolor=AMBER, opacity=0.1, line_width=0, row=2)
    figure.update_yaxes(autorange="reversed", row=1)
    figure.update_yaxes(title="alpha", range=[-8, 263], row=2)
    figure.update_yaxes(title="difference", row=3)
    figure.update_xaxes(range=window(trimap), row=3)
    figure.update_xaxes(title=unit, row=3)
    figure.update_layout(hovermode="x")
    return dressed(figure, 620).update_layout(margin_l=72)


def memory(rows: Sequence[dict]) -> go.Figure:
    """Bytes on a logarithmic scale, one bar each; rows: name and bytes; BOARD stands out."""
    figure = go.Figure(
        go.Bar(
            x=[row["bytes"] for row in rows],
            y=[f"{row['name']}<br><b>{amount(row['bytes'])}</b>" for row in rows],
            orientation="h",
            marker_color=[AMBER if row["name"] == BOARD else "#5d5347" for row in rows],
            hovertemplate="%{x:,} bytes<extra></extra>",
        )
    )
    figure.update_xaxes(
        type="log",
        range=[2.5, 10],
        tickvals=[10**3, 10**6, 10**9],
        ticktext=["1 KB", "1 MB", "1 GB"],
    )
    figure.update_yaxes(autorange="reversed", ticksuffix="  ", tickfont_size=15, automargin=True)
    figure = dressed(figure, 90 + 74 * len(rows))
    return figure.update_layout(margin={"l": 20, "t": 10}, bargap=0.45)


def amount(size: int) -> str:
    """Write a number of bytes the way one says it."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:,} B"


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def window(trimap: NDArray[np.uint8]) -> list[float]:
    """The part of a column worth looking at: its unknown pixels with some around them."""
    unknown = np.flatnonzero(trimap == UNKNOWN)
    if not unknown.size:
        return [-0.5, len(trimap) - 0.5]
    margin = max(20, np.ptp(unknown) // 8)
    return [max(0, unknown[0] - margin) - 0.5, min(len(trimap) - 1, unknown[-1] + margin) + 0.5]
