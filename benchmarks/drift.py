"""How soon the station's watch notices another lamp, and how often it errs when nothing changed.

    python benchmarks/drift.py MODEL DATA --out runs/drift

False alarms: plates whose numbers never change their distribution, line after line. The lamp: the good plates of
DATA/test, resampled, photographed first as they are, then with all channels multiplied by each factor. A table in
Markdown and one JSON.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

import platewatch
import runs
from platewatch.arrays import Array
from platewatch.decision.drift import BRIGHTNESS, SCORE, Watch
from platewatch.evaluation.metrics import clopper_pearson
from platewatch.inspection import Verdict
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, reading
from platewatch.photographs.illumination import gains, relight
from platewatch.station.settings import Settings

BEFORE = (20, 50, 200)
"""Plates that the watch sees before the lamp changes."""
PATIENCE = 1000
"""Plates after which a change counts as not noticed."""
Numbers = dict[str, float | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--lamps", type=float, nargs="+", default=[0.9, 0.95, 1.05, 1.1])
    parser.add_argument("--runs", type=int, default=50, help="for each lamp and each number of plates before it")
    parser.add_argument("--lines", type=int, default=500, help="without any change")
    parser.add_argument("--plates", type=int, default=200, help="on each of those")
    parser.add_argument("--limit", type=float, default=1000.0, help="of those lines; the station's is higher")
    parser.add_argument("--out", type=Path, default=Path("runs/drift"))
    asked = parser.parse_args()
    inspector = platewatch.load(asked.model)
    photos = [reading.read(sample.path) for sample in data_sets.test(asked.data) if sample.label == data_sets.NORMAL]
    usual = [_numbers(inspector, photo) for photo in photos]
    calibration = [plate.score for plate in inspector.manifest.calibration]
    found: dict[str, Any] = {"limit": Settings.drift_limit, "lamps": [], "quiet": _quiet(asked)}
    for illumination in asked.illuminations:
        lit = [_numbers(inspector, relight(photo, gains(illumination))) for photo in photos]
        for before in BEFORE:
            delays = [_delay(calibration, usual, lit, before, seed) for seed in range(asked.runs)]
            found["lamps"].append({"lamp": illumination, "before": before, "delays": delays})
    runs.write_json(asked.out / "drift.json", found)
    sys.stdout.write(table(found) + "\n")


def _numbers(inspector: Inspector, photo: Array) -> tuple[Numbers, bool]:
    """What the watch is told of a plate, as the station tells it, and whether it was rejected."""
    seen = inspector.examine(photo)
    numbers = {SCORE: seen.inspection.score, BRIGHTNESS: seen.conditions.brightness}
    return numbers, seen.inspection.verdict is Verdict.REJECT


def _delay(
    calibration: list[float], usual: list[tuple[Numbers, bool]], lit: list[tuple[Numbers, bool]], before: int, seed: int
) -> int | None:
    """Plates under the new lamp until the alarm; 0 when it came before, None when it did not come."""
    rng, watch = np.random.default_rng(seed), Watch(calibration, Settings.drift_limit)
    for plate in range(before + PATIENCE):
        numbers, rejected = (usual if plate < before else lit)[rng.integers(len(usual))]
        watch.see(numbers, float(rng.uniform()), rejected=rejected)
        if watch.evidence().alarm:
            return max(0, plate + 1 - before)
    return None


def _quiet(asked: argparse.Namespace) -> dict[str, Any]:
    """Lines on which nothing changes, numbers drawn anew for each: how many of them ever alarm."""
    alarms = 0
    for seed in range(asked.lines):
        rng = np.random.default_rng(seed)
        watch = Watch(rng.lognormal(-0.4, 0.15, 54), asked.limit)
        for _ in range(asked.plates):
            watch.see({SCORE: rng.lognormal(-0.4, 0.15), BRIGHTNESS: rng.normal(60, 3)}, rng.uniform())
            if watch.evidence().alarm:
                alarms += 1
                break
    stated = asked.plates / asked.limit
    return {"lines": asked.lines, "plates": asked.plates, "limit": asked.limit, "alarms": alarms, "stated": stated}


def table(found: dict[str, Any]) -> str:
    """A row for each lamp and number of plates before it, then a sentence on the lines without change."""
    head = ["light", "plates before", "noticed", "plates until the alarm: median", "slowest"]
    rows = []
    for each in found["lamps"]:
        later = [delay for delay in each["delays"] if delay]
        numbers = [f"{np.median(later):.0f}", str(max(later))] if later else ["–", "–"]
        rows.append([f"× {each['lamp']:g}", str(each["before"]), f"{len(later)} of {len(each['delays'])}", *numbers])
    quiet = found["quiet"]
    low, high = clopper_pearson(quiet["alarms"], quiet["lines"])
    said = (
        f"Without change, limit {quiet['limit']:g}: {quiet['alarms']} of {quiet['lines']} lines of {quiet['plates']} "
        f"plates alarm, {quiet['alarms'] / quiet['lines']:.1%} (95 %: {low:.1%} to {high:.1%}); at most "
        f"{min(1.0, quiet['stated']):.0%} is stated."
    )
    return f"{runs.markdown(head, rows)}\n\n{said}"


if __name__ == "__main__":
    main()
