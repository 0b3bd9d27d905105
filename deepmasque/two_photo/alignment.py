"""Stage 1: the plate laid on the photo, in place and in exposure, and how sure that is.

Sengupta et al. 2020 and Lin et al. 2021 align with features and a homography; here every transform
that the background supports is tried, and the safest one that explains it is taken.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import AlignmentError
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.two_photo.differences import Agreement, agreement, grey, probable_subject
from deepmasque.two_photo.exposure import exposed
from deepmasque.two_photo.registration import (
    Kind,
    Points,
    displacement,
    fits,
    is_sound,
    matched_features,
    misses,
    moved,
    quarter_turns,
    rough_fit,
    tracked_corners,
    upright,
)
from deepmasque.two_photo.views import Laid, View, warped

Mode = Literal["auto", "tripod", "hand-held"]

LARGE, SMALL = 1_000_000, 250_000
"""Pixels of the photo in which corners are tracked; in which features are matched, the exposure is
measured, the subject is looked for and transforms are compared."""
FEATURE_LIMIT = 3.0
"""Pixels of the small photo by which a matched feature may be off."""
TRACK_LIMIT = 1.5
"""Pixels of the large photo by which a tracked corner may be off."""
STILL = 0.3
"""Pixels of the large photo that the camera may move without it being worth a resampling."""
BETTER = 1.02, 0.03
"""A more flexible transform must lower the residual by this factor and this many levels."""
LEAST_COVERED = 0.3
"""Share of the photo that a plate must cover."""
ELSEWHERE = 0.1
"""Share of textured blocks that agree, below which two photos show different places."""
NOTED_GAIN = 0.03
UNSURE = UNTEXTURED = 0.5
"""Confidence below which the user is told so, and what it is where nothing is textured."""


@dataclass(frozen=True)
class Alignment:
    """The plate as the photo would show it.

    Attributes
    ----------
    plate: (H, W, 3) uint8 sRGB, the plate laid on the photo: warped, with the photo's exposure,
        its edge continued where it does not reach.
    covered: (H, W) bool, where the plate itself reaches.
    transform: (3, 3) float64, plate pixels to photo pixels; integers are the centres of pixels.
    kind: what the transform does besides scaling a plate of another size or turning it by quarters.
    inliers, matches: how many tracked corners of the background the transform explains, to 1.5
        pixels of a photo of one megapixel, and how many were tracked.
    residual: mean absolute difference of photo and laid plate outside the probable subject, in
        levels of 255, both reduced to a quarter megapixel and slightly blurred.
    shift: mean displacement of the plate's corners, in pixels of the photo.
    gain, bias: (3,) float64, plate * gain + bias = photo; the bias in levels.
    confidence: 0..1, agreement x precision. Agreement is the share of the plate's textured blocks
        outside the probable subject (of all, if that leaves none) that correlate with the photo by
        more than 0.7. Precision is
        1 / (1 + e^2), e the median distance by which the transform misses tracked corners, in
        pixels of a photo of one megapixel. Where nothing is textured, nothing contradicts and
        nothing confirms: 0.5.
    notes: sentences for the user on what was found and done.
    """

    plate: NDArray[np.uint8]
    covered: NDArray[np.bool_]
    transform: NDArray[np.float64]
    kind: Kind
    inliers: int
    matches: int
    residual: float
    shift: float
    gain: NDArray[np.float64]
    bias: NDArray[np.float64]
    confidence: float
    notes: tuple[str, ...]


def align(image: NDArray[np.uint8], plate: NDArray[np.uint8], mode: Mode = "auto") -> Alignment:
    """Lay the plate on the photo.

    image: (H, W, 3) uint8 sRGB with the subject; plate: (h, w, 3) uint8 sRGB of the same place
    without it, of any size, possibly turned by quarters. mode: "tripod" trusts that the camera
    stood still, warps nothing and matches only the exposure; "hand-held" follows the camera; "auto"
    measures which it was.
    Raises AlignmentError if the photos are the same, are swapped, or show different places.
    """
    if mode not in get_args(Mode):
        raise AlignmentError(f"The mode is one of {', '.join(get_args(Mode))}, not {mode}.")
    found = _movement(image, plate)
    still = mode == "tripod" or (mode == "auto" and found.stood_still)
    kind = "identity" if still else found.kind
    small, transform = found.small, found.candidates[kind]
    laid = small.laid(found.transform)
    seen = agreement(small.image, laid.plate, laid.covered)
    _refuse(small, found.transform, laid, seen)
    if kind != found.kind:
        laid = small.laid(transform)
        seen = agreement(small.image, laid.plate, laid.covered)
    missed = misses(transform, found.tracks) / found.unit
    confidence = _confidence(seen, laid, missed)
    full, covered = warped(plate, transform, image.shape[:2])
    return Alignment(
        plate=exposed(full, laid.gain, laid.bias),
        covered=covered,
        transform=transform,
        kind=kind,
        inliers=int(np.count_nonzero(missed < TRACK_LIMIT)),
        matches=len(missed),
        residual=found.residuals[kind],
        shift=found.move(kind),
        gain=laid.gain,
        bias=laid.bias,
        confidence=confidence,
        notes=(
            _movement_note(found, kind, mode, seen.share(laid.covered) is not None),
            *_plate_notes(found, covered, laid),
            *(
                ["The plate fits only in part: check the matte's background."]
                * (confidence < UNSURE)
            ),
        ),
    )


def camera_movement(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The transform plate -> photo, (3, 3) float64, the identity if the camera stood still.

    image, plate: (H, W, 3) and (h, w, 3) uint8 sRGB of one place.
    """
    found = _movement(image, plate)
    return found.candidates["identity" if found.stood_still else found.kind]


