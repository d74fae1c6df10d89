"""Phase one, the surface detector: distance of every patch to its nearest neighbour in memory banks of good patches.

There are up to three banks: colour, line and texture features of good patches. A patch's distance to its nearest
neighbour in a bank, divided by a scale that the good plates set, is the patch's value on that bank's anomaly map. The
maps are fused with weights. Fitting takes seconds and needs NumPy and OpenCV alone; texture features come from a
network that the caller hands in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from platewatch.arrays import Floats, Indices, Mask, Masks, Photo, Photos
from platewatch.config import SurfaceConfig
from platewatch.photographs import robust
from platewatch.photographs.illumination import gains, relight
from platewatch.surface.bank import Bank, shown, window
from platewatch.surface.coreset import Coreset
from platewatch.surface.features import describe

DEFAULT = SurfaceConfig()

Texture = Callable[[Photo, Mask], Floats]
"""Texture features (S/8, S/8, F) float32 of a prepared (S, S, 3) uint8 photograph; (S, S) bool is False on padding."""
Maps = tuple[Floats, ...]
"""Anomaly maps (S, S) float32 of one plate: colour, line, and texture where there is a texture bank."""

TEXTURE_PATCH = 8
"""Side of a patch of the texture features, px."""
KINDS = ("colour", "line", "texture")
"""The banks' names, in the order of Maps."""


@dataclass(frozen=True)
class Fusion:
    """How maps become one: the root, of this power, of the sum of the weighted maps' powers."""

    weights: tuple[float, ...]
    """Of the colour, line and, where there is one, texture map; not all 0."""
    power: int
    """1: their weighted sum; 2: the root of their squares' sum."""

    @staticmethod
    def default(settings: SurfaceConfig, banks: int) -> "Fusion":
        """The fusion of a detector for which nothing has chosen one."""
        return Fusion((1.0, settings.line_weight, 1.0)[:banks], 2)

    def of(self, maps: Maps) -> Floats:
        """The fused map (S, S) float32 of the banks' maps."""
        weighted = [np.float32(weight) * each for each, weight in zip(maps, self.weights, strict=True) if weight]
        if self.power == 1 or len(weighted) == 1:
            fused: Floats = np.sum(weighted, axis=0, dtype=np.float32)
        else:
            fused = np.sqrt(np.sum(np.square(weighted), axis=0, dtype=np.float32))  # hypot is slow
        return fused


@dataclass(frozen=True)
class SurfaceResult:
    """Score and maps of one plate; in all of them 1 is the robust 3σ limit of good plates."""

    score: float
    """The largest of the fused map's pooled values, one for each of `score_fractions`."""
    anomaly_map: Floats
    """The banks' maps fused, (S, S) float32 ≥ 0."""
    maps: Maps
    """Each bank's own map; 0 where the bank was not searched because its map has no weight."""


@dataclass(frozen=True)
class Surface:
    """The fitted detector: memory banks, and the scales of maps and score."""

    settings: SurfaceConfig
    banks: tuple[Bank, ...]
    """Colour, line, and texture where `texture` is given."""
    fusion: Fusion
    """How the banks' maps become one."""
    map_scale: float
    """The fused map is divided by this."""
    score_scales: tuple[float, ...]
    """For each of `score_fractions`: the pooled value is divided by this."""
    texture: Texture | None = None
    """Gives the texture features."""
    coresets: tuple[Coreset, ...] | None = None
    """The banks' coresets; None after loading from a model folder and after `without`."""

    def without(self, photos: Sequence[int] | Indices) -> "Surface":
        """The detector without the patches of these photographs, given by number; the scales stay the same.

        Raises ValueError when `coresets` is None.
        """
        if self.coresets is None:
            raise ValueError("no coresets: the photographs that the patches are from are unknown")
        pairs = zip(self.banks, self.coresets, strict=True)
        banks = tuple(replace(bank, patches=coreset.without(photos)) for bank, coreset in pairs)
        return replace(self, banks=banks, coresets=None)

    def maps(self, photo: Photo, inside: Mask, *, every_bank: bool = True) -> Maps:
        """Each bank's anomaly map of a prepared (S, S, 3) uint8 photograph; `inside` is False on its padding.

        Without `every_bank` the banks whose maps have no weight are not searched: their maps are 0.
        """
        part, weights = window(inside), self.fusion.weights
        needed = [every_bank or weight > 0 for weight in weights]
        texture = self.texture if needed[-1] else None  # the last one, where there is a network
        found = describe_all(photo, inside, self.settings, texture)
        maps = tuple(np.zeros(inside.shape, np.float32) for _ in self.banks)
        for each, bank, features, search in zip(maps, self.banks, found, needed, strict=False):
            if search:
                each[part] = bank.map(features, inside[part], self.settings)
        return maps

    def inspect(self, photo: Photo, inside: Mask, *, every_bank: bool = False) -> SurfaceResult:
        """Score a prepared (S, S, 3) uint8 photograph; `inside` (S, S) bool is False on its padding.

        Banks whose maps have no weight are searched only with `every_bank`; the score is the same.
        """
        maps = self.maps(photo, inside, every_bank=every_bank)
        anomaly_map = self.fusion.of(maps) / np.float32(self.map_scale)
        return SurfaceResult(self.score(anomaly_map, inside), anomaly_map, maps)

    def score(self, anomaly_map: Floats, inside: Mask) -> float:
        """The score of a fused and scaled map (S, S) float32, 0 outside of `inside` (S, S) bool."""
        settings = self.settings
        pooled = [pool(anomaly_map, fraction, inside, settings.pool_area) for fraction in settings.score_fractions]
        return max(each / scale for each, scale in zip(pooled, self.score_scales, strict=True))

    def arrays(self) -> dict[str, Floats]:
        """The banks and scales as named float32 arrays for an npz file; `from_arrays` is the inverse."""
        parts = {"map_unit": self.map_scale, "score_units": self.score_scales}
        for kind, bank in zip(KINDS, self.banks, strict=False):
            parts |= {f"{kind}_cells": bank.patches, f"{kind}_unit": bank.scale}
        return {name: np.asarray(value, dtype=np.float32) for name, value in parts.items()}

    @staticmethod
    def from_arrays(
        arrays: dict[str, Floats],
        settings: SurfaceConfig,
        fusion: Fusion | None = None,
        texture: Texture | None = None,
    ) -> "Surface":
        """The Surface whose `arrays` these are; raises KeyError when one is missing.

        Without `fusion` it is the default one.
        """
        kinds = KINDS if texture else KINDS[:2]
        banks = tuple(Bank(arrays[f"{kind}_cells"], float(arrays[f"{kind}_unit"])) for kind in kinds)
        score_scales = tuple(float(scale) for scale in arrays["score_units"])
        fusion = fusion or Fusion.default(settings, len(kinds))
        return Surface(settings, banks, fusion, float(arrays["map_unit"]), score_scales, texture)


