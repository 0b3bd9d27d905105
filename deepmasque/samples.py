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


def _portrait(file: str, title: str, credit: str) -> Sample:
    path = FOLDER / "portraits" / file
    return Sample(path.stem, title, path, credit)
