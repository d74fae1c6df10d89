"""Calibration: PASS limit, REJECT limit and false-alarm bound from the out-of-fold scores of good plates."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from platewatch.arrays import Doubles, Indices
from platewatch.decision import intervals
from platewatch.decision.verdict import FalseAlarmBound, plates_needed
from platewatch.errors import CalibrationError
from platewatch.photographs import robust

_SMALLEST_SCORE = 1e-9
_SMALLEST_DEVIATION = 0.02  # of log scores: guards against a few good plates that happen to be nearly equal
_SURELY = 1.645  # standard errors: 95 % one-sided
_FARTHER = 5  # the quantile that the PASS limit surely does not exceed is that of a rate so many times smaller
_MORE = (20, 30, 40)  # numbers of good plates for which the limit is foretold
_MEDIAN, _MAD = np.pi / 2, 1.36  # n × variance of median and 1.4826 MAD of a normal sample (Rousseeuw, Croux 1993)


def folds(groups: Sequence[int], count: int, seed: int) -> tuple[Indices, ...]:
    """Split plates into `count` folds of about equal size; plates of one group (near duplicates) share a fold.

    Returns the held-out indices of each fold, ascending. Raises CalibrationError for fewer groups than folds.
    """
    members: dict[int, list[int]] = {}
    for plate, group in enumerate(groups):
        members.setdefault(group, []).append(plate)
    if len(members) < count:
        raise CalibrationError(
            f"{len(groups)} good plates",
            f"{len(members)} of them different",
            expected=f"at least {count}, one for each fold",
            remedy="add photographs of other plates",
        )
    order = np.random.default_rng(seed).permutation(len(members))
    shuffled = [list(members.values())[each] for each in order]
    held_out: list[list[int]] = [[] for _ in range(count)]
    for group_members in sorted(shuffled, key=len, reverse=True):
        min(held_out, key=len).extend(group_members)
    return tuple(np.array(sorted(fold)) for fold in held_out)


def limit(scores: Sequence[float] | Doubles, rate: float, count: int | None = None) -> float:
    """The 1 − rate quantile of a log-normal fit to good plates' out-of-fold scores.

    The fit takes the median and the MAD of the log scores, so that a few outliers do not move it. Student's t and the
    factor √(1 + 1/n) widen it for small n (prediction interval of one further plate); n is `count`, or the number of
    scores. Raises CalibrationError for fewer than 3 scores or one that is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 3 or not np.isfinite(values).all():
        raise CalibrationError(
            "", f"{len(values)} scores of good plates", expected="at least 3 finite ones", remedy="train again"
        )
    deviations = _deviations(rate, count or len(values))
    return robust.limit(values, deviations, smallest_deviation=_SMALLEST_DEVIATION)


def _deviations(rate: float, count: int) -> float:
    """Robust standard deviations above the median of `count` plates that a further one exceeds at the rate."""
    return float(intervals.t_quantile(rate, count - 1) * np.sqrt(1 + 1 / count))


def pass_limit(scores: Sequence[float] | Doubles, rate: float, count: int | None = None) -> float:
    """The PASS limit from good plates' out-of-fold scores: the smallest of three, so that few plates err to REVIEW.

    - The 1 − rate quantile of `limit`, which a further good plate exceeds at about that rate.
    - The limit that with 95 % confidence is not above the 1 − rate / 5 quantile, if log scores are normal (a lower
      confidence limit of a quantile). It is the smaller one below about 60 plates, and hardly at 54.
    - The largest score, whatever the distribution: what is worse than every good plate does not pass.

    `count`: the number of groups, if plates of one group are alike; the confidence is that of so many plates.
    """
    values, number = np.asarray(scores, dtype=np.float64), count or len(scores)
    quantile = limit(values, rate, number)
    sure = robust.limit(values, _sure_deviations(rate, number), smallest_deviation=_SMALLEST_DEVIATION)
    return min(quantile, sure, max(float(values.max()), _SMALLEST_SCORE))


def _sure_deviations(rate: float, count: int) -> float:
    """Return d so that median + d · s is with 95 % confidence not above the 1 − rate / 5 quantile; s is 1.4826 MAD.

    The smaller root of (z − d)² = 1.645² (π/2 + 1.36 d²) / (n + 3), where z is the quantile of the standard normal
    distribution: by the asymptotic variances of median and MAD. The 3 fits them to small n (docs/log.md).
    """
    z, spread = -NormalDist().inv_cdf(rate / _FARTHER), _SURELY**2 / (count + 3)
    square, rest = 1 - _MAD * spread, z * z - _MEDIAN * spread
    return float((z - np.sqrt(max(z * z - square * rest, 0.0))) / square)


def plates_enough(rate: float) -> int:
    """The smallest number of good plates from which their number no longer lowers the PASS limit."""
    count = 3
    while _sure_deviations(rate, count) < _deviations(rate, count):
        count += 1
    return count


