"""Masks of defects: which file belongs to which photograph, and which of its pixels are defective."""

import io
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from platewatch.arrays import Array, Mask
from platewatch.errors import InputError
from platewatch.photographs import formats, limits, pillow, raster, reading

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
    stored = _stored(data)
    if stored is not None and stored.dtype != np.uint8:
        return np.asarray(stored > 0)
    picture = reading.raster(data, str(path))
    if picture.damage:
        raise reading.damage_error(str(path), picture.damage)
    visible = np.ones(picture.samples.shape[:2], np.bool_) if picture.opacity is None else picture.opacity > 0
    highest = np.where(visible, picture.samples.max(axis=2), 0)
    mask: Mask = highest > highest.max() / 2 if _is_lossy(data) else highest > 0
    if stored is not None and (mask.all() or not mask.any()):
        mask = np.asarray(stored > 0) & visible
    elif not mask.any() and not visible.all():  # black on transparent ground
        mask = visible
    return np.ascontiguousarray(raster.upright(mask, picture.orientation))


def _stored(data: bytes) -> Array | None:
    """The indices (H, W) uint8 of a palette picture, or numbers that no photograph has (float, int32); else None."""
    with suppress(Exception), warnings.catch_warnings():  # what is no picture is reported by `reading`
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=pillow.DECODERS) as image:
            if image.mode in ("P", "F") or (image.mode == "I" and image.format == "TIFF"):
                limits.check(*image.size, "")
                return np.asarray(image)
    return None


def _is_lossy(data: bytes) -> bool:
    """JPEG, and WebP unless it is lossless."""
    return formats.of(data) is formats.JPEG or (formats.of(data) is formats.WEBP and b"VP8 " in data)
