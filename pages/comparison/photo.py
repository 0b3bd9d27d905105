"""One photo: methods and others' results side by side, measured against a truth if there is one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.uploaded_file_manager import UploadedFile

import deepmasque
from deepmasque import samples
from deepmasque.evaluation.benchmark import Row, Scene
from deepmasque.evaluation.comparison import (
    Truth,
    errors,
    given_truth,
    others_alpha,
    painted_truth,
)
from deepmasque.evaluation.methods import Method
from deepmasque.image import SUFFIXES, encode_png, read_image, read_trimap, reduced, write_atomic
from deepmasque.portrait import pictures
from deepmasque.portrait.trimap import Stroke, from_mask, painted
from pages.comparison.figures import HEADINGS, MEANING, figure_table
from pages.comparison.run import Run, choose_methods, watch
from pages.components import brush, side_by_side
from pages.components.intake import PhotoPage, another_photo, title
from pages.components.markup import caption, chips, cost
from pages.components.pictures import TILE_SIDE, brush_pictures, cut_out_urls, picture_url
from pages.components.shelf import Job, backgrounds

PAGE = PhotoPage("compare", kept=("comparison", "compare-run"))
MOST_PIXELS = 1_000_000  # what the slowest methods do in a minute
FIRST_CHOICE = ("portraitfcn-knn", "pymatting-cf", "mediapipe-selfie")
MODES = ("Cut-out", "Alpha", "Difference")
TRUTH, THEIRS = "Ground truth", "uploaded"


@dataclass(frozen=True)
class Result:
    """An alpha, (H, W) float32 in 0..1, and whose; `row` has what it took if it was made here."""

    title: str
    alpha: NDArray[np.float32]
    row: Row | None = None
    identity: str = field(default_factory=lambda: uuid4().hex)


@dataclass
class Comparison:
    """What this visitor compares: a photo, (H, W, 3) uint8, and its results in the order shown."""

    name: str
    photo: NDArray[np.uint8]
    full: tuple[int, int]
    results: dict[str, Result] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    uploads: int = 0
    truth: Truth | None = None
    plate: Path | None = None
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    folder: TemporaryDirectory = field(default_factory=TemporaryDirectory)
    identity: str = field(default_factory=lambda: uuid4().hex)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is compared."""
        return self.photo.shape[:2]

    def measure_against(self, truth: Truth | None) -> None:
        """Take another truth."""
        self.truth, self.errors = truth, {}

    def errors_of(self, result: Result) -> dict[str, float]:
        """The errors of a result against the truth; none where there is no truth."""
        if self.truth and result.identity not in self.errors:
            self.errors[result.identity] = errors(result.alpha, self.truth)
        return self.errors.get(result.identity, {})

    def lay(self, plate: bytes) -> None:
        """Take a plate, a picture file; raises ImageError. What was made of another is dropped."""
        pixels = reduced(read_image(plate), MOST_PIXELS)
        self.plate = Path(self.folder.name) / "plate.png"
        write_atomic(self.plate, encode_png(pixels))
        self.results.pop("two-photo", None)

    def take(self, run: Run) -> None:
        """Take over what a run has finished so far."""
        for row in list(run.rows):
            if row.state == "failed":
                self.failures[row.title] = row.error
            elif row.method not in self.results:
                alpha = read_trimap(run.out / row.alpha) / np.float32(255)
                self.results[row.method] = Result(row.title, alpha, row)


def photo_view() -> None:
    """Ask for a photo, or compare on it."""
    if PAGE.job:
        begin()
    if PAGE.result:
        compare(PAGE.result)
        return
    st.html(
        caption(
            "Take a photo, tick methods, and see them side by side; add what others made of it."
        )
    )
    PAGE.intake(height="clamp(260px, 48vh, 460px)", below=offer_pair)


def offer_pair() -> None:
    """Begin with a sample that has a plate and a truth."""
    pair = samples.pairs()[0]
    if st.button(f"Take the pair “{pair.title}”", icon=":material/arrow_forward:", key="pair"):
        st.session_state["compare-pair"] = pair
        PAGE.start(Job(pair.path.name, pair.path.read_bytes()))


def begin() -> None:
    """Take the photo that was given."""
    job = PAGE.job
    PAGE.leave()
    try:
        photo = deepmasque.read_image(job.photo)
    except deepmasque.ImageError as error:
        PAGE.say(another_photo(error))
        return
    comparison = Comparison(job.name, reduced(photo, MOST_PIXELS), photo.shape[:2])
    write_atomic(Path(comparison.folder.name) / "photo.png", encode_png(comparison.photo))
    if pair := st.session_state.pop("compare-pair", None):
        comparison.lay(pair.plate.read_bytes())
        truth = pair.truth.read_bytes()
        comparison.measure_against(
            given_truth(truth, pair.truth.name, comparison.size, comparison.full)
        )
    st.session_state[PAGE.kept[0]] = comparison


