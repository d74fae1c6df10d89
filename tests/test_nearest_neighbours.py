"""The IVF search finds the nearest patch, or one almost as near, though it compares few."""

import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.surface.nearest_neighbours import NearestNeighbours, with_one


def brute_force(features: Array, patches: Array) -> Array:
    nearest: Array = np.sqrt([np.square(patches.astype(np.float64) - each).sum(axis=1).min() for each in features])
    return nearest


def sample(count: int, seed: int, places: int = 6) -> Array:
    """Patches as plates have them: in clusters, far from the origin."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(99).normal(50, 10, (12, places))
    return (kinds[rng.integers(0, 12, count)] + rng.normal(0, 1, (count, places))).astype(np.float32)


def test_with_one_patch_per_centroid_the_nearest_is_found() -> None:
    patches, features = sample(40, 0), sample(25, 1)
    assert NearestNeighbours.of(patches).distances(features) == pytest.approx(brute_force(features, patches), rel=1e-3)


def test_of_many_patches_the_nearest_is_nearly_always_found_though_few_are_compared() -> None:
    patches, features = sample(6000, 0), sample(500, 1)
    searched = NearestNeighbours.of(patches)
    found, nearest = searched.distances(features), brute_force(features, patches)
    assert (found > nearest * (1 - 1e-3)).all()
    assert (found < nearest * 1.001).mean() > 0.9
    assert found.mean() < 1.015 * nearest.mean()
    centroid, _ = searched._pairs(with_one(features - searched.centre))
    compared = sum(searched.inverted_lists[each].shape[1] for each in centroid)
    assert compared < 0.1 * len(patches) * len(features)


def test_every_patch_of_the_bank_is_found_in_the_list_of_its_own_centroid() -> None:
    patches = sample(3000, 2)
    assert NearestNeighbours.of(patches).distances(patches) == pytest.approx(np.zeros(len(patches)), abs=0.02)


def test_a_query_s_distance_does_not_depend_on_the_other_queries() -> None:
    """Invariant 4, for patches."""
    searched, features = NearestNeighbours.of(sample(3000, 2)), sample(200, 3)
    alone = np.concatenate([searched.distances(each[None]) for each in features])
    assert searched.distances(features) == pytest.approx(alone, rel=1e-3)  # of two as near, rounding may take either


def test_a_bank_of_equal_patches_can_be_searched() -> None:
    """A wall without grain, or the colours of a grey photograph."""
    same = np.full((500, 6), 7, np.float32)
    assert NearestNeighbours.of(same).distances(same[:3]) == pytest.approx(np.zeros(3))
    assert NearestNeighbours.of(same).distances(same[:3] + 1) == pytest.approx(np.full(3, np.sqrt(6)))
