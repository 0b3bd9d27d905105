"""Pictures of what the two-photo stages produce, for people to look at."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.portrait.pictures import ACCENT, preview

FULL_DIFFERENCE = 48
"""Levels of 255 by which photo and plate differ where the accent is at its strongest."""
FULL_ERROR = 0.25
"""Expected error of alpha at which it is."""
DIM = 0.4
OUTLINE = 2  # pixels


def plate_difference(image: NDArray[np.uint8], plate: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where photo and laid plate, both (H, W, 3) uint8, differ: the accent over the dimmed photo.

    What lies in place stays grey, whatever does not shines: the subject, its shadow, edges of a
    background that is a pixel off.
    """
    photo, plate = preview(image), preview(plate)
    return _marked(photo, cv2.absdiff(photo, plate).max(axis=2) / np.float32(FULL_DIFFERENCE))


def expected_error(image: NDArray[np.uint8], error_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The error, (H, W) in 0..1, that the base network expects of itself, over the dimmed photo."""
    return _marked(preview(image), preview(error_map) / np.float32(FULL_ERROR))


def refined_patches(image: NDArray[np.uint8], refined: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The photo, bright and outlined where it went through the patch refinement."""
    photo = preview(image)
    size = (photo.shape[1], photo.shape[0])
    patches = cv2.resize(refined.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    picture = np.where(patches[..., None] > 0, photo, _dimmed(photo))
    outlines, _ = cv2.findContours(patches, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    return cv2.drawContours(np.ascontiguousarray(picture), outlines, -1, ACCENT, OUTLINE)


def _marked(photo: NDArray[np.uint8], amount: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The accent, as strong as the amount says, over the dimmed photo."""
    share = np.clip(amount, 0, 1)[..., None]
    return np.rint(_dimmed(photo) * (1 - share) + np.float32(ACCENT) * share).astype(np.uint8)


def _dimmed(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey * DIM).astype(np.uint8)[..., None], 3, axis=2)
