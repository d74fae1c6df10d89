"""From good plates' out-of-fold scores to the limits, and the promise that so many plates can support."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from platewatch import robust
from platewatch.arrays import Array
from platewatch.decision.verdict import FalseAlarmBound, plates_needed
from platewatch.errors import CalibrationError

_SMALLEST_SCORE = 1e-9
_SMALLEST_DEVIATION = 0.02  # good plates never agree better than to 2 %, however alike the few at hand are


def folds(groups: Sequence[int], count: int, seed: int) -> tuple[Array, ...]:
    """Deal plates into `count` folds of about equal size; plates of one group (near duplicates) stay together.

    Returns the held-out indices of each fold, ascending. Raises CalibrationError when there are more folds than groups.
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
    dealt: list[list[int]] = [[] for _ in range(count)]
    for together in sorted(shuffled, key=len, reverse=True):
        min(dealt, key=len).extend(together)
    return tuple(np.array(sorted(fold)) for fold in dealt)


def limit(scores: Sequence[float] | Array, rate: float) -> float:
    """The score that a further good plate exceeds with probability `rate`, from good plates' out-of-fold scores.

    Log scores are taken as bell-shaped about their median with the spread of their median absolute deviation, so that a
    few odd plates among them move neither; Student's t and the factor √(1 + 1/n) allow for how few they are.
    Raises CalibrationError when a score is no number or there are fewer than 3.
    """
    values = np.asarray(scores, dtype=np.float64)
    if len(values) < 3 or not np.isfinite(values).all():
        raise CalibrationError(
            "", f"{len(values)} scores of good plates", expected="at least 3 finite ones", remedy="train again"
        )
    deviations = float(stats.t.isf(rate, len(values) - 1)) * np.sqrt(1 + 1 / len(values))
    return robust.limit(values, deviations, smallest_deviation=_SMALLEST_DEVIATION)


def limits(scores: Sequence[float] | Array, review_rate: float, false_alarm_rate: float) -> tuple[float, float]:
    """The scores above which a plate is not PASS, and above which it is REJECT.

    A plate passes up to the limit that `review_rate` of good plates exceed; odd plates among them do not move it.
    REJECT asks for more: worse than all good plates but as many as `false_alarm_rate` allows, a promise that needs no
    bell shape (split conformal: Vovk, Gammerman, Shafer 2005). Below the floor 1 / (n + 1) it is the worst of them, or
    what the bell shape gives when that is higher. Between lies REVIEW: unusual, but good plates have looked so.
    """
    review = limit(scores, review_rate)
    descending = np.sort(np.asarray(scores, dtype=np.float64))[::-1]
    allowed = int(np.floor(false_alarm_rate * (len(descending) + 1) + 1e-9))  # good plates at or above the threshold
    if allowed >= 1:
        return review, max(review, float(descending[allowed - 1]))
    return review, max(review, float(descending[0]), limit(scores, false_alarm_rate))


def promise(scores: Sequence[float] | Array, threshold: float, asked: float) -> FalseAlarmBound:
    """What the out-of-fold scores of good plates promise about the share of good plates above `threshold`."""
    count = len(scores)
    above = int((np.asarray(scores) > threshold).sum())
    expected = (1 + above) / (count + 1)
    return FalseAlarmBound(
        asked=asked,
        false_alarm_rate=expected,
        upper_95=float(stats.binomtest(above, count, alternative="less").proportion_ci(0.95).high),
        floor=1 / (count + 1),
        good_plates=count,
        promised=expected <= asked,
        plates_needed=plates_needed(asked),
        plates_needed_95=int(np.ceil(np.log(0.05) / np.log1p(-asked) - 1e-9)),
    )


def choose_weight(good: Array, artificial: Array, *, alone: bool = False) -> float:
    """The share, .1 to .9, of the first of two numbers in their mean that best tells forged defects from good plates.

    good (N, 2), forged (M, 2), all out of fold: reconstruction and latent errors for alpha, both phases' scores for
    their weight. With `alone` 0 and 1 are shares too: then the mean is never worse than the better number, as far as
    forged defects tell. Best is the highest share of pairs (good, forged) in the right order; where that is equal, the
    largest distance between the two medians of the logs.
    """

    def quality(share: float) -> tuple[float, float]:
        weights = np.array([share, 1 - share])
        low, high = (np.log(np.maximum(scores @ weights, _SMALLEST_SCORE)) for scores in (good, artificial))
        order = (high[:, None] > low[None]).mean() + 0.5 * (high[:, None] == low[None]).mean()
        return round(float(order), 6), float(np.median(high) - np.median(low))

    tenths = range(11) if alone else range(1, 10)
    return max((round(0.1 * each, 1) for each in tenths), key=quality)
