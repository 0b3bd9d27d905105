"""Where and of what a figure was measured: hardware, commit."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path


def portable(argument: str) -> str:
    """An argument as others can use it: an absolute path is left with its last part."""
    return Path(argument).name if argument.startswith("/") else argument


@cache
def hardware() -> str:
    """This machine in words: processor, cores that this process may use, memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor()}, {cores} {'core' if cores == 1 else 'cores'}, {memory:.0f} GB"


def processor() -> str:
    """The name of the CPU."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def commit() -> str:
    """The commit of this code, with + where it was changed since; "" outside of git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    root = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
