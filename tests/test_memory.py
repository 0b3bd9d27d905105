"""The meter sees memory come, and forgets what was held before it began."""

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


def test_the_peak_is_never_below_what_is_held():
    held = np.ones(PART, np.uint8)
    assert peak_mb() >= held_mb() - 1
    assert held.all()
