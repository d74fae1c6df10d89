"""Photographs that do not show a whole part, made of one that does: cropped, covered by its wall, shifted."""

from typing import Literal

import cv2
import numpy as np

from platewatch.arrays import Array

Side = Literal["top", "bottom", "left", "right"]
SIDES: tuple[Side, ...] = ("top", "bottom", "left", "right")


def _strip(photo: Array, side: Side, fraction: float) -> tuple[slice, slice]:
    height, width = photo.shape[:2]
    down, across = round(height * fraction), round(width * fraction)
    every = slice(None)
    return {
        "top": (slice(None, down), every),
        "bottom": (slice(height - down, None), every),
        "left": (every, slice(None, across)),
        "right": (every, slice(width - across, None)),
    }[side]


def cropped(photo: Array, side: Side, fraction: float) -> Array:
    """Without a fraction of its height or width."""
    axis = 0 if side in ("top", "bottom") else 1
    strip = _strip(photo, side, fraction)[axis]
    return np.ascontiguousarray(np.delete(photo, np.arange(photo.shape[axis])[strip], axis=axis))


def covered(photo: Array, side: Side, fraction: float) -> Array:
    """A fraction replaced by wall, of the border's colour."""
    rim = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    noise = np.random.default_rng(0).normal(0, 2, photo.shape)
    made, strip = photo.copy(), _strip(photo, side, fraction)
    made[strip] = np.clip(np.median(rim, axis=0) + noise, 0, 255).astype(np.uint8)[strip]
    return made


def shifted(photo: Array, side: Side, fraction: float) -> Array:
    """Moved towards one side, the border repeated."""
    height, width = photo.shape[:2]
    across, down = {"top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}[side]
    matrix = np.array([[1, 0, across * fraction * width], [0, 1, down * fraction * height]], np.float32)
    return cv2.warpAffine(photo, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