@dataclass(frozen=True)
class _Movement:
    """What the camera can have done between the photos, and which of it is believed.

    turns: quarters by which the plate is turned; tracks: corners in both, in full pixels; unit:
    full pixels across a pixel in which they were tracked; residuals: of the candidates, in levels.
    """

    small: View
    turns: int
    tracks: Points
    unit: float
    candidates: dict[Kind, NDArray[np.float64]]
    residuals: dict[Kind, float]

    @property
    def kind(self) -> Kind:
        """The safest that hardly any more flexible one betters."""
        factor, levels = BETTER
        enough = min(self.residuals.values()) * factor + levels
        return next(kind for kind, residual in self.residuals.items() if residual <= enough)

    @property
    def transform(self) -> NDArray[np.float64]:
        return self.candidates[self.kind]

    @property
    def stood_still(self) -> bool:
        return self.move(self.kind) < STILL * self.unit

    def move(self, kind: Kind) -> float:
        """Mean displacement of the plate's corners, in pixels of the photo."""
        small = self.small
        apart = displacement(self.candidates[kind], small.plate_size, small.size, self.turns)
        return float(apart.mean())


def _movement(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> _Movement:
    """Features put the plate roughly, tracked corners precisely, residuals tell what is needed."""
    large = View.of(image, plate, LARGE)
    small = large.smaller(SMALL)
    rough, turns = _rough(small)
    laid = small.laid(rough[1])
    tracks = _tracks(large, laid, rough[1])
    candidates = _candidates(large, rough, turns, tracks)
    residuals = _residuals(small, laid, candidates)
    return _Movement(small, turns, tracks, large.unit, candidates, residuals)


def _rough(small: View) -> tuple[tuple[Kind, NDArray[np.float64]], int]:
    """Where the matched features put the plate, and the quarters by which it is turned.

    Where they say nothing, the plate is put middle on middle.
    """
    features = matched_features(grey(small.image), grey(small.plate))
    features = Points(
        moved(small.enlarge, features.plate), moved(np.linalg.inv(small.reduce), features.image)
    )
    found = rough_fit(features, small.plate_size, small.size, FEATURE_LIMIT * small.unit)
    if found is None:
        return ("identity", upright(small.plate_size, small.size)), 0
    return found, quarter_turns(found[1])


def _tracks(large: View, laid: Laid, rough: NDArray[np.float64]) -> Points:
    """Corners of the plate outside the probable subject, found in the photo to a tenth of a pixel.

    laid: the plate where the rough transform puts it. Returns pixels of the full photos.
    """
    plate, _ = large.warped(rough)
    plate = exposed(plate, laid.gain, laid.bias)
    points = tracked_corners(grey(large.image), grey(plate), large.spread(laid.background))
    enlarge = np.linalg.inv(large.reduce)
    return Points(moved(np.linalg.inv(rough) @ enlarge, points.plate), moved(enlarge, points.image))


def _candidates(
    large: View, rough: tuple[Kind, NDArray[np.float64]], turns: int, tracks: Points
) -> dict[Kind, NDArray[np.float64]]:
    """Every sound transform that there is evidence for, the safest first."""
    found = {rough[0]: rough[1]} | fits(tracks, TRACK_LIMIT * large.unit)
    sound = {
        kind: transform
        for kind, transform in found.items()
        if is_sound(transform, large.plate_size, large.size)
    }
    sound["identity"] = upright(large.plate_size, large.size, turns)
    return {kind: sound[kind] for kind in get_args(Kind) if kind in sound}


def _residuals(
    small: View, laid: Laid, candidates: dict[Kind, NDArray[np.float64]]
) -> dict[Kind, float]:
    """Mean absolute difference of photo and laid plate outside the subject, in levels.

    The subject is what changed both where the rough transform puts the plate (`laid`) and where it
    lies unmoved. Everything is blurred, so that a resampling's blur does not pass for a better fit.
    """
    plates = {kind: small.warped(transform) for kind, transform in candidates.items()}
    plates = {
        kind: (exposed(plate, laid.gain, laid.bias), covered)
        for kind, (plate, covered) in plates.items()
        if kind == "identity" or covered.mean() > LEAST_COVERED
    }
    subject = laid.subject & probable_subject(small.image, *plates["identity"])
    background = np.logical_and.reduce([~subject, *(covered for _, covered in plates.values())])
    image = cv2.GaussianBlur(small.image, (0, 0), 1)
    residuals = {}
    for kind, (plate, _) in plates.items():
        difference = cv2.absdiff(image, cv2.GaussianBlur(plate, (0, 0), 1))
        mean = cv2.mean(difference, background.astype(np.uint8))
        residuals[kind] = float(np.mean(mean[:3]))
    return residuals


def _refuse(small: View, transform: NDArray[np.float64], laid: Laid, seen: Agreement) -> None:
    """Raise AlignmentError where no alignment could help."""
    if not laid.subject.any():
        raise AlignmentError(
            "The two photos are the same: take one with the subject and one without."
        )
    agreeing = seen.share(laid.covered)
    changed = laid.subject.sum() / laid.covered.sum()
    if (agreeing is not None and agreeing < ELSEWHERE) or (agreeing is None and changed > 0.97):
        raise AlignmentError(
            "The two photos show different places: take both from one spot, first with the subject "
            "and then without."
        )
    theirs, _ = small.warped(transform, _person(small.plate))
    if theirs[laid.subject].mean() > 0.4 and _person(small.image)[laid.subject].mean() < 0.1:
        raise AlignmentError("The subject is on the photo of the background: swap the two photos.")


def _person(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where both networks of the prior see a person: textures can mislead one of them."""
    return soft_segmentation(image).min(axis=0)


def _confidence(seen: Agreement, laid: Laid, missed: NDArray[np.float64]) -> float:
    agreeing = seen.share(laid.background)
    if agreeing is None:
        # Either nothing is textured, or whatever is textured changed.
        agreeing = seen.share(laid.covered)
    if agreeing is None:
        return UNTEXTURED
    error = float(np.median(missed)) if len(missed) else 0.0
    return agreeing / (1 + error**2)


def _movement_note(found: _Movement, kind: Kind, mode: Mode, textured: bool) -> str:
    if kind != "identity":
        how = "an affine transform" if kind == "affine" else f"a {kind}"
        return f"The camera moved by {found.move(kind):.1f} px: the plate was laid by {how}."
    if not textured:
        return "The background has no marks to align by: the plate was left where it is."
    if mode == "auto" or found.stood_still:
        return "The camera stood still: only the exposure was matched."
    return f"The camera moved by {found.move(found.kind):.1f} px: hand-held mode would follow it."


def _plate_notes(found: _Movement, covered: NDArray[np.bool_], laid: Laid) -> list[str]:
    notes = []
    if found.turns:
        notes.append(f"The plate was turned by {90 * found.turns}°.")
    if sorted(found.small.plate_size) != sorted(found.small.size):
        notes.append("The plate has another size and was scaled to the photo.")
    if not covered.all():
        missing = 100 * (1 - covered.mean())
        notes.append(f"The plate does not reach {missing:.1f} % of the photo: its edge goes on.")
    if np.abs(laid.gain - 1).max() > NOTED_GAIN:
        gains = ", ".join(f"{gain:.2f}" for gain in laid.gain)
        notes.append(f"The exposure of the plate was matched: gain {gains} for red, green, blue.")
    return notes
