"""Raster: the samples of one picture as its file stores them, and their conversion to (H, W, 3) uint8 RGB."""

from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
from PIL import Image

from platewatch.arrays import Array, Bytes, Dtype, Photo, Same, Samples
from platewatch.errors import InputError

_BAND = 2**20  # px converted at a time, to bound memory
_ENOUGH = 1e-4  # fraction of the samples above the highest level: a few defective pixels do not count


@dataclass(frozen=True)
class Raster:
    """One picture as it is stored, before orientation, bit depth and transparency are applied."""

    samples: Samples = field(repr=False)
    """(H, W, 1) grey or (H, W, 3) RGB, uint8 or uint16, 0 to 2 ** bits - 1."""
    bits: int = 8
    """Bits of a sample in the file, 1 to 16."""
    opacity: Samples | None = field(default=None, repr=False)
    """(H, W), dtype and range of `samples`; None when nothing is transparent."""
    premultiplied: bool = False
    """Whether the samples are already multiplied by the opacity."""
    orientation: int = 1
    """EXIF orientation, 1 to 8."""
    significant_bits: int | None = None
    """Bits that the camera used, as the file states (sBIT of PNG); None when it does not."""
    messages: tuple[str, ...] = ()
    """The decoders' messages about the file."""
    damage: str = ""
    """Why the file is damaged although it decodes; empty when there is no sign of damage."""

    @property
    def reached(self) -> int:
        """The highest level that more than 0.01 % of the samples reach, 0 to 2 ** bits - 1."""
        values = self.samples.ravel()
        place = int((1 - _ENOUGH) * (values.size - 1))
        return int(np.partition(values, place)[place])

    def rgb(self, where: str, bits: int | None = None) -> Photo:
        """The picture as (H, W, 3) uint8 RGB, upright, over white where it is transparent.

        Samples of more than 8 bits become 8 by division, whatever the picture contains. `bits` is the samples' real
        depth, when the file stores them with more bits. Raises InputError when a sample has more bits than that, or
        when the whole picture is transparent.
        """
        depth = self.bits if bits is None or self.bits <= max(bits, 8) else bits
        if depth < self.bits and (most := int(self.samples.max())) >= 2**depth:
            what = f"a value of {most} in a photograph of {depth} bits"
            raise InputError(where, what, expected=f"at most {2**depth - 1}", remedy="check --bits and the camera")
        if self.opacity is not None and not self.opacity.any():
            remedy = "save it without an alpha channel, or with alpha 255"
            raise InputError(where, "every pixel is transparent (alpha 0)", expected="a visible picture", remedy=remedy)
        if self.samples.dtype == np.uint8 and self.samples.shape[2] == 3 and depth == 8 and self.opacity is None:
            return np.ascontiguousarray(upright(self.samples, self.orientation))
        height, width = self.samples.shape[:2]
        photo, rows = np.empty((height, width, 3), np.uint8), max(1, _BAND // width)
        for top in range(0, height, rows):
            photo[top : top + rows] = _rgb(self._band(slice(top, top + rows), depth))
        return np.ascontiguousarray(upright(photo, self.orientation))

    def _band(self, rows: slice, depth: int) -> Bytes:
        """Some rows as (h, W, 1) or (h, W, 3) uint8 over white."""
        colour = _eight_bits(self.samples[rows], depth)
        if self.opacity is None:
            return colour
        opacity = _eight_bits(self.opacity[rows], self.bits)
        if self.premultiplied:
            sums = colour + (255 - opacity.astype(np.uint16))[..., None]
            white: Bytes = np.minimum(sums, 255).astype(np.uint8)
            return white
        picture = Image.fromarray(np.dstack([_rgb(colour), opacity]))
        return np.array(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture))[..., :3]


def _rgb(colour: Bytes) -> Photo:
    return colour if colour.shape[2] == 3 else np.asarray(cv2.cvtColor(colour, cv2.COLOR_GRAY2RGB))


def _eight_bits(samples: Samples, bits: int) -> Bytes:
    """Samples of `bits` bits scaled to 0 to 255, uint8."""
    levels: Array = samples if bits == 8 and samples.dtype == np.uint8 else np.take(_levels(bits), samples)
    return levels


@cache
def _levels(bits: int) -> Bytes:
    """For each value of `bits` bits its level, uint8: rounded, full scale is 255."""
    most = 2**bits - 1
    levels: Bytes = ((np.arange(most + 1, dtype=np.uint32) * 255 + most // 2) // most).astype(np.uint8)
    return levels


def upright(colour: Same[Dtype], orientation: int) -> Same[Dtype]:
    """The picture turned and mirrored as EXIF's orientation says; values other than 2 to 8 leave it as it is."""
    if orientation in (5, 6, 7, 8):
        colour = colour.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        colour = colour[::-1]
    if orientation in (2, 3, 6, 7):
        colour = colour[:, ::-1]
    return colour
