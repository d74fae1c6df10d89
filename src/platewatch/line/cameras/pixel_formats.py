"""Pixel formats of cameras by their PFNC names, to (H, W, 3) uint8 RGB.

More than 8 bits become 8 by depth, whatever the picture contains, as for files. `p` in a name is the packing of the
GenICam standard (bits one after the other, lowest first), `Packed` that of GigE Vision 1 (the high bits of each pixel
are a byte of their own). Source: GenICam Pixel Format Naming Convention 2.4.
"""

from collections.abc import Callable

import cv2
import numpy as np

from platewatch.arrays import Array, Photo
from platewatch.errors import InputError

_BAYER = {  # PFNC names the first two pixels of the first row, OpenCV those of the second row from its second column
    "RG": cv2.COLOR_BayerBG2RGB,
    "GR": cv2.COLOR_BayerGB2RGB,
    "GB": cv2.COLOR_BayerGR2RGB,
    "BG": cv2.COLOR_BayerRG2RGB,
}


def _mono(data: Array, width: int, height: int) -> Photo:
    return np.repeat(data[: width * height].reshape(height, width, 1), 3, axis=2)


def _unpacked(bits: int) -> Callable[[Array, int, int], Photo]:
    def to_rgb(data: Array, width: int, height: int) -> Photo:
        values = data[: 2 * width * height].view("<u2")
        return _mono((values >> (bits - 8)).astype(np.uint8), width, height)

    return to_rgb


def _mono10p(data: Array, width: int, height: int) -> Photo:
    """Four pixels in five bytes, lowest bits first."""
    groups = data.reshape(-1, 5).astype(np.uint16)
    wide = [(groups[:, at] >> (2 * at)) | (groups[:, at + 1] << (8 - 2 * at)) for at in range(4)]
    return _mono(((np.stack(wide, axis=1) & 0x3FF) >> 2).astype(np.uint8).ravel(), width, height)


def _mono12p(data: Array, width: int, height: int) -> Photo:
    """Two pixels in three bytes, lowest bits first: the upper eight bits of the first lie in two bytes."""
    groups = data.reshape(-1, 3)
    first = (groups[:, 0] >> 4) | (groups[:, 1] << 4)
    return _mono(np.stack([first, groups[:, 2]], axis=1).ravel(), width, height)


def _mono_packed(data: Array, width: int, height: int) -> Photo:
    """Two pixels in three bytes of GigE Vision: the upper eight bits are the first and the third byte."""
    return _mono(data.reshape(-1, 3)[:, [0, 2]].ravel(), width, height)


def _channels(*order: int, of: int) -> Callable[[Array, int, int], Photo]:
    def to_rgb(data: Array, width: int, height: int) -> Photo:
        picked: Photo = np.ascontiguousarray(data.reshape(height, width, of)[..., order])
        return picked

    return to_rgb


def _bayer(code: int) -> Callable[[Array, int, int], Photo]:
    def to_rgb(data: Array, width: int, height: int) -> Photo:
        return np.asarray(cv2.cvtColor(data.reshape(height, width), code), np.uint8)

    return to_rgb


_FORMATS: dict[str, tuple[int, Callable[[Array, int, int], Photo]]] = {
    "Mono8": (8, _mono),
    "Mono10": (16, _unpacked(10)),
    "Mono12": (16, _unpacked(12)),
    "Mono16": (16, _unpacked(16)),
    "Mono10p": (10, _mono10p),
    "Mono12p": (12, _mono12p),
    "Mono10Packed": (12, _mono_packed),
    "Mono12Packed": (12, _mono_packed),
    "RGB8": (24, _channels(0, 1, 2, of=3)),
    "BGR8": (24, _channels(2, 1, 0, of=3)),
    "RGBa8": (32, _channels(0, 1, 2, of=4)),
    "BGRa8": (32, _channels(2, 1, 0, of=4)),
    "RGB8Packed": (24, _channels(0, 1, 2, of=3)),  # names of cameras from before PFNC
    "BGR8Packed": (24, _channels(2, 1, 0, of=3)),
    **{f"Bayer{name}8": (8, _bayer(code)) for name, code in _BAYER.items()},
}
"""Bits a pixel, and the conversion."""
NAMES = tuple(_FORMATS)
"""The formats that can be read."""


def to_rgb(data: Array, width: int, height: int, name: str) -> Photo:
    """A frame's bytes, a flat uint8 array, as (H, W, 3) uint8 RGB in memory of its own; grey has R = G = B.

    Raises InputError for another format, by its name, and for data of another size than the format needs: a buffer
    that was cut, or a region that was changed, is no picture.
    """
    found = _FORMATS.get(name)
    if found is None:
        expected = f"one of {', '.join(NAMES)}"
        raise InputError("camera", f"pixel format {name}", expected=expected, remedy="set PixelFormat on the camera")
    bits, convert = found
    pixels = width * height
    if width < 1 or height < 1 or (pixels * bits) % 8 or (pixels * bits) // 8 != data.size:
        what = f"a frame of {data.size} bytes for {width}×{height} px of {name}"
        raise InputError("camera", what, expected=f"{pixels * bits / 8:g} bytes", remedy="the frame is not judged")
    return convert(np.asarray(data, np.uint8), width, height)
