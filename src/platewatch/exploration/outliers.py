"""Outliers among the good plates (a dark photograph, a rust spot, a plate of another size), each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from platewatch.arrays import Doubles, Indices, Mask, Photos
from platewatch.config import SurfaceConfig
from platewatch.exploration import plate_features
from platewatch.exploration.findings import OUTLIERS_SHOWN, Outlier
from platewatch.exploration.plate_features import PlateFeatures
from platewatch.photographs.robust import median_and_deviation
from platewatch.surface import detector, fusion

LIMIT = 3.5
"""Robust z above which a plate is an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)."""
SHOWN_REASONS = 3
_FOLDS = 3
_AS_TAKEN = SurfaceConfig(illumination_copies=0, bank=16384)
"""Without augmentation, so that other illumination stands out; a quarter of the patches finds the same outliers."""
_PLACES = ("place by colour", "place by lines")


@dataclass(frozen=True)
class _Measure:
    """One measure of every good plate: the reason in words when it is low (None: no reason) and when it is high."""

    low: str | None
    high: str
    unit: str = ""
    scale: float = 1.0


_MEASURES = {
    "brightness": _Measure("dark", "bright", " grey levels"),
    "red": _Measure("little red", "much red", " grey levels"),
    "green": _Measure("little green", "much green", " grey levels"),
    "blue": _Measure("little blue", "much blue", " grey levels"),
    "unevenness": _Measure(None, "unevenly bright (glare, shadow or damage)", " grey levels"),
    "edge strength": _Measure("few edges (blurred or plain)", "many edges", " grey levels per px"),
    "covered": _Measure("the plate is small in the picture", "the plate is large in the picture", " %", 100),
    "histogram": _Measure(None, "a histogram unlike any other good plate's", " Hellinger distance"),
    _PLACES[0]: _Measure(None, "a place whose colour no other good plate has", " times the usual distance"),
    _PLACES[1]: _Measure(None, "a place whose lines no other good plate has", " times the usual distance"),
}


def find(
    paths: Sequence[Path], photos: Photos, inside: Mask, plates: Sequence[PlateFeatures], seed: int
) -> tuple[tuple[Outlier, ...], int]:
    """The outliers of N good plates, strongest first, at most OUTLIERS_SHOWN, and the number of all outliers.

    `photos` (N, S, S, 3) uint8 are prepared; `inside` (N, S, S) bool is False on their padding.
    """
    distances, places = _places(photos, inside, seed)
    values = measures(plates) | dict(zip(_PLACES, distances, strict=True))
    zs = {name: _robust_z(each, _MEASURES[name].low is None) for name, each in values.items()}
    strongest = np.max([np.abs(z) for z in zs.values()], axis=0)
    order = [int(k) for k in np.argsort(-strongest, kind="stable") if strongest[k] > LIMIT]
    found = tuple(
        Outlier(
            path=str(paths[k]),
            reasons=_reasons(k, values, zs),
            photo=photos[k],
            place=_place([zs[name][k] for name in _PLACES], places[k]),
        )
        for k in order[:OUTLIERS_SHOWN]
    )
    return found, len(order)


def measures(plates: Sequence[PlateFeatures]) -> dict[str, Doubles]:
    """Each measure (N,) that all plates have, by its name."""
    names = [name for name in plates[0].measures if all(name in plate.measures for plate in plates)]
    found = {name: np.array([plate.measures[name] for plate in plates]) for name in names}
    found["covered"] = np.array([plate.covered for plate in plates])
    roots = np.stack([plate_features.roots(plate) for plate in plates])
    # the smallest distance is that to the plate itself; of three histograms it is at most the root of 6
    nearest = [np.sort(np.linalg.norm(roots - each, axis=1))[1] for each in roots]
    found["histogram"] = np.array(nearest) / np.sqrt(6)
    return found


def _places(photos: Photos, inside: Mask, seed: int) -> tuple[Doubles, Indices]:
    """For colour and for lines: each plate's peak distance from the patches of other plates, and where it is.

    Distances (2, N), divided by their median; places (N, 2, 2) as x, y.
    """
    order = np.random.default_rng(seed).permutation(len(photos))
    distances, places = np.zeros((2, len(photos))), np.zeros((len(photos), 2, 2), int)
    # unscaled: an outlier would enlarge the scale and so shrink all distances
    fitted = detector.fit_unscaled(photos, seed, _AS_TAKEN, inside)
    for fold in range(_FOLDS):
        held_out = order[fold::_FOLDS]
        bank = fitted.without(held_out)
        for k in held_out:
            for kind, seen in enumerate(bank.maps(photos[k], inside[k])):
                distances[kind, k] = fusion.pool(seen, inside=inside[k])
                y, x = np.unravel_index(int(seen.argmax()), seen.shape)
                places[k, kind] = x, y
    return distances / np.maximum(np.median(distances, axis=1, keepdims=True), 1e-9), places


def _place(zs: Sequence[float], places: Indices) -> tuple[int, int] | None:
    """The place with the larger z, None when neither is above the limit."""
    kind = int(np.argmax(zs))
    return (int(places[kind, 0]), int(places[kind, 1])) if zs[kind] > LIMIT else None


def _robust_z(values: Doubles, upper: bool) -> Doubles:
    """Robust z (N,) of log values: distance from the median in robust standard deviations; with `upper` at least 0.

    The standard deviation is at least 0.01, because smaller differences are camera noise.
    """
    logs = np.log(values + 1e-3)
    centre, deviation = median_and_deviation(logs)
    z = (logs - centre) / max(deviation, 0.01)
    return np.asarray(np.maximum(z, 0) if upper else z)


def _reasons(k: int, measures: Mapping[str, Doubles], zs: Mapping[str, Doubles]) -> tuple[str, ...]:
    """The strongest reasons, each with the plate's value and the interquartile range of all plates."""
    names = sorted((name for name in zs if abs(zs[name][k]) > LIMIT), key=lambda name: -abs(zs[name][k]))
    reasons = []
    for name in names[:SHOWN_REASONS]:
        measure, values = _MEASURES[name], measures[name] * _MEASURES[name].scale
        word = measure.low if zs[name][k] < 0 and measure.low else measure.high
        low, high = np.quantile(values, (0.25, 0.75))
        reasons.append(f"{word}: {values[k]:.3g}{measure.unit} (usual: {low:.3g} to {high:.3g})")
    return tuple(reasons)
