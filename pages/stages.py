"""Stages: a photo through the portrait pipeline, every stage large, KNN matting from inside."""

import io
import json
import math
import zipfile
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

import deepmasque
from deepmasque.evaluation.metrics import mad
from deepmasque.image import encode_png, reduced
from deepmasque.memory import PeakMeter
from deepmasque.portrait import pictures, pipeline
from deepmasque.portrait.knn_matting import TOLERANCE, TUNED, Method, Solution
from deepmasque.portrait.neighbours import Neighbourhood, neighbourhood, telling_pixels
from deepmasque.portrait.trimap import UNKNOWN, from_mask
from pages.components import FOLDER, before_after, neighbours, picture, steps
from pages.components.charts import AMBER, BLUE, GREY, PALE, WHITE, chart, dressed
from pages.components.intake import PhotoPage, Progress, title
from pages.components.markup import caption, chips, cost, film, seconds, working
from pages.components.pictures import data_url, viewer_pictures
from pages.components.shelf import Job, backgrounds

PAGE = PhotoPage("stages", kept=("trace",))
MOST_PIXELS = 1_000_000
SPACES = {"rgb": "RGB", "hsv": "HSV", "lab": "Lab"}
LINES = {"rgb": AMBER, "hsv": WHITE, "lab": BLUE}
KERNELS = {"exponential": "exp(−d / mean d)", "linear": "1 − d / max d"}
MOST_NEIGHBOURS = 20
RINGS = ("Like colour, near", "Like colour, anywhere")
NOTHING_UNKNOWN = "The trimap decided every pixel of this photo, so there is nothing to solve."
KNN = "KNN matting"


@dataclass(frozen=True)
class Solved:
    """The photo matted in one colour space, and how its system was solved."""

    matte: deepmasque.Matte
    solution: Solution

    @property
    def stage(self) -> deepmasque.Stage:
        """The stage of KNN matting."""
        return next(stage for stage in self.matte.stages if stage.name == KNN)


class Parameters(NamedTuple):
    """What trimap and matting go by; at first as the pipeline does.

    A tuple, for a visitor's outlives the run of the script that made it, and with it its class.

    width: of the band, times the pipeline's. features: colour space of KNN matting.
    neighbours: of each kind. kernel: what a distance is worth.
    """

    width: float = 1.0
    features: str = "rgb"
    neighbours: int = TUNED.rings[0].k
    kernel: str = TUNED.kernel

    @property
    def method(self) -> Method:
        """Neighbours and kernel, for the library."""
        return replace(TUNED.asking(self.neighbours), kernel=self.kernel)

    def in_space(self, features: str) -> "Parameters":
        """The same in another colour space."""
        return self._replace(features=features)

    def __str__(self) -> str:
        return f"{self.features}-{self.width}-{self.neighbours}-{self.kernel}"


AT_FIRST = Parameters()


@dataclass
class Trace:
    """What this visitor's page is about.

    `first` is the run of the whole pipeline, `memory` what each of its stages took in MB. `trimap`
    and `parameters` may be changed since; `spaces` grows by each colour space that is looked at.
    """

    name: str
    full_size: tuple[int, int]
    first: Solved
    memory: dict[str, float | None]
    parameters: Parameters = AT_FIRST
    identity: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.spaces = {"rgb": self.first}
        self.latest = self.first.matte
        self.trimap = self.latest.trimap

    @property
    def settings(self) -> str:
        """Names what was changed, so that pictures are drawn anew; nothing at first."""
        return "" if self.parameters == AT_FIRST else str(self.parameters)

    @property
    def shown(self) -> Solved:
        """The photo with the present parameters."""
        return self.solved(self.parameters.features)

    @property
    def matte(self) -> deepmasque.Matte:
        """Its matte."""
        return self.shown.matte

    def memory_of(self, stage: deepmasque.Stage) -> float | None:
        """MB that a stage took; None where it was run again, or cannot be told."""
        measured = any(stage is each for each in self.first.matte.stages)
        return self.memory[stage.name] if measured else None

    def change(self, parameters: Parameters) -> None:
        """Go by other parameters; what was found by the old ones is forgotten, but for the space.

        The trimap is drawn again only for another width.
        """
        before, self.parameters = self.parameters, parameters
        if parameters.width != before.width:
            self.latest = self.first.matte
            self.trimap = self.latest.trimap
            if parameters.width != 1:
                mask, uncertainty = self.latest.mask, self.latest.uncertainty
                self.trimap = from_mask(mask, uncertainty, width=parameters.width)
        if parameters.in_space(before.features) != before:
            at_first = parameters.in_space("rgb") == AT_FIRST
            self.spaces = {"rgb": self.first} if at_first else {}

    def solved(self, features: str) -> Solved:
        """The photo in one colour space, solved when it is first asked for."""
        if features not in self.spaces:
            records = []
            self.latest = deepmasque.rematte(
                self.latest,
                None if self.trimap is self.latest.trimap else self.trimap,
                features=features,
                method=self.parameters.method,
                on_solution=records.append,
            )
            self.trimap = self.latest.trimap
            self.spaces[features] = Solved(self.latest, *records)
        return self.spaces[features]


