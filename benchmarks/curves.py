"""How verdicts hold when the photograph changes: one PNG of curves, one JSON, one table in Markdown.

    python benchmarks/curves.py MODEL... DATA --out runs/curves

Every plate of DATA/test is judged at every step of every change in `changes.py`, all plates changed alike. What was
judged already lies in OUT/<model>.json and is not judged again; another test set starts anew.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import platewatch
import runs
from changes import CHANGES, Change
from platewatch.arrays import Array
from platewatch.evaluation import metrics
from platewatch.evaluation.plots import BLUE, ORANGE, VERMILION
from platewatch.model.inspector import Inspector
from platewatch.model.thread_limits import cores
from platewatch.photographs import data_sets, reading
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL

UNCHANGED = "unchanged"
Setting = dict[str, Any]
"""`good` and `defective`: plates by verdict; `auroc` of those that could be judged; `highest_good` and
`lowest_defective`: their scores, 1 is the limit for PASS."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/curves"))
    parser.add_argument("--threads", type=int, default=cores(), help="plates judged at a time; every core unless told")
    asked = parser.parse_args()
    cv2.setNumThreads(1)  # plates side by side keep the cores busy
    plates = [(sample.label, reading.read(sample.path)) for sample in data_sets.test(asked.data)]
    found = [_run(model, plates, asked) for model in asked.model]
    runs.write_json(asked.out / "curves.json", found)
    draw(found).savefig(asked.out / "curves.png", dpi=110)
    sys.stdout.write(table(found) + "\n")


def _run(model: Path, plates: Sequence[tuple[int, Array]], asked: argparse.Namespace) -> dict[str, Any]:
    """Every setting of one model, those that are there already included."""
    inspector = platewatch.load(model, threads=1)
    manifest = inspector.manifest
    path = asked.out / f"{manifest.model_id}.json"
    shown = hashlib.sha256(b"".join(photo.tobytes() for _, photo in plates)).hexdigest()
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if found.get("plates") != shown:
        found = {"model": str(model), "plates": shown, "settings": {}}
    found |= {"promise": manifest.promise.false_alarm_rate}
    settings: dict[str, Callable[[Array], Array]] = {
        key(change, step): lambda photo, change=change, step=step: change.apply(photo, step)  # type: ignore[misc]
        for change in CHANGES
        for step in change.steps
    }
    settings[UNCHANGED] = lambda photo: photo
    missing = [name for name in settings if name not in found["settings"]]
    for done, name in enumerate(missing, start=1):
        found["settings"][name] = judge(inspector, plates, settings[name], asked.threads)
        runs.write_json(path, found)
        runs.say(f"{model}: {name}, {done} of {len(missing)}")
    return found


def key(change: Change, step: float) -> str:
    """The setting's name; a photograph that stays as it is is judged once for all changes."""
    return UNCHANGED if step == change.neutral else f"{change.name} {step:g}"


def judge(
    inspector: Inspector, plates: Sequence[tuple[int, Array]], change: Callable[[Array], Array], threads: int
) -> Setting:
    """Judge (label, photograph) plates, each changed first."""
    with ThreadPoolExecutor(threads) as pool:
        seen = list(pool.map(lambda plate: inspector.inspect(change(plate[1])), plates))
    counts = Counter((label == NORMAL, str(each.verdict)) for (label, _), each in zip(plates, seen, strict=True))
    judged = [(label, each.score) for (label, _), each in zip(plates, seen, strict=True) if each.score is not None]
    labels, scores = np.array(judged, float).reshape(-1, 2).T
    normal, anomalous = (scores[labels == label] / inspector.manifest.review for label in (NORMAL, ANOMALOUS))
    return {
        "good": {word: counts[True, word] for word in ("PASS", "REVIEW", "REJECT")},
        "defective": {word: counts[False, word] for word in ("PASS", "REVIEW", "REJECT")},
        "auroc": metrics.auroc(labels, scores),
        "highest_good": float(normal.max()) if len(normal) else None,
        "lowest_defective": float(anomalous.min()) if len(anomalous) else None,
    }


FIGURES: dict[str, tuple[str, str, str, Callable[[Setting], tuple[int, int]]]] = {
    "false_alarms": ("good, REJECT", VERMILION, "o", lambda one: (one["good"]["REJECT"], sum(one["good"].values()))),
    "not_passed": (
        "good, REVIEW or REJECT",
        ORANGE,
        "^",
        lambda one: (one["good"]["REVIEW"] + one["good"]["REJECT"], sum(one["good"].values())),
    ),
    "missed": (
        "defective, PASS",
        BLUE,
        "s",
        lambda one: (one["defective"]["PASS"], sum(one["defective"].values())),
    ),
}
"""What is counted, by name: title, colour, marker, and how many of how many in one setting."""


def count(found: Sequence[dict[str, Any]], name: str, setting: str) -> tuple[int, int]:
    """How many of how many plates, all models together."""
    parts = [FIGURES[name][3](each["settings"][setting]) for each in found]
    return sum(part for part, _ in parts), sum(whole for _, whole in parts)


