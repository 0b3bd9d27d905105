"""Work on many files by several processes."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.progress import track


def made(make: Callable[..., bool], tasks: Iterable[tuple], workers: int) -> int:
    """Call `make` with each task's arguments; how many times it said yes.

    workers: processes; 1 is this one.
    """
    tasks = list(tasks)
    if workers <= 1:
        return sum(make(*task) for task in track(tasks, "Making ready"))
    # Not forked: a child of a process that has computed in threads may wait for ever.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(make, *task) for task in tasks]
        return sum(each.result() for each in track(done, "Making ready"))
