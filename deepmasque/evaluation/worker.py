"""One method in a process of its own, so that the seconds and the memory measured are its own.

`python -m deepmasque.evaluation.worker METHOD` loads the method and runs it once on a small photo;
then it answers every task on standard input, one JSON object a line, with one on standard output:

    {"image": FILE, "trimap": FILE or null, "plate": FILE or null, "alpha": FILE}
    {"seconds": …, "cpu_seconds": …, "peak_mb": …, "added_mb": …, …}  or  {"error": SENTENCE}

The first line is the answer to loading. When standard input ends, so does the process, whatever it
is at.
"""

import contextlib
import ctypes
import gc
import json
import os
import queue
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque import samples
from deepmasque.batch import reason
from deepmasque.errors import DeepMasqueError
from deepmasque.evaluation.methods import Image, Method, Solver, method, pipeline_trimap
from deepmasque.image import encode_png, read_image, read_trimap, write_atomic
from deepmasque.memory import PeakMeter, peak_mb

THIS_IMAGE, SO_FAR = "this image", "process so far"


def main() -> None:
    """Load the method that the command line names, and answer tasks."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes where it disturbs nothing
    name = sys.argv[1]
    _stay_offline()
    _give_way()
    tasks = _tasks()
    try:
        chosen = pipeline_trimap() if name == pipeline_trimap().name else method(name)
        solver, facts = _loaded(chosen)
    except Exception as error:  # whatever a peer raises becomes a sentence in the table
        print(json.dumps({"error": reason(error)}), file=answers)
        return
    print(json.dumps(facts), file=answers)
    for task in tasks:
        try:
            answer = _measured(solver, task)
        except Exception as error:  # as above, and the next image follows
            answer = {"error": reason(error)}
        print(json.dumps(answer), file=answers)


def _tasks() -> Iterator[dict]:
    """The tasks as they come. The thread ends the process when nobody is left to ask."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(lines.get())


def _loaded(chosen: Method) -> tuple[Solver, dict]:
    """The solver, compiled and loaded, and what it runs on."""
    why_not = chosen.unusable()
    if why_not:
        raise DeepMasqueError(why_not)
    start = perf_counter()
    solver = chosen.load()
    if chosen.needs == "image and plate":
        pair = samples.pairs()[0]
        image, beside = _small(pair.path), _small(pair.plate)
    else:
        image = _small(samples.portraits()[0].path)
        beside = np.repeat(np.uint8([[0, 128, 255, 0]]), 32, axis=1).repeat(128, axis=0)
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # the images' own errors tell
        warnings.simplefilter("ignore")
        solver(image, beside)
    return solver, {"device": chosen.device(), "load_seconds": perf_counter() - start}


def _small(photo: Path) -> Image:
    return cv2.resize(read_image(photo), (128, 128), interpolation=cv2.INTER_AREA)


def _measured(solver: Solver, task: dict) -> dict:
    """Solve one image, write its alpha, and tell what it took. Reading and writing do not count."""
    image = read_image(Path(task["image"]))
    beside = read_trimap(Path(task["trimap"])) if task["trimap"] else None
    if task["plate"]:
        beside = read_image(Path(task["plate"]))
    _let_go()
    meter = PeakMeter()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        start, cpu_start = perf_counter(), process_time()
        alpha = solver(image, beside)
        seconds, cpu_seconds = perf_counter() - start, process_time() - cpu_start
    peak, added = peak_mb(), meter.added_mb()
    write_atomic(task["alpha"], encode_png(_eight_bit(alpha, image.shape[:2])))
    notes = {str(warning.message): None for warning in said if warning.category is UserWarning}
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mb": peak,
        "added_mb": added,
        "memory": THIS_IMAGE if meter.forgets else SO_FAR,
        "load": os.getloadavg()[0],
        "width": image.shape[1],
        "height": image.shape[0],
        "notes": " ".join(notes),
    }


def _eight_bit(alpha: NDArray, shape: tuple[int, int]) -> NDArray[np.uint8]:
    alpha = np.asarray(alpha)
    if alpha.shape != shape or not np.isfinite(alpha).all():
        raise DeepMasqueError("The method gave no alpha of the photo's size, or one with gaps.")
    return np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)


def _stay_offline() -> None:
    """Nothing that runs here may fetch anything, other projects' code included."""

    def refuse(*_) -> None:
        raise OSError("Nothing is downloaded here")

    socket.socket.connect = socket.socket.connect_ex = refuse


def _give_way() -> None:
    """Where memory runs out (Linux), this process is ended and not the one that shows the page."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _let_go() -> None:
    """Give back to the system what the image before has left in the allocator."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


if __name__ == "__main__":
    main()
