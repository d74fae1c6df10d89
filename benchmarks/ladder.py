"""From the published recipe to the preset `fast`, one change at a time: one table in Markdown, one JSON, one PNG.

    python benchmarks/ladder.py DATA --seeds 0 1 2 --out runs/ladder
    python benchmarks/ladder.py DATA --rungs 5 6 --seeds 0 --out runs/ladder
    python benchmarks/ladder.py DATA --rungs 0 --with-reference --epochs 10 --seeds 0 --out runs/ladder

For each rung a TOML file is written and given to `platewatch train --config`, folds and all, as a user would; models
that are there already are not trained again. Rung 0 is the preset `reference` itself, which takes over a core-hour a
network: it is run only with `--with-reference`, and `--epochs` makes it, and every other rung, shorter.

The columns before the last four are Skip-GANomaly alone, at the limits that its own out-of-fold scores of good plates
give (`calibration.limits`), alpha as chosen on forged defects. Nothing that is learned or chosen reads a label. A
training step is one of batch 4 on one core, the median, the rungs in turn within one run; networks from rung 1 on take
as many of them.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import runs
import steps
from platewatch import config
from platewatch.config import Config, NetworkConfig
from platewatch.evaluation.plots import BLUE, VERMILION
from platewatch.inspection import Verdict
from platewatch.model import model_folder
from platewatch.skipganomaly.network import Discriminator, Generator

Changes = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Rung:
    """One step up: what it is called, why it is taken, and what of the configuration it changes."""

    name: str
    why: str
    changes: Changes


RUNGS = (
    Rung("reference", "the published recipe", {}),
    Rung(
        "a quarter of the width, 128 px, 40 epochs, bfloat16",
        "what two cores can train in a minute; folds as `fast` has them",
        {
            "network": {
                "resolution": 128,
                "encoder": (16, 32, 64, 128, 128),
                "discriminator": (16, 32, 64, 128),
                "fused_upsampling": True,
            },
            "training": {"epochs": 40, "precision": "bfloat16"},
            "calibration": {"folds": 3},
        },
    ),
    Rung("one convolution", "a third fewer weights: skips carry the detail", {"network": {"convolutions": 1}}),
    Rung(
        "blurred and pooled",
        "a defect is a place, not the mean of the picture",
        {"score": {"blur": 3.0, "pool_fraction": 0.02}},
    ),
    Rung(
        "faster, along a cosine",
        "a few hundred steps: large ones first, small ones last",
        {"training": {"learning_rate": 5e-4, "final_rate": 0.02}},
    ),
    Rung(
        "averaged weights", "the last step is as good as any other: their mean is better", {"training": {"ema": 0.99}}
    ),
    Rung(
        "forged inputs",
        "skips copy defects unless the network learns to take them off",
        {"training": {"forge": 1.0}},
    ),
    Rung("forged places count four times", "they are a small share of the picture", {"training": {"w_defect": 4.0}}),
    Rung("light ± 25 %", "the lamp becomes no defect", {"training": {"light": 0.25}}),
    Rung(
        "any angle, no flips",
        "plates hang turned; a mirrored hook is never seen",
        {"training": {"any_angle": 0.3, "flip_horizontal": 0.0, "flip_vertical": 0.0}},
    ),
    Rung(
        "frozen norms",
        "a plate is redrawn in training as in use, whatever else is in its batch",
        {"network": {"norm_momentum": 0.05}, "training": {"freeze_norms": 0.25}},
    ),
    Rung("tolerance of 1 px", "an edge drawn out of place is no defect", {"score": {"tolerance": 1}}),
    Rung("opponent colours", "a change of colour counts beside a change of light", {"score": {"colours": "opponent"}}),
)
"""Each rung changes the one before it; the last is the preset `fast`, which tests/test_benchmarks.py holds."""

_TURNS, _STEPS = 5, 3
"""How often a rung's training steps are timed, and how many of them each time."""

