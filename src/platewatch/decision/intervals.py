"""Exact quantiles of a binomial proportion (Clopper–Pearson) and of Student's t, from the incomplete beta function.

Both agree with SciPy's to ten digits (tests/test_intervals.py). SciPy takes 110 MB, and a PC at the line, which may
train with the preset `surface`, does not have it.
"""

import math
from functools import lru_cache

Interval = tuple[float, float]

_STEPS = 1000  # of the continued fraction; it converges in about √max(a, b) of them
_HALVINGS = 64  # of a bisection: to 5e-20
_TINY = 1e-300


def clopper_pearson(count: int, of: int, confidence: float = 0.95) -> Interval:
    """The exact two-sided interval of a binomial proportion; 0 to 1 when `of` is 0.

    Clopper and Pearson, Biometrika 26 (1934): its ends are quantiles of beta distributions.
    """
    outside = (1 - confidence) / 2
    return _lowest(count, of, outside), 1 - _lowest(of - count, of, outside)


def highest_proportion(count: int, of: int, confidence: float = 0.95) -> float:
    """The exact one-sided upper limit of a binomial proportion; 1 when `of` is 0."""
    return 1 - _lowest(of - count, of, 1 - confidence)


def t_quantile(rate: float, degrees: int) -> float:
    """The value ≥ 0 that Student's t with these degrees of freedom exceeds with probability `rate`, 0 < rate ≤ 0.5."""
    share = _beta_quantile(2 * rate, degrees / 2, 0.5)  # P(T > t) = I(n / (n + t²); n / 2, 1 / 2) / 2
    return math.sqrt(degrees * (1 / share - 1))


def _lowest(count: int, of: int, outside: float) -> float:
    """The proportion at which `count` or more of `of` come with probability `outside`; 0 when `count` is 0."""
    return _beta_quantile(outside, count, of - count + 1) if count else 0.0


@lru_cache(maxsize=1024)
def _beta_quantile(probability: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(middle, a, b) < probability else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I(x; a, b), by its continued fraction (DLMF 8.17.22)."""
    if not 0 < x < 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast below
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    fraction, above, below = 1.0, 1.0, 0.0  # Lentz's method
    for step in range(_STEPS):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        below = 1 / _nonzero(1 + term * below)
        above = _nonzero(1 + term / above)
        fraction *= above * below
        if abs(1 - above * below) < 1e-15:
            break
    return front * (fraction - 1) / a


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
