"""The processes of training: work on many files by several, and memory they keep."""

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.progress import track

MALLOC = {-4: 0, -1: 2**31 - 1, -2: 1 << 28}
"""malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD, bytes."""


def made(make: Callable[..., bool], tasks: Iterable[tuple], workers: int) -> int:
    """Call `make` with each task's arguments; how many times it said yes.

    workers: processes; 1 is this one.
    """
    tasks = list(tasks)
    if workers <= 1:
        return sum(make(*task) for task in track(tasks, "Making ready"))
    # Not forked: a child of a process that has computed in threads may wait for ever.
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=keep_freed_memory) as pool:
        done = [pool.submit(make, *task) for task in tasks]
        return sum(each.result() for each in track(done, "Making ready"))


def keep_freed_memory() -> None:
    """Let this process keep the memory of arrays it has freed, where there is glibc's mallopt.

    To give it back and have it zeroed again takes as long as computing with it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for option, value in MALLOC.items():
            mallopt(option, value)
