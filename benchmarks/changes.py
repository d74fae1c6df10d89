"""What may happen to a photograph between training and the line, each with the steps that `curves.py` takes.

A photograph is (H, W, 3) uint8 RGB before and after. What comes in from outside it repeats its border, as
`preparation.prepare` does: a mirror would show pieces of a second plate.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array
from platewatch.photographs import reading

DAYLIGHT_K = 5500.0


@dataclass(frozen=True)
class Change:
    """One kind of change; at `neutral` a photograph stays as it is, bit for bit."""

    name: str
    axis: str
    steps: tuple[float, ...]
    neutral: float | None
    apply: Callable[[Array, float], Array]


def light(photo: Array, factor: float) -> Array:
    """Brighter or darker by a factor on the pixel values, clipped as a camera does: 1.25 is about 0.7 stops more."""
    return _to_photo(photo * np.float32(factor))


def illumination_gains(kelvin: float, kelvin_before: float = DAYLIGHT_K) -> Array:
    """By what a black-body lamp of another temperature multiplies linear RGB, green taken as 1: (3,) float64."""
    gains = _black_body(kelvin) / _black_body(kelvin_before)
    return np.asarray(gains / gains[1])


def illumination(photo: Array, more_kelvin: float) -> Array:
    """Under a lamp so many kelvins bluer than one of 5500 K, the camera's white balance fixed."""
    linear = _decode(np.arange(256) / 255)
    lit = np.stack([_encode(np.clip(linear * gain, 0, 1)) for gain in illumination_gains(DAYLIGHT_K + more_kelvin)])
    return np.stack([_to_photo(255 * lit[channel])[photo[..., channel]] for channel in range(3)], axis=-1)


def move_x(photo: Array, percent: float) -> Array:
    """Moved right by a share of the width, in whole px; at ±10 % some plates leave the picture."""
    return _warp(photo, np.array([[1, 0, round(percent / 100 * photo.shape[1])], [0, 1, 0]], float))


def move_y(photo: Array, percent: float) -> Array:
    """Moved down by a share of the height, in whole px."""
    return _warp(photo, np.array([[1, 0, 0], [0, 1, round(percent / 100 * photo.shape[0])]], float))


def turn(photo: Array, degrees: float) -> Array:
    """Turned anticlockwise about the middle, the hook and the shadow with the plate, which on the line they would not.

    Corners of wide plates leave the picture.
    """
    return _warp(photo, cv2.getRotationMatrix2D(_middle(photo), degrees, 1))


def zoom(photo: Array, factor: float) -> Array:
    """Nearer (above 1) or farther (below)."""
    return _warp(photo, cv2.getRotationMatrix2D(_middle(photo), 0, factor))


def jpeg(photo: Array, quality: float) -> Array:
    """Written as JPEG and read again."""
    _, data = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    return reading.read(data.tobytes())


def grain(photo: Array, deviation: float) -> Array:
    """Gaussian noise of this standard deviation, in levels of 255, on every channel of every pixel; always the same."""
    noise = np.random.default_rng(0).normal(0, deviation, photo.shape)
    return _to_photo(photo + noise)


_LIGHT = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25)
CHANGES = (
    Change("light", "factor on pixel values", _LIGHT, 1.0, light),
    Change(
        "lamp", "lamp's colour, K from 5500 K", (-1000, -750, -500, -250, 0, 250, 500, 750, 1000), 0.0, illumination
    ),
    Change("moved across", "% of the width", (-10, -7.5, -5, -2.5, 0, 2.5, 5, 7.5, 10), 0.0, move_x),
    Change("moved down", "% of the height", (-10, -7.5, -5, -2.5, 0, 2.5, 5, 7.5, 10), 0.0, move_y),
    Change("turned", "degrees, hook and shadow with it", tuple(range(0, 360, 15)), 0.0, turn),
    Change("nearer", "size of the plate", (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2), 1.0, zoom),
    Change("JPEG", "quality", (95, 90, 85, 80, 70, 60, 50, 40, 30, 20), None, jpeg),
    Change("grain", "noise, standard deviation of 255", (0, 1, 2, 3, 4, 6, 8, 12, 16), 0.0, grain),
)


def _to_photo(values: Array) -> Array:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _middle(photo: Array) -> tuple[float, float]:
    return (photo.shape[1] - 1) / 2, (photo.shape[0] - 1) / 2


def _warp(photo: Array, matrix: Array) -> Array:
    size = (photo.shape[1], photo.shape[0])
    return cv2.warpAffine(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _black_body(kelvin: float) -> Array:
    """Linear sRGB of a black body, 4000 to 25000 K, at luminance 1: (3,) float64.

    Chromaticity by Kim et al., US patent 7024034 (2002); the matrix from XYZ is that of IEC 61966-2-1.
    """
    x = -3.0258469e9 / kelvin**3 + 2.1070379e6 / kelvin**2 + 0.2226347e3 / kelvin + 0.240390
    y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    return np.asarray(to_rgb @ np.array([x / y, 1, (1 - x - y) / y]))


def _decode(value: Array) -> Array:
    """A value on the curve of sRGB, 0 to 1, to linear light."""
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encode(value: Array) -> Array:
    """Linear light, 0 to 1, to a value on the curve of sRGB."""
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
