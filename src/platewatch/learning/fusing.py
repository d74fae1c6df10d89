"""The weights of phase one's maps, chosen without a label by hard artificial defects on good plates.

The default weights stay unless others tell the defects from the good plates clearly better: by three standard errors
and by an AUROC of 0.05. Artificial defects are smaller than many real ones, so a smaller difference says little about
those (docs/log.md). Every map is out of fold. The defects lie near the limit of what is seen, so that the banks differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from platewatch.arrays import Doubles, Mask
from platewatch.config import TILE, Config, SurfaceConfig
from platewatch.decision.weighing import Weighing
from platewatch.learning.out_of_fold import leaving_out
from platewatch.learning.preflight import GoodPlates
from platewatch.photographs import robust
from platewatch.progress import Progress
from platewatch.surface import detector
from platewatch.surface.detector import Surface
from platewatch.surface.fusion import Fusion, Maps, pool
from platewatch.synthetic.hard_defects import hard_defect

DEFAULT = Fusion.default(SurfaceConfig(), len(detector.KINDS))
_WEIGHTS = (
    *((1, 2, 4), (1, 1, 2), (1, 1, 1), (1, 2, 1), (2, 1, 1), (1, 2, 2)),
    *((0, 1, 1), (0, 1, 2), (0, 2, 1), (1, 0, 1), (1, 0, 2), (2, 0, 1), (1, 1, 0), (1, 4, 0)),
    *((1, 0, 0), (0, 1, 0), (0, 0, 1)),
)
CANDIDATES = tuple(
    Fusion(weights, power) for weights in _WEIGHTS for power in (1, 2) if power < 2 or sum(map(bool, weights)) > 1
)
"""What is compared with the default."""
SINGLES = tuple(Fusion(weights, 1) for weights in _WEIGHTS[-3:])
"""Each map alone: colour, line, texture."""

DEFECTS_PER_PLATE = 4
_CLEARLY = 3.0  # standard errors by which another fusion has to be better
_AT_LEAST = 0.05  # AUROC by which it has to be better as well
_RESAMPLED = 400  # bootstrap samples of plates, for the standard error


@dataclass(frozen=True)
class _Plate:
    """Out-of-fold maps of a good plate and of its copies with a defect, sampled, and the mask of the photograph."""

    good: Maps
    damaged: tuple[Maps, ...]
    inside: Mask


def set_weights(
    plates: GoodPlates, groups: Sequence[int], fitted: Surface, config: Config, progress: Progress
) -> tuple[Surface, Weighing | None]:
    """The unscaled detector with its scales and, where it has texture features, with the weights that are chosen.

    `groups` (N,) are the numbers of the plates' groups: a plate is compared with the patches of other groups alone.
    """
    numbers, insides, rng = np.asarray(groups), plates.insides(), np.random.default_rng([config.seed, 2])
    others, every = leaving_out(fitted, groups), max(1, config.image_size // TILE)
    maps, seen = list[Maps](), list[_Plate]()
    for plate, photo in enumerate(plates.photos):
        left, inside = others(int(numbers[plate])), insides[plate]
        maps.append(left.maps(photo, inside))
        if fitted.texture is not None:
            on_part = plates.parts[plate]
            damaged = [hard_defect(photo, rng, on_part)[0] for _ in range(DEFECTS_PER_PLATE)]
            found = [_sampled(left.maps(each, inside), 2 * every) for each in damaged]
            seen.append(_Plate(_sampled(maps[-1], 2 * every), tuple(found), inside[:: 2 * every, :: 2 * every]))
        maps[-1] = _sampled(maps[-1], every)
        progress("weighing the surface's maps", plate + 1, len(plates.photos))
    area = fitted.settings.pool_area
    smaller = replace(fitted, settings=replace(fitted.settings, pool_area=area and max(1, area // every**2)))
    chosen = None
    if seen:
        scaled = detector.with_scales(smaller, maps, insides[:, ::every, ::every])
        coarse = replace(smaller.settings, pool_area=area and max(1, area // (2 * every) ** 2))
        chosen = _choose(seen, [bank.scale for bank in scaled.banks], coarse)
        smaller = replace(smaller, fusion=Fusion(chosen.weights, chosen.power))
    scaled = detector.with_scales(smaller, maps, insides[:, ::every, ::every])
    return replace(scaled, settings=fitted.settings), chosen


def _sampled(maps: Maps, every: int) -> Maps:
    return tuple(each[::every, ::every].copy() for each in maps)


def _choose(seen: Sequence[_Plate], scales: Sequence[float], settings: SurfaceConfig) -> Weighing:
    """The default fusion, or the one that separates the defects clearly better."""
    scores = {each: _scores(seen, each, scales, settings) for each in (*SINGLES, DEFAULT, *CANDIDATES)}
    aurocs = {each: _auroc(*pair) for each, pair in scores.items()}
    drawn = np.random.default_rng(0).integers(0, len(seen), (_RESAMPLED, len(seen)))

    def resampled(fusion: Fusion) -> Doubles:
        good, damaged = scores[fusion]
        return np.array([_auroc(good[rows], damaged[rows]) for rows in drawn])

    best = max((DEFAULT, *CANDIDATES), key=lambda each: aurocs[each])
    apart = float(np.std(resampled(best) - resampled(DEFAULT)))  # standard error of their difference
    better = aurocs[best] - aurocs[DEFAULT]
    chosen = best if better > max(_AT_LEAST, _CLEARLY * apart) else DEFAULT
    singles = tuple(aurocs[each] for each in SINGLES)
    return Weighing(chosen.weights, chosen.power, aurocs[chosen], aurocs[DEFAULT], singles, apart)


def _scores(
    seen: Sequence[_Plate], fusion: Fusion, scales: Sequence[float], settings: SurfaceConfig
) -> tuple[Doubles, Doubles]:
    """Scores of the N good plates (N,) and of their damaged copies (N, DEFECTS_PER_PLATE) with this fusion."""
    weights = tuple(weight / scale for weight, scale in zip(fusion.weights, scales, strict=True))
    unscaled = replace(fusion, weights=weights)

    def pooled(maps: Maps, inside: Mask) -> list[float]:
        fused = unscaled.of(maps)
        return [pool(fused, fraction, inside, settings.pool_area) for fraction in settings.score_fractions]

    good = np.array([pooled(each.good, each.inside) for each in seen])
    damaged = np.array([[pooled(maps, each.inside) for maps in each.damaged] for each in seen])
    limits = np.array([robust.limit(column) for column in good.T])
    return (good / limits).max(axis=-1), (damaged / limits).max(axis=-1)


def _auroc(good: Doubles, damaged: Doubles) -> float:
    """The fraction of pairs (good, damaged) in the right order; ties count a half."""
    ordered = np.sort(good)
    below = np.searchsorted(ordered, damaged.ravel(), "left") + np.searchsorted(ordered, damaged.ravel(), "right")
    return float(below.mean()) / 2 / len(good)
