"""The leader board: what was measured here, and, kept apart from it, what others have published."""

from html import escape
from itertools import cycle

import pandas as pd
import streamlit as st

from deepmasque.evaluation.published import figures
from deepmasque.evaluation.report import scatter, summary
from deepmasque.image import read_trimap
from deepmasque.portrait import pictures
from pages.comparison.figures import MEANING, figure_table
from pages.comparison.measured import Measured, alpha_views, photo_tile, runs, tables
from pages.components import side_by_side
from pages.components.charts import COLOURS, dressed
from pages.components.markup import caption, chips, cost
from pages.components.pictures import TILE_SIDE, picture_url
from pages.components.shelf import backgrounds

AXES = {"time": "seconds", "memory": "peak_mb"}
FORMS = {"MB": "%.0f", "MSE": "%.4f"}
WORST = ["iou", "sad", "seconds"]
NOT_HERE = (
    "The pictures of this table are not on this machine; its command in the README makes them."
)


def board_view() -> None:
    """Choose a benchmark, look at it; then what others have published."""
    found = [*((run, "this machine") for run in runs()), *((each, "project") for each in tables())]
    st.html('<h2 class="dm-title">Measured here</h2>')
    if not found:
        st.html(caption("Nothing was measured on this machine yet: begin under “Many photos”."))
    else:
        names = [f"{run.name}, {where}" for run, where in found]
        index = st.selectbox(
            "Benchmark",
            range(len(found)),
            format_func=lambda index: names[index],
            label_visibility="collapsed",
            key="benchmark",
            width=420,
        )
        measured_part(found[index][0], f"board-{index}")
    published_part()


def measured_part(measured: Measured, key: str) -> None:
    """A benchmark: methods, every photo as a dot, the worst cases first, one of them large."""
    table = measured.table
    lines = summary(table).replace("", pd.NA).dropna(axis="columns", how="all")
    lines = lines.fillna(dict.fromkeys(lines.select_dtypes("object"), ""))
    st.dataframe(
        lines,
        column_config={
            name: st.column_config.NumberColumn(format=form_of(name))
            for name in lines.select_dtypes("float")
        },
        hide_index=True,
        width="stretch",
        key=f"{key}-lines",
    )
    st.html(facts(table))
    done = table[table["state"] == "done"].reset_index(drop=True)
    if done.empty:
        st.html(caption("No method has finished a photo."))
        return
    pressed = dots(done, key)
    st.html('<h2 class="dm-title">Worst cases first</h2>')
    has_truth = done["iou"].notna().any()
    worst = done.sort_values(WORST, ascending=[True, False, False], ignore_index=True)
    if not has_truth:
        st.html(caption("There is no truth to measure against: the slowest come first."))
    columns = ["title", "image", "trimaps", "iou", "boundary_iou", "sad", "mse", "grad", "conn"]
    row = figure_table(
        worst[[*columns, "seconds", "cpu_seconds", "added_mb", "peak_mb"]].replace("", pd.NA),
        f"{key}-worst",
        select=True,
    )
    st.html(caption(f"{MEANING} Press a row, or a dot, to see its picture."))
    if row is not None:
        pressed = tuple(worst.loc[row, ["image", "trimaps"]])
    show(measured, done, pressed or tuple(worst.loc[0, ["image", "trimaps"]]), key)


def form_of(name: str) -> str:
    """How many digits a figure of the summary has."""
    return next((form for start, form in FORMS.items() if start in name), "%.2f")


def facts(table: pd.DataFrame) -> str:
    """Where and when a table was measured."""
    commits = sorted(set(table["commit"]) - {""})
    days = sorted({date[:10] for date in table["date"]})
    said = [*table["hardware"].unique(), *table["device"].unique(), " to ".join(days[::2])]
    marks = chips(*(each for each in said if each), *(f"commit {each}" for each in commits))
    return f'<div class="dm-facts">{marks}</div>'


def dots(done: pd.DataFrame, key: str) -> tuple[str, str] | None:
    """A dot for every photo and method; the photo and trimaps of the one that was pressed."""
    figure_of = "IoU" if done["iou"].notna().any() else "memory"
    axis = "time"
    if figure_of == "IoU":
        axis = st.segmented_control(
            "Against",
            list(AXES),
            format_func=lambda axis: f"IoU against {axis}",
            default="time",
            required=True,
            key=f"{key}-axis",
            label_visibility="collapsed",
        )
    figure = scatter(done, AXES[axis], "iou" if figure_of == "IoU" else AXES["memory"])
    for trace, colour in zip(figure.data, cycle(COLOURS), strict=False):
        trace.update(marker={"color": colour, "size": 11})
    dressed(figure, 460).update_layout(clickmode="event+select", legend_title_text="")
    figure.update_xaxes(dtick="D2")
    event = st.plotly_chart(
        figure,
        key=f"{key}-dots",
        theme=None,
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
    )
    points = event.selection.points
    if not points:
        return None
    image, _, trimaps = points[0]["customdata"]
    return image, trimaps


def show(measured: Measured, done: pd.DataFrame, which: tuple[str, str], key: str) -> None:
    """Every method's result on one photo."""
    scene = measured.scenes().get(which) if measured.out else None
    image, trimaps = which
    st.html(f'<h2 class="dm-title">{escape(" · ".join(each for each in which if each))}</h2>')
    if scene is None or not scene.image.exists():
        st.html(caption(NOT_HERE))
        return
    tiles = [photo_tile(scene)]
    if scene.truth:
        url = picture_url(pictures.grey(read_trimap(scene.truth)), TILE_SIDE)
        tiles.append(
            {"id": "truth", "label": "Truth", "said": "", "views": {"Alpha": {"url": url}}}
        )
    of = done[(done["image"] == image) & (done["trimaps"] == trimaps)]
    for row in of.sort_values("iou", ascending=False).itertuples():
        iou = "" if pd.isna(row.iou) else f"IoU {100 * row.iou:.2f} %, "
        tiles.append(
            {
                "id": row.method,
                "label": row.title,
                "said": f"{iou}{cost(row.seconds, row.added_mb)}",
                "views": alpha_views(scene, measured.out / row.alpha),
            }
        )
    side_by_side(
        tiles,
        ["Cut-out", "Alpha"],
        backgrounds(),
        identity=f"{measured.name}-{which}",
        key=f"{key}-row",
    )


def published_part() -> None:
    """Figures of others, each with its source."""
    st.html('<h2 class="dm-title">As published</h2>')
    st.html(
        caption(
            "By others, on their data and machines; none of it was measured here, so it stands"
            " apart."
        )
    )
    rows = [
        {
            "method": each.method,
            "metric": each.metric,
            "value": each.high,
            "as published": each.shown,
            "data": each.dataset,
            "source": each.source,
        }
        for each in figures()
    ]
    columns = {
        "value": st.column_config.NumberColumn("value ↑↓", format="%.4g", help="To sort by"),
        "source": st.column_config.TextColumn(width="large"),
    }
    with st.container(key="table-published"):
        st.dataframe(pd.DataFrame(rows), column_config=columns, hide_index=True, width="stretch")
