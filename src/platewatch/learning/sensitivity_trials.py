"""Sensitivity trials: verdicts on good plates with artificial defects of known size, or another illumination.

Every plate is judged out of fold. A plate's random numbers depend on the seed and the plate alone: place, direction and
tone are nearly the same for every size and contrast, and threads do not change them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from platewatch.arrays import Mask, Photo
from platewatch.config import Config
from platewatch.decision.blind_spots import ALL_KINDS, across
from platewatch.decision.intervals import clopper_pearson
from platewatch.decision.sensitivity_summary import (
    KINDS,
    STRUCTURAL,
    Illumination,
    Kind,
    Sensitivity,
    StructuralKind,
    StructuralTrial,
    Trial,
    percent,
)
from platewatch.evaluation.blind_spot_pictures import Example
from platewatch.inspection import Verdict
from platewatch.learning.preflight import GoodPlates
from platewatch.model.thread_limits import cores
from platewatch.photographs.foreground import strongest_channel
from platewatch.photographs.illumination import gains, relight
from platewatch.progress import Progress
from platewatch.synthetic.artificial_defects import rust, scratch
from platewatch.synthetic.hard_defects import visibility
from platewatch.synthetic.sized_defects import contrast, sized_defect

Judge = Callable[[int, Photo], Verdict]
"""Gives the verdict on a prepared (S, S, 3) uint8 photograph of the plate of a number; called by several threads."""

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class GridPoint(NamedTuple):
    """One trial: a kind, its width or diameter in px of the prepared photograph, and contrast or strength."""

    kind: Kind | StructuralKind
    size_px: float
    level: float
    """Contrast of a scratch or rust spot, strength of a structural defect."""


class Tried(NamedTuple):
    """What became of one trial on one plate."""

    plate: int
    point: GridPoint
    contrast: float
    """Mean change of the strongest channel within the defect, as a fraction of its range."""
    visibility: float
    """How well it shows in the texture around it: `hard_defects.visibility`."""
    verdict: Verdict


_TRIES = 16  # random places tried until the defect lies on the photograph, not on its padding
_WITHIN = 0.9  # fraction of the defect that has to lie on the photograph
_LEAST = 1 / 255  # contrast below which a structural defect is none: it is not counted


def try_defects(
    plates: GoodPlates, undamaged: Sequence[Verdict], judge: Judge, config: Config, progress: Progress
) -> tuple[Tried, ...]:
    """Run the trials of `config.sensitivity` with defects on plates that PASS; `undamaged` are all plates' verdicts."""
    passing = [plate for plate, verdict in enumerate(undamaged) if verdict is Verdict.PASS]
    settings = config.sensitivity
    painted, structural = _grid(config)
    jobs = [(plate, point) for plate in _spread(passing, settings.plates) for point in painted]
    jobs += [(plate, point) for plate in _spread(passing, settings.structural_plates) for point in structural]

    def work(job: tuple[int, GridPoint]) -> Tried:
        plate, point = job
        photo, (damaged, mask) = plates.photos[plate], damage(plates, plate, point, config)
        change = strongest_channel(np.asarray(cv2.absdiff(damaged, photo), np.uint8)).astype(np.float32)
        shown = contrast(photo, damaged, mask), visibility(photo, change, mask)
        return Tried(plate, point, *shown, judge(plate, damaged))

    return tuple(_in_parallel(work, jobs, "sensitivity trials", progress))


def summarise(plates: GoodPlates, undamaged: Sequence[Verdict], tried: Sequence[Tried], config: Config) -> Sensitivity:
    """The counts of the trials by kind, size and level."""
    side = int(np.median([max(size) for size in plates.sizes]))
    by_point: dict[GridPoint, list[Tried]] = {point: [] for points in _grid(config) for point in points}
    for each in tried:
        by_point[each.point].append(each)
    return Sensitivity(
        photo_side=side,
        scale=config.image_size / side,
        mm_per_px=config.mm_per_px,
        length_px=config.sensitivity.length * config.image_size,
        good_plates=len(undamaged),
        passing=sum(verdict is Verdict.PASS for verdict in undamaged),
        scratch=tuple(_trial(*pair) for pair in by_point.items() if pair[0].kind == "scratch"),
        rust=tuple(_trial(*pair) for pair in by_point.items() if pair[0].kind == "rust"),
        structural=tuple(_structural_trial(*pair) for pair in by_point.items() if pair[0].kind in STRUCTURAL),
    )


def examples(plates: GoodPlates, tried: Sequence[Tried], found: Sensitivity, config: Config) -> tuple[Example, ...]:
    """Of each kind the trial that shows least of those found, and the one that shows most of those missed."""
    chosen = []
    for kind in ALL_KINDS:
        seen = sorted(
            (each for each in tried if each.point.kind == kind and each.contrast >= _LEAST),
            key=lambda each: (each.visibility, each.plate, each.point),
        )
        chosen += [each for each in seen if each.verdict is not Verdict.PASS][:1]
        chosen += [each for each in seen if each.verdict is Verdict.PASS][-1:]
    return tuple(_example(plates, each, found, config) for each in chosen)


