"""Relighting: a photograph under another illumination, brighter or darker, warmer or colder."""

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Floats


def gains(brightness: float | Doubles, warmth: float | Doubles = 0.0) -> Floats:
    """Factors of red, green and blue, (…, 3) float32: `brightness`, with red raised and blue lowered by `warmth`.

    A warmth of 0.04 is about 500 K of colour temperature. Arrays are (…, 1).
    """
    factors: Floats = (brightness * (1 + warmth * np.array([1, 0, -1]))).astype(np.float32)
    return factors


def relight(photo: Array, factors: Floats) -> Array:
    """Multiply an (H, W, 3) photograph, 0 to 255, by the `gains` of another illumination and clip at 255.

    uint8 is rounded to uint8, half to even; float32 stays float32.
    """
    if photo.dtype == np.uint8:
        return cv2.convertScaleAbs(photo * factors)
    lit: Array = np.minimum(photo * factors, np.float32(255))
    return lit