def compare(comparison: Comparison) -> None:
    """Tick, run, look, measure."""
    head(comparison)
    ticked = choose_methods(FIRST_CHOICE, "compare-methods")
    if error := PAGE.pop_error():
        st.error(error)
    if not going_on(comparison):
        missing = [method for method in ticked if method.name not in comparison.results]
        what = "the others" if len(missing) < len(ticked) else "these methods"
        if missing:
            # A callback: a click that only the script sees is lost when another run ends it first.
            # Streamlit keeps the arguments of callbacks while the session lasts: no photo is one.
            clicked = {"on_click": start, "args": [missing]}
            st.button(f"Run {what}", type="primary", key="run", **clicked)
    for name, why in comparison.failures.items():
        st.warning(f"{name}: {why}")
    names = {method.name for method in ticked}
    shown = {
        name: result
        for name, result in comparison.results.items()
        if result.row is None or name in names
    }
    row_of_pictures(comparison, shown)
    if shown:
        st.html('<h2 class="dm-title">Figures</h2>')
        figure_table(measured(comparison, shown), "compare-figures")
        st.html(caption(MEANING))
    others, plate, truth = st.columns(3, gap="large")
    with others:
        take_others(comparison)
    with plate:
        take_plate(comparison)
    with truth:
        take_truth(comparison, shown)


def going_on(comparison: Comparison) -> bool:
    """Whether methods are at work; what they have finished is taken over."""
    run: Run | None = st.session_state.get("compare-run")
    if not run:
        return False
    at_work = run.look()
    comparison.take(run)
    if at_work:
        watch(run, len(run.rows))
        return True
    del st.session_state["compare-run"]
    if run.error:
        st.error(run.error)
    return False


def start(chosen: list[Method]) -> None:
    """Let methods run on the photo."""
    comparison: Comparison = PAGE.result
    folder = Path(comparison.folder.name)
    comparison.failures.clear()
    scene = Scene("photo", folder / "photo.png", plate=comparison.plate)
    st.session_state["compare-run"] = Run([scene], chosen, folder / "results")


def head(comparison: Comparison) -> None:
    """Name the photo; the next one beside it."""
    (height, width), full = comparison.size, comparison.full
    small = "" if full == (height, width) else f"<small>reduced from {full[1]} × {full[0]}</small>"
    with st.container(horizontal=True, vertical_alignment="center", key="compare-head"):
        st.html(
            f'<div class="dm-line"><h1 class="dm-title dm-name">{title(comparison.name)}</h1>'
            f"{chips(f'{width} × {height}')}{small}</div>"
        )
        PAGE.leave_button()


def row_of_pictures(comparison: Comparison, shown: dict[str, Result]) -> None:
    """The photo, every result, and where they differ."""
    reference = (
        choose_reference(comparison, shown) if len(shown) + bool(comparison.truth) > 1 else None
    )
    photo = {"url": photo_url(comparison.identity, comparison.photo)}
    tiles = [{"id": "photo", "label": "Photo", "said": "", "views": {"Photo": photo}}]
    if comparison.truth:
        alpha = {"url": picture_url(pictures.grey(comparison.truth.alpha), TILE_SIDE)}
        tiles.append({"id": "truth", "label": TRUTH, "said": "", "views": {"Alpha": alpha}})
    for name, result in shown.items():
        cut = cut_out_urls(result.identity, comparison.photo, result.alpha)
        views = {"Cut-out": cut, "Alpha": {"url": cut["alpha"]}}
        if reference is not None:
            apart = pictures.difference(result.alpha, reference)
            views["Difference"] = {"url": picture_url(apart, TILE_SIDE)}
        said = cost(result.row.seconds, result.row.added_mb) if result.row else THEIRS
        tiles.append({"id": name, "label": result.title, "said": said, "views": views})
    modes = MODES if reference is not None else MODES[:2]
    side_by_side(
        tiles,
        modes if shown else ["Photo"],
        backgrounds(),
        identity=comparison.identity,
        key="compare-row",
    )


def choose_reference(comparison: Comparison, shown: dict[str, Result]) -> NDArray[np.float32]:
    """What the differences are differences from."""
    titles = {name: result.title for name, result in shown.items()}
    if comparison.truth:
        titles = {TRUTH: TRUTH} | titles
    with st.container(horizontal=True, vertical_alignment="center", key="reference-row"):
        name = st.selectbox(
            "Differences from",
            list(titles),
            format_func=lambda name: f"Differences from {titles[name]}",
            label_visibility="collapsed",
            key="reference",
            width=380,
        )
        st.html(caption("<b>Amber</b> is more opaque than that, <b class=dm-blue>blue</b> less."))
    return comparison.truth.alpha if name == TRUTH else shown[name].alpha


