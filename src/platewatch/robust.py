"""Centre and spread of scores that few outliers do not move: median and MAD, and the limit drawn from them."""

from collections.abc import Sequence

import numpy as np

from platewatch.arrays import Array

_TO_DEVIATION = 1.4826  # MAD × this estimates a normal distribution's standard deviation
_SMALLEST = 1e-9  # a score of 0 has no logarithm


def median_and_deviation(values: Array) -> tuple[float, float]:
    """Median and robust standard deviation (1.4826 · median absolute deviation) of (N,) values, N at least 1."""
    centre = np.median(values)
    return float(centre), _TO_DEVIATION * float(np.median(np.abs(values - centre)))


def limit(scores: Sequence[float] | Array, deviations: float = 3.0, *, smallest_deviation: float = 0.0) -> float:
    """The score so many robust standard deviations above the median, both taken of the logarithms of (N,) scores.

    3 is the usual robust 3σ limit. The deviation of the logarithms counts as `smallest_deviation` at least.
    """
    centre, deviation = median_and_deviation(np.log(np.maximum(scores, _SMALLEST)))
    return float(np.exp(centre + deviations * max(deviation, smallest_deviation)))
