"""The errors a user can cause; the message of each is one sentence meant for that user."""


class DeepMasqueError(Exception):
    """Anything DeepMasque refuses to do, with the reason and what to do instead."""


class ImageError(DeepMasqueError):
    """The bytes are not a picture that can be used."""


class TrimapError(DeepMasqueError):
    """The trimap does not fit the photo or leaves nothing to solve from."""


class WeightsError(DeepMasqueError):
    """A weights file is missing, or is not the file that the manifest names."""


class SettingsError(DeepMasqueError):
    """A training was asked for with settings that do not exist or do not fit."""


class LaunchPadError(DeepMasqueError):
    """The board, its firmware or the line to it cannot do what was asked."""


class TrainingError(DeepMasqueError):
    """A folder that is no training run, or one whose log cannot be read."""


class AlignmentError(DeepMasqueError):
    """The photo and the plate cannot be laid on each other, or no plate can be made."""
