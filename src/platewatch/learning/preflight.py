"""Preflight before training: reads the good photographs, finds duplicates, groups and outliers."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from platewatch.arrays import Masks, Photo, Photos
from platewatch.config import Config
from platewatch.errors import InputError
from platewatch.exploration import mixed_sets, outliers, plate_features
from platewatch.learning import groups
from platewatch.learning.groups import Groups, Told
from platewatch.model.scoring import Checks
from platewatch.photographs import bit_depth, completeness, preparation, quality, reading
from platewatch.photographs.bit_depth import Levels
from platewatch.photographs.foreground import find_framed_object
from platewatch.photographs.preparation import Frame
from platewatch.photographs.quality import Conditions
from platewatch.progress import Progress

_MANY = 0.3  # fraction of outliers above which defective plates are likely among them; good sets have up to 0.2
_ENOUGH = 6  # smallest number of plates for which outliers are searched


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
    bits: int | None = None
    """Bits that the camera uses when its files store more; from the configuration or from the files."""

    whole: "GoodPlates | None" = None
    """The same plates without a region; None where everything is inspected."""

    def insides(self) -> Masks:
        """(N, S, S) bool: False on the photographs' padding, and outside the region."""
        return np.stack([frame.inside(len(photo)) for photo, frame in zip(self.photos, self.frames, strict=True)])

    @cached_property
    def parts(self) -> Masks:
        """(N, S, S) bool: the part on each photograph, False on its padding and outside the region."""
        if self.whole is not None:
            return np.asarray(self.whole.parts & self.insides())
        pairs = zip(self.photos, self.frames, strict=True)
        return np.stack([find_framed_object(photo, frame) for photo, frame in pairs])

    def conditions(self) -> list[Conditions]:
        """The quality measures of each photograph without its padding."""
        pairs = zip(self.photos, self.frames, strict=True)
        return [quality.measure(frame.cut(photo)) for photo, frame in pairs]

    def checks(self) -> Checks:
        """The checks that these photographs set."""
        each = zip(self.photos, self.frames, self.sizes, strict=True)
        framings = [completeness.measure(frame.cut(photo), size) for photo, frame, size in each]
        return Checks(quality.limits(self.conditions()), completeness.limits(framings))

    def unusable(self) -> tuple[tuple[Path, str], ...]:
        """The photographs that the checks refuse, with the reason; they do not show enough of the part."""
        checks = self.checks()
        each = zip(self.paths, self.photos, self.frames, self.sizes, strict=True)
        found = [(path, checks.examine(frame.cut(photo), size)[1]) for path, photo, frame, size in each]
        return tuple((path, why) for path, why in found if why is not None)


@dataclass(frozen=True)
class Preflight:
    """The good plates and what preflight found about them."""

    plates: GoodPlates
    groups: Groups
    """The groups that were told, joined where plates are near duplicates."""
    near_duplicates: tuple[tuple[Path, Path], ...]
    outliers: tuple[tuple[Path, str], ...]
    """Unusable photographs and outliers with reasons. They stay in the training set: a person should look at them."""
    warnings: tuple[str, ...]
    """Sentences about the set as a whole: two kinds of photographs, many outliers, nothing but noise, likely groups."""
    steps: int
    """Training steps of phase two, all folds included; 0 without phase two."""
    floor: float
    """Lowest false-alarm rate that this number n of groups can show: 1 / (n + 1)."""


