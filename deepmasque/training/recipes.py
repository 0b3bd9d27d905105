"""What the runs are made of: recipes.toml, read."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from deepmasque.errors import SettingsError
from deepmasque.portrait.network import INPUTS

RECIPES = Path(__file__).with_name("recipes.toml")
Curriculum = tuple[tuple[float, tuple[int, int]], ...]


@dataclass(frozen=True)
class Settings:
    """What a run is made of; kept in its checkpoint and on its card.

    epochs: passes over the training photos. batch: scenes per step. encoder_rate, decoder_rate:
    peaks of the one-cycle schedule. seed: of the weights' start, the order and the augmentation.
    network: "PortraitFCN" or "FCN-8s". inputs: which of network.INPUTS it sees. pretrained: whether
    the encoder starts from ImageNet. start: a checkpoint of another run to start from instead, ""
    for none. portraits: whether EG1800's photos are trained on, or the street photos alone.
    haired: share of scenes with drawn hair. curriculum: from which share of the epochs on the
    scenes have which size (height, width).
    """

    epochs: int
    batch: int
    encoder_rate: float
    decoder_rate: float
    seed: int
    network: str
    inputs: tuple[str, ...]
    pretrained: bool
    start: str
    portraits: bool
    haired: float
    curriculum: Curriculum

    def size_at(self, epoch: int) -> tuple[int, int]:
        """Scene size (height, width) in this epoch."""
        progress = epoch / self.epochs
        return [size for start, size in self.curriculum if progress >= start][-1]

    @property
    def last_size(self) -> tuple[int, int]:
        """Scene size (height, width) at the end, which is the size to be used at."""
        return self.curriculum[-1][1]

    @property
    def channels(self) -> list[int]:
        """Which channels of the whole input the network sees."""
        return [channel for name in self.inputs for channel in INPUTS[name]]


def recipe(name: str, **changes: object) -> Settings:
    """The settings of recipes.toml under this name, with changes.

    Raises SettingsError if there is no such recipe.
    """
    recipes = tomllib.loads(RECIPES.read_text())
    common = recipes.pop("common")
    if name not in recipes:
        raise SettingsError(f"There is no recipe {name}; there are {', '.join(recipes)}.")
    values = common | recipes[name] | changes
    values["curriculum"] = tuple((start, tuple(size)) for start, size in values["curriculum"])
    return Settings(**values | {"inputs": tuple(values["inputs"])})
