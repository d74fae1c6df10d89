"""What the benchmark scripts share: they call `platewatch` as a user does, and count what it found."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import platewatch
from platewatch.arrays import Array
from platewatch.config import CalibrationConfig
from platewatch.decision import calibration
from platewatch.evaluation import metrics
from platewatch.evaluation.evaluator import MaskedMaps
from platewatch.evaluation.metrics import PixelFigures
from platewatch.model.model_folder import Manifest
from platewatch.photographs import data_sets
from platewatch.photographs.data_sets import ANOMALOUS, NORMAL

SHARES = tuple(tenths / 10 for tenths in range(11))
"""The shares among which the phases' weight is chosen, and alpha, less the first and the last."""


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def command(*arguments: str) -> str:
    """What `platewatch` with these arguments writes to stdout; raises CalledProcessError when it fails."""
    line = [sys.executable, "-m", "platewatch", *arguments]
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout


def train(data: Path, model: Path, *options: str) -> float:
    """Train the model unless it is there; the seconds that it took, interruptions by Ctrl-C included."""
    clock = model.with_name(f"{model.name}.seconds")
    spent = float(clock.read_text()) if clock.exists() else 0.0
    if not model.exists():
        say(f"training {model}")
        started = time.monotonic()
        try:
            command("train", str(data), "--out", str(model), "--resume", *options)
        finally:
            spent += time.monotonic() - started
            clock.parent.mkdir(parents=True, exist_ok=True)
            clock.write_text(f"{spent:.1f}")
    return spent


def evaluate(model: Path, data: Path, pixel_size: int) -> dict[str, Any]:
    """What `platewatch evaluate --json` says."""
    say(f"evaluating {model} at {pixel_size} px")
    found = command("evaluate", str(model), str(data), "--json", "--pixel-size", str(pixel_size))
    return dict(json.loads(found))


@dataclass(frozen=True)
class Seen:
    """A labelled test folder through one model; N plates that could be judged."""

    labels: Array
    """(N,) int, NORMAL or ANOMALOUS."""
    numbers: Array
    """(N, 3) float64: surface, reconstruction error, latent error."""
    pixels: MaskedMaps
    """The maps of those with a known mask."""
    unjudged: int

    def pixel(self, name: str) -> PixelFigures:
        return self.pixels.figures(name)


def look(model: Path, data: Path, *, threads: int = 0) -> Seen:
    """Examine DATA/test plate by plate; pixel figures are at the prepared size, as `platewatch evaluate` has them."""
    say(f"examining {data / 'test'} with {model}")
    inspector = platewatch.load(model, threads=threads)
    labels, numbers, pixels, unjudged = [], [], MaskedMaps(wanted=None), 0
    for sample in data_sets.test(data):
        seen = inspector.examine(sample.path)
        found = seen.inspection
        if found.score is None:
            unjudged += 1
            continue
        labels.append(sample.label)
        numbers.append((found.surface, found.reconstruction_error, found.latent_error))
        pixels.add(sample, seen)
    for failure in pixels.failures:
        say(str(failure))
    return Seen(np.array(labels), np.array(numbers, float), pixels, unjudged)


def out_of_fold(manifest: Manifest) -> Array:
    """The good plates' surface, reconstruction and latent error by detectors that never saw them: (N, 3) float64."""
    kept = manifest.calibration
    return np.array([(plate.surface, plate.reconstruction_error, plate.latent_error) for plate in kept])


def separation(labels: Array, scores: Array) -> float:
    """The lowest score of a defective plate over the highest of a good one; scores are 0 and up."""
    return float(scores[labels == ANOMALOUS].min() / max(scores[labels == NORMAL].max(), 1e-9))


def auroc(labels: Array, scores: Array) -> float:
    """The area under the ROC curve; NaN without both classes."""
    found = metrics.auroc(labels, scores)
    return float("nan") if found is None else found


def judge(labels: Array, scores: Array, good: Array, settings: CalibrationConfig) -> dict[str, float]:
    """How (N,) test scores stand at the label-free limits that `good` (M,) out-of-fold scores of good plates give."""
    review, threshold = calibration.limits(good, settings.review_rate, settings.false_alarm_rate)
    normal, anomalous = scores[labels == NORMAL], scores[labels == ANOMALOUS]
    return {
        "auroc": auroc(labels, scores),
        "separation": separation(labels, scores),
        "missed": int((anomalous <= review).sum()),
        "false_alarms": int((normal > threshold).sum()),
        "not_passed_normal": int((normal > review).sum()),
    }


def best_share(labels: Array, pairs: Array, *, alone: bool = False) -> dict[str, float]:
    """The share of the first of two numbers (N, 2) that tells the test plates best, and how well.

    It reads the labels: a yardstick for the share that was chosen without them, never a choice.
    """

    def quality(share: float) -> tuple[float, float]:
        scores = network_score(pairs, share)
        return auroc(labels, scores), separation(labels, scores)

    best = max(SHARES if alone else SHARES[1:-1], key=quality)
    return {"share": best, "auroc": quality(best)[0], "separation": quality(best)[1]}


def network_score(pairs: Array, share: float) -> Array:
    """`share` of the first and the rest of the second of two numbers (N, 2): (N,)."""
    return np.asarray(pairs @ np.array([share, 1 - share]))


def mean_and_worst(values: Sequence[float], form: str, *, highest: bool) -> str:
    """`mean (worst)`; the worst is the highest where `highest`, else the lowest."""
    mean, worst = float(np.mean(values)), max(values) if highest else min(values)
    return f"{form.format(mean)} ({form.format(worst)})"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(line) + " |" for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def write_json(path: Path, values: Any) -> None:
    """Write `values` as JSON, folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
