"""The same data trained and judged by this checkout and by another installed Platewatch, compared to the last bit.

    run.py versions OTHER_PYTHON DATA --seed 0 --epochs 2
    run.py versions OTHER_PYTHON DATA --time

OTHER_PYTHON is an interpreter in which another version is installed, 0.1.0 or later. Both are asked as a user asks:
`python -m platewatch train`, `evaluate --json` for the limits, `inspect --json` with every photograph of DATA/test.
Models that are there already are not trained again. `--time` then has both inspect them in turn, five times, and
compares their core time, start included. Exits 1 when a verdict differs.
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
    pythons = {"this": sys.executable, "other": str(other_python.absolute())}  # not resolved: a link has packages too
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
    """What is said of a photograph, of how many it is equal, and the largest difference of numbers; then the limits."""
    pairs = {key: [(each[key], others[name][key]) for name, each in these.items()] for key in (*NUMBERS, *OTHERS)}
    pairs |= {title: [(limits[key], other_limits[key])] for key, title in LIMITS.items()}
    rows = []
    for key, both in pairs.items():
        known = [abs(this - other) for this, other in both if key not in OTHERS and None not in {this, other}]
        largest = "–" if key in OTHERS else f"{max(known, default=0):.3g}"
        rows.append([key, f"{sum(this == other for this, other in both)} of {len(both)}", largest])
    return rows


def ask(python: str, *words: str) -> str:
    """What this interpreter writes to stdout, by the packages of its own environment; `inspect` may exit 3."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or python == sys.executable}
    done = subprocess.run([python, *words], stdout=subprocess.PIPE, text=True, env=own, check=False)
    if done.returncode not in {0, 3}:
        raise SystemExit(f"{python} {' '.join(words[:4])}: exit code {done.returncode}; what it said stands above")
    return done.stdout
