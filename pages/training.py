"""Training: the ladder, the curves of the runs, what the networks saw on the way, the weights."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

import deepmasque
from deepmasque.training.ladder import ABLATIONS, LADDER, PAPER, Rung, read_ladder
from deepmasque.training.runs import Run, committed_runs, local_runs
from deepmasque.weights import MODELS
from pages.components import charts
from pages.components.markup import caption
from pages.components.pictures import data_url

LADDER_CHOICE = "ladder"
FAMILIES = {"Portrait": "_iou", "After KNN matting": "_error_ratio", "Two photos": ""}
"""Networks that can be compared with each other, and how the names of their measures end."""
TITLES = {
    "development_iou": "IoU, development photos",
    "held_back_fashion_iou": "IoU, street photos",
    "train_iou": "IoU, training scenes",
    "uncertainty_loss": "Loss of the uncertainty",
    "development_error_ratio": "Error beside KNN matting, development",
    "train_error_ratio": "Error beside KNN matting, training",
    "development_mad": "MAD, development scenes",
    "development_base_mad": "MAD of the base network alone",
    "train_mad": "MAD, training scenes",
    "development_empty_mad": "MAD where nobody is to be seen",
    "development_apart": "Difference from the supervising alpha",
    "train_loss": "Loss",
}
BALANCE = {
    "Generator and discriminator: loss": {
        "generator_loss": "generator",
        "discriminator_loss": "discriminator",
    },
    "What the discriminator says, 1 for a photo": {
        "photo_score": "of photos",
        "composite_score": "of composites",
    },
}
"""Charts of an adversarial run: measures, and what their lines are called."""
FIGURES = {
    "development_iou": "{:.2%}",
    "development_error_ratio": "{:.3f}",
    "development_mad": "{:.4f}",
    "development_empty_mad": "{:.4f}",
    "development_apart": "{:.4f}",
}
SETTINGS = {
    "network": "network",
    "inputs": "inputs",
    "pretrained": "starts from ImageNet",
    "start": "starts from",
    "portraits": "EG1800 photos",
    "haired": "scenes with drawn hair",
    "curriculum": "sizes",
    "epochs": "epochs",
    "batch": "batch",
    "encoder_rate": "learning rate, encoder",
    "decoder_rate": "learning rate, decoder",
    "rate": "learning rate",
    "discriminator_rate": "learning rate, discriminator",
    "discriminator_every": "steps for one of the discriminator",
    "supervision": "weight of the first network",
    "halved_every": "epochs that halve it",
    "seed": "seed",
}
IOU_TICKS = (40, 60, 80, 90, 94, 96, 97, 98, 99)
LOSS_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
WATCH_SECONDS = 10.0
RIGHTS = (
    "<b>Academic use only.</b> The network learned from EG1800 (Shen et al. 2016), which may be "
    "used for research and teaching, not commercially; so may these weights."
)


def ladder() -> None:
    """What each step is worth, beside the original project and the paper."""
    measured = read_ladder()
    steps, ablations = st.columns([7, 5], gap="large")
    with steps:
        st.html(
            '<table class="dm-ladder"><thead><tr><th>Mean IoU, %</th><th>measured</th>'
            "<th>5th percentile</th><th>original</th><th>paper</th></tr></thead><tbody>"
            + "".join(ladder_row(rung, measured) for rung in LADDER)
            + "</tbody></table>"
        )
    with ablations:
        first = ABLATIONS[0]
        st.html(
            '<table class="dm-ladder"><thead><tr><th>Short training, 160 × 128</th>'
            "<th>measured</th><th>difference</th><th>original</th></tr></thead><tbody>"
            + "".join(ablation_row(rung, first, measured) for rung in ABLATIONS)
            + "</tbody></table>"
        )
    if len(measured):
        photos, date = int(measured["photos"].iloc[0]), measured["date"].max()
        said = f"{photos} photos of EG1800’s validation.txt at 600 × 800, never trained or tuned on"
        sources = "Original: the original project’s slides. Paper: Shen et al. 2016, its own photos"
        st.html(caption(f"{said}; last measured {escape(str(date))}. {sources}."))


def ladder_row(rung: Rung, measured: pd.DataFrame) -> str:
    """A step with what was measured and what others report."""
    mean, fifth = (measured[name].get(rung.key) for name in ("mean_iou", "fifth_percentile"))
    cells = (figure(mean, strong=True), figure(fifth), figure(rung.original, 1), figure(rung.paper))
    return f"<tr><td>{escape(rung.title)}</td>{''.join(f'<td>{each}</td>' for each in cells)}</tr>"


def ablation_row(rung: Rung, full: Rung, measured: pd.DataFrame) -> str:
    """A network that lacks something, and how far it is from the full one."""
    known = {each.key: measured["mean_iou"].get(each.key) for each in (rung, full)}
    value, whole = known[rung.key], known[full.key]
    apart = ""
    if rung != full and value is not None and whole is not None:
        apart = f"{value - whole:+.2f}".replace("-", "−")
    cells = (figure(value, strong=True), apart, figure(rung.original, 1))
    return f"<tr><td>{escape(rung.title)}</td>{''.join(f'<td>{each}</td>' for each in cells)}</tr>"


def figure(value: float | None, digits: int = 2, *, strong: bool = False) -> str:
    """Write a percentage; a dash where nothing is known."""
    if value is None:
        return "–"
    return f"<b>{value:.{digits}f}</b>" if strong else f"{value:.{digits}f}"


@st.cache_data(ttl=WATCH_SECONDS / 2, show_spinner=False)
def all_runs() -> dict[str, Run]:
    """The committed runs, and those in runs/ that are not committed."""
    committed = {run.name: run for run in committed_runs()}
    return committed | {run.name: run for run in local_runs() if run.name not in committed}


def watched(section: Callable[[], None]) -> Callable[[], None]:
    """The section as a fragment, drawn again and again while a run goes on."""
    going = any(run.going for run in all_runs().values())
    return st.fragment(section, run_every=WATCH_SECONDS if going else None)


def curves() -> None:
    """Choose runs by a hyperparameter; their curves over each other."""
    families = by_family(all_runs())
    family = st.segmented_control(
        "Networks", list(families), default=next(iter(families)), key="family", required=True
    )
    runs = families[family]
    by, which, smooth = st.columns([3, 7, 3], gap="medium", vertical_alignment="bottom")
    differing = hyperparameters(list(runs.values()))
    with by:
        chosen = st.selectbox(
            "Compare by",
            [LADDER_CHOICE, *differing],
            format_func=lambda name: heading(name, family),
            key=f"compare-by-{family}",
        )
    values = {
        name: value_of(run, chosen)
        for name, run in runs.items()
        if chosen == LADDER_CHOICE or chosen in run.settings
    }
    options = sorted(set(values.values()), key=lambda value: order_of(value, chosen))
    default = [value for value in options if chosen != LADDER_CHOICE or value in rung_titles()]
    with which:
        kept = st.multiselect(
            heading(chosen, family),
            options,
            default=default or options,
            key=f"values-{family}-{chosen}",
            placeholder="Choose what to compare",
        )
    with smooth:
        smoothing = st.slider("Smoothing", 0.0, 0.98, 0.8, key="smoothing")
    shown = sorted(
        (runs[name] for name, value in values.items() if value in kept),
        key=lambda run: order_of(values[run.name], chosen),
    )
    if not shown:
        st.html(caption("Choose at least one value to see the runs that have it."))
        return
    labels = {run.name: label_of(run, values[run.name], chosen) for run in shown}
    draw(family, shown, labels, differing, smoothing)


def by_family(runs: dict[str, Run]) -> dict[str, dict[str, Run]]:
    """The runs of each family that has any."""
    families = {family: {} for family in FAMILIES}
    for name, run in runs.items():
        measures = set(run.curves["measure"])
        known = (f for f, end in FAMILIES.items() if any(m.endswith(end) for m in measures))
        families[next(known, list(FAMILIES)[-1])][name] = run
    return {family: members for family, members in families.items() if members}


def draw(
    family: str,
    runs: Sequence[Run],
    labels: dict[str, str],
    differing: Sequence[str],
    smoothing: float,
) -> None:
    """Charts of how well the runs do, of their loss, and of the balance of adversarial ones."""
    measures = [m for m in TITLES if m != "train_loss" and any(len(r.curve(m)) for r in runs)]
    well, loss = st.columns(2, gap="medium")
    with well:
        measure = st.segmented_control(
            "Measure",
            measures,
            default=measures[0] if measures else None,
            format_func=TITLES.get,
            label_visibility="collapsed",
            key=f"measure-{family}",
            required=True,
        )
        if measure:
            charts.chart(curve_chart(runs, labels, differing, measure, smoothing), "well")
    with loss:
        st.html(f'<p class="dm-chart-title">{TITLES["train_loss"]}</p>')
        charts.chart(curve_chart(runs, labels, differing, "train_loss", smoothing), "loss")
    adversarial = [run for run in runs if len(run.curve("discriminator_loss"))]
    if adversarial:
        for place, title in zip(st.columns(2, gap="medium"), BALANCE, strict=True):
            with place:
                st.html(f'<p class="dm-chart-title">{title}</p>')
                charts.chart(balance_chart(adversarial, labels, BALANCE[title], smoothing), title)
    if going := [run for run in runs if run.going]:
        said = ", ".join(f"{escape(run.name)} after {run.epochs:.1f} epochs" for run in going)
        st.html(caption(f"Going on: {said}. Looked at again every {WATCH_SECONDS:.0f} s."))


def curve_chart(
    runs: Sequence[Run],
    labels: dict[str, str],
    differing: Sequence[str],
    measure: str,
    smoothing: float,
) -> go.Figure:
    """One measure of every run over the epochs; training curves smoothed, the raw ones faint."""
    plot = go.Figure()
    iou = measure.endswith("_iou")
    every_step = measure.startswith("train_") or measure.endswith("_loss")
    for index, run in enumerate(runs):
        curve = run.curve(measure)
        if curve.empty:
            continue
        colour, value = charts.COLOURS[index % len(charts.COLOURS)], curve["value"]
        drawn = value
        if every_step:
            drawn = value.ewm(alpha=1 - smoothing).mean()
            plot.add_scatter(
                x=curve["epoch"],
                y=scaled(value, iou),
                mode="lines",
                line={"color": colour, "width": 1},
                opacity=0.22,
                hoverinfo="skip",
                showlegend=False,
            )
        plot.add_scatter(
            x=curve["epoch"],
            y=scaled(drawn, iou),
            name=escape(labels[run.name]),
            mode="lines" if every_step else "lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 7},
            customdata=drawn * 100 if iou else drawn,
            hovertemplate=hover(run, labels[run.name], differing, iou),
        )
    plot.update_xaxes(title="epoch", rangemode="tozero")
    plot.update_yaxes(type="log", tickvals=LOSS_TICKS)
    if iou:
        plot.update_yaxes(
            autorange="reversed",
            tickvals=[100 - tick for tick in IOU_TICKS],
            ticktext=[str(tick) for tick in IOU_TICKS],
            ticksuffix=" %",
        )
        if measure == "development_iou":
            reference(plot, PAPER, f"PortraitFCN+ in the paper, {PAPER} %", charts.WHITE)
            best = max(rung.original or 0 for rung in LADDER)
            reference(plot, best, f"the original project, {best} %", charts.PALE)
    charts.dressed(plot, 430)
    plot.update_layout(
        uirevision="kept", showlegend=True, legend={"font_size": 12, "traceorder": "normal"}
    )
    return plot


def balance_chart(
    runs: Sequence[Run], labels: dict[str, str], measures: dict[str, str], smoothing: float
) -> go.Figure:
    """Two measures of adversarial runs over the epochs, smoothed, one drawn and one dashed."""
    plot = go.Figure()
    for run in runs:
        place = list(labels).index(run.name)  # of its colour in the other charts
        for dash, (measure, said) in zip(("solid", "dash"), measures.items(), strict=True):
            curve = run.curve(measure)
            plot.add_scatter(
                x=curve["epoch"],
                y=curve["value"].ewm(alpha=1 - smoothing).mean(),
                name=f"{said} ({escape(labels[run.name])})",
                mode="lines",
                line={"color": charts.COLOURS[place % len(charts.COLOURS)], "dash": dash},
                hovertemplate=f"{said}: %{{y:.3f}} after %{{x:.1f}} epochs<extra></extra>",
            )
    plot.update_xaxes(title="epoch", rangemode="tozero")
    plot.update_yaxes(rangemode="tozero")
    return charts.dressed(plot, 320)


def scaled(values: pd.Series, iou: bool) -> pd.Series:
    """IoU as what is missing to 100 %, so that the last points can be told apart."""
    return (100 - 100 * values).clip(lower=0.05) if iou else values


def hover(run: Run, label: str, differing: Sequence[str], iou: bool) -> str:
    """What a point says: value, epoch, and the settings in which the runs differ."""
    value = "%{customdata:.2f} %" if iou else "%{customdata:.4f}"
    known = [name for name in differing if name in run.settings]
    rows = [f"{spoken(name)}: {escape(value_of(run, name))}" for name in known]
    lines = [f"<b>{escape(label)}</b>", f"{value} after %{{x:.1f}} epochs", *rows]
    return "<br>".join(lines) + "<extra></extra>"


def reference(plot: go.Figure, percent: float, text: str, colour: str) -> None:
    """A dashed line at a figure that others report."""
    plot.add_hline(100 - percent, line={"color": colour, "width": 1.5, "dash": "dash"})
    plot.add_annotation(
        text=text,
        x=0,
        xref="paper",
        xanchor="left",
        xshift=6,
        y=math.log10(100 - percent),
        yshift=10,
        showarrow=False,
        font={"size": 12, "color": colour},
    )


def hyperparameters(runs: Sequence[Run]) -> list[str]:
    """The settings in which the runs differ, the telling ones first."""
    names = dict.fromkeys(name for run in runs for name in ordered(run.settings))
    found = {name: {value_of(run, name) for run in runs if name in run.settings} for name in names}
    return [name for name, values in found.items() if len(values) > 1]


def value_of(run: Run, name: str) -> str:
    """A run's value of a hyperparameter, or its place on the ladder, in words."""
    if name == LADDER_CHOICE:
        return next((rung.title for rung in LADDER if rung.key == run.name), run.name)
    return worded(run.settings.get(name))


