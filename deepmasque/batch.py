"""Photos to result files: one, or a whole folder that can be interrupted and resumed."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, count
from pathlib import Path
from time import perf_counter
from typing import Literal, Protocol

import numpy as np

import deepmasque
from deepmasque.compose import Background, Gradient, alpha_channel, background_picture
from deepmasque.errors import DeepMasqueError
from deepmasque.image import (
    SUFFIXES,
    encode_jpeg,
    encode_png,
    png_comment,
    read_image,
    write_atomic,
)
from deepmasque.matte import Matte, Stage

MARK = "deepmasque "
"""Begins the comment of every PNG that a folder run wrote; a digest of all that made it follows."""


@dataclass(frozen=True)
class Job:
    """One photo of a folder and where its result goes; `trimap` is the user's own, if any."""

    photo: Path
    result: Path
    trimap: Path | None = None


class Work(Protocol):
    """What a run makes of its jobs."""

    def targets(self, job: Job) -> list[Path]:
        """The files that are written, `job.result` first, a PNG."""

    def digest(self, job: Job) -> str:
        """Of everything that decides what is in these files."""

    def made(self, job: Job, mark: str) -> tuple[dict[Path, bytes], Sequence[str]]:
        """Content of the files in their order, and sentences for the user.

        The comment of the first is `mark`, followed by the `sha256` of every further file.
        """


