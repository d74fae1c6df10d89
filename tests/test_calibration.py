"""Limits from good plates' scores are not moved by one outlier, and the false-alarm bound holds."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from platewatch.decision import calibration
from platewatch.errors import CalibrationError

GROUPS = st.lists(st.integers(0, 30), min_size=2, max_size=60)
SCORES = st.lists(st.floats(0.01, 100), min_size=3, max_size=60)
RATES = st.floats(0.001, 0.49)


@given(GROUPS, st.integers(2, 10), st.integers(0, 5))
def test_folds_hold_every_plate_once_and_never_split_a_group(groups: list[int], count: int, seed: int) -> None:
    """Invariant 5: near duplicates are one group, in one fold."""
    assume(len(set(groups)) >= count)
    folds = calibration.folds(groups, count, seed)
    assert len(folds) == count
    assert all(len(fold) for fold in folds)
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(groups)))
    fold_of = {groups[plate]: number for number, fold in enumerate(folds) for plate in fold}
    assert all(fold_of[groups[plate]] == number for number, fold in enumerate(folds) for plate in fold)


@given(st.integers(2, 80), st.integers(2, 10), st.integers(0, 5))
def test_folds_of_different_plates_are_of_equal_size(plates: int, count: int, seed: int) -> None:
    assume(plates >= count)
    sizes = [len(fold) for fold in calibration.folds(range(plates), count, seed)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_depend_on_the_seed_alone() -> None:
    first, again, other = (calibration.folds(range(54), 3, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_too_few_different_plates_for_the_folds() -> None:
    with pytest.raises(CalibrationError, match=r"4 good plates: 2 of them different, expected at least 3.*; add phot"):
        calibration.folds([0, 0, 1, 1], 3, 0)


@given(SCORES, RATES, RATES)
def test_a_lower_rate_never_gives_a_lower_limit(scores: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert calibration.limit(scores, low) >= calibration.limit(scores, high)


@given(SCORES, RATES, st.floats(0.01, 100))
def test_the_limit_scales_with_the_scores(scores: list[float], rate: float, scale: float) -> None:
    scaled = calibration.limit([scale * score for score in scores], rate)
    assert scaled == pytest.approx(scale * calibration.limit(scores, rate), rel=1e-6)


@given(st.integers(0, 1000), st.integers(20, 60), st.sampled_from([1e2, 1e6]))
def test_one_outlier_does_not_move_the_limit(seed: int, count: int, worse: float) -> None:
    """field.md: one dark good photograph raised the highest score, and 5 defects passed below it."""
    scores = np.exp(np.random.default_rng(seed).normal(0, 0.2, count))
    outliers = np.append(scores, scores.max() * worse)
    # only the outlier's rank counts: it moves the limit like one more plate of the worse half
    assert calibration.limit(outliers, 0.01) == calibration.limit(np.append(scores, scores.max()), 0.01)
    assert calibration.limit(outliers, 0.01) < 1.5 * calibration.limit(scores, 0.01)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_the_limit_has_about_the_rate_that_is_set(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = []
    for _ in range(300):
        scores = np.exp(rng.normal(0, 0.2, 54))
        costs.append(np.mean(np.exp(rng.normal(0, 0.2, 200)) > calibration.limit(scores, 0.05)))
    assert 0.03 < np.mean(costs) < 0.09


def test_the_limit_allows_for_how_few_the_plates_are() -> None:
    """Median and spread are estimates themselves: Student's t with 4 degrees of freedom, and √(1 + 1/5)."""
    scores = np.exp(0.1 * np.array([-2, -1, 0, 1, 2]))
    assert calibration.limit(scores, 0.05) == pytest.approx(np.exp(2.131847 * 1.4826 * 0.1 * np.sqrt(1.2)), rel=1e-6)


def test_equal_scores_give_a_limit_above_them() -> None:
    assert calibration.limit([1.0] * 50, 0.01) > 1.03
    assert calibration.limit([0.0] * 50, 0.01) > 0


@pytest.mark.parametrize("scores", [[], [1, 2], [1, 2, np.nan], [1, 2, np.inf]], ids=str)
def test_scores_without_a_limit(scores: list[float]) -> None:
    with pytest.raises(CalibrationError, match="expected at least 3 finite ones; train again"):
        calibration.limit(scores, 0.01)


@given(SCORES, RATES)
def test_review_never_begins_above_reject(scores: list[float], rate: float) -> None:
    review, reject = calibration.limits(scores, 0.025, rate)
    assert 0 < review <= reject


@given(SCORES, RATES)
def test_no_more_good_plates_are_rejected_than_were_allowed(scores: list[float], rate: float) -> None:
    _, reject = calibration.limits(scores, 0.025, rate)
    bound = calibration.false_alarm_bound(scores, reject, rate)
    assert bound.promised == (rate >= bound.floor - 1e-9)


