"""How much memory a process holds, and the most it held since."""

import re
import resource
import sys
from pathlib import Path

PROCESSES = Path("/proc")
PEAK_RESET = PROCESSES / "self" / "clear_refs"


class PeakMeter:
    """By how much the process has grown, at its largest, since the meter was made or started anew.

    It is the whole process: whatever else it does at the same time counts too.
    """

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin anew. Linux can forget an older peak; elsewhere nothing can be told of the new."""
        self._held = held_mb()
        try:
            PEAK_RESET.write_text("5")
            self.forgets = True
        except OSError:
            self.forgets = False

    def added_mb(self) -> float | None:
        """How much more was held at once than at the start; None where it cannot be told."""
        return peak_mb() - self._held if self.forgets else None


def held_mb(process: int | str = "self") -> float:
    """What this process, or the one of that number, holds now; 0 where the system does not say."""
    return _status_mb(process, "VmRSS") if PROCESSES.exists() else 0.0


def peak_mb() -> float:
    """The most that was held at once, since the last meter was started where that can be."""
    if PROCESSES.exists():
        return _status_mb("self", "VmHWM")  # ru_maxrss would count the parent's memory before exec
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _status_mb(process: int | str, entry: str) -> float:
    status = (PROCESSES / str(process) / "status").read_text()
    return int(re.search(rf"{entry}:\s+(\d+) kB", status)[1]) / 1024
