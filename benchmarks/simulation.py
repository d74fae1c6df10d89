"""Does the threshold keep its promise? Good plates are split at random many times; one table, one JSON, one picture.

    python benchmarks/simulation.py --models MODEL MODEL --out runs/simulation

Of each population n plates calibrate as `train` does (`calibration.limits`, `calibration.promise`), all others are
judged. Populations: rendered plates scored by one fitted surface, split without replacement (scores are kept in --out;
remove the npz there to render anew); with --models the out-of-fold scores of each model's good plates, split without
replacement while half of them are left to judge, beyond that drawn with replacement with normal noise on their logs;
and three shapes besides the lognormal one. All scores of a population are exchangeable.

Checked, each within 4 standard errors of so many splits (about 900 comparisons: at 3 one would fail by chance):
the mean share of good plates REJECTed is no higher than `false_alarm_rate`, nor than what was asked for or, where that
is lower, 1 / (n + 1); it is no higher than `upper_95` in at least 95 % of splits; P(p ≤ t) is no higher than t; and
with `plates_needed` plates the rate asked for is kept on average, and with `plates_needed_95`, none of them above the
threshold, in 95 % of splits. Exits 1 when one of them fails. That REVIEW costs as few good plates as `review_rate` is
shown, not checked: it takes bell-shaped log scores.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import stats

import simulation_report as report
from platewatch.arrays import Array
from platewatch.decision import calibration
from platewatch.decision.verdict import p_value
from populations import Population, Split, formulas, of_model, rendered
from simulation_report import NOISE, Check

COUNTS = (5, 10, 20, 27, 54, 100, 200, 500)
ASKED = (0.01, 0.05, 0.1)
REVIEW_RATE = 0.025
TAILS = (0.05, 0.1, 0.25, 0.5)
_EXACT = 1e-6  # the least standard error, where all splits agree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, nargs="+", default=[], metavar="MODEL")
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--plates", type=int, default=2000, help="rendered plates beside the 50 learnt from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/simulation"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    synthetic = rendered(
        asked.out, asked.plates, asked.seed, lambda done, every: _progress("rendered plates", done, every)
    )
    if not asked.models:
        sys.stderr.write("no --models: real plates' scores are left out\n")
    populations: list[Population] = [synthetic, *map(of_model, asked.models), *formulas()]
    found = simulate(populations, asked.splits, asked.seed)
    rows = [{**asdict(check), "kept": check.kept} for check in found]
    (asked.out / "simulation.json").write_text(json.dumps(rows, indent=1) + "\n")
    report.save(report.figure(found, NOISE), asked.out / "simulation.png")
    sys.stdout.write(report.table(found) + "\n\n" + report.needed(found) + "\n\n")
    held = [check for check in found if check.what != "not_pass"]
    broken = [check for check in held if not check.kept]
    for what, at in sorted({(check.what, check.at) for check in broken}):
        cases = [check for check in broken if (check.what, check.at) == (what, at)]
        worst = max(cases, key=lambda check: check.excess)
        sys.stdout.write(f"BROKEN: {what} at {at:g} in {len(cases)} cases, the worst: {worst}\n")
    largest = max(check.excess for check in held if check.kept)
    kept = f"{len(held) - len(broken)} of {len(held)} promises kept within {NOISE:g} standard errors"
    sys.stdout.write(f"{kept}, the largest excess among them {largest:.1f}\n")
    return 1 if broken else 0


def simulate(populations: Sequence[Population], splits: int, seed: int, counts: Sequence[int] = COUNTS) -> list[Check]:
    """Every population with every number of plates, and with as many as each rate asked for is said to take."""
    found: list[Check] = []
    for number, population in enumerate(populations):
        for count in counts:
            found += _checks(population.name, _splits(population, count, splits, [seed, number, count]))
        for rate in ASKED:
            found += _needed(population, rate, splits, [seed, number])
        _progress("populations", number + 1, len(populations))
    return found


def _splits(population: Population, count: int, splits: int, seed: list[int]) -> list[Split]:
    rng = np.random.default_rng(seed)
    return [population.split(rng, count) for _ in range(splits)]


def _checks(name: str, drawn: list[Split]) -> list[Check]:
    count = len(drawn[0].scores)
    checks = [check for rate in ASKED for check in _rate_checks(name, drawn, rate)]
    p_values = [[p_value(score, split.scores.tolist()) for score in split.further] for split in drawn]
    for tail in TAILS:
        shares = np.array([np.mean(np.array(each) <= tail) for each in p_values])
        checks.append(_at_most(name, count, "p_value", tail, shares=shares, promised=np.full(len(shares), tail)))
    reviews = [calibration.limits(split.scores, REVIEW_RATE, ASKED[0])[0] for split in drawn]
    costs = np.array([split.above(np.array([review]))[0] for split, review in zip(drawn, reviews, strict=True)])
    asked = np.full(len(costs), REVIEW_RATE)
    return [*checks, _at_most(name, count, "not_pass", REVIEW_RATE, shares=costs, promised=asked)]


def _rate_checks(name: str, drawn: list[Split], rate: float) -> tuple[Check, Check, Check]:
    """The mean against what is promised and what was asked for, and the limit in at least 95 % of splits.

    A rate that is beta distributed, as that above the (a + 1)-th highest of n scores is, stays below its limit with
    95 %; its share among finitely many judged plates is beta-binomial, so the 95 % become a little more or less.
    """
    realised, expected, upper, needed = np.transpose([_judge(split, rate) for split in drawn])
    count = len(drawn[0].scores)
    kept, chance = float(np.mean(realised <= upper + 1e-9)), float(needed.mean())
    asked = np.full(len(drawn), max(rate, 1 / (count + 1)))
    return (
        _at_most(name, count, "rate", rate, shares=realised, promised=expected),
        _at_most(name, count, "asked", rate, shares=realised, promised=asked),
        _at_least(name, count, "upper_95", rate, share=kept, needed=chance, splits=len(drawn)),
    )


def _judge(split: Split, rate: float) -> tuple[float, float, float, float]:
    """Realised rate, expected rate, upper limit, and the chance that the realised rate is not above the limit."""
    _, threshold = calibration.limits(split.scores, REVIEW_RATE, rate)
    promise = calibration.promise(split.scores, threshold, rate)
    realised = float(split.above(np.array([threshold]))[0])
    above = int((split.scores > threshold).sum())
    return realised, promise.false_alarm_rate, promise.upper_95, _chance(split, promise.upper_95, above)


def _chance(split: Split, bound: float, above: int) -> float:
    if split.judged is None:
        return 0.95
    most = np.floor(split.judged * bound + 1e-9)
    return float(stats.betabinom.cdf(most, split.judged, above + 1, len(split.scores) - above))


def _needed(population: Population, rate: float, splits: int, seed: list[int]) -> tuple[Check, Check]:
    """Whether the rate asked for is kept with as many plates as are said to be needed for it."""
    said = calibration.promise([1.0] * 3, 2.0, rate)
    enough = _splits(population, said.plates_needed, splits, [*seed, said.plates_needed, 1])
    surely = _splits(population, said.plates_needed_95, splits, [*seed, said.plates_needed_95, 2])
    none_above = 1 / (said.plates_needed_95 + 1)  # the rate to ask for, for a threshold that none of them exceeds
    costs = np.array([_judge(split, rate)[0] for split in enough])
    others = np.array([_judge(split, none_above)[0] for split in surely])
    kept, needed = float(np.mean(others <= rate + 1e-9)), min(0.95, _chance(surely[0], rate, 0))
    name, asked = population.name, np.full(splits, rate)
    return (
        _at_most(name, said.plates_needed, "plates_needed", rate, shares=costs, promised=asked),
        _at_least(name, said.plates_needed_95, "plates_needed_95", rate, share=kept, needed=needed, splits=splits),
    )


def _at_most(name: str, count: int, what: str, at: float, *, shares: Array, promised: Array) -> Check:
    """Whether the mean of `shares` (splits,) is no higher than that of `promised`."""
    apart = shares - promised
    error = max(float(apart.std(ddof=1) / np.sqrt(len(apart))), _EXACT)
    return Check(
        name, count, what, at, float(shares.mean()), float(promised.mean()), error, float(apart.mean()) / error
    )


def _at_least(name: str, count: int, what: str, at: float, *, share: float, needed: float, splits: int) -> Check:
    """Whether the `share` of splits is no less than `needed`."""
    error = max(float(np.sqrt(needed * (1 - needed) / splits)), _EXACT)
    return Check(name, count, what, at, share, needed, error, (needed - share) / error)


def _progress(what: str, done: int, every: int) -> None:
    if done == every or done % max(1, every // 10) == 0:
        sys.stderr.write(f"{what}: {done} of {every}\n")


if __name__ == "__main__":
    sys.exit(main())
