"""Preflight before training: reads the good photographs, finds duplicates, near duplicates and outliers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from platewatch.arrays import Photos
from platewatch.config import Config
from platewatch.errors import InputError
from platewatch.exploration import classical_detectors, mixed_sets, outliers
from platewatch.photographs import preparation, quality, reading
from platewatch.photographs.preparation import Frame
from platewatch.photographs.quality import Conditions
from platewatch.progress import Progress

_NEAR = 2.0  # of 255: largest mean difference between the thumbnails of near duplicates,
_NEARER = 0.25  # and largest ratio to the median of all pairs, because in a jig all plates look nearly alike
_MANY = 0.3  # fraction of outliers above which defective plates are likely among them; good sets have up to 0.2
_ENOUGH = 6  # smallest number of plates among which outliers are looked for


@dataclass(frozen=True)
class GoodPlates:
    """The N readable good photographs, without duplicates; all sequences in the same order."""

    paths: tuple[Path, ...]
    sha256: tuple[str, ...]
    photos: Photos
    """(N, S, S, 3) uint8 RGB, prepared."""
    frames: tuple[Frame, ...]
    sizes: tuple[tuple[int, int], ...]
    """(width, height) of the original photographs, px."""
    failed: tuple[tuple[Path, str], ...]
    """Photographs that are not readable, with the reason."""
    duplicates: tuple[tuple[Path, Path], ...]
    """(left out, kept): files with exactly the same pixels."""

    def conditions(self) -> list[Conditions]:
        """The quality measures of each photograph without its padding."""
        pairs = zip(self.photos, self.frames, strict=True)
        return [quality.measure(frame.cut(photo)) for photo, frame in pairs]


@dataclass(frozen=True)
class Preflight:
    """The good plates and what preflight found about them."""

    plates: GoodPlates
    groups: tuple[int, ...]
    """For each plate the number of its group of near duplicates."""
    near_duplicates: tuple[tuple[Path, Path], ...]
    outliers: tuple[tuple[Path, str], ...]
    """Outliers with the reason, strongest first. They stay in the training set; a person should look at them."""
    warnings: tuple[str, ...]
    """Sentences about the set as a whole: two kinds of photographs, many outliers, nothing but noise."""
    steps: int
    """Training steps of phase two, all folds included."""
    floor: float
    """Lowest false-alarm rate that this number of plates can show: 1 / (n + 1)."""


def read(paths: Sequence[Path], config: Config, progress: Progress) -> GoodPlates:
    """Read and prepare the good photographs, without those not readable and exact duplicates.

    Raises InputError when fewer than `config.min_images` remain.
    """
    first: dict[str, Path] = {}
    readable, failed, duplicates = [], [], []
    for done, path in enumerate(paths, start=1):
        try:
            data = reading.load(path)
            photo, sha256 = reading.read(data, str(path)), reading.sha256(data)
        except InputError as error:
            failed.append((path, str(error)))
        else:
            pixels = reading.sha256(photo) + str(photo.shape)
            if pixels in first:
                duplicates.append((path, first[pixels]))
            else:
                first[pixels] = path
                size = photo.shape[1], photo.shape[0]
                frame = preparation.frame(*size, config.image_size)
                readable.append((path, sha256, preparation.prepare(photo, config.image_size), frame, size))
        progress("reading photographs", done, len(paths))
    if len(readable) < config.min_images:
        raise _too_few(paths[0].parent, len(readable), len(failed), len(duplicates), config.min_images)
    kept, sha256s, photos, frames, sizes = zip(*readable, strict=True)
    return GoodPlates(kept, sha256s, np.stack(photos), frames, sizes, tuple(failed), tuple(duplicates))


def look(plates: GoodPlates, config: Config) -> Preflight:
    """Find near duplicates and outliers, and count the training steps; takes some seconds."""
    near = _near_duplicates(plates.photos)
    count, folds = len(plates.paths), config.calibration.folds
    batches = config.training.epochs / config.training.batch_size
    outlying, warnings = _doubtful(plates, config.seed)
    return Preflight(
        plates=plates,
        groups=_groups(count, near),
        near_duplicates=tuple((plates.paths[one], plates.paths[other]) for one, other in near),
        outliers=outlying,
        warnings=warnings,
        steps=round(batches * (count + count * (folds - 1))),
        floor=1 / (count + 1),
    )


def _too_few(folder: Path, found: int, failed: int, duplicates: int, needed: int) -> InputError:
    left_out = [f"{failed} not readable"] * (failed > 0) + [f"{duplicates} duplicates"] * (duplicates > 0)
    besides = f" (besides {' and '.join(left_out)})" if left_out else ""
    hint = f"add photographs or pass --min-images {found}" if found >= 3 else "add photographs"
    return InputError(folder, f"found {found} images{besides}, training needs at least {needed}", remedy=hint)


def _near_duplicates(photos: Photos) -> list[tuple[int, int]]:
    thumbs = np.stack([cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA) for photo in photos])
    flat = thumbs.reshape(len(photos), -1).astype(np.int16)
    rows = [np.abs(flat[one + 1 :] - flat[one]).mean(axis=1) for one in range(len(photos) - 1)]
    limit = min(_NEAR, _NEARER * float(np.median(np.concatenate(rows))))
    return [(one, one + 1 + int(other)) for one, row in enumerate(rows) for other in np.flatnonzero(row < limit)]


def _groups(count: int, pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Each plate's number of its connected component of near-duplicate pairs; a component is never split by a fold."""
    group = list(range(count))
    for one, other in pairs:
        old, new = group[other], group[one]
        group = [new if each == old else each for each in group]
    return tuple(group)


def _doubtful(plates: GoodPlates, seed: int) -> tuple[tuple[tuple[Path, str], ...], tuple[str, ...]]:
    """The outliers with their reasons, strongest first, none among fewer than 6 plates; and the warnings."""
    pairs = list(zip(plates.photos, plates.frames, strict=True))
    enlarged = [frame.width / width for frame, (width, _) in zip(plates.frames, plates.sizes, strict=True)]
    noise = mixed_sets.only_noise(plates.paths, [frame.cut(photo) for photo, frame in pairs], enlarged)
    if len(plates.paths) < _ENOUGH:
        return (), (noise,) if noise else ()
    inside = np.stack([frame.inside(len(photo)) for photo, frame in pairs])
    described = [classical_detectors.describe(photo, frame) for photo, frame in pairs]
    found, count = outliers.find(plates.paths, plates.photos, inside, described, seed)
    many = f"{count} of {len(pairs)} photographs are outliers: look for defective plates among them"
    warnings = (noise, mixed_sets.two_kinds(plates.paths, described), many if count > _MANY * len(pairs) else None)
    return tuple((Path(each.path), "; ".join(each.reasons)) for each in found), tuple(filter(None, warnings))
