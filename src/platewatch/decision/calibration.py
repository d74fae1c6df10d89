"""Calibration: PASS limit, REJECT limit and false-alarm bound from the out-of-fold scores of good plates."""

from collections.abc import Sequence

import numpy as np

from platewatch import robust
from platewatch.arrays import Doubles, Indices
from platewatch.decision import intervals
from platewatch.decision.verdict import FalseAlarmBound, plates_needed
from platewatch.errors import CalibrationError

_SMALLEST_SCORE = 1e-9
_SMALLEST_DEVIATION = 0.02  # of log scores: guards against a few good plates that happen to be nearly equal


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


def limit(scores: Sequence[float] | Doubles, rate: float) -> float:
    """The 1 − rate quantile of a log-normal fit to good plates' out-of-fold scores.

    The fit takes the median and the MAD of the log scores, so that a few outliers do not move it. Student's t and the
    factor √(1 + 1/n) widen it for small n (prediction interval of one further plate). Raises CalibrationError for fewer
    than 3 scores or one that is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 3 or not np.isfinite(values).all():
        raise CalibrationError(
            "", f"{len(values)} scores of good plates", expected="at least 3 finite ones", remedy="train again"
        )
    deviations = intervals.t_quantile(rate, len(values) - 1) * np.sqrt(1 + 1 / len(values))
    return robust.limit(values, deviations, smallest_deviation=_SMALLEST_DEVIATION)


def limits(scores: Sequence[float] | Doubles, review_rate: float, false_alarm_rate: float) -> tuple[float, float]:
    """The PASS limit and the REJECT limit: scores above the first are not PASS, scores above the second are REJECT.

    PASS limit: the 1 − review_rate quantile of `limit`. REJECT limit: the k-th largest score of the n good plates,
    k = ⌊false_alarm_rate · (n + 1)⌋, which bounds the false-alarm rate for any distribution of scores (split conformal:
    Vovk, Gammerman, Shafer 2005). With k = 0, a rate below 1 / (n + 1), it is the largest score, or the quantile of
    `limit` if that is larger. It is never below the PASS limit. Scores between the two are REVIEW.
    """
    review = limit(scores, review_rate)
    descending = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    allowed = int(np.floor(false_alarm_rate * (len(descending) + 1) + 1e-9))  # good plates at or above the threshold
    if allowed >= 1:
        return review, max(review, float(descending[allowed - 1]))
    return review, max(review, float(descending[0]), limit(scores, false_alarm_rate))


def false_alarm_bound(scores: Sequence[float] | Doubles, threshold: float, target: float) -> FalseAlarmBound:
    """The bound on the fraction of good plates above `threshold`, from their n out-of-fold scores.

    Expected: (1 + number above) / (n + 1). Upper 95 %: Clopper–Pearson, one-sided. `target`: the rate requested.
    """
    count = len(scores)
    above = int((np.asarray(scores) > threshold).sum())
    expected = (1 + above) / (count + 1)
    return FalseAlarmBound(
        asked=target,
        false_alarm_rate=expected,
        upper_95=intervals.highest_proportion(above, count),
        floor=1 / (count + 1),
        good_plates=count,
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
