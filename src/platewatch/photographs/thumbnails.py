"""Thumbnails: small JPEGs of photographs, maps and masks, and data URIs that embed pictures in HTML."""

import base64
import io

import cv2
import numpy as np
from PIL import Image

from platewatch.arrays import Array, Mask, Photo
from platewatch.photographs import formats


def jpeg(picture: Photo | Mask, side: int = 320) -> bytes:
    """An (H, W, 3) uint8 RGB or (H, W) bool picture as JPEG of at most `side` px a side; never enlarged."""
    pixels: Array = picture.astype(np.uint8) * 255 if picture.dtype == np.bool_ else picture
    buffer = io.BytesIO()
    Image.fromarray(shrunk(pixels, side)).save(buffer, format="JPEG", quality=82)
    return buffer.getvalue()


def webp(picture: Photo, side: int, quality: int) -> bytes:
    """An (H, W, 3) uint8 RGB picture as WebP of at most `side` px a side; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(shrunk(picture, side)).save(buffer, format="WEBP", quality=quality, method=4)
    return buffer.getvalue()


def unreadable(side: int) -> bytes:
    """A grey picture with a cross as JPEG of `side` px a side, in place of a photograph that is not readable."""
    picture = np.full((side, side, 3), 224, np.uint8)
    low, high, width = side // 4, side - side // 4, max(1, side // 20)
    for first, last in (((low, low), (high, high)), ((low, high), (high, low))):
        cv2.line(picture, first, last, (128, 128, 128), width, cv2.LINE_AA)
    return jpeg(picture, side)


def shrunk(picture: Photo, side: int) -> Photo:
    """An (H, W, …) uint8 picture at `side` px a side at most; the same array when it is no larger."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller: Array = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return smaller


def data_uri(data: bytes) -> str:
    """The data URI of a picture's file, for the `src` of an img tag."""
    return f"data:{formats.media_type(data)};base64,{base64.b64encode(data).decode('ascii')}"


def jpeg_uri(picture: Photo | Mask, side: int = 320) -> str:
    """The data URI of the JPEG that `jpeg` makes."""
    return data_uri(jpeg(picture, side))
