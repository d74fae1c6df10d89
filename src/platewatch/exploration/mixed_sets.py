"""Warnings about a whole set of good photographs: two kinds of them by one measure, or nothing but noise in them."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from platewatch.arrays import Doubles, Indices, Photo
from platewatch.exploration import outliers
from platewatch.exploration.classical_detectors import PlateFeatures

TWO_KINDS = 0.84
"""Fraction of a log measure's variance that two groups explain from which they are named. Of 30 normally distributed
values the best division explains more than 0.83 once in a thousand; of uniform ones 0.86 once in a hundred."""
_SMALLEST = 0.2  # of all photographs: smaller groups are outliers
_ENOUGH = 12
_NOISE = (
    0.3  # correlation of neighbouring px below which there is nothing but noise; photographs of parts: 0.7 and more
)
_SHOWN = 5
_LEFT_OUT = ("covered", "histogram")  # whether a background was found, and a distance, are in two groups in good sets


def two_kinds(paths: Sequence[Path], plates: Sequence[PlateFeatures]) -> str | None:
    """A sentence that names two groups of N good plates by the measure that divides them best; None when none does."""
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
    """The largest fraction of the variance (N,) of log values that two groups explain, and the lower one's size."""
    logs = np.sort(np.log(values + 1e-3))
    total, least = float(logs.var()), max(3, math.ceil(_SMALLEST * len(logs)))
    if total < 1e-4:  # differences of 1 % are the camera's
        return 0.0, 0
    best = (0.0, 0)
    for below in range(least, len(logs) - least + 1):
        apart = float(logs[below:].mean() - logs[:below].mean())
        best = max(best, (below * (len(logs) - below) / len(logs) ** 2 * apart**2 / total, below))
    return best


def only_noise(paths: Sequence[Path], photos: Sequence[Photo], enlarged: Sequence[float]) -> str | None:
    """A sentence that names photographs (h, w, 3) in which neighbouring px have nothing in common; None when none.

    `enlarged` says how many times larger each one is than its file's picture.
    """
    found = [k for k, photo in enumerate(photos) if correlation(photo, max(1, math.ceil(2 * enlarged[k] - 1))) < _NOISE]
    return f"nothing but noise in {len(found)} photographs: {_names(paths, found)}" if found else None


def correlation(photo: Photo, apart: int) -> float:
    """The correlation of the brightness of px that lie `apart` px from each other, across and down; 0 if it is even."""
    bright = photo.mean(axis=2)
    bright -= bright.mean()
    variance = float((bright**2).mean())
    pairs = (bright[:, apart:] * bright[:, :-apart]).mean() + (bright[apart:] * bright[:-apart]).mean()
    return float(pairs) / 2 / variance if variance > 0 else 0.0


def _names(paths: Sequence[Path], places: Sequence[int] | Indices) -> str:
    names = [paths[int(place)].name for place in places]
    return ", ".join(sorted(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