_SPARED: Changes = {"sensitivity": {"plates": 1, "brightnesses": [], "warmth": 0.0}}
"""What no column shows is not tried: stating what a model finds would be a third of the time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/ladder"))
    parser.add_argument("--rungs", type=int, nargs="+", default=list(range(1, len(RUNGS))), metavar="RUNG")
    parser.add_argument("--with-reference", action="store_true", help="rung 0 too")
    parser.add_argument("--epochs", type=int, help="instead of each rung's own")
    asked = parser.parse_args()
    if 0 in asked.rungs and not asked.with_reference:
        parser.error("rung 0 takes over a core-hour a network: say --with-reference, and --epochs to make it shorter")
    found = []
    for number in sorted({*asked.rungs, *([0] if asked.with_reference else [])}):
        found.append(_climb(asked, number))
        runs.write_json(asked.out / "ladder.json", found)
    for rung, seconds in zip(found, step_seconds([rung["rung"] for rung in found]), strict=True):
        rung["step_core_s"] = seconds
    runs.write_json(asked.out / "ladder.json", found)
    draw(found).savefig(asked.out / "ladder.png", dpi=110)
    sys.stdout.write(table(found) + "\n")


def changes(number: int) -> Changes:
    """All that rung `number` changes of `reference`."""
    merged: Changes = {}
    for rung in RUNGS[: number + 1]:
        for section, values in rung.changes.items():
            merged[section] = {**merged.get(section, {}), **values}
    return merged


def settings(number: int) -> Config:
    """The configuration of rung `number`."""
    return config.preset("reference", **changes(number))


def toml(over: Mapping[str, Mapping[str, Any]]) -> str:
    """The changes as the file that `platewatch train --config` reads; numbers, words and lists are JSON's."""
    lines = ['preset = "reference"']
    for section, values in over.items():
        lines += ["", f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


def parameters(network: NetworkConfig) -> int:
    """The weights of Generator and Discriminator together."""
    return sum(weight.numel() for part in (Generator(network), Discriminator(network)) for weight in part.parameters())


def step_seconds(rungs: Sequence[int]) -> list[float]:
    """CPU seconds of a training step of each rung, one after the other again and again: medians."""
    taken: dict[int, list[float]] = {number: [] for number in rungs}
    for turn in range(_TURNS):
        for number in rungs:
            taken[number] += steps.cpu_seconds(settings(number), _STEPS)
        runs.say(f"a training step of each rung: {turn + 1} of {_TURNS}")
    return [median(taken[number]) for number in rungs]


def _climb(asked: argparse.Namespace, number: int) -> dict[str, Any]:
    folder = asked.out / (f"rung-{number:02}" + (f"-{asked.epochs}-epochs" if asked.epochs else ""))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.toml"
    file.write_text(toml(changes(number) | _SPARED), encoding="utf-8")
    options = ["--config", str(file), *(["--epochs", str(asked.epochs)] if asked.epochs else [])]
    rung = RUNGS[number]
    return {
        "rung": number,
        "name": rung.name,
        "why": rung.why,
        "changes": rung.changes,
        "parameters": parameters(settings(number).network),
        "seeds": [_one(asked.data, folder / f"model-{seed}", seed, options) for seed in asked.seeds],
    }


def _one(data: Path, folder: Path, seed: int, options: Sequence[str]) -> dict[str, Any]:
    runs.train(data, folder, "--seed", str(seed), *options)
    manifest, seen = model_folder.load_manifest(folder), runs.look(folder, data)
    held_out, decision = runs.out_of_fold(manifest), manifest.decision
    alone = [runs.network_score(numbers[:, 1:], decision.alpha) for numbers in (seen.numbers, held_out)]
    both = [decision.verdict(decision.score(*numbers)) for numbers in seen.numbers]
    pixel = seen.pixel("network_map")
    return {
        "seed": seed,
        "alpha": decision.alpha,
        "plates": {"normal": int((seen.labels == 0).sum()), "anomalous": int((seen.labels == 1).sum())},
        "network": runs.judge(seen.labels, alone[0], alone[1], manifest.config.calibration),
        "network_pixel": {"auroc": pixel.auroc, "average_precision": pixel.average_precision, "aupro": pixel.aupro},
        "both": {
            "missed": sum(word is Verdict.PASS for word, label in zip(both, seen.labels, strict=True) if label == 1),
            "false_alarms": sum(
                word is Verdict.REJECT for word, label in zip(both, seen.labels, strict=True) if label == 0
            ),
        },
    }


def table(found: Sequence[dict[str, Any]]) -> str:
    """A row a rung; every figure is the mean over the seeds and, in brackets, the worst of them."""
    count = len(found[0]["seeds"])
    head = [
        f"rung: mean (worst) of {count} seed{'s' * (count > 1)}",
        "image AUROC",
        "lowest defective ÷ highest good",
        "missed",
        "false alarms",
        "pixel AP",
        "both phases: missed",
        "both: false alarms",
        "parameters",
        "a training step, core-ms",
    ]
    return runs.markdown(head, [_row(rung) for rung in found])


def _row(rung: dict[str, Any]) -> list[str]:
    seeds = rung["seeds"]

    def cell(part: str, name: str, form: str, *, highest: bool) -> str:
        values = [seed[part][name] for seed in seeds]
        return "–" if None in values else runs.mean_and_worst(values, form, highest=highest)

    return [
        f"{rung['rung']} {rung['name']}",
        cell("network", "auroc", "{:.4f}", highest=False),
        cell("network", "separation", "{:.2f}", highest=False),
        cell("network", "missed", "{:.3g}", highest=True) + f" of {seeds[0]['plates']['anomalous']}",
        cell("network", "false_alarms", "{:.3g}", highest=True) + f" of {seeds[0]['plates']['normal']}",
        cell("network_pixel", "average_precision", "{:.3f}", highest=False),
        cell("both", "missed", "{:.3g}", highest=True),
        cell("both", "false_alarms", "{:.3g}", highest=True),
        f"{rung['parameters'] / 1e6:.2f} M",
        f"{1e3 * rung['step_core_s']:.0f}",
    ]


def draw(found: Sequence[dict[str, Any]]) -> Figure:
    """Skip-GANomaly alone, rung by rung: image AUROC and missed plates, a point a seed and a line for their mean."""
    figure = Figure(figsize=(11, 1.6 + 0.42 * len(found)), layout="constrained")
    places = range(len(found))
    for axes, name, colour in zip(
        figure.subplots(1, 2, sharey=True), ("auroc", "missed"), (BLUE, VERMILION), strict=True
    ):
        values = [[seed["network"][name] for seed in rung["seeds"]] for rung in found]
        for place, seeds in zip(places, values, strict=True):
            axes.plot(seeds, [place] * len(seeds), "o", color=colour, alpha=0.5, ms=7, mew=0)
        axes.plot([sum(seeds) / len(seeds) for seeds in values], places, color=colour, lw=2.4)
        if name == "missed":
            axes.set_xlim(-0.5, max(4, *(max(seeds) for seeds in values)) + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title({"auroc": "image AUROC", "missed": "missed"}[name], loc="left", fontsize=13)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(True, color="#dddddd", lw=0.8)
    axes.set_yticks(list(places), [f"{rung['rung']} {rung['name']}" for rung in found])
    axes.invert_yaxis()
    return figure


if __name__ == "__main__":
    main()
