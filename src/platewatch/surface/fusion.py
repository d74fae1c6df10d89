"""How the banks' anomaly maps become one map and one score.

The score is the largest of several pooled values, each the mean of a map's top pixels divided by a scale:

- of the fused map, for `score_fractions`: the scale is the robust 3σ limit of good plates;
- of the fused map, for `further_fractions`: a spot on a large photograph, wear over the whole part;
- of the fine map, which fuses colour and line alone, for `fine_fractions`: thin scratches and small spots, which the
  coarser patches of the texture features cannot show.

The last two are additions. Their scales are at least as large as any good plate's value (times a margin for the fine
map), so that they rarely raise a good plate's score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from platewatch.arrays import Floats, Mask
from platewatch.config import SurfaceConfig
from platewatch.photographs import robust

Maps = tuple[Floats, ...]
"""Anomaly maps (S, S) float32 of one plate: colour, line, and texture where there is a texture bank."""

_FURTHER_MARGIN, _FINE_MARGIN = 1.0, 1.1  # scales are at least so many times the largest value of a good plate
DEFAULT_PEAK = SurfaceConfig().peak_fraction


@dataclass(frozen=True)
class Fusion:
    """How maps become one: the root, of this power, of the sum of the weighted maps' powers."""

    weights: tuple[float, ...]
    """Of the colour, line and, where there is one, texture map; not all 0."""
    power: int
    """1: their weighted sum; 2: the root of their squares' sum."""

    @staticmethod
    def default(settings: SurfaceConfig, banks: int) -> "Fusion":
        """The fusion of a detector for which nothing has chosen one; with texture features docs/log.md says why."""
        return Fusion((1.0, settings.line_weight) if banks == 2 else (1.0, 1.0, 2.0), 2)

    def fine(self, settings: SurfaceConfig) -> "Fusion | None":
        """The fusion of the fine map: colour and line, as without texture features; None where neither has weight."""
        pairs = zip((1.0, settings.line_weight, 0.0), self.weights, strict=False)
        weights = tuple(fine if weight else 0.0 for fine, weight in pairs)
        return Fusion(weights, 2) if any(weights) else None

    def of(self, maps: Maps) -> Floats:
        """The fused map (S, S) float32 of the banks' maps."""
        weighted = [np.float32(weight) * each for each, weight in zip(maps, self.weights, strict=True) if weight]
        if self.power == 1 or len(weighted) == 1:
            fused: Floats = np.sum(weighted, axis=0, dtype=np.float32)
        else:
            fused = np.sqrt(np.sum(np.square(weighted), axis=0, dtype=np.float32))  # hypot is slow
        return fused


@dataclass(frozen=True)
class Pooling:
    """One of the score's pooled values."""

    fraction: float
    """Of the top pixels whose mean is taken."""
    fine: bool = False
    """Whether of the fine map, not of the fused one."""
    margin: float = 0.0
    """The scale is at least this many times the largest value of a good plate."""

    def scale(self, values: Sequence[float]) -> float:
        """The scale for these values of good plates: their robust 3σ limit, or more (see `margin`)."""
        return scale_of(values, self.margin * max(values))


def poolings(settings: SurfaceConfig, fusion: Fusion) -> tuple[Pooling, ...]:
    """The pooled values of the score, in the order of its scales: of the fused map, then of the fine one."""
    found = [Pooling(fraction) for fraction in settings.score_fractions]
    found += [Pooling(fraction, margin=_FURTHER_MARGIN) for fraction in settings.further_fractions]
    if fusion.fine(settings) is not None:
        found += [Pooling(fraction, fine=True, margin=_FINE_MARGIN) for fraction in settings.fine_fractions]
    return tuple(found)


def scale_of(values: Sequence[float], least: float = 0.0) -> float:
    """The robust 3σ limit of good plates' values, at least `least` and 1e-6, rounded as the model folder stores it."""
    return float(np.float32(max(robust.limit(values), least, 1e-6)))


def pool(
    anomaly_map: Floats, fraction: float = DEFAULT_PEAK, inside: Mask | None = None, most: int | None = None
) -> float:
    """The mean of a map's top pixels: the top `fraction` of its pixels, or of those in `inside`, where it is given.

    `anomaly_map` (S, S) is ≥ 0, and 0 outside of `inside` (S, S) bool. The fraction is of `most` pixels at most: a
    defect counts as much in a large picture as in a small one.
    """
    return pools(anomaly_map, (fraction,), inside, most)[0]


def pools(
    anomaly_map: Floats, fractions: Sequence[float], inside: Mask | None = None, most: int | None = None
) -> list[float]:
    """The `pool` of a map for each of some fractions."""
    area = anomaly_map.size if inside is None else int(np.count_nonzero(inside))
    found = counts(fractions, area, most)
    top = robust.largest(anomaly_map.ravel(), max(found))
    means = []
    for count in sorted(found, reverse=True):  # each selects from what the one before has left
        top = top[-count:] if count == len(top) else np.partition(top, len(top) - count)[-count:]
        means.append(float(top.mean(dtype=np.float64)))
    return [means[sorted(found, reverse=True).index(count)] for count in found]


def counts(fractions: Sequence[float], area: int, most: int | None = None) -> list[int]:
    """How many pixels each fraction is of a photograph of `area` px, of `most` px at most."""
    return [max(1, round(each * (area if most is None else min(area, most)))) for each in fractions]
