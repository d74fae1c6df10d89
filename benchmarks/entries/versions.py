"""Trains and judges the same data with this checkout and another installed Platewatch; compares the numbers exactly.

    run.py versions OTHER_PYTHON DATA --seed 0 --epochs 2
    run.py versions OTHER_PYTHON DATA --time

OTHER_PYTHON is an interpreter with another version installed, 0.1.0 or later. Both versions run `python -m platewatch
train`, `evaluate --json` for the limits, and `inspect --json` with every photograph of DATA/test. Models that exist are
not trained again. With `--time` both then inspect the photographs in turn, five times; their core time, start included,
is compared. Exits 1 when a verdict differs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import Found, Table, say
from benchmarks.timing import children, in_turn, medians, ratio, timed
from platewatch.photographs import data_sets

NUMBERS = ("score", "p_value", "surface", "reconstruction_error", "latent_error")
OTHERS = ("verdict", "reason", "defects")
Said = Mapping[str, Any]
LIMITS = {"threshold": "limit for REJECT", "review": "limit for PASS", "alpha": "alpha"}


def measure(other_python: Path, data: Path, *, out: Path, seed: int = 0, epochs: int = 0, time: bool = False) -> Found:
    pythons = {"this": sys.executable, "other": str(other_python.absolute())}  # not resolved: it may be a link
    if len({ask(python, "-c", "import platewatch; print(platewatch.__file__)") for python in pythons.values()}) < 2:
        raise SystemExit(f"{other_python}: runs the Platewatch of this checkout, expected another one")
    photographs = sorted(str(sample.path) for sample in data_sets.test(data))
    figures: dict[str, float | str] = {}
    seen, limits, tasks = {}, {}, {}
    for name, python in pythons.items():
        model, command = out / f"{name}-{seed}{f'-{epochs}-epochs' if epochs else ''}", ("-m", "platewatch")
        figures[f"version.{name}"] = version = ask(python, *command, "--version").split()[-1]
        if not model.exists():
            say(f"{name}: training with version {version}")
            options = ["--epochs", str(epochs)] if epochs else []
            ask(python, *command, "train", str(data), "--out", str(model), "--seed", str(seed), *options)
        limits[name] = json.loads(ask(python, *command, "evaluate", str(model), str(data), "--json"))
        tasks[name] = partial(ask, python, *command, "inspect", str(model), "--json", *photographs)
        inspections = [json.loads(line) for line in tasks[name]().splitlines()]
        seen[name] = {inspection["image"]: inspection for inspection in inspections}
    rows = compare(seen["this"], seen["other"], limits["this"], limits["other"])
    if time:
        taken = in_turn({name: timed(task, children) for name, task in tasks.items()}, rounds=5, what="inspecting")
        figures |= {f"inspect_core_s.{name}": each for name, each in medians(taken).items()}
        figures["inspect_core_s.this_over_other"] = ratio(taken["this"], taken["other"])
    verdicts = [(name, one["verdict"], seen["other"][name]["verdict"]) for name, one in seen["this"].items()]
    wrong = [f"{name}: {this}, the other says {other}" for name, this, other in verdicts if this != other]
    tables = {"": Table(["of every photograph", "equal to the last bit", "largest difference"], rows)}
    return Found(figures, tables, seen, wrong=wrong)


def compare(these: Said, others: Said, limits: Said, other_limits: Said) -> list[list[str]]:
    """For each field of an Inspection: how many are equal, and the largest difference; then the same of the limits."""
    pairs = {key: [(each[key], others[name][key]) for name, each in these.items()] for key in (*NUMBERS, *OTHERS)}
    pairs |= {title: [(limits[key], other_limits[key])] for key, title in LIMITS.items()}
    rows = []
    for key, both in pairs.items():
        known = [abs(this - other) for this, other in both if key not in OTHERS and None not in {this, other}]
        largest = "–" if key in OTHERS else f"{max(known, default=0):.3g}"
        rows.append([key, f"{sum(this == other for this, other in both)} of {len(both)}", largest])
    return rows


def ask(python: str, *words: str) -> str:
    """What this interpreter writes to stdout, with its own environment's packages; `inspect` may exit with 3."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or python == sys.executable}
    done = subprocess.run([python, *words], stdout=subprocess.PIPE, text=True, env=own, check=False)
    if done.returncode not in {0, 3}:
        raise SystemExit(f"{python} {' '.join(words[:4])}: exit code {done.returncode}; its messages are above")
    return done.stdout
