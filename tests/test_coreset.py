"""The coreset covers its sample, and leaving out a photograph removes no kind of patch that others show too."""

import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.surface import coreset
from platewatch.surface.coreset import Coreset

PHOTOS = 8


def patches(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Patches (count, 6) of five kinds, the last kind rare, and the numbers of the photographs that they are from."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(5, count, p=(0.4, 0.3, 0.2, 0.095, 0.005))
    middles = np.random.default_rng(99).normal(50, 10, (5, 6))
    sample = middles[kinds] + rng.normal(0, 1, (count, 6))
    return sample.astype(np.float32), rng.integers(0, PHOTOS, count)


def distances(queries: Array, candidates: Array) -> Array:
    found: Array = np.linalg.norm(queries[:, None].astype(np.float64) - candidates[None], axis=2)
    return found


@pytest.fixture(scope="module")
def selected() -> Coreset:
    return Coreset.of(*patches(3000))


def test_every_patch_lies_within_the_covering_radius_and_kept_ones_lie_farther_apart(selected: Coreset) -> None:
    kept = selected.patches
    assert len(kept) < 0.6 * len(selected.sample)
    assert distances(selected.sample, kept).min(axis=1).max() <= 1.001 * selected.covering_radius
    own = np.linalg.norm(selected.sample - selected.sample[selected.representatives], axis=1)
    assert own.max() <= 1.001 * selected.covering_radius
    apart = distances(kept, kept) + np.where(np.eye(len(kept)), np.inf, 0)
    assert apart.min() > 0.999 * selected.covering_radius


def test_a_rare_patch_is_kept(selected: Coreset) -> None:
    sample, numbers = patches(3000)
    rare = np.full((1, 6), -40, np.float32)
    with_rare = Coreset.of(np.concatenate([sample, rare]), np.append(numbers, 0))
    assert (with_rare.patches == rare).all(axis=1).any()


def test_the_covering_radius_is_a_quantile_of_distances_to_patches_of_other_photographs(selected: Coreset) -> None:
    count = min(coreset._QUERIES, len(selected.sample) // 4)
    queries, candidates = selected.sample[:count], selected.sample[count : count + coreset._CANDIDATES]
    apart = distances(queries, candidates)
    same = selected.numbers[:count, None] == selected.numbers[count : count + coreset._CANDIDATES]
    apart[same] = np.inf
    assert selected.covering_radius == pytest.approx(np.quantile(apart.min(axis=1), 0.9), rel=1e-3)


def test_at_twice_the_scale_the_same_patches_are_kept(selected: Coreset) -> None:
    """A covering radius that did not scale with the data would keep other patches on grey or dark plates."""
    twice = Coreset.of(2 * selected.sample, selected.numbers)
    assert twice.covering_radius == pytest.approx(2 * selected.covering_radius)
    assert np.array_equal(twice.kept, selected.kept)


@pytest.mark.parametrize("photos", [[3], [0, 1, 5]])
def test_patches_of_left_out_photographs_are_removed_and_those_of_others_stay_covered(
    selected: Coreset, photos: list[int]
) -> None:
    left = selected.without(photos)
    others = ~np.isin(selected.numbers, photos)
    theirs = {patch.tobytes() for patch in selected.sample[others]}
    assert all(patch.tobytes() in theirs for patch in left)
    assert distances(selected.sample[others], left).min(axis=1).max() <= 1.001 * selected.covering_radius
    apart = distances(left, left) + np.where(np.eye(len(left)), np.inf, 0)
    assert apart.min() > 0.999 * selected.covering_radius


def test_leaving_out_no_photograph_changes_nothing(selected: Coreset) -> None:
    assert np.array_equal(selected.without([]), selected.patches)


def test_of_equal_patches_one_is_kept() -> None:
    same = np.full((600, 6), 7.3, np.float32)
    selected = Coreset.of(same, np.arange(600) % PHOTOS)
    assert selected.patches.tolist() == same[:1].tolist()
    assert selected.without([0]).tolist() == same[:1].tolist()


def test_the_first_kept_patch_within_the_radius_is_the_representative() -> None:
    near = np.eye(4, dtype=bool)
    near[0, 2] = near[2, 0] = near[2, 3] = near[3, 2] = True
    assert coreset._firsts(near).tolist() == [0, 1, 0, 3]
