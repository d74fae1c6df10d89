"""Robust statistics that outliers do not move: median, standard deviation from the MAD, and the robust 3σ limit.

And the largest values of a picture, which are selected in a fraction of the time of a partition of all.
"""

from collections.abc import Sequence

import numpy as np

from platewatch.arrays import Doubles, Floats, Mask

_TO_DEVIATION = 1.4826  # MAD × this estimates a normal distribution's standard deviation
_SMALLEST = 1e-9  # a score of 0 has no logarithm
_EVERY, _MARGIN = 16, 1.5  # the sample, and how many more values than wanted it should let through


def median_and_deviation(values: Doubles) -> tuple[float, float]:
    """Median and robust standard deviation (1.4826 · median absolute deviation) of (N,) values, N at least 1."""
    centre = np.median(values)
    return float(centre), _TO_DEVIATION * float(np.median(np.abs(values - centre)))


def limit(scores: Sequence[float] | Doubles, deviations: float = 3.0, *, smallest_deviation: float = 0.0) -> float:
    """The robust limit of (N,) scores: exp(median + deviations · robust standard deviation) of their logarithms.

    3 deviations give the robust 3σ limit. The standard deviation is raised to `smallest_deviation` if it is less.
    """
    centre, deviation = median_and_deviation(np.log(np.maximum(scores, _SMALLEST)))
    return float(np.exp(centre + deviations * max(deviation, smallest_deviation)))


def outliers(values: Doubles, deviations: float, *, smallest_deviation: float) -> Mask:
    """True for each of (N,) values farther than `deviations` robust standard deviations from the median."""
    centre, deviation = median_and_deviation(values)
    return np.asarray(np.abs(values - centre) > deviations * max(deviation, smallest_deviation))


def largest(values: Floats, count: int) -> Floats:
    """The `count` largest of (N,) values, 1 ≤ count ≤ N, the smallest of them first; NaN is larger than any number.

    A value that a sample of every 16th says is small enough keeps most values out of the selection.
    """
    sample, wanted = values[::_EVERY], int(_MARGIN * count / _EVERY) + 16
    if wanted < len(sample) // 2:
        few: Floats = values[~(values < np.partition(sample, len(sample) - wanted)[-wanted])]  # NaN stays
        values = few if len(few) >= count else values
    found: Floats = np.partition(values, len(values) - count)[len(values) - count :]
    return found
