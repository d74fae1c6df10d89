"""From the published recipe to the preset `fast`, one change at a time (`benchmarks/ladder.toml`).

    run.py ladder DATA --seeds 0 1 2
    run.py ladder DATA --rungs 0 --epochs 10 --seeds 0

Each rung is one configuration file for `platewatch train --config`. Models that exist are not trained again. Rung 0 is
the preset `reference`; it takes over a core-hour per network and is run only when --rungs names it. `--epochs` shortens
every rung.

The columns before the last four show Skip-GANomaly alone, at the limits from its own out-of-fold scores of good plates
(`calibration.limits`), with alpha chosen on artificial defects. A training step has batch size 4 and runs on one core;
the median is shown, with the rungs measured in turn within one run. All rungs from 1 on take equally many steps.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.entries import steps
from benchmarks.harness import Found, Table, say
from benchmarks.timing import in_turn, medians
from platewatch import config
from platewatch.config import Config
from platewatch.decision import calibration
from platewatch.model import model_folder
from platewatch.skipganomaly.network import Discriminator, Generator

RUNGS = tomllib.loads(Path(__file__).parents[1].joinpath("ladder.toml").read_text(encoding="utf-8"))["rung"]
UPPER = tuple(range(1, len(RUNGS)))
_SPARED = {"sensitivity": {"plates": 1, "brightnesses": [], "warmth": 0.0}}  # shown in no column, a third of the time


def measure(
    data: Path, *, out: Path, seeds: Sequence[int] = (0, 1, 2), rungs: Sequence[int] = UPPER, epochs: int = 0
) -> Found:
    found: dict[int, list[dict[str, Any]]] = {number: [] for number in rungs}
    for number in rungs:
        say(f"rung {number}: {RUNGS[number]['name']}")
        folder = out / (f"rung-{number:02}" + (f"-{epochs}-epochs" if epochs else ""))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(toml(changes(number) | _SPARED), encoding="utf-8")
        options = ["--resume", "--config", f"{folder}/config.toml", *(["--epochs", str(epochs)] if epochs else [])]
        for trained, seed in ((folder / f"model-{seed}", seed) for seed in seeds):
            models.train(data, trained, "--seed", str(seed), *options)
            found[number].append(alone(trained, models.evaluate(trained, data, 256)))
    each_step = steps.of_each({str(number): settings(number) for number in rungs}, count=3)
    step_s = medians(in_turn(each_step, rounds=5, warm_up=0, what="training steps"))
    rows = [row(number, evaluations, step_s[str(number)]) for number, evaluations in found.items()]
    return Found(tables={"": Table(list(rows[0]), [list(each.values()) for each in rows])}, details=found)


def changes(number: int) -> dict[str, dict[str, Any]]:
    """All changes of rung `number` from `reference`, by section."""
    merged: dict[str, dict[str, Any]] = {}
    for rung in RUNGS[: number + 1]:
        for section in rung.keys() - {"name"}:
            merged[section] = {**merged.get(section, {}), **rung[section]}
    return merged


def settings(number: int) -> Config:
    """The configuration of rung `number`."""
    return config.preset("reference", **changes(number))


def toml(over: Mapping[str, Mapping[str, Any]]) -> str:
    """The changes as a TOML file for `platewatch train --config`; values are written as JSON, which TOML reads too."""
    lines = ['preset = "reference"']
    for section, values in over.items():
        lines += ["", f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def alone(folder: Path, evaluation: dict[str, Any]) -> dict[str, Any]:
    """An evaluation, and as `network` that of Skip-GANomaly alone at the limits from its own out-of-fold scores."""
    manifest, (labels, scores) = model_folder.load_manifest(folder), models.network_scores(evaluation)
    if manifest.alpha is None:  # no network
        return evaluation
    good = np.array([(plate.reconstruction_error, plate.latent_error) for plate in manifest.calibration])
    rates, held_out = manifest.config.calibration, models.fused(good, manifest.alpha)
    review, threshold = calibration.limits(held_out, rates.review_rate, rates.false_alarm_rate)
    network = {
        "separation": models.separation(labels, scores),
        "missed": int((scores[labels == 1] <= review).sum()),
        "false_alarms": int((scores[labels == 0] > threshold).sum()),
        **evaluation["phases"]["skipganomaly"],
    }
    return {"images": evaluation["images"], "verdicts": evaluation["verdicts"], "network": network}


def row(number: int, seeds: Sequence[Mapping[str, Any]], step_s: float) -> dict[str, str]:
    """The cells of a rung; every figure is the mean over the seeds, with the worst seed in brackets."""

    def cell(part: str, name: str, form: str = "") -> str:
        """A figure without `form` is a count, of which the highest is the worst."""
        values = [seed[part][name] for seed in seeds]
        if None in values:
            return "–"
        worst, form = (min(values), form) if form else (max(values), "{:.3g}")
        return f"{form.format(np.mean(values))} ({form.format(worst)})"

    images, network = seeds[0]["images"], settings(number).network
    weights = [*Generator(network).parameters(), *Discriminator(network).parameters()]
    return {
        f"rung: mean (worst) of {len(seeds)} seed{'s' * (len(seeds) > 1)}": f"{number} {RUNGS[number]['name']}",
        "image AUROC": cell("network", "auroc", "{:.4f}"),
        "lowest defective ÷ highest good": cell("network", "separation", "{:.2f}"),
        "missed": cell("network", "missed") + f" of {images['anomalous']}",
        "false alarms": cell("network", "false_alarms") + f" of {images['normal']}",
        "pixel AUROC": cell("network", "pixel_auroc", "{:.4f}"),
        "both phases: missed": cell("verdicts", "missed"),
        "both: false alarms": cell("verdicts", "false_alarms"),
        "parameters": f"{sum(weight.numel() for weight in weights) / 1e6:.2f} M",
        "a training step, core-ms": f"{1e3 * step_s:.0f}",
    }
