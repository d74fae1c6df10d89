"""Parts of other kinds: ranking, verdicts, places and training time for each data set and seed, and a ladder.

    run.py sets DATA DATA --grey --seeds 0 1 2

Trains the preset `surface` by `platewatch train` at each step and judges the test folder by `platewatch
evaluate --json`. With `--grey` a set in colour is measured without its colour too, on a copy in OUT. The sensitivity
trials are cut short: they change no verdict. Models and evaluations that exist are not made again.
"""

import json
import resource
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import models
from benchmarks.entries import grey as without_colour
from benchmarks.entries.seeds import Row, Run, at, table
from benchmarks.harness import Found, Table, write_json
from platewatch.config import TILE
from platewatch.decision.intervals import clopper_pearson
from platewatch.learning import preflight
from platewatch.model import model_folder
from platewatch.photographs import data_sets, preparation, reading
from platewatch.surface.detector import KINDS
from platewatch.surface.fusion import Fusion


class Step(NamedTuple):
    """One step from phase one of 0.1.0 to the default."""

    backbone: str
    tiled: bool  # long photographs in tiles, as `platewatch train` does
    preset: str = "surface"  # phase one of `reference` has the settings of 0.1.0


LITE = "efficientnet-lite0"
COMPARED = {"without a network": Step("none", tiled=True), "the default": Step(LITE, tiled=True)}
LADDER = {
    "colour and line, settings of 0.1.0": Step("none", tiled=False, preset="reference"),
    "texture features": Step(LITE, tiled=False, preset="reference"),
    "wear and thin marks pooled apart, levelled": Step(LITE, tiled=False),
    "long photographs in tiles: the default": Step(LITE, tiled=True),
}
_CONFIG = """preset = "{preset}"
skipganomaly = false
[sensitivity]
plates = 1
widths = [2.0]
diameters = [6.0]
structural_diameters = []
brightnesses = []
warmth = 0.0
"""


def measure(
    data: Sequence[Path], *, out: Path, seeds: Sequence[int] = (0, 1, 2), grey: bool = False, ladder: bool = False
) -> Found:
    out.mkdir(parents=True, exist_ok=True)
    for preset in ("surface", "reference"):
        (out / f"{preset}.toml").write_text(_CONFIG.format(preset=preset), encoding="utf-8")
    tables, overview, rungs = dict[str, Table](), list[Mapping[str, str]](), list[Mapping[str, str]]()
    for name, folder in _sets(data, out, grey):
        compared = _runs(COMPARED, folder, out / name, seeds)
        overview += _overview(name, compared)
        if ladder:
            rungs += _overview(name, _runs(LADDER, folder, out / name, seeds))
        none, default = compared.values()
        joined = [{**each, "none": other} for each, other in zip(default, none, strict=True)]
        shown = [row for row in rows(joined[0]) if row[1](joined[0]) is not None]
        plain = table(joined, shown)
        chosen = ["weights of colour, line, texture", *(each["weights"] for each in default), "–", "–"]
        tables[f" {name}"] = Table(plain.head, [*plain.rows, chosen])
    if ladder:
        tables[" ladder"] = _joined(rungs)
    return Found(tables={"": _joined(overview), **tables})


def _runs(steps: Mapping[str, Step], data: Path, out: Path, seeds: Sequence[int]) -> dict[str, list[Run]]:
    return {title: [run(data, out, step, seed) for seed in seeds] for title, step in steps.items()}


def _overview(name: str, steps: Mapping[str, Sequence[Run]]) -> list[Mapping[str, str]]:
    return [{"set: step": f"{name}: {title}", **summary(found)} for title, found in steps.items()]


def _joined(rows: Sequence[Mapping[str, str]]) -> Table:
    return Table(list(rows[0]), [list(row.values()) for row in rows])


def _sets(data: Sequence[Path], out: Path, grey: bool) -> Iterator[tuple[str, Path]]:
    """Name and folder of each set, and of the grey copy of those in colour."""
    for folder in data:
        yield folder.name, folder
        if grey and np.ptp(reading.read(data_sets.training(folder)[0]), axis=2).max() > 0:
            yield f"{folder.name} grey", without_colour.copy(folder, out / f"{folder.name} grey" / "plates")


