"""Few cells stand for many, and a photograph that is left out takes no kind of cell with it that others show too."""

import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.surface import coreset
from platewatch.surface.coreset import Coreset

PHOTOS = 8


def patches(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Cells (count, 6) of a few kinds, the last kind rare, and the numbers of the photographs that they are from."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(5, count, p=(0.4, 0.3, 0.2, 0.095, 0.005))
    middles = np.random.default_rng(99).normal(50, 10, (5, 6))
    drawn = middles[kinds] + rng.normal(0, 1, (count, 6))
    return drawn.astype(np.float32), rng.integers(0, PHOTOS, count)


def distances(asked: Array, among: Array) -> Array:
    found: Array = np.linalg.norm(asked[:, None].astype(np.float64) - among[None], axis=2)
    return found


@pytest.fixture(scope="module")
def thinned() -> Coreset:
    return Coreset.of(*patches(3000))


def test_every_cell_is_stood_for_within_the_tolerance_and_the_kept_ones_are_farther_apart(thinned: Coreset) -> None:
    kept = thinned.patches
    assert len(kept) < 0.6 * len(thinned.drawn)
    assert distances(thinned.drawn, kept).min(axis=1).max() <= 1.001 * thinned.tolerance
    own = np.linalg.norm(thinned.drawn - thinned.drawn[thinned.representatives], axis=1)
    assert own.max() <= 1.001 * thinned.tolerance
    apart = distances(kept, kept) + np.where(np.eye(len(kept)), np.inf, 0)
    assert apart.min() > 0.999 * thinned.tolerance


def test_a_kind_that_is_rare_stays(thinned: Coreset) -> None:
    drawn, numbers = patches(3000)
    rare = np.full((1, 6), -40, np.float32)
    with_rare = Coreset.of(np.concatenate([drawn, rare]), np.append(numbers, 0))
    assert (with_rare.patches == rare).all(axis=1).any()


def test_the_tolerance_is_what_most_cells_have_to_the_nearest_of_another_photograph(thinned: Coreset) -> None:
    count = min(coreset._ASKED, len(thinned.drawn) // 4)
    asked, among = thinned.drawn[:count], thinned.drawn[count : count + coreset._AMONG]
    apart = distances(asked, among)
    same = thinned.numbers[:count, None] == thinned.numbers[count : count + coreset._AMONG]
    apart[same] = np.inf
    assert thinned.tolerance == pytest.approx(np.quantile(apart.min(axis=1), 0.9), rel=1e-3)


def test_in_twice_the_unit_the_same_cells_are_kept(thinned: Coreset) -> None:
    """A tolerance that were no share of the data's own distances would keep others on grey or dark plates."""
    upsampling = Coreset.of(2 * thinned.drawn, thinned.numbers)
    assert upsampling.tolerance == pytest.approx(2 * thinned.tolerance)
    assert np.array_equal(upsampling.kept, thinned.kept)


@pytest.mark.parametrize("photos", [[3], [0, 1, 5]])
def test_what_is_left_out_is_gone_and_what_the_others_show_is_not(thinned: Coreset, photos: list[int]) -> None:
    left = thinned.without(photos)
    others = ~np.isin(thinned.numbers, photos)
    theirs = {patch.tobytes() for patch in thinned.drawn[others]}
    assert all(patch.tobytes() in theirs for patch in left)
    assert distances(thinned.drawn[others], left).min(axis=1).max() <= 1.001 * thinned.tolerance
    apart = distances(left, left) + np.where(np.eye(len(left)), np.inf, 0)
    assert apart.min() > 0.999 * thinned.tolerance


def test_without_nobody_everything_stays(thinned: Coreset) -> None:
    assert np.array_equal(thinned.without([]), thinned.patches)


def test_of_cells_that_are_all_alike_one_is_kept() -> None:
    same = np.full((600, 6), 7.3, np.float32)
    thinned = Coreset.of(same, np.arange(600) % PHOTOS)
    assert thinned.patches.tolist() == same[:1].tolist()
    assert thinned.without([0]).tolist() == same[:1].tolist()


def test_the_first_that_is_kept_stands_for_what_it_is_like() -> None:
    alike = np.eye(4, dtype=bool)
    alike[0, 2] = alike[2, 0] = alike[2, 3] = alike[3, 2] = True
    assert coreset._firsts(alike).tolist() == [0, 1, 0, 3]
