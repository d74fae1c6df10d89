"""Sensitivity trials: verdicts on good plates with artificial defects of known size, or another illumination.

Every plate is judged out of fold. A plate's random numbers depend on the seed and the plate alone: place, direction and
tone are nearly the same for every size and contrast, and threads do not change them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from platewatch.arrays import Photo
from platewatch.config import Config
from platewatch.decision.intervals import clopper_pearson
from platewatch.decision.sensitivity_summary import Illumination, Kind, Sensitivity, Trial
from platewatch.inspection import Verdict
from platewatch.learning.preflight import GoodPlates
from platewatch.model.thread_limits import cores
from platewatch.photographs.illumination import gains, relight
from platewatch.progress import Progress
from platewatch.synthetic.artificial_defects import rust, scratch

Judge = Callable[[int, Photo], Verdict]
"""Gives the verdict on a prepared (S, S, 3) uint8 photograph of the plate of a number; called by several threads."""

Job = tuple[int, Callable[[], Photo]]
"""A plate's number, and a function that makes the photograph to be judged."""


class GridPoint(NamedTuple):
    """One trial: width of a scratch or diameter of a rust spot, px of the prepared photograph, and contrast."""

    kind: Kind
    size_px: float
    contrast: float


_TRIES = 16  # random places tried until the defect lies on the photograph, not on its padding
_WITHIN = 0.9  # fraction of the defect that has to lie on the photograph


def defect_trials(
    plates: GoodPlates, undamaged: Sequence[Verdict], judge: Judge, config: Config, progress: Progress
) -> Sensitivity:
    """Run the trials of `config.sensitivity` with defects on plates that PASS; `undamaged` are all plates' verdicts."""
    settings, side = config.sensitivity, int(np.median([max(size) for size in plates.sizes]))
    passing = [plate for plate, verdict in enumerate(undamaged) if verdict is Verdict.PASS]
    chosen = _spread(passing, settings.plates)
    grid = [GridPoint("scratch", width, contrast) for width in settings.widths for contrast in settings.contrasts]
    grid += [
        GridPoint("rust", diameter, contrast) for diameter in settings.diameters for contrast in settings.contrasts
    ]
    jobs = [(plate, partial(damage, plates, plate, point, config)) for plate in chosen for point in grid]
    verdicts = _judge_all(jobs, judge, "sensitivity trials", progress)
    trials = {point: _trial(point, Counter(verdicts[place :: len(grid)])) for place, point in enumerate(grid)}
    return Sensitivity(
        photo_side=side,
        scale=config.image_size / side,
        mm_per_px=config.mm_per_px,
        length_px=settings.length * config.image_size,
        good_plates=len(undamaged),
        passing=len(passing),
        scratch=tuple(trial for point, trial in trials.items() if point.kind == "scratch"),
        rust=tuple(trial for point, trial in trials.items() if point.kind == "rust"),
    )


def illumination_trials(
    plates: GoodPlates, undamaged: Sequence[Verdict], judge: Judge, config: Config, progress: Progress
) -> tuple[Illumination, ...]:
    """Verdicts on all good plates under each illumination of `config.sensitivity`, and as photographed."""
    settings, photos = config.sensitivity, plates.photos
    illuminations = [(brightness, 0.0) for brightness in settings.brightnesses if brightness != 1]
    illuminations += [(1.0, warmth) for warmth in (-settings.warmth, settings.warmth) if warmth]
    jobs = [
        (plate, partial(relight, photo, gains(*illumination)))
        for plate, photo in enumerate(photos)
        for illumination in illuminations
    ]
    verdicts = _judge_all(jobs, judge, "illumination trials", progress)
    levels = [
        _level(*illumination, Counter(verdicts[place :: len(illuminations)]))
        for place, illumination in enumerate(illuminations)
    ]
    levels.append(_level(1.0, 0.0, Counter(undamaged)))
    return tuple(sorted(levels, key=lambda each: (each.warmth != 0, each.brightness, each.warmth)))


def damage(plates: GoodPlates, plate: int, point: GridPoint, config: Config) -> Photo:
    """The plate's prepared photograph (S, S, 3) uint8 with the artificial defect of one trial.

    The part of a defect that lies on the padding is removed, because no photograph shows it.
    """
    photo, frame = plates.photos[plate], plates.frames[plate]
    rng = np.random.default_rng([config.seed, plate, int(point.kind == "rust")])
    on_part = plates.parts[plate]
    for _ in range(_TRIES):
        if point.kind == "scratch":
            sizes = {"width_px": point.size_px, "length_px": config.sensitivity.length * config.image_size}
            damaged, mask = scratch(photo, rng, **sizes, contrast=point.contrast, inside=on_part)
        else:
            damaged, mask = rust(photo, rng, diameter_px=point.size_px, contrast=point.contrast, inside=on_part)
        if np.count_nonzero(frame.cut(mask)) >= _WITHIN * np.count_nonzero(mask):
            break
    return np.where(frame.inside(len(photo))[..., None], damaged, photo)


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of the numbers, evenly spread."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[place] for place in np.linspace(0, len(numbers) - 1, count).round().astype(int)]


def _judge_all(jobs: Sequence[Job], judge: Judge, stage: str, progress: Progress) -> list[Verdict]:
    """The verdicts of the jobs, in order, computed in parallel on all cores."""

    def work(job: Job) -> Verdict:
        plate, photograph = job
        return judge(plate, photograph())

    verdicts: list[Verdict] = []
    pool = ThreadPoolExecutor(max_workers=cores())
    try:
        for verdict in pool.map(work, jobs):
            verdicts.append(verdict)
            progress(stage, len(verdicts), len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)  # after an interruption no further plate is begun
    return verdicts


def _trial(point: GridPoint, counts: Counter[Verdict]) -> Trial:
    plates, found = counts.total(), counts.total() - counts[Verdict.PASS]
    return Trial(point.size_px, point.contrast, plates, found, counts[Verdict.REJECT], clopper_pearson(found, plates))


def _level(brightness: float, warmth: float, counts: Counter[Verdict]) -> Illumination:
    reject = counts[Verdict.REJECT]
    interval = clopper_pearson(reject, counts.total())
    return Illumination(brightness, warmth, counts[Verdict.PASS], counts[Verdict.REVIEW], reject, interval)