def draw(found: Sequence[dict[str, Any]]) -> Figure:
    """A panel for each change: the mean over the models, and a thin line for each where there are several."""
    columns = 4
    figure = Figure(figsize=(17, 7.6), layout="constrained")
    panels = figure.subplots(-(-len(CHANGES) // columns), columns, sharey=True, squeeze=False)
    promise = 100 * float(np.mean([each["promise"] for each in found]))
    for axes, change in zip(panels.flat, CHANGES, strict=False):
        _panel(axes, change, found)
        axes.axhline(promise, color="#444444", lw=1.2, ls="--")
    for axes in panels[:, 0]:
        axes.set_ylabel("plates, %", fontsize=12)
    handles = [
        Line2D([], [], color=colour, marker=marker, lw=2.2, ms=8, mfc="white", mew=1.6, label=title)
        for title, colour, marker, _ in FIGURES.values()
    ]
    handles.append(Line2D([], [], color="#444444", lw=1.2, ls="--", label=f"false alarms promised, {promise:.1f} %"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, fontsize=13)
    return figure


def _panel(axes: Axes, change: Change, found: Sequence[dict[str, Any]]) -> None:
    names = [key(change, step) for step in change.steps]
    for size, (name, (_, colour, marker, _)) in zip((11, 7.5, 4), FIGURES.items(), strict=True):  # seen through
        for each in found if len(found) > 1 else ():
            axes.plot(change.steps, [_percent([each], name, setting) for setting in names], color=colour, lw=0.8)
        mean = [_percent(found, name, setting) for setting in names]
        axes.plot(change.steps, mean, color=colour, lw=2.2, marker=marker, ms=size, mfc="white", mew=1.6)
    if not any(count(found, name, setting)[0] for name in FIGURES for setting in names):
        axes.text(0.5, 0.5, "none at any step", transform=axes.transAxes, ha="center", fontsize=13, color="#444444")
    if change.steps[0] > change.steps[-1]:
        axes.invert_xaxis()
    axes.set_ylim(-4, 104)
    axes.set_title(change.name, loc="left", fontsize=13)
    axes.set_xlabel(change.axis, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, axis="y", color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)


def _percent(found: Sequence[dict[str, Any]], name: str, setting: str) -> float:
    part, whole = count(found, name, setting)
    return 100 * part / whole


def table(found: Sequence[dict[str, Any]]) -> str:
    """A row for each change: the worst step of each figure, and the steps with no more false alarms and misses."""
    head = [
        "change",
        "steps",
        *(f"{title}: worst" for title, *_ in FIGURES.values()),
        "no more mistakes than unchanged",
        "highest good score ÷ limit for PASS",
        "lowest defective ÷ limit",
    ]
    counts = [_of(*count(found, name, UNCHANGED)) for name in FIGURES]
    unchanged = ["unchanged", "", *counts, "", *(_extreme(found, name, {"": UNCHANGED}) for name in EXTREMES)]
    rows = [_row(change, found) for change in CHANGES]
    return runs.markdown(head, [unchanged, *rows])


def _row(change: Change, found: Sequence[dict[str, Any]]) -> list[str]:
    cells = [f"{change.name} ({change.axis})", f"{change.steps[0]:g} … {change.steps[-1]:g}"]
    for name in FIGURES:
        worst = max(change.steps, key=lambda step: count(found, name, key(change, step))[0])
        part, whole = count(found, name, key(change, worst))
        cells.append(_of(part, whole) + (f" at {worst:g}" if part else ""))
    first, last = harmless(change, found)
    settings = {f" at {step:g}": key(change, step) for step in change.steps}
    extremes = [_extreme(found, name, settings) for name in EXTREMES]
    return [*cells, "none" if first is None else f"{first:g} … {last:g}", *extremes]


EXTREMES = {"highest_good": max, "lowest_defective": min}


def _extreme(found: Sequence[dict[str, Any]], name: str, settings: dict[str, str]) -> str:
    """The extreme over models and settings, and where; `settings` by what is said of them."""
    values = [(each["settings"][setting][name], where) for each in found for where, setting in settings.items()]
    known = [(value, where) for value, where in values if value is not None]
    if not known:
        return "–"
    value, where = EXTREMES[name](known, key=lambda pair: pair[0])
    return f"{value:.2f}{where}"


def harmless(change: Change, found: Sequence[dict[str, Any]]) -> tuple[float | None, float | None]:
    """The first and last step around the unchanged photograph with no more false alarms and misses than there."""

    def holds(step: float) -> bool:
        setting, names = key(change, step), ("false_alarms", "missed")
        return all(count(found, name, setting)[0] <= count(found, name, UNCHANGED)[0] for name in names)

    start = 0 if change.neutral is None else change.steps.index(change.neutral)
    if not holds(change.steps[start]):
        return None, None
    first = last = start
    while first > 0 and holds(change.steps[first - 1]):
        first -= 1
    while last < len(change.steps) - 1 and holds(change.steps[last + 1]):
        last += 1
    return change.steps[first], change.steps[last]


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"


if __name__ == "__main__":
    main()
