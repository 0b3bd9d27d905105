"""Pairs that nobody composed: frames of videos with their plate, and a client's own photos.

Each becomes one .npz, `train_*` or, held back, `development_*`; `empty_*` are held-back frames of
which it is known that they show nobody.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.compose import estimate_foreground
from deepmasque.errors import AlignmentError, ImageError, SettingsError
from deepmasque.image import SUFFIXES, fitted, read_image, read_opacity, read_trimap, reduced
from deepmasque.portrait.prior import soft_segmentation
from deepmasque.two_photo.alignment import Mode, align
from deepmasque.two_photo.batch import PLATE_ENDING, PairJob, PairOptions, plan_pairs
from deepmasque.two_photo.pipeline import PRIOR_PIXELS

VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm")
EMPTY_ENDING = ".empty_frames.txt"
ALPHA_ENDING = "_alpha"
NUMBERS = re.compile(r"\d{1,9}(?:-\d{1,9})?(?:,\s*\d{1,9}(?:-\d{1,9})?)*")
HELD_BACK_FRAMES = 0.8
"""What a video shows after this share of its frames is held back."""
HELD_BACK = 6
"""Held-back frames with a subject, and without, of every video."""
HELD_BACK_EVERY = 5
"""Every fifth pair of a client is held back, where there are as many."""
SHORTEST = 5
"""Frames of a stretch without anybody that make a plate."""
MEDIAN_OF = 15
BESIDE = 5
"""Frames before and after such a stretch in which there may be no more than a shadow."""


@dataclass(frozen=True)
class Shot:
    """A photo and its plate, laid on it, and what is known of the matte.

    Attributes
    ----------
    image, plate: (h, w, 3) uint8.
    prior: (2, h', w') uint8, the soft segmentation, at the size at which the pipeline sees it.
    alpha, foreground: (h, w) and (h, w, 3) uint8; None where nobody made a matte.
    """

    image: NDArray[np.uint8]
    plate: NDArray[np.uint8]
    prior: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    foreground: NDArray[np.uint8] | None = None


Named = Iterator[tuple[str, Shot]]


def filmed(source: Path, side: int, frames: int) -> Named:
    """Shots of a video, or of every video of a folder, with their names.

    The plate of NAME.mp4 is NAME_plate.jpg, in any picture format, or is made of those frames that
    NAME.empty_frames.txt lists as "0-60, 201-227, 697": of the stretch that is nearest in time.
    side: most pixels of the longer side. frames: of a video, to train on.

    Raises SettingsError if there is no video, or one has no plate or cannot be read.
    """
    videos = [source]
    if source.is_dir():
        videos = [path for path in sorted(source.iterdir()) if path.suffix.lower() in VIDEOS]
    if not videos:
        raise SettingsError(f"{source} holds no video ({', '.join(VIDEOS)}).")
    plates = [_plate_source(video) for video in videos]  # all are there before any is worked on
    for video, plate in zip(videos, plates, strict=True):
        of_video = _listed if plate.name.endswith(EMPTY_ENDING) else _accompanied
        for name, shot in of_video(video, plate, side, frames):
            split, number = name.split("_")
            yield f"{split}_{video.stem}_{number}", shot


def photographed(folder: Path, side: int, plate: Path | None = None) -> Named:
    """Shots of the pairs NAME.jpg and NAME_plate.jpg of a folder and all its folders.

    NAME_alpha.png, grey or a cut-out with transparency, is the matte of a pair where it is there.
    side: most pixels of the longer side. plate: for all photos without one of their own.

    Raises DeepMasqueError if there is no pair, or one lacks a half or cannot be read or aligned.
    """
    jobs, _ = plan_pairs(folder, folder / ".results", PairOptions(), plate)
    mattes = {job.photo.with_suffix("") for job in jobs if job.photo.stem.endswith(ALPHA_ENDING)}
    jobs = [job for job in jobs if job.photo.with_suffix("") not in mattes]
    if not jobs:
        raise SettingsError(
            f"{folder} holds no pair: put NAME.jpg and NAME{PLATE_ENDING}.jpg into it."
        )
    for job in jobs:
        if job.missing:
            raise SettingsError(job.missing)
    for number, job in enumerate(jobs):
        held_back = len(jobs) >= HELD_BACK_EVERY and (number + 1) % HELD_BACK_EVERY == 0
        labelled = job.photo.with_name(job.photo.stem + ALPHA_ENDING) in mattes
        shot = _photographed(job, side, labelled=labelled)
        yield f"{'development' if held_back else 'train'}_{number:05d}", shot


def write(shots: Iterable[tuple[str, Shot]], folder: Path) -> None:
    """Write shots to NAME.npz; there is only ever no folder or one with all of them."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, shot in shots:
        (part / f"{name}.npz").write_bytes(_encoded(shot))
    part.rename(folder)


