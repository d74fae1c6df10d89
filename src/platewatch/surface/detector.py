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
from platewatch.arrays import Array, Floats, Indices, Mask, Masks, Photo, Photos
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
        """The anomaly map (S, S) float32 of (C, C, F) features, 0 outside of `inside` (S, S) bool.

        Patches that lie wholly on the padding are not searched: their distances would blur into the map.
        """
        anomaly_map = np.zeros(inside.shape, np.float32)
        if not inside.any():
            return anomaly_map
        rows, columns = _box(_shown(inside, settings.patch))
        smooth = _to_map(_distances(features[rows, columns], self._index) / np.float32(self.scale), settings)
        pixels = tuple(slice(each.start * settings.patch, each.stop * settings.patch) for each in (rows, columns))
        anomaly_map[pixels] = np.where(inside[pixels], smooth, np.float32(0))
        return anomaly_map


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
        pooled = (pool(anomaly_map, fraction, inside) for fraction in settings.score_fractions)
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


def fit(
    photos: Photos,
    seed: int,
    settings: SurfaceConfig = DEFAULT,
    insides: Masks | None = None,
    groups: Sequence[int] | None = None,
) -> Surface:
    """Fit banks and scales to (N, S, S, 3) uint8 prepared good photographs, N ≥ 2; deterministic for a seed.

    `insides` (N, S, S) bool is False on their padding, which is not learned; None for photographs without padding.
    `groups`: the group of each photograph; the scales compare none with its own group. At least 2 groups.
    """
    insides = np.ones(photos.shape[:3], bool) if insides is None else insides
    numbers = np.arange(len(photos)) if groups is None else np.asarray(groups)
    colours, lines = _describe_all(photos, seed, settings)
    fitted = _from_features(colours, lines, insides, seed, settings)
    return _with_scales(fitted, colours[0], lines[0], insides, numbers)


def fit_unscaled(photos: Photos, seed: int, settings: SurfaceConfig = DEFAULT, insides: Masks | None = None) -> Surface:
    """Fit as `fit` does, but with all scales 1, in half of the time: maps are plain distances."""
    insides = np.ones(photos.shape[:3], bool) if insides is None else insides
    return _from_features(*_describe_all(photos, seed, settings), insides, seed, settings)


def pool(anomaly_map: Floats, fraction: float = DEFAULT.peak_fraction, inside: Mask | None = None) -> float:
    """The mean of a map's top pixels: the top `fraction` of its pixels, or of those in `inside`, where it is given.

    `anomaly_map` (S, S) is ≥ 0, and 0 outside of `inside` (S, S) bool.
    """
    count = max(1, round(fraction * (anomaly_map.size if inside is None else np.count_nonzero(inside))))
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


def _from_features(colours: Floats, lines: Floats, insides: Masks, seed: int, settings: SurfaceConfig) -> Surface:
    """A Surface with all scales 1 and banks sampled from features (1 + copies, N, C, C, F) within `insides`."""
    numbers = np.broadcast_to(np.arange(colours.shape[1])[:, None, None], colours.shape[:-1]).ravel()
    shown = np.stack([_shown(inside, settings.patch) for inside in insides])
    order = np.random.default_rng(seed).permutation(len(numbers))
    order = order[np.broadcast_to(shown, colours.shape[:-1]).ravel()[order]][: settings.bank]
    colour, line = (Coreset.of(each.reshape(len(numbers), -1)[order], numbers[order]) for each in (colours, lines))
    banks = Bank(colour.patches, scale=1.0), Bank(line.patches, scale=1.0)
    return Surface(settings, *banks, 1.0, (1.0,) * len(settings.score_fractions), (colour, line))


def _with_scales(fitted: Surface, colours: Floats, lines: Floats, insides: Masks, groups: Indices) -> Surface:
    """Set the scales of both banks, of the fused map and of the score, from the good plates' (N, C, C, F) features.

    Each scale is the robust 3σ limit of the good plates. Each plate is compared with the patches of other groups alone.
    """
    settings, maps = fitted.settings, []
    for plate, features in enumerate(zip(colours, lines, strict=True)):
        others = fitted.without(np.flatnonzero(groups == groups[plate]))
        pair = zip((others.colour, others.line), features, strict=True)
        maps.append([bank.map(each, insides[plate], settings) for bank, each in pair])

    def scale(pictures: Sequence[Floats], fraction: float) -> float:
        return _scale_of([pool(each, fraction, inside) for each, inside in zip(pictures, insides, strict=True)])

    colour, line = (scale([pair[kind] for pair in maps], settings.peak_fraction) for kind in (0, 1))
    fused = [_fuse_maps(first / colour, second / line, settings) for first, second in maps]
    peak = scale(fused, settings.peak_fraction)
    scores = [scale(fused, fraction) / peak for fraction in settings.score_fractions]
    return replace(
        fitted,
        colour=replace(fitted.colour, scale=colour),
        line=replace(fitted.line, scale=line),
        map_scale=peak,
        score_scales=tuple(float(np.float32(each)) for each in scores),
    )


def _scale_of(scores: Sequence[float]) -> float:
    return float(np.float32(max(robust.limit(scores), 1e-6)))  # rounded as the model folder stores it


def _shown(inside: Mask, patch: int) -> Mask:
    """(C, C) bool: the patches with at least one pixel in `inside` (S, S) bool, C = S / patch."""
    count = len(inside) // patch
    return np.asarray(inside.reshape(count, patch, count, patch).any(axis=(1, 3)))


def _box(shown: Mask) -> tuple[slice, slice]:
    """Rows and columns of the smallest rectangle around the True of (C, C) bool."""
    left, top, width, height = cv2.boundingRect(shown.view(np.uint8))
    return slice(top, top + height), slice(left, left + width)


def _distances(features: Floats, bank: NearestNeighbours) -> Floats:
    """The distance of each of (A, B, F) patches to its nearest neighbour in the bank: (A, B) float32."""
    rows, columns, length = features.shape
    return bank.distances(np.ascontiguousarray(features).reshape(rows * columns, length)).reshape(rows, columns)


def _to_map(patches: Floats, settings: SurfaceConfig) -> Floats:
    """The values (A, B) of patches, blurred and enlarged to (A · patch, B · patch) px."""
    height, width = patches.shape
    smooth: Array = cv2.resize(
        blur(patches, settings.smooth / settings.patch),
        (width * settings.patch, height * settings.patch),
        interpolation=cv2.INTER_LINEAR,
    )
    return smooth
