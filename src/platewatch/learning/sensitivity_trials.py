"""States what a model finds: defects of known size and contrast forged onto good plates, and good plates relit.

Every plate is judged by detectors that never saw it. What is drawn for a plate depends on the seed and that plate
alone: nearly the same place, direction and tone for every size and contrast, whatever thread forges it and when.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from platewatch.arrays import Array
from platewatch.config import Config
from platewatch.decision.sensitivity_summary import Illumination, Kind, Sensitivity, Trial
from platewatch.evaluation.metrics import clopper_pearson
from platewatch.inspection import Verdict
from platewatch.learning.preflight import GoodPlates
from platewatch.model.thread_limits import cores
from platewatch.photographs.illumination import gains, relight
from platewatch.progress import Progress
from platewatch.synthetic.artificial_defects import rust, scratch

Judge = Callable[[int, Array], Verdict]
"""Judges a prepared (S, S, 3) uint8 photograph of the plate of this number; called by several threads at once."""

Job = tuple[int, Callable[[], Array]]
"""A plate's number, and what makes the photograph of it that is to be judged."""


class GridPoint(NamedTuple):
    """One place of the grid: a scratch of this width or a rust spot of this diameter, and its contrast."""

    kind: Kind
    size_px: float
    contrast: float


_TRIES = 16  # places drawn until a defect lies on the photograph, not on the padding around it
_WITHIN = 0.9  # of the defect


def state(
    plates: GoodPlates, undamaged: Sequence[Verdict], judge: Judge, config: Config, progress: Progress
) -> Sensitivity:
    """What is found of the defects of `config.sensitivity`; `undamaged` holds the plates' verdicts as they are."""
    settings, side = config.sensitivity, int(np.median([max(size) for size in plates.sizes]))
    passing = [plate for plate, verdict in enumerate(undamaged) if verdict is Verdict.PASS]
    chosen = _spread(passing, settings.plates)
    cells = [GridPoint("scratch", width, contrast) for width in settings.widths for contrast in settings.contrasts]
    cells += [
        GridPoint("rust", diameter, contrast) for diameter in settings.diameters for contrast in settings.contrasts
    ]
    jobs = [(plate, partial(damage, plates, plate, cell, config)) for plate in chosen for cell in cells]
    verdicts = _judge_all(jobs, judge, "stating sensitivity", progress)
    trials = {cell: _trial(cell, Counter(verdicts[place :: len(cells)])) for place, cell in enumerate(cells)}
    return Sensitivity(
        photo_side=side,
        scale=config.image_size / side,
        mm_per_px=config.mm_per_px,
        length_px=settings.length * config.image_size,
        good_plates=len(undamaged),
        passing=len(passing),
        scratch=tuple(trial for cell, trial in trials.items() if cell.kind == "scratch"),
        rust=tuple(trial for cell, trial in trials.items() if cell.kind == "rust"),
    )


def illumination_trials(
    plates: GoodPlates, undamaged: Sequence[Verdict], judge: Judge, config: Config, progress: Progress
) -> tuple[Illumination, ...]:
    """Verdicts on all good plates under each lamp of `config.sensitivity`, the photographs' own among them."""
    settings, photos = config.sensitivity, plates.photos
    illuminations = [(brightness, 0.0) for brightness in settings.brightnesses if brightness != 1]
    illuminations += [(1.0, warmth) for warmth in (-settings.warmth, settings.warmth) if warmth]
    jobs = [
        (plate, partial(relight, photo, gains(*illumination)))
        for plate, photo in enumerate(photos)
        for illumination in illuminations
    ]
    verdicts = _judge_all(jobs, judge, "trying another light", progress)
    levels = [
        _level(*illumination, Counter(verdicts[place :: len(illuminations)]))
        for place, illumination in enumerate(illuminations)
    ]
    levels.append(_level(1.0, 0.0, Counter(undamaged)))
    return tuple(sorted(levels, key=lambda each: (each.warmth != 0, each.brightness, each.warmth)))


def damage(plates: GoodPlates, plate: int, cell: GridPoint, config: Config) -> Array:
    """The plate's prepared photograph with the cell's defect forged onto it."""
    photo, frame = plates.photos[plate], plates.frames[plate]
    rng = np.random.default_rng([config.seed, plate, int(cell.kind == "rust")])
    for _ in range(_TRIES):
        if cell.kind == "scratch":
            length_px = config.sensitivity.length * config.image_size
            damaged, mask = scratch(photo, rng, width_px=cell.size_px, length_px=length_px, contrast=cell.contrast)
        else:
            damaged, mask = rust(photo, rng, diameter_px=cell.size_px, contrast=cell.contrast)
        if np.count_nonzero(frame.cut(mask)) >= _WITHIN * np.count_nonzero(mask):
            break
    return damaged


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of the numbers, evenly spread over them."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[place] for place in np.linspace(0, len(numbers) - 1, count).round().astype(int)]


def _judge_all(jobs: Sequence[Job], judge: Judge, stage: str, progress: Progress) -> list[Verdict]:
    """The jobs' verdicts in their order, worked off side by side on the cores."""

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
        pool.shutdown(cancel_futures=True)  # what was interrupted ends at the next plate
    return verdicts


def _trial(cell: GridPoint, counts: Counter[Verdict]) -> Trial:
    plates, found = counts.total(), counts.total() - counts[Verdict.PASS]
    return Trial(cell.size_px, cell.contrast, plates, found, counts[Verdict.REJECT], clopper_pearson(found, plates))


def _level(brightness: float, warmth: float, counts: Counter[Verdict]) -> Illumination:
    reject = counts[Verdict.REJECT]
    interval = clopper_pearson(reject, counts.total())
    return Illumination(brightness, warmth, counts[Verdict.PASS], counts[Verdict.REVIEW], reject, interval)
