"""Patch features: colour (Lab mean and spread) and lines (energy of band-passes and of the structure tensor).

Each blur continues the one before it. A patch's value is the mean over the patch. This takes a few OpenCV passes per
photograph.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Photo
from platewatch.config import SurfaceConfig
from platewatch.photographs import colour

COLOUR_LENGTH = 6
"""Length of a patch's colour features."""

SMOOTH = 1.4
"""px: a picture blurred by at least this is sampled at every second px."""


def describe(photo: Photo, settings: SurfaceConfig) -> tuple[Floats, Floats]:
    """Colour (A, B, 6) and line (A, B, 24) features, float32, of a (patch · A, patch · B, 3) uint8 RGB photograph."""
    lab = colour.lab(photo)
    return _colour(lab, settings), _line(lab, settings)


def line_length(settings: SurfaceConfig) -> int:
    """Length of a patch's line features: three channels for each band, twice three for each direction."""
    return 3 * len(settings.bands) + 6 * len(settings.directions)


def _colour(lab: Floats, settings: SurfaceConfig) -> Floats:
    level, weights = _Level(lab), np.array([settings.lightness, 1, 1], np.float32)
    mean, square = (level.patches(each, settings.colour_window, settings.patch) for each in (lab, lab * lab))
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return _joined([weights * mean, weights * spread])


def _line(lab: Floats, settings: SurfaceConfig) -> Floats:
    """Log amplitudes of L, a and b: first of each band, then of the gradients along and across the main direction.

    Energies along and across are the eigenvalues of each channel's structure tensor. In a grey photograph a and b are
    constant.
    """
    levels, energies = [_Level(lab)], list[Array]()
    for width in settings.bands:
        finer, coarser = levels[-1], levels[-1].blurred(width)
        band = finer.picture - coarser.picture
        energies.append(finer.patches(band * band, max(settings.line_window, 1.5 * width), settings.patch))
        levels.append(coarser.halved() if width >= SMOOTH else coarser)
    for width in settings.directions:
        smooth = next(level for level in reversed(levels) if level.width < width).blurred(width)
        gx, gy = smooth.gradients()
        products = gx * gx, gy * gy, gx * gy
        xx, yy, xy = (smooth.patches(each, settings.line_window, settings.patch) for each in products)
        apart = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
        energies += [(xx + yy + apart) / 2, (xx + yy - apart) / 2]
    lines: Floats = np.log(np.sqrt(np.maximum(_joined(energies), 0)) + np.float32(settings.noise_floor))
    return lines


@dataclass(frozen=True)
class _Level:
    """A picture (P, P, 3) float32, blurred by a Gaussian of `width` px and sampled at every `every`-th px."""

    picture: Floats
    width: float = 0.0
    every: int = 1

    def blurred(self, width: float) -> "_Level":
        """The picture blurred further, to `width` px in all; variances of Gaussians add up."""
        return replace(self, picture=blur(self.picture, math.sqrt(width**2 - self.width**2) / self.every), width=width)

    def halved(self) -> "_Level":
        """The picture sampled at every second px; unchanged if that was done before."""
        return self if self.every > 1 else replace(self, picture=self.picture[::2, ::2].copy(), every=2)

    def gradients(self) -> tuple[Floats, Floats]:
        """Horizontal and vertical gradient, per px of the photograph."""
        scale = 1 / 8 / self.every
        gx: Array = cv2.Sobel(self.picture, cv2.CV_32F, 1, 0, scale=scale)
        gy: Array = cv2.Sobel(self.picture, cv2.CV_32F, 0, 1, scale=scale)
        return gx, gy

    def patches(self, values: Floats, window: float, patch: int) -> Floats:
        """The means (A, B, 3) of `values` over a Gaussian window of at least a patch; sampled as this level is."""
        side = patch // self.every
        count = values.shape[1] // side, values.shape[0] // side
        means: Array = cv2.resize(values, count, interpolation=cv2.INTER_AREA)
        width = patch_blur(window, patch, self.every)
        return blur(means, width) if width else means


def _joined(channels: Sequence[Floats]) -> Floats:
    """Pictures (H, W, C) as one of all their channels; NumPy takes ten times as long for it."""
    picture: Array = cv2.merge(channels)
    return picture


def patch_blur(window: float, patch: int, every: int) -> float:
    """Standard deviation, in patches, of the blur that makes a patch's mean one over a Gaussian window; 0 for none.

    The mean is of pixels sampled at every `every`-th px.
    """
    wider = window**2 - (patch**2 - every**2) / 12  # minus the variance that the mean over a patch adds
    return math.sqrt(wider) / patch if wider > 0 else 0.0


def blur(picture: Floats, width: float) -> Floats:
    """Blur an (H, W) or (H, W, C) float32 picture with a Gaussian of standard deviation `width` px."""
    blurred: Array = cv2.GaussianBlur(picture, (0, 0), width, borderType=cv2.BORDER_REFLECT)
    return blurred
