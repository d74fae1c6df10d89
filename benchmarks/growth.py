"""How cost grows with the work: plates judged, good plates to learn from, the photograph's side. Table, JSON, plot.

    python benchmarks/growth.py MODEL --out runs/growth

Cost is CPU time of all threads. An exponent e says that the cost grows as size to the power e, fitted through all
sizes; 1 is linear. Plates are rendered; learning is by `platewatch train --epochs 2`, so that what is not epochs shows.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

import runs
from platewatch.arrays import Array
from platewatch.evaluation.bench import resident_mb
from platewatch.evaluation.plots import BLUE, VERMILION
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading
from platewatch.surface import detector
from platewatch.synthetic import rendered_plates

PLATES = (100, 300, 1000, 3000, 10_000, 20_000)
GOOD = (27, 54, 135, 270, 540)
SIDES = (256, 384, 512, 768, 1024)
TRAINING = ("--epochs", "2")
_ROUNDS = 25  # of what takes milliseconds
_FITTED = 8  # good plates behind phase one at each side
Curve = dict[str, Any]
"""`sizes`, `cost` of each in `unit`, the `exponent` of growth; `memory_mb` where the process goes on and on."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--plates", type=int, nargs="+", default=PLATES)
    parser.add_argument("--good", type=int, nargs="+", default=GOOD)
    parser.add_argument("--sides", type=int, nargs="+", default=SIDES)
    parser.add_argument("--out", type=Path, default=Path("runs/growth"))
    asked = parser.parse_args()
    inspector = Inspector(asked.model, threads=1)
    found = {"plates judged": judging(inspector, asked.plates), **sides(inspector, asked.sides), **learning(asked.good)}
    runs.write_json(asked.out / "growth.json", found)
    draw(found).savefig(asked.out / "growth.png", dpi=110)
    sys.stdout.write(table(found) + "\n")


def curve(sizes: Sequence[float], cost: Sequence[float], unit: str, **more: Any) -> Curve:
    """The sizes, their cost, and the exponent that fits both best."""
    exponent = float(np.polyfit(np.log(sizes), np.log(cost), 1)[0])
    return {"sizes": list(sizes), "cost": list(cost), "unit": unit, "exponent": exponent, **more}


def judging(inspector: Inspector, counts: Sequence[int]) -> Curve:
    """CPU time of judging so many plates from their files' bytes, and the memory held after each count."""
    files = [_png(rendered_plates.render(kind, seed)[0]) for kind in rendered_plates.KINDS for seed in range(4)]
    for _ in ordered_map.ordered_map(inspector.inspect, files):
        pass  # the first ones of a process are slower
    spent, memory = [], []
    started = time.process_time()
    work = (files[number % len(files)] for number in range(counts[-1]))
    for done, _ in enumerate(ordered_map.ordered_map(inspector.inspect, work), start=1):
        if done in counts:
            spent.append(time.process_time() - started)
            memory.append(resident_mb())
            runs.say(f"{done} plates judged")
    return curve(counts, spent, "core-s", memory_mb=memory)


def _png(photo: Array) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plate.png"
        reading.write_png(path, photo)
        return path.read_bytes()


def sides(inspector: Inspector, wanted: Sequence[int]) -> dict[str, Curve]:
    """CPU time of one plate as the photograph's side grows, and of phase one as the prepared square's does."""
    photos = [rendered_plates.render("scratches", 0, side)[0] for side in wanted]
    complete = [_core_ms(partial(inspector.inspect, _png(photo))) for photo in photos]
    alone = [_core_ms(_phase_one(side)) for side in wanted]
    pixels = [side * side for side in wanted]
    return {
        "pixels of the photograph, file to verdict": curve(pixels, complete, "core-ms"),
        "pixels of the prepared square, phase one": curve(pixels, alone, "core-ms"),
    }


def _phase_one(side: int) -> Callable[[], object]:
    """Phase one, fitted to plates of this side, judging another."""
    good, _ = zip(*(rendered_plates.render("good", seed, side) for seed in range(_FITTED)), strict=True)
    return partial(
        detector.fit(np.stack(good), 0).inspect,
        rendered_plates.render("good", _FITTED, side)[0],
        np.ones((side,) * 2, bool),
    )


def _core_ms(task: Callable[[], object]) -> float:
    task()
    taken = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        task()
        taken.append(1e3 * (time.process_time() - started))
    return median(taken)


def learning(counts: Sequence[int]) -> dict[str, Curve]:
    """CPU time of fitting phase one, and of a whole training with calibration, as good plates become more."""
    fitted, trained = [], []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            data, out = Path(folder) / f"plates-{count}", Path(folder) / f"model-{count}"
            runs.command("render", str(data), "--good", str(count), "--no-test", "--size", "256")
            trained.append(_children_s(partial(runs.command, "train", str(data), "--out", str(out), *TRAINING)))
            photos = np.stack([reading.read(path) for path in reading.find(data / "train" / "good")])
            started = time.process_time()
            detector.fit(photos, 0)
            fitted.append(time.process_time() - started)
            runs.say(f"{count} good plates learned from")
    return {
        "good plates, phase one fitted": curve(counts, fitted, "core-s"),
        "good plates, trained and calibrated": curve(counts, trained, "core-s"),
    }


def _children_s(task: Callable[[], object]) -> float:
    """CPU time of the processes that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    task()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def table(found: dict[str, Curve]) -> str:
    """A row for each curve: smallest and largest size, cost at both, exponent."""
    rows = []
    for name, one in found.items():
        first, last, unit = one["cost"][0], one["cost"][-1], one["unit"]
        row = [name, f"{one['sizes'][0]:,} → {one['sizes'][-1]:,}", f"{first:.4g} → {last:.4g} {unit}"]
        memory = one.get("memory_mb")
        kept = f"{memory[0]:.0f} → {memory[-1]:.0f} MB" if memory else "–"
        rows.append([*row, f"{one['exponent']:.2f}", kept])
    return runs.markdown(("what grows", "from, to", "cost", "exponent", "memory"), rows)


def draw(found: dict[str, Curve]) -> Figure:
    """A panel for each curve, both axes in powers of ten, beside what linear growth would be; memory in the last."""
    columns = 3
    rows = -(-(len(found) + 1) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns).ravel()
    for axes in panels[len(found) + 1 :]:
        axes.remove()
    for axes, (name, one) in zip(panels, found.items(), strict=False):
        sizes = np.array(one["sizes"], float)
        axes.loglog(sizes, one["cost"][-1] * sizes / sizes[-1], color="#888888", lw=1.2, ls="--", label="linear")
        axes.loglog(
            sizes, one["cost"], color=BLUE, lw=2.2, marker="o", mfc="white", label=f"exponent {one['exponent']:.2f}"
        )
        _dress(axes, name, one["unit"])
        axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes], rotation=30, ha="right")
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(frameon=False)
    judged, axes = found["plates judged"], panels[len(found)]
    axes.plot(judged["sizes"], judged["memory_mb"], color=VERMILION, lw=2.2, marker="o", mfc="white")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_ylim(0, 1.2 * max(judged["memory_mb"]))
    _dress(axes, "plates judged: memory", "MB")
    return figure


def _dress(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)


if __name__ == "__main__":
    main()