def intake() -> None:
    """Ask for a photo: a file, a sample, or the one last matted."""
    st.html('<h1 class="dm-title">Stages</h1>')

    def below() -> None:
        if work := st.session_state.get("work"):
            label = f"Take “{Path(work.name).stem}” from Upload & matte"
            if st.button(label, icon=":material/arrow_forward:", key="take"):
                PAGE.start(Job(work.name, encode_png(reduced(work.matte.image, MOST_PIXELS))))

    PAGE.intake(below=below)


def traced(job: Job, photo: NDArray[np.uint8], progress: Progress) -> Trace:
    """Run the pipeline, measure the memory of its stages, keep how the matting was solved."""
    height, width = photo.shape[:2]
    records, memory, meter = [], {}, PeakMeter()

    def note(stage: deepmasque.Stage) -> None:
        memory[stage.name] = meter.added_mb()
        progress(stage)
        meter.start()

    matte = deepmasque.matte(reduced(photo, MOST_PIXELS), on_stage=note, on_solution=records.append)
    return Trace(job.name, (width, height), Solved(matte, *records), memory)


@st.fragment
def show() -> None:
    """Step through the stages."""
    trace: Trace = PAGE.result
    facts(trace)
    if trace.parameters.features not in trace.spaces:
        wait = st.empty()
        wait.html(working(trace.first.matte.image, "Solving again …"))
        trace.solved(trace.parameters.features)
        wait.empty()
    chosen = STEPS[steps(STEPS, [time_of(trace, name) for name in STEPS], key=key(trace, "steps"))]
    with st.container(key="step"):
        VIEWS.get(chosen, stage_picture)(trace, chosen)


def key(trace: Trace, name: str) -> str:
    """Name a component so that it starts anew with every photo."""
    return f"{name}-{trace.identity}"


def version(trace: Trace, name: str) -> str:
    """Name a picture so that it is drawn anew with other parameters."""
    return f"{name} {trace.settings}".strip()


def parameters(trace: Trace) -> None:
    """Let the visitor change what the trimap and the matting go by; the rest stays as it is."""
    with st.popover("Parameters", icon=":material/tune:"):
        width = st.slider("Band width", 0.5, 4.0, 1.0, 0.25, format="%.2f×", key=key(trace, "band"))
        features = st.segmented_control(
            "Colour space of KNN matting",
            list(SPACES),
            format_func=SPACES.get,
            default="rgb",
            required=True,
            key=key(trace, "features"),
        )
        k = st.slider(
            "Neighbours (K), near and anywhere",
            1,
            MOST_NEIGHBOURS,
            TUNED.rings[0].k,
            key=key(trace, "k"),
        )
        kernel = st.segmented_control(
            "Affinity at distance d",
            list(KERNELS),
            format_func=KERNELS.get,
            default=TUNED.kernel,
            required=True,
            key=key(trace, "kernel"),
        )
        st.caption(
            "Only what follows is run again: all of it from the trimap on for the band, from KNN"
            " matting on for the rest."
        )
    trace.change(Parameters(width, features, k, kernel))


def facts(trace: Trace) -> None:
    """Name the photo and what was measured; parameters, downloads and the next photo beside it."""
    matte = trace.first.matte
    height, width = matte.alpha.shape
    whole = sum(stage.seconds for stage in matte.stages)
    marks = chips(f"{width} × {height}", seconds(whole), matte.device)
    small = "" if trace.full_size == (width, height) else reduction(trace)
    with st.container(horizontal=True, vertical_alignment="center", key="stages-head"):
        st.html(
            f'<div class="dm-line"><h1 class="dm-title dm-name">{title(trace.name)}</h1>{marks}'
            f"{small}</div>"
        )
        parameters(trace)
        with st.popover("Download", icon=":material/download:"):
            stem = Path(trace.name).stem
            for label, data, ending in (
                ("Pictures", lambda: archive(trace), "stages.zip"),
                ("Report", lambda: report(trace), "stages.html"),
            ):
                st.download_button(label, data, f"{stem}-{ending}", on_click="ignore", key=ending)
        PAGE.leave_button()


