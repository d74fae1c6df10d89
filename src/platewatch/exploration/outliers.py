"""Odd ones among the good plates: a dark photograph, a rust spot, a plate of another size, each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.neighbors import NearestNeighbors

from platewatch.arrays import Array
from platewatch.config import SurfaceConfig
from platewatch.exploration import classical_detectors
from platewatch.exploration.classical_detectors import Plate
from platewatch.exploration.findings import OUTLIERS_SHOWN, Outlier
from platewatch.robust import median_and_deviation
from platewatch.surface import detector

LIMIT = 3.5
"""Robust z from which a plate is odd (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)."""
SHOWN_REASONS = 3
_FOLDS = 3
_AS_TAKEN = SurfaceConfig(illumination_copies=0)  # another light is worth pointing out here
_PLACES = ("place by colour", "place by lines")


@dataclass(frozen=True)
class _Figure:
    """One number of every good plate: what to call it when low (None: no matter) and when high, and its unit."""

    low: str | None
    high: str
    unit: str = ""
    scale: float = 1.0


_FIGURES = {
    "brightness": _Figure("dark", "bright", " grey levels"),
    "red": _Figure("little red", "much red", " grey levels"),
    "green": _Figure("little green", "much green", " grey levels"),
    "blue": _Figure("little blue", "much blue", " grey levels"),
    "unevenness": _Figure(None, "unevenly bright (glare, shadow or damage)", " grey levels"),
    "edge strength": _Figure("few edges (blurred or plain)", "many edges", " grey levels per px"),
    "covered": _Figure("the plate is small in the picture", "the plate is large in the picture", " %", 100),
    "histogram": _Figure(None, "a histogram unlike any other good plate's", " of 1 apart"),
    _PLACES[0]: _Figure(None, "a place whose colour no other good plate has", " times the usual distance"),
    _PLACES[1]: _Figure(None, "a place whose lines no other good plate has", " times the usual distance"),
}


def find(
    paths: Sequence[Path], photos: Array, inside: Array, plates: Sequence[Plate], seed: int
) -> tuple[tuple[Outlier, ...], int]:
    """The oddest of N good plates, at most ODD_SHOWN, and how many are odd in all.

    `photos` (N, S, S, 3) uint8 are prepared, `inside` (N, S, S) bool leaves out the padding around them.
    """
    distances, places = _places(photos, inside, seed)
    figures = _figures(plates) | dict(zip(_PLACES, distances, strict=True))
    zs = {name: _robust_z(values, _FIGURES[name].low is None) for name, values in figures.items()}
    strongest = np.max([np.abs(z) for z in zs.values()], axis=0)
    order = [int(k) for k in np.argsort(-strongest, kind="stable") if strongest[k] > LIMIT]
    found = tuple(
        Outlier(
            path=str(paths[k]),
            reasons=_reasons(k, figures, zs),
            photo=photos[k],
            place=_place([zs[name][k] for name in _PLACES], places[k]),
        )
        for k in order[:OUTLIERS_SHOWN]
    )
    return found, len(order)


def _figures(plates: Sequence[Plate]) -> dict[str, Array]:
    names = [name for name in plates[0].measures if all(name in plate.measures for plate in plates)]
    figures = {name: np.array([plate.measures[name] for plate in plates]) for name in names}
    figures["covered"] = np.array([plate.covered for plate in plates])
    roots = np.stack([classical_detectors.roots(plate) for plate in plates])
    # the nearest of all is the plate itself; over three channels Hellinger's distance reaches the root of 6
    figures["histogram"] = NearestNeighbors(n_neighbors=2).fit(roots).kneighbors(roots)[0][:, 1] / np.sqrt(6)
    return figures


def _places(photos: Array, inside: Array, seed: int) -> tuple[Array, Array]:
    """How far each plate's strangest places are, by colour and by lines, from the cells of other plates.

    Distances (2, N), 1 for the middlemost plate, and where each is strangest, (N, 2, 2) as x, y.
    """
    order = np.random.default_rng(seed).permutation(len(photos))
    distances, places = np.zeros((2, len(photos))), np.zeros((len(photos), 2, 2), int)
    # in units that good plates set, an odd one among them would shrink all distances
    fitted = detector.fit_unscaled(photos, seed, _AS_TAKEN)
    for fold in range(_FOLDS):
        held_out = order[fold::_FOLDS]
        bank = fitted.without(held_out)
        for k in held_out:
            result = bank.inspect(photos[k], inside[k])
            for kind, seen in enumerate((result.colour_map, result.line_map)):
                distances[kind, k] = detector.pool(seen)
                y, x = np.unravel_index(int(seen.argmax()), seen.shape)
                places[k, kind] = x, y
    return distances / np.maximum(np.median(distances, axis=1, keepdims=True), 1e-9), places


def _place(zs: Sequence[float], places: Array) -> tuple[int, int] | None:
    """The stranger of the two places, None when neither is odd."""
    kind = int(np.argmax(zs))
    return (int(places[kind, 0]), int(places[kind, 1])) if zs[kind] > LIMIT else None


def _robust_z(values: Array, upper: bool) -> Array:
    """Distance from the median in robust standard deviations of the logarithm, or 0 below it when only `upper` counts.

    Differences below a hundredth are the camera's, so the deviation is never smaller.
    """
    logs = np.log(values + 1e-3)
    centre, deviation = median_and_deviation(logs)
    z = (logs - centre) / max(deviation, 0.01)
    return np.asarray(np.maximum(z, 0) if upper else z)


def _reasons(k: int, figures: Mapping[str, Array], zs: Mapping[str, Array]) -> tuple[str, ...]:
    """The strongest reasons, each with the plate's figure and where the middle half of all lies."""
    names = sorted((name for name in zs if abs(zs[name][k]) > LIMIT), key=lambda name: -abs(zs[name][k]))
    reasons = []
    for name in names[:SHOWN_REASONS]:
        figure, values = _FIGURES[name], figures[name] * _FIGURES[name].scale
        word = figure.low if zs[name][k] < 0 and figure.low else figure.high
        low, high = np.quantile(values, (0.25, 0.75))
        reasons.append(f"{word}: {values[k]:.3g}{figure.unit} (usual: {low:.3g} to {high:.3g})")
    return tuple(reasons)
