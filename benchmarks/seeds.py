"""Train and evaluate with several seeds; one table in Markdown and one JSON.

    python benchmarks/seeds.py DATA --seeds 0 1 2 --out runs/seeds
    python benchmarks/seeds.py DATA --draw 20 --out runs/seeds

Every run is what a user types: `platewatch train DATA`, then `platewatch evaluate MODEL DATA --json` for each pixel
size. Models that are there already are evaluated, not trained again. With `--draw N` each seed learns from N good
plates of its own, drawn at random with that seed.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import runs
from platewatch.arrays import Array
from platewatch.photographs import data_sets

Run = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--options", default="", help="further options of `platewatch train`, in one string")
    parser.add_argument("--pixel-sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--draw", type=int, help="learn from so many good plates, drawn at random")
    asked = parser.parse_args()
    found = [_run(asked, seed) for seed in asked.seeds]
    runs.write_json(asked.out / ("seeds.json" if asked.draw is None else f"seeds-of-{asked.draw}.json"), found)
    sys.stdout.write(table(found) + "\n")


def _run(asked: argparse.Namespace, seed: int) -> Run:
    name, data, options = str(seed), asked.data, asked.options.split()
    if asked.draw is not None:
        name = f"{seed}-of-{asked.draw}"
        data = draw(asked.data, asked.out / f"plates-{name}", asked.draw, seed)
        options += ["--min-images", str(asked.draw)]
    model = asked.out / f"model-{name}"
    seconds = runs.train(data, model, "--seed", str(seed), *options)
    found = [runs.evaluate(model, data, size) for size in asked.pixel_sizes]
    pixels = {str(size): each["pixel"] for size, each in zip(asked.pixel_sizes, found, strict=True)}
    return {**found[0], "seed": seed, "train_s": seconds, "pixels": pixels}


def draw(data: Path, folder: Path, count: int, seed: int) -> Path:
    """A data set of links: `count` of the good plates at random, and the whole test folder."""
    shutil.rmtree(folder, ignore_errors=True)
    good = folder / "train" / data_sets.GOOD
    good.mkdir(parents=True)
    paths = data_sets.training(data)
    for place in np.random.default_rng(seed).choice(len(paths), count, replace=False):
        (good / paths[place].name).symlink_to(paths[place].resolve())
    for part in ("test", "ground_truth"):
        if (data / part).is_dir():
            (folder / part).symlink_to((data / part).resolve())
    return folder


@dataclass(frozen=True)
class Line:
    """One row of the table: a figure of every run, their mean and the worst of them."""

    name: str
    value: Callable[[Run], float | None]
    form: str = "{:.4f}"
    worst: Callable[[Sequence[float]], float] | None = min
    counted: str = ""
    """The class whose plates are counted: `normal` or `anomalous`."""

    def cells(self, found: Sequence[Run]) -> list[str]:
        values = [self.value(run) for run in found]
        known = [value for value in values if value is not None]
        summary: list[float | None] = [None, None]
        if known and self.worst:
            summary = [float(np.mean(known)), self.worst(known)]
        suffix = f" of {found[0]['images'][self.counted]}" if self.counted else ""
        return ["–" if value is None else self.form.format(value) + suffix for value in (*values, *summary)]


def table(found: Sequence[Run]) -> str:
    """The runs side by side, a column a seed, then their mean and the worst of them, as Markdown."""
    head = ["seed", *(str(run["seed"]) for run in found), "mean", "worst"]
    return runs.markdown(head, [[line.name, *line.cells(found)] for line in _lines(list(found[0]["pixels"]))])


def _lines(sizes: Sequence[str]) -> list[Line]:
    pixels = [
        Line(f"{title}, {size} px", lambda run, size=size, key=key: _pixel(run, size, key), form)  # type: ignore[misc]
        for size in sizes
        for title, key, form in (
            ("pixel AUROC", "auroc", "{:.4f}"),
            ("pixel AP", "average_precision", "{:.3f}"),
            ("AUPRO to 30 %", "aupro", "{:.3f}"),
        )
    ]
    return [
        Line("defective plates that PASS", lambda run: run["verdicts"]["missed"], "{:.3g}", max, "anomalous"),
        Line(
            "defective plates to REVIEW", lambda run: run["verdicts"]["reviewed_anomalous"], "{:.3g}", max, "anomalous"
        ),
        Line("good plates REJECTed", lambda run: run["verdicts"]["false_alarms"], "{:.3g}", max, "normal"),
        Line("good plates to REVIEW", lambda run: run["verdicts"]["reviewed_normal"], "{:.3g}", max, "normal"),
        Line("image AUROC, both phases", lambda run: run["auroc"]),
        Line("lowest defective ÷ highest good score", lambda run: runs.separation(*_both(run)), "{:.2f}"),
        Line("image AUROC, surface", lambda run: run["phases"]["surface"]["auroc"]),
        Line("image AUROC, Skip-GANomaly", lambda run: run["phases"]["skipganomaly"]["auroc"]),
        Line("the same at the best alpha of the test half", lambda run: runs.best_share(*_errors(run))["auroc"]),
        Line("lowest ÷ highest, Skip-GANomaly", _network_separation, "{:.2f}"),
        Line("the same at that alpha", lambda run: runs.best_share(*_errors(run))["separation"], "{:.2f}"),
        *pixels,
        Line("alpha, chosen on forged defects", lambda run: run["alpha"], "{:.1f}", None),
        Line("alpha, the best of the test half", lambda run: runs.best_share(*_errors(run))["share"], "{:.1f}", None),
        Line("expected false alarms", lambda run: run["promise"]["false_alarm_rate"], "{:.1%}", max),
        Line("the same, 95 % limit", lambda run: run["promise"]["upper_95"], "{:.1%}", max),
        Line("training with calibration, s", lambda run: run["train_s"], "{:.0f}", max),
    ]


def _pixel(run: Run, size: str, key: str) -> float | None:
    figures = run["pixels"][size]
    return figures[key] if figures else None


def _both(run: Run) -> tuple[Array, Array]:
    judged = [plate for plate in run["scores"] if plate["score"] is not None]
    return np.array([plate["label"] for plate in judged]), np.array([plate["score"] for plate in judged])


def _errors(run: Run) -> tuple[Array, Array]:
    judged = [plate for plate in run["scores"] if plate["score"] is not None]
    errors = [(plate["reconstruction_error"], plate["latent_error"]) for plate in judged]
    return np.array([plate["label"] for plate in judged]), np.array(errors)


def _network_separation(run: Run) -> float:
    labels, errors = _errors(run)
    return runs.separation(labels, runs.network_score(errors, run["alpha"]))


if __name__ == "__main__":
    main()
