"""Train and evaluate with several seeds: verdicts, AUROC, separation and pixel metrics, with mean and worst seed.

    run.py seeds DATA --seeds 0 1 2
    run.py seeds DATA --draw 27 --title "27 good plates"

Each run calls `platewatch train DATA` with `--options`, then `platewatch evaluate MODEL DATA --json` for each pixel
size. Models that exist are not trained again. With `--draw N`, each seed trains on N good plates, drawn at random with
that seed.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.harness import Found, Table
from platewatch.decision.intervals import clopper_pearson
from platewatch.photographs import data_sets

Run = dict[str, Any]
Row = tuple[str, Callable[[Run], float | None], str, Callable[[Sequence[float]], float]]
"""Title, figure of a run, number format, and the function that picks the worst of several."""


def measure(
    data: Path,
    *,
    out: Path,
    seeds: Sequence[int] = (0, 1, 2),
    options: str = "",
    pixel_sizes: Sequence[int] = (256, 512),
    draw: int = 0,
) -> Found:
    found = []
    for seed in seeds:
        name, plates, more = str(seed), data, options.split()
        if draw:
            name = f"{seed}-of-{draw}"
            plates = drawn(data, out / f"plates-{name}", draw, seed)
            more += ["--min-images", str(draw)]
        model = out / f"model-{name}"
        seconds = models.train(plates, model, "--seed", str(seed), *more)
        evaluations = {str(size): models.evaluate(model, plates, size) for size in pixel_sizes}
        pixels = {size: each["pixel"] for size, each in evaluations.items()}
        found.append({**evaluations[str(pixel_sizes[0])], "seed": seed, "train_s": seconds, "pixels": pixels})
    worst = {name: max(run["verdicts"][name] for run in found) for name in ("missed", "false_alarms")}
    plates_of = {"missed": found[0]["images"]["anomalous"], "false_alarms": found[0]["images"]["normal"]}
    bounds = {f"{name}_upper_95": clopper_pearson(count, plates_of[name])[1] for name, count in worst.items()}
    return Found(bounds, {"": table(found, rows(found[0]))}, found)


def drawn(data: Path, folder: Path, count: int, seed: int) -> Path:
    """A data set of symbolic links: `count` random good plates, and the whole test folder."""
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


def table(found: Sequence[Run], rows: Iterable[Row]) -> Table:
    """One column for each seed, then mean and worst; a dash where there is no value."""
    cells = []
    for title, value, form, worst in rows:
        values = [value(run) for run in found]
        known = [each for each in values if each is not None]
        values += [float(np.mean(known)), worst(known)] if known else [None, None]
        cells.append([title, *("–" if each is None else form.format(each) for each in values)])
    return Table(["seed", *(str(run["seed"]) for run in found), "mean", "worst"], cells)


def rows(first: Run) -> Iterator[Row]:
    for title, name, counted in (
        ("defective plates that PASS", "missed", "anomalous"),
        ("defective plates to REVIEW", "reviewed_anomalous", "anomalous"),
        ("good plates REJECTed", "false_alarms", "normal"),
        ("good plates to REVIEW", "reviewed_normal", "normal"),
    ):
        yield title, partial(at, "verdicts", name), f"{{:.3g}} of {first['images'][counted]}", max
    yield "image AUROC, both phases", partial(at, "auroc"), "{:.4f}", min
    yield "lowest defective ÷ highest good score", lambda run: models.separation(*models.scores(run)), "{:.2f}", min
    yield "image AUROC, surface", partial(at, "phases", "surface", "auroc"), "{:.4f}", min
    yield "image AUROC, Skip-GANomaly", partial(at, "phases", "skipganomaly", "auroc"), "{:.4f}", min
    yield "lowest ÷ highest, Skip-GANomaly", lambda run: models.separation(*models.network_scores(run)), "{:.2f}", min
    for size in first["pixels"]:
        yield f"pixel AUROC, {size} px", partial(at, "pixels", size, "auroc"), "{:.4f}", min
        yield f"pixel AP, {size} px", partial(at, "pixels", size, "average_precision"), "{:.3f}", min
        yield f"AUPRO to 30 %, {size} px", partial(at, "pixels", size, "aupro"), "{:.3f}", min
    yield "expected false alarms", partial(at, "promise", "false_alarm_rate"), "{:.1%}", max
    yield "the same, 95 % limit", partial(at, "promise", "upper_95"), "{:.1%}", max
    yield "training with calibration, s", partial(at, "train_s"), "{:.0f}", max


def at(*names_and_run: Any) -> Any:
    """The value at these nested keys of a run; None when one of them is None."""
    *names, value = names_and_run
    for name in names:
        value = value and value[name]
    return value
