"""Warnings about a whole set of good photographs: two kinds of them by one measure, or nothing but noise in them."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from platewatch.arrays import Doubles, Indices, Photo
from platewatch.exploration import outliers
from platewatch.exploration.plate_features import PlateFeatures

TWO_KINDS = 0.84
"""Two groups are reported when they explain at least this fraction of a log measure's variance. The best division of 30
normally distributed values explains more than 0.83 once in a thousand, of uniform ones more than 0.86 once in a
hundred."""
_SMALLEST = 0.2  # of all photographs: smaller groups are outliers
_ENOUGH = 12
_NOISE = 0.3  # correlation of neighbouring px below which there is only noise; photographs of parts have 0.7 or more
_SHOWN = 5
_LEFT_OUT = ("covered", "histogram")  # these two measures form two groups in good sets too


def two_kinds(paths: Sequence[Path], plates: Sequence[PlateFeatures]) -> str | None:
    """A sentence that names two groups of N good plates, by the measure that divides them best; None without groups."""
    if len(paths) < _ENOUGH:
        return None
    measures = {name: values for name, values in outliers.measures(plates).items() if name not in _LEFT_OUT}
    name = max(measures, key=lambda name: _division(measures[name])[0])
    explained, below = _division(measures[name])
    if explained < TWO_KINDS:
        return None
    order = np.argsort(measures[name], kind="stable")
    groups = [
        f"{len(group)} with {measures[name][group[0]]:.3g} to {measures[name][group[-1]]:.3g} ({_names(paths, group)})"
        for group in (order[:below], order[below:])
    ]
    return f"two kinds of photographs by {name}: {' and '.join(groups)}; if one kind is defective, move it away"


def _division(values: Doubles) -> tuple[float, int]:
    """The largest fraction of the variance of (N,) log values that two groups explain, and the lower group's size."""
    logs = np.sort(np.log(values + 1e-3))
    total, least = float(logs.var()), max(3, math.ceil(_SMALLEST * len(logs)))
    if total < 1e-4:  # the camera alone causes differences of 1 %
        return 0.0, 0
    best = (0.0, 0)
    for below in range(least, len(logs) - least + 1):
        apart = float(logs[below:].mean() - logs[:below].mean())
        best = max(best, (below * (len(logs) - below) / len(logs) ** 2 * apart**2 / total, below))
    return best


def only_noise(paths: Sequence[Path], photos: Sequence[Photo], enlarged: Sequence[float]) -> str | None:
    """A sentence that names photographs (h, w, 3) in which neighbouring px are not correlated; None without any.

    `enlarged` is the factor by which each one is larger than its file's picture.
    """
    found = [k for k, photo in enumerate(photos) if correlation(photo, max(1, math.ceil(2 * enlarged[k] - 1))) < _NOISE]
    return f"nothing but noise in {len(found)} photographs: {_names(paths, found)}" if found else None


def correlation(photo: Photo, apart: int) -> float:
    """The correlation of the brightness of px at a distance of `apart` px, across and down; 0 for even brightness."""
    bright = photo.mean(axis=2)
    bright -= bright.mean()
    variance = float((bright**2).mean())
    pairs = (bright[:, apart:] * bright[:, :-apart]).mean() + (bright[apart:] * bright[:-apart]).mean()
    return float(pairs) / 2 / variance if variance > 0 else 0.0


def _names(paths: Sequence[Path], places: Sequence[int] | Indices) -> str:
    names = [paths[int(place)].name for place in places]
    return ", ".join(sorted(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
