"""What a finished pair shows beside its cut-out: alignment, expected error, clean-up."""

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from deepmasque.two_photo import pictures
from deepmasque.two_photo.checklist import Light
from deepmasque.two_photo.morphology import CleanUp
from deepmasque.two_photo.pipeline import TwoPhotoMatte
from pages.components import flicker
from pages.components.markup import fact_list
from pages.components.pictures import VIEW_SIDE, picture_url

MOST = 5.0  # thousandths of the long side by which an edge is moved or softened
MOST_HOLE = 100.0
KINDS = {
    "identity": "Stood still",
    "translation": "Shifted",
    "affine": "Shifted and turned",
    "homography": "Moved freely",
}


def alignment_view(identity: str, matte: TwoPhotoMatte) -> None:
    """The photo and the plate laid on it, one after the other, and where they differ."""
    flicker(_alignment_pictures(identity, matte), identity=identity, key="pair-alignment")


def alignment_facts(matte: TwoPhotoMatte) -> None:
    """What was measured of the alignment."""
    found = matte.alignment
    gains = " ".join(f"{gain:.2f}" for gain in found.gain)
    st.html(
        '<p class="dm-help">Press the picture: what jumps was not laid right.</p>'
        + fact_list(
            {
                "Camera": KINDS[found.kind],
                "Moved by": f"{found.shift:.1f} px",
                "Points that agree": f"{found.inliers} of {found.matches}",
                "Residual": f"{found.residual:.1f} levels",
                "Exposure": f"× {gains}",
                "Confidence": f"{found.confidence:.0%}",
            }
        )
    )


def error_view(identity: str, matte: TwoPhotoMatte) -> None:
    """Where the base network expected to be wrong, and what was refined therefore."""
    flicker(_error_pictures(identity, matte), identity=identity, key="pair-error")


def error_facts(matte: TwoPhotoMatte) -> None:
    """How much of the photo was refined."""
    st.html(
        '<p class="dm-help">The first network tells where it expects to be wrong; the second works '
        "at full size on these patches only.</p>"
        + fact_list(
            {
                "Refined": f"{matte.refined.mean():.1%} of the photo",
                "Expected error": f"{255 * matte.error_map.mean():.2f} levels of 255 on average",
            }
        )
    )


def lights(checked: Sequence[Light]) -> str:
    """What was checked as traffic lights, with advice where there is some."""
    rows = []
    for light in checked:
        advice = f"<p>{escape(light.advice)}</p>" if light.advice else ""
        rows.append(
            f'<li class="{light.state}"><i></i><b>{escape(light.name)}</b><em>{light.state}</em>'
            f"<span>{light.value:.1f} {escape(light.unit)}</span>{advice}</li>"
        )
    return f'<ol class="dm-lights">{"".join(rows)}</ol>'


def clean_up_controls(matte: TwoPhotoMatte, current: CleanUp, version: str) -> CleanUp:
    """Sliders for the clean-up; what they say now.

    version: another one sets the sliders to `current`.
    """
    pixel = max(matte.alpha.shape) / 1000

    def length(said: str, name: str, value: float, least: float = 0.0, most: float = MOST) -> float:
        """A slider in pixels of this photo for thousandths of its long side."""
        chosen = st.slider(
            said,
            *(each * pixel for each in (least, most, value, most / 50)),
            format="%.1f px",
            key=f"clean-{name}-{version}",
        )
        return round(chosen / pixel, 2)

    threshold = st.slider(
        "Black and white point", 0.0, 1.0, current.threshold, 0.01, key=f"clean-levels-{version}"
    )
    edge = length("Shrink or grow", "edge", current.dilate - current.erode, least=-MOST)
    feather = length("Feather", "feather", current.feather)
    opened = length("Remove what is thin", "open", current.open)
    closed = length("Close what is narrow", "close", current.close)
    holes = length("Fill holes", "holes", current.holes, most=MOST_HOLE)
    largest = st.toggle("Largest subject only", current.largest, key=f"clean-largest-{version}")
    return CleanUp(threshold, opened, closed, largest, holes, max(0, -edge), max(0, edge), feather)


@st.cache_data(max_entries=4, show_spinner=False)
def _alignment_pictures(identity: str, _matte: TwoPhotoMatte) -> list[dict]:
    photo, plate = _matte.image, _matte.alignment.plate
    difference = pictures.plate_difference(photo, plate)
    return _labelled(("Photo", photo), ("Plate", plate), ("Difference", difference))


@st.cache_data(max_entries=4, show_spinner=False)
def _error_pictures(identity: str, _matte: TwoPhotoMatte) -> list[dict]:
    return _labelled(
        ("Expected error", pictures.expected_error(_matte.image, _matte.error_map)),
        ("Refined patches", pictures.refined_patches(_matte.image, _matte.refined)),
    )


def _labelled(*pairs: tuple[str, NDArray[np.uint8]]) -> list[dict]:
    return [{"label": label, "url": picture_url(pixels, VIEW_SIDE)} for label, pixels in pairs]