def describe_all(
    photo: Photo, inside: Mask, settings: SurfaceConfig, texture: Texture | None = None
) -> tuple[Floats, ...]:
    """Colour, line and, with `texture`, texture features, each (A, B, F) float32, of the part with the photograph.

    `photo` (S, S, 3) uint8 is prepared, `inside` (S, S) bool is False on its padding; the part is its `window`.
    """
    part = window(inside)
    found = describe(np.ascontiguousarray(photo[part]), settings)
    if texture is None:
        return found
    rows, columns = (slice(each.start // TEXTURE_PATCH, each.stop // TEXTURE_PATCH) for each in part)
    return *found, texture(photo, inside)[rows, columns]


def fit(
    photos: Photos,
    seed: int,
    settings: SurfaceConfig = DEFAULT,
    insides: Masks | None = None,
    groups: Sequence[int] | None = None,
) -> Surface:
    """Fit banks and scales to (N, S, S, 3) uint8 prepared good photographs, N ≥ 2; deterministic for a seed.

    `insides` (N, S, S) bool is False on their padding, which is not learned; None for photographs without padding.
    `groups`: the group of each photograph; the scales compare none with its own group. At least 2 groups. There is no
    bank of texture features.
    """
    insides = np.ones(photos.shape[:3], bool) if insides is None else insides
    numbers = np.arange(len(photos)) if groups is None else np.asarray(groups)
    fitted = fit_unscaled(photos, seed, settings, insides)
    others = (fitted.without(np.flatnonzero(numbers == group)) for group in numbers)
    return with_scales(fitted, [each.maps(*pair) for each, *pair in zip(others, photos, insides, strict=True)], insides)


def fit_unscaled(
    photos: Photos,
    seed: int,
    settings: SurfaceConfig = DEFAULT,
    insides: Masks | None = None,
    texture: Texture | None = None,
) -> Surface:
    """Fit as `fit` does, but with all scales 1: maps are plain distances."""
    insides = np.ones(photos.shape[:3], bool) if insides is None else insides
    samples = _sample(photos, insides, seed, settings, texture)
    coresets = tuple(Coreset.of(each.features(), each.numbers) for each in samples)
    banks = tuple(Bank(each.patches, scale=1.0) for each in coresets)
    ones = (1.0,) * len(settings.score_fractions)
    return Surface(settings, banks, Fusion.default(settings, len(banks)), 1.0, ones, texture, coresets)


def with_scales(fitted: Surface, maps: Sequence[Maps], insides: Masks) -> Surface:
    """Set the scales of the banks, of the fused map and of the score; each is the robust 3σ limit of the good plates.

    `maps` are the N good plates', each by banks with scale 1 and without the plate's own patches; `insides` (N, S, S)
    bool is False on the padding.
    """
    settings = fitted.settings

    def scale(pictures: Sequence[Floats], fraction: float) -> float:
        pairs = zip(pictures, insides, strict=True)
        return _scale_of([pool(each, fraction, inside, settings.pool_area) for each, inside in pairs])

    scales = [scale(pictures, settings.peak_fraction) for pictures in zip(*maps, strict=True)]
    scaled = [tuple(each / np.float32(by) for each, by in zip(plate, scales, strict=True)) for plate in maps]
    fused = [fitted.fusion.of(plate) for plate in scaled]
    peak = scale(fused, settings.peak_fraction)
    scores = [scale(fused, fraction) / peak for fraction in settings.score_fractions]
    return replace(
        fitted,
        banks=tuple(replace(bank, scale=by) for bank, by in zip(fitted.banks, scales, strict=True)),
        map_scale=peak,
        score_scales=tuple(float(np.float32(each)) for each in scores),
    )


def pool(
    anomaly_map: Floats, fraction: float = DEFAULT.peak_fraction, inside: Mask | None = None, most: int | None = None
) -> float:
    """The mean of a map's top pixels: the top `fraction` of its pixels, or of those in `inside`, where it is given.

    `anomaly_map` (S, S) is ≥ 0, and 0 outside of `inside` (S, S) bool. The fraction is of `most` pixels at most: a
    defect counts as much in a large picture as in a small one.
    """
    area = anomaly_map.size if inside is None else int(np.count_nonzero(inside))
    count = max(1, round(fraction * (area if most is None else min(area, most))))
    flat = anomaly_map.ravel()
    return float(np.partition(flat, flat.size - count)[-count:].mean(dtype=np.float64))


class _Sample:
    """Patches of one kind, drawn at random from photographs and their copies."""

    def __init__(self, insides: Masks, copies: int, patch: int, count: int, rng: np.random.Generator) -> None:
        """Draw `count` patches, `patch` px wide, that lie on the photographs: (N, S, S) bool `insides`."""
        covered = np.stack([shown(inside, patch) for inside in insides])  # (N, C, C)
        order = rng.permutation(copies * covered.size)
        order = order[np.tile(covered.ravel(), copies)[order]][:count]
        self._patch, self._side = patch, covered.shape[1]
        self._picture, self._place = np.divmod(order, covered[0].size)
        self.numbers: Indices = self._picture % len(insides)
        """(D,) int: number of the photograph that each patch is from."""
        self._parts: list[Floats] = []
        self._rows: list[Indices] = []

    def take(self, picture: int, features: Floats, part: tuple[slice, slice]) -> None:
        """Keep the drawn patches of a picture's features (A, B, F), which are those of a `part` of the square."""
        rows = np.flatnonzero(self._picture == picture)
        down, across = np.divmod(self._place[rows], self._side)
        self._rows.append(rows)
        self._parts.append(features[down - part[0].start // self._patch, across - part[1].start // self._patch])

    def features(self) -> Floats:
        """(D, F) float32: the drawn patches' features, in random order."""
        found: Floats = np.concatenate(self._parts)
        found[np.concatenate(self._rows)] = found.copy()
        return found


def _sample(
    photos: Photos, insides: Masks, seed: int, settings: SurfaceConfig, texture: Texture | None
) -> list[_Sample]:
    """Patches of each kind, drawn from the photographs and their copies under other illuminations."""
    copies = _copies(photos, seed, settings)
    count = len(copies)
    samples = [_Sample(insides, count, settings.patch, settings.bank, np.random.default_rng(seed)) for _ in range(2)]
    if texture is not None:
        rng = np.random.default_rng([seed, 1])
        samples.append(_Sample(insides, count, TEXTURE_PATCH, settings.texture_bank, rng))
    for picture, photo in enumerate(photo for copy in copies for photo in copy):
        inside = insides[picture % len(photos)]
        for sample, features in zip(samples, describe_all(photo, inside, settings, texture), strict=True):
            sample.take(picture, features, window(inside))
    return samples


def _copies(photos: Photos, seed: int, settings: SurfaceConfig) -> list[Photos]:
    """The photographs, then their copies under other illuminations: dimmer and brighter in turn, of random warmth.

    The first two copies have the ends of the range of brightness, because texture features change most where pixels
    begin to clip; further ones lie between.
    """
    rng, found = np.random.default_rng(seed), [photos]
    for copy in range(settings.illumination_copies):
        step = settings.brightness_range / (copy // 2 + 1)
        brightness = np.full((len(photos), 1), 1 + (step if copy % 2 else -step))
        warmth = rng.uniform(-settings.warmth_range, settings.warmth_range, (len(photos), 1))
        factors = gains(brightness, warmth)  # (N, 3)
        found.append(np.stack([relight(*pair) for pair in zip(photos, factors, strict=True)]))
    return found


def _scale_of(scores: Sequence[float]) -> float:
    return float(np.float32(max(robust.limit(scores), 1e-6)))  # rounded as the model folder stores it
