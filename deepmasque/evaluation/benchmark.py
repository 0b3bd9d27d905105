"""Methods times images: what each alpha is worth and what it took. Stopped anywhere, it goes on.

Under the folder of results lie

    alphas/METHOD/IMAGE.png     every alpha, 8 bits; the errors are those of this file
    rows/METHOD/IMAGE.json      its row of the table, and a digest of all that decided it
    results.csv, .parquet       the table, written at the end

A row whose digest still fits is kept, whoever made it and when: so the folder is the cache. Every
method runs in a fresh process (`worker`), and one image at a time.
"""

import datetime
import hashlib
import json
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TextIO

from deepmasque import samples
from deepmasque.batch import result_names
from deepmasque.errors import DeepMasqueError
from deepmasque.evaluation.methods import Method, pipeline_trimap
from deepmasque.evaluation.metrics import scores
from deepmasque.image import SUFFIXES, read_trimap, write_atomic
from deepmasque.portrait.trimap import BACKGROUND, FOREGROUND
from deepmasque.provenance import commit, hardware
from deepmasque.two_photo.batch import PLATE_ENDING

if TYPE_CHECKING:
    import pandas as pd

WORKER = (sys.executable, "-m", "deepmasque.evaluation.worker")
NO_PLATE = "There is no plate, the same place without the subject."
PATIENCE = 0.1
"""Seconds between two looks whether to stop."""


@dataclass(frozen=True)
class Scene:
    """A photo to be matted, and what is known of it.

    name: unlike the others', fit for the name of a file. image, truth, trimap, plate: picture
    files; the truth is a mask or an alpha. trimaps: which set of trimaps it is where there are
    several.
    """

    name: str
    image: Path
    truth: Path | None = None
    trimap: Path | None = None
    trimaps: str = ""
    plate: Path | None = None


@dataclass(frozen=True)
class Row:
    """One method on one photo.

    Attributes
    ----------
    image, trimaps, method, title: which; `trimaps` as in `Scene`.
    state: "failed" has the reason in `error`, one sentence, and no figures.
    notes: sentences on what did not go as wished.
    trimap: which one was used: "given", "portrait pipeline", or "" where the method needs none.
    width, height: of the photo, pixels.
    iou … conn: see `metrics`, over the whole photo; None without a truth.
    iou_unknown … conn_unknown: over the unknown pixels of a given trimap.
    seconds, cpu_seconds: by the clock, and on all cores; photo in memory to alpha in memory.
    peak_mb: the most memory the process held at once while it worked on this photo, program and
        models included. added_mb: by how much that exceeds what it held just before.
    memory: "this image", or "process so far" where the system cannot forget an older peak.
    load: how many processes the machine had to run, mean of the last minute, this one included;
        where it exceeds the cores, the seconds are longer than on a machine left alone.
    load_seconds: loading the method and running it once on a small photo, before all that.
    device, hardware: what computed. version: of the method. commit: of this project; a + stands
        for changes since. date: UTC.
    alpha: the alpha's file, from the folder of results.
    """

    image: str
    trimaps: str
    method: str
    title: str
    state: Literal["done", "failed"]
    error: str = ""
    notes: str = ""
    trimap: str = ""
    width: int | None = None
    height: int | None = None
    iou: float | None = None
    boundary_iou: float | None = None
    sad: float | None = None
    mse: float | None = None
    mad: float | None = None
    grad: float | None = None
    conn: float | None = None
    iou_unknown: float | None = None
    boundary_iou_unknown: float | None = None
    sad_unknown: float | None = None
    mse_unknown: float | None = None
    mad_unknown: float | None = None
    grad_unknown: float | None = None
    conn_unknown: float | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mb: float | None = None
    added_mb: float | None = None
    memory: str = ""
    load: float | None = None
    load_seconds: float | None = None
    device: str = ""
    hardware: str = ""
    version: str = ""
    commit: str = ""
    date: str = ""
    alpha: str = ""


VOLATILE = (
    "seconds",
    "cpu_seconds",
    "peak_mb",
    "added_mb",
    "load",
    "load_seconds",
    "commit",
    "date",
)
"""The columns in which two runs of the same benchmark may differ."""