def run(data: Path, out: Path, step: Step, seed: int) -> Run:
    """The evaluation of one model, with its training time and its weights."""
    side = preparation.side_for(preflight.sizes(data_sets.training(data)), TILE) if step.tiled else TILE
    model = out / f"{step.preset}-{step.backbone}-{side}-{seed}"
    kept, clock = (model.with_name(f"{model.name}.{end}") for end in ("json", "core-seconds"))
    if not model.exists():
        before, options = _core_s(), ("--config", f"{out.parent}/{step.preset}.toml", "--seed", str(seed))
        network = ("--backbone", step.backbone, "--image-size", str(side))
        models.train(data, model, *options, *network)
        clock.write_text(f"{_core_s() - before:.1f}", encoding="utf-8")
    if not kept.exists():
        write_json(kept, {**models.evaluate(model, data, TILE), "core_s": float(clock.read_text(encoding="utf-8"))})
    found, weighing = json.loads(kept.read_text(encoding="utf-8")), model_folder.load_manifest(model).weighing
    weights = Fusion(weighing.weights, weighing.power) if weighing else None
    counts, separation = found["verdicts"], models.separation(*models.scores(found))
    counted = {"passed": counts["missed"], "not_passed": counts["false_alarms"] + counts["reviewed_normal"]}
    return {**found, "seed": seed, "separation": separation, "weights": _words(weights), **counted}


def _words(fusion: Fusion | None) -> str:
    """The weights of a fusion: `1 : 2 : 4`, followed by `squared` where the maps' squares are added."""
    if fusion is None:
        return "–"
    return " : ".join(f"{each:g}" for each in fusion.weights) + " squared" * (fusion.power > 1)


def _core_s() -> float:
    """CPU seconds of all processes started here that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(found: Sequence[Run]) -> dict[str, str]:
    """The cells of a step on one set: mean and worst seed, and of counts the worst seed with its 95 % interval."""
    images = found[0]["images"]

    def mean(name: str, form: str) -> str:
        values = [run[name] for run in found]
        return f"{form} ({form})".format(np.mean(values), min(values))

    def worst(name: str, counted: str) -> str:
        count, of = max(run[name] for run in found), images[counted]
        low, high = clopper_pearson(count, of)
        return f"{count} of {of} ({low:.1%} to {high:.1%})"

    return {
        "image AUROC: mean (worst seed)": mean("auroc", "{:.4f}"),
        "good parts not passed: worst seed (95 %)": worst("not_passed", "normal"),
        "defective parts passed: worst seed (95 %)": worst("passed", "anomalous"),
        "lowest defective ÷ highest good: mean (worst)": mean("separation", "{:.2f}"),
        "training, core-s": f"{np.mean([run['core_s'] for run in found]):.0f}",
    }


def rows(first: Run) -> Iterator[Row]:
    """The table of a set: the default, with the same figures of `--backbone none` below."""
    for suffix, keys in (("", ()), (", no network", ("none",))):
        yield f"image AUROC{suffix}", partial(at, *keys, "auroc"), "{:.4f}", min
        for title, name, of in (
            ("good parts not passed", "not_passed", "normal"),
            ("defective parts passed", "passed", "anomalous"),
        ):
            yield f"{title}{suffix}", partial(at, *keys, name), f"{{:.3g}} of {first['images'][of]}", max
        yield f"lowest defective ÷ highest good score{suffix}", partial(at, *keys, "separation"), "{:.2f}", min
        for title, name in (("pixel AUROC", "auroc"), ("pixel AP", "average_precision"), ("AUPRO to 30 %", "aupro")):
            yield f"{title}{suffix}", partial(at, *keys, "pixel", name), "{:.4f}", min
        yield f"training, core-s{suffix}", partial(at, *keys, "core_s"), "{:.0f}", max
    for kind in KINDS:
        yield f"image AUROC, {kind} map alone", partial(_alone, kind), "{:.4f}", min


def _alone(kind: str, run: Run) -> float | None:
    found: float | None = at("auroc", run["phases"].get(kind))
    return found
