"""The shape check learns from good photographs alone where parts have a pose, and finds what their shape lacks."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import pytest

import drawn_parts
from drawn_parts import BRACKET, HOLE, PLATE
from platewatch.arrays import Array
from platewatch.photographs import part_shape, pose, shape_limits
from platewatch.photographs.part_shape import ShapeCheck

GOOD, FRESH = range(24), range(100, 124)


@cache
def plates() -> ShapeCheck:
    found = shape_limits.learn([drawn_parts.photo(seed, mirrored=seed % 3 == 0) for seed in GOOD], GOOD)
    assert found is not None
    return found


@cache
def brackets() -> ShapeCheck:
    found = shape_limits.learn([bracket(seed) for seed in GOOD], GOOD)
    assert found is not None
    return found


def bracket(seed: int, *holes: tuple[float, float, float]) -> Array:
    return drawn_parts.photo(seed, BRACKET, [(15, 12, 6), *holes], wire=False)


def checks(photos: Sequence[Array], by: ShapeCheck) -> list[set[str]]:
    return [{finding.check for finding in part_shape.examine(photo, by).findings} for photo in photos]


def test_good_parts_of_either_kind_have_a_pose_and_no_finding() -> None:
    assert plates().good.template.four_sided
    assert not brackets().good.template.four_sided
    found = checks([drawn_parts.photo(seed, mirrored=seed % 2 == 0) for seed in FRESH], plates())
    assert sum(map(bool, found)) <= 1
    assert sum(map(bool, checks([bracket(seed) for seed in FRESH], brackets()))) <= 1


CUT = np.array([(0, 0), (75, 0), (80, 5), *PLATE[2:]])
CASES = {
    "hole": [drawn_parts.photo(seed, holes=[HOLE, (15 + seed % 5, 12, 2.5)]) for seed in FRESH],
    "covered": [drawn_parts.photo(seed, holes=()) for seed in FRESH],
    "corner": [drawn_parts.photo(seed, CUT) for seed in FRESH],
}


@pytest.mark.parametrize("check", CASES)
def test_what_a_plate_lacks_is_found(check: str) -> None:
    assert sum(check in found for found in checks(CASES[check], plates())) >= 23


def test_a_hole_is_found_on_a_part_that_has_no_four_sides_and_boxed_where_it_is() -> None:
    photo = bracket(3, (60, 12, 2.5))
    clean = bracket(3)
    finding = next(each for each in part_shape.examine(photo, brackets()).findings if each.check == "hole")
    assert finding.box is not None
    left, top, right, bottom = finding.box
    y, x = np.nonzero(np.abs(photo.astype(int) - clean).max(axis=2) > 40)
    assert left - 3 <= x.min() <= x.max() <= right + 3
    assert top - 3 <= y.min() <= y.max() <= bottom + 3
    assert (right - left, bottom - top) < (16, 16)


def test_where_no_pose_is_sure_the_photograph_says_so() -> None:
    wall = np.full((160, 160, 3), 170, np.uint8)
    examined = part_shape.examine(wall, plates())
    assert examined.placed is None
    assert [each.check for each in examined.findings] == ["present"]
    disc = np.full((160, 160, 3), 170, np.uint8)
    cv2.circle(disc, (80, 80), 50, (30, 60, 150), -1)
    assert checks([disc], plates()) == [{"present"}]
    cut_off = drawn_parts.photo(5)[:, 60:]
    assert checks([cut_off], plates()) == [{"present"}]


def test_parts_that_fill_the_picture_have_no_shape_check() -> None:
    rng = np.random.default_rng(0)
    filled = [rng.integers(90, 160, (125, 50, 1), dtype=np.uint8).repeat(3, axis=2) for _ in GOOD]
    assert shape_limits.learn(filled, GOOD) is None


def test_no_shape_check_without_enough_parts_and_groups_or_a_common_shape() -> None:
    good = [drawn_parts.photo(seed) for seed in range(25)]
    assert shape_limits.learn(good[:19], range(19)) is None
    assert shape_limits.learn(good, [0, 1] * 12 + [0]) is None
    mixed = [drawn_parts.photo(seed) if seed % 2 else bracket(seed) for seed in range(25)]
    assert shape_limits.learn(mixed, range(25)) is None


def test_one_bad_photograph_among_the_good_ones_takes_no_limit_away() -> None:
    good = [drawn_parts.photo(seed) for seed in range(21)]
    for bad in (drawn_parts.photo(90, CUT), np.full((160, 160, 3), 170, np.uint8)):
        found = shape_limits.learn([*good, bad], range(22))
        assert found is not None
        assert sum("corner" in each for each in checks(CASES["corner"][:10], found)) >= 9


def test_in_a_jig_a_part_that_is_turned_or_upside_down_is_found() -> None:
    angles = np.random.default_rng(1).uniform(-4, 4, 24)
    found = shape_limits.learn([drawn_parts.photo(seed, angle=angles[seed], wire=False) for seed in GOOD], GOOD)
    assert found is not None
    assert not found.limits.mirrored
    usual, turned = drawn_parts.photo(50, angle=2, wire=False), drawn_parts.photo(50, angle=20, wire=False)
    over = drawn_parts.photo(50, angle=2, mirrored=True, wire=False)
    assert checks([usual, turned], found) == [set(), {"turned"}]
    assert "mirrored" in checks([over], found)[0]
    reason = next(each.reason for each in part_shape.examine(turned, found).findings)
    assert reason.startswith("turned by +")


def test_limits_of_a_new_model_are_no_looser_than_those_of_the_one_before() -> None:
    own = plates().limits
    held = shape_limits.stricter(own, own)
    assert held == own
    tight = part_shape.ShapeLimits(40, 0.0, (0.0, 0.0, 0.0, 0.0), (0.1,), 0.01, None, mirrored=False)
    both = shape_limits.stricter(own, tight)
    assert (both.level, both.less, both.corners, both.covered, both.unlike) == (40, 0.0, (0.0,) * 4, (0.1,), 0.01)
    assert not both.mirrored


def test_the_limits_come_from_parts_of_other_groups() -> None:
    """A hole that one good part alone has is in no limit of its own group: it would not be found otherwise."""
    odd = drawn_parts.photo(7, holes=[HOLE, (15, 12, 2.5)])
    found = shape_limits.learn([odd, odd, *(drawn_parts.photo(seed) for seed in range(20))], [0, 0, *range(1, 21)])
    assert found is not None
    assert found.limits.level < plates().limits.level


def test_the_outline_is_found_under_uneven_light_and_without_the_wire() -> None:
    found = pose.find(drawn_parts.photo(4, angle=10))
    assert found is not None
    assert found.corners is not None
    sides = np.hypot(*(np.roll(found.corners, -1, axis=0) - found.corners).T)
    assert sorted(sides[:2] / sides[2:])[0] > 0.97
    assert 0.7 < min(sides) / max(sides) < 0.8
