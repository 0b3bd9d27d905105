"""What the pages say in HTML of their own."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from deepmasque.matte import Stage
from pages.components.pictures import picture_url

STAGE_SIDE = 720


def working(pixels: NDArray[np.uint8], label: str = "") -> str:
    """Show a picture on the stage while something is being done to it."""
    tag = f"<span>{escape(label)}</span>" if label else ""
    url = picture_url(pixels, 1024)
    return f'<div class="dm-working"><img src="{url}" alt="Latest step">{tag}</div>'


def stage_rows(names: Sequence[str], done: Sequence[Stage]) -> str:
    """List the stages while they run: picture, name and seconds of those that are done."""
    rows = []
    for index, name in enumerate(names):
        stage = done[index] if index < len(done) else None
        state = "done" if stage else "running" if index == len(done) else "waiting"
        picture = f'<img src="{picture_url(stage.picture, 128)}" alt="">' if stage else "<i></i>"
        chip = chips(seconds(stage.seconds)) if stage else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in stage.notes) if stage else ""
        rows.append(
            f'<li class="{state}">{picture}<div><b>{escape(name)}</b>{notes}</div>{chip}</li>'
        )
    return f'<ol class="dm-rows" aria-live="polite">{"".join(rows)}</ol>'


def stage_times(stages: Sequence[Stage]) -> str:
    """List every stage's seconds with a bar for its share of the whole."""
    whole = sum(stage.seconds for stage in stages) or 1.0
    rows = "".join(
        f"<li>{escape(stage.name)}<span>{seconds(stage.seconds)}</span>"
        f'<i style="--share:{stage.seconds / whole:.1%}"></i></li>'
        for stage in stages
    )
    return f'<ol class="dm-times">{rows}</ol>'


def film(stages: Sequence[Stage]) -> str:
    """Every stage as a large card; a card that has the focus fills the window."""
    cards = []
    for number, stage in enumerate(stages, 1):
        name, url = escape(stage.name), picture_url(stage.picture, STAGE_SIDE)
        notes = "".join(f"<p>{escape(note)}</p>" for note in stage.notes)
        cards.append(
            f'<figure><span class="dm-frame" tabindex="0" role="img" aria-label="{name}, enlarge">'
            f'<img src="{url}" alt="{name}"></span>'
            f"<figcaption><small>{number}</small><b>{name}</b>"
            f"{chips(seconds(stage.seconds))}</figcaption>{notes}</figure>"
        )
    return f'<div class="dm-film">{"".join(cards)}</div>'


def fact_list(facts: dict[str, str]) -> str:
    """What was measured, by name."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()
    )
    return f'<dl class="dm-table">{rows}</dl>'


def given_picture(url: str, label: str) -> str:
    """A picture that was given, with what it was given for."""
    return (
        f'<div class="dm-given"><img src="{url}" alt="{escape(label)}">'
        f"<span>{escape(label)}</span></div>"
    )


def chips(*said: str) -> str:
    """Short facts, each in its own frame."""
    return "".join(f'<span class="dm-chip">{escape(each)}</span>' for each in said)


def caption(html: str) -> str:
    """A line under a picture."""
    return f'<p class="dm-help dm-caption">{html}</p>'


def seconds(value: float) -> str:
    """Write a duration the way one says it."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def cost(time: float, memory: float | None) -> str:
    """Write seconds and megabytes; without the latter where they are not known."""
    known = memory is not None and not math.isnan(memory)
    return f"{seconds(time)}, {memory:.0f} MB" if known else seconds(time)