OnStart = Callable[[Scene, Method], None]
OnRow = Callable[[Row], None]
ShouldStop = Callable[[], bool]


def scenes(data: str | Path, ids: Iterable[str] | None = None) -> list[Scene]:
    """The photos of a folder, whatever its layout.

    data: "samples" or "pairs" for the project's own; a folder with images/ and masks/ (as EG1800),
    perhaps with plates/; one with input/, alpha/ and trimap*/ (as alphamatting.com, every set of
    trimaps for itself); or just a folder of photos, whose alphas then have no truth to be compared
    with. Files belong together by name; NAME_plate.jpg beside NAME.jpg is its plate. ids: take only
    the photos of these names, without suffix.
    Raises DeepMasqueError if there are none.
    """
    wanted = None if ids is None else set(ids)
    folder = Path(data)
    if str(data) == "samples":
        found = [Scene(sample.name, sample.path) for sample in samples.portraits()]
    elif str(data) == "pairs":
        found = [
            Scene(each.name, each.path, each.truth, plate=each.plate) for each in samples.pairs()
        ]
    elif (folder / "images").is_dir() and (folder / "masks").is_dir():
        found = _paired(folder / "images", folder / "masks", folder / "plates")
    elif (folder / "input").is_dir():
        found = _alphamatting(folder)
    elif folder.is_dir():
        found = _paired(folder, None)
    else:
        raise DeepMasqueError(f"{data} is not a folder.")
    found = [scene for scene in found if wanted is None or scene.image.stem in wanted]
    if not found:
        raise DeepMasqueError(f"{data} holds no pictures{' of these names' if wanted else ''}.")
    return found


def run_benchmark(
    scenes: Sequence[Scene],
    methods: Sequence[Method],
    out: Path,
    *,
    on_start: OnStart | None = None,
    on_row: OnRow | None = None,
    should_stop: ShouldStop | None = None,
) -> list[Row]:
    """Every method on every photo, method by method; returns the rows and writes the table.

    A photo or a method that fails gives a row that says why. Methods that need a trimap where none
    is given get the portrait pipeline's, drawn beforehand and not counted.

    on_start: called before each pair that has to be worked on. on_row: after each, and for the rows
    that are kept. should_stop: asked about ten times a second; on True the work at hand is dropped,
    and what is done so far is returned and written.
    Raises DeepMasqueError if names occur twice or are no names of files, OSError if `out` cannot
    be written.
    """
    names = [(scene.name, scene.trimaps) for scene in scenes]
    if len(set(names)) < len(names) or any(Path(name).name != name for name, _ in names):
        raise DeepMasqueError("Every photo of a benchmark needs a name of its own, fit for a file.")
    run = _Run(out, on_start or (lambda *_: None), should_stop or (lambda: False))
    rows = []
    with suppress(_StoppedError):
        for method in methods:
            with closing(run.rows(scenes, method)) as made:
                for row in made:
                    rows.append(row)
                    if on_row:
                        on_row(row)
    out.mkdir(parents=True, exist_ok=True)
    found = table(rows)
    write_atomic(out / "results.csv", found.to_csv(index=False).encode())
    stream = BytesIO()
    found.to_parquet(stream, index=False)
    write_atomic(out / "results.parquet", stream.getvalue())
    return rows


def table(rows: Iterable[Row]) -> "pd.DataFrame":
    """The rows as a table with a column for each of their fields, figures as floats."""
    import pandas as pd

    names = [field.name for field in fields(Row)]
    texts = {field.name for field in fields(Row) if field.default == "" or field.type is str}
    found = pd.DataFrame([asdict(row) for row in rows], columns=names)
    numbers = [name for name in names if name not in texts | {"state"}]
    return found.astype(dict.fromkeys(numbers, float))


def read_table(out: Path) -> "pd.DataFrame":
    """The table that a run has written into its folder."""
    import pandas as pd

    return pd.read_parquet(out / "results.parquet")


