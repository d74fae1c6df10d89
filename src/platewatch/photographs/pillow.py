"""Decodes with Pillow what no faster or more exact decoder reads: BMP, WebP, palettes, CMYK, damaged files."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from platewatch.photographs import decoder_messages, formats, structure
from platewatch.photographs.raster import Raster

DECODERS = tuple(each.name for each in formats.FORMATS)


def decode(data: bytes, *, damage: str = "", look: Callable[[Image.Image], str] | None = None) -> Raster:
    """Decode a file of any of the formats; raises what Pillow raises when it cannot.

    `damage` is passed on. `look` gets the decoded picture as the file stores it and returns what is damaged in it.
    """
    said = list[str]()
    with decoder_messages.pillow_warnings(said):
        image = Image.open(io.BytesIO(data), formats=DECODERS)
    with image:
        image.load()
        damage = damage or (look(image) if look else "")
        with decoder_messages.pillow_warnings(said):
            turn = orientation(image)
            has_opacity = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            deep = image.mode.startswith("I")
            shown = image if deep else image.convert("RGBA" if has_opacity else "RGB")
    pixels = np.array(shown)
    if deep:  # one channel of 16 bits
        return Raster(pixels[..., None].astype(np.uint16), 16, orientation=turn, messages=tuple(said), damage=damage)
    opacity = pixels[..., 3] if has_opacity else None
    return Raster(pixels[..., :3], opacity=opacity, orientation=turn, messages=tuple(said), damage=damage)


def orientation(image: Image.Image) -> int:
    """The orientation by EXIF or XMP, 1 to 8; 1 without. May decode the picture."""
    structure.drop_large_profile(image.info)
    found = image.getexif().get(0x0112, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1
