"""The drift watch: its p-values and evidence by another way of counting, its patience with good plates, its memory."""

import json

import numpy as np
import pytest

from platewatch.decision import drift
from platewatch.decision.drift import BRIGHTNESS, SCORE, Watch

LIMIT = 1000.0


def feed(watch: Watch, scores: np.ndarray, brightness: np.ndarray, seed: int = 0) -> Watch:
    lots = np.random.default_rng(seed).uniform(size=len(scores))
    for score, light, lot in zip(scores, brightness, lots, strict=True):
        watch.see({SCORE: float(score), BRIGHTNESS: float(light)}, float(lot))
    return watch


def draw(seed: int, count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.lognormal(-0.4, 0.15, count), rng.normal(60 + shift, 2, count)


def test_the_p_value_is_the_plate_s_place_counted_one_by_one() -> None:
    rng = np.random.default_rng(0)
    reference = sorted(rng.integers(0, 8, 40) / 4)  # with ties
    for value in (*rng.integers(-1, 10, 30) / 4, 0.3):
        lot = float(rng.uniform())
        above = sum(other > value for other in reference)
        ties = 1 + sum(other == value for other in reference)
        assert drift.p_value(value, reference, lot) == pytest.approx((above + lot * ties) / 41)


def test_every_bet_is_fair_and_bounded() -> None:
    grid = (np.arange(20_000) + 0.5) / 20_000
    won = np.array([drift.bets(p) for p in grid])
    assert won.mean(axis=0) == pytest.approx(1, abs=1e-3)
    assert 0 < won.min() <= won.max() <= drift.BOUND + 1e-9


def test_the_evidence_is_the_sum_over_every_plate_that_a_change_may_have_begun_at() -> None:
    """R(t) by its definition, product by product, against the recursion."""
    calibration, _ = draw(1, 30)
    scores, light = draw(2, 25)
    watch = feed(Watch(calibration, LIMIT), scores, light, seed=5)
    lots, values = np.random.default_rng(5).uniform(size=25), []
    for numbers, known in ((scores, list(calibration)), (light, [])):
        paid = []
        for value, lot in zip(numbers, lots, strict=True):
            paid.append(drift.bets(drift.p_value(float(value), sorted(known), float(lot))))
            known.append(value)
        values.append(sum(np.prod(paid[begun:], axis=0) for begun in range(25)).mean())
    assert watch.evidence().value == pytest.approx(max(values) / 2)
    assert watch.evidence().number == (SCORE, BRIGHTNESS)[int(np.argmax(values))]


def test_plates_that_stay_as_they_were_alarm_no_oftener_than_is_stated() -> None:
    """m / limit = 200 / 1000 at most; 60 lines: 21 and more alarms would have a chance below 1 in 100."""
    alarms = 0
    for seed in range(60):
        scores, light = draw(100 + seed, 254)
        watch = Watch(scores[:54], LIMIT)
        rng = np.random.default_rng(seed)
        for score, bright in zip(scores[54:], light[54:], strict=True):
            watch.see({SCORE: float(score), BRIGHTNESS: float(bright)}, float(rng.uniform()))
            if watch.evidence().alarm:
                alarms += 1
                break
    assert alarms <= 20


def test_another_lamp_is_noticed_within_a_few_plates() -> None:
    watch = feed(Watch(draw(1, 54)[0], LIMIT), *draw(2, 200))
    assert not watch.evidence().alarm
    feed(watch, *draw(3, 20, shift=-6))
    found = watch.evidence()
    assert found.alarm
    assert found.number == BRIGHTNESS


def test_rejected_and_unjudged_plates_are_no_drift_but_are_counted() -> None:
    watch = Watch(draw(1, 54)[0], LIMIT)
    for _ in range(drift.RECENT):
        watch.see({SCORE: 9.0, BRIGHTNESS: 60.0}, 0.5, rejected=True)
        watch.see({SCORE: None, BRIGHTNESS: 1.0}, 0.5)
    assert watch.evidence() == drift.Evidence(0.0, SCORE, LIMIT, 0, 1.0)


def test_a_watch_taken_up_again_goes_on_as_if_it_had_never_stopped() -> None:
    scores, light = draw(2, 60)
    whole = feed(Watch(draw(1, 54)[0], LIMIT), scores, light)
    first = feed(Watch(draw(1, 54)[0], LIMIT), scores[:30], light[:30])
    again = Watch.resume(json.loads(json.dumps(first.state())), LIMIT)
    lots = np.random.default_rng(0).uniform(size=60)
    for place in range(30, 60):
        again.see({SCORE: float(scores[place]), BRIGHTNESS: float(light[place])}, float(lots[place]))
    assert again.state() == whole.state()
    with pytest.raises((KeyError, TypeError, ValueError)):
        Watch.resume({"lines": {}}, LIMIT)


def test_begun_anew_it_forgets_the_light_and_keeps_the_scores_reference() -> None:
    watch = feed(Watch(draw(1, 54)[0], LIMIT), *draw(2, 30))
    watch.begin_anew()
    kept = watch.state()["lines"]
    assert watch.evidence().value == watch.evidence().plates == 0
    assert (len(kept[SCORE]["reference"]), len(kept[BRIGHTNESS]["reference"])) == (84, 0)
