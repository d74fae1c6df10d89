"""Nearest neighbours of patches in the memory bank, by an inverted-file (IVF) search.

IVF search: patches are assigned to 32 k-means centroids; a query scans the list of its nearest centroid and those
within 1.25 times that distance. A query is thus compared with one in 17 to 31 of the bank's patches. On average,
distances come out at most 1.3 % too large. A single one is up to 2.7 times as large as the exact one: its nearest
neighbour lies in a list that is not scanned. Scores of photographs change by at most 1.5 %. FAISS, hnswlib, USearch and
KD-trees take at least three times as long for scores as close to exact ones (docs/log.md, 2026-11-30). More centroids
save comparisons, but threads then wait more often for Python's global lock.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from platewatch.arrays import Array, Bytes, Floats, Indices

_CENTROIDS = 32  # at most 256: their numbers are uint8
_ROUNDS = 4  # of Lloyd's k-means
_SAMPLE = 8192  # patches that k-means uses
PROBE_RATIO = 1.25
"""Lists of centroids within this ratio of the nearest centroid's distance are scanned."""
_ROWS = 256  # queries compared at a time: their products stay in the cache


@dataclass(frozen=True)
class NearestNeighbours:
    """(M, F) float32 patch features, assigned to L centroids, ready to be searched; may be shared by threads."""

    centre: Floats
    """(F,): mean of all patches, subtracted from everything so that squares lose less precision in float32."""
    centroids: Floats
    """(L, F + 1): the centroids in the form of `comparable`."""
    slack: float
    """A list is scanned only if its centroid is at most this much farther than the nearest centroid."""
    starts: Indices
    """(L,): index in `patches` of the first patch of each centroid."""
    patches: Floats
    """(M, F + 1): the patches, sorted by centroid, in the form of `with_one`."""
    inverted_lists: tuple[Floats, ...]
    """For each centroid its patches in the form of `comparable`, transposed: (F + 1, patches of this centroid)."""

    @staticmethod
    def of(patches: Floats) -> "NearestNeighbours":
        """Build the index from (M, F) float32 patches in random order; k-means starts at the first ones."""
        centre = patches.mean(axis=0)
        patches = patches - centre
        centroids, sample = patches[:_CENTROIDS], patches[:_SAMPLE]
        for _ in range(_ROUNDS):
            order, starts, counts = _assign(sample, centroids)
            means: Array = np.add.reduceat(sample[order], starts, axis=0) / counts[:, None].astype(np.float32)
            centroids = means
        order, starts, counts = _assign(patches, centroids)
        patches = patches[order]
        inverted_lists = tuple(np.ascontiguousarray(each.T) for each in np.split(comparable(patches), starts[1:]))
        centroids = centroids[_nearest(patches[starts], centroids)]  # those that have patches
        away = patches - np.repeat(centroids, counts, axis=0)
        slack = (PROBE_RATIO - 1) * float(np.sqrt(np.einsum("mf,mf->m", away, away).max()))
        return NearestNeighbours(centre, comparable(centroids), slack, starts, with_one(patches), inverted_lists)

    def distances(self, features: Floats) -> Floats:
        """Euclidean distance of (N, F) float32 queries to their nearest patch in the scanned lists: (N,) float32."""
        queries = np.ones((len(features), features.shape[1] + 1), np.float32)
        np.subtract(features, self.centre, out=queries[:, :-1])
        centroid, query = self._pairs(queries)
        counts = np.bincount(centroid, minlength=len(self.centroids))
        pairs = queries[query]
        nearest = np.repeat(self.starts, counts)
        for rows, inverted_list in self._rows(counts):
            nearest[rows] += (pairs[rows] @ inverted_list).argmin(axis=1)
        pairs -= self.patches[nearest]
        squares = np.full(len(features), np.inf, np.float32)
        np.minimum.at(squares, query, np.einsum("nf,nf->n", pairs, pairs))
        distances: Floats = np.sqrt(squares)
        return distances

    def _pairs(self, queries: Floats) -> tuple[Indices, Indices]:
        """The numbers (P,) of centroid and query of each list to be scanned, sorted by centroid; queries (N, F + 1)."""
        halves = self.centroids @ queries.T  # (L, N): half the squared distance, less half the query's squared length
        same = (np.einsum("nf,nf->n", queries, queries) - 1) / 2
        nearest = np.sqrt(2 * np.maximum(halves.min(axis=0) + same, 0))
        farthest = np.minimum(PROBE_RATIO * nearest, nearest + self.slack)
        limit = np.maximum(farthest * farthest / 2 - same, halves.min(axis=0))  # rounding must not exclude the nearest
        centroid, query = np.divmod(np.flatnonzero(halves <= limit), len(queries))
        return centroid, query

    def _rows(self, counts: Indices) -> Iterator[tuple[slice, Floats]]:
        """For each centroid its pairs, _ROWS at a time, and its inverted list."""
        end = 0
        for count, inverted_list in zip(counts.tolist(), self.inverted_lists, strict=True):
            first, end = end, end + count
            for start in range(first, end, _ROWS):
                yield slice(start, min(start + _ROWS, end)), inverted_list


def _assign(patches: Floats, centroids: Floats) -> tuple[Indices, Indices, Indices]:
    """The order (M,) that sorts (M, F) patches by centroid, and each centroid's first place and count in it."""
    to = _nearest(patches, centroids)
    order = np.argsort(to, kind="stable")
    _, starts, counts = np.unique(to[order], return_index=True, return_counts=True)
    return order, starts, counts


def _nearest(patches: Floats, centroids: Floats) -> Bytes:
    """The number of the nearest centroid of each of (M, F) patches: (M,) uint8, which sorts fast."""
    numbers: Bytes = (with_one(patches) @ comparable(centroids).T).argmin(axis=1).astype(np.uint8)
    return numbers


def with_one(vectors: Floats) -> Floats:
    """(N, F) vectors with a column of ones appended: (N, F + 1)."""
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def comparable(vectors: Floats) -> Floats:
    """(M, F) vectors v → (M, F + 1): −v and |v|² / 2. Its product with `with_one` of q is (|q − v|² − |q|²) / 2."""
    halves = np.einsum("mf,mf->m", vectors, vectors) / 2
    return np.concatenate([-vectors, halves[:, None]], axis=1)
