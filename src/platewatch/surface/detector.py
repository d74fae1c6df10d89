"""Phase one, the surface detector: distance of every patch to its nearest neighbour in memory banks of good patches.

There are up to three banks: colour, line and texture features of good patches. A patch's distance to its nearest
neighbour in a bank, divided by a scale that the good plates set, is the patch's value on that bank's anomaly map. The
maps are fused with weights. Fitting takes seconds and needs NumPy and OpenCV alone; texture features come from a
network that the caller hands in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from platewatch.arrays import Floats, Indices, Mask, Masks, Photo, Photos
from platewatch.config import SurfaceConfig
from platewatch.surface import fusion, patches
from platewatch.surface.bank import Bank, window
from platewatch.surface.coreset import Coreset
from platewatch.surface.fusion import Fusion, Maps, Pooling, pool, pools
from platewatch.surface.patches import Texture

DEFAULT = SurfaceConfig()

KINDS = ("colour", "line", "texture")
"""The banks' names, in the order of Maps."""


@dataclass(frozen=True)
class SurfaceResult:
    """Score and maps of one plate.

    In each bank's map 1 is the robust 3σ limit of good plates. In the score and the fused map it is that limit or, for
    the values with a margin (`fusion.Pooling`), at least the worst good plate's value times the margin.
    """

    score: float
    """The largest of the pooled values of fused and fine map (`fusion.poolings`), each divided by its scale."""
    anomaly_map: Floats
    """The banks' maps fused, or the fine map where that is larger, (S, S) float32 ≥ 0."""
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
    """For each of the score's pooled values (`poolings`): it is divided by this."""
    texture: Texture | None = None
    """Gives the texture features."""
    level: float | None = None
    """The brightness, 0 to 255, that a photograph is levelled to for colour and line features; None: as taken."""
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
        found = patches.describe_all(photo, inside, self.settings, texture, level=self.level)
        maps = tuple(np.zeros(inside.shape, np.float32) for _ in self.banks)
        smooth = (self.settings.smooth, self.settings.smooth, self.settings.texture_smooth)
        for each, bank, features, search, width in zip(maps, self.banks, found, needed, smooth, strict=False):
            if search:
                each[part] = bank.map(features, inside[part], width)
        return maps

    def inspect(self, photo: Photo, inside: Mask, *, every_bank: bool = False) -> SurfaceResult:
        """Score a prepared (S, S, 3) uint8 photograph; `inside` (S, S) bool is False on its padding.

        Banks whose maps have no weight are searched only with `every_bank`; the score is the same.
        """
        maps = self.maps(photo, inside, every_bank=every_bank)
        fused, fine = self._fused_and_fine(maps)
        poolings, values = self._poolings, self._pooled(fused, fine, inside)
        scores = [value / scale for value, scale in zip(values, self.score_scales, strict=True)]
        if fine is not None:  # where it is larger, it is shown; each is 1 at its limit
            smallest = next(scale for each, scale in zip(poolings, self.score_scales, strict=True) if each.fine)
            fused = np.maximum(fused, fine / np.float32(smallest))
        return SurfaceResult(max(scores), fused, maps)

    def pooled(self, maps: Maps, inside: Mask) -> list[float]:
        """The score's pooled values (`fusion.poolings`) of the banks' maps, not yet divided by their scales."""
        return self._pooled(*self._fused_and_fine(maps), inside)

    @property
    def _poolings(self) -> tuple[Pooling, ...]:
        return fusion.poolings(self.settings, self.fusion)

    def _fused_and_fine(self, maps: Maps) -> tuple[Floats, Floats | None]:
        """The fused map, scaled, and the fine map; None where the score has no value of it."""
        fine = self.fusion.fine(self.settings) if self.settings.fine_fractions else None
        return self.fusion.of(maps) / np.float32(self.map_scale), fine.of(maps) if fine else None

    def _pooled(self, fused: Floats, fine: Floats | None, inside: Mask) -> list[float]:
        values = []
        for kind, each in ((False, fused), (True, fine)):
            if each is not None:
                fractions = [pooling.fraction for pooling in self._poolings if pooling.fine is kind]
                values += pools(each, fractions, inside, self.settings.pool_area)
        return values

    def arrays(self) -> dict[str, Floats]:
        """The banks and scales as named float32 arrays for an npz file; `from_arrays` is the inverse."""
        parts = {"map_unit": self.map_scale, "score_units": self.score_scales}
        for kind, bank in zip(KINDS, self.banks, strict=False):
            parts |= {f"{kind}_cells": bank.patches, f"{kind}_unit": bank.scale}
        if self.level is not None:
            parts["level"] = self.level
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
        level = float(arrays["level"]) if settings.levelling_range else None
        return Surface(settings, banks, fusion, float(arrays["map_unit"]), score_scales, texture, level)


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
    level = patches.usual_brightness(photos, insides, settings)
    samples = patches.sample(photos, insides, seed, settings, texture, level=level)
    coresets = tuple(Coreset.of(each.features(), each.numbers) for each in samples)
    banks = tuple(Bank(each.patches, scale=1.0) for each in coresets)
    default = Fusion.default(settings, len(banks))
    ones = (1.0,) * len(fusion.poolings(settings, default))
    return Surface(settings, banks, default, 1.0, ones, texture, level, coresets)


def with_scales(fitted: Surface, maps: Sequence[Maps], insides: Masks) -> Surface:
    """Set the scales of the banks, of the fused map and of the score from the good plates' maps.

    Banks and fused map: the robust 3σ limit; the score's pooled values: `Pooling.scale`. `maps` are the N good plates',
    each by banks with scale 1 and without the plate's own patches; `insides` (N, S, S) bool is False on the padding.
    """
    settings = fitted.settings

    def scale(pictures: Sequence[Floats]) -> float:
        pairs = zip(pictures, insides, strict=True)
        return fusion.scale_of(
            [pool(each, settings.peak_fraction, inside, settings.pool_area) for each, inside in pairs]
        )

    scales = [scale(pictures) for pictures in zip(*maps, strict=True)]
    scaled = [tuple(each / np.float32(by) for each, by in zip(plate, scales, strict=True)) for plate in maps]
    peak = scale([fitted.fusion.of(plate) for plate in scaled])
    with_banks = replace(
        fitted,
        banks=tuple(replace(bank, scale=by) for bank, by in zip(fitted.banks, scales, strict=True)),
        map_scale=peak,
    )
    pooled = np.array([with_banks.pooled(plate, inside) for plate, inside in zip(scaled, insides, strict=True)])
    poolings = fusion.poolings(settings, fitted.fusion)
    return replace(
        with_banks, score_scales=tuple(each.scale(values) for each, values in zip(poolings, pooled.T, strict=True))
    )