def ordered(settings: Iterable[str]) -> list[str]:
    """The names of settings, the telling ones first."""
    places = {name: place for place, name in enumerate(SETTINGS)}
    return sorted(settings, key=lambda name: places.get(name, len(places)))


def worded(value: object) -> str:
    """A setting in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, "", []):
        return "–"
    if isinstance(value, list) and all(isinstance(each, list) for each in value):
        return ", ".join(stage(*each) for each in value)
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def stage(start: float, size: Sequence[int] | int, smaller: float = 1) -> str:
    """A stage of a curriculum: from when on, (height, width) or side, how reduced for the base."""
    height, width = size if isinstance(size, Sequence) else (size, size)
    reduced = f" seen at 1 : {smaller:g}" if smaller > 1 else ""
    return f"{height} × {width}{reduced}" + (f" from {start:.0%}" if start else "")


def label_of(run: Run, value: str, by: str) -> str:
    """A run's name in the legend."""
    return value if by == LADDER_CHOICE else f"{value} ({run.name})"


def order_of(value: str, by: str) -> tuple[int, str]:
    """The ladder in its order, then everything else by name."""
    titles = rung_titles()
    place = titles.index(value) if by == LADDER_CHOICE and value in titles else len(titles)
    return place, value


def rung_titles() -> list[str]:
    """The steps of the ladder."""
    return [rung.title for rung in LADDER]


