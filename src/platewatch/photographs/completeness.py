"""Completeness check: photographs on which the part is cut off, covered, too small or out of place get REVIEW.

The limits come from the good photographs: shape and size of the picture, and the outline of the part where it
stands out from the background. Otherwise, as with parts that fill the picture, only shape and size of the picture are
checked.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from platewatch.arrays import Doubles, Mask, Photo
from platewatch.config import STRICT
from platewatch.photographs import foreground, robust

Measures = Mapping[str, float]
"""Result of `measure`: a number for each name in SMALLEST_DEVIATIONS; without a part only those of the picture."""

PICTURE = ("aspect", "side", "repeated")
BORDERS = ("top", "bottom", "left", "right")
SMALLEST_DEVIATIONS: Mapping[str, float] = {
    "aspect": 0.01,
    "side": 0.03,
    "repeated": 0.01,
    **dict.fromkeys(BORDERS, 0.01),
    "area": 0.05,
    "elongation": 0.01,
    "asymmetry": 0.005,
    "rectangularity": 0.01,
    "solidity": 0.02,
    "across": 0.01,
    "down": 0.01,
}
"""Each measure with the smallest standard deviation that is assumed for good photographs; checked in this order."""
NO_LIMIT = 1e9
"""Value for no upper limit."""

_OUTLIER = 6.0  # robust standard deviations from the median
_SAME = 0.05  # mean difference of two lines that are the same, in grey levels
_LOWEST_ONLY = ("side", "area")  # more pixels or a nearer part are no fault
_MARGIN, _MARGIN_OF_FEW = 1.25, 12.0  # standard deviations beyond the good photographs: the first + the second / n


@dataclass(frozen=True, config=STRICT)
class CompletenessLimits:
    """Lowest and highest value of each measure with which a photograph is judged; a measure without limits is absent.

    With limits of `area`, a photograph without a part is not judged.
    """

    ranges: Annotated[dict[str, tuple[float, float]], Field(max_length=100)]


def measure(photo: Photo, size: tuple[int, int]) -> Measures:
    """The measures of a prepared (H, W, 3) uint8 RGB photograph without its padding.

    `size` is (width, height) of the photograph as taken, px. Of the picture: `aspect` is ln(width / height), `side` is
    ln(√(width · height)), `repeated` is the fraction of its rows, or of its columns if that is more, that are the same
    as the one before: a shifted or half-filled picture ends in them. Of the part's convex hull: `area` is the ln of its
    fraction of the picture, `elongation` and `asymmetry` come from Hu's moments (1962), `rectangularity` is its
    fraction of the smallest rectangle around it, `solidity` is the part's fraction of the hull (less where anything of
    the background's colour lies on it), `across` and `down` are its middle as fractions of width and height.
    `top`, `bottom`, `left` and `right` are the fractions of the borders that the part touches.
    """
    width, height = size
    picture = {"aspect": float(np.log(width / height)), "side": float(np.log(width * height) / 2)}
    picture["repeated"] = max(_repeated(photo[1:], photo[:-1], 1), _repeated(photo[:, 1:], photo[:, :-1], 0))
    part = foreground.find_part(photo)
    return {**picture, **_outline(part)} if part.any() else picture


def limits(good: Sequence[Measures]) -> CompletenessLimits:
    """The limits that the good photographs set: the range of their values without outliers, and a margin.

    A measure in which more than 2 % + 1 of them are outliers does not describe these parts: it gets no limits. When
    that is so for the part's area, or a part is found on fewer of them, none of the part's measures gets limits.
    """
    most = 1 + len(good) // 50
    names = [*PICTURE]
    if sum("area" in each for each in good) >= max(1, len(good) - most):
        names += [name for name in SMALLEST_DEVIATIONS if name not in PICTURE]
    found = {name: _range(np.array([each[name] for each in good if name in each]), name, most) for name in names}
    if found.get("area") is None:
        found = {name: found[name] for name in PICTURE}
    return CompletenessLimits({name: each for name, each in found.items() if each is not None})


def stricter(one: CompletenessLimits, other: CompletenessLimits) -> CompletenessLimits:
    """The limits that only allow what both allow."""
    both = {name: _both(one.ranges.get(name), other.ranges.get(name)) for name in {**one.ranges, **other.ranges}}
    return CompletenessLimits(both)


def reason_incomplete(found: Measures, allowed: CompletenessLimits) -> str | None:
    """Why the photograph does not show a complete part, in words for a person; None when it does."""
    if "area" in allowed.ranges and "area" not in found:
        return "the part is cut off or not in view (nothing stands out from the border of the picture)"
    for name in SMALLEST_DEVIATIONS:
        low, high = allowed.ranges.get(name, (-NO_LIMIT, NO_LIMIT))
        if name in found and not low <= found[name] <= high:
            return _in_words(name, found[name], low, high)
    return None


def _both(one: tuple[float, float] | None, other: tuple[float, float] | None) -> tuple[float, float]:
    ranges = [each for each in (one, other) if each is not None]
    return max(low for low, _ in ranges), min(high for _, high in ranges)


def _range(values: Doubles, name: str, most: int) -> tuple[float, float] | None:
    """Range of (N,) values without outliers, widened by the margin; None with more outliers than `most`."""
    smallest = SMALLEST_DEVIATIONS[name]
    is_outlier = robust.outliers(values, _OUTLIER, smallest_deviation=smallest)
    if np.count_nonzero(is_outlier) > most:
        return None
    kept = values[~is_outlier]
    margin = (_MARGIN + _MARGIN_OF_FEW / len(values)) * max(robust.median_and_deviation(values)[1], smallest)
    high = NO_LIMIT if name in _LOWEST_ONLY else float(kept.max()) + margin
    return float(kept.min()) - margin, high


def _repeated(lines: Photo, before: Photo, across: int) -> float:
    """Fraction of lines, along the axis `across`, that are the same as the ones before; 0 for a single line."""
    if lines.size == 0:
        return 0.0
    change = np.asarray(cv2.absdiff(lines, before))
    flat = change.reshape(len(change), -1) if across else change  # of one channel OpenCV sums rows ten times as fast
    totals = cv2.reduce(flat, across, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
    line_totals = totals.ravel() if across else totals.sum(axis=2).ravel()
    return float((line_totals < _SAME * change.size / len(line_totals)).mean())


def _outline(part: Mask) -> dict[str, float]:
    """The measures of a part, given its mask (h, w) bool, which is not empty."""
    height, width = part.shape
    outline, _ = cv2.findContours(part.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = cv2.convexHull(np.concatenate(outline))  # of the outline: a tenth of the time of all its points
    hull = np.zeros(part.shape, np.uint8)
    cv2.fillConvexPoly(hull, corners, (1,))
    moments = cv2.moments(hull, binaryImage=True)
    hu, area = np.abs(cv2.HuMoments(moments)).ravel(), moments["m00"]
    sides = cv2.minAreaRect(corners)[1]
    return {
        "area": float(np.log(area / part.size)),
        "elongation": float(np.log(hu[0])),
        "asymmetry": float(np.sqrt(hu[2] + hu[3])),
        "rectangularity": area / ((sides[0] + 1) * (sides[1] + 1)),
        "solidity": np.count_nonzero(part) / area,
        "across": moments["m10"] / area / width,
        "down": moments["m01"] / area / height,
        "top": float(part[0].mean()),
        "bottom": float(part[-1].mean()),
        "left": float(part[:, 0].mean()),
        "right": float(part[:, -1].mean()),
    }


def _in_words(name: str, value: float, low: float, high: float) -> str:
    if name in PICTURE:
        return _picture_in_words(name, value, low, high)
    if name == "area":
        covered = f"the part covers {_exp(value):.0%} of the picture, at least {_exp(low):.0%} expected"
        return f"smaller than any good one ({covered})"
    if name in BORDERS:
        most = f"at most {max(high, 0):.0%} expected"
        return f"the part is cut off (it touches {value:.0%} of the {name} border, {most})"
    if name in ("across", "down"):
        axis = "width" if name == "across" else "height"
        expected = f"{low:.0%} to {high:.0%} expected"
        return f"the part is cut off or out of place (its middle is at {value:.0%} of the {axis}, {expected})"
    return f"the part is cut off or covered ({name} of its outline {value:.3f}, {low:.3f} to {high:.3f} expected)"


def _picture_in_words(name: str, value: float, low: float, high: float) -> str:
    if name == "aspect":
        expected = f"{_exp(low):.2f} to {_exp(high):.2f} expected"
        return f"the part is cut off (width to height of the picture {_exp(value):.2f}, {expected})"
    if name == "side":
        return f"smaller than any good one (mean side {_exp(value):.0f} px, at least {_exp(low):.0f} expected)"
    most = f"at most {max(high, 0):.0%} expected"
    return f"the part is cut off ({value:.0%} of the picture's lines repeat the one before, {most})"


def _exp(logarithm: float) -> float:
    """Its exponential; the largest one that a float holds for a limit that a strange manifest states."""
    return float(np.exp(min(logarithm, 709.0)))
