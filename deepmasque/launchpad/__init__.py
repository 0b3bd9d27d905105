"""KNN matting of 800-pixel columns on an MSP430FR2433 with 4 KB of RAM, real or virtual."""

from deepmasque.launchpad.assembly import Assembly
from deepmasque.launchpad.board import SRAM_BYTES, Board, Limits, Progress, Stats, connect
from deepmasque.launchpad.columns import Column, ColumnResult, Columns, columns
from deepmasque.launchpad.link import NoReplyError, Port, RefusedError, ports
from deepmasque.launchpad.signals import moments, read_recording, sample_sound, signal_column

__all__ = [
    "SRAM_BYTES",
    "Assembly",
    "Board",
    "Column",
    "ColumnResult",
    "Columns",
    "Limits",
    "NoReplyError",
    "Port",
    "Progress",
    "RefusedError",
    "Stats",
    "columns",
    "connect",
    "moments",
    "ports",
    "read_recording",
    "sample_sound",
    "signal_column",
]
