"""The nearest of very many good cells: only those are compared that follow a leader near the cell asked for.

Exact search compares every cell of a plate with every good cell, 50 million distances a plate. Good cells are dealt to
leaders in their middle; a cell is compared with the followers of its nearest leader and of all that are hardly farther,
one good cell in thirty. A hundredth at most is added to the distances that count (docs/log.md, 2026-11-29). More
leaders spare comparisons, but threads then wait for each other at Python's lock more often.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from platewatch.arrays import Array

_CENTROIDS = 32  # at most 256: their numbers are uint8
_ROUNDS = 4  # of moving the leaders into the middle of their followers,
_SAMPLE = 8192  # with so many of the cells
_PROBE_RATIO = 1.25  # times the nearest leader's distance
_ROWS = 256  # cells compared at a time: their products stay in the cache


@dataclass(frozen=True)
class NearestNeighbours:
    """(M, F) float32 feature vectors, dealt to leaders, ready to be searched."""

    centre: Array
    """(F,): subtracted from all, so that float32 loses less in the squares."""
    centroids: Array
    """(L, F + 1): negative, then half of the squared length, so that one product gives what to compare."""
    slack: float
    """No leader is followed that is more than this farther than the nearest, however far that one is."""
    starts: Array
    """(L,): each leader's first follower in `cells`."""
    patches: Array
    """(M, F + 1): leader by leader, then 1."""
    inverted_lists: tuple[Array, ...]
    """For each leader (F + 1, its cells), as `leaders` are, turned."""

    @staticmethod
    def of(patches: Array) -> "NearestNeighbours":
        """Deal (M, F) float32 cells in random order, the first of them as leaders to begin with."""
        centre = patches.mean(axis=0)
        patches = patches - centre
        centroids, sample = patches[:_CENTROIDS], patches[:_SAMPLE]
        for _ in range(_ROUNDS):
            order, starts, counts = _assign(sample, centroids)
            centroids = np.add.reduceat(sample[order], starts, axis=0) / counts[:, None].astype(np.float32)
        order, starts, counts = _assign(patches, centroids)
        patches = patches[order]
        inverted_lists = tuple(np.ascontiguousarray(each.T) for each in np.split(comparable(patches), starts[1:]))
        centroids = centroids[_nearest(patches[starts], centroids)]  # those that are followed
        away = patches - np.repeat(centroids, counts, axis=0)
        slack = (_PROBE_RATIO - 1) * float(np.sqrt(np.einsum("mf,mf->m", away, away).max()))
        return NearestNeighbours(centre, comparable(centroids), slack, starts, with_one(patches), inverted_lists)

    def distances(self, features: Array) -> Array:
        """Euclidean distance of each of (N, F) float32 vectors to the nearest cell that was looked at: (N,) float32."""
        asked = with_one(features - self.centre)
        centroid, who = self._pairs(asked)
        counts = np.bincount(centroid, minlength=len(self.centroids))
        pairs = asked[who]
        nearest = np.repeat(self.starts, counts)
        for rows, inverted_lists in self._rows(counts):
            nearest[rows] += (pairs[rows] @ inverted_lists).argmin(axis=1)
        pairs -= self.patches[nearest]
        squares = np.full(len(features), np.inf, np.float32)
        np.minimum.at(squares, who, np.einsum("nf,nf->n", pairs, pairs))
        distances: Array = np.sqrt(squares)
        return distances

    def _pairs(self, asked: Array) -> tuple[Array, Array]:
        """Which leader's followers are to be compared with which of the (N, F + 1) vectors, leader by leader."""
        halves = self.centroids @ asked.T  # (L, N): half the squared distance, less what is the same for all leaders:
        same = (np.einsum("nf,nf->n", asked, asked) - 1) / 2
        nearest = np.sqrt(2 * np.maximum(halves.min(axis=0) + same, 0))
        farthest = np.minimum(_PROBE_RATIO * nearest, nearest + self.slack)
        limit = np.maximum(farthest * farthest / 2 - same, halves.min(axis=0))  # rounding must not exclude the nearest
        centroid, who = np.divmod(np.flatnonzero(halves <= limit), len(asked))
        return centroid, who

    def _rows(self, counts: Array) -> Iterator[tuple[slice, Array]]:
        """The pairs of each leader, a few at a time, and its followers."""
        end = 0
        for count, inverted_lists in zip(counts.tolist(), self.inverted_lists, strict=True):
            first, end = end, end + count
            for start in range(first, end, _ROWS):
                yield slice(start, min(start + _ROWS, end)), inverted_lists


def _assign(patches: Array, centroids: Array) -> tuple[Array, Array, Array]:
    """The order in which (M, F) cells follow the leaders, where each leader's begin in it, and how many they are."""
    to = _nearest(patches, centroids)
    order = np.argsort(to, kind="stable")
    _, starts, counts = np.unique(to[order], return_index=True, return_counts=True)
    return order, starts, counts


def _nearest(patches: Array, centroids: Array) -> Array:
    """For each of (M, F) cells the number of its nearest leader, (M,) uint8: quickly sorted."""
    numbers: Array = (with_one(patches) @ comparable(centroids).T).argmin(axis=1).astype(np.uint8)
    return numbers


def with_one(vectors: Array) -> Array:
    """(N, F) → (N, F + 1)."""
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def comparable(vectors: Array) -> Array:
    """(M, F) → (M, F + 1): their product with `with_one` is half the squared distance, less half a squared length."""
    halves = np.einsum("mf,mf->m", vectors, vectors) / 2
    return np.concatenate([-vectors, halves[:, None]], axis=1)