def test_outliers_move_the_reject_limit_but_not_the_pass_limit() -> None:
    scores = list(np.exp(np.random.default_rng(0).normal(0, 0.2, 54)))
    review, reject = calibration.limits(scores, 0.025, 0.02)
    moved_review, moved_reject = calibration.limits([*scores[:-1], 9.0], 0.025, 0.02)
    assert moved_review == pytest.approx(review, rel=0.05)
    assert (reject < 2, moved_reject) == (True, 9.0)


def test_the_bound_holds_on_further_good_plates_of_any_distribution() -> None:
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(400):
        scores, further = rng.pareto(1.5, 40), rng.pareto(1.5, 200)
        rates.append((further > calibration.limits(scores + 1e-3, 0.025, 0.1)[1] - 1e-3).mean())
    assert np.mean(rates) <= 0.1 + 3 * np.std(rates) / 20


@pytest.mark.parametrize(
    ("rate", "needed", "needed_95"), [(0.01, 99, 299), (0.05, 19, 59), (0.005, 199, 598), (0.03, 33, 99)]
)
def test_number_of_plates_needed_for_a_rate(rate: float, needed: int, needed_95: int) -> None:
    """field.md's figures; that many plates support the rate if none is above the threshold, one fewer does not."""
    bound = calibration.false_alarm_bound(np.ones(needed), 2, rate)
    assert (bound.plates_needed, bound.plates_needed_95) == (needed, needed_95)
    assert bound.promised
    assert not calibration.false_alarm_bound(np.ones(needed - 1), 2, rate).promised
    assert calibration.false_alarm_bound(np.ones(needed_95), 2, rate).upper_95 <= rate
    assert calibration.false_alarm_bound(np.ones(needed_95 - 1), 2, rate).upper_95 > rate


def test_the_bound_of_54_plates() -> None:
    """field.md: 1.8 % expected, up to 5.4 % at 95 % confidence."""
    bound = calibration.false_alarm_bound(np.ones(54), 2, 0.005)
    assert bound.false_alarm_rate == bound.floor == pytest.approx(1 / 55)
    assert bound.upper_95 == pytest.approx(0.054, abs=5e-4)
    assert (bound.good_plates, bound.promised, bound.asked) == (54, False, 0.005)


def test_good_plates_above_the_threshold_raise_the_bound() -> None:
    bound = calibration.false_alarm_bound([1, 1, 1, 3, 2], 2, 0.2)
    assert bound.false_alarm_rate == pytest.approx(2 / 6)
    assert 0.5 < bound.upper_95 < 0.7
    assert calibration.false_alarm_bound([3, 3], 2, 0.2).upper_95 == 1


def test_alpha_is_the_one_that_separates_artificial_defects_best() -> None:
    rng = np.random.default_rng(0)
    noise, signal = rng.uniform(0.5, 1.5, (2, 40, 2))
    useless_latent = noise, noise + np.array([2.0, 0])
    assert calibration.choose_weight(*useless_latent) >= 0.5
    useless_reconstruction = noise, noise + np.array([0, 2.0])
    assert calibration.choose_weight(*useless_reconstruction) <= 0.5
    worthless = noise * [1, 100], signal * [1, 100] + np.array([1.0, 0])
    assert calibration.choose_weight(*worthless) == 0.9


def test_a_phase_that_finds_nothing_gets_weight_0() -> None:
    rng = np.random.default_rng(0)
    noise, others = rng.uniform(0.5, 1.5, (2, 400, 2)) * [1, 4]
    damaged = others + np.array([0.7, 0])
    assert calibration.choose_weight(noise, damaged, alone=True) == 1.0
    assert calibration.choose_weight(noise[:, ::-1], damaged[:, ::-1], alone=True) == 0.0
    assert calibration.choose_weight(noise, damaged) == 0.9, "alpha always uses both errors"


def test_alpha_is_one_of_the_nine_and_takes_zeros() -> None:
    zeros = np.zeros((5, 2))
    assert calibration.choose_weight(zeros, zeros + 1) in {round(0.1 * tenths, 1) for tenths in range(1, 10)}


def test_a_rate_below_the_floor_rejects_only_what_is_worse_than_every_good_plate() -> None:
    scores = [*np.exp(np.random.default_rng(0).normal(0, 0.2, 53)), 9.0]
    assert calibration.limits(scores, 0.025, 0.001)[1] == 9.0
    assert calibration.limits(scores[:-1], 0.025, 1e-6)[1] > max(scores[:-1]), (
        "the quantile of the fit, when it is higher"
    )
