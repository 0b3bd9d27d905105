"""Two-photo matting from top to bottom: reading `matte_two_photo` is reading the algorithm."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.engine import two_photo_engines
from deepmasque.errors import SettingsError
from deepmasque.image import Source, pixels_of, reduced
from deepmasque.matte import Matte, OnStage, StageLog
from deepmasque.portrait import pictures
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.portrait.refinement import filled
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from deepmasque.two_photo import refinement as refiner
from deepmasque.two_photo.alignment import Alignment, Mode, align
from deepmasque.two_photo.morphology import CleanUp, cleaned
from deepmasque.two_photo.pictures import plate_difference, refined_patches

STAGES = (
    "Alignment",
    "Soft segmentation",
    "Base network",
    "Refinement",
    "Clean-up",
    "Foreground",
)
PRIOR_PIXELS = 512 * 512
"""About as many pixels the soft segmentation sees; its networks see less."""
KNOWN = 0.99
"""From this alpha on the trimap says foreground, below 1 - KNOWN background."""
VISIBLE = 0.02
"""Below this alpha a pixel's own foreground colour says nothing."""
COLOUR_CELL = 8
"""Colours go on beyond the subject at this fraction of the size."""
AS_IT_IS = CleanUp()
PREVIEW_PIXELS = 2_000_000


@dataclass(frozen=True)
class TwoPhotoMatte(Matte):
    """A matte from two photos; `mask` is the base network's alpha, `uncertainty` the error map.

    Attributes
    ----------
    raw_alpha: (H, W) float32 in 0..1, alpha before any clean-up.
    raw_foreground: (H, W, 3) uint8 sRGB, the networks' foreground.
    refined: (H, W) bool, which pixels went through the refinement network.
    alignment: how the plate was laid on the photo.
    """

    raw_alpha: NDArray[np.float32]
    raw_foreground: NDArray[np.uint8]
    refined: NDArray[np.bool_]
    alignment: Alignment

    @property
    def error_map(self) -> NDArray[np.float32]:
        """(H, W) float32 in 0..1, how far the base network expected its alpha to be off."""
        return self.uncertainty


def matte_two_photo(
    image: Source,
    plate: Source,
    *,
    mode: Mode = "auto",
    refinement: refiner.Mode = "sampling",
    clean_up: CleanUp = AS_IT_IS,
    on_stage: OnStage | None = None,
) -> TwoPhotoMatte:
    """Cut out whatever a photo shows and the plate does not.

    Parameters
    ----------
    image, plate: the photo with the subject, and one of the same place without it: path, file
        content, or (H, W, 3) uint8 sRGB. They may differ in size.
    mode: "tripod" if the camera stood still between them, "hand-held" if not, "auto" measures it.
    refinement: "sampling" refines a fixed share of the photo, "thresholding" as much as is expected
        to be wrong, "full" everything.
    clean_up: what is done to alpha after the networks.
    on_stage: called with each Stage as it is done; an error raised in it ends the work.

    Raises
    ------
    ImageError: a photo is not a usable picture.
    AlignmentError: the photos are the same, are swapped, or show different places.
    """
    if refinement not in refiner.MODES:
        raise SettingsError(f"The refinement is one of {', '.join(refiner.MODES)}.")
    image, plate = pixels_of(image), pixels_of(plate)
    height, width = image.shape[:2]
    log = StageLog(on_stage)

    with log.stage("Alignment") as stage:
        alignment = align(image, plate, mode)
        stage.notes = alignment.notes
        stage.picture = plate_difference(image, alignment.plate)

    with log.stage("Soft segmentation") as stage:
        prior = soft_segmentation(reduced(image, PRIOR_PIXELS))
        stage.notes = ("Where MediaPipe sees people: a hint for the base network.",)
        stage.picture = pictures.grey(prior.mean(0))

    with log.stage("Base network") as stage:
        base_engine, refinement_engine = two_photo_engines()
        coarse = refiner.base(image, alignment.plate, prior, base_engine)
        stage.notes = (base_engine.device,)
        stage.picture = pictures.grey(coarse.alpha)

    with log.stage("Refinement") as stage:
        patches = refiner.chosen_patches(coarse.error, height, width, refinement)
        alpha, foreground = refiner.refined(
            image, alignment.plate, coarse, patches, refinement_engine
        )
        seen = refiner.refined_pixels(patches, height, width)
        stage.notes = (f"{seen.mean():.1%} of the photo was refined, in {len(patches)} patches.",)
        stage.picture = refined_patches(image, seen)

    mask, error = (cv2.resize(x, (width, height)) for x in (coarse.alpha, coarse.error))
    trimap = np.where(alpha > KNOWN, FOREGROUND, UNKNOWN).astype(np.uint8)
    trimap[alpha < 1 - KNOWN] = BACKGROUND
    return _finished(
        TwoPhotoMatte(
            image=image,
            alpha=alpha,
            foreground=foreground,
            trimap=trimap,
            mask=mask,
            uncertainty=error,
            stages=(),
            notes=(),
            device=base_engine.device,
            raw_alpha=alpha,
            raw_foreground=foreground,
            refined=seen,
            alignment=alignment,
        ),
        clean_up,
        log,
    )