def heading(name: str, family: str = "Portrait") -> str:
    """A setting as a label of its own; only portrait networks have a ladder."""
    if name == LADDER_CHOICE and family != "Portrait":
        return "Run"
    return spoken(name)[:1].upper() + spoken(name)[1:]


def spoken(name: str) -> str:
    """A setting as one says it."""
    return SETTINGS.get(name, name.replace("_", " "))


def predictions() -> None:
    """What the network of a run makes of some photos, epoch by epoch."""
    runs = {name: run for name, run in all_runs().items() if run.samples}
    if not runs:
        return
    st.html('<h2 class="dm-title">Sample predictions</h2>')
    sheet, beside = st.columns([7, 5], gap="large")
    with beside:
        names = sorted(
            runs, key=lambda name: order_of(value_of(runs[name], LADDER_CHOICE), "ladder")
        )
        name = st.selectbox(
            "Run",
            names,
            index=next((names.index(k) for k in ("portrait", "with-prior") if k in names), 0),
            format_func=lambda name: value_of(runs[name], LADDER_CHOICE),
            key="run",
        )
        run = runs[name]
        epochs = sorted(run.samples)
        epoch = epochs[-1]
        if len(epochs) > 1:
            epoch = st.select_slider("After epoch", epochs, value=epoch, key=f"epoch-{name}")
        st.html(facts(run, epoch))
    with sheet:
        titles = "".join(f"<span>{escape(title)}</span>" for title in run.record.pictures)
        url = data_url(run.samples[epoch].read_bytes(), "jpeg")
        alt = f"Sample predictions of {escape(name)} after epoch {epoch}"
        st.html(
            f'<figure class="dm-sheet" style="--columns:{max(1, len(run.record.pictures))}">'
            f'<figcaption>{titles}</figcaption><img src="{url}" alt="{alt}"></figure>'
        )


