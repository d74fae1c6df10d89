"""Prepares a photograph: the only resize to the detectors' square input, with padding and the inverse mapping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array, Dtype, Mask, Photo, Same

_LONG, _STEP = 1.5, 64  # from which stretch on a photograph is long; px: the side is a multiple of it


@dataclass(frozen=True)
class Frame:
    """Where a photograph lies in the prepared square, in px of the square.

    `scale` is px of the square per px of the photograph.
    """

    scale: float
    left: int
    top: int
    width: int
    height: int

    def cut(self, picture: Same[Dtype]) -> Same[Dtype]:
        """The part of an (S, S, …) array that the photograph covers, without the padding."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]

    def inside(self, size: int) -> Mask:
        """(size, size) bool: True on the photograph, False on the padding around it."""
        mask = np.zeros((size, size), bool)
        self.cut(mask)[:] = True
        return mask


def frame(width: int, height: int, size: int) -> Frame:
    """Where a photograph of width × height px lies in the prepared square of `size` px: uncropped and centred."""
    scale = size / max(width, height)
    inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
    return Frame(scale, (size - inner_width) // 2, (size - inner_height) // 2, inner_width, inner_height)


def prepare(photo: Photo, size: int) -> Photo:
    """Resize an (H, W, 3) uint8 RGB photograph to (size, size, 3) uint8: aspect ratio kept, nothing cropped.

    The padding repeats the photograph's border. Training, calibration, evaluation, export and the line all use this
    function and no other resize (invariant 1).
    """
    height, width = photo.shape[:2]
    where = frame(width, height, size)
    interpolation = cv2.INTER_AREA if where.scale < 1 else cv2.INTER_LINEAR
    inner: Array = photo
    if where.scale != 1:
        inner = cv2.resize(photo, (where.width, where.height), interpolation=interpolation)
    bottom, right = size - where.top - where.height, size - where.left - where.width
    if not (bottom or right or where.top or where.left):
        return np.ascontiguousarray(inner)
    padded: Array = cv2.copyMakeBorder(inner, where.top, bottom, where.left, right, cv2.BORDER_REPLICATE)
    return padded


def side_of_tiles(tiles: int, tile: int) -> int:
    """Side of a prepared photograph with this many tiles of `tile` px along its longer side, which overlap."""
    return tiles * tile - (tiles - 1) * overlap(tile)


def overlap(tile: int) -> int:
    """The least overlap of tiles whose side is `tile`."""
    return tile // 4


def side_for(sizes: Sequence[tuple[int, int]], tile: int) -> int:
    """Side of the prepared photograph for photographs of these (width, height): `tile`, or more if they are long.

    Where the longer side is more than 1.5 times the shorter one, in the middle of all, the shorter one gets `tile` px.
    The largest is four tiles. No sizes give `tile`.
    """
    stretch = float(np.median([max(size) / min(size) for size in sizes])) if sizes else 1.0
    return tile if stretch <= _LONG else min(4 * tile, math.ceil(stretch * tile / _STEP) * _STEP)
