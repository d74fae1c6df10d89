"""Drift alarm: a test of whether scores and brightness of good plates change over time, with a false-alarm bound.

Two numbers per plate are tested: the score and the photograph's brightness. The score alone would not do: training
augments illumination so that less light does *not* change it (`benchmarks/run.py drift` compares both with less light).

p-values. Each number gets a conformal p-value, its rank among the reference numbers, ties broken at random (Vovk,
Gammerman, Shafer 2005). The reference of the score begins with the model's calibration plates; both references grow
with the line's own plates up to REFERENCE numbers and stay fixed from then on, so that slow changes are found as well
as sudden ones. While a reference grows, the p-values of exchangeable plates are independent and uniform on [0, 1],
whatever the distribution; against a fixed reference they are nearly so. The p-values in the Inspections cannot be used:
they all share the same fifty or so calibration plates, so that a long series of them is not uniform.

Bets. A bet f(p) has mean 1 for uniform p and is above 1 where p is very small or very large. The evidence is the
Shiryaev–Roberts statistic, averaged over the bets:

    R(t) = (1 + R(t − 1)) · f(p(t))

Bound. Without drift R(t) − t is a martingale and R a submartingale with mean t. By Doob's and Ville's inequalities the
probability that R reaches K · L within m plates is at most m / (K · L). K numbers are tested, so that the probability
of a false alarm within m plates is at most m / L. `benchmarks/run.py drift` simulates it.

Plates with REJECT and plates without a score are left out: defective plates have tiny p-values, and how many there are
says nothing about the illumination. The good plates among the rest are exchangeable; a defective one changes the
evidence by a factor of at most BOUND. If a change is so large that every plate is rejected, nothing is left to test.
`share_lost` reports that case; it has no bound.
"""

import base64
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from platewatch.arrays import Doubles

SCORE, BRIGHTNESS = "score", "brightness"
"""The numbers that are tested."""
REFERENCE = 20_000
"""Largest size of a reference."""
BOUND = 3.0
"""Largest factor by which one plate changes the evidence."""
RECENT = 40
"""Number of latest plates of which `share_lost` is taken."""

_TAIL = np.array([0.05, 0.1, 0.2, 0.4])
_STAKE = np.minimum(0.9, (BOUND - 1) / (1 / _TAIL - 1))
"""Each bet stakes this fraction of its capital on one tail, p < tail or p ≥ 1 − tail, and keeps the rest."""


@dataclass(frozen=True)
class DriftEvidence:
    """The state of the drift test after the latest plate."""

    value: float
    """The larger R of the two numbers, divided by K; it stays small without drift."""
    number: str
    """The number with this R: SCORE or BRIGHTNESS."""
    limit: float
    """The alarm limit L: the probability of a false alarm within m plates is at most m / limit."""
    plates: int
    """Plates tested since the start or the last reset."""
    share_lost: float
    """Fraction of the last RECENT plates with REJECT or without a score; 0 until there are RECENT plates."""

    @property
    def alarm(self) -> bool:
        """Whether the limit is reached."""
        return self.value >= self.limit


class DriftTest:
    """The drift test of one model's plates; to be called by one thread at a time."""

    def __init__(self, scores: Iterable[float], limit: float) -> None:
        """`scores`: the model's calibration scores, the first reference. `limit`: as in DriftEvidence."""
        self._limit = limit
        self._statistics = {SCORE: _Statistic(sorted(scores)), BRIGHTNESS: _Statistic([])}
        self._plates = 0
        self._lost: deque[bool] = deque(maxlen=RECENT)

    @classmethod
    def resume(cls, state: Mapping[str, Any], limit: float) -> "DriftTest":
        """The test whose `state` this is; raises KeyError, TypeError or ValueError for anything else."""
        test = cls((), limit)
        for name, statistic in test._statistics.items():
            kept = state["lines"][name]
            statistic.reference = _unpacked(kept["reference"])
            statistic.evidence = np.array(kept["evidence"], np.float64).reshape(statistic.evidence.shape)
        test._plates = int(state["plates"])
        test._lost.extend(map(bool, state["lost"]))
        return test

    def state(self) -> dict[str, Any]:
        """The whole state as plain JSON values; `resume` is the inverse.

        References are text, base64 of their float64: as numbers, each time that a station saves its state it would take
        5 MB for a moment, and keep some of it.
        """
        lines = {
            name: {"reference": _packed(statistic.reference), "evidence": statistic.evidence.tolist()}
            for name, statistic in self._statistics.items()
        }
        return {"lines": lines, "plates": self._plates, "lost": list(self._lost)}

    def update(self, numbers: Mapping[str, float | None], tie_break: float, *, rejected: bool = False) -> None:
        """Update the test with one plate. A number that is None or missing is left out.

        `tie_break` is a random number, uniform on [0, 1), that breaks ties of the p-values.
        """
        lost = rejected or numbers.get(SCORE) is None
        self._lost.append(lost)
        if lost:
            return
        self._plates += 1
        for name, statistic in self._statistics.items():
            value = numbers.get(name)
            if value is not None:
                statistic.update(value, tie_break)

    def evidence(self) -> DriftEvidence:
        """The state after the latest plate."""
        lost = sum(self._lost) / RECENT if len(self._lost) == RECENT else 0.0
        worst = max(self._statistics, key=lambda name: self._statistics[name].value())
        value = self._statistics[worst].value() / len(self._statistics)
        return DriftEvidence(value, worst, self._limit, self._plates, lost)

    def reset(self) -> None:
        """Reset the evidence and the reference of brightness, after a person accepted the change.

        The reference of the score stays.
        """
        self._statistics[SCORE].evidence[:] = 0
        self._statistics[BRIGHTNESS] = _Statistic([])
        self._plates = 0
        self._lost.clear()


class _Statistic:
    """The test of one number: its sorted reference, and R of each bet."""

    def __init__(self, reference: Iterable[float]) -> None:
        self.reference = array("d", reference)  # a quarter of the memory of a list of floats
        self.evidence = np.zeros(2 * len(_TAIL))

    def update(self, value: float, tie_break: float) -> None:
        """Update R with one value, then add the value to the reference while that grows."""
        p = p_value(value, self.reference, tie_break)
        if len(self.reference) < REFERENCE:
            insort(self.reference, value)
        self.evidence = (1 + self.evidence) * bets(p)

    def value(self) -> float:
        """R, averaged over the bets."""
        return float(self.evidence.mean())


def _packed(reference: "array[float]") -> str:
    return base64.b64encode(np.asarray(reference, "<f8").tobytes()).decode()


def _unpacked(kept: Any) -> "array[float]":
    """Ascending numbers; the states of earlier versions hold them as a list."""
    if not isinstance(kept, str):
        return array("d", sorted(map(float, kept)))
    return array("d", np.sort(np.frombuffer(base64.b64decode(kept, validate=True), "<f8")).tolist())


def p_value(value: float, reference: Sequence[float], tie_break: float) -> float:
    """The conformal p-value of `value` in the sorted reference, on [0, 1): small where the value is large.

    (number above + tie_break · (1 + number equal)) / (n + 1)
    """
    first, after = bisect_left(reference, value), bisect_right(reference, value)
    return (len(reference) - after + tie_break * (1 + after - first)) / (len(reference) + 1)


def bets(p: float) -> Doubles:
    """The factor f(p) of each bet, (8,) float64: mean 1 over uniform p, at most BOUND."""
    won, kept = 1 - _STAKE + _STAKE / _TAIL, 1 - _STAKE
    return np.concatenate([np.where(p < _TAIL, won, kept), np.where(p >= 1 - _TAIL, won, kept)])
