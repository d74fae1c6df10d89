"""Phase one: the surface. Colour and lines of every small cell, compared with cells of good plates.

Two banks hold what good cells look like: their colour (mean and spread of CIE Lab) and their lines (how strong the
detail is at several widths and along its two main directions). A cell's distance to the nearest good cell, in units
that good plates set themselves, is its anomaly. Fits in seconds, needs NumPy and OpenCV alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from platewatch import robust
from platewatch.arrays import Array
from platewatch.config import SurfaceConfig
from platewatch.photographs.illumination import gains, relight
from platewatch.surface.coreset import Coreset
from platewatch.surface.features import blur, describe
from platewatch.surface.nearest_neighbours import NearestNeighbours

DEFAULT = SurfaceConfig()


@dataclass(frozen=True)
class SurfaceResult:
    """What phase one sees on one plate; in score and maps 1 is the highest that is expected of a good plate."""

    score: float
    """The joined map, pooled: the larger of what stands out in a few places and what does in many."""
    anomaly_map: Array
    """Both maps in one, (S, S) float32 ≥ 0: the root of their squares, lines weighed as the settings say."""
    colour_map: Array
    """Colour alone, likewise."""
    line_map: Array
    """Lines alone, likewise."""


@dataclass(frozen=True)
class Bank:
    """Good cells by one kind of feature, and what counts as 1."""

    patches: Array
    """(M, F) float32."""
    scale: float
    """The distance from the nearest good cell that is 1 on its map."""

    @cached_property
    def _searched(self) -> NearestNeighbours:
        return NearestNeighbours.of(self.patches)

    def map(self, features: Array, inside: Array, settings: SurfaceConfig) -> Array:
        """The map (S, S) float32 of (C, C, F) features, 0 outside of `inside` (S, S) bool."""
        smooth = _to_map(_distances(features, self._searched) / np.float32(self.scale), len(inside), settings)
        return np.where(inside, smooth, np.float32(0))


@dataclass(frozen=True)
class Surface:
    """What good plates look like: the colours and the lines of their cells."""

    settings: SurfaceConfig
    colour: Bank
    line: Bank
    map_scale: float
    """The root of both maps' squares that is 1 on the joined map."""
    score_scales: tuple[float, ...]
    """The joined map, pooled over each of the shares, that is 1 as a score."""
    drawn: tuple[Coreset, Coreset] | None = None
    """What both banks were thinned out from; None from a model folder, and where photographs were left out."""

    def without(self, photos: Sequence[int] | Array) -> "Surface":
        """The same, units and all, without the cells of these photographs, given by number: it never saw them."""
        if self.drawn is None:
            raise ValueError("this surface does not know any more which photographs its cells are from")
        pair = zip((self.colour, self.line), self.drawn, strict=True)
        colour, line = (replace(bank, patches=drawn.without(photos)) for bank, drawn in pair)
        return replace(self, colour=colour, line=line, drawn=None)

    def inspect(self, photo: Array, inside: Array) -> SurfaceResult:
        """Compare a prepared (S, S, 3) uint8 photograph; `inside` (S, S) bool leaves out the padding around it."""
        settings = self.settings
        colour, line = describe(photo, settings)
        colour_map, line_map = self.colour.map(colour, inside, settings), self.line.map(line, inside, settings)
        anomaly_map = _join(colour_map, line_map, settings) / np.float32(self.map_scale)
        pooled = (pool(anomaly_map, share) for share in settings.score_fractions)
        score = max(each / scale for each, scale in zip(pooled, self.score_scales, strict=True))
        return SurfaceResult(score, anomaly_map, colour_map, line_map)

    def arrays(self) -> dict[str, Array]:
        """What judges, as named float32 arrays for an npz without objects; `from_arrays` is the inverse."""
        parts = {
            "colour_cells": self.colour.patches,
            "colour_unit": self.colour.scale,
            "line_cells": self.line.patches,
            "line_unit": self.line.scale,
            "map_unit": self.map_scale,
            "score_units": self.score_scales,
        }
        return {name: np.asarray(value, dtype=np.float32) for name, value in parts.items()}

    @staticmethod
    def from_arrays(arrays: dict[str, Array], settings: SurfaceConfig) -> "Surface":
        """The Surface that `arrays` gave; raises KeyError when one is missing."""
        colour, line = (Bank(arrays[f"{kind}_cells"], float(arrays[f"{kind}_unit"])) for kind in ("colour", "line"))
        units = tuple(float(scale) for scale in arrays["score_units"])
        return Surface(settings, colour, line, float(arrays["map_unit"]), units)