def facts(run: Run, epoch: int) -> str:
    """What the run was made of and how it came about."""
    record = run.record
    rows = {
        **{TITLES[measure]: reached(run, measure, epoch) for measure in FIGURES},
        **{spoken(name): worded(run.settings[name]) for name in ordered(run.settings)},
        "training": f"{record.seconds / 60:.0f} min" if record.seconds else None,
        "on": record.hardware,
        "date": record.date,
        "commit": record.commit,
    }
    listed = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in rows.items()
        if value not in (None, "–")
    )
    command = f"<pre><code>{escape(record.command)}</code></pre>" if record.command else ""
    return f'<dl class="dm-table dm-run">{listed}</dl>{command}'


def reached(run: Run, measure: str, epoch: int) -> str | None:
    """A figure as it was after so many epochs; None if it was never taken."""
    curve = run.curve(measure)
    values = curve[curve["epoch"] <= epoch + 0.5]["value"]
    return FIGURES[measure].format(values.iloc[-1]) if len(values) else None


def weights() -> None:
    """The files in models/, to take along, with their terms."""
    st.html(f'<h2 class="dm-title">Weights</h2><p class="dm-help dm-rights">{RIGHTS}</p>')
    listed = json.loads((MODELS / "manifest.json").read_text())
    with st.container(horizontal=True, key="weights"):
        for name, entry in listed.items():
            size = entry["bytes"] / 1e6
            st.download_button(
                f"{name}, {size:.1f} MB",
                (MODELS / name).read_bytes,
                name,
                on_click="ignore",
                help=f"{entry['purpose']}. sha256 {entry['sha256']}",
                key=f"weights-{name}",
            )
    for card in sorted(MODELS.glob("*.md")):
        with st.expander(f"Card: {card.stem}"):
            st.markdown(card.read_text().rpartition("\n---\n")[2])


def told(section: Callable[[], None]) -> None:
    """Draw a section; what cannot be read is one sentence in its place."""
    try:
        section()
    except deepmasque.DeepMasqueError as error:
        st.error(str(error))


st.html('<h1 class="dm-title">Training</h1>')
told(ladder)
told(watched(curves))
told(st.fragment(predictions))
weights()