@dataclass(frozen=True)
class FewPlates:
    """How far few good plates lower the PASS limit, and what more of them would do."""

    count: int
    """Number n of groups, or of plates where there are none."""
    limit: float
    unlowered: float
    """The PASS limit for these scores if n did not lower it."""
    more: tuple[tuple[int, float], ...]
    """For each larger n: the PASS limit if median and spread stay. The last n is `plates_enough`."""


def few_plates(scores: Sequence[float] | Doubles, rate: float, count: int) -> FewPlates | None:
    """How far few good plates lower the PASS limit; None when it is by less than 1 %."""
    enough, found = plates_enough(rate), pass_limit(scores, rate, count)
    unlowered = limit(scores, rate, enough)
    if count >= enough or found > 0.99 * unlowered:
        return None
    values = np.asarray(scores, dtype=np.float64)
    at = {more: robust.limit(values, _sure_deviations(rate, more)) for more in _MORE if more > count}
    return FewPlates(count, found, unlowered, (*at.items(), (enough, unlowered)))


def worst_of_groups(scores: Sequence[float] | Doubles, groups: Sequence[int] | None) -> Doubles:
    """The largest score of each group, in the groups' order; without groups the scores themselves."""
    values = np.asarray(scores, dtype=np.float64)
    if groups is None:
        return values
    members: dict[int, list[float]] = {}
    for group, score in zip(groups, values.tolist(), strict=True):
        members.setdefault(group, []).append(score)
    return np.array([max(each) for each in members.values()])


def limits(
    scores: Sequence[float] | Doubles, review_rate: float, false_alarm_rate: float, groups: Sequence[int] | None = None
) -> tuple[float, float]:
    """The PASS limit and the REJECT limit: scores above the first are not PASS, scores above the second are REJECT.

    PASS limit: `pass_limit`. REJECT limit: the k-th largest score of the n good plates,
    k = ⌊false_alarm_rate · (n + 1)⌋, which bounds the false-alarm rate for any distribution of scores (split conformal:
    Vovk, Gammerman, Shafer 2005). With k = 0, a rate below 1 / (n + 1), it is the largest score, or the quantile of
    `limit` if that is larger. It is never below the PASS limit. Scores between the two are REVIEW.

    `groups`: each plate's group. Then n is the number of groups, each with its largest score (`false_alarm_bound`).
    """
    worst = worst_of_groups(scores, groups)
    review = pass_limit(scores, review_rate, len(worst))
    descending = np.sort(worst)[::-1]
    allowed = int(np.floor(false_alarm_rate * (len(descending) + 1) + 1e-9))  # groups at or above the threshold
    if allowed >= 1:
        return review, max(review, float(descending[allowed - 1]))
    return review, max(review, float(descending[0]), limit(worst, false_alarm_rate))


def false_alarm_bound(
    scores: Sequence[float] | Doubles, threshold: float, target: float, groups: Sequence[int] | None = None
) -> FalseAlarmBound:
    """The bound on the fraction of good plates above `threshold`, from their n out-of-fold scores.

    Expected: (1 + number above) / (n + 1). Upper 95 %: Clopper–Pearson, one-sided. `target`: the rate requested.

    `groups`: each plate's group. Plates of one group are dependent, groups are exchangeable, so n counts groups, and a
    group is above when any of its plates is (two-layer hierarchical model: Dunn, Wasserman, Ramdas 2022, arXiv
    1809.07441; a group's largest score in place of one drawn at random, so that no plate is left out). The bound on
    groups holds for plates too: a plate of a new group is above no more often than its group.
    """
    worst = worst_of_groups(scores, groups)
    count = len(worst)
    above = int((worst > threshold).sum())
    expected = (1 + above) / (count + 1)
    return FalseAlarmBound(
        asked=target,
        false_alarm_rate=expected,
        upper_95=intervals.highest_proportion(above, count),
        floor=1 / (count + 1),
        good_plates=len(scores),
        groups=count,
        promised=expected <= target,
        plates_needed=plates_needed(target),
        plates_needed_95=int(np.ceil(np.log(0.05) / np.log1p(-target) - 1e-9)),
    )


def choose_weight(good: Doubles, artificial: Doubles, *, alone: bool = False) -> float:
    """The weight w of the first of two numbers in w · first + (1 − w) · second that best separates artificial defects.

    good (N, 2) and artificial (M, 2) are out-of-fold numbers: reconstruction and latent errors to choose alpha, the
    scores of both phases to choose their weight. w is one of .1, .2 … .9, with `alone` also 0 and 1. Best is the
    largest AUROC; of equals, the largest distance between the medians of the log scores.
    """

    def quality(weight: float) -> tuple[float, float]:
        weights = np.array([weight, 1 - weight])
        low, high = (np.log(np.maximum(scores @ weights, _SMALLEST_SCORE)) for scores in (good, artificial))
        order = (high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean()
        return round(float(order), 6), float(np.median(high) - np.median(low))

    tenths = range(11) if alone else range(1, 10)
    return max((round(0.1 * each, 1) for each in tenths), key=quality)
