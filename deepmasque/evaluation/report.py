"""A benchmark's table as a page that needs nothing else, and as Markdown."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import DeepMasqueError
from deepmasque.evaluation.benchmark import Scene, read_table
from deepmasque.image import encode_jpeg, read_image, read_trimap, write_atomic

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

TITLE = "DeepMasque: methods compared"
HARDEST = 8
"""Photos shown with their alphas."""
TILE = 170
"""Height of these pictures, pixels."""
ERRORS = {"sad": "SAD", "mse": "MSE", "grad": "Grad", "conn": "Conn"}
BEST_IS_HIGH = "↑"
TEXT, LINE = "#e8e6e1", "#2c2c31"
COLOURS = (
    *("#f5a623", "#6db3f2", "#7fc77a", "#ec7063", "#b794f0", "#4cc3c7", "#d9a7c7"),
    *("#c9b458", "#8b9dff", "#b5e08c", "#ff9e80", "#9fb3c8", "#e8e6e1", "#c08457"),
)
LEGEND = (
    "Mean over the photos; seconds are the median, memory is the highest. ↑ higher is better,"
    " ↓ lower is better; amber (bold) is the best.",
    "IoU and boundary IoU (Cheng et al. 2021) in %, of what is more than half opaque, over the"
    " whole photo.",
    "SAD and Conn in thousands, MSE, Grad in thousands (Rhemann et al. 2009): over the unknown"
    " pixels where the data set gives trimaps, else over the whole photo.",
    "Seconds: from the photo in memory to the alpha in memory; loading and a first small run come"
    " before. CPU seconds add up all cores, and hardly change while other work keeps the machine"
    " busy. A trimap that the portrait pipeline draws for a method is not counted.",
    "Peak MB: the most memory that the method's process held at once while it worked on a photo,"
    " program and models included. Added MB: by how much that exceeds what it held just before.",
)


def write_report(out: Path, scenes: Sequence[Scene]) -> None:
    """Write report.html and report.md beside the table of a run."""
    table = read_table(out)
    write_atomic(out / "report.html", html(table, out, scenes).encode())
    write_atomic(out / "report.md", markdown(table).encode())


def summary(table: "pd.DataFrame") -> "pd.DataFrame":
    """One line for each method, and for each set of trimaps; the best by IoU, then SAD, first.

    Columns: trimaps, method (its title), trimap (which one it was given), photos, failed, then
    figures whose names end in an arrow; those that nothing is known of are left out.
    """
    import pandas as pd

    lines = []
    for (trimaps, title), rows in table.groupby(["trimaps", "title"], sort=False):
        done = rows[rows["state"] == "done"]
        region = "_unknown" if done["sad_unknown"].notna().any() else ""
        figures = {
            "IoU, % ↑": 100 * done["iou"].mean(),
            "boundary IoU, % ↑": 100 * done["boundary_iou"].mean(),
            **{f"{shown} ↓": done[f"{name}{region}"].mean() for name, shown in ERRORS.items()},
            "seconds ↓": done["seconds"].median(),
            "CPU seconds ↓": done["cpu_seconds"].median(),
            "peak MB ↓": done["peak_mb"].max(),
            "added MB ↓": done["added_mb"].max(),
        }
        facts = {
            "trimap": rows["trimap"].max(),
            "photos": len(done),
            "failed": len(rows) - len(done),
        }
        lines.append({"trimaps": trimaps, "method": title, **facts, **figures})
    found = pd.DataFrame(lines)
    found = found.sort_values(
        ["trimaps", "IoU, % ↑", "SAD ↓", "seconds ↓"], ascending=[True, False, True, True]
    )
    return found.dropna(axis=1, how="all").reset_index(drop=True)


def markdown(table: "pd.DataFrame") -> str:
    """The summary, where it was measured, the hardest photos and the failures."""
    parts = [f"# {TITLE}", *_facts(table)]
    for heading, lines in _by_trimaps(table):
        parts += [f"## {heading}", _markdown_table(lines)]
    hardest = _hardest(table)
    if hardest:
        worst = [f"- {name}: {said}" for name, said in hardest]
        parts += ["## Hardest photos first", "\n".join(worst)]
    failures = _failures(table)
    if failures:
        parts += ["## What failed", "\n".join(f"- {line}" for line in failures)]
    parts += ["## What the figures are", "\n".join(f"- {line}" for line in LEGEND)]
    return "\n\n".join(parts) + "\n"


def html(table: "pd.DataFrame", out: Path, scenes: Sequence[Scene]) -> str:
    """The same with charts, and with the hardest photos beside every method's alpha.

    out: the folder of results. scenes: the photos. Everything is inside the page.
    """
    tables = "".join(
        f'<h2>{escape(heading)}</h2><div class="wide">{_html_table(lines)}</div>'
        for heading, lines in _by_trimaps(table)
    )
    page = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    return page.substitute(
        title=TITLE,
        facts="".join(f'<p class="facts">{escape(fact)}</p>' for fact in _facts(table)),
        tables=tables,
        charts=_charts(table),
        pictures=_pictures(table, out, scenes),
        failures=_list("What failed", _failures(table)),
        legend=f"<ul>{_items(LEGEND)}</ul>",
    )


def _facts(table: "pd.DataFrame") -> list[str]:
    """Where, when and of what it was measured, a sentence each."""
    days = sorted({date[:10] for date in table["date"]})
    commits = [commit for commit in table["commit"].unique() if commit]
    versions = table.drop_duplicates("title")[["title", "version"]].itertuples(index=False)
    facts = [f"Measured on {'; '.join(table['hardware'].unique())}, {' to '.join(days[::2])}"]
    if commits:
        facts[0] += f", commit {', '.join(commits)}"
    if table["load"].notna().any():
        least, most = table["load"].min(), table["load"].max()
        facts.append(
            f"Load of the machine meanwhile, this work included: {least:.1f} to {most:.1f}."
        )
    facts.append("; ".join(f"{title}: {version}" for title, version in versions if version))
    if (table["trimap"] == "portrait pipeline").any():
        facts.append("No trimaps were given: the portrait pipeline drew those that methods need.")
    return [f"{fact.rstrip('.')}." for fact in facts if fact]


def _by_trimaps(table: "pd.DataFrame") -> Iterable[tuple[str, "pd.DataFrame"]]:
    for trimaps, lines in summary(table).groupby("trimaps"):
        yield f"Results, {trimaps}" if trimaps else "Results", lines.drop(columns="trimaps")


def _best(lines: "pd.DataFrame") -> dict[str, float]:
    """The best value of every figure that has an arrow."""
    arrows = [name for name in lines if name[-1] in "↑↓"]
    return {
        name: lines[name].max() if name.endswith(BEST_IS_HIGH) else lines[name].min()
        for name in arrows
    }


def _markdown_table(lines: "pd.DataFrame") -> str:
    best = _best(lines)
    rows = [list(lines.columns), ["---", *["---:"] * (len(lines.columns) - 1)]]
    for line in lines.to_dict("records"):
        cells = [(shown(value, name), value == best.get(name)) for name, value in line.items()]
        rows.append([f"**{text}**" if first else text.replace("|", "\\|") for text, first in cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _html_table(lines: "pd.DataFrame") -> str:
    best = _best(lines)
    head = "".join(f"<th>{escape(name)}</th>" for name in lines)
    body = ""
    for line in lines.to_dict("records"):
        body += "<tr>"
        for name, value in line.items():
            first = " class=best" if value == best.get(name) else ""
            body += f"<td{first}>{escape(shown(value, name))}</td>"
        body += "</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: object, name: str) -> str:
    """A cell of the summary, with as many digits as its column deserves; – for nothing."""
    if isinstance(value, str):
        return value or "–"
    if isinstance(value, int):
        return str(value)
    if np.isnan(value):
        return "–"
    if "%" in name:
        return f"{value:.2f}"
    return f"{value:.0f}" if "MB" in name else f"{value:.3g}"


def _hardest(table: "pd.DataFrame") -> list[tuple[str, str]]:
    """The photos with the lowest mean IoU and what every method reached on them."""
    done = table[table["iou"].notna()]
    named = done["trimaps"].where(done["trimaps"] == "", done["trimaps"] + ", ") + done["image"]
    groups = sorted(done.groupby(named), key=lambda group: group[1]["iou"].mean())
    return [
        (name, "; ".join(f"{row.title} {100 * row.iou:.2f} %" for row in rows.itertuples()))
        for name, rows in groups[:HARDEST]
    ]


def _failures(table: "pd.DataFrame") -> list[str]:
    """Every reason once, with the photos."""
    failed = table[table["state"] == "failed"]
    groups = failed.groupby(["title", "error"], sort=False)
    return [f"{title}: {error} ({_some(rows['image'])})" for (title, error), rows in groups]


def _some(names: Sequence[str]) -> str:
    few = ", ".join(list(names)[:3])
    return few if len(names) <= 3 else f"{few} and {len(names) - 3} more"


def _list(heading: str, lines: Sequence[str]) -> str:
    return f"<h2>{heading}</h2><ul>{_items(lines)}</ul>" if lines else ""


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)


def _charts(table: "pd.DataFrame") -> str:
    """Time and memory against IoU, a dot for each photo; against each other without a truth."""
    done = table[table["state"] == "done"]
    if done.empty:
        return ""
    if done["iou"].notna().any():
        pairs = [("seconds", "iou"), ("peak_mb", "iou")]
    else:
        pairs = [("seconds", "peak_mb")]
    charts = [
        scatter(done, x, y).to_html(full_html=False, include_plotlyjs=number == 0)
        for number, (x, y) in enumerate(pairs)
    ]
    return f"<h2>Every photo</h2>{''.join(charts)}"


AXES = {"seconds": "seconds", "peak_mb": "peak MB", "iou": "IoU, %"}


def scatter(done: "pd.DataFrame", x: str, y: str) -> "Figure":
    """A dot for each photo and method; x and y are columns of the table, x is logarithmic."""
    import plotly.express as px

    shown_rows = done.assign(iou=100 * done["iou"])
    figure = px.scatter(
        shown_rows,
        x=x,
        y=y,
        color="title",
        hover_name="image",
        labels={**AXES, "title": "method"},
        log_x=True,
        color_discrete_sequence=COLOURS,
        custom_data=["image", "method", "trimaps"],
    )
    clear = "rgba(0,0,0,0)"
    figure.update_layout(
        template="plotly_dark", paper_bgcolor=clear, plot_bgcolor=clear, height=440
    )
    figure.update_layout(font_color=TEXT, margin={"l": 60, "r": 10, "t": 20, "b": 50})
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "title": ""})
    figure.update_xaxes(gridcolor=LINE).update_yaxes(gridcolor=LINE)
    return figure


def _pictures(table: "pd.DataFrame", out: Path, scenes: Sequence[Scene]) -> str:
    """Photo, truth and every alpha of the hardest photos, or of the first ones without a truth."""
    done = table[table["state"] == "done"]
    groups = dict(iter(done.groupby(["image", "trimaps"], sort=False)))
    order = sorted(groups, key=lambda key: groups[key]["iou"].fillna(0).mean())
    of = {(scene.name, scene.trimaps): scene for scene in scenes}
    strips = [_strip(of[key], groups[key], out) for key in order[:HARDEST] if key in of]
    if not strips:
        return ""
    heading = "Hardest photos first" if done["iou"].notna().any() else "The alphas"
    return f"<h2>{heading}</h2>{''.join(strips)}"


def _strip(scene: Scene, rows: "pd.DataFrame", out: Path) -> str:
    figures = [_figure(read_image(scene.image), "Photo", "")]
    if scene.truth is not None:
        try:
            figures.append(_figure(read_trimap(scene.truth), "Truth", ""))
        except DeepMasqueError as error:
            figures.append(f"<figure><figcaption>{escape(str(error))}</figcaption></figure>")
    for row in rows.sort_values("iou", ascending=False).itertuples():
        said = f"{row.seconds:.2g} s, {row.peak_mb:.0f} MB"
        said = f"IoU {100 * row.iou:.2f} %, {said}" if not np.isnan(row.iou) else said
        figures.append(_figure(read_trimap(out / row.alpha), row.title, said))
    heading = f"{scene.name}, {scene.trimaps}" if scene.trimaps else scene.name
    return f'<h3>{escape(heading)}</h3><div class="strip">{"".join(figures)}</div>'


def _figure(pixels: NDArray[np.uint8], title: str, said: str) -> str:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * TILE / height)), TILE)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    data = base64.b64encode(encode_jpeg(small, quality=82)).decode()
    caption = f"<b>{escape(title)}</b>{escape(said)}"
    return (
        f'<figure><img alt="{escape(title)}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )
