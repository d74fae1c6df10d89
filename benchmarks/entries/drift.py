"""Number of plates until the station's drift monitor notices other light. False alarms: see tests/test_drift.py.

Plates are drawn with replacement from the good ones of DATA/test: first unchanged, then with all channels multiplied by
one of --lights. Each light and each number of unchanged plates is tried --runs times.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import platewatch
from benchmarks.harness import Found, Table
from platewatch.arrays import Photo
from platewatch.decision.drift import BRIGHTNESS, SCORE, DriftTest
from platewatch.inspection import Verdict
from platewatch.model.inspector import Inspector
from platewatch.photographs import data_sets, reading
from platewatch.photographs.illumination import gains, relight
from platewatch.station.settings import Settings

BEFORE = (20, 50, 200)  # unchanged plates before the light changes
PATIENCE = 1000  # plates after which a change counts as not noticed
Plate = tuple[dict[str, float | None], bool]
"""A plate's numbers, as the station passes them to the drift test, and whether its verdict was REJECT."""


def measure(model: Path, data: Path, *, lights: Sequence[float] = (0.9, 0.95, 1.05, 1.1), runs: int = 50) -> Found:
    inspector = platewatch.load(model)
    photos = [reading.read(sample.path) for sample in data_sets.test(data) if sample.label == data_sets.NORMAL]
    usual, rows = [_plate(inspector, photo) for photo in photos], []
    for light in lights:
        lit = [_plate(inspector, relight(photo, gains(light))) for photo in photos]
        for before in BEFORE:
            delays = [_delay(inspector, usual, lit, before, seed) for seed in range(runs)]
            later = [delay for delay in delays if delay]
            numbers = [f"{np.median(later):.0f}", str(max(later))] if later else ["–", "–"]
            rows.append([f"× {light:g} after {before} plates", f"{len(later)} of {runs}", *numbers])
    return Found(tables={"": Table(["light", "noticed", "plates until the alarm: median", "slowest"], rows)})


def _plate(inspector: Inspector, photo: Photo) -> Plate:
    seen = inspector.examine(photo)
    numbers = {SCORE: seen.inspection.score, BRIGHTNESS: seen.conditions.brightness}
    return numbers, seen.inspection.verdict is Verdict.REJECT


def _delay(inspector: Inspector, usual: Sequence[Plate], lit: Sequence[Plate], before: int, seed: int) -> int | None:
    """Number of plates in the other light until the alarm: 0 for an earlier alarm, None without one."""
    rng = np.random.default_rng(seed)
    test = DriftTest([plate.score for plate in inspector.manifest.calibration], Settings.drift_limit)
    for plate in range(before + PATIENCE):
        numbers, rejected = (usual if plate < before else lit)[int(rng.integers(len(usual)))]
        test.update(numbers, float(rng.uniform()), rejected=rejected)
        if test.evidence().alarm:
            return max(0, plate + 1 - before)
    return None
