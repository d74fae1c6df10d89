"""Relighting: a photograph under another illumination, brighter, darker, warmer or colder. Levelling its brightness."""

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Floats, Mask, Photo


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


def brightness(photo: Photo, inside: Mask) -> float:
    """The mean luma (Rec. 601), 0 to 255, of an (S, S, 3) uint8 photograph where (S, S) bool `inside` is True."""
    return float(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[inside].mean())


def level(photo: Photo, inside: Mask, target: float, most: float, *, error: float = 0.0) -> Photo:
    """Multiply a photograph, as `brightness` takes it, so that its brightness becomes `target`.

    The factor is at most `most` and at least 1 / `most`, so that a dark part stays darker than a good one; then it is
    made wrong by the fraction `error`.
    """
    factor = target / max(brightness(photo, inside), 1.0)
    return relight(photo, gains(min(max(factor, 1 / most), most) * (1 + error)))
