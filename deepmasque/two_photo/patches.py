"""What passes between the two networks: sizes, patches, and the order of the planes."""

from deepmasque.engine import size_of_about

CORE = 16
"""Side of a patch, pixels of the photo."""
HALF, FULL = 18, 22
"""Sides of what the refinement sees of it: at half the photo's size, and at the photo's size."""
BASE_PIXELS = 640 * 384
"""About as many pixels the base network sees of any photo."""
ALPHA, FOREGROUND = slice(0, 1), slice(1, 4)
LIGHT, NEARBY = slice(4, 7), slice(7, 10)
ERROR = slice(10, 11)
"""Which planes of the base are what; the others are hidden features for the refinement."""
FINE_PLANES = 10
"""So many of the first planes the refinement sees at the photo's size too."""
PLANES = 11 + 16
PAIR = 6
"""RGB of the photo, RGB of the plate: what the refinement sees before the planes."""
SLACK = 0.01
"""By so much the networks miss 0 and 1 where they are sure; alpha is stretched by it."""


def base_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which the base network sees a photo."""
    return size_of_about(BASE_PIXELS, height, width)
