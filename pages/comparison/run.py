"""A benchmark that runs while the visitor goes on looking, one at a time on the whole server."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from deepmasque.errors import DeepMasqueError
from deepmasque.evaluation.benchmark import Row, Scene, run_benchmark
from deepmasque.evaluation.methods import Method, methods

RUNS = Path(os.environ.get("DEEPMASQUE_RUNS", Path(__file__).parents[2] / "runs"))
"""Where the dashboard keeps what it measures and what visitors say."""
FORGOTTEN_SECONDS = 20.0
"""A run that nobody has looked at for so long ends."""
LOOK_SECONDS = 0.7

_one_at_a_time = threading.Lock()  # two at once would measure each other


class Run:
    """Methods on photos, in a thread. `rows` grows; `error` says what ended it early."""

    def __init__(self, scenes: Sequence[Scene], methods: Sequence[Method], out: Path) -> None:
        self.rows: list[Row] = []
        self.total = len(scenes) * len(methods)
        self.out, self.error, self.now = out, "", "Starting"
        self._seen, self._cancelled = time.monotonic(), False
        self._thread = threading.Thread(target=self._work, args=(scenes, methods), daemon=True)
        self._thread.start()

    def look(self) -> bool:
        """Whether it is still at work; it goes on only while somebody asks."""
        self._seen = time.monotonic()
        return self._thread.is_alive()

    def cancel(self) -> None:
        """End it; what is finished is kept."""
        self._cancelled = True

    def _stopped(self) -> bool:
        return self._cancelled or time.monotonic() > self._seen + FORGOTTEN_SECONDS

    def _work(self, scenes: Sequence[Scene], methods: Sequence[Method]) -> None:
        while not _one_at_a_time.acquire(timeout=0.2):
            self.now = "Waiting for another run to end"
            if self._stopped():
                return
        try:
            run_benchmark(
                scenes,
                methods,
                self.out,
                on_start=self._begin,
                on_row=self.rows.append,
                should_stop=self._stopped,
            )
        except (DeepMasqueError, OSError) as error:
            self.error = str(error)
        finally:
            _one_at_a_time.release()

    def _begin(self, scene: Scene, method: Method) -> None:
        self.now = f"{method.title}, {scene.name}"


@st.cache_resource(show_spinner=False)
def usable_methods() -> dict[str, Method]:
    """The methods that can run here, by name."""
    return {each.name: each for each in methods() if each.unusable() is None}


@st.cache_resource(show_spinner=False)
def absent_methods() -> dict[str, str]:
    """Why each of the others cannot, by title."""
    return {each.title: why for each in methods() if (why := each.unusable())}


def choose_methods(chosen: Sequence[str], key: str) -> list[Method]:
    """Let the visitor tick methods; those that are ticked."""
    usable = usable_methods()
    st.pills(
        "Methods",
        list(usable),
        selection_mode="multi",
        default=[name for name in chosen if name in usable],
        format_func=lambda name: usable[name].title,
        label_visibility="collapsed",
        key=key,
    )
    if absent_methods():
        sentences = " ".join(f"**{title}**: {why}" for title, why in absent_methods().items())
        st.caption(f"Not here: {sentences}")
    return ticked_methods(key)


def ticked_methods(key: str) -> list[Method]:
    """The methods that are ticked, as a callback too finds them: newer than its arguments."""
    return [usable_methods()[name] for name in st.session_state[key]]


def watched(key: str) -> bool:
    """Whether this visitor's run of that name is at work; shows how far it is."""
    run: Run | None = st.session_state.get(key)
    at_work = run is not None and run.look()
    if at_work:
        watch(run, run.total)
    return at_work


@st.fragment(run_every=LOOK_SECONDS)
def watch(run: Run, known: int) -> None:
    """Show how far a run is, and Cancel; draws the page anew with every row that is new."""
    if not run.look() or len(run.rows) > known:
        st.rerun()
    done = len(run.rows)
    st.progress(done / run.total, f"{done} of {run.total} · {run.now}")
    st.button("Cancel", key="cancel", on_click=run.cancel)
