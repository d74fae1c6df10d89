"""Phase one, the surface detector: distance of every patch to its nearest neighbour in memory banks of good patches.

There are two banks: colour features and line features of good patches. A patch's distance to its nearest neighbour in a
bank, divided by a scale that the good plates set, is the patch's value on that bank's anomaly map. Fitting takes
seconds and needs NumPy and OpenCV alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from platewatch import robust
from platewatch.arrays import Array, Floats, Indices, Mask, Photo, Photos
from platewatch.config import SurfaceConfig
from platewatch.photographs.illumination import gains, relight
from platewatch.surface.coreset import Coreset
from platewatch.surface.features import blur, describe
from platewatch.surface.nearest_neighbours import NearestNeighbours

DEFAULT = SurfaceConfig()


@dataclass(frozen=True)
class SurfaceResult:
    """Score and maps of one plate; in all of them 1 is the robust 3σ limit of good plates."""

    score: float
    """The largest of the fused map's pooled values, one for each of `score_fractions`."""
    anomaly_map: Floats
    """Colour map and line map fused, (S, S) float32 ≥ 0."""
    colour_map: Floats
    """From the colour features alone, (S, S) float32 ≥ 0."""
    line_map: Floats
    """From the line features alone, (S, S) float32 ≥ 0."""


@dataclass(frozen=True)
class Bank:
    """The memory bank of one kind of feature."""

    patches: Floats
    """(M, F) float32 features of good patches."""
    scale: float
    """Distances are divided by this, so that the robust 3σ limit of good plates is 1 on the map."""

    @cached_property
    def _index(self) -> NearestNeighbours:
        return NearestNeighbours.of(self.patches)

    def map(self, features: Floats, inside: Mask, settings: SurfaceConfig) -> Floats:
        """The anomaly map (S, S) float32 of (C, C, F) features, 0 outside of `inside` (S, S) bool."""
        smooth = _to_map(_distances(features, self._index) / np.float32(self.scale), len(inside), settings)
        return np.where(inside, smooth, np.float32(0))


@dataclass(frozen=True)
class Surface:
    """The fitted detector: memory banks of colour and line features, and the scales of maps and score."""

    settings: SurfaceConfig
    colour: Bank
    line: Bank
    map_scale: float
    """The fused map is divided by this."""
    score_scales: tuple[float, ...]
    """For each of `score_fractions`: the pooled value is divided by this."""
    coresets: tuple[Coreset, Coreset] | None = None
    """The coresets of both banks; None after loading from a model folder and after `without`."""

    def without(self, photos: Sequence[int] | Indices) -> "Surface":
        """The detector without the patches of these photographs, given by number; the scales stay the same.

        Raises ValueError when `coresets` is None.
        """
        if self.coresets is None:
            raise ValueError("no coresets: the photographs that the patches are from are unknown")
        pair = zip((self.colour, self.line), self.coresets, strict=True)
        colour, line = (replace(bank, patches=coreset.without(photos)) for bank, coreset in pair)
        return replace(self, colour=colour, line=line, coresets=None)

    def inspect(self, photo: Photo, inside: Mask) -> SurfaceResult:
        """Score a prepared (S, S, 3) uint8 photograph; `inside` (S, S) bool is False on its padding."""
        settings = self.settings
        colour, line = describe(photo, settings)
        colour_map, line_map = self.colour.map(colour, inside, settings), self.line.map(line, inside, settings)
        anomaly_map = _fuse_maps(colour_map, line_map, settings) / np.float32(self.map_scale)
        pooled = (pool(anomaly_map, fraction) for fraction in settings.score_fractions)
        score = max(each / scale for each, scale in zip(pooled, self.score_scales, strict=True))
        return SurfaceResult(score, anomaly_map, colour_map, line_map)

    def arrays(self) -> dict[str, Floats]:
        """The banks and scales as named float32 arrays for an npz file; `from_arrays` is the inverse."""
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
    def from_arrays(arrays: dict[str, Floats], settings: SurfaceConfig) -> "Surface":
        """The Surface whose `arrays` these are; raises KeyError when one is missing."""
        colour, line = (Bank(arrays[f"{kind}_cells"], float(arrays[f"{kind}_unit"])) for kind in ("colour", "line"))
        score_scales = tuple(float(scale) for scale in arrays["score_units"])
        return Surface(settings, colour, line, float(arrays["map_unit"]), score_scales)


def fit(photos: Photos, seed: int, settings: SurfaceConfig = DEFAULT, groups: Sequence[int] | None = None) -> Surface:
    """Fit banks and scales to (N, S, S, 3) uint8 prepared good photographs, N ≥ 2; deterministic for a seed.

    `groups`: the group of each photograph; the scales compare none with its own group. At least 2 groups.
    """
    colours, lines = _describe_all(photos, seed, settings)
    numbers = np.arange(len(photos)) if groups is None else np.asarray(groups)
    return _with_scales(_from_features(colours, lines, seed, settings), colours[0], lines[0], numbers)


