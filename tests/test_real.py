"""On the real photographs, where they are at hand: phase one and the checks, with limits from other good ones."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import cut_off
from platewatch.arrays import Array, Mask
from platewatch.config import CalibrationConfig
from platewatch.decision import calibration
from platewatch.line import unusable_photographs
from platewatch.photographs import completeness, data_sets, preparation, quality, reading
from platewatch.surface import detector
from platewatch.surface.detector import Surface

SETS = Path(os.environ.get("PLATEWATCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
DATA = SETS / "metal_plate"
SIZE = 128  # half the default: a quarter of the time

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no real plates at {DATA}; set PLATEWATCH_DATA to the folder that holds metal_plate"
)


Measured = tuple[quality.Conditions, completeness.Measures]
"""What the checks look at."""


@dataclass(frozen=True)
class Plate:
    """A photograph as the detector and the checks see it."""

    prepared: Array
    inside: Mask
    measured: Measured


def plate(photo: Array) -> Plate:
    height, width = photo.shape[:2]
    frame, prepared = preparation.frame(width, height, SIZE), preparation.prepare(photo, SIZE)
    shown = frame.cut(prepared)
    return Plate(prepared, frame.inside(SIZE), (quality.measure(shown), completeness.measure(shown, (width, height))))


@cache
def read(path: Path) -> Plate:
    """Read once for all tests, which takes longer than to judge."""
    return plate(reading.read(path))


def score(fitted: Surface, seen: Plate) -> float:
    return fitted.inspect(seen.prepared, seen.inside).score


def test_phase_one_tells_good_plates_from_bad_ones_with_limits_from_good_ones_alone() -> None:
    train = [read(path) for path in data_sets.training(DATA)]
    final = detector.fit(np.stack([each.prepared for each in train]), seed=0)
    held_out = [score(final.without([number]), each) for number, each in enumerate(train)]
    settings = CalibrationConfig()
    review, threshold = calibration.limits(held_out, settings.review_rate, settings.false_alarm_rate)

    samples = data_sets.test(DATA)
    scores = np.array([score(final, read(sample.path)) for sample in samples])
    bad = np.array([sample.label == data_sets.ANOMALOUS for sample in samples])
    assert roc_auc_score(bad, scores) >= 0.99
    assert (scores[~bad] > threshold).sum() <= 1
    assert (scores[bad] <= review).sum() <= 2


def refused(good: list[Measured], others: list[Measured]) -> list[str]:
    """Why each of the others is refused by the checks that the good ones set."""
    allowed = quality.limits([each for each, _ in good]), completeness.limits([each for _, each in good])
    reasons = (
        quality.reason_unusable(conditions, allowed[0]) or completeness.reason_incomplete(framing, allowed[1])
        for conditions, framing in others
    )
    return [reason for reason in reasons if reason]


def test_every_real_plate_can_be_judged_and_no_part_of_one() -> None:
    good = [read(path).measured for path in data_sets.training(DATA)]
    samples = data_sets.test(DATA)
    assert refused(good, [read(sample.path).measured for sample in samples]) == []
    whole = [reading.read(sample.path) for sample in samples if sample.label == data_sets.NORMAL][::2]
    for side in cut_off.SIDES:
        for change, fraction in ((cut_off.cropped, 0.33), (cut_off.cropped, 0.5), (cut_off.shifted, 0.35)):
            parts = [plate(change(photo, side, fraction)).measured for photo in whole]
            assert len(refused(good, parts)) == len(whole)
        halves = [plate(cut_off.covered(photo, side, 0.4)).measured for photo in whole]
        assert len(refused(good, halves)) >= len(whole) - 1


@pytest.mark.parametrize("name", ["metal_plate", "commutator", "solar_mono"])
def test_the_checks_refuse_few_good_photographs_and_every_unusable_one(name: str) -> None:
    if not (SETS / name).is_dir():
        pytest.skip(f"no {name}")
    paths = data_sets.training(SETS / name)
    good = [read(path).measured for path in paths]
    folds = [[each for number, each in enumerate(good) if number % 5 != fold] for fold in range(5)]
    assert sum(len(refused(others, good[fold::5])) for fold, others in enumerate(folds)) <= 3
    unusable = [plate(photo).measured for photo in unusable_photographs.from_training(paths).values()]
    assert len(refused(good, unusable)) == len(unusable) == 18