class _StoppedError(Exception):
    """Whoever asked for the run wants no more of it."""


@dataclass(frozen=True)
class _Run:
    """A folder of results being filled."""

    out: Path
    on_start: OnStart
    should_stop: ShouldStop
    commit: str = field(default_factory=commit)

    def rows(self, scenes: Sequence[Scene], method: Method) -> Iterator[Row]:
        """One method's rows, kept or made anew."""
        if why_not := method.unusable():
            for scene in scenes:
                yield replace(self._begun(scene, method, ""), error=why_not)
            return
        drawn = self._drawn(scenes) if method.needs == "image and trimap" else {}
        version = method.version()
        with _Worker(method.name, self.should_stop) as worker:
            for scene in scenes:
                if self.should_stop():
                    raise _StoppedError
                begun = self._begun(scene, method, version)
                yield self._finished(begun, scene, method, drawn.get(scene), worker)

    def _drawn(self, scenes: Sequence[Scene]) -> dict[Scene, Row]:
        """The portrait pipeline's trimap, as a row, of every photo that comes without one."""
        bare = [scene for scene in scenes if scene.trimap is None]
        return dict(zip(bare, self.rows(bare, pipeline_trimap()), strict=True)) if bare else {}

    def _begun(self, scene: Scene, method: Method, version: str) -> Row:
        return Row(
            scene.name,
            scene.trimaps,
            method.name,
            method.title,
            "failed",
            hardware=hardware(),
            version=version,
            commit=self.commit,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )

    def _finished(
        self, row: Row, scene: Scene, method: Method, drawn: Row | None, worker: "_Worker"
    ) -> Row:
        """The row with its figures, or with the reason why there are none."""
        trimap = scene.trimap if method.needs == "image and trimap" else None
        plate = scene.plate if method.needs == "image and plate" else None
        if method.needs == "image and plate" and plate is None:
            return replace(row, error=NO_PLATE)
        if trimap is not None:
            row = replace(row, trimap="given")
        if drawn is not None:
            if drawn.state == "failed":
                return replace(row, error=f"No trimap could be drawn. {drawn.error}")
            trimap = self.out / drawn.alpha
            row = replace(row, trimap="portrait pipeline")

        place = Path(re.sub(r"[^\w.-]+", "-", method.name), scene.trimaps, scene.name)
        alpha, stored = (
            self.out / kind / f"{place}{suffix}"
            for kind, suffix in (("alphas", ".png"), ("rows", ".json"))
        )
        decisive = [_fingerprint(path) for path in (scene.image, trimap, plate, scene.truth)]
        decisive += [_fingerprint(scene.trimap), method.name, row.version, row.hardware]
        kept = _kept(stored, decisive)
        if kept is not None and alpha.is_file():
            return kept

        self.on_start(scene, method)
        for path in (alpha, stored):
            path.parent.mkdir(parents=True, exist_ok=True)
        task = {
            "image": str(scene.image),
            "trimap": None if trimap is None else str(trimap),
            "plate": None if plate is None else str(plate),
            "alpha": str(alpha),
        }
        row = replace(row, **worker.ask(task))
        if row.error:
            return row
        notes = f"{drawn.notes} {row.notes}".strip() if drawn else row.notes
        solved = replace(row, state="done", notes=notes, alpha=str(alpha.relative_to(self.out)))
        row = _scored(solved, alpha, scene)
        write_atomic(stored, json.dumps({"decisive": decisive, "row": asdict(row)}).encode())
        return row


