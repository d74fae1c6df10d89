"""Models trained and evaluated by the command `platewatch`, and figures of their scores."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import say
from platewatch.arrays import Doubles, Labels
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL

PROGRAM = ("-m", "platewatch")
"""Python's arguments that start the command `platewatch`."""


def command(*arguments: str) -> str:
    """What `platewatch` with these arguments writes to stdout; raises CalledProcessError when it fails."""
    line = [sys.executable, *PROGRAM, *arguments]
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout


def train(data: Path, model: Path, *options: str) -> float | None:
    """Train the model unless it exists; returns the seconds that training took, None for a model from elsewhere."""
    clock = model.with_name(f"{model.name}.seconds")
    if not model.exists():
        say(f"training {model}")
        started = time.monotonic()
        command("train", str(data), "--out", str(model), *options)
        clock.write_text(f"{time.monotonic() - started:.1f}")
    return float(clock.read_text()) if clock.exists() else None


def evaluate(model: Path, data: Path, pixel_size: int) -> dict[str, Any]:
    """The output of `platewatch evaluate --json`."""
    say(f"evaluating {model} at {pixel_size} px")
    found = command("evaluate", str(model), str(data), "--json", "--pixel-size", str(pixel_size))
    return dict(json.loads(found))


def scores(evaluation: Mapping[str, Any]) -> tuple[Labels, Doubles]:
    """Labels (N,) and scores (N,) of the plates of an evaluation that were judged."""
    plates = [plate for plate in evaluation["scores"] if plate["score"] is not None]
    return np.array([plate["label"] for plate in plates]), np.array([plate["score"] for plate in plates])


def network_scores(evaluation: Mapping[str, Any]) -> tuple[Labels, Doubles]:
    """Labels (N,) and Skip-GANomaly's scores (N,) of the same plates."""
    plates = [plate for plate in evaluation["scores"] if plate["score"] is not None]
    errors = np.array([(plate["reconstruction_error"], plate["latent_error"]) for plate in plates])
    return scores(evaluation)[0], fused(errors, evaluation["alpha"])


def fused(errors: Doubles, alpha: float) -> Doubles:
    """Skip-GANomaly's scores (N,) of reconstruction and latent errors (N, 2)."""
    return np.asarray(errors @ np.array([alpha, 1 - alpha]))


def separation(labels: Labels, found: Doubles) -> float:
    """The lowest score of a defective plate divided by the highest of a good one; scores are ≥ 0."""
    return float(found[labels == ANOMALOUS].min() / max(found[labels == NORMAL].max(), 1e-9))
