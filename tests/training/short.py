"""A training of seconds."""

from deepmasque.training.portrait import train_portrait
from deepmasque.training.recipes import recipe

EPOCHS = 12


def short_training(folders, run):
    """Train on the tiny data set, or go on where the run was broken off."""
    settings = recipe("six-channels", epochs=EPOCHS, batch=4, curriculum=((0.0, (64, 64)),))
    train_portrait(settings, run=run, **folders)
