"""KNN matting of 800-pixel columns on an MSP430FR2433 with 4 KB of RAM, real or virtual."""

from deepmasque.launchpad.assembly import Assembly
from deepmasque.launchpad.board import Board, Limits, Progress, Stats, connect
from deepmasque.launchpad.columns import Column, ColumnResult, Columns, columns
from deepmasque.launchpad.link import NoReplyError, Port, RefusedError, ports
from deepmasque.launchpad.signals import read_recording, signal_column

__all__ = [
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
    "ports",
    "read_recording",
    "signal_column",
]
