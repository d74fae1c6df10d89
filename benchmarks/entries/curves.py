"""False alarms and missed defects when the photograph changes: light, position, angle, distance, JPEG, noise.

Every plate of DATA/test is judged at every step of every change in `photograph_changes.py`; a step is the same for all
plates.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import platewatch
from benchmarks import charts
from benchmarks.harness import Found, Table, say
from benchmarks.photograph_changes import CHANGES, Change
from platewatch.arrays import Photo
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, reading
from platewatch.photographs.data_sets import NORMAL

UNCHANGED = "unchanged"
Setting = dict[str, Any]
"""`good` and `defective`: number of plates by verdict. `highest_good` and `lowest_defective`: score divided by the PASS
limit; None without a score."""

COUNTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "false_alarms": ("good, REJECT", "o-", "good", ("REJECT",)),
    "not_passed": ("good, REVIEW or REJECT", "^-", "good", ("REVIEW", "REJECT")),
    "missed": ("defective, PASS", "s-", "defective", ("PASS",)),
}
"""Each count by name: title, line style, good or defective plates, and the verdicts counted."""
EXTREMES = {"highest_good": max, "lowest_defective": min}


def measure(model: Sequence[Path], data: Path) -> Found:
    plates = [(sample.label, reading.read(sample.path)) for sample in data_sets.test(data)]
    found = [_run(folder, plates) for folder in model]
    return Found(tables={"": table(found)}, details=found, picture=draw(found))


def _run(folder: Path, plates: Sequence[tuple[int, Photo]]) -> dict[str, Any]:
    """Judge the plates with one model, at every step of every change."""
    inspector = platewatch.load(folder, threads=1)
    settings = {UNCHANGED: judge(inspector, plates, lambda photo: photo)}
    for change in CHANGES:
        say(f"{folder}: {change.name}")
        for step in change.steps:
            if step != change.neutral:
                settings[key(change, step)] = judge(inspector, plates, partial(change.apply, step))
    return {"expected": inspector.manifest.promise.false_alarm_rate, "settings": settings}


def key(change: Change, step: float) -> str:
    """The setting's name. The unchanged photograph is one setting, which all changes share."""
    return UNCHANGED if step == change.neutral else f"{change.name} {step:g}"


def judge(inspector: Inspector, plates: Sequence[tuple[int, Photo]], change: Callable[[Photo], Photo]) -> Setting:
    """Change each (label, photograph), then judge it."""
    seen = list(ordered_map.ordered_map(lambda plate: inspector.inspect(change(plate[1])), plates))
    found: Setting = {}
    for name, extreme in EXTREMES.items():
        own = [
            each for (label, _), each in zip(plates, seen, strict=True) if (label == NORMAL) == name.endswith("good")
        ]
        verdicts = Counter(str(each.verdict) for each in own)
        found[name.partition("_")[2]] = {word: verdicts[word] for word in ("PASS", "REVIEW", "REJECT")}
        scores = [each.score / inspector.manifest.review for each in own if each.score is not None]
        found[name] = extreme(scores, default=None)
    return found


def count(found: Sequence[dict[str, Any]], name: str, setting: str) -> tuple[int, int]:
    """Number of plates counted and of all plates, summed over the models."""
    _, _, whose, words = COUNTS[name]
    plates = [each["settings"][setting][whose] for each in found]
    return sum(each[word] for each in plates for word in words), sum(sum(each.values()) for each in plates)


def draw(found: Sequence[dict[str, Any]]) -> Figure:
    """One panel for each change, summed over the models, with the expected rate of false alarms."""
    expected = 100 * float(np.mean([each["expected"] for each in found]))
    panels: dict[str, list[charts.Series]] = {}
    for change in CHANGES:
        series = panels.setdefault(f"{change.name}, {change.axis}", [])
        for name, (title, style, *_) in COUNTS.items():
            counts = [count(found, name, key(change, step)) for step in change.steps]
            series.append((title, change.steps, [100 * part / whole for part, whole in counts], style))
        series.append((f"false alarms expected, {expected:.1f} %", change.steps, [expected] * len(change.steps), "--"))
    return charts.lines(panels, "", "plates, %")


def table(found: Sequence[dict[str, Any]]) -> Table:
    """One row for each change: the worst step of each figure, and the range of steps without additional mistakes."""
    head = ["change", "steps", *(f"{title}: worst" for title, *_ in COUNTS.values())]
    head += ["no more mistakes than unchanged", "highest good score ÷ limit for PASS", "lowest defective ÷ limit"]
    rows = [[UNCHANGED, "", *_worst(found, {"": UNCHANGED}), "", *_extremes(found, {"": UNCHANGED})]]
    for change in CHANGES:
        settings, kept = {f" at {step:g}": key(change, step) for step in change.steps}, harmless(change, found)
        name, steps = f"{change.name} ({change.axis})", f"{change.steps[0]:g} … {change.steps[-1]:g}"
        same = f"{kept[0]:g} … {kept[-1]:g}" if kept else "none"
        rows.append([name, steps, *_worst(found, settings), same, *_extremes(found, settings)])
    return Table(head, rows)


def _worst(found: Sequence[dict[str, Any]], settings: dict[str, str]) -> Iterator[str]:
    """The highest count of each kind and its step; `settings` by the text that names the step."""
    for name in COUNTS:
        where = max(settings, key=lambda each: count(found, name, settings[each]))
        part, whole = count(found, name, settings[where])
        yield f"{part} of {whole}{where if part else ''}"


def _extremes(found: Sequence[dict[str, Any]], settings: dict[str, str]) -> Iterator[str]:
    """The extremes over models and settings, and their steps."""
    for name, extreme in EXTREMES.items():
        values = [(each["settings"][setting][name], where) for each in found for where, setting in settings.items()]
        known = [(value, where) for value, where in values if value is not None]
        yield "{:.2f}{}".format(*extreme(known, key=lambda pair: pair[0])) if known else "–"


def harmless(change: Change, found: Sequence[dict[str, Any]]) -> list[float]:
    """The steps around the unchanged photograph, on both sides up to the first one with more mistakes."""

    def holds(step: float) -> bool:
        names = ("false_alarms", "missed")
        return all(count(found, name, key(change, step)) <= count(found, name, UNCHANGED) for name in names)

    start = 0 if change.neutral is None else change.steps.index(change.neutral)
    before = list(itertools.takewhile(holds, change.steps[start::-1]))
    return [*before[:0:-1], *itertools.takewhile(holds, change.steps[start:])]
