"""Growth of CPU time with the number of plates judged, of good plates in training, and of the photograph's pixels.

Cost is CPU time of all threads. It is fitted as size to the power of an exponent; 1 is linear. Plates are rendered.
Training is `platewatch train --epochs 2`, so that everything besides the epochs is visible.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from matplotlib.figure import Figure

from benchmarks import charts, models
from benchmarks.harness import Found, Table, say
from benchmarks.timing import children, in_turn, timed
from platewatch.evaluation.bench import resident_mb
from platewatch.model import ordered_map
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading
from platewatch.surface import detector
from platewatch.synthetic import rendered_plates as rendered

Curve = tuple[Sequence[int], Sequence[float], str, str]
"""Sizes, cost at each, unit of the cost, and memory at each size where one process runs through all of them."""


def measure(
    model: Path,
    *,
    plates: Sequence[int] = (100, 300, 1000, 3000, 10_000, 20_000),
    good: Sequence[int] = (27, 54, 135, 270, 540),
    sides: Sequence[int] = (256, 384, 512, 768, 1024),
) -> Found:
    inspector, pixels = Inspector(model, threads=1), [side * side for side in sides]
    complete = {str(side): partial(inspector.inspect, _png("scratches", 0, side)) for side in sides}
    phase_one = {str(side): _phase_one(side) for side in sides}
    fitted, trained = learning(good)
    found: dict[str, Curve] = {
        "plates judged": judging(inspector, plates),
        "pixels of the photograph, file to verdict": (pixels, _core_ms(complete), "core-ms", "–"),
        "pixels of the prepared square, phase one": (pixels, _core_ms(phase_one), "core-ms", "–"),
        "good plates, phase one fitted": (good, fitted, "core-s", "–"),
        "good plates, trained and calibrated": (good, trained, "core-s", "–"),
    }
    return Found(tables={"": table(found)}, details=found, picture=draw(found))


def judging(inspector: Inspector, counts: Sequence[int]) -> Curve:
    """CPU time of judging each number of plates from their files' bytes, and the process's memory after it."""
    files = [_png(kind, seed) for kind in rendered.KINDS for seed in range(4)]
    list(ordered_map.ordered_map(inspector.inspect, files))  # the first ones of a process are slower
    spent, memory, started = [], [], time.process_time()
    work = (files[number % len(files)] for number in range(counts[-1]))
    for done, _ in enumerate(ordered_map.ordered_map(inspector.inspect, work), start=1):
        if done in counts:
            spent.append(time.process_time() - started)
            memory.append(resident_mb())
            say(f"{done} plates judged")
    return counts, spent, "core-s", f"{memory[0]:.0f} → {memory[-1]:.0f} MB"


def _png(kind: str, seed: int, side: int = 512) -> bytes:
    return bytes(cv2.imencode(".png", rendered.render(kind, seed, side)[0][..., ::-1])[1])


def _phase_one(side: int) -> Callable[[], object]:
    """Phase one, fitted to eight plates of this side, and judging another one."""
    good = [rendered.render("good", seed, side)[0] for seed in range(9)]
    return partial(detector.fit(np.stack(good[:-1]), 0).inspect, good[-1], np.ones((side, side), bool))


def _core_ms(tasks: Mapping[str, Callable[[], object]]) -> list[float]:
    taken = in_turn({name: timed(task) for name, task in tasks.items()}, rounds=25)
    return [1e3 * median(each) for each in taken.values()]


def learning(counts: Sequence[int]) -> tuple[list[float], list[float]]:
    """CPU time of fitting phase one, and of a whole training with calibration, for each number of good plates."""
    fitted, trained = [], []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            data, out = Path(folder) / f"plates-{count}", Path(folder) / f"model-{count}"
            models.command("render", str(data), "--good", str(count), "--no-test", "--size", "256")
            training = partial(models.command, "train", str(data), "--out", str(out), "--epochs", "2")
            trained.append(timed(training, children)())
            photos = np.stack([reading.read(path) for path in reading.find(data / "train" / "good")])
            fitted.append(timed(partial(detector.fit, photos, 0))())
            say(f"{count} good plates learned from")
    return fitted, trained


def exponent(sizes: Sequence[int], cost: Sequence[float]) -> float:
    """The exponent of the power law that fits the cost best."""
    return float(np.polyfit(np.log(sizes), np.log(cost), 1)[0])


def table(found: Mapping[str, Curve]) -> Table:
    """One row for each curve: smallest and largest size, cost at both, exponent."""
    rows = []
    for name, (sizes, cost, unit, memory) in found.items():
        ends = f"{sizes[0]:,} → {sizes[-1]:,}", f"{cost[0]:.4g} → {cost[-1]:.4g} {unit}"
        rows.append([name, *ends, f"{exponent(sizes, cost):.2f}", memory])
    return Table(["what grows", "from, to", "cost", "exponent", "memory"], rows)


def draw(found: Mapping[str, Curve]) -> Figure:
    """One panel for each curve, with a line of linear growth; both axes are logarithmic."""
    panels: dict[str, list[charts.Series]] = {}
    for name, (sizes, cost, unit, _) in found.items():
        linear = [cost[-1] * size / sizes[-1] for size in sizes]
        panels[f"{name}, {unit}"] = [("measured", sizes, cost, "o-"), ("linear", sizes, linear, "--")]
    return charts.lines(panels, "", "CPU time", log=True)
