"""A two-photo matte as a layered file for retouchers: PSD, or TIFF with a page for every layer.

From the bottom up: "Photo" as it was, "Plate" as it was laid on the photo, "Subject" in its own
colours with alpha as its mask (PSD) or opacity (TIFF).
"""

from io import BytesIO

from PIL import Image, TiffImagePlugin

from deepmasque.compose import alpha_channel, cutout
from deepmasque.two_photo.pipeline import TwoPhotoMatte

PHOTO, PLATE, SUBJECT = "Photo", "Plate", "Subject"
_PAGE_NAME = 285


def psd(matte: TwoPhotoMatte) -> bytes:
    """A Photoshop file; the layer "Subject" is opaque behind a layer mask, which holds alpha."""
    from psd_tools import PSDImage

    height, width = matte.alpha.shape
    document = PSDImage.new("RGB", (width, height))
    document.create_pixel_layer(Image.fromarray(matte.image), PHOTO)
    document.create_pixel_layer(Image.fromarray(matte.alignment.plate), PLATE)
    subject = document.create_pixel_layer(Image.fromarray(matte.foreground), SUBJECT)
    subject.create_mask(Image.fromarray(alpha_channel(matte)))
    stream = BytesIO()
    document.save(stream)
    return stream.getvalue()


def tiff(matte: TwoPhotoMatte) -> bytes:
    """A TIFF file without loss; its first page is "Subject", RGBA with straight alpha."""
    layers = {SUBJECT: cutout(matte), PLATE: matte.alignment.plate, PHOTO: matte.image}
    pages = []
    for name, pixels in layers.items():
        page = Image.fromarray(pixels)
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[_PAGE_NAME] = name
        page.encoderinfo = {"compression": "tiff_adobe_deflate", "tiffinfo": tags}
        pages.append(page)
    stream = BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], **pages[0].encoderinfo)
    return stream.getvalue()


LAYERED = {"psd": psd, "tiff": tiff}
"""Ways to write the layers, by the suffix of the file."""