@st.cache_data(max_entries=6, show_spinner=False)
def photo_url(identity: str, _photo: NDArray[np.uint8]) -> str:
    """The photo as a data URL."""
    return picture_url(_photo, TILE_SIDE)


def measured(comparison: Comparison, shown: dict[str, Result]) -> pd.DataFrame:
    """The figures of every result that is shown."""
    rows = []
    for result in shown.values():
        row = {"method": result.title, "made": "here" if result.row else THEIRS}
        row |= comparison.errors_of(result)
        if result.row:
            row |= {name: getattr(result.row, name) for name in list(HEADINGS)[-4:]}
        rows.append(row)
    return pd.DataFrame(rows, columns=["method", "made", *HEADINGS])


def take_others(comparison: Comparison) -> None:
    """Add cut-outs that other programs made."""
    st.html('<h2 class="dm-title">Others’ results</h2>')
    key = f"others-{comparison.uploads}-{comparison.identity}"
    st.file_uploader(
        "Cut-outs from burner.bonanza.com, malabi.co, remove.bg, Photoshop …: PNG with"
        " transparency, as large as the photo",
        type=["png", "webp", "tif", "tiff"],
        accept_multiple_files=True,
        key=key,
        on_change=add_others,
        args=[key],
    )


def add_others(key: str) -> None:
    """Put every file that fits into the row; of those that do not, the last into a sentence."""
    comparison: Comparison = PAGE.result
    comparison.uploads += 1  # the next uploader begins empty
    for file in st.session_state[key]:
        try:
            alpha = others_alpha(file.getvalue(), file.name, comparison.size, comparison.full)
        except deepmasque.DeepMasqueError as error:
            PAGE.say(str(error))
            continue
        stem = Path(file.name).stem
        comparison.results[f"{THEIRS} {stem}"] = Result(stem, alpha)


def take_plate(comparison: Comparison) -> None:
    """Ask for the second photo of “Two photos”."""
    st.html('<h2 class="dm-title">Plate</h2>')
    ask_for(
        "The same place without the subject, for “Two photos”", lay, f"plate-{comparison.identity}"
    )
    if comparison.plate:
        st.html(caption("There is a plate; another one takes its place."))


def lay(file: UploadedFile) -> None:
    """Take a file as the plate."""
    PAGE.result.lay(file.getvalue())


def take_truth(comparison: Comparison, shown: dict[str, Result]) -> None:
    """Ask for what the results are measured against."""
    st.html('<h2 class="dm-title">Ground truth</h2>')
    ask_for(
        "A mask, an alpha or a perfect cut-out of this photo",
        measure,
        f"truth-{comparison.identity}",
    )
    if comparison.truth and st.button("Forget the truth", key="no-truth"):
        comparison.measure_against(None)
        st.rerun()
    if shown and st.toggle("Paint it", key="paint-truth"):
        paint(comparison, shown)


def measure(file: UploadedFile) -> None:
    """Take a file as the truth."""
    comparison: Comparison = PAGE.result
    sizes = comparison.size, comparison.full
    comparison.measure_against(given_truth(file.getvalue(), file.name, *sizes))


def ask_for(says: str, use: Callable[[UploadedFile], None], key: str) -> None:
    """Take a picture file and use it at once."""
    st.file_uploader(says, type=SUFFIXES, key=key, on_change=use_given, args=[use, key])


def use_given(use: Callable[[UploadedFile], None], key: str) -> None:
    """Use the file that was just given, or say why not."""
    if file := st.session_state[key]:
        try:
            use(file)
        except deepmasque.DeepMasqueError as error:
            PAGE.say(str(error))


def paint(comparison: Comparison, shown: dict[str, Result]) -> None:
    """Correct a result by hand; what stays amber does not count."""
    titles = {name: result.title for name, result in shown.items()}
    name = st.selectbox("Begin with", list(titles), format_func=titles.get, key="paint-base")
    base = from_mask(shown[name].alpha, width=0.5)
    st.html(caption("Paint what must stay and what must go. What stays amber does not count."))
    identity = f"truth-{shown[name].identity}"
    strokes = brush(
        brush_pictures(identity, comparison.photo, base), key=identity, done="Measure against this"
    )
    if strokes is None:
        return
    try:
        trimap = painted(base, [Stroke(**stroke) for stroke in strokes])
        comparison.measure_against(painted_truth(trimap))
    except deepmasque.DeepMasqueError as error:
        st.error(str(error))
        return
    st.rerun()
