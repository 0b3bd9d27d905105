"""The pictures that can be tried without an upload; who made them: data/samples/CREDITS.md."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "data" / "samples"


@dataclass(frozen=True)
class Sample:
    """A picture file of the repository; `credit` names its author and rights in one line."""

    name: str
    title: str
    path: Path
    credit: str


@dataclass(frozen=True)
class Pair:
    """Two photos of one place, made by us, and their exact alpha; `note` says what they are."""

    name: str
    title: str
    path: Path
    plate: Path
    truth: Path
    note: str


def portraits() -> list[Sample]:
    """Photos of people, the easiest first."""
    return [
        _portrait("astronaut.png", "Astronaut", "Eileen Collins. NASA, public domain"),
        _portrait("grace_hopper.jpg", "Commodore", "Grace Hopper. US Navy, public domain"),
        _portrait("cameraman.png", "Cameraman", "Lav Varshney, CC0"),
    ]


def backgrounds() -> list[Sample]:
    """Backgrounds of our own making, 1600 x 1200."""
    titles = {
        "studio": "Studio backdrop",
        "bokeh": "City lights",
        "sunset": "Sunset at sea",
        "window": "Window light",
        "paper": "Handmade paper",
        "amber": "Amber stage",
    }
    folder = FOLDER / "backgrounds"
    return [
        Sample(name, title, folder / f"{name}.jpg", "DeepMasque, rendered")
        for name, title in titles.items()
    ]


def pairs() -> list[Pair]:
    """Pairs with and without the subject: one from the hand, one of clothing from a tripod."""
    return [
        _pair("portrait", "Astronaut in a library", "Synthetic, hand-held. Portrait: NASA"),
        _pair("mannequin", "Shirt on a mannequin", "Synthetic, tripod. Rendered by DeepMasque"),
    ]


def _pair(name: str, title: str, note: str) -> Pair:
    folder = FOLDER / "pairs"
    names = f"{name}.jpg", f"{name}_plate.jpg", f"{name}_alpha.png"
    return Pair(name, title, *(folder / file for file in names), note)


def _portrait(file: str, title: str, credit: str) -> Sample:
    path = FOLDER / "portraits" / file
    return Sample(path.stem, title, path, credit)