@dataclass(frozen=True)
class Options:
    """What is written of each matte: the cut-out, or its alpha, or a composite on a background."""

    background: Background | None = None
    alpha_only: bool = False
    features: str = "rgb"

    def targets(self, job: Job) -> list[Path]:
        """As in `Work`."""
        return [job.result]

    def digest(self, job: Job) -> str:
        """As in `Work`."""
        trimap = file_digest(job.trimap) if job.trimap else ""
        background = self.background
        if isinstance(background, np.ndarray):
            background = f"{background.shape} {sha256(background.tobytes())}"
        else:
            background = repr(background)
        return digest_of(
            self.features, str(self.alpha_only), file_digest(job.photo), trimap, background
        )

    def made(self, job: Job, mark: str) -> tuple[dict[Path, bytes], Sequence[str]]:
        """As in `Work`."""
        data, matte = render(job.photo, self, trimap=job.trimap, comment=mark)
        return {job.result: data}, matte.notes


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `text` holds the reason of a failure or the notes of a result."""

    job: Job
    state: Literal["done", "kept", "failed"]
    text: str
    seconds: float


def background_from(text: str) -> Background:
    """A background as written on the command line.

    text: a colour ("#ffb000", "black", "255,176,0"), two colours for a gradient from top to bottom
    ("#ffb000,#000000"), or the path of a picture.
    Raises DeepMasqueError if it is none of these.
    """
    if Path(text).exists():
        return read_image(text)
    parts = text.split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    meanings = (
        text,
        Gradient(parts[0].strip(), parts[-1].strip()) if len(parts) == 2 else None,
        tuple(numbers) if len(parts) == len(numbers) == 3 else None,
    )
    for background in filter(None, meanings):
        try:
            background_picture(background, 1, 1)
        except DeepMasqueError:
            continue
        return background
    raise DeepMasqueError(
        f"{text} is no background: give a colour like #ffb000, two with a comma between them,"
        " or a picture file."
    )


def render(
    photo: str | Path | bytes,
    options: Options,
    *,
    trimap: str | Path | None = None,
    suffix: str = ".png",
    comment: str | None = None,
    on_stage: Callable[[Stage], None] | None = None,
) -> tuple[bytes, Matte]:
    """Matte a photo; the bytes of the result file, and the matte itself.

    suffix: ".png", or ".jpg" for a composite. comment: for PNG, see `encode_png`.
    """
    matte = deepmasque.matte(photo, trimap=trimap, features=options.features, on_stage=on_stage)
    if options.alpha_only:
        pixels = alpha_channel(matte)
    elif options.background is None:
        pixels = deepmasque.cutout(matte)
    else:
        pixels = deepmasque.composite(matte, options.background)
    if suffix.lower() in (".jpg", ".jpeg"):
        return encode_jpeg(pixels), matte
    return encode_png(pixels, comment), matte


def plan(photos: Path, results: Path, trimaps: Path | None = None) -> tuple[list[Job], list[Path]]:
    """The jobs of a folder and all its folders, and the files in it that are no pictures.

    Hidden files are left out, and so is what lies in `results` or `trimaps` if these are inside
    `photos`. A photo's result, always a PNG, lies in the same folder of `results`, see
    `result_names`.

    trimaps: one file for all photos, or a folder where each photo's trimap is named like its
    result, with the suffix of any picture format.
    Raises DeepMasqueError if a folder is missing, a trimap is, or a result would replace a photo.
    """
    if not photos.is_dir():
        raise DeepMasqueError(f"{photos} is not a folder.")
    if results.exists() and not results.is_dir():
        raise DeepMasqueError(f"{results} is a file: name a folder for the results.")
    apart = {path.resolve() for path in (results, trimaps) if path is not None}
    if photos.resolve() in apart:
        raise DeepMasqueError("The results and trimaps need a folder other than the photos'.")
    kept_out = {path for path in apart if photos.resolve() in path.parents}
    files = [path for path in sorted(photos.rglob("*")) if _is_visible_file(path, photos)]
    files = [path for path in files if kept_out.isdisjoint(path.resolve().parents)]
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    others = [path for path in files if path.suffix.lower() not in SUFFIXES]

    targets = _targets(pictures, photos, results)
    if not {path.resolve() for path in pictures}.isdisjoint(t.resolve() for t in targets.values()):
        raise DeepMasqueError(f"Results in {results} would replace photos: name another folder.")
    found = _trimaps(targets, results, trimaps)
    return [Job(path, targets[path], found.get(path)) for path in pictures], others


def result_names(names: Iterable[str]) -> dict[str, str]:
    """A PNG name for every photo of one folder, all different even where case does not count.

    "a.jpg" becomes "a.png", but where "a.jpg" and "a.png" are both photos, they become "a.jpg.png"
    and "a.png.png".
    """
    names = sorted(names)
    sharing = Counter(Path(name).stem.casefold() for name in names)
    alone = {name: sharing[Path(name).stem.casefold()] == 1 for name in names}
    taken, result = set(), {}
    for name in sorted(names, key=lambda name: alone[name]):
        stems = chain([Path(name).stem] if alone[name] else [], [name])
        wishes = chain(stems, (f"{name}.{number}" for number in count(2)))
        stem = next(wish for wish in wishes if wish.casefold() not in taken)
        taken.add(stem.casefold())
        result[name] = f"{stem}.png"
    return result


def run(jobs: Sequence[Job], work: Work, *, overwrite: bool = False) -> Iterator[Outcome]:
    """Do the jobs one after the other; a failure is an outcome, and the next job follows.

    Results that the same photo and options have made before are kept. Those that were made of
    others are made anew. A file that no such run has made, or that was changed since, is left
    alone, and the job fails, unless `overwrite`.
    """
    for job in jobs:
        start = perf_counter()
        try:
            state, text = _done(job, work, overwrite)
        except Exception as error:  # the folder goes on whatever happens to one photo
            state, text = "failed", reason(error)
        yield Outcome(job, state, text, perf_counter() - start)


def digest_of(*parts: str) -> str:
    """The digest of what decides a result, and of the version that makes it."""
    return sha256("\n".join((version("deepmasque"), *parts)).encode())


def sha256(data: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def reason(error: Exception) -> str:
    """An error as one sentence for the user."""
    if isinstance(error, DeepMasqueError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this photo."
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}."
    return f"Unexpected {type(error).__name__}: {' '.join(str(error).split()) or 'no details'}."


def _done(job: Job, work: Work, overwrite: bool) -> tuple[Literal["done", "kept"], str]:
    mark = MARK + work.digest(job)
    targets = work.targets(job)
    if not overwrite:
        made_by = (job.result.exists() and png_comment(job.result)) or ""
        if made_by.startswith(mark) and all(target.exists() for target in targets):
            return "kept", ""
        for target in targets:
            if target.exists() and not _is_ours(target, job, made_by):
                raise DeepMasqueError(f"{target} exists already: --overwrite replaces it.")
    files, notes = work.made(job, mark)
    job.result.parent.mkdir(parents=True, exist_ok=True)
    for target, data in files.items():
        write_atomic(target, data)
    return "done", " ".join(notes)


def _is_ours(target: Path, job: Job, made_by: str) -> bool:
    """Whether a run, which left `made_by` as the comment of the job's result, has made a file."""
    if target == job.result:
        return made_by.startswith(MARK)
    return file_digest(target) in made_by.split()


def _is_visible_file(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.is_file()


def _targets(pictures: Sequence[Path], photos: Path, results: Path) -> dict[Path, Path]:
    """The result file of every photo."""
    names = defaultdict(list)
    for path in pictures:
        names[path.parent].append(path.name)
    return {
        folder / name: results / folder.relative_to(photos) / target
        for folder, inside in names.items()
        for name, target in result_names(inside).items()
    }


def _trimaps(targets: dict[Path, Path], results: Path, trimaps: Path | None) -> dict[Path, Path]:
    """The trimap of every photo."""
    if trimaps is None:
        return {}
    if trimaps.is_file():
        return dict.fromkeys(targets, trimaps)
    present = {
        path.relative_to(trimaps).with_suffix(""): path
        for path in sorted(trimaps.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    }
    found = {}
    for photo, target in targets.items():
        stem = target.relative_to(results).with_suffix("")
        if stem not in present:
            raise DeepMasqueError(f"{trimaps} holds no trimap for {photo}: it would be {stem}.png.")
        found[photo] = present[stem]
    return found
