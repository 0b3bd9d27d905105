"""Photo and plate at a reduced size, and the plate laid on the photo there."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from deepmasque.image import reduced
from deepmasque.two_photo.differences import probable_subject
from deepmasque.two_photo.exposure import exposed, exposure_match
from deepmasque.two_photo.registration import resizing


class Laid(NamedTuple):
    """The plate on a reduced photo, the exposure matched outside the subject that shows there.

    plate: (h, w, 3) uint8; covered, subject: (h, w) bool; gain, bias: (3,), bias in levels.
    """

    plate: NDArray[np.uint8]
    covered: NDArray[np.bool_]
    subject: NDArray[np.bool_]
    gain: NDArray[np.float64]
    bias: NDArray[np.float64]

    @property
    def background(self) -> NDArray[np.bool_]:
        return self.covered & ~self.subject


@dataclass(frozen=True)
class View:
    """Photo and plate, each reduced; transforms are still those between the full ones.

    image, plate: uint8 sRGB. size, plate_size: (height, width) of the full photos. reduce: photo
    pixels to those of `image`; enlarge: pixels of `plate` to those of the full plate.
    """

    image: NDArray[np.uint8]
    plate: NDArray[np.uint8]
    size: tuple[int, int]
    plate_size: tuple[int, int]
    reduce: NDArray[np.float64]
    enlarge: NDArray[np.float64]

    @classmethod
    def of(cls, image: NDArray[np.uint8], plate: NDArray[np.uint8], most: int) -> "View":
        """Both reduced to about `most` pixels, if they have more."""
        return cls(image, plate, image.shape[:2], plate.shape[:2], np.eye(3), np.eye(3)).smaller(
            most
        )

    def smaller(self, most: int) -> "View":
        """Both reduced again."""
        image, plate = reduced(self.image, most), reduced(self.plate, most)
        return replace(
            self,
            image=image,
            plate=plate,
            reduce=resizing(self.size, image.shape[:2]),
            enlarge=resizing(plate.shape[:2], self.plate_size),
        )

    @property
    def unit(self) -> float:
        """Pixels of the full photo across one of the reduced photo."""
        return float(np.sqrt(self.size[0] * self.size[1] / self.image[..., 0].size))

    def warped(
        self, transform: NDArray[np.float64], plane: NDArray | None = None
    ) -> tuple[NDArray, NDArray[np.bool_]]:
        """The plate, or a plane of its size, where the transform puts it; and where it reaches."""
        source = self.plate if plane is None else plane
        return warped(
            source, self.reduce @ transform @ self.enlarge, self.image.shape[:2], cv2.INTER_LINEAR
        )

    def laid(self, transform: NDArray[np.float64]) -> Laid:
        """The plate laid on the photo; exposure and subject are found in turns."""
        plate, covered = self.warped(transform)
        background = covered
        for _ in range(2):
            gain, bias = exposure_match(self.image, plate, background)
            matched = exposed(plate, gain, bias)
            subject = probable_subject(self.image, matched, covered)
            background = covered & ~subject
        return Laid(matched, covered, subject, gain, bias)

    def spread(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of another size, stretched over this one's photo."""
        height, width = self.image.shape[:2]
        stretched = cv2.resize(
            mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
        )
        return stretched > 0


def warped(
    plate: NDArray,
    transform: NDArray[np.float64],
    size: tuple[int, int],
    interpolation: int = cv2.INTER_CUBIC,
) -> tuple[NDArray, NDArray[np.bool_]]:
    """A picture resampled to `size`, its edge continued, and where it reaches.

    A transform that shrinks averages, so that nothing aliases.
    """
    height, width = size
    if plate.shape[:2] == size and np.array_equal(transform, np.eye(3)):
        return plate, np.ones(size, bool)
    scale = np.sqrt(abs(np.linalg.det(transform[:2, :2])))
    if scale < 0.75:
        small = reduced(plate, max(1, round(plate.shape[0] * plate.shape[1] * scale**2)))
        transform = transform @ resizing(small.shape[:2], plate.shape[:2])
        plate = small
    laid = cv2.warpPerspective(
        plate, transform, (width, height), flags=interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    inside = np.ones(plate.shape[:2], np.uint8)
    covered = cv2.warpPerspective(inside, transform, (width, height), flags=cv2.INTER_NEAREST)
    return laid, covered > 0
