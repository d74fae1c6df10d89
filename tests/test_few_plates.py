"""Few good plates err to REVIEW, and plates that are alike count as one: limits and bound by group."""

from collections.abc import Callable

import numpy as np
import pytest

from platewatch.arrays import Doubles
from platewatch.decision import calibration
from platewatch.decision.verdict import bound_sentence
from platewatch.evaluation import tables

RATE = 0.025
Draw = Callable[[np.random.Generator, int], Doubles]
POPULATIONS: dict[str, tuple[Draw, float]] = {
    "log-normal": (lambda rng, count: np.exp(0.2 * rng.standard_normal(count)), float(np.exp(0.2 * 2.5758))),
    "heavy tail": (lambda rng, count: 1 + rng.pareto(1.5, count), 0.005 ** (-1 / 1.5)),
    "bounded": (lambda rng, count: np.exp(rng.uniform(-0.35, 0.35, count)), float(np.exp(0.7 * 0.995 - 0.35))),
}


@pytest.mark.parametrize("count", [10, 20, 27])
@pytest.mark.parametrize("name", POPULATIONS)
def test_few_plates_hardly_ever_pass_what_one_good_plate_in_200_exceeds(name: str, count: int) -> None:
    """Before: 15 to 90 % of log-normal and bounded samples gave a PASS limit above that quantile."""
    draw, quantile = POPULATIONS[name]
    rng = np.random.default_rng(count)
    found = [calibration.pass_limit(draw(rng, count), RATE) > quantile for _ in range(400)]
    assert np.mean(found) < 0.16 if name == "bounded" else np.mean(found) < 0.05


def test_with_54_plates_hardly_anything_changes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = [*np.exp(0.1 * rng.standard_normal(53)), 2.0]
        assert calibration.pass_limit(scores, RATE) == pytest.approx(calibration.limit(scores, RATE), rel=0.005)
    assert 54 < calibration.plates_enough(RATE) < 65


def test_what_is_worse_than_every_good_plate_does_not_pass() -> None:
    bounded = np.exp(np.linspace(-0.35, 0.35, 60))
    assert calibration.limit(bounded, RATE) > 1.1 * bounded.max()
    assert calibration.pass_limit(bounded, RATE) == bounded.max()


def test_few_plates_say_what_more_of_them_would_do() -> None:
    scores = np.exp(0.1 * np.random.default_rng(0).standard_normal(10))
    found = calibration.few_plates(scores, RATE, 10)
    assert found is not None
    assert found.limit == calibration.pass_limit(scores, RATE) < found.unlowered
    counts, limits = zip(*found.more, strict=True)
    assert counts == (20, 30, 40, calibration.plates_enough(RATE))
    assert list(limits) == sorted(limits)
    assert limits[-1] == found.unlowered
    assert calibration.few_plates([*np.exp(0.1 * np.arange(60) / 60), 2.0], RATE, 61) is None


GROUPED = [1.0, 1.1, 1.2, 0.9, 3.0, 1.0, 1.1, 1.0]
GROUPS = [7, 7, 3, 3, 5, 5, 2, 2]


def test_a_group_counts_once_with_its_worst_plate() -> None:
    assert calibration.worst_of_groups(GROUPED, GROUPS).tolist() == [1.1, 1.2, 3.0, 1.1]
    review, reject = calibration.limits(GROUPED, RATE, 0.45, GROUPS)
    assert reject == 1.2, "2 of 4 groups at or above it, not 4 of 8 plates"
    assert review < calibration.limits(GROUPED, RATE, 0.45)[0], "four draws know less than eight"
    bound = calibration.false_alarm_bound(GROUPED, reject, 0.45, GROUPS)
    assert (bound.good_plates, bound.groups, bound.false_alarm_rate) == (8, 4, 2 / 5)
    assert bound.floor == pytest.approx(1 / 5)
    assert (bound.by_group, bound.few) == (True, True)
    alone = calibration.false_alarm_bound(GROUPED, reject, 0.45)
    assert (alone.groups, alone.by_group) == (8, False)


def test_a_bound_by_few_groups_says_so() -> None:
    words = bound_sentence(calibration.false_alarm_bound(GROUPED, 9.0, 0.05, GROUPS)).replace("\u00a0", " ")
    assert "is possible (95 %), while the line stays as it was. 4 groups (8 plates) cannot show less than 20" in words
    assert "a group counts as soon as one of its plates is REJECT" in words
    assert "FEW GROUPS: fewer than 20" in words
    many = calibration.false_alarm_bound(np.ones(54), 2, 0.05)
    assert "FEW" not in bound_sentence(many)
    assert "groups" not in bound_sentence(many)
    assert "train on 19 groups of good plates or more" in tables.bound_words(
        calibration.false_alarm_bound(GROUPED, 9.0, 0.05, GROUPS)
    )


@pytest.mark.parametrize("size", [4, 8])
def test_the_bound_by_group_holds_where_plates_of_one_group_are_alike(size: int) -> None:
    """Of further groups, and so of further plates, no more are above the limit than the bound says."""
    rng, rates, by_plate, kept = np.random.default_rng(size), [], [], []
    groups = np.repeat(np.arange(20), size)

    def draw(count: int) -> Doubles:
        shared, own = rng.standard_normal((count, 1)), rng.standard_normal((count, size))
        return np.asarray(np.exp(0.2 * (0.9**0.5 * shared + 0.1**0.5 * own)))

    for _ in range(300):
        scores, further = draw(20).ravel(), draw(100)
        threshold = calibration.limits(scores, RATE, 0.05, groups.tolist())[1]
        bound = calibration.false_alarm_bound(scores, threshold, 0.05, groups.tolist())
        worst = (further > threshold).any(axis=1).mean()
        rates.append(worst - bound.false_alarm_rate)
        by_plate.append((further > threshold).mean() - bound.false_alarm_rate)
        kept.append(worst <= bound.upper_95)
    assert np.mean(rates) < 3 * np.std(rates) / np.sqrt(300)
    assert np.mean(by_plate) < 0
    assert np.mean(kept) > 0.91
