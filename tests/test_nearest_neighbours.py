"""The nearest good cell is found, or one as near, though few are looked at."""

import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.surface.nearest_neighbours import NearestNeighbours, with_one


def brute_force(features: Array, patches: Array) -> Array:
    nearest: Array = np.sqrt([np.square(patches.astype(np.float64) - each).sum(axis=1).min() for each in features])
    return nearest


def drawn(count: int, seed: int, places: int = 6) -> Array:
    """Cells as plates have them: many alike, few between, far from the origin."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(99).normal(50, 10, (12, places))
    return (kinds[rng.integers(0, 12, count)] + rng.normal(0, 1, (count, places))).astype(np.float32)


def test_where_every_cell_leads_itself_the_nearest_is_found() -> None:
    patches, features = drawn(40, 0), drawn(25, 1)
    assert NearestNeighbours.of(patches).distances(features) == pytest.approx(brute_force(features, patches), rel=1e-3)


def test_of_many_cells_the_nearest_is_found_nearly_always_though_few_are_looked_at() -> None:
    patches, features = drawn(6000, 0), drawn(500, 1)
    searched = NearestNeighbours.of(patches)
    found, nearest = searched.distances(features), brute_force(features, patches)
    assert (found > nearest * (1 - 1e-3)).all()
    assert (found < nearest * 1.001).mean() > 0.9
    assert found.mean() < 1.015 * nearest.mean()
    centroid, _ = searched._pairs(with_one(features - searched.centre))
    looked_at = sum(searched.inverted_lists[each].shape[1] for each in centroid)
    assert looked_at < 0.1 * len(patches) * len(features)


def test_every_cell_is_in_the_group_of_its_own_leader() -> None:
    patches = drawn(3000, 2)
    assert NearestNeighbours.of(patches).distances(patches) == pytest.approx(np.zeros(len(patches)), abs=0.02)


def test_a_cell_s_distance_does_not_depend_on_the_others_asked_for() -> None:
    """Invariant 4, one level down."""
    searched, features = NearestNeighbours.of(drawn(3000, 2)), drawn(200, 3)
    alone = np.concatenate([searched.distances(each[None]) for each in features])
    assert searched.distances(features) == pytest.approx(alone, rel=1e-3)  # of two as near, rounding may take either


def test_cells_that_are_all_alike_are_searched_too() -> None:
    """A wall without grain, or the colours of a grey photograph."""
    same = np.full((500, 6), 7, np.float32)
    assert NearestNeighbours.of(same).distances(same[:3]) == pytest.approx(np.zeros(3))
    assert NearestNeighbours.of(same).distances(same[:3] + 1) == pytest.approx(np.full(3, np.sqrt(6)))
