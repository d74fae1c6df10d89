"""Gaussian blurs: over a whole picture, or only at the places where their values are asked for.

A blur at few places is two products with the rows of the blur that belong to them. It is what the whole blur has
there, to rounding, and the wider the blur the more is saved.
"""

from functools import lru_cache

import cv2
import numpy as np

from platewatch.images import Array

_ROWS = 8  # places at a time: their rows of the blur reach over one narrow stretch of the picture


def blur(picture: Array, width: float) -> Array:
    """Blur an (H, W) or (H, W, C) float32 picture; `width` is the Gaussian's standard deviation in px."""
    return cv2.GaussianBlur(picture, (0, 0), width, borderType=cv2.BORDER_REFLECT)


def blur_at(picture: Array, width: float, first: int, step: int) -> Array:
    """Blur an (S, S, C) float32 picture at every `step`-th place from the `first` alone, across and down: (C, P, P)."""
    side, _, channels = picture.shape
    pieces, across = _rows_of_blur(width, side, first, step)
    flat, down = picture.reshape(side, -1), np.empty((across.shape[1], side * channels), np.float32)
    for places, seen, weights in pieces:
        np.matmul(weights, flat[seen], out=down[places])
    turned = down.reshape(-1, side, channels).transpose(2, 0, 1)
    blurred: Array = np.ascontiguousarray(turned) @ across  # (C, P, S) @ (S, P)
    return blurred


@lru_cache(maxsize=64)
def _rows_of_blur(width: float, side: int, first: int, step: int) -> tuple[list[tuple[slice, slice, Array]], Array]:
    """The blur's rows at the places: in pieces (which places, what they see, with which weights), and all, turned."""
    taps = cv2.getGaussianKernel(round(8 * width + 1) | 1, width, cv2.CV_32F)  # as many as OpenCV takes itself
    one = np.ones((1, 1), np.float32)
    whole = cv2.sepFilter2D(np.eye(side, dtype=np.float32), -1, one, taps, borderType=cv2.BORDER_REFLECT)
    rows = whole[first::step]
    pieces = []
    for start in range(0, len(rows), _ROWS):
        places = slice(start, start + _ROWS)
        columns = np.flatnonzero(rows[places].any(axis=0))
        seen = slice(int(columns[0]), int(columns[-1]) + 1)
        pieces.append((places, seen, np.ascontiguousarray(rows[places, seen])))
    return pieces, np.ascontiguousarray(rows.T)
