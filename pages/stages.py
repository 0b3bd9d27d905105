"""Stages: a photo through the portrait pipeline, every stage large, KNN matting from inside."""

import io
import json
import math
import zipfile
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from uuid import uuid4

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

import deepmasque
from deepmasque.evaluation.metrics import mad
from deepmasque.image import encode_png, reduced
from deepmasque.portrait import pictures, pipeline
from deepmasque.portrait.knn_matting import TOLERANCE, Solution
from deepmasque.portrait.neighbours import Neighbourhood, neighbourhood, telling_pixels
from deepmasque.portrait.trimap import UNKNOWN
from pages.components import before_after, neighbours, picture, steps
from pages.components.charts import AMBER, BLUE, GREY, PALE, WHITE, chart, dressed
from pages.components.intake import PhotoPage, Progress, title
from pages.components.markup import caption, chips, seconds, working
from pages.components.pictures import data_url, viewer_pictures
from pages.components.shelf import Job, backgrounds

PAGE = PhotoPage("stages", kept=("trace",))
MOST_PIXELS = 1_000_000
SPACES = {"rgb": "RGB", "hsv": "HSV", "lab": "Lab"}
LINES = {"rgb": AMBER, "hsv": WHITE, "lab": BLUE}
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


@dataclass
class Trace:
    """What this visitor's page is about; `spaces` grows by each colour space that is looked at."""

    name: str
    full_size: tuple[int, int]
    spaces: dict[str, Solved]
    identity: str = field(default_factory=lambda: uuid4().hex)

    @property
    def matte(self) -> deepmasque.Matte:
        """The matte of the pipeline as it is."""
        return self.spaces["rgb"].matte

    def solved(self, features: str) -> Solved:
        """The photo in one colour space, solved when it is first asked for."""
        if features not in self.spaces:
            records = []
            matte = deepmasque.rematte(
                self.matte, self.matte.trimap, features=features, on_solution=records.append
            )
            self.spaces[features] = Solved(matte, *records)
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
    """Run the pipeline and keep how the matting was solved."""
    height, width = photo.shape[:2]
    records = []
    matte = deepmasque.matte(
        reduced(photo, MOST_PIXELS), on_stage=progress, on_solution=records.append
    )
    return Trace(job.name, (width, height), {"rgb": Solved(matte, *records)})


@st.fragment
def show() -> None:
    """Step through the stages."""
    trace: Trace = PAGE.result
    facts(trace)
    chosen = STEPS[steps(STEPS, [time_of(trace, name) for name in STEPS], key=key(trace, "steps"))]
    with st.container(key="step"):
        VIEWS.get(chosen, stage_picture)(trace, chosen)


def key(trace: Trace, name: str) -> str:
    """Name a component so that it starts anew with every photo."""
    return f"{name}-{trace.identity}"


def facts(trace: Trace) -> None:
    """Name the photo and what was measured; downloads and the next photo beside it."""
    height, width = trace.matte.alpha.shape
    whole = sum(stage.seconds for stage in trace.matte.stages)
    marks = chips(f"{width} × {height}", seconds(whole), trace.matte.device)
    small = "" if trace.full_size == (width, height) else reduction(trace)
    with st.container(horizontal=True, vertical_alignment="center", key="stages-head"):
        st.html(
            f'<div class="dm-line"><h1 class="dm-title dm-name">{title(trace.name)}</h1>{marks}'
            f"{small}</div>"
        )
        st.download_button(
            "Download pictures",
            lambda: archive(trace),
            f"{Path(trace.name).stem}-stages.zip",
            on_click="ignore",
            key="pictures",
        )
        PAGE.leave_button()


def reduction(trace: Trace) -> str:
    """Say that the photo was reduced."""
    width, height = trace.full_size
    return f"<small>reduced from {width} × {height} for this page</small>"


def time_of(trace: Trace, name: str) -> str:
    """Write the seconds of a stage; nothing for the views of a stage."""
    return next((seconds(each.seconds) for each in trace.matte.stages if each.name == name), "")


def stage_picture(trace: Trace, name: str) -> None:
    """Show what a stage produced, and its notes."""
    stage = next(stage for stage in trace.matte.stages if stage.name == name)
    picture(stage.picture, name, identity=name, key=key(trace, "picture"))
    st.html(caption(escape(" ".join(stage.notes))))


def neighbour_picture(trace: Trace, name: str) -> None:
    """Point at a pixel and see what it is tied to."""
    solution = trace.spaces["rgb"].solution
    telling = telling_pixels(solution)
    if not telling:
        st.html(caption(NOTHING_UNKNOWN))
        return
    state = key(trace, "neighbours")
    pointed = (st.session_state.get(state) or {}).get("pixel")
    x, y = pointed or telling[0]
    seen = neighbourhood(solution, x, y)
    photo = (None, None) if pointed else lossless(trace.identity, trace.matte)
    neighbours(
        {
            "id": trace.identity,
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
        chart(residual_chart(trace.spaces), f"residuals-{len(trace.spaces)}", place)

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
            viewer_pictures(f"hsv-{trace.identity}", hsv),
            choices,
            chosen=choices[0],
            key=key(trace, "spaces"),
            first=viewer_pictures(f"rgb-{trace.identity}", rgb),
            labels=("RGB", "HSV"),
        )
    with beside:
        picture(
            pictures.difference(rgb.alpha, hsv.alpha),
            "Difference of the alphas",
            identity="difference",
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
    shown = viewer_pictures(f"rgb-{trace.identity}", trace.matte)
    before_after(shown, choices, chosen=amber, key=key(trace, "cut-out"))


def archive(trace: Trace) -> bytes:
    """Every stage's picture, and in JSON the times, notes and residuals."""
    held = io.BytesIO()
    stages = trace.matte.stages
    record = {
        "stages": [
            {"name": stage.name, "seconds": stage.seconds, "notes": stage.notes} for stage in stages
        ],
        "residuals": {
            features: solved.solution.residuals for features, solved in trace.spaces.items()
        },
    }
    with zipfile.ZipFile(held, "w") as files:
        for number, stage in enumerate(stages, 1):
            files.writestr(f"{number} {stage.name}.png", encode_png(stage.picture))
        files.writestr("stages.json", json.dumps(record, indent=1))
    return held.getvalue()


VIEWS = {
    "Neighbours": neighbour_picture,
    "Convergence": convergence,
    "RGB or HSV": colour_spaces,
    "Cut-out": cut_out,
}
before = pipeline.STAGES.index(KNN)
STEPS = (
    *pipeline.STAGES[:before],
    "Neighbours",
    "Convergence",
    KNN,
    "RGB or HSV",
    *pipeline.STAGES[before + 1 :],
    "Cut-out",
)

if PAGE.job:
    PAGE.work_on(traced)
elif PAGE.result:
    show()
else:
    intake()
