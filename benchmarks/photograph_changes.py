"""Changes of a photograph that may occur between training and the line, each with the steps that `curves` takes.

A photograph is (H, W, 3) uint8 RGB before and after. Areas beyond the photograph repeat its border, as in
`preparation.prepare`; mirroring would show parts of a second plate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Photo
from platewatch.photographs import reading
from platewatch.photographs.illumination import gains, relight

DAYLIGHT_K = 5500.0


@dataclass(frozen=True)
class Change:
    """One kind of change; at the step `neutral` the photograph stays the same, bit for bit."""

    name: str
    axis: str
    steps: tuple[float, ...]
    neutral: float | None
    apply: Callable[[float, Photo], Photo]


def white_gains(kelvin: float) -> Doubles:
    """Factors on linear RGB when a black body of 5500 K becomes one of 4000 to 25000 K, green taken as 1: (3,).

    Chromaticity by Kim et al., US patent 7024034 (2002); the matrix from XYZ is that of IEC 61966-2-1.
    """
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    each = np.array([kelvin, DAYLIGHT_K])
    x = -3.0258469e9 / each**3 + 2.1070379e6 / each**2 + 0.2226347e3 / each + 0.240390
    y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    now, before = (to_rgb @ np.stack([x / y, np.ones(2), (1 - x - y) / y])).T
    return np.asarray(now / before * before[1] / now[1])


def colour_temperature(more_kelvin: float, photo: Photo) -> Photo:
    """The photograph under light of 5500 K + `more_kelvin`, with the camera's white balance fixed."""
    value = np.arange(256) / 255  # sRGB's curve to linear light and back: IEC 61966-2-1
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    lit = np.clip(linear[:, None] * white_gains(DAYLIGHT_K + more_kelvin), 0, 1)
    curve = _to_photo(255 * np.where(lit <= 0.0031308, lit * 12.92, 1.055 * lit ** (1 / 2.4) - 0.055))
    return np.stack([curve[photo[..., channel], channel] for channel in range(3)], axis=-1)


def move(across: float, down: float, photo: Photo) -> Photo:
    """Moved right and down by a percentage of its size, in whole px; at ±10 % some plates leave the picture."""
    height, width = photo.shape[:2]
    return _warp(photo, np.array([[1, 0, round(across / 100 * width)], [0, 1, round(down / 100 * height)]], float))


def turn(degrees: float, photo: Photo, factor: float = 1.0) -> Photo:
    """Turned anticlockwise about the middle and enlarged; corners of wide plates leave the picture.

    Hook and shadow turn with the plate, unlike at the line.
    """
    middle = (photo.shape[1] - 1) / 2, (photo.shape[0] - 1) / 2
    return _warp(photo, cv2.getRotationMatrix2D(middle, degrees, factor))


def jpeg(quality: float, photo: Photo) -> Photo:
    """Written as JPEG and read again."""
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    return reading.read(data.tobytes())


def grain(deviation: float, photo: Photo) -> Photo:
    """Gaussian noise of this standard deviation, in levels of 255, on every channel of every pixel; always the same."""
    return _to_photo(photo + np.random.default_rng(0).normal(0, deviation, photo.shape))


def _to_photo(values: Doubles) -> Photo:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _warp(photo: Photo, matrix: Array) -> Photo:
    size = photo.shape[1::-1]
    warped: Array = cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return warped


_LIGHT = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25)
_KELVIN = (-1000, -750, -500, -250, 0, 250, 500, 750, 1000)
_PERCENT = (-10, -7.5, -5, -2.5, 0, 2.5, 5, 7.5, 10)
_SIZES = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2)
CHANGES = (
    Change("light", "factor on pixel values", _LIGHT, 1.0, lambda factor, photo: relight(photo, gains(factor))),
    Change("colour temperature", "K from 5500 K", _KELVIN, 0.0, colour_temperature),
    Change("moved across", "% of the width", _PERCENT, 0.0, lambda percent, photo: move(percent, 0, photo)),
    Change("moved down", "% of the height", _PERCENT, 0.0, lambda percent, photo: move(0, percent, photo)),
    Change("turned", "degrees, hook and shadow with it", tuple(range(0, 360, 15)), 0.0, turn),
    Change("nearer", "size of the plate", _SIZES, 1.0, lambda factor, photo: turn(0, photo, factor)),
    Change("JPEG", "quality", (95, 90, 85, 80, 70, 60, 50, 40, 30, 20), None, jpeg),
    Change("grain", "noise, standard deviation of 255", (0, 1, 2, 3, 4, 6, 8, 12, 16), 0.0, grain),
)
