"""Memory of the dashboard over many runs from its page Compare, in a real Chromium.

    python benchmarks/page_memory.py [--runs 50]

Every run is a small photo of another size, so that nothing is kept from before, and the methods
that are ticked at first. The first column is what the dashboard's server held after a run, the
second the most that any one method's process was seen to hold during it.
"""

import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import Page

from deepmasque.memory import held_mb
from deepmasque.provenance import hardware

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from conftest import LAPTOP, launched, running
from helpers import drop, portrait, settled

PATIENCE = 600
LOOK_SECONDS = 0.1
SIZE = (256, 300)


def main(runs: Annotated[int, typer.Option(help="Photos that are compared.")] = 50) -> None:
    """Print a table of megabytes after some of the runs."""
    marks = {1, 2, runs // 5, runs // 2, runs}
    print(f"{hardware()}, {time.strftime('%Y-%m-%d')}\n")
    print("| run | server, MB | method's process, MB |\n| ---: | ---: | ---: |")
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "log.txt", Path(folder) / "runs") as address,
        launched() as chromium,
    ):
        server = next(each for each in children("self") if "streamlit" in command(each))
        page = chromium.new_page(base_url=address, viewport=LAPTOP)
        page.goto("/compare")
        for run in range(1, runs + 1):
            most = compared(page, server, (SIZE[0] + run, SIZE[1]))
            if run in marks:
                print(f"| {run} | {held_mb(server):.0f} | {most:.0f} |", flush=True)
            page.get_by_role("button", name="New photo").click()
            page.locator(".st-key-drop").wait_for()


def compared(page: Page, server: int, size: tuple[int, int]) -> float:
    """Compare on a photo of that size; the most that a process of a method held, MB."""
    drop(page, portrait(size))
    page.locator("figure .stage[data-ready]").wait_for()
    settled(page)
    page.get_by_role("button", name="Run these methods").click()
    cancel, figures = page.locator(".st-key-cancel"), page.locator(".st-key-table-compare-figures")
    most, end = 0.0, time.monotonic() + PATIENCE
    while cancel.count() or not figures.count():
        if time.monotonic() > end:
            raise SystemExit(f"A run has not ended after {PATIENCE} s.")
        for worker in children(server):
            with suppress(OSError, TypeError):  # it may end any time
                most = max(most, held_mb(worker))
        time.sleep(LOOK_SECONDS)
    settled(page)
    return most


def children(process: int | str) -> list[int]:
    """The processes that a process has started."""
    found = []
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, listed.read_text().split())
    return found


def command(process: int) -> str:
    """The command line of a process."""
    return Path(f"/proc/{process}/cmdline").read_text()


if __name__ == "__main__":
    typer.run(main)