def load(path: Path) -> Shot:
    """Read what `write` wrote."""
    with np.load(path) as arrays:
        planes = {name: cv2.imdecode(arrays[name], cv2.IMREAD_UNCHANGED) for name in arrays.files}
    planes["prior"] = np.stack(np.split(planes["prior"], 2))
    return Shot(**planes)


def frame_numbers(text: str) -> list[range]:
    """Stretches of frames, from the longest list of numbers and ranges in a text.

    Raises SettingsError if there is none.
    """
    found = max((match.group() for match in NUMBERS.finditer(text)), key=len, default="")
    ends = [[int(end) for end in part.split("-")] for part in found.split(",") if part]
    stretches = [range(each[0], each[-1] + 1) for each in ends if each[0] <= each[-1]]
    if not stretches:
        raise SettingsError("there is no list of frames like 0-60, 201-227, 697.")
    return stretches


def _encoded(shot: Shot) -> bytes:
    planes = vars(shot) | {"prior": np.concatenate(shot.prior)}
    quick = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    stream = BytesIO()
    # As they are, red and blue swapped for any other reader: it is read by `load` alone.
    files = {k: cv2.imencode(".png", x, quick)[1] for k, x in planes.items() if x is not None}
    np.savez(stream, **files)
    return stream.getvalue()


def _plate_source(video: Path) -> Path:
    """The picture, or the list of empty frames, that belongs to a video."""
    listed = video.with_name(video.stem + EMPTY_ENDING)
    if listed.is_file():
        return listed
    names = {path.name.casefold(): path for path in video.parent.glob("*")}
    for suffix in SUFFIXES:
        path = names.get(f"{video.stem}{PLATE_ENDING}{suffix}".casefold())
        if path:
            return path
    raise SettingsError(
        f"{video} has no plate: put {video.stem}{PLATE_ENDING}.jpg beside it, or"
        f" {listed.name} with the numbers of frames that show nobody."
    )


def _listed(video: Path, plate: Path, side: int, frames: int) -> Named:
    """Shots of a camera that stands still, from a video in which some frames show nobody."""
    count = _frame_count(video)
    try:
        listed = frame_numbers(plate.read_text())
    except (SettingsError, OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{plate} cannot be used: {error}") from error
    stretches = [stretch[: max(0, count - stretch.start)] for stretch in listed]
    empty = sorted({number for stretch in stretches for number in stretch})
    beside = {number + offset for number in empty for offset in range(-BESIDE, BESIDE + 1)}
    taken = sorted(set(range(count)) - beside)
    names = _chosen(taken, frames, count) | _chosen(empty, 0, count, "empty")
    long = [stretch for stretch in stretches if len(stretch) >= SHORTEST]
    grounds = [_spread(list(stretch), MEDIAN_OF) for stretch in long or stretches]
    read = _frames(video, {*names, *(number for numbers in grounds for number in numbers)}, side)
    plates = {
        numbers[len(numbers) // 2]: np.median(pixels, axis=0).astype(np.uint8)
        for numbers in grounds
        if (pixels := [read[number] for number in numbers if number in read])
    }
    if not plates:
        raise SettingsError(f"{plate} lists no frame that {video} has.")
    for number, name in sorted(names.items()):
        if number not in read:
            continue
        image, ground = read[number], _nearest(plates, number, own=name.startswith("empty"))
        if name.startswith("empty"):
            nobody = np.zeros(image.shape[:2], np.uint8)
            yield name, _shot(image, ground, nobody, image)
        elif (laid := _laid(image, ground, "tripod")) is not None:
            yield name, _shot(image, laid)


def _accompanied(video: Path, plate: Path, side: int, frames: int) -> Named:
    """Shots of a video with a photo of the place; frames that show nobody else are left out."""
    ground = fitted(read_image(plate), side)
    count = _frame_count(video)
    names = _chosen(list(range(count)), frames, count)
    read = _frames(video, set(names), side)
    for number, name in sorted(names.items()):
        if number in read and (laid := _laid(read[number], ground, "auto")) is not None:
            yield name, _shot(read[number], laid)


def _chosen(numbers: list[int], frames: int, count: int, split: str = "") -> dict[int, str]:
    """Names by the numbers of frames: evenly spread, the end of the video held back."""
    end = HELD_BACK_FRAMES * count
    early = _spread([number for number in numbers if number < end], frames)
    late = _spread([number for number in numbers if number >= end], HELD_BACK)
    names = {number: f"train_{number:06d}" for number in early}
    return names | {number: f"{split or 'development'}_{number:06d}" for number in late}


def _spread(numbers: list[int], count: int) -> list[int]:
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers)))
    return [numbers[round(place)] for place in places]


