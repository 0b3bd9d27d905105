"""Figures as others have published them, each with its source; none was measured here."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Figure:
    """One published figure; `low` and `high` differ where the source names a range."""

    method: str
    low: float
    high: float
    metric: str
    dataset: str
    source: str

    @property
    def shown(self) -> str:
        """The number as it was published, "95.91" or "92–93"."""
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g}–{self.high:g}"


def figures() -> tuple[Figure, ...]:
    """All of them in the order of the file."""
    entries = tomllib.loads(FILE.read_text(encoding="utf-8"))["figure"]
    return tuple(_figure(**entry) for entry in entries)


def _figure(value: float | list[float], **said: str) -> Figure:
    low, high = value if isinstance(value, list) else (value, value)
    return Figure(low=low, high=high, **said)