def reduction(trace: Trace) -> str:
    """Say that the photo was reduced."""
    width, height = trace.full_size
    return f"<small>reduced from {width} × {height} for this page</small>"


def time_of(trace: Trace, name: str) -> str:
    """Write what a stage took; nothing for the views of a stage."""
    stage = next((each for each in trace.matte.stages if each.name == name), None)
    if stage is None:
        return ""
    return cost(stage.seconds, trace.memory_of(stage))


def stage_picture(trace: Trace, name: str) -> None:
    """Show what a stage produced, and its notes."""
    stage = next(stage for stage in trace.matte.stages if stage.name == name)
    picture(stage.picture, name, identity=version(trace, name), key=key(trace, "picture"))
    st.html(caption(escape(" ".join(stage.notes))))


def uncertainty(trace: Trace, name: str) -> None:
    """Show where the network expects a mixture of subject and background."""
    shown = pictures.grey(trace.matte.uncertainty)
    picture(shown, name, identity=name, key=key(trace, "picture"))
    st.html(
        caption(
            "The brighter, the surer the network is that hair or the like mixes the colours there;"
            " the trimap’s band grows over it."
        )
    )


def correction(trace: Trace, name: str) -> None:
    """Show what the residual network changed in the alpha of KNN matting."""
    alpha, solved = trace.matte.alpha, trace.shown.solution.alpha
    shown = pictures.difference(alpha, solved)
    picture(shown, name, identity=version(trace, name), key=key(trace, "picture"))
    st.html(
        caption("<b>Amber</b>: more opaque than KNN matting said, <b class=dm-blue>blue</b>: less.")
    )


def neighbour_picture(trace: Trace, name: str) -> None:
    """Point at a pixel and see what it is tied to."""
    solution = trace.shown.solution
    telling = telling_pixels(solution)
    if not telling:
        st.html(caption(NOTHING_UNKNOWN))
        return
    state = key(trace, version(trace, "neighbours"))
    pointed = (st.session_state.get(state) or {}).get("pixel")
    x, y = pointed or telling[0]
    seen = neighbourhood(solution, x, y, trace.parameters.method.rings)
    identity = key(trace, version(trace, "photo"))
    photo = (None, None) if pointed else lossless(identity, trace.matte)
    neighbours(
        {
            "id": identity,
            "photo": photo[0],
            "trimap": photo[1],
            "telling": telling,
            "pixel": [x, y],
            "title": f"{seen.alpha:.0%} subject",
            "sentence": sentence(seen),
            "rings": RINGS,
            "neighbours": [
                {"x": near.x, "y": near.y, "affinity": near.affinity, "ring": near.ring}
                for near in seen.neighbours
            ],
        },
        key=state,
    )
    st.html(
        caption(
            "Press any pixel of the bright band. Thicker lines and longer bars are stronger"
            " affinities."
        )
    )


def sentence(seen: Neighbourhood) -> str:
    """Say what the chosen pixel is."""
    if seen.known:
        side = "subject" if seen.alpha > 0.5 else "background"
        return f"This pixel is known: the trimap says {side}, so it has nothing to ask."
    return f"Pixel {seen.x}, {seen.y} asks {len(seen.neighbours)} neighbours."


@st.cache_data(max_entries=4, show_spinner=False)
def lossless(identity: str, _matte: deepmasque.Matte) -> tuple[str, str]:
    """Photo and trimap as lossless data URLs: the page magnifies single pixels."""
    photo, trimap = encode_png(_matte.image), encode_png(_matte.trimap)
    return data_url(photo, "png"), data_url(trimap, "png")


def convergence(trace: Trace, name: str) -> None:
    """Plot the residuals of each colour space as soon as it is solved."""
    if not (trace.matte.trimap == UNKNOWN).any():
        st.html(caption(NOTHING_UNKNOWN))
        return
    place, below = st.empty(), st.empty()

    def plot() -> None:
        chart(residual_chart(trace.spaces), version(trace, f"residuals-{len(trace.spaces)}"), place)

    for features, space in SPACES.items():
        if features not in trace.spaces:
            plot()
            below.html(caption(f"Solving in {space} …"))
            trace.solved(features)
    plot()
    below.html(caption("How far the system is from solved after each step of conjugate gradients."))