class _Worker:
    """A method's process, started when it is first needed, ended with the block."""

    def __init__(self, name: str, should_stop: ShouldStop):
        self._command = [*WORKER, name]
        self._should_stop = should_stop
        self._process: subprocess.Popen | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._facts: dict = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, task: dict) -> dict:
        """What the process answers; {"error": sentence} also if it comes to an end over it."""
        if self._process is None and "error" not in self._facts:
            self._facts = self._started()
        if "error" in self._facts:
            return self._facts
        with suppress(BrokenPipeError):
            print(json.dumps(task), file=self._process.stdin, flush=True)
        return self._facts | self._answer()

    def _started(self) -> dict:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(self._command, text=True, **pipes)
        self._lines = queue.SimpleQueue()
        threading.Thread(
            target=_listen, args=(self._process.stdout, self._lines), daemon=True
        ).start()
        return self._answer()

    def _answer(self) -> dict:
        while True:
            if self._should_stop():
                raise _StoppedError
            try:
                line = self._lines.get(timeout=PATIENCE)
            except queue.Empty:
                continue
            return json.loads(line) if line else {"error": self._end()}

    def _end(self) -> str:
        """Why the process is gone, in a sentence."""
        code, self._process = self._process.wait(), None
        if code == -signal.SIGKILL:
            return "The method's process was killed, most likely because memory ran out."
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        return f"The method's process ended {how} before it had an alpha."


def _listen(stream: TextIO, lines: queue.SimpleQueue) -> None:
    """Hand on what a process says, and then that it says no more."""
    for line in stream:
        lines.put(line)
    stream.close()
    lines.put(None)


def _kept(stored: Path, decisive: list[str]) -> Row | None:
    """The row of a file, if everything that decided it is still the same."""
    try:
        found = json.loads(stored.read_bytes())
        return Row(**found["row"]) if found["decisive"] == decisive else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fingerprint(path: Path | None) -> str:
    """Of a file's content; "" of none, or of one that the method will complain about itself."""
    try:
        return "" if path is None else _sha256(path, path.stat().st_mtime_ns, path.stat().st_size)
    except OSError:
        return ""


@lru_cache(maxsize=4096)
def _sha256(path: Path, *_: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _scored(row: Row, alpha: Path, scene: Scene) -> Row:
    """The row with its errors, where there is a truth of the same size."""
    if scene.truth is None:
        return row
    try:
        found, truth = read_trimap(alpha) / 255, read_trimap(scene.truth) / 255
        trimap = None if scene.trimap is None else read_trimap(scene.trimap)
        unknown = None if trimap is None else (trimap != BACKGROUND) & (trimap != FOREGROUND)
        if found.shape != truth.shape or (unknown is not None and unknown.shape != truth.shape):
            raise DeepMasqueError(f"{scene.truth} is not of the photo's size.")
        return replace(row, **scores(found, truth, unknown))
    except DeepMasqueError as error:
        return replace(row, notes=f"{row.notes} No errors: {error}".strip())


def _paired(photos: Path, truths: Path | None, plates: Path | None = None) -> list[Scene]:
    """Every photo of a folder with the truth and the plate of its name."""
    truth_of, plate_of = ({} if folder is None else _by_stem(folder) for folder in (truths, plates))
    beside = _by_stem(photos)
    of = {
        stem: path
        for stem in beside
        if (path := plate_of.get(stem) or beside.get(f"{stem}{PLATE_ENDING}"))
    }
    return [
        Scene(name, path, truth_of.get(path.stem), plate=of.get(path.stem))
        for name, path in _named(photos)
        if path not in of.values()
    ]


def _alphamatting(folder: Path) -> list[Scene]:
    """Every photo with each of its trimaps."""
    truths = _by_stem(folder / "alpha")
    sets = sorted(path for path in folder.glob("trimap*") if path.is_dir())
    found = [
        Scene(name, path, truths.get(path.stem), given[path.stem], trimaps.name)
        for trimaps in sets
        for given in [_by_stem(trimaps)]
        for name, path in _named(folder / "input")
        if path.stem in given
    ]
    return found or [
        Scene(name, path, truths.get(path.stem)) for name, path in _named(folder / "input")
    ]


def _named(photos: Path) -> list[tuple[str, Path]]:
    """The pictures of a folder and a name for each."""
    names = result_names(path.name for path in _pictures(photos))
    return [(names[path.name].removesuffix(".png"), path) for path in _pictures(photos)]


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in _pictures(folder)}


def _pictures(folder: Path) -> list[Path]:
    visible = (path for path in folder.glob("[!.]*") if path.is_file())
    return sorted(path for path in visible if path.suffix.lower() in SUFFIXES)