def _nearest(plates: dict[int, NDArray[np.uint8]], number: int, *, own: bool) -> NDArray[np.uint8]:
    """The plate nearest in time; for a frame that a plate may be made of, the second nearest."""
    order = sorted(plates, key=lambda middle: abs(middle - number))
    return plates[order[min(int(own), len(order) - 1)]]


def _frame_count(video: Path) -> int:
    capture = cv2.VideoCapture(str(video))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    if count < 1:
        raise SettingsError(f"{video} is not a video that can be read.")
    return count


def _frames(video: Path, wanted: set[int], side: int) -> dict[int, NDArray[np.uint8]]:
    """Frames by their numbers, (h, w, 3) uint8 RGB; those that cannot be decoded are missing."""
    capture, found = cv2.VideoCapture(str(video)), {}
    for number in range(max(wanted) + 1):
        if not capture.grab():
            break
        if number in wanted:
            readable, pixels = capture.retrieve()
            if readable:
                found[number] = fitted(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), side)
    capture.release()
    if not found:
        raise SettingsError(f"{video} is not a video that can be read.")
    return found


def _laid(image: NDArray[np.uint8], plate: NDArray[np.uint8], mode: Mode) -> NDArray | None:
    """The plate laid on the frame; None where there is nobody to be seen, or another place."""
    try:
        return align(image, plate, mode).plate
    except AlignmentError:
        return None


def _photographed(job: PairJob, side: int, *, labelled: bool) -> Shot:
    image, plate = read_image(job.photo), read_image(job.plate)
    alpha = _matte(job.photo, image.shape[:2]) if labelled else None
    image = fitted(image, side)
    try:
        laid = align(image, fitted(plate, side)).plate
    except AlignmentError as error:
        raise AlignmentError(f"{job.photo}: {error}") from error
    if alpha is None:
        return _shot(image, laid)
    alpha = cv2.resize(alpha, image.shape[1::-1], interpolation=cv2.INTER_AREA)
    return _shot(image, laid, alpha, estimate_foreground(image, alpha.astype(np.float32) / 255))


def _matte(photo: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The alpha (h, w) uint8 that lies beside a photo: transparency if it has any, or its grey."""
    stem = photo.stem + ALPHA_ENDING
    path = next(path for path in sorted(photo.parent.iterdir()) if path.stem == stem)
    try:
        alpha = read_opacity(path)
    except ImageError:
        alpha = read_trimap(path)
    if alpha.shape != size:
        theirs, ours = (f"{width} × {height}" for height, width in (alpha.shape, size))
        raise SettingsError(f"{path} has {theirs} pixels, its photo {ours}: they must be the same.")
    return alpha


def _shot(
    image: NDArray[np.uint8],
    plate: NDArray[np.uint8],
    alpha: NDArray[np.uint8] | None = None,
    foreground: NDArray[np.uint8] | None = None,
) -> Shot:
    prior = np.rint(255 * soft_segmentation(reduced(image, PRIOR_PIXELS))).astype(np.uint8)
    return Shot(image, plate, prior, alpha, foreground)
