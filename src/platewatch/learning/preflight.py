"""Before training: the good photographs as they are, and what a person should know about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from platewatch.arrays import Array
from platewatch.config import Config
from platewatch.errors import InputError
from platewatch.exploration import classical_detectors, outliers
from platewatch.photographs import preparation, quality, reading
from platewatch.photographs.preparation import Frame
from platewatch.photographs.quality import Conditions
from platewatch.progress import Progress

_NEAR = 2.0  # of 255: mean difference of two thumbnails below which they show the same plate in the same place …
_NEARER = 0.25  # … and below this share of the median of all pairs: in a jig every two plates look nearly alike
_ENOUGH = 6  # plates from which on one can be called odd


@dataclass(frozen=True)
class GoodPlates:
    """The good photographs that could be read, each once; all sequences in the same order."""

    paths: tuple[Path, ...]
    sha256: tuple[str, ...]
    photos: Array
    """(N, S, S, 3) uint8 RGB, prepared."""
    frames: tuple[Frame, ...]
    sizes: tuple[tuple[int, int], ...]
    """(width, height) in px, as photographed."""
    failed: tuple[tuple[Path, str], ...]
    """What could not be read, with the reason."""
    duplicates: tuple[tuple[Path, Path], ...]
    """(left out, kept): files that show exactly the same picture."""

    def conditions(self) -> list[Conditions]:
        """How each photograph was taken, padding left out."""
        pairs = zip(self.photos, self.frames, strict=True)
        return [quality.measure(frame.cut(photo)) for photo, frame in pairs]


@dataclass(frozen=True)
class Preflight:
    """What was found out about the good photographs."""

    plates: GoodPlates
    groups: tuple[int, ...]
    """For each plate the number of its group; near duplicates share one."""
    near_duplicates: tuple[tuple[Path, Path], ...]
    outliers: tuple[tuple[Path, str], ...]
    """The oddest good plates with the reason: to look at, not removed."""
    steps: int
    """Training steps of phase two, folds included."""
    floor: float
    """The lowest false-alarm rate that so many plates can promise on average."""


def read(paths: Sequence[Path], config: Config, progress: Progress) -> GoodPlates:
    """Read and prepare the good photographs; an unreadable one costs only itself, an exact duplicate is left out.

    Raises InputError when fewer than `config.min_images` different photographs remain.
    """
    first: dict[str, Path] = {}
    read_ones, failed, duplicates = [], [], []
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
                read_ones.append((path, sha256, preparation.prepare(photo, config.image_size), frame, size))
        progress("reading photographs", done, len(paths))
    if len(read_ones) < config.min_images:
        raise _too_few(paths[0].parent, len(read_ones), len(failed), len(duplicates), config.min_images)
    kept, sha256s, photos, frames, sizes = zip(*read_ones, strict=True)
    return GoodPlates(kept, sha256s, np.stack(photos), frames, sizes, tuple(failed), tuple(duplicates))


def look(plates: GoodPlates, config: Config) -> Preflight:
    """Find near duplicates and odd ones out, and count the work ahead; takes some seconds."""
    near = _near_duplicates(plates.photos)
    count, folds = len(plates.paths), config.calibration.folds
    batches = config.training.epochs / config.training.batch_size
    return Preflight(
        plates=plates,
        groups=_groups(count, near),
        near_duplicates=tuple((plates.paths[one], plates.paths[other]) for one, other in near),
        outliers=_outliers(plates, config.seed),
        steps=round(batches * (count + count * (folds - 1))),
        floor=1 / (count + 1),
    )


def _too_few(folder: Path, found: int, failed: int, duplicates: int, needed: int) -> InputError:
    lost = [f"{failed} unreadable"] * (failed > 0) + [f"{duplicates} duplicates"] * (duplicates > 0)
    besides = f" (besides {' and '.join(lost)})" if lost else ""
    hint = f"add photographs or pass --min-images {found}" if found >= 3 else "add photographs"
    return InputError(folder, f"found {found} images{besides}, training needs at least {needed}", remedy=hint)


def _near_duplicates(photos: Array) -> list[tuple[int, int]]:
    thumbs = np.stack([cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA) for photo in photos])
    flat = thumbs.reshape(len(photos), -1).astype(np.int16)
    rows = [np.abs(flat[one + 1 :] - flat[one]).mean(axis=1) for one in range(len(photos) - 1)]
    limit = min(_NEAR, _NEARER * float(np.median(np.concatenate(rows))))
    return [(one, one + 1 + int(other)) for one, row in enumerate(rows) for other in np.flatnonzero(row < limit)]


def _groups(count: int, pairs: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Number the connected sets of plates, so that near duplicates never stand on both sides of a fold."""
    group = list(range(count))
    for one, other in pairs:
        old, new = group[other], group[one]
        group = [new if each == old else each for each in group]
    return tuple(group)


def _outliers(plates: GoodPlates, seed: int) -> tuple[tuple[Path, str], ...]:
    """The oddest plates with their reasons; fewer than 6 plates are too few to tell."""
    if len(plates.paths) < _ENOUGH:
        return ()
    pairs = list(zip(plates.photos, plates.frames, strict=True))
    inside = np.stack([frame.inside(len(photo)) for photo, frame in pairs])
    described = [classical_detectors.describe(photo, frame) for photo, frame in pairs]
    found, _ = outliers.find(plates.paths, plates.photos, inside, described, seed)
    return tuple((Path(each.path), "; ".join(each.reasons)) for each in found)
