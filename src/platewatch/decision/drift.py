"""Whether the line drifts away from what the model knows: good plates no longer look as they did, and nobody said why.

Two numbers of each plate are watched: its score, and the photograph's brightness. The score alone would be a poor
watchman: training relights its plates so that a lamp does *not* move it (benchmarks/drift.py: what 10 % less light
does to both). Each number gets a p-value: its place among those before it, ties by lot (conformal; Vovk, Gammerman,
Shafer 2005). Those before it are the model's calibration plates, for the score, and the line's own, up to REFERENCE
of them; from then on these stand for ever, so that a slow change is seen as well as a sudden one. While a reference
grows, the p-values of plates from one source, in whatever order, are independent and uniform on [0, 1]: exactly,
whatever the numbers are distributed like; against one that stands they are nearly so. The p-values in the Inspections
are not, taken together: all are counted against the same fifty plates, whose own luck a long run takes for drift.

Each p-value is bet upon: a bet f(p) has mean 1 when p is uniform, and is above 1 where p is very small or very large.
The evidence is Shiryaev's and Roberts's, a sum over every plate that a change may have begun at:

    R(t) = (1 + R(t − 1)) · f(p(t)),   the mean of it over the bets

R(t) − t is a martingale as long as nothing drifts, R a submartingale with mean t: by Doob and Ville the chance that R
ever reaches K · L within m plates is at most m / (K · L). K numbers are watched, so that the chance of a false alarm
within m plates is at most m / L in all. `benchmarks/drift.py` simulates it.

Plates with REJECT, and those that could not be judged, take no part: defective plates have tiny p-values, and how many
of them come is no property of the light. Good plates below the threshold are as exchangeable as good plates are. A
defective plate that slips in among them moves the evidence by a factor of at most BOUND. A change so large that every
plate is rejected leaves none to bet on: `share_lost` is for that, and promises nothing.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCORE, BRIGHTNESS = "score", "brightness"
"""The numbers that are watched."""
REFERENCE = 20_000
"""Numbers of each kind that a plate's is counted against, at most."""
BOUND = 3.0
"""No bet pays more on one plate."""
RECENT = 40
"""Plates whose share of REJECT and unjudged is watched."""

_TAIL = np.array([0.05, 0.1, 0.2, 0.4])
_STAKE = np.minimum(0.9, (BOUND - 1) / (1 / _TAIL - 1))
"""Each bet puts this share of what it has on one tail, p < tail or p ≥ 1 − tail, and keeps the rest."""


@dataclass(frozen=True)
class Evidence:
    """Where the watch stands."""

    value: float
    """The largest R by the numbers watched; a few, without drift."""
    number: str
    """Which of them it is."""
    limit: float
    """The alarm is at this value: the chance of a false one within m plates is at most m / limit."""
    plates: int
    """Plates bet upon since the watch began, or was begun anew."""
    share_lost: float
    """Of the last RECENT plates, those with REJECT or without a score; 0 until so many have come."""

    @property
    def alarm(self) -> bool:
        """Whether the limit is reached."""
        return self.value >= self.limit


class Watch:
    """The evidence that one model's plates change; to be called by one thread at a time."""

    def __init__(self, scores: Iterable[float], limit: float) -> None:
        """`scores` of the model's calibration plates to begin with; m plates err by m / limit at most."""
        self._limit = limit
        self._lines = {SCORE: _Line(sorted(scores)), BRIGHTNESS: _Line([])}
        self._plates = 0
        self._lost: deque[bool] = deque(maxlen=RECENT)

    @classmethod
    def resume(cls, state: Mapping[str, Any], limit: float) -> "Watch":
        """The watch whose `state` this was; raises KeyError, TypeError or ValueError for anything else."""
        watch = cls((), limit)
        for name, line in watch._lines.items():
            kept = state["lines"][name]
            line.reference = sorted(map(float, kept["reference"]))
            line.evidence = np.array(kept["evidence"], np.float64).reshape(line.evidence.shape)
        watch._plates = int(state["plates"])
        watch._lost.extend(map(bool, state["lost"]))
        return watch

    def state(self) -> dict[str, Any]:
        """Everything the watch knows, as plain JSON values."""
        lines = {
            name: {"reference": list(line.reference), "evidence": line.evidence.tolist()}
            for name, line in self._lines.items()
        }
        return {"lines": lines, "plates": self._plates, "lost": list(self._lost)}

    def see(self, numbers: Mapping[str, float | None], lot: float, *, rejected: bool = False) -> None:
        """Bet on a plate; a number that is None or missing is not bet upon. `lot` is uniform on [0, 1)."""
        lost = rejected or numbers.get(SCORE) is None
        self._lost.append(lost)
        if lost:
            return
        self._plates += 1
        for name, line in self._lines.items():
            value = numbers.get(name)
            if value is not None:
                line.see(value, lot)

    def evidence(self) -> Evidence:
        """Where the watch stands."""
        lost = sum(self._lost) / RECENT if len(self._lost) == RECENT else 0.0
        worst = max(self._lines, key=lambda name: self._lines[name].value())
        value = self._lines[worst].value() / len(self._lines)
        return Evidence(value, worst, self._limit, self._plates, lost)

    def begin_anew(self) -> None:
        """Forget evidence and brightness: the change was looked at, and may stay. The scores' reference stands."""
        self._lines[SCORE].evidence[:] = 0
        self._lines[BRIGHTNESS] = _Line([])
        self._plates = 0
        self._lost.clear()


class _Line:
    """One of the numbers: what it is counted against, and the evidence of each bet."""

    def __init__(self, reference: list[float]) -> None:
        self.reference = reference
        self.evidence = np.zeros(2 * len(_TAIL))

    def see(self, value: float, lot: float) -> None:
        """Bet on a plate's number, which then joins the reference while that grows."""
        p = p_value(value, self.reference, lot)
        if len(self.reference) < REFERENCE:
            insort(self.reference, value)
        self.evidence = (1 + self.evidence) * bets(p)

    def value(self) -> float:
        """R."""
        return float(self.evidence.mean())


def p_value(value: float, reference: Sequence[float], lot: float) -> float:
    """The share of the sorted reference above the value, the value itself and its ties by lot; on [0, 1)."""
    first, after = bisect_left(reference, value), bisect_right(reference, value)
    return (len(reference) - after + lot * (1 + after - first)) / (len(reference) + 1)


def bets(p: float) -> NDArray[np.float64]:
    """What each bet makes of 1, (8,): mean 1 over uniform p, and at most BOUND."""
    won, kept = 1 - _STAKE + _STAKE / _TAIL, 1 - _STAKE
    return np.concatenate([np.where(p < _TAIL, won, kept), np.where(p >= 1 - _TAIL, won, kept)])
