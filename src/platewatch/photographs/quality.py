"""Quality check: photographs too dark, clipped, blurred or without a plate in view get REVIEW and no score.

The limits come from the good photographs and are wide: the check is for photographs that show too little of the plate,
not for plates that look unusual.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from pydantic.dataclasses import dataclass

from platewatch.arrays import Array, Photo
from platewatch.config import STRICT
from platewatch.photographs import colour, robust

_CLIPPED, _WHITE = (254, 254, 254), (255, 255, 255)
_OUTLIER = 5.0  # robust standard deviations from the median, of logarithms (of `clipped`: of the fraction itself)
_SMALLEST_DEVIATION = 0.05
_LIGHTNESS = colour.lab(np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2))[..., 0]  # of each grey


@dataclass(frozen=True)
class Conditions:
    """How a prepared photograph was taken."""

    brightness: float
    """Mean lightness L of the grey photograph, 0 to 100."""
    clipped: float
    """Fraction of pixels with every channel at 254 or 255, 0 to 1."""
    sharpness: float
    """99 % quantile of the gradient of lightness, in L per px."""
    contrast: float
    """Standard deviation of the colour of 32 × 32 areas over the photograph, in Lab units."""


@dataclass(frozen=True, config=STRICT)
class QualityLimits:
    """Limits of the Conditions within which a photograph is judged."""

    darkest: float
    most_clipped: float
    least_sharp: float
    least_contrast: float


def measure(photo: Photo) -> Conditions:
    """The Conditions of a prepared (H, W, 3) uint8 RGB photograph without its padding."""
    lightness = cv2.LUT(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), _LIGHTNESS)
    across, down = cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1)
    step = np.sqrt(across * across + down * down) / 8  # NumPy's hypot is slow
    small: Array = cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA)
    places = colour.lab(small).reshape(-1, 3)
    return Conditions(
        brightness=float(lightness.mean()),
        clipped=cv2.countNonZero(cv2.inRange(photo, _CLIPPED, _WHITE)) / lightness.size,
        sharpness=_quantile(step, 0.99),
        contrast=float(np.sqrt(places.var(axis=0).sum())),
    )


def limits(good: Sequence[Conditions]) -> QualityLimits:
    """The limits that the good photographs set: half of their lowest value; for `clipped`, 0.25 above their highest.

    Outliers do not count: up to a fifth of the photographs may be unusable without moving a limit.
    """
    return QualityLimits(
        darkest=0.5 * _lowest([each.brightness for each in good]),
        most_clipped=min(0.25 - _lowest([-each.clipped for each in good], logarithmic=False), 0.99),
        least_sharp=0.5 * _lowest([each.sharpness for each in good]),
        least_contrast=0.5 * _lowest([each.contrast for each in good]),
    )


def stricter(one: QualityLimits, other: QualityLimits) -> QualityLimits:
    """The limits that only allow what both allow."""
    return QualityLimits(
        darkest=max(one.darkest, other.darkest),
        most_clipped=min(one.most_clipped, other.most_clipped),
        least_sharp=max(one.least_sharp, other.least_sharp),
        least_contrast=max(one.least_contrast, other.least_contrast),
    )


def _lowest(values: Sequence[float], *, logarithmic: bool = True) -> float:
    """The lowest of the values that are no outliers; at most one in five is left out."""
    ordered = np.sort(np.asarray(values, float))
    scale = np.log(np.maximum(ordered, 1e-9)) if logarithmic else ordered
    outliers = robust.outliers(scale, _OUTLIER, smallest_deviation=_SMALLEST_DEVIATION)
    below = int(np.count_nonzero(outliers & (scale < np.median(scale))))
    return float(ordered[min(below, len(ordered) // 5)])


def reason_unusable(found: Conditions, allowed: QualityLimits) -> str | None:
    """Why the photograph cannot be judged, in words for a person; None when it can."""
    if found.brightness < allowed.darkest:
        return f"too dark to judge (lightness {found.brightness:.0f}, at least {allowed.darkest:.0f} expected)"
    if found.clipped > allowed.most_clipped:
        white = f"{found.clipped:.0%} of the photograph is pure white"
        return f"clipped ({white}, at most {allowed.most_clipped:.0%} expected)"
    if found.contrast < allowed.least_contrast:
        return f"no plate in view (contrast {found.contrast:.1f}, at least {allowed.least_contrast:.1f} expected)"
    if found.sharpness < allowed.least_sharp:
        return f"blurred (sharpness {found.sharpness:.1f}, at least {allowed.least_sharp:.1f} expected)"
    return None


def _quantile(values: Array, fraction: float) -> float:
    """NumPy's linear quantile, in a tenth of its time."""
    place = fraction * (values.size - 1)
    below = int(place)
    upper = robust.largest(values.ravel(), values.size - below)
    lower, higher = float(upper[0]), float(upper[1:].min(initial=np.inf))
    return lower if place == below else lower + (place - below) * (higher - lower)
