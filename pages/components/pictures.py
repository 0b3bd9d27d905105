"""Pictures on their way to the browser, as data URLs."""

import base64

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from deepmasque.compose import alpha_channel, estimate_foreground
from deepmasque.image import encode_jpeg, encode_png, fitted
from deepmasque.matte import Matte

VIEW_SIDE = 2400  # long side of the pictures sent to the viewer: sharp at 3x zoom on a laptop
TILE_SIDE = 1400  # the same of one among several


@st.cache_data(max_entries=6, show_spinner=False)
def viewer_pictures(identity: str, _matte: Matte) -> dict[str, str]:
    """Photo, foreground and alpha as data URLs of one size, at most VIEW_SIDE px long."""
    return {
        "id": identity,
        "photo": picture_url(_matte.image, VIEW_SIDE),
        "foreground": picture_url(_matte.foreground, VIEW_SIDE),
        "alpha": data_url(encode_png(fitted(alpha_channel(_matte), VIEW_SIDE)), "png"),
    }


@st.cache_data(max_entries=40, show_spinner=False)
def cut_out_urls(
    identity: str, _image: NDArray[np.uint8], _alpha: NDArray[np.float32]
) -> dict[str, str]:
    """Foreground and alpha as data URLs of one size, at most TILE_SIDE px long."""
    grey = np.rint(_alpha * 255).astype(np.uint8)
    return {
        "foreground": picture_url(estimate_foreground(_image, _alpha), TILE_SIDE),
        "alpha": data_url(encode_png(fitted(grey, TILE_SIDE)), "png"),
    }


@st.cache_data(max_entries=6, show_spinner=False)
def brush_pictures(
    identity: str, _image: NDArray[np.uint8], _trimap: NDArray[np.uint8]
) -> dict[str, str | int]:
    """Photo and trimap as data URLs for `brush`, with the photo's size in pixels."""
    height, width = _trimap.shape
    trimap = fitted(_trimap, VIEW_SIDE, blended=False)
    return {
        "id": identity,
        "width": width,
        "height": height,
        "photo": picture_url(_image, VIEW_SIDE),
        "trimap": data_url(encode_png(trimap), "png"),
    }


def picture_url(pixels: NDArray[np.uint8], side: int) -> str:
    """Encode an RGB picture as a JPEG data URL, at most `side` px long."""
    return data_url(encode_jpeg(fitted(pixels, side), quality=90), "jpeg")


def data_url(data: bytes, kind: str) -> str:
    """Write an encoded picture as a URL the browser opens without a request."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
