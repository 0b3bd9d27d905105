"""How a photo is laid out in patches, and how big the base network sees it."""

from deepmasque.engine import size_of_about

CORE = 16
"""Side of a patch, pixels of the photo."""
HALF, FULL = 14, 20
"""Sides of what the refinement sees of it: at half the photo's size, and at the photo's size."""
BASE_PIXELS = 480 * 288
"""About as many pixels the base network sees of any photo."""


def base_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which the base network sees a photo."""
    return size_of_about(BASE_PIXELS, height, width)
