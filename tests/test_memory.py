"""The meter sees memory come, and forgets what was held before it began."""

import os
import subprocess
import sys

import numpy as np
import pytest

from deepmasque.memory import PeakMeter, held_mb, peak_mb

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can forget a peak")
PART = 64 * 2**20


@linux
def test_a_passing_array_is_seen_and_then_forgotten():
    meter = PeakMeter()
    passing = np.ones(PART, np.uint8)
    del passing
    assert 60 < meter.added_mb() < 90
    meter.start()
    assert meter.added_mb() < 20


@linux
def test_another_process_is_asked_by_its_number():
    command = [sys.executable, "-c", f"held = bytearray({PART}); print(); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as other:
        other.stdout.readline()
        assert 64 < held_mb(other.pid) < 100
        other.communicate(b"\n")
    assert held_mb(os.getpid()) == pytest.approx(held_mb(), abs=1)


def test_the_peak_is_never_below_what_is_held():
    held = np.ones(PART, np.uint8)
    assert peak_mb() >= held_mb() - 1
    assert held.all()