def _example(plates: GoodPlates, tried: Tried, found: Sensitivity, config: Config) -> Example:
    plate, point = tried.plate, tried.point
    damaged, mask = damage(plates, plate, point, config)
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    shown = point.level if point.kind in KINDS else tried.contrast
    words = f"{found.length(point.size_px)} {across(point.kind)}", f"{percent(shown)} contrast"
    return Example(point.kind, words, tried.verdict, damaged, (left, top, width, height))


def illumination_trials(
    plates: GoodPlates, undamaged: Sequence[Verdict], judge: Judge, config: Config, progress: Progress
) -> tuple[Illumination, ...]:
    """Verdicts on all good plates under each illumination of `config.sensitivity`, and as photographed."""
    settings, photos = config.sensitivity, plates.photos
    illuminations = [(brightness, 0.0) for brightness in settings.brightnesses if brightness != 1]
    illuminations += [(1.0, warmth) for warmth in (-settings.warmth, settings.warmth) if warmth]
    jobs = [(plate, illumination) for plate in range(len(photos)) for illumination in illuminations]

    def work(job: tuple[int, tuple[float, float]]) -> Verdict:
        plate, illumination = job
        return judge(plate, relight(photos[plate], gains(*illumination)))

    verdicts = _in_parallel(work, jobs, "illumination trials", progress)
    levels = [
        _level(*illumination, Counter(verdicts[place :: len(illuminations)]))
        for place, illumination in enumerate(illuminations)
    ]
    levels.append(_level(1.0, 0.0, Counter(undamaged)))
    return tuple(sorted(levels, key=lambda each: (each.warmth != 0, each.brightness, each.warmth)))


def damage(plates: GoodPlates, plate: int, point: GridPoint, config: Config) -> tuple[Photo, Mask]:
    """The plate's prepared photograph (S, S, 3) uint8 with the artificial defect of one trial, and its mask (S, S).

    The part of a defect that lies on the padding is removed, because no photograph shows it.
    """
    photo, frame, on_part = plates.photos[plate], plates.frames[plate], plates.parts[plate]
    rng = np.random.default_rng([config.seed, plate, ALL_KINDS.index(point.kind)])
    if point.kind in STRUCTURAL:
        others = [each.cut(plates.photos[other]) for other, each in enumerate(plates.frames) if other != plate]
        sizes = {"diameter_px": point.size_px, "strength": point.level}
        return sized_defect(photo, rng, on_part, others, kind=point.kind, **sizes)
    for _ in range(_TRIES):
        if point.kind == "scratch":
            sizes = {"width_px": point.size_px, "length_px": config.sensitivity.length * config.image_size}
            damaged, mask = scratch(photo, rng, **sizes, contrast=point.level, inside=on_part)
        else:
            damaged, mask = rust(photo, rng, diameter_px=point.size_px, contrast=point.level, inside=on_part)
        if np.count_nonzero(frame.cut(mask)) >= _WITHIN * np.count_nonzero(mask):
            break
    inside = frame.inside(len(photo))
    return np.where(inside[..., None], damaged, photo), mask & inside


def _grid(config: Config) -> tuple[list[GridPoint], list[GridPoint]]:
    """The trials of scratches and rust spots, and those of structural defects."""
    settings = config.sensitivity
    sizes = {"scratch": settings.widths, "rust": settings.diameters}
    painted = [GridPoint(kind, size, level) for kind in KINDS for size in sizes[kind] for level in settings.contrasts]
    structural = [
        GridPoint(kind, size, strength)
        for kind in STRUCTURAL
        for size in settings.structural_diameters
        for strength in settings.strengths
    ]
    return painted, structural


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of the numbers, evenly spread."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[place] for place in np.linspace(0, len(numbers) - 1, count).round().astype(int)]


def _in_parallel(
    work: Callable[[_Job], _Result], jobs: Sequence[_Job], stage: str, progress: Progress
) -> list[_Result]:
    """The results of the jobs, in order, computed in parallel on all cores."""
    results: list[_Result] = []
    pool = ThreadPoolExecutor(max_workers=cores())
    try:
        for result in pool.map(work, jobs):
            results.append(result)
            progress(stage, len(results), len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)  # after an interruption no further plate is begun
    return results


def _trial(point: GridPoint, tried: Sequence[Tried]) -> Trial:
    plates, found, rejected, interval = _counts(tried)
    return Trial(point.size_px, point.level, plates, found, rejected, interval)


def _structural_trial(point: GridPoint, tried: Sequence[Tried]) -> StructuralTrial:
    counted = [each for each in tried if each.contrast >= _LEAST]
    median = float(np.median([each.contrast for each in counted])) if counted else 0.0
    assert point.kind in STRUCTURAL  # noqa: S101 - the caller chose it so
    return StructuralTrial(point.size_px, median, *_counts(counted), point.kind, point.level)


def _counts(tried: Sequence[Tried]) -> tuple[int, int, int, tuple[float, float]]:
    """Plates, those where it was found, those with REJECT, and the interval of the fraction found."""
    verdicts = Counter(each.verdict for each in tried)
    found = len(tried) - verdicts[Verdict.PASS]
    return len(tried), found, verdicts[Verdict.REJECT], clopper_pearson(found, len(tried))


def _level(brightness: float, warmth: float, counts: Counter[Verdict]) -> Illumination:
    reject = counts[Verdict.REJECT]
    interval = clopper_pearson(reject, counts.total())
    return Illumination(brightness, warmth, counts[Verdict.PASS], counts[Verdict.REVIEW], reject, interval)
