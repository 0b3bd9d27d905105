"""Pairs of photos to result files: what is written of each, and the pairs of a folder."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deepmasque.batch import Job, Work, digest_of, file_digest, plan, sha256
from deepmasque.compose import alpha_channel, cutout
from deepmasque.errors import DeepMasqueError
from deepmasque.image import encode_png
from deepmasque.matte import Stage
from deepmasque.two_photo.alignment import Mode
from deepmasque.two_photo.layers import LAYERED
from deepmasque.two_photo.morphology import CleanUp
from deepmasque.two_photo.pipeline import matte_two_photo
from deepmasque.two_photo.refinement import Mode as Refinement

PLATE_ENDING = "_plate"


@dataclass(frozen=True)
class PairJob(Job):
    """A photo and its plate; `missing` says what is, in a sentence, where this is no pair."""

    plate: Path | None = None
    missing: str = ""


@dataclass(frozen=True)
class PairOptions:
    """How pairs are matted, and what is written beside the cut-out.

    mode, refinement, clean_up: as for `matte_two_photo`.
    alpha, foreground: as grey and as RGB, NAME_alpha.png and NAME_foreground.png.
    layers: a layered file, NAME.psd or NAME.tiff.
    """

    mode: Mode = "auto"
    refinement: Refinement = "sampling"
    clean_up: CleanUp = field(default_factory=CleanUp)
    alpha: bool = False
    foreground: bool = False
    layers: Literal["psd", "tiff"] | None = None

    def targets(self, job: Job) -> list[Path]:
        """As in `Work`."""
        result = job.result
        targets = [result]
        if self.alpha:
            targets.append(result.with_name(f"{result.stem}_alpha.png"))
        if self.foreground:
            targets.append(result.with_name(f"{result.stem}_foreground.png"))
        if self.layers:
            targets.append(result.with_name(f"{result.stem}.{self.layers}"))
        return targets

    def digest(self, job: PairJob) -> str:
        """As in `Work`. Raises DeepMasqueError where the job is no pair."""
        if job.missing:
            raise DeepMasqueError(job.missing)
        return digest_of(repr(self), file_digest(job.photo), file_digest(job.plate))

    def made(
        self,
        job: PairJob,
        mark: str | None = None,
        on_stage: Callable[[Stage], None] | None = None,
    ) -> tuple[dict[Path, bytes], Sequence[str]]:
        """As in `Work`, without a comment if `mark` is None; on_stage: as for `matte_two_photo`."""
        matte = matte_two_photo(
            job.photo,
            job.plate,
            mode=self.mode,
            refinement=self.refinement,
            clean_up=self.clean_up,
            on_stage=on_stage,
        )
        further = []
        if self.alpha:
            further.append(encode_png(alpha_channel(matte)))
        if self.foreground:
            further.append(encode_png(matte.foreground))
        if self.layers:
            further.append(LAYERED[self.layers](matte))
        comment = mark and " ".join((mark, *map(sha256, further)))
        contents = [encode_png(cutout(matte), comment), *further]
        return dict(zip(self.targets(job), contents, strict=True)), matte.notes


def plan_pairs(
    photos: Path, results: Path, work: Work, plate: Path | None = None
) -> tuple[list[PairJob], list[Path]]:
    """The jobs of a folder and all its folders, and the files in it that are no pictures.

    The plate of NAME.jpg is NAME_plate.jpg in the same folder, in any picture format; `plate` is
    for all photos without one of their own. What is left without its other half is a job that
    will fail. Results as for `deepmasque.batch.plan`.
    Raises DeepMasqueError like it, if `plate` is no file, and if one file would be written twice.
    """
    if plate is not None and not plate.is_file():
        raise DeepMasqueError(f"{plate} is not a file.")
    jobs, others = plan(photos, results)
    if plate is not None:
        jobs = [job for job in jobs if not job.photo.samefile(plate)]
    own = {_name(job.photo): job for job in jobs if _is_plate(job.photo)}
    pairs, used = [], set()
    for job in jobs:
        if _is_plate(job.photo):
            continue
        wanted = _name(job.photo.with_stem(job.photo.stem + PLATE_ENDING))
        used.add(wanted)
        its_plate = own[wanted].photo if wanted in own else plate
        pairs.append(
            PairJob(job.photo, job.result, plate=its_plate, missing=_missing(job, its_plate))
        )
    for name, job in own.items():
        if name not in used:
            sentence = f"{job.photo} is the plate of no photo: there is none of its name beside it."
            pairs.append(PairJob(job.photo, job.result, missing=sentence))
    _check_apart(pairs, work)
    return sorted(pairs, key=lambda pair: pair.photo), others


def _name(path: Path) -> tuple[Path, str]:
    """What a photo and its plate have in common but the ending."""
    return path.parent, path.stem.casefold()


def _is_plate(path: Path) -> bool:
    return path.stem.casefold().endswith(PLATE_ENDING)


def _missing(job: Job, plate: Path | None) -> str:
    if plate is not None:
        return ""
    wanted = job.photo.with_stem(job.photo.stem + PLATE_ENDING).name
    return f"{job.photo} has no plate: put {wanted} beside it, or name one for all with --plate."


def _check_apart(pairs: Sequence[PairJob], work: Work) -> None:
    written = Counter(
        str(target).casefold()
        for pair in pairs
        if not pair.missing
        for target in work.targets(pair)
    )
    for pair in pairs:
        for target in work.targets(pair):
            if written[str(target).casefold()] > 1:
                raise DeepMasqueError(
                    f"{target} would be written for two photos: give one another name."
                )