def fit(photos: Array, seed: int, settings: SurfaceConfig = DEFAULT) -> Surface:
    """Learn the good cells of (N, S, S, 3) uint8 prepared photographs, N at least 2; the same seed, the same banks."""
    colours, lines = _describe_all(photos, seed, settings)
    return _with_scales(_from_features(colours, lines, seed, settings), colours[0], lines[0])


def fit_unscaled(photos: Array, seed: int, settings: SurfaceConfig = DEFAULT) -> Surface:
    """The same cells without units, as half of the time is spared so: its maps are distances as they come."""
    return _from_features(*_describe_all(photos, seed, settings), seed, settings)


def pool(anomaly_map: Array, share: float = DEFAULT.peak_fraction) -> float:
    """The mean over the largest `share` of a map's places."""
    count = max(1, round(share * anomaly_map.size))
    flat = anomaly_map.ravel()
    return float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))


def _join(colour_map: Array, line_map: Array, settings: SurfaceConfig) -> Array:
    joined: Array = np.sqrt(colour_map**2 + (np.float32(settings.line_weight) * line_map) ** 2)  # hypot is slow
    return joined


def _describe_all(photos: Array, seed: int, settings: SurfaceConfig) -> tuple[Array, Array]:
    """Colour and line features, each (1 + relit, N, C, C, F), of every photograph and its copies in other light."""
    rng = np.random.default_rng(seed)
    lit = [photos, *(_other_illumination(photos, settings, rng) for _ in range(settings.illumination_copies))]
    described = [[describe(photo, settings) for photo in copy] for copy in lit]
    colour, line = (np.array([[each[part] for each in copy] for copy in described]) for part in (0, 1))
    return colour, line


def _other_illumination(photos: Array, settings: SurfaceConfig, rng: np.random.Generator) -> Array:
    """Each photograph once more under a lamp of another strength and colour, so that the lamp becomes no defect."""
    brightness = 1 + rng.uniform(-settings.brightness_range, settings.brightness_range, (len(photos), 1))
    warmth = rng.uniform(-settings.warmth_range, settings.warmth_range, (len(photos), 1))
    factors = gains(brightness, warmth)  # (N, 3)
    return np.stack([relight(*pair) for pair in zip(photos, factors, strict=True)])


def _from_features(colours: Array, lines: Array, seed: int, settings: SurfaceConfig) -> Surface:
    """A Surface whose units are 1, with banks drawn from features (1 + relit, N, C, C, F)."""
    numbers = np.broadcast_to(np.arange(colours.shape[1])[:, None, None], colours.shape[:-1]).ravel()
    order = np.random.default_rng(seed).permutation(len(numbers))[: settings.bank]
    colour, line = (Coreset.of(each.reshape(len(numbers), -1)[order], numbers[order]) for each in (colours, lines))
    banks = Bank(colour.patches, scale=1.0), Bank(line.patches, scale=1.0)
    return Surface(settings, *banks, 1.0, (1.0,) * len(settings.score_fractions), (colour, line))


def _with_scales(fitted: Surface, colours: Array, lines: Array) -> Surface:
    """What is 1: distance of colour, distance of line, both maps joined, and that map pooled over each share.

    Set by the good plates, (N, C, C, F) features each, every plate compared with the others' cells alone.
    """
    settings, maps = fitted.settings, []
    for plate, features in enumerate(zip(colours, lines, strict=True)):
        others = fitted.without([plate])
        pair = zip((others.colour, others.line), features, strict=True)
        maps.append([bank.map(each, np.ones(2 * (len(each) * settings.patch,), bool), settings) for bank, each in pair])
    colour, line = (_scale_of([pool(pair[kind], settings.peak_fraction) for pair in maps]) for kind in (0, 1))
    joined = [_join(first / colour, second / line, settings) for first, second in maps]
    peak = _scale_of([pool(each, settings.peak_fraction) for each in joined])
    scores = [_scale_of([pool(each, share) for each in joined]) / peak for share in settings.score_fractions]
    return replace(
        fitted,
        colour=replace(fitted.colour, scale=colour),
        line=replace(fitted.line, scale=line),
        map_scale=peak,
        score_scales=tuple(float(np.float32(each)) for each in scores),
    )


def _scale_of(scores: Sequence[float]) -> float:
    return float(np.float32(max(robust.limit(scores), 1e-6)))  # as it comes back from the folder


def _distances(features: Array, good: NearestNeighbours) -> Array:
    """The distance of each of (C, C, F) cells to a good one: (C, C) float32."""
    side = len(features)
    return good.distances(features.reshape(side * side, -1)).reshape(side, side)


def _to_map(patches: Array, size: int, settings: SurfaceConfig) -> Array:
    smooth: Array = cv2.resize(
        blur(patches, settings.smooth / settings.patch), (size, size), interpolation=cv2.INTER_LINEAR
    )
    return smooth
