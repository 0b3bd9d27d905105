"""Two photos' way into the page: two boxes, the webcam, samples, a short video for the plate."""

import base64
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import get_args

import numpy as np
import streamlit as st
from numpy.typing import NDArray

import deepmasque
from deepmasque import samples
from deepmasque.image import SUFFIXES
from deepmasque.two_photo import pipeline
from deepmasque.two_photo.alignment import Mode
from deepmasque.two_photo.plate import median_plate
from deepmasque.two_photo.refinement import Mode as Refinement
from pages.components import camera, cut_out, gallery
from pages.components.intake import PhotoPage, another_photo, hand_over
from pages.components.markup import given_picture
from pages.components.pictures import picture_url
from pages.components.shelf import Job, thumbnail

VIDEOS = (".mp4", ".mov", ".webm", ".m4v")
COUNTDOWN = 5  # seconds to step out of the picture, and into it
SHOTS = ({"said": "Step out of the picture …"}, {"said": "… and back in."})
MODES = dict(zip(get_args(Mode), ("Find out", "Tripod", "Hand-held"), strict=True))
REFINEMENTS = dict(zip(get_args(Refinement), ("Quick", "Thorough", "Everywhere"), strict=True))


@dataclass(frozen=True)
class PairJob(Job):
    """Two photos waiting to be matted; the plate may be a video, which its name tells."""

    plate: bytes = b""
    plate_name: str = ""
    mode: Mode = "auto"
    refinement: Refinement = "sampling"


@dataclass
class Given:
    """One of the two that was given already; `preview` shows it in the browser."""

    name: str
    data: bytes
    preview: str = field(repr=False)


@dataclass(frozen=True)
class Box:
    """A place for one of the two photos; `also` are suffixes of videos it takes."""

    key: str
    says: str
    also: tuple[str, ...] = ()


GIVEN = "pair-given"
BOXES = (
    Box("pair-photo", "The photo with the subject"),
    Box("pair-plate", "The same place without it", also=VIDEOS),
)


@st.cache_resource(show_spinner=False)
def device() -> str:
    """Load every model once for all visitors; the name of the device that runs them."""
    return pipeline.warm_up()


PAGE = PhotoPage(
    "pair",
    kept=("pair-work", *cut_out.KEPT),
    stages=pipeline.STAGES,
    load=device,
)


def intake() -> None:
    """Ask for two photos."""
    st.html('<h1 class="dm-title">Two photos</h1>')
    st.html(
        '<p class="dm-help">One with the subject, one of the same place without it: whatever '
        "appeared is cut out, be it people, an animal or clothes on a mannequin.</p>"
    )
    if error := PAGE.pop_error():
        st.error(error)
    for box, place in zip(BOXES, st.columns(2, gap="medium"), strict=True):
        with place:
            show_box(box)
    with st.container(horizontal=True, vertical_alignment="center"):
        if all_given():
            if st.button("Cut out", type="primary", key="pair-start"):
                start_given()
            st.button("Swap the two", icon=":material/swap_horiz:", key="pair-swap", on_click=swap)
        if st.button("Use the webcam", icon=":material/photo_camera:", key="pair-webcam"):
            webcam()
        options()
        st.caption("Instead of the photo without it: a short video in which the subject moves.")
    sample_pairs()


def show_box(box: Box) -> None:
    """What was given for a box, or the place to drop it."""
    given = all_in().get(box.key)
    if given:
        with st.container(key=f"given-{box.key}"):
            st.html(given_picture(given.preview, box.says))
            st.button("Replace", key=f"{box.key}-replace", on_click=forget, args=[box])
        return
    attempt = st.session_state.setdefault(f"{box.key}-attempt", 0)
    with st.container(key=f"drop-{box.key}"):
        st.file_uploader(
            box.says,
            type=[*SUFFIXES, *box.also],
            key=f"{box.key}-{attempt}",
            on_change=take,
            args=[box, f"{box.key}-{attempt}"],
            label_visibility="collapsed",
        )