def clean(
    previous: TwoPhotoMatte, clean_up: CleanUp, *, on_stage: OnStage | None = None
) -> TwoPhotoMatte:
    """The same matte with another clean-up: only it and the foreground are done again."""
    kept = [stage for stage in previous.stages if stage.name not in ("Clean-up", "Foreground")]
    return _finished(previous, clean_up, StageLog(on_stage, kept, list(previous.notes)))


def preview(matte: TwoPhotoMatte, pixels: int = PREVIEW_PIXELS) -> TwoPhotoMatte:
    """The same matte at about so many pixels if it has more, to see at once what `clean` does.

    The alignment stays that of the whole photo.
    """
    image = reduced(matte.image, pixels)
    if image is matte.image:
        return matte
    size = image.shape[1::-1]

    def small(plane, how=cv2.INTER_AREA):
        return cv2.resize(plane, size, interpolation=how)

    return replace(
        matte,
        image=image,
        alpha=small(matte.alpha),
        foreground=small(matte.foreground),
        trimap=small(matte.trimap, cv2.INTER_NEAREST),
        mask=small(matte.mask),
        uncertainty=small(matte.uncertainty),
        raw_alpha=small(matte.raw_alpha),
        raw_foreground=small(matte.raw_foreground),
        refined=small(matte.refined.astype(np.uint8), cv2.INTER_NEAREST) > 0,
    )


def warm_up() -> str:
    """Load every model and run it once; returns what the networks run on."""
    from deepmasque import samples

    pair = samples.pairs()[0]
    return matte_two_photo(pair.path, pair.plate).device


def _finished(matte: TwoPhotoMatte, clean_up: CleanUp, log: StageLog) -> TwoPhotoMatte:
    with log.stage("Clean-up") as stage:
        alpha = cleaned(matte.raw_alpha, clean_up)
        changed = np.mean(alpha != matte.raw_alpha)
        stage.notes = (f"{changed:.1%} of the photo changed." if changed else "Nothing was asked.",)
        stage.picture = pictures.grey(alpha)
    with log.stage("Foreground") as stage:
        foreground = _coloured(matte, alpha)
        stage.notes = ("The subject's own colours, without the old background.",)
        stage.picture = pictures.preview(foreground)
    return replace(
        matte,
        alpha=alpha,
        foreground=foreground,
        stages=tuple(log.done),
        notes=tuple(log.warnings),
    )


def _coloured(matte: TwoPhotoMatte, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The networks' foreground where it is seen, the photo where only the clean-up made it so.

    Elsewhere the colours near by go on, so that a cut-out may be scaled without a halo.
    """
    seen = matte.raw_alpha > VISIBLE
    foreground = np.where(seen[..., None], matte.raw_foreground, matte.image)
    height, width = alpha.shape
    small = max(1, height // COLOUR_CELL), max(1, width // COLOUR_CELL)
    visible = ((alpha > VISIBLE) * np.uint8(255))[..., None]
    weighted = cv2.resize(
        np.concatenate([np.where(visible, foreground, 0), visible], 2),
        small[::-1],
        interpolation=cv2.INTER_AREA,
    ).astype(np.float32) * np.float32(COLOUR_CELL**2)
    weighted[..., 3] /= 255
    around = np.rint(filled(weighted)).clip(0, 255).astype(np.uint8)
    around = cv2.resize(around, (width, height))
    return np.where(visible, foreground, around)
