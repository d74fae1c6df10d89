"""Masks of defects: which file belongs to which photograph, and which of its pixels are defective."""

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from platewatch.arrays import Array, Mask
from platewatch.errors import InputError
from platewatch.photographs import limits, reading

_WORDS = r"(?:masks?|labels?|gt|ground[_-]?truth|seg(?:mentation)?|anno(?:tation)?s?)"
_AFFIX = re.compile(rf"^{_WORDS}[_. -]+(?=.)|(?<=.)[_. -]+{_WORDS}$")


def photograph_of(stem: str) -> str:
    """A mask's file name without suffix → that of its photograph, in lower case: `007_Label` → `007`."""
    return _AFFIX.sub("", stem.casefold(), count=1)


def beside(paths: Sequence[Path]) -> dict[Path, Path]:
    """Masks that lie in one folder with their photographs, each by its photograph: {`007.jpg`: `007_label.bmp`}."""
    stems = {path.stem.casefold() for path in paths}
    of = {photograph_of(path.stem): path for path in paths if photograph_of(path.stem) != path.stem.casefold()}
    return {path: of[path.stem.casefold()] for path in paths if path.stem.casefold() in of.keys() & stems}


def read(path: Path) -> Mask:
    """The defective pixels (H, W) bool of a mask file, or of all mask files in a folder together.

    Whatever is above 0 is defective, at any bit depth and in any channel; transparent pixels are background. In a
    palette the colours count; when they make all pixels alike, the indices count. Lossy files have grey around each
    edge: there the limit is half the highest value. Raises InputError for what is no picture, and for folders whose
    masks differ in size.
    """
    if path.is_dir():
        found = [read(each) for each in reading.find(path)]
        if len({mask.shape for mask in found}) > 1:
            raise InputError(
                path, "masks of different sizes", expected="the photograph's size", remedy="draw them anew"
            )
        return np.asarray(np.logical_or.reduce(found))
    data = reading.load(path)
    size = reading.dimensions(data)
    if size is None or max(size) > limits.max_side():
        expected = f"PNG, BMP, TIFF, WebP or JPEG of at most {limits.max_side()} px a side"
        raise InputError(path, "no mask" if size is None else "too many pixels", expected=expected)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about unusual metadata
            with Image.open(io.BytesIO(data)) as image:
                if getattr(image, "n_frames", 1) > 1:
                    raise InputError(path, "several pictures in one file", expected="one mask", remedy="save it alone")
                return _defective(image, data)
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise InputError(path, f"damaged mask ({error})", remedy="save it again") from error


def _defective(image: Image.Image, data: bytes) -> Mask:
    lossy = image.format == "JPEG" or (image.format == "WEBP" and b"VP8 " in data)
    indices = np.asarray(ImageOps.exif_transpose(image)) if image.mode == "P" else None
    values, visible = _channels(image, data)
    highest = np.where(visible, values.max(axis=2), 0)
    mask: Mask = highest > highest.max() / 2 if lossy else highest > 0
    if indices is not None and (mask.all() or not mask.any()):
        return np.asarray(indices > 0) & visible
    return mask if mask.any() or visible.all() else visible  # black on transparent ground


def _channels(image: Image.Image, data: bytes) -> tuple[Array, Mask]:
    """Values (H, W, C) at their full depth and without alpha, and the pixels (H, W) bool that are not transparent."""
    if image.mode in ("RGB", "RGBA", "LA") and ";16" in str(getattr(image, "tile", "")):
        deep = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))  # Pillow drops low bits
        return deep[..., :3], deep[..., 3] > 0 if deep.shape[2] == 4 else np.ones(deep.shape[:2], np.bool_)
    image = ImageOps.exif_transpose(image)
    deep_grey = image.mode == "F" or image.mode.startswith("I")
    if not deep_grey and (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
        rgba = np.asarray(image.convert("RGBA"))
        return rgba[..., :3], rgba[..., 3] > 0
    values = np.asarray(image if deep_grey else image.convert("RGB"))
    return values.reshape(*values.shape[:2], -1), np.ones(values.shape[:2], np.bool_)