def fit_unscaled(photos: Photos, seed: int, settings: SurfaceConfig = DEFAULT) -> Surface:
    """Fit as `fit` does, but with all scales 1, in half of the time: maps are plain distances."""
    return _from_features(*_describe_all(photos, seed, settings), seed, settings)


def pool(anomaly_map: Floats, fraction: float = DEFAULT.peak_fraction) -> float:
    """The mean of a map's top `fraction` of pixels."""
    count = max(1, round(fraction * anomaly_map.size))
    flat = anomaly_map.ravel()
    return float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))


def _fuse_maps(colour_map: Floats, line_map: Floats, settings: SurfaceConfig) -> Floats:
    fused: Floats = np.sqrt(colour_map**2 + (np.float32(settings.line_weight) * line_map) ** 2)  # hypot is slow
    return fused


def _describe_all(photos: Photos, seed: int, settings: SurfaceConfig) -> tuple[Floats, Floats]:
    """Colour and line features of the photographs and their illumination copies, each (1 + copies, N, C, C, F)."""
    rng = np.random.default_rng(seed)
    copies = [photos, *(_other_illumination(photos, settings, rng) for _ in range(settings.illumination_copies))]
    described = [[describe(photo, settings) for photo in copy] for copy in copies]
    colour, line = (np.array([[each[part] for each in copy] for copy in described]) for part in (0, 1))
    return colour, line


def _other_illumination(photos: Photos, settings: SurfaceConfig, rng: np.random.Generator) -> Photos:
    """A copy of each photograph under an illumination of random brightness and warmth."""
    brightness = 1 + rng.uniform(-settings.brightness_range, settings.brightness_range, (len(photos), 1))
    warmth = rng.uniform(-settings.warmth_range, settings.warmth_range, (len(photos), 1))
    factors = gains(brightness, warmth)  # (N, 3)
    return np.stack([relight(*pair) for pair in zip(photos, factors, strict=True)])


def _from_features(colours: Floats, lines: Floats, seed: int, settings: SurfaceConfig) -> Surface:
    """A Surface with all scales 1 and banks sampled from features (1 + copies, N, C, C, F)."""
    numbers = np.broadcast_to(np.arange(colours.shape[1])[:, None, None], colours.shape[:-1]).ravel()
    order = np.random.default_rng(seed).permutation(len(numbers))[: settings.bank]
    colour, line = (Coreset.of(each.reshape(len(numbers), -1)[order], numbers[order]) for each in (colours, lines))
    banks = Bank(colour.patches, scale=1.0), Bank(line.patches, scale=1.0)
    return Surface(settings, *banks, 1.0, (1.0,) * len(settings.score_fractions), (colour, line))


def _with_scales(fitted: Surface, colours: Floats, lines: Floats, groups: Indices) -> Surface:
    """Set the scales of both banks, of the fused map and of the score, from the good plates' (N, C, C, F) features.

    Each scale is the robust 3σ limit of the good plates. Each plate is compared with the patches of other groups alone.
    """
    settings, maps = fitted.settings, []
    for plate, features in enumerate(zip(colours, lines, strict=True)):
        others = fitted.without(np.flatnonzero(groups == groups[plate]))
        pair = zip((others.colour, others.line), features, strict=True)
        maps.append([bank.map(each, np.ones(2 * (len(each) * settings.patch,), bool), settings) for bank, each in pair])
    colour, line = (_scale_of([pool(pair[kind], settings.peak_fraction) for pair in maps]) for kind in (0, 1))
    fused = [_fuse_maps(first / colour, second / line, settings) for first, second in maps]
    peak = _scale_of([pool(each, settings.peak_fraction) for each in fused])
    scores = [_scale_of([pool(each, fraction) for each in fused]) / peak for fraction in settings.score_fractions]
    return replace(
        fitted,
        colour=replace(fitted.colour, scale=colour),
        line=replace(fitted.line, scale=line),
        map_scale=peak,
        score_scales=tuple(float(np.float32(each)) for each in scores),
    )


def _scale_of(scores: Sequence[float]) -> float:
    return float(np.float32(max(robust.limit(scores), 1e-6)))  # rounded as the model folder stores it


def _distances(features: Floats, bank: NearestNeighbours) -> Floats:
    """The distance of each of (C, C, F) patches to its nearest neighbour in the bank: (C, C) float32."""
    side = len(features)
    return bank.distances(features.reshape(side * side, -1)).reshape(side, side)


def _to_map(patches: Floats, size: int, settings: SurfaceConfig) -> Floats:
    smooth: Array = cv2.resize(
        blur(patches, settings.smooth / settings.patch), (size, size), interpolation=cv2.INTER_LINEAR
    )
    return smooth
