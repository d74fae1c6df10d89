"""Checks the false-alarm bound: good plates are split at random many times, and the real rates are counted.

    run.py simulation --models MODEL MODEL

In each split of a population (populations.py), n plates calibrate as in `train` (`calibration.limits`,
`calibration.false_alarm_bound`), and all others are judged. --models adds the scores of real plates. In populations of
groups n counts groups, whose plates are alike; the rates count groups with a plate above the limit.

Each check allows 4 standard errors. There are about 1,300; with 3 standard errors one would fail by chance. Checked is:

- The mean rate of good plates with REJECT is at most `false_alarm_rate`, and at most the larger of the requested rate
  and 1 / (n + 1).
- The rate is at most `upper_95` in at least 95 % of the splits.
- P(p ≤ t) is at most t.
- With `plates_needed` plates the requested rate holds on average. With `plates_needed_95` plates, none of them above
  the threshold, it holds in 95 % of the splits.

The rate of REVIEW is shown and not checked, because its limit assumes normally distributed log scores.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks import simulation_report as report
from benchmarks.harness import Found, say
from benchmarks.populations import Endless, Grouped, Plates, Split, formulas, grouped, of_model, rendered
from benchmarks.simulation_report import Check
from platewatch.arrays import Doubles, Mask
from platewatch.decision import calibration
from platewatch.decision.verdict import p_value

COUNTS = (5, 10, 20, 27, 54, 100, 200, 500)
REQUESTED = (0.01, 0.05, 0.1)
REVIEW_RATE = 0.025
TAILS = (0.05, 0.1, 0.25, 0.5)
_EXACT = 1e-6  # the least standard error, where all splits agree
Population = Plates | Endless | Grouped


def measure(*, models: Sequence[Path] = (), splits: int = 1000, plates: int = 2000, seed: int = 0) -> Found:
    found = simulate([rendered(plates, seed), *map(of_model, models), *formulas(), *grouped()], splits, seed)
    checked = [check for check in found if check.what != "not_pass"]
    figures: dict[str, float | str] = {"checked": len(checked), "held": sum(check.held for check in checked)}
    for what in ("rate", "p_value", "upper_95"):
        figures[f"{what}.largest_excess"] = round(max(check.excess for check in checked if check.what == what), 1)
    tables = {"": report.table(found), " with the plates needed": report.needed(found)}
    wrong = [str(check) for check in checked if not check.held]
    details = [asdict(check) for check in found]
    return Found(figures, tables, details, report.figure(found), wrong)


def simulate(populations: Sequence[Population], splits: int, seed: int, counts: Sequence[int] = COUNTS) -> list[Check]:
    """Every population with every number of plates, and with the stated `plates_needed` of each requested rate."""
    found: list[Check] = []
    for number, population in enumerate(populations):
        for count in counts:
            found += _checks(population.name, _splits(population, count, splits, [seed, number, count]))
        for rate in REQUESTED:
            found += _needed(population, rate, splits, [seed, number])
        say(f"populations: {number + 1} of {len(populations)}")
    return found


def _splits(population: Population, count: int, splits: int, seed: list[int]) -> list[Split]:
    rng = np.random.default_rng(seed)
    return [population.split(rng, count) for _ in range(splits)]


def _checks(name: str, drawn: list[Split]) -> list[Check]:
    count = drawn[0].independent
    checks = [check for rate in REQUESTED for check in _rate_checks(name, drawn, rate)]
    worst = [calibration.worst_of_groups(split.scores, split.groups).tolist() for split in drawn]
    p_values = [[p_value(score, good) for score in split.further] for split, good in zip(drawn, worst, strict=True)]
    for tail in TAILS:
        rates = np.array([np.mean(np.array(each) <= tail) for each in p_values])
        checks.append(_at_most(name, count, "p_value", tail, rates=rates, expected=tail))
    reviews = [calibration.limits(split.scores, REVIEW_RATE, REQUESTED[0], split.groups)[0] for split in drawn]
    costs = np.array([split.above(np.array([review]))[0] for split, review in zip(drawn, reviews, strict=True)])
    return [*checks, _at_most(name, count, "not_pass", REVIEW_RATE, rates=costs, expected=REVIEW_RATE)]


def _rate_checks(name: str, drawn: list[Split], rate: float) -> tuple[Check, Check, Check]:
    """The mean against the expected and the requested rate, and the limit in at least 95 % of splits.

    The rate above the (a + 1)-th highest of n scores is beta distributed and stays below its limit in 95 % of the
    splits. Among finitely many judged plates it is beta-binomial, so the 95 % become slightly more or less.
    """
    realised, expected, upper, needed = np.transpose([_judge(split, rate) for split in drawn])
    count = drawn[0].independent
    return (
        _at_most(name, count, "rate", rate, rates=realised, expected=expected),
        _at_most(name, count, "asked", rate, rates=realised, expected=max(rate, 1 / (count + 1))),
        _at_least(name, count, "upper_95", rate, within=realised <= upper + 1e-9, needed=float(needed.mean())),
    )


def _judge(split: Split, rate: float) -> tuple[float, float, float, float]:
    """Realised rate, expected rate, upper limit, and the chance that the realised rate is not above the limit."""
    _, threshold = calibration.limits(split.scores, REVIEW_RATE, rate, split.groups)
    bound = calibration.false_alarm_bound(split.scores, threshold, rate, split.groups)
    realised = float(split.above(np.array([threshold]))[0])
    above = int((split.scores > threshold).sum())
    return realised, bound.false_alarm_rate, bound.upper_95, _chance(split, bound.upper_95, above)


def _chance(split: Split, bound: float, above: int) -> float:
    if split.judged is None:
        return 0.95
    most = np.floor(split.judged * bound + 1e-9)
    return float(stats.betabinom.cdf(most, split.judged, above + 1, len(split.scores) - above))


def _needed(population: Population, rate: float, splits: int, seed: list[int]) -> tuple[Check, Check]:
    """Whether the requested rate holds with the stated numbers of plates."""
    name, stated = population.name, calibration.false_alarm_bound([1.0] * 3, 2.0, rate)
    enough = _splits(population, stated.plates_needed, splits, [*seed, stated.plates_needed, 1])
    surely = _splits(population, stated.plates_needed_95, splits, [*seed, stated.plates_needed_95, 2])
    none_above = 1 / (stated.plates_needed_95 + 1)  # the rate to request for a threshold that none of them exceeds
    costs, others = (
        np.array([_judge(split, requested)[0] for split in drawn])
        for drawn, requested in ((enough, rate), (surely, none_above))
    )
    chance = min(0.95, _chance(surely[0], rate, 0))
    return (
        _at_most(name, stated.plates_needed, "plates_needed", rate, rates=costs, expected=rate),
        _at_least(name, stated.plates_needed_95, "plates_needed_95", rate, within=others <= rate + 1e-9, needed=chance),
    )


def _at_most(name: str, count: int, what: str, at: float, *, rates: Doubles, expected: Doubles | float) -> Check:
    """Whether the mean of `rates` (splits,) is no higher than that of `expected`."""
    apart = rates - expected
    error = max(float(apart.std(ddof=1) / np.sqrt(len(apart))), _EXACT)
    mean, excess = float(rates.mean()), float(apart.mean()) / error
    return Check(name, count, what, at, mean, float(np.mean(expected)), error, excess)


def _at_least(name: str, count: int, what: str, at: float, *, within: Mask, needed: float) -> Check:
    """Whether no smaller fraction of the splits than `needed` is `within` (splits,) bool."""
    error = max(float(np.sqrt(needed * (1 - needed) / len(within))), _EXACT)
    kept = float(within.mean())
    return Check(name, count, what, at, kept, needed, error, (needed - kept) / error)
