"""The capture checklist: what a pair of photos makes hard for matting, measured from the pair."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.image import reduced
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.two_photo.alignment import Alignment
from deepmasque.two_photo.differences import CHANGED, agreement, change, grey, probable_subject

State = Literal["good", "fair", "poor"]

PIXELS = 250_000
"""As many pixels of the photo are looked at."""
SUBJECTS = 0.15
"""Share of the largest changed region from which another is a subject too, not a moved object."""
RIM = 13
"""Pixels by which the subject is narrowed to be surely inside: more than it was widened by."""
SHADOW = 0.5, 0.93
"""Brightness of a shadow, as a share of the plate's: less is rarely a shadow, more is noise."""
SHADOW_TINT = 0.06
"""Largest share by which a channel of a shadow is darkened more or less than the others."""
DARK = 30
"""Levels of the plate below which a ratio of brightness is noise."""
MID_GREY = 128


@dataclass(frozen=True)
class Light:
    """One line of the checklist.

    Attributes
    ----------
    name: what was looked at.
    state: "good" needs nothing, "fair" costs quality in places, "poor" is worth another shot.
    value, unit: what was measured.
    advice: one sentence for the user.
    """

    name: str
    state: State
    value: float
    unit: str
    advice: str


@dataclass(frozen=True)
class _Line:
    """From which values on a light is fair and poor, and what it then says."""

    name: str
    unit: str
    fair: float
    poor: float
    praise: str
    advice: str

    def light(self, value: float) -> Light:
        state = "poor" if value >= self.poor else "fair" if value >= self.fair else "good"
        said = self.praise if state == "good" else self.advice
        return Light(self.name, state, float(value), self.unit, said)


_BACKGROUND = _Line(
    "Static background",
    "% of the background changed",
    1.0,
    5.0,
    "Nothing but the subject changed between the photos.",
    "Something behind the subject moved or is misaligned: keep people, leaves and curtains still.",
)
_SHADOWS = _Line(
    "Shadows",
    "% of the background in new shadow",
    1.0,
    5.0,
    "The subject casts no shadow that shows.",
    "The subject darkens the background: step away from the wall or use softer light.",
)
_EXPOSURE = _Line(
    "Exposure lock",
    "% change of mid grey",
    3.0,
    15.0,
    "Both photos have the same exposure and white balance.",
    "Exposure or white balance changed and was matched: lock both before the first shot.",
)
_COLOURS = _Line(
    "Colour coincidence",
    "% of the subject in the colour behind it",
    5.0,
    20.0,
    "The subject's colours differ from those behind it.",
    "Parts of the subject have the colour of what is behind them: change the place or the clothes.",
)
_MOTION = _Line(
    "Camera motion",
    "% of the photo's diagonal",
    0.1,
    3.0,
    "The camera stood still.",
    "The camera moved and the plate was moved after it: a tripod saves the edges of the photo.",
)
_SHARPNESS = _Line(
    "Sharpness",
    "% difference in sharpness",
    15.0,
    40.0,
    "Both photos are equally sharp.",
    "One photo is less sharp than the other: lock the focus and hold the camera still.",
)


def checklist(image: NDArray[np.uint8], alignment: Alignment) -> tuple[Light, ...]:
    """A traffic light for everything that spoils a pair.

    The thresholds are shares of what a matte can lose: from 1 % of the background on a changed
    region or a shadow is seen in the matte, from 5 % on it is the first thing seen; a subject has
    up to 5 % of its colours by chance behind it; mid grey within 3 % is the repeatability of a
    camera on manual; 0.1 % of the diagonal is two pixels of a photo of two megapixels.

    image: (H, W, 3) uint8 sRGB; alignment: of this photo with its plate.
    Returns the lights in the order in which a photographer goes through them.
    """
    pair = _Pair(image, alignment)
    diagonal = np.hypot(*image.shape[:2])
    return (
        _BACKGROUND.light(pair.changed_background()),
        _SHADOWS.light(pair.new_shadow()),
        _EXPOSURE.light(_exposure_change(alignment)),
        _COLOURS.light(pair.coincidence()),
        _MOTION.light(100 * alignment.shift / diagonal),
        _SHARPNESS.light(pair.blur()),
    )


class _Pair:
    """Photo and laid plate, reduced, with the regions that the lights look at."""

    def __init__(self, image: NDArray[np.uint8], alignment: Alignment) -> None:
        self.image, self.plate = reduced(image, PIXELS), reduced(alignment.plate, PIXELS)
        height, width = self.image.shape[:2]
        covered = cv2.resize(alignment.covered.astype(np.uint8), (width, height)) > 0
        self.covered = _narrowed(covered, 5)
        self.person = soft_segmentation(self.image).min(axis=0) > 0.5
        changed = probable_subject(self.image, self.plate, self.covered)
        self.subject = (_main_regions(changed) | self.person) & self.covered
        self.background = self.covered & ~self.subject

    def changed_background(self) -> float:
        changed = change(self.image, self.plate) > CHANGED
        return _percentage(changed, self.background)

    def new_shadow(self) -> float:
        """Darker by one factor in all channels, outside what is known to be a person."""
        ours, theirs = (
            cv2.GaussianBlur(pixels, (0, 0), 2).astype(np.float32)
            for pixels in (self.image, self.plate)
        )
        ratios = ours / np.maximum(theirs, 1)
        darkened = ratios.mean(axis=2)
        tint = np.abs(ratios / np.maximum(darkened, 1e-3)[..., None] - 1).max(axis=2)
        shadow = (darkened > SHADOW[0]) & (darkened < SHADOW[1]) & (tint < SHADOW_TINT)
        shadow &= theirs.min(axis=2) > DARK
        shadow = cv2.morphologyEx(shadow.astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7))) > 0
        return _percentage(shadow, self.covered & ~self.person)

    def coincidence(self) -> float:
        same = cv2.absdiff(self.image, self.plate).max(axis=2) <= CHANGED
        return _percentage(same, _narrowed(self.subject, RIM))

    def blur(self) -> float:
        """By how much less the gradients of one photo weigh, where both show the same texture."""
        where = agreement(self.image, self.plate, self.covered).agreeing & self.background
        if where.mean() < 0.005:
            return 0.0
        weak, strong = sorted(
            _gradient(pixels)[where].mean() for pixels in (self.image, self.plate)
        )
        return 100 * (1 - weak / max(strong, 1e-6))


def _exposure_change(alignment: Alignment) -> float:
    grey_after = alignment.gain * MID_GREY + alignment.bias
    return 100 * float(np.abs(grey_after / MID_GREY - 1).max())


def _main_regions(changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected region and those not much smaller."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8))
    if count == 1:
        return changed
    areas = statistics[:, cv2.CC_STAT_AREA]
    main = areas >= SUBJECTS * areas[1:].max()
    main[0] = False
    return main[labels]


def _narrowed(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.erode(mask.astype(np.uint8), disc) > 0


def _gradient(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    luma = grey(pixels).astype(np.float32)
    return cv2.magnitude(cv2.Sobel(luma, -1, 1, 0), cv2.Sobel(luma, -1, 0, 1))


def _percentage(mask: NDArray[np.bool_], where: NDArray[np.bool_]) -> float:
    return 100 * float(mask[where].mean()) if where.any() else 0.0
