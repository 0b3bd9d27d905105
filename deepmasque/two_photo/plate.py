"""A plate from a short video of the place, in which the subject does not stay in one spot."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.errors import AlignmentError
from deepmasque.image import reduced
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.two_photo.alignment import camera_movement
from deepmasque.two_photo.exposure import exposed, exposure_match
from deepmasque.two_photo.views import warped

MOST_FRAMES, LEAST_FRAMES = 40, 5
MEMORY = 400_000_000
"""Bytes of frames that are held at once; of longer or larger videos fewer frames are used."""
SMALL = 250_000
"""Pixels in which movement, exposure and people are looked for."""
PROBES = 5
"""Frames that tell whether the camera was held still."""
BAND = 2_000_000
"""Samples of which the median is taken at once."""
PERSON = 0.2
"""Probability of person from which a pixel does not count."""
REACH = 0.03
"""Share of the frame's height around a person that does not count either: edges and shadows."""
LEAST_BACKGROUND = 0.1
"""Share of the frame from which its exposure can be told."""
PERSON_LEFT = 0.01
"""Share of the plate that a person left in it covers at least."""


def median_plate(source: str | Path | Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """The median of frames spread evenly over a video: whatever moves through is gone.

    A pixel that shows a person counts only if it shows one in every frame, so people may stay long
    in one spot; anything else has to be away from each spot for over half of the time. Frames of a
    hand-held video are laid on the middle one; the exposure of all is matched to it.

    source: a video file that OpenCV can read, or (H, W, 3) uint8 sRGB frames of one size.
    Returns (H, W, 3) uint8 sRGB. At most 40 frames, or 400 MB of them, are held.
    Raises AlignmentError if the file is no video or too short.
    """
    frames = _read(Path(source)) if isinstance(source, str | Path) else _chosen(source)
    if len(frames) < LEAST_FRAMES:
        raise AlignmentError(
            f"The video has {len(frames)} frames, too few for a plate: film for a few seconds."
        )
    return _median(*_steadied(frames))


def plate_notes(plate: NDArray[np.uint8]) -> tuple[str, ...]:
    """Sentences for the user: whether a person seems to be left in the plate.

    plate: (H, W, 3) uint8 sRGB.
    """
    person = (soft_segmentation(reduced(plate, SMALL)).min(axis=0) > 0.5).mean()
    if person < PERSON_LEFT:
        return ()
    return ("Someone stays in one spot all the time: film again and walk out of the picture.",)


def _read(path: Path) -> list[NDArray[np.uint8]]:
    """Frames spread evenly over a video file, RGB.

    Headers lie about the number of frames and seeking lands on key frames, so every second frame
    is dropped whenever there are too many.
    """
    video = cv2.VideoCapture(str(path)) if path.is_file() else cv2.VideoCapture()
    frames, step, index = [], 1, 0
    try:
        while video.grab():
            if index % step == 0:
                _, frame = video.retrieve()
                frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
                if len(frames) > _most(frame.size):
                    frames, step = frames[::2], step * 2
            index += 1
    finally:
        video.release()
    if not frames:
        raise AlignmentError(f"{path.name} is not a video that can be read.")
    return frames


def _chosen(frames: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    if len({frame.shape for frame in frames}) > 1:
        raise AlignmentError("The frames differ in size: take them from one video.")
    if not len(frames):
        return []
    most = min(len(frames), _most(frames[0].size))
    return [frames[round(index)] for index in np.linspace(0, len(frames) - 1, most)]


def _most(frame_bytes: int) -> int:
    return int(np.clip(MEMORY // frame_bytes, 2 * LEAST_FRAMES, MOST_FRAMES))


def _steadied(
    frames: list[NDArray[np.uint8]],
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """Every frame in place and in the exposure of the middle one, and where it may count."""
    middle = frames[len(frames) // 2]
    probes = np.linspace(0, len(frames) - 1, PROBES).round().astype(int)
    still = all(
        np.array_equal(camera_movement(middle, frames[probe]), np.eye(3)) for probe in probes
    )
    free = _free(middle)
    steady, counting = [], []
    for frame in frames:
        transform = np.eye(3) if still else camera_movement(middle, frame)
        laid, covered = warped(frame, transform, middle.shape[:2])
        empty, _ = warped(_free(frame).astype(np.uint8), transform, middle.shape[:2])
        counts = covered & (empty > 0)
        steady.append(exposed(laid, *_exposure(middle, laid, counts & free)))
        counting.append(counts)
    return steady, counting


def _free(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where no person is near, (H, W) bool."""
    small = reduced(frame, SMALL)
    person = (soft_segmentation(small).mean(axis=0) > PERSON).astype(np.uint8)
    reach = 2 * round(REACH * len(small)) + 1
    person = cv2.dilate(person, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return cv2.resize(person, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST) == 0


def _exposure(
    target: NDArray[np.uint8], laid: NDArray[np.uint8], background: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain and bias from the background, from everything where there is too little of it."""
    small = reduced(target, SMALL)
    where = cv2.resize(background.astype(np.uint8), small.shape[1::-1]) > 0
    if where.mean() < LEAST_BACKGROUND:
        where = np.ones_like(where)
    return exposure_match(small, reduced(laid, SMALL), where)


def _median(
    frames: list[NDArray[np.uint8]], counting: list[NDArray[np.bool_]]
) -> NDArray[np.uint8]:
    """Per pixel and channel over the frames in which it counts, over all if it never does.

    In bands of rows: the frames are never copied as a whole.
    """
    plate = np.empty_like(frames[0])
    rows = max(1, BAND // (len(frames) * frames[0][0].size))
    for top in range(0, len(plate), rows):
        part = slice(top, top + rows)
        values = np.stack([frame[part] for frame in frames])
        counts = np.stack([mask[part] for mask in counting])
        counts |= ~counts.any(axis=0)
        values[~counts] = 255
        values.sort(axis=0)
        middle = (counts.sum(axis=0) - 1) // 2
        plate[part] = np.take_along_axis(values, middle[None, ..., None], axis=0)[0]
    return plate
