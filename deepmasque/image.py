"""Untrusted bytes to RGB arrays and back: formats, orientation, colour profiles, depth, limits."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from deepmasque.errors import ImageError

PIXEL_LIMIT = 64_000_000
"""Most pixels a photo may have: the largest that is matted in a workstation's memory."""
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "TIFF", "BMP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".tif", ".tiff", ".bmp")
"""How the names of files in these formats end, in lower case."""

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

Source = str | Path | bytes | NDArray[np.uint8]
"""A picture as a path, as the content of a file, or as an array."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_FITTING_PROFILES = {"1": ("L", "RGB"), "L": ("L", "RGB"), "CMYK": ("CMYK",)}
_WHITE_IS_ZERO = 0


def read_image(source: str | Path | bytes) -> NDArray[np.uint8]:
    """A picture of any supported format as it is meant to be seen.

    JPEG, PNG, WebP, HEIC, TIFF and BMP, in colour, grey, CMYK or palette, with 8 or 16 bits. The
    EXIF orientation is applied, an embedded ICC profile is converted to sRGB (one that does not fit
    the picture is ignored, as browsers do), transparency is flattened on white, and of an animation
    or several pages the first is taken.

    source: a path, or the bytes of the file. Nothing is ever fetched from the network.
    Returns (H, W, 3) uint8 sRGB.
    Raises ImageError for everything that is not such a picture, is damaged or cut short, or has
    more than PIXEL_LIMIT pixels, which is known from the header before anything is decoded.
    """
    with _decoded(source) as image:
        pixels = _srgb(_eight_bit(image), image.info.get("icc_profile"))
        return np.array(_upright(pixels, image))


def pixels_of(image: Source) -> NDArray[np.uint8]:
    """A picture given in any way as (H, W, 3) uint8 sRGB.

    Raises ImageError if it is none.
    """
    if not isinstance(image, np.ndarray):
        return read_image(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageError("A photo given as an array is (height, width, 3) uint8 in sRGB.")
    return np.ascontiguousarray(image)


def read_trimap(source: str | Path | bytes) -> NDArray[np.uint8]:
    """The grey values of a trimap as they are stored: no colour profile, no transparency.

    source: as for `read_image`; 16 bits are scaled to 8, colours become their luma.
    Returns (H, W) uint8. Raises ImageError like `read_image`.
    """
    with _decoded(source) as image:
        stored = _eight_bit(image)
        opaque = stored if stored.mode in ("1", "L") else stored.convert("RGB")
        return np.array(_upright(opaque.convert("L"), image))


def read_opacity(source: str | Path | bytes) -> NDArray[np.uint8]:
    """The alpha channel of a cut-out, whatever its colours.

    source: as for `read_image`. Returns (H, W) uint8, 255 opaque.
    Raises ImageError like `read_image`, and for a picture that is opaque everywhere.
    """
    with _decoded(source) as image:
        alpha = np.array(_upright(_eight_bit(image).convert("RGBA").getchannel("A"), image))
    if alpha.min() == 255:
        name = "The file" if isinstance(source, bytes) else source
        raise ImageError(
            f"{name} has nothing transparent: save the cut-out as PNG with transparency."
        )
    return alpha


def reduced(pixels: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """The same picture, (H, W, 3) uint8, scaled down if need be to about `most` pixels."""
    height, width = pixels.shape[:2]
    return _shrunk(pixels, math.sqrt(most / (height * width)))


def fitted(pixels: NDArray, side: int, *, blended: bool = True) -> NDArray:
    """The same picture, (H, W) or (H, W, 3), its longer side scaled down if need be to `side`.

    blended: False keeps every value one that was there, as a trimap's must be.
    """
    how = cv2.INTER_AREA if blended else cv2.INTER_NEAREST_EXACT
    return _shrunk(pixels, side / max(pixels.shape[:2]), how)


def _shrunk(pixels: NDArray, scale: float, interpolation: int = cv2.INTER_AREA) -> NDArray:
    if scale >= 1:
        return pixels
    size = [max(1, round(length * scale)) for length in pixels.shape[1::-1]]
    return cv2.resize(pixels, size, interpolation=interpolation)


def encode_png(pixels: NDArray[np.uint8], comment: str | None = None) -> bytes:
    """A PNG file without metadata but the comment, if there is one.

    pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
    """
    text = PngInfo()
    if comment is not None:
        text.add_text("Comment", comment)
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=4, pnginfo=text)
    return stream.getvalue()


def png_comment(path: Path) -> str | None:
    """The comment that `encode_png` wrote into a file; None for any other file."""
    try:
        with path.open("rb") as stream, Image.open(stream, formats=("PNG",)) as image:
            return image.info.get("Comment")
    except Exception:  # as in _decoded: a file that cannot be read carries no comment
        return None


def encode_jpeg(pixels: NDArray[np.uint8], quality: int = 95) -> bytes:
    """A JPEG file without metadata and without colour subsampling, which would blur edges.

    pixels: (H, W) grey or (H, W, 3) RGB, uint8.
    """
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write a file so that under its name there is only ever the old or the complete new content.

    Raises OSError like any writing; nothing is left behind then.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid4().hex}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _decoded(source: str | Path | bytes) -> Iterator[Image.Image]:
    """The first frame of a picture, decoded; whatever the parsers raise becomes ImageError."""
    name = "The file" if isinstance(source, bytes) else str(source)
    too_large = f"{name} has more than {PIXEL_LIMIT // 1_000_000} megapixels, the most allowed."
    with _stream(source, name) as stream:
        if not stream.read(1):
            raise ImageError(f"{name} is empty.")
        stream.seek(0)
        # Pillow's parsers raise nearly anything on damaged bytes, so nearly anything is caught.
        try:
            image = Image.open(stream, formats=FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ImageError(too_large) from error
        except Exception as error:
            raise ImageError(
                f"{name} is not a JPEG, PNG, WebP, HEIC, TIFF or BMP picture that can be read."
            ) from error
        with image:
            if image.width * image.height > PIXEL_LIMIT:
                raise ImageError(too_large)
            if image.mode in ("I", "F"):
                raise ImageError(f"{name} is neither 8 nor 16 bits deep: save it as one of these.")
            try:
                image.load()
                yield image
            except MemoryError as error:
                raise ImageError(f"{name} needs more memory than there is.") from error
            except Exception as error:
                raise ImageError(f"{name} is damaged or cut short.") from error


def _stream(source: str | Path | bytes, name: str) -> BinaryIO:
    if isinstance(source, bytes):
        return BytesIO(source)
    try:
        path = Path(source)
        if path.is_dir():
            raise ImageError(f"{name} is a folder, not a picture.")
        if path.exists() and not path.is_file():
            raise ImageError(f"{name} is not a file.")
        return path.open("rb")
    except FileNotFoundError as error:
        raise ImageError(f"{name} does not exist.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        raise ImageError(f"{name} cannot be opened: {reason.lower()}.") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 bits, which Pillow would clip; it scales 16-bit colours itself."""
    if not image.mode.startswith("I;16"):
        return image
    stored = np.asarray(image).astype(np.uint32)
    white = 65535
    if image.format == "TIFF":
        white = 2 ** image.tag_v2[ExifTags.Base.BitsPerSample][0] - 1
        if image.tag_v2[ExifTags.Base.PhotometricInterpretation] == _WHITE_IS_ZERO:
            stored = white - stored
    return Image.fromarray(((stored * 255 + white // 2) // white).astype(np.uint8))


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An 8-bit picture as RGB, converted from its profile to sRGB, transparency made white."""
    if not image.has_transparency_data:
        return _opaque_srgb(image, profile)
    opaque = image.convert("L" if Image.getmodebase(image.mode) == "L" else "RGB")
    white = Image.new("RGB", image.size, "white")
    alpha = image.convert("RGBA").getchannel("A")
    return Image.composite(_opaque_srgb(opaque, profile), white, alpha)


def _opaque_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if not profile:
        return image.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = _PROFILE_MODES.get(source.profile.xcolor_space.strip())
        if mode not in _FITTING_PROFILES.get(image.mode, ("RGB",)):
            return image.convert("RGB")
        return ImageCms.profileToProfile(image.convert(mode), source, srgb, outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return image.convert("RGB")


def _upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    """The pixels turned as the EXIF orientation of the picture they come from asks."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # as in _decoded; viewers too show a photo whose notes alone are damaged
        orientation = None
    turn = _TURNS.get(orientation)
    return pixels if turn is None else pixels.transpose(turn)
