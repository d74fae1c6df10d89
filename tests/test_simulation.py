"""The simulation in benchmarks/ says that the bound holds, and would say so if it did not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng

from benchmarks import populations, simulation_report
from benchmarks.entries import simulation
from benchmarks.entries.simulation import simulate
from benchmarks.populations import Endless, Grouped, Plates, formulas, rendered, smoothed
from benchmarks.simulation_report import Check
from platewatch.arrays import Array
from platewatch.decision import calibration
from platewatch.decision.verdict import FalseAlarmBound, p_value

LOGNORMAL, GLARING = formulas()[:2]


@pytest.fixture(scope="module")
def found() -> list[Check]:
    return simulate([LOGNORMAL, GLARING], splits=100, seed=1, counts=(10, 54))


def broken(checks: list[Check]) -> set[str]:
    return {check.what for check in checks if not check.held} - {"not_pass"}


def test_the_bound_holds(found: list[Check]) -> None:
    assert {check.what for check in found} >= {"rate", "upper_95", "p_value", "plates_needed", "plates_needed_95"}
    assert broken(found) == set()


def test_no_more_is_expected_than_is_realised(found: list[Check]) -> None:
    """Where the threshold is one of the scores the rate is as expected, not only below it."""
    check = next(each for each in found if (each.population, each.plates, each.at) == (GLARING.name, 54, 0.05))
    assert check.what == "rate"
    assert check.expected > 1.9 / 55
    assert abs(check.realised - check.expected) < simulation_report.NOISE * check.standard_error
    assert check.standard_error < 0.003


def off_by_one(scores: Array, review: float, rate: float, _groups: object = None) -> tuple[float, float]:
    below, reject = calibration.limit(scores, review), np.sort(scores)[::-1][int(rate * (len(scores) + 1) + 1e-9)]
    return below, max(below, float(reject))


def without_the_new_plate(*given: Any) -> FalseAlarmBound:
    kept = BOUND(*given)
    return FalseAlarmBound(**{**vars(kept), "false_alarm_rate": kept.false_alarm_rate - kept.floor})


def too_few_are_enough(*given: Any) -> FalseAlarmBound:
    kept = BOUND(*given)
    return FalseAlarmBound(**{**vars(kept), "plates_needed_95": kept.plates_needed_95 // 2})


def on_average_alone(*given: Any) -> FalseAlarmBound:
    kept = BOUND(*given)
    return FalseAlarmBound(**{**vars(kept), "upper_95": kept.false_alarm_rate})


BOUND = calibration.false_alarm_bound
FAULTS = [
    ("limits", off_by_one, "plates_needed"),
    ("false_alarm_bound", without_the_new_plate, "rate"),
    ("false_alarm_bound", on_average_alone, "upper_95"),
    ("false_alarm_bound", too_few_are_enough, "plates_needed_95"),
]


GROUPED = Grouped(8, 0.9)


def test_the_bound_by_group_holds_and_one_by_plate_would_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "REQUESTED", (0.1,))
    assert broken(simulate([GROUPED], splits=60, seed=1, counts=(20,))) == set()
    monkeypatch.setattr(calibration, "worst_of_groups", lambda scores, _groups: np.asarray(scores))
    assert {"rate", "upper_95"} <= broken(simulate([GROUPED], splits=60, seed=1, counts=(20,)))


def test_the_exact_fraction_of_groups_is_that_of_the_draws() -> None:
    worst = GROUPED.draw(default_rng(0), 20_000).max(axis=1)
    for at in np.quantile(worst, [0.5, 0.9]):
        assert GROUPED.above(np.array([at]))[0] == pytest.approx((worst > at).mean(), abs=0.01)


@pytest.mark.parametrize(("name", "fault", "what"), FAULTS)
def test_a_broken_bound_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, fault: object, what: str) -> None:
    monkeypatch.setattr(calibration, name, fault)
    assert what in broken(simulate([GLARING], splits=50, seed=1, counts=(54,)))


def test_a_p_value_without_the_new_plate_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "p_value", lambda score, good: p_value(score, good) - 1 / (len(good) + 1))
    assert "p_value" in broken(simulate([LOGNORMAL], splits=100, seed=1, counts=(10,)))


def test_splits_share_no_plate_and_leave_none_out() -> None:
    split = Plates("all", np.arange(30.0) + 1).split(default_rng(0), 20)
    assert (len(set(split.scores)), split.judged, set(split.further) & set(split.scores)) == (20, 10, set())
    assert split.above(np.array([0.0, split.further.max()])).tolist() == [1, 0]


@pytest.mark.parametrize("population", [*formulas(), smoothed("few", np.array([1.0, 1.2, 1.3, 2.0]))])
def test_exact_shares_are_those_of_the_draws(population: Endless) -> None:
    split = population.split(default_rng(0), 20_000)
    for at in np.quantile(split.scores, [0.5, 0.9]):
        assert split.above(np.array([at]))[0] == pytest.approx((split.scores > at).mean(), abs=0.02)


def test_real_plates_are_drawn_with_replacement_when_less_than_half_would_be_left() -> None:
    scores = np.linspace(1, 2, 10)
    population = Plates("few", scores, smoothed("few", scores))
    assert [population.split(default_rng(0), count).judged for count in (5, 6)] == [5, None]


def test_rendered_plates_are_scored_each_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(populations, "LEARNT", 10)
    population = rendered(3, 0)
    assert population.name == "3 rendered plates"
    assert (population.scores > 0).all()
    assert len(set(population.scores)) == 3


def test_tables_and_picture(found: list[Check], tmp_path: Path) -> None:
    table = simulation_report.table(found)
    assert (len(table.rows), {len(row) for row in table.rows}) == (2 * 6, {len(table.head)})
    assert len(table.head) == 4
    assert len(simulation_report.needed(found).rows) == 2
    simulation_report.figure(found).savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


def test_a_broken_bound_is_bold_and_makes_the_benchmark_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Check("some", 54, "rate", 0.05, 0.2, 0.05, 0.01, 15.0)
    assert broken.cell("{:.1f} / {:.1f}") == "**20.0 / 5.0**"
    monkeypatch.setattr(calibration, "limits", off_by_one)
    monkeypatch.setattr(simulation, "rendered", lambda *_: LOGNORMAL)
    monkeypatch.setattr(simulation, "formulas", list)
    monkeypatch.setattr(simulation, "grouped", list)
    assert simulation.measure(splits=30).wrong