def take(box: Box, key: str) -> None:
    """Keep what was just dropped, or say why not; with the second the work begins."""
    file = st.session_state[key]
    if not file:
        return
    st.session_state[f"{box.key}-attempt"] += 1  # the next drop zone begins empty
    try:
        pixels = still(file.name, file.getvalue())
    except deepmasque.ImageError as error:
        PAGE.say(another_photo(error))
        return
    except deepmasque.DeepMasqueError as error:
        PAGE.say(str(error))
        return
    given = Given(file.name, file.getvalue(), picture_url(pixels, 1000))
    st.session_state[GIVEN] = all_in() | {box.key: given}
    if all_given():
        hand_over_given()


def all_in() -> dict[str, Given]:
    """What lies in the boxes, by their keys.

    One entry of the session for both: a press on another button may end a run between two.
    """
    return st.session_state.get(GIVEN, {})


def all_given() -> bool:
    """Whether both photos are there."""
    return len(all_in()) == len(BOXES)


def forget(box: Box) -> None:
    """Make room for another photo."""
    st.session_state[GIVEN] = {key: given for key, given in all_in().items() if key != box.key}


def forget_all() -> None:
    """Empty both boxes."""
    st.session_state[GIVEN] = {}


def swap() -> None:
    """Take each photo for the other."""
    photo, plate = (box.key for box in BOXES)
    given = all_in()
    st.session_state[GIVEN] = {photo: given[plate], plate: given[photo]}


def hand_over_given() -> None:
    """Make the two that were given the next job."""
    photo, plate = (all_in()[box.key] for box in BOXES)
    hand_over(PAGE.name, chosen_job(photo.name, photo.data, plate.data, plate.name))


def start_given() -> None:
    """Begin with the two that were given."""
    hand_over_given()
    st.rerun()


def chosen_job(name: str, photo: bytes, plate: bytes, plate_name: str) -> PairJob:
    """A job with the options that are chosen."""
    mode = st.session_state.get("pair-mode", "auto")
    refinement = st.session_state.get("pair-refinement", "sampling")
    return PairJob(name, photo, None, plate, plate_name, mode, refinement)


def options() -> tuple[Mode, Refinement]:
    """Let the visitor say what would otherwise be found out."""

    def choice(said: str, choices: dict[str, str], key: str) -> str:
        return st.segmented_control(
            said,
            list(choices),
            format_func=choices.get,
            default=next(iter(choices)),
            required=True,
            key=key,
        )

    with st.popover("Options", icon=":material/tune:"):
        mode = choice("Camera", MODES, "pair-mode")
        return mode, choice("Refinement", REFINEMENTS, "pair-refinement")


@st.dialog("Webcam", width="large")
def webcam() -> None:
    """Take the place first and the subject then, each after a countdown."""
    if taken := camera(SHOTS, wait=COUNTDOWN, key="pair-camera"):
        plate, photo = (base64.b64decode(url.partition(",")[2]) for url in taken)
        PAGE.start(chosen_job("webcam.jpg", photo, plate, "plate.jpg"))


def sample_pairs() -> None:
    """Offer pairs of our own making."""
    shelf = {sample.name: sample for sample in samples.pairs()}
    st.html('<h2 class="dm-title">Or try a pair</h2>')
    picked = gallery(
        [
            {
                "id": sample.name,
                "label": f"{sample.title} (synthetic)",
                "url": thumbnail(sample.path),
            }
            for sample in shelf.values()
        ],
        key="pair-samples",
        height="clamp(200px, 34vh, 320px)",
    )
    st.caption("; ".join(f"{sample.title}: {sample.note}" for sample in shelf.values()))
    if picked:
        sample = shelf[picked]
        name = f"{sample.title}{sample.path.suffix}"
        data = sample.path.read_bytes(), sample.plate.read_bytes()
        PAGE.start(chosen_job(name, *data, sample.plate.name))


def is_video(name: str) -> bool:
    """Whether a file is one, going by its name."""
    return Path(name).suffix.lower() in VIDEOS


def still(name: str, data: bytes) -> NDArray[np.uint8]:
    """The picture in a file, (H, W, 3) uint8; of a video, what stood still in it."""
    if not is_video(name):
        return deepmasque.read_image(data)
    suffix = Path(name).suffix
    with NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        return median_plate(Path(file.name))
