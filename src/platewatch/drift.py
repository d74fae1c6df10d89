"""Whether the line drifts away from what the model knows: good plates' scores rise, and nobody said why.

Each plate gets a p-value: the share of good plates before it that are at least as bad, its own place among ties drawn
by lot (conformal; Vovk, Gammerman, Shafer 2005). Those before it are the model's calibration plates and the line's own,
up to REFERENCE of them; from then on these stand for ever, so that a slow change is seen as well as a sudden one. While
the reference grows, the p-values of plates that come from one source, in whatever order, are independent and uniform on
[0, 1]: exactly, whatever their scores are distributed like. The p-values in the Inspections are not, taken together:
all are counted against the same fifty plates, whose own luck a long run would mistake for drift.

Each p-value is bet upon: a bet f(p) has mean 1 when p is uniform, and is above 1 where p is small. The evidence is
Shiryaev and Roberts's, the sum over every plate that a change may have begun at:

    R(t) = (1 + R(t − 1)) · f(p(t)),   the mean of it over the bets

so R(t) − t is a martingale and, by Doob, without drift:

- the mean number of plates until a false alarm, R ≥ L, is at least L;
- the chance of one within m plates is at most m / L (Ville's inequality, restarted at every plate).

Plates with REJECT, and those that could not be judged, take no part: defective plates have tiny p-values, and how many
come is no property of the light. Good plates below the threshold are as exchangeable as good plates are. A defective
plate that slips through among them moves the evidence by its bets' bound, a factor of at most BOUND, and no further. A
change so large that every plate is rejected leaves none to bet on: `share_lost` is for that, and promises nothing.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REFERENCE = 1000
"""Scores that p-values are counted against, at most."""
BOUND = 3.0
"""No bet pays more on one plate."""
RECENT = 40
"""Plates whose share of REJECT and unjudged is watched."""

_BELOW = np.array([0.05, 0.1, 0.2, 0.4])
_STAKE = np.minimum(0.9, (BOUND - 1) / (1 / _BELOW - 1))
"""Each bet puts this share of what it has on p below its mark, and keeps the rest."""


@dataclass(frozen=True)
class Evidence:
    """Where the watch stands."""

    value: float
    """R: swings around the number of plates' worth of luck; the alarm is at `limit`."""
    limit: float
    plates: int
    """Plates bet upon since the watch began or was begun anew."""
    reference: int
    """Scores that the next p-value is counted against."""
    share_lost: float
    """Of the last RECENT plates, those with REJECT or without a score; 0 until so many have come."""

    @property
    def alarm(self) -> bool:
        """Whether the limit is reached."""
        return self.value >= self.limit


class Watch:
    """The evidence against one model's light staying as it was; to be called by one thread at a time."""

    def __init__(self, reference: Iterable[float], limit: float) -> None:
        """`reference`: scores to begin with, the model's calibration plates; `limit`: plates between false alarms."""
        self._reference = sorted(reference)
        self._limit = limit
        self._evidence = np.zeros(len(_BELOW))
        self._plates = 0
        self._lost: deque[bool] = deque(maxlen=RECENT)

    @property
    def reference(self) -> tuple[float, ...]:
        """The scores, sorted; once there are REFERENCE of them they stay."""
        return tuple(self._reference)

    def see(self, score: float | None, lot: float, *, rejected: bool = False) -> float | None:
        """Count a plate and bet on it: its p-value, or None when it takes no part. `lot` is uniform on [0, 1)."""
        self._lost.append(rejected or score is None)
        if rejected or score is None:
            return None
        p = p_value(score, self._reference, lot)
        if len(self._reference) < REFERENCE:
            insort(self._reference, score)
        self._evidence = (1 + self._evidence) * bets(p)
        self._plates += 1
        return p

    def evidence(self) -> Evidence:
        """Where the watch stands."""
        lost = sum(self._lost) / RECENT if len(self._lost) == RECENT else 0.0
        return Evidence(float(self._evidence.mean()), self._limit, self._plates, len(self._reference), lost)

    def begin_anew(self) -> None:
        """Forget the evidence and keep the reference: the change was looked at."""
        self._evidence = np.zeros(len(_BELOW))
        self._plates = 0
        self._lost.clear()


def p_value(score: float, reference: Sequence[float], lot: float) -> float:
    """The share of the sorted reference that is worse, the plate itself and its ties by lot; on [0, 1)."""
    worse = len(reference) - bisect_right(reference, score)
    ties = bisect_right(reference, score) - bisect_left(reference, score)
    return (worse + lot * (1 + ties)) / (len(reference) + 1)


def bets(p: float) -> NDArray[np.float64]:
    """What each bet makes of 1: mean 1 over uniform p, and at most BOUND."""
    return np.where(p < _BELOW, 1 - _STAKE + _STAKE / _BELOW, 1 - _STAKE)
