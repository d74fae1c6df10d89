"""The patch features of all banks, and the random sample of good patches that the banks are fitted to."""

from collections.abc import Callable, Iterator

import numpy as np

from platewatch.arrays import Floats, Indices, Mask, Masks, Photo, Photos
from platewatch.config import SurfaceConfig
from platewatch.photographs import illumination
from platewatch.photographs.illumination import gains, relight
from platewatch.surface.bank import shown, window
from platewatch.surface.features import describe

Texture = Callable[[Photo, Mask], Floats]
"""Texture features (S/8, S/8, F) float32 of a prepared (S, S, 3) uint8 photograph; (S, S) bool is False on padding."""

TEXTURE_PATCH = 8
"""Side of a patch of the texture features, px."""
MOST_AREAS = 8
"""Photographs larger than `pool_area` give more patches to the banks, up to this many times as many."""


def usual_brightness(photos: Photos, insides: Masks, settings: SurfaceConfig) -> float | None:
    """The brightness that photographs are levelled to: the median of the good ones' (N, S, S, 3); None: as taken."""
    if settings.levelling_range == 0:
        return None
    found = [illumination.brightness(*pair) for pair in zip(photos, insides, strict=True)]
    return float(np.float32(np.median(found)))


def describe_all(
    photo: Photo,
    inside: Mask,
    settings: SurfaceConfig,
    texture: Texture | None = None,
    *,
    level: float | None = None,
    error: float = 0.0,
) -> tuple[Floats, ...]:
    """Colour, line and, with `texture`, texture features, each (A, B, F) float32, of the part with the photograph.

    `photo` (S, S, 3) uint8 is prepared, `inside` (S, S) bool is False on its padding; the part is its `window`. Colour
    and line features are of the photograph with its brightness levelled to `level`, wrongly by the fraction `error`;
    None: as taken.
    """
    part, seen = window(inside), photo
    if level is not None:
        seen = illumination.level(photo, inside, level, 1 + settings.levelling_range, error=error)
    found = describe(np.ascontiguousarray(seen[part]), settings)
    if texture is None:
        return found
    rows, columns = (slice(each.start // TEXTURE_PATCH, each.stop // TEXTURE_PATCH) for each in part)
    return *found, texture(photo, inside)[rows, columns]


class Sample:
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


def sample(
    photos: Photos,
    insides: Masks,
    seed: int,
    settings: SurfaceConfig,
    texture: Texture | None = None,
    *,
    level: float | None = None,
) -> list[Sample]:
    """Patches of each kind, drawn from the photographs and their copies under other illuminations.

    `level`: as `describe_all` takes it.
    """
    copies, areas = 1 + settings.illumination_copies, _areas(insides, settings)
    count, rng = round(areas * settings.bank), np.random.default_rng
    samples = [Sample(insides, copies, settings.patch, count, rng(seed)) for _ in range(2)]
    if texture is not None:
        count = round(areas * settings.texture_bank)
        samples.append(Sample(insides, copies, TEXTURE_PATCH, count, rng([seed, 1])))
    for picture, photo in enumerate(_with_copies(photos, seed, settings)):
        inside, error = insides[picture % len(photos)], _levelling_error(picture, len(photos), settings)
        described = describe_all(photo, inside, settings, texture, level=level, error=error)
        for each, features in zip(samples, described, strict=True):
            each.take(picture, features, window(inside))
    return samples


def _areas(insides: Masks, settings: SurfaceConfig) -> float:
    """How many times the banks' number of patches is drawn: the median area of a photograph ÷ `pool_area`.

    A large photograph holds more different patches. At least 1, at most MOST_AREAS; 1 without a `pool_area`.
    """
    if settings.pool_area is None:
        return 1.0
    area = float(np.median(np.count_nonzero(insides, axis=(1, 2))))
    return min(max(1.0, area / settings.pool_area), float(MOST_AREAS))


def _levelling_error(picture: int, count: int, settings: SurfaceConfig) -> float:
    """The error of a picture of `_with_copies` of `count` photographs: 0 but for dimmer copies, up or down in turn."""
    copy, photo = divmod(picture, count)
    if copy % 2 == 0:  # as taken, or a brighter copy
        return 0.0
    return -settings.brightness_range if photo % 2 else settings.brightness_range


def _with_copies(photos: Photos, seed: int, settings: SurfaceConfig) -> Iterator[Photo]:
    """The photographs, then their copies under other illuminations: dimmer and brighter in turn, of random warmth.

    The first two copies have the ends of the range of brightness, because texture features change most where pixels
    begin to clip; further ones lie between.
    """
    yield from photos
    rng = np.random.default_rng(seed)
    for copy in range(settings.illumination_copies):
        step = settings.brightness_range / (copy // 2 + 1)
        brightness = np.full((len(photos), 1), 1 + (step if copy % 2 else -step))
        warmth = rng.uniform(-settings.warmth_range, settings.warmth_range, (len(photos), 1))
        for photo, factors in zip(photos, gains(brightness, warmth), strict=True):
            yield relight(photo, factors)
