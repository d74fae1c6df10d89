"""Few good cells that stand for many: a coreset, as PatchCore has one (Roth et al. 2022, arXiv 2106.08265, 3.2).

One pass in place of greedy rounds: a cell is kept when it lies farther than a tolerance from all that were kept before
it, otherwise one of those stands for it. What is rare is kept all the same; of what is common, a few are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platewatch.arrays import Array
from platewatch.surface.nearest_neighbours import comparable, with_one

_COVERED = 0.9  # the tolerance is what so many cells have to the nearest cell of another photograph,
_ASKED, _AMONG = 2048, 16384  # asked of so many cells, among so many
_FINEST = 0.01  # in Lab and in logarithms alike: finer than what eight bits can show of a cell
_ROWS = 256  # cells compared at a time, to bound memory


@dataclass(frozen=True)
class Coreset:
    """Good cells drawn at random, and which of them stand for which."""

    drawn: Array
    """(D, F) float32, in random order."""
    numbers: Array
    """(D,) int: which of the photographs each cell is from."""
    tolerance: float
    """No cell lies farther than this from the one that stands for it."""
    representatives: Array
    """(D,) int: the place in `drawn` of the one that stands for each; of a cell that is kept, its own."""

    @staticmethod
    def of(drawn: Array, numbers: Array) -> "Coreset":
        """Thin out (D, F) float32 cells in random order; `numbers` (D,) says which photograph each of them is from."""
        drawn = np.ascontiguousarray(drawn)
        tolerance, nobody = _tolerance(drawn, numbers), np.empty(0, np.intp)
        return Coreset(drawn, numbers, tolerance, _representatives(drawn, np.arange(len(drawn)), nobody, tolerance))

    @cached_property
    def kept(self) -> Array:
        """(M,) int: the places in `drawn` of the cells that are kept, in the order drawn."""
        return np.unique(self.representatives)

    @property
    def patches(self) -> Array:
        """(M, F) float32: the cells that are kept."""
        return self.drawn[self.kept]

    def without(self, photos: Sequence[int] | Array) -> Array:
        """The cells (M, F) that are kept when none of these photographs is there, given by number.

        What their cells stood for is thinned out once more, beside the rest: a kind of cell that others show too does
        not go with them.
        """
        gone = np.isin(self.numbers, photos)
        kept = self.kept[~gone[self.kept]]
        uncovered = np.flatnonzero(gone[self.representatives] & ~gone)
        replacements = _representatives(self.drawn, uncovered, kept, self.tolerance)
        left: Array = self.drawn[np.union1d(kept, replacements)]
        return left


def _tolerance(patches: Array, numbers: Array) -> float:
    """Two cells are alike when they lie no farther apart than most cells from the nearest of another photograph."""
    count = min(_ASKED, len(patches) // 4)
    asked, among = patches[:count], patches[count : count + _AMONG]
    centre = among.mean(axis=0)
    compared = comparable(among - centre).T
    distances = []
    for rows in _blocks(count):
        halves = with_one(asked[rows] - centre) @ compared
        halves[numbers[rows][:, None] == numbers[count : count + _AMONG]] = np.inf
        distances.append(np.linalg.norm(asked[rows] - among[halves.argmin(axis=1)], axis=1))
    return max(_FINEST, float(np.quantile(np.concatenate(distances), _COVERED)))


def _representatives(patches: Array, asked: Array, kept: Array, tolerance: float) -> Array:
    """Which of `cells` stands for each of those that are asked for, (A,) their places, beside those kept already."""
    places = np.concatenate([kept, asked])
    centred = patches[places] - patches[places].mean(axis=0)
    compared, whole = comparable(centred), with_one(centred)
    limits = np.float32(tolerance**2 / 2) - compared[:, -1]  # of half the squared distance, less what is the same
    known, found = np.arange(len(kept)), np.arange(len(places))  # among these places from here on
    for block in _blocks(len(asked)):
        rows = found[len(kept) :][block]  # a view: what is written into it is found
        if len(known):
            halves = whole[rows] @ compared[known].T
            nearest = halves.argmin(axis=1)
            alike = halves[np.arange(len(rows)), nearest] <= limits[rows]
            rows[alike] = known[nearest[alike]]
            new = rows[~alike]
        else:
            new = rows.copy()
        firsts = new[_firsts(whole[new] @ compared[new].T <= limits[new, None])]
        found[new] = firsts
        known = np.concatenate([known, np.unique(firsts)])
    return places[found[len(kept) :]]


def _firsts(alike: Array) -> Array:
    """For each of n cells, (n, n) bool saying which are alike, the first kept one that it is like, itself if none."""
    firsts = np.full(len(alike), -1)
    for place, like in enumerate(alike):
        if firsts[place] < 0:
            firsts[like & (firsts < 0)] = place
            firsts[place] = place  # whatever rounding says of its distance to itself
    return firsts


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _ROWS):
        yield slice(start, min(start + _ROWS, count))
