"""On the real plates, where they are at hand: phase one alone, with limits from good plates that it did not see."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from platewatch.arrays import Array
from platewatch.config import CalibrationConfig
from platewatch.decision import calibration
from platewatch.photographs import data_sets, preparation, quality, reading
from platewatch.surface import detector
from platewatch.surface.detector import Surface

DATA = Path(os.environ.get("PLATEWATCH_DATA", Path(__file__).parents[2] / "shared" / "data")) / "metal_plate"
SIZE = 128  # half the default: a quarter of the time

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no real plates at {DATA}; set PLATEWATCH_DATA to the folder that holds metal_plate"
)


def score(fitted: Surface, photo: Array) -> float:
    frame = preparation.frame(photo.shape[1], photo.shape[0], SIZE)
    return fitted.inspect(preparation.prepare(photo, SIZE), frame.inside(SIZE)).score


def test_phase_one_tells_good_plates_from_bad_ones_with_limits_from_good_ones_alone() -> None:
    train = [reading.read(path) for path in data_sets.training(DATA)]
    prepared = np.stack([preparation.prepare(photo, SIZE) for photo in train])
    final = detector.fit(prepared, seed=0)
    held_out = [score(final.without([plate]), photo) for plate, photo in enumerate(train)]
    settings = CalibrationConfig()
    review, threshold = calibration.limits(held_out, settings.review_rate, settings.false_alarm_rate)

    samples = data_sets.test(DATA)
    scores = np.array([score(final, reading.read(sample.path)) for sample in samples])
    bad = np.array([sample.label == data_sets.ANOMALOUS for sample in samples])
    assert roc_auc_score(bad, scores) >= 0.99
    assert (scores[~bad] > threshold).sum() <= 1
    assert (scores[bad] <= review).sum() <= 2


def test_every_real_plate_can_be_judged() -> None:
    def conditions(photo: Array) -> quality.Conditions:
        prepared = preparation.prepare(photo, SIZE)
        return quality.measure(preparation.frame(photo.shape[1], photo.shape[0], SIZE).cut(prepared))

    limits = quality.limits([conditions(reading.read(path)) for path in data_sets.training(DATA)])
    refused = {
        sample.path.name: quality.reason_unusable(conditions(reading.read(sample.path)), limits)
        for sample in data_sets.test(DATA)
    }
    assert {name: why for name, why in refused.items() if why} == {}
