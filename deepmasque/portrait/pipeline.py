"""The portrait pipeline from top to bottom: reading `matte` is reading the algorithm."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepmasque.compose import estimate_foreground
from deepmasque.engine import portrait_engine, refinement_engine
from deepmasque.image import Source, pixels_of, read_trimap
from deepmasque.matte import Matte, OnStage, StageLog
from deepmasque.portrait import pictures
from deepmasque.portrait import trimap as trimaps
from deepmasque.portrait.alignment import fit_residual, placements, resized_channels
from deepmasque.portrait.knn_matting import TUNED, Method, Prior, Solution, solve
from deepmasque.portrait.landmarks import find_faces
from deepmasque.portrait.refinement import refined
from deepmasque.portrait.segmentation import network_size, person_probability

STAGES = (
    "Landmarks",
    "Alignment",
    "PortraitFCN+",
    "Trimap",
    "KNN matting",
    "Refinement",
    "Foreground",
)
TRUST = np.float32(1)
"""How much a sure network counts in KNN matting, in units of an affinity."""
AGREEMENT = 0.95
"""Share of the known pixels of a trimap in which the network must be of one mind with it."""
OnSolution = Callable[[Solution], None]


def matte(
    image: Source,
    *,
    trimap: Source | None = None,
    features: str = "rgb",
    method: Method = TUNED,
    on_stage: OnStage | None = None,
    on_solution: OnSolution | None = None,
) -> Matte:
    """Cut the people out of a photo.

    Parameters
    ----------
    image: path, file content, or (H, W, 3) uint8 sRGB.
    trimap: path, file content, or (H, W) uint8 of the photo's size: 0 background, 255 foreground,
        all else unknown. Without one it is drawn round the network's mask.
    features: colour space of KNN matting, "rgb", "hsv" or "lab".
    method: how many neighbours KNN matting asks, and what a distance is worth.
    on_stage: called with each Stage as it is done; an error raised in it ends the work.
    on_solution: called with the record of KNN matting: neighbours, affinities, residuals.

    Raises
    ------
    ImageError: the photo or the trimap is not a usable picture.
    TrimapError: the trimap does not fit the photo or leaves nothing to solve from.
    """
    image = pixels_of(image)
    given = None if trimap is None else trimaps.checked(_grey(trimap), image.shape[:2])
    log = StageLog(on_stage)

    with log.stage("Landmarks") as stage:
        faces = find_faces(image)
        stage.notes, stage.warnings = _counted(faces)
        stage.picture = pictures.landmarks(image, faces)

    with log.stage("Alignment") as stage:
        transforms = placements(faces, *image.shape[:2])
        stage.notes = ("x, y and mean mask of the reference portrait, laid on the face.",)
        if faces:
            residual = fit_residual(faces[0], transforms[0])
            stage.notes += (
                f"The face's points lie {residual:.1f} px from those of the reference.",
            )
        else:
            stage.warnings = ("No face to align to: the mean placement is used.",)
        stage.picture = _channels_picture(image, transforms)

    with log.stage("PortraitFCN+") as stage:
        engine = portrait_engine()
        seen = _Seen(image, *person_probability(image, transforms, engine), engine.device)
        stage.notes = (engine.device,)
        stage.picture = pictures.grey(seen.mask)

    return _solved(seen, _trimap(seen, given, log), features, method, log, on_solution)


def rematte(
    previous: Matte,
    trimap: Source | None = None,
    *,
    features: str = "rgb",
    method: Method = TUNED,
    on_stage: OnStage | None = None,
    on_solution: OnSolution | None = None,
) -> Matte:
    """The same photo with another trimap or another KNN matting: only what follows is done again.

    Arguments and errors as for `matte`, but that without a trimap the previous one stays.
    """
    first = "KNN matting" if trimap is None else "Trimap"
    kept = [stage for stage in previous.stages if STAGES.index(stage.name) < STAGES.index(first)]
    still_true = [note for note in previous.notes if any(note in stage.notes for stage in kept)]
    log = StageLog(on_stage, kept, still_true)
    seen = _Seen(previous.image, previous.mask, previous.uncertainty, previous.device)
    if trimap is None:
        trimap = previous.trimap
    else:
        trimap = _trimap(seen, trimaps.checked(_grey(trimap), previous.alpha.shape), log)
    return _solved(seen, trimap, features, method, log, on_solution)


def prior(
    mask: NDArray[np.float32], uncertainty: NDArray[np.float32], trimap: NDArray[np.uint8]
) -> Prior | None:
    """What the network says to KNN matting, all (H, W): the mask, the more the surer it is.

    In hair it says nothing, and none of it counts (None) with a trimap that contradicts the network
    in known pixels, for that is a trimap of something else.
    """
    agree = (mask > 0.5) == (trimap == trimaps.FOREGROUND)
    if np.mean(agree[trimap != trimaps.UNKNOWN]) < AGREEMENT:
        return None
    return Prior(mask, TRUST * (2 * mask - 1) ** 2 * (1 - uncertainty))


def warm_up() -> str:
    """Load every model and run it once; returns what the networks run on."""
    from deepmasque import samples

    return matte(samples.portraits()[0].path).device


@dataclass(frozen=True)
class _Seen:
    """A photo and what the network makes of it, as in `Matte`."""

    image: NDArray[np.uint8]
    mask: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    device: str


def _trimap(seen: _Seen, given: NDArray[np.uint8] | None, log: StageLog) -> NDArray[np.uint8]:
    """The stage that draws a trimap round the mask, or takes the one that is given."""
    with log.stage("Trimap") as stage:
        trimap = trimaps.from_mask(seen.mask, seen.uncertainty) if given is None else given
        stage.notes = (_unknown_share(trimap), *(["Your own trimap."] if given is not None else []))
        stage.warnings = () if trimap.any() else ("No person was found in this photo.",)
        stage.picture = pictures.grey(trimap)
    return trimap


def _solved(
    seen: _Seen,
    trimap: NDArray[np.uint8],
    features: str,
    method: Method,
    log: StageLog,
    on_solution: OnSolution | None,
) -> Matte:
    """The stages after the trimap."""
    image = seen.image
    with log.stage("KNN matting") as stage:
        expected = prior(seen.mask, seen.uncertainty, trimap)
        solution = solve(image, trimap, features, method=method, prior=expected)
        stage.notes = (f"Conjugate gradients: {solution.iterations} steps.",)
        stage.picture = pictures.grey(solution.alpha)
    if on_solution:
        on_solution(solution)

    with log.stage("Refinement") as stage:
        alpha = refined(image, solution.alpha, trimap, refinement_engine())
        stage.notes = (_correction(alpha, solution.alpha, trimap),)
        stage.picture = pictures.grey(alpha)

    with log.stage("Foreground") as stage:
        foreground = estimate_foreground(image, alpha)
        stage.notes = ("The subject's own colours, without the old background.",)
        stage.picture = pictures.preview(foreground)

    return Matte(
        image,
        alpha,
        foreground,
        trimap,
        seen.mask,
        seen.uncertainty,
        tuple(log.done),
        tuple(log.warnings),
        seen.device,
    )


def _grey(trimap: Source) -> NDArray[np.uint8]:
    return trimap if isinstance(trimap, np.ndarray) else read_trimap(trimap)


def _counted(faces: list[NDArray[np.float32]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to note and what to warn of."""
    if not faces:
        return (), ("No face was found.",)
    return ("One face." if len(faces) == 1 else f"{len(faces)} faces; the largest leads.",), ()


def _unknown_share(trimap: NDArray[np.uint8]) -> str:
    unknown = np.count_nonzero(trimap == trimaps.UNKNOWN) / trimap.size
    return f"{unknown:.1%} of the photo is left to matting."


def _correction(alpha, given, trimap) -> str:
    band = trimap == trimaps.UNKNOWN
    change = 255 * np.abs(alpha - given)[band].mean() if band.any() else 0.0
    return f"In the band, alpha was corrected by {change:.1f} levels of 255 on average."


def _channels_picture(image, transforms) -> NDArray[np.uint8]:
    size = image.shape[:2]
    return pictures.channels(resized_channels(transforms, size, network_size(*size)))
