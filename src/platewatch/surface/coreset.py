"""Coreset: the memory bank's few representative patches of many, as in PatchCore (arXiv 2106.08265, section 3.2).

PatchCore selects greedily in many rounds; this is one pass. A patch is kept if it lies farther than the covering radius
from every patch kept before it. Otherwise the nearest kept patch is its representative. So rare patches are kept, and
of common ones a few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from platewatch.arrays import Floats, Indices, Mask
from platewatch.surface.nearest_neighbours import comparable, with_one

_COVERED = 0.9  # the covering radius is the 0.9 quantile of the distance to the nearest patch of another photograph
_QUERIES, _CANDIDATES = 2048, 16384  # query patches, and patches searched for their neighbours
_SMALLEST_RADIUS = 0.01  # for Lab and log features; smaller than one step of 8 bits
_ROWS = 256  # patches compared at a time, to bound memory


@dataclass(frozen=True)
class Coreset:
    """A random sample of good patches, and which of them represents which."""

    sample: Floats
    """(D, F) float32 patch features, in random order."""
    numbers: Indices
    """(D,) int: number of the photograph that each patch is from."""
    covering_radius: float
    """Largest distance of a patch from its representative."""
    representatives: Indices
    """(D,) int: index in `sample` of each patch's representative. A kept patch is its own representative."""

    @staticmethod
    def of(sample: Floats, numbers: Indices) -> "Coreset":
        """Select from (D, F) float32 patches in random order; `numbers` (D,) int are their photographs' numbers."""
        sample = np.ascontiguousarray(sample)
        radius, none = _covering_radius(sample, numbers), np.empty(0, np.intp)
        return Coreset(sample, numbers, radius, _representatives(sample, np.arange(len(sample)), none, radius))

    @cached_property
    def kept(self) -> Indices:
        """(M,) int: indices in `sample` of the kept patches, ascending."""
        return np.unique(self.representatives)

    @property
    def patches(self) -> Floats:
        """(M, F) float32: the kept patches."""
        return self.sample[self.kept]

    def without(self, photos: Sequence[int] | Indices) -> Floats:
        """The coreset (M, F) without the patches of these photographs, given by number.

        Patches of other photographs that lose their representative get a new one by the same rule.
        """
        removed = np.isin(self.numbers, photos)
        kept = self.kept[~removed[self.kept]]
        uncovered = np.flatnonzero(removed[self.representatives] & ~removed)
        replacements = _representatives(self.sample, uncovered, kept, self.covering_radius)
        left: Floats = self.sample[np.union1d(kept, replacements)]
        return left


def _covering_radius(patches: Floats, numbers: Indices) -> float:
    """The _COVERED quantile of the distance from a patch to the nearest patch of another photograph."""
    count = min(_QUERIES, len(patches) // 4)
    queries, candidates = patches[:count], patches[count : count + _CANDIDATES]
    centre = candidates.mean(axis=0)
    compared = comparable(candidates - centre).T
    distances = []
    for rows in _blocks(count):
        halves = with_one(queries[rows] - centre) @ compared
        halves[numbers[rows][:, None] == numbers[count : count + _CANDIDATES]] = np.inf
        distances.append(np.linalg.norm(queries[rows] - candidates[halves.argmin(axis=1)], axis=1))
    return max(_SMALLEST_RADIUS, float(np.quantile(np.concatenate(distances), _COVERED)))


def _representatives(patches: Floats, indices: Indices, kept: Indices, radius: float) -> Indices:
    """The representative of each of `indices` (A,) in `patches`: (A,) int. `kept` (K,) were kept before."""
    places = np.concatenate([kept, indices])
    centred = patches[places] - patches[places].mean(axis=0)
    compared, queries = comparable(centred), with_one(centred)
    limits = np.float32(radius**2 / 2) - compared[:, -1]  # a product up to this is within the radius
    known, found = np.arange(len(kept)), np.arange(len(places))  # indices in `places` from here on
    for block in _blocks(len(indices)):
        rows = found[len(kept) :][block]  # a view of `found`
        if len(known):
            halves = queries[rows] @ compared[known].T
            nearest = halves.argmin(axis=1)
            covered = halves[np.arange(len(rows)), nearest] <= limits[rows]
            rows[covered] = known[nearest[covered]]
            new = rows[~covered]
        else:
            new = rows.copy()
        firsts = new[_firsts(queries[new] @ compared[new].T <= limits[new, None])]
        found[new] = firsts
        known = np.concatenate([known, np.unique(firsts)])
    return places[found[len(kept) :]]


def _firsts(near: Mask) -> Indices:
    """For each of n patches the number of the first kept patch within the radius, or its own: (n,) int.

    `near` (n, n) bool says which pairs lie within the radius.
    """
    firsts = np.full(len(near), -1)
    for place, neighbours in enumerate(near):
        if firsts[place] < 0:
            firsts[neighbours & (firsts < 0)] = place
            firsts[place] = place  # rounding may have put it outside its own radius
    return firsts


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, _ROWS):
        yield slice(start, min(start + _ROWS, count))
