"""The drift test: p-values and evidence against their definitions, rate of false alarms, saved state."""

import json
import tracemalloc

import numpy as np
import pytest

from platewatch.decision import drift
from platewatch.decision.drift import BRIGHTNESS, SCORE, DriftTest

LIMIT = 1000.0


def feed(test: DriftTest, scores: np.ndarray, brightness: np.ndarray, seed: int = 0) -> DriftTest:
    tie_breaks = np.random.default_rng(seed).uniform(size=len(scores))
    for score, light, tie_break in zip(scores, brightness, tie_breaks, strict=True):
        test.update({SCORE: float(score), BRIGHTNESS: float(light)}, float(tie_break))
    return test


def draw(seed: int, count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.lognormal(-0.4, 0.15, count), rng.normal(60 + shift, 2, count)


def test_the_p_value_is_the_rank_in_the_reference_with_ties_broken_at_random() -> None:
    rng = np.random.default_rng(0)
    reference = sorted(rng.integers(0, 8, 40) / 4)  # with ties
    for value in (*rng.integers(-1, 10, 30) / 4, 0.3):
        tie_break = float(rng.uniform())
        above = sum(other > value for other in reference)
        ties = 1 + sum(other == value for other in reference)
        assert drift.p_value(value, reference, tie_break) == pytest.approx((above + tie_break * ties) / 41)


def test_every_bet_has_mean_1_and_is_bounded() -> None:
    grid = (np.arange(20_000) + 0.5) / 20_000
    won = np.array([drift.bets(p) for p in grid])
    assert won.mean(axis=0) == pytest.approx(1, abs=1e-3)
    assert 0 < won.min() <= won.max() <= drift.BOUND + 1e-9


def test_the_evidence_is_the_shiryaev_roberts_sum_over_all_change_points() -> None:
    """R(t) by its definition, a sum of products, against the recursion."""
    calibration, _ = draw(1, 30)
    scores, light = draw(2, 25)
    test = feed(DriftTest(calibration, LIMIT), scores, light, seed=5)
    tie_breaks, values = np.random.default_rng(5).uniform(size=25), []
    for numbers, known in ((scores, list(calibration)), (light, [])):
        factors = []
        for value, tie_break in zip(numbers, tie_breaks, strict=True):
            factors.append(drift.bets(drift.p_value(float(value), sorted(known), float(tie_break))))
            known.append(value)
        values.append(sum(np.prod(factors[begun:], axis=0) for begun in range(25)).mean())
    assert test.evidence().value == pytest.approx(max(values) / 2)
    assert test.evidence().number == (SCORE, BRIGHTNESS)[int(np.argmax(values))]


def test_false_alarms_without_drift_are_as_rare_as_the_bound_says() -> None:
    """m / limit = 200 / 1000 at most; 60 lines: 21 and more alarms would have a chance below 1 in 100."""
    alarms = 0
    for seed in range(60):
        scores, light = draw(100 + seed, 254)
        test = DriftTest(scores[:54], LIMIT)
        rng = np.random.default_rng(seed)
        for score, bright in zip(scores[54:], light[54:], strict=True):
            test.update({SCORE: float(score), BRIGHTNESS: float(bright)}, float(rng.uniform()))
            if test.evidence().alarm:
                alarms += 1
                break
    assert alarms <= 20


def test_a_change_of_brightness_raises_the_alarm_within_a_few_plates() -> None:
    test = feed(DriftTest(draw(1, 54)[0], LIMIT), *draw(2, 200))
    assert not test.evidence().alarm
    feed(test, *draw(3, 20, shift=-6))
    found = test.evidence()
    assert found.alarm
    assert found.number == BRIGHTNESS


def test_rejected_and_unjudged_plates_do_not_change_the_evidence_but_are_counted() -> None:
    test = DriftTest(draw(1, 54)[0], LIMIT)
    for _ in range(drift.RECENT):
        test.update({SCORE: 9.0, BRIGHTNESS: 60.0}, 0.5, rejected=True)
        test.update({SCORE: None, BRIGHTNESS: 1.0}, 0.5)
    assert test.evidence() == drift.DriftEvidence(0.0, SCORE, LIMIT, 0, 1.0)


def test_a_resumed_test_gives_the_same_state_as_an_uninterrupted_one() -> None:
    scores, light = draw(2, 60)
    uninterrupted = feed(DriftTest(draw(1, 54)[0], LIMIT), scores, light)
    first = feed(DriftTest(draw(1, 54)[0], LIMIT), scores[:30], light[:30])
    again = DriftTest.resume(json.loads(json.dumps(first.state())), LIMIT)
    tie_breaks = np.random.default_rng(0).uniform(size=60)
    for place in range(30, 60):
        again.update({SCORE: float(scores[place]), BRIGHTNESS: float(light[place])}, float(tie_breaks[place]))
    assert again.state() == uninterrupted.state()
    with pytest.raises((KeyError, TypeError, ValueError)):
        DriftTest.resume({"lines": {}}, LIMIT)


def test_a_reset_drops_the_reference_of_brightness_and_keeps_that_of_the_score() -> None:
    test = feed(DriftTest(draw(1, 54)[0], LIMIT), *draw(2, 30))
    test.reset()
    kept = test._statistics
    assert test.evidence().value == test.evidence().plates == 0
    assert (len(kept[SCORE].reference), len(kept[BRIGHTNESS].reference)) == (84, 0)


def test_a_reference_takes_eight_bytes_a_plate() -> None:
    """A station keeps two of 20,000 plates; a list of floats takes four times as much."""
    test = drift.DriftTest(range(1000), 100.0)
    for number in range(1000):
        test.update({SCORE: float(number)}, 0.5)
    for each in (test, drift.DriftTest.resume(test.state(), 100.0)):
        assert memoryview(each._statistics[SCORE].reference).nbytes == 8 * 2000


def test_a_state_of_an_earlier_version_is_read() -> None:
    test = feed(DriftTest([3.0, 1.0, 2.0], LIMIT), *draw(3, 20))
    state = test.state()
    for name, statistic in test._statistics.items():
        state["lines"][name]["reference"] = list(statistic.reference)
    assert DriftTest.resume(state, LIMIT).state() == test.state()


@pytest.mark.parametrize("damaged", ["AAA=", "AAAA", "no base64", 7, None, ["x"]])
def test_a_damaged_state_is_an_error_that_the_monitor_expects(damaged: object) -> None:
    state = DriftTest([1.0], LIMIT).state()
    state["lines"][SCORE]["reference"] = damaged
    with pytest.raises((KeyError, TypeError, ValueError)):
        DriftTest.resume(state, LIMIT)


def test_saving_the_largest_state_takes_little_memory() -> None:
    """It is saved every 200 plates; a peak that grows with the plates would look like a leak."""
    test = DriftTest(np.linspace(0, 1, drift.REFERENCE), LIMIT)
    tracemalloc.start()
    try:
        text = json.dumps(test.state(), indent=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(DriftTest.resume(json.loads(text), LIMIT)._statistics[SCORE].reference) == drift.REFERENCE
    assert peak < 1.5e6