def residual_chart(spaces: dict[str, Solved]) -> go.Figure:
    """Residual over steps, one line for each colour space, and the tolerance."""
    figure = go.Figure()
    for features, space in SPACES.items():
        if features in spaces:
            solution, time = spaces[features].solution, seconds(spaces[features].stage.seconds)
            figure.add_scatter(
                y=solution.residuals,
                name=f"<b>{space}</b>  {solution.iterations} steps, {time}",
                line={"color": LINES[features], "width": 2.5},
                hovertemplate="step %{x}: %{y:.1e}",
            )
    figure.add_hline(TOLERANCE, line={"color": GREY, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        text=f"tolerance 10<sup>{math.log10(TOLERANCE):.0f}</sup>",
        x=0,
        xref="paper",
        xanchor="left",
        xshift=8,
        y=math.log10(TOLERANCE),
        yshift=11,
        showarrow=False,
        font_color=PALE,
    )
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(title="residual", type="log", dtick=1, exponentformat="power")
    dressed(figure, 500).update_xaxes(fixedrange=True)
    figure.update_layout(
        margin={"l": 70, "t": 20, "b": 60},
        legend={"orientation": "v", "x": 0.99, "y": 0.98, "xanchor": "right", "yanchor": "top"},
        legend_font_size=15,
    )
    return figure


def colour_spaces(trace: Trace, name: str) -> None:
    """Lay RGB and HSV over each other, and show where their alphas differ."""
    wait = st.empty()
    if "hsv" not in trace.spaces:
        wait.html(working(trace.matte.image, "Solving in HSV …"))
    rgb, hsv = trace.solved("rgb").matte, trace.solved("hsv").matte
    wait.empty()
    slider, beside = st.columns([6, 4], gap="medium")
    with slider:
        choices = backgrounds()
        before_after(
            viewer_pictures(f"{trace.parameters.in_space('hsv')}-{trace.identity}", hsv),
            choices,
            chosen=choices[0],
            key=key(trace, "spaces"),
            first=viewer_pictures(f"{trace.parameters.in_space('rgb')}-{trace.identity}", rgb),
            labels=("RGB", "HSV"),
        )
    with beside:
        picture(
            pictures.difference(rgb.alpha, hsv.alpha),
            "Difference of the alphas",
            identity=version(trace, "difference"),
            key=key(trace, "difference"),
        )
        apart = mad(rgb.alpha, hsv.alpha, rgb.trimap == UNKNOWN)
        st.html(
            caption(
                f"{apart:.3f} apart on average in the band. "
                "<b>Amber</b>: RGB is more opaque, <b class=dm-blue>blue</b>: HSV."
            )
        )


def cut_out(trace: Trace, name: str) -> None:
    """Before and after over any background."""
    choices = backgrounds()
    amber = next(each for each in choices if each["id"] == "amber")
    shown = viewer_pictures(f"{trace.parameters}-{trace.identity}", trace.matte)
    before_after(shown, choices, chosen=amber, key=key(trace, "cut-out"))


def record(trace: Trace) -> dict:
    """What was measured: times, memory, notes and residuals."""
    return {
        "parameters": {
            "band width": trace.parameters.width,
            "features": trace.parameters.features,
            "neighbours": trace.parameters.neighbours,
            "kernel": trace.parameters.kernel,
        },
        "stages": [
            {
                "name": stage.name,
                "seconds": stage.seconds,
                "added_mb": trace.memory_of(stage),
                "notes": stage.notes,
            }
            for stage in trace.matte.stages
        ],
        "residuals": {
            features: solved.solution.residuals for features, solved in trace.spaces.items()
        },
    }


def archive(trace: Trace) -> bytes:
    """Every stage's picture, and in JSON what was measured."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as files:
        for number, stage in enumerate(trace.matte.stages, 1):
            files.writestr(f"{number} {stage.name}.png", encode_png(stage.picture))
        files.writestr("stages.json", json.dumps(record(trace), indent=1))
    return held.getvalue()


def report(trace: Trace) -> str:
    """The same as a page that needs nothing else."""
    return (
        (FOLDER / "trace.html")
        .read_text(encoding="utf-8")
        .format(
            title=title(trace.name),
            marks=chips(
                *(f"{name}: {value}" for name, value in record(trace)["parameters"].items())
            ),
            stages=film(trace.matte.stages),
            chart=residual_chart(trace.spaces).to_html(full_html=False, include_plotlyjs=True),
            style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        )
    )


VIEWS = {
    "Uncertainty": uncertainty,
    "Correction": correction,
    "Neighbours": neighbour_picture,
    "Convergence": convergence,
    "RGB or HSV": colour_spaces,
    "Cut-out": cut_out,
}
BEFORE = {KNN: ("Neighbours", "Convergence")}
AFTER = {"PortraitFCN+": ("Uncertainty",), KNN: ("RGB or HSV",), "Refinement": ("Correction",)}
STEPS = (
    *(
        step
        for stage in pipeline.STAGES
        for step in (*BEFORE.get(stage, ()), stage, *AFTER.get(stage, ()))
    ),
    "Cut-out",
)

PAGE.show(traced, show, intake)