def sizes(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """(width, height) in px of the photographs whose files state it; the others are left out."""
    found = list[tuple[int, int] | None]()
    for path in paths:
        with suppress(InputError):
            found.append(reading.dimensions(reading.load(path)))
    return [size for size in found if size is not None]


def read(paths: Sequence[Path], config: Config, progress: Progress) -> GoodPlates:
    """Read and prepare the good photographs, without those not readable and exact duplicates.

    Photographs that are damaged or use less than a quarter of their range are left out. Raises InputError when fewer
    than `config.min_images` remain.
    """
    first: dict[str, Path] = {}
    readable, failed, duplicates, unused = list[_Opened](), list[tuple[Path, str]](), [], list[InputError]()
    for opened in _open_all(paths, config, failed, progress):
        try:
            bit_depth.check(opened.levels, opened.bits, opened.path)
        except InputError as error:
            failed.append((opened.path, str(error)))
            unused.append(error)
            continue
        if opened.pixels in first:
            duplicates.append((opened.path, first[opened.pixels]))
        else:
            first[opened.pixels] = opened.path
            readable.append(opened)
    if len(readable) < config.min_images:
        if len(unused) > len(paths) / 2:
            what = f"{len(unused)} of {len(paths)} photographs use too little of their range; {unused[0].where}"
            raise InputError(
                paths[0].parent, f"{what} {unused[0].what}", expected=unused[0].expected, remedy=unused[0].remedy
            )
        raise _too_few(paths[0].parent, len(readable), len(failed), len(duplicates), config.min_images)
    return GoodPlates(
        paths=tuple(each.path for each in readable),
        sha256=tuple(each.sha256 for each in readable),
        photos=np.stack([each.prepared for each in readable]),
        frames=tuple(preparation.frame(*each.size, config.image_size) for each in readable),
        sizes=tuple(each.size for each in readable),
        failed=tuple(failed),
        duplicates=tuple(duplicates),
        bits=readable[0].bits,
    )


@dataclass(frozen=True)
class _Opened:
    path: Path
    sha256: str
    pixels: str
    """A digest of the photograph's pixels and shape."""
    prepared: Photo
    size: tuple[int, int]
    levels: Levels
    bits: int | None
    """As in `Raster.rgb`."""


def _open_all(
    paths: Sequence[Path], config: Config, failed: list[tuple[Path, str]], progress: Progress
) -> list[_Opened]:
    """The readable photographs; the others are appended to `failed` with the reason.

    When the files state a bit depth and the configuration does not, those of more than 8 bits are read again with it.
    """
    opened = list[_Opened]()
    for done, path in enumerate(paths, start=1):
        try:
            opened.append(_open(path, config.image_size, config.bits))
        except InputError as error:
            failed.append((path, str(error)))
        progress("reading photographs", done, len(paths))
    stated = bit_depth.stated([each.levels for each in opened]) if config.bits is None else None
    if stated is None:
        return opened
    return [
        _open(each.path, config.image_size, stated) if each.levels.bits > 8 else replace(each, bits=stated)
        for each in opened
    ]


def _open(path: Path, size: int, bits: int | None) -> _Opened:
    data = reading.load(path)
    raster = reading.raster(data, str(path))
    if raster.damage:
        raise reading.damage_error(str(path), raster.damage)
    photo = raster.rgb(str(path), bits)
    return _Opened(
        path=path,
        sha256=reading.sha256(data),
        pixels=reading.sha256(photo) + str(photo.shape),
        prepared=preparation.prepare(photo, size),
        size=(photo.shape[1], photo.shape[0]),
        levels=bit_depth.measure(raster),
        bits=bits,
    )


def look(plates: GoodPlates, config: Config, told: Told | None = None) -> Preflight:
    """Find groups and outliers, and count the training steps; takes some seconds.

    Raises InputError when the groups that were told are too few.
    """
    near = groups.near_duplicates(plates.photos)
    count, folds = len(plates.paths), config.calibration.folds
    found = groups.of(plates.paths, near, told)
    groups.check(found, folds)
    likely = None if told else groups.suggestion(plates.paths, plates.photos, max(groups.FEWEST, folds))
    batches = config.training.epochs / config.training.batch_size
    outlying, warnings = _doubtful(plates, config.seed)
    return Preflight(
        plates=plates,
        groups=found,
        near_duplicates=tuple((plates.paths[one], plates.paths[other]) for one, other in near),
        outliers=(*plates.unusable(), *outlying),
        warnings=(*warnings, likely) if likely else warnings,
        steps=round(batches * (count + count * (folds - 1))) if config.skipganomaly else 0,
        floor=1 / (found.count + 1),
    )


def findings(found: Preflight) -> tuple[str, ...]:
    """Findings about the good photographs for a person to read before training, one sentence each."""
    plates = found.plates
    left_out = [f"left out, not readable: {error}" for _, error in plates.failed]
    left_out += [f"left out, the same as {other.name}: {one.name}" for one, other in plates.duplicates]
    return (*left_out, *found.warnings, *(f"look at {path.name}: {why}" for path, why in found.outliers))


def as_dict(found: Preflight) -> dict[str, Any]:
    """What preflight found as plain JSON values: each photograph with its state and why, and the set as a whole.

    States: `used`, `outlier` and `unusable` (used too, unless a person leaves them out), `duplicate` and `not_readable`
    (left out by training itself).
    """
    plates = found.plates
    states = dict[str, tuple[str, str]]()
    unusable = {path.name for path, _ in plates.unusable()}
    for path, why in found.outliers:
        before = states.get(path.name, ("", ""))[1]
        state = "unusable" if path.name in unusable else "outlier"
        states[path.name] = state, "; ".join(each for each in (before, why) if each)
    states |= {one.name: ("duplicate", f"the same as {other.name}") for one, other in plates.duplicates}
    states |= {path.name: ("not_readable", error.removeprefix(f"{path}: ")) for path, error in plates.failed}
    groups = {path.name: name for path, name in zip(plates.paths, found.groups.names, strict=True)}
    names = sorted({*groups, *states})
    return {
        "photographs": [
            {"name": name, "state": state, "why": why, "group": groups.get(name, "")}
            for name, (state, why) in ((name, states.get(name, ("used", ""))) for name in names)
        ],
        "groups": found.groups.count,
        "rule": found.groups.rule,
        "warnings": list(found.warnings),
        "lowest_false_alarm_rate": found.floor,
    }


def _too_few(folder: Path, found: int, failed: int, duplicates: int, needed: int) -> InputError:
    left_out = [f"{failed} not readable"] * (failed > 0) + [f"{duplicates} duplicates"] * (duplicates > 0)
    besides = f" (besides {' and '.join(left_out)})" if left_out else ""
    hint = f"add photographs or pass --min-images {found}" if found >= 3 else "add photographs"
    return InputError(folder, f"found {found} images{besides}, training needs at least {needed}", remedy=hint)


def _doubtful(plates: GoodPlates, seed: int) -> tuple[tuple[tuple[Path, str], ...], tuple[str, ...]]:
    """The outliers with their reasons, strongest first, none among fewer than 6 plates; and the warnings."""
    pairs = list(zip(plates.photos, plates.frames, strict=True))
    enlarged = [frame.width / width for frame, (width, _) in zip(plates.frames, plates.sizes, strict=True)]
    noise = mixed_sets.only_noise(plates.paths, [frame.cut(photo) for photo, frame in pairs], enlarged)
    if len(plates.paths) < _ENOUGH:
        return (), (noise,) if noise else ()
    described = [plate_features.describe(photo, frame) for photo, frame in pairs]
    found, count = outliers.find(plates.paths, plates.photos, plates.insides(), described, seed)
    many = f"{count} of {len(pairs)} photographs are outliers: look for defective plates among them"
    warnings = (noise, mixed_sets.two_kinds(plates.paths, described), many if count > _MANY * len(pairs) else None)
    return tuple((Path(each.path), "; ".join(each.reasons)) for each in found), tuple(filter(None, warnings))
