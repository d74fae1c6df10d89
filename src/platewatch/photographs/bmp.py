"""BMP files: their end, and decoding to a Raster."""

import numpy as np
from PIL import Image

from platewatch.photographs import damage, pillow
from platewatch.photographs.raster import Raster

_RUN_LENGTHS = (1, 2)  # compressions whose data are no rows of pixels


def end(data: bytes, _where: str) -> int:
    """The offset of the file's end, by its header; the file's length when the header's value is impossible."""
    by_header = int.from_bytes(data[2:6], "little")
    return by_header if 54 <= by_header <= len(data) else len(data)


def decode(data: bytes, _where: str) -> Raster:
    """Decode a BMP; raises what Pillow raises when it cannot."""
    is_top_down = int.from_bytes(data[22:26], "little", signed=True) < 0
    is_plain = int.from_bytes(data[30:34], "little") not in _RUN_LENGTHS

    def look(image: Image.Image) -> str:
        rows = np.asarray(image).reshape(image.height, -1)
        if image.mode == "1":
            rows = np.packbits(rows, axis=1)
        return damage.zeroed(rows if is_top_down else rows[::-1], len(image.getbands()))

    return pillow.decode(data, look=look if is_plain else None)
