"""The completeness check refuses photographs of part of a part, in whatever way it is missing, and no whole one."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

import cut_off
from conftest import Tiny
from platewatch.arrays import Array
from platewatch.inspection import Verdict
from platewatch.model.inspector import Inspector
from platewatch.photographs import completeness, data_sets, reading
from platewatch.photographs.completeness import CompletenessLimits

SIDE = 128


def plate(seed: int, *, larger: float = 1.0) -> Array:
    """A blue plate at any angle on a grey wall, with a hole, hung on a wire."""
    rng = np.random.default_rng(seed)
    photo = np.full((SIDE, SIDE, 3), 170, np.uint8)
    centre = SIDE / 2 + rng.normal(0, 2, 2)
    box = SIDE * larger * rng.uniform(0.95, 1.05) * np.array([0.56, 0.44])
    corners = cv2.boxPoints((tuple(centre), tuple(box), rng.uniform(0, 180)))
    cv2.line(photo, (64, 0), (64, 64), (120, 120, 120), 1)
    cv2.fillConvexPoly(photo, np.rint(corners).astype(np.int32), (30, 60, 150))
    cv2.circle(photo, tuple(np.rint(centre).astype(int).tolist()), 8, (170, 170, 170), -1)
    return (photo + rng.integers(0, 6, photo.shape)).astype(np.uint8)


def texture(seed: int, width: int = 50, height: int = 125) -> Array:
    """A part that fills the picture, of even grain."""
    return np.random.default_rng(seed).integers(90, 160, (height, width, 1), dtype=np.uint8).repeat(3, axis=2)


def measured(photo: Array) -> completeness.Measures:
    return completeness.measure(photo, (photo.shape[1], photo.shape[0]))


def learned(photos: Sequence[Array]) -> CompletenessLimits:
    return completeness.limits([measured(photo) for photo in photos])


def refusals(photos: Sequence[Array], limits: CompletenessLimits) -> list[str]:
    found = (completeness.reason_incomplete(measured(photo), limits) for photo in photos)
    return [reason for reason in found if reason is not None]


WHOLE = [plate(seed) for seed in range(40)]
LIMITS = learned(WHOLE)
FRESH = [plate(seed) for seed in range(100, 160)]
CHANGES = [(cut_off.cropped, 0.33), (cut_off.cropped, 0.1), (cut_off.covered, 0.4), (cut_off.covered, 0.5)]
CHANGES += [(cut_off.shifted, 0.35), (cut_off.shifted, 0.5)]


def test_whole_parts_are_judged() -> None:
    assert len(refusals(FRESH, LIMITS)) <= 1


@pytest.mark.parametrize("side", cut_off.SIDES)
@pytest.mark.parametrize(("change", "fraction"), CHANGES)
def test_part_of_a_part_is_not_judged(
    change: Callable[[Array, cut_off.Side, float], Array], fraction: float, side: cut_off.Side
) -> None:
    reasons = refusals([change(photo, side, fraction) for photo in FRESH], LIMITS)
    assert len(reasons) >= 57
    assert all("cut off" in reason or "smaller than any good one" in reason for reason in reasons)
    assert all("\n" not in reason for reason in reasons)


def test_a_part_with_something_of_the_walls_colour_in_its_middle_is_not_judged() -> None:
    covered = [photo.copy() for photo in FRESH]
    for photo in covered:
        photo[49:79, 49:79] = photo[:30, :30]
    reasons = refusals(covered, LIMITS)
    assert len(reasons) >= 57
    assert sum("covered (solidity of its outline" in reason for reason in reasons) >= 50


def test_a_part_that_is_too_small_too_coarse_or_missing_says_so() -> None:
    small = plate(1, larger=0.6)
    assert refusals([small], LIMITS)[0].startswith("smaller than any good one (the part covers ")
    assert refusals([WHOLE[0][::2, ::2]], LIMITS) == [
        "smaller than any good one (mean side 64 px, at least 122 expected)"
    ]
    wall = np.full((SIDE, SIDE, 3), 170, np.uint8)
    assert refusals([wall], LIMITS)[0].startswith("the part is cut off or not in view")


def test_parts_that_fill_the_picture_are_checked_by_its_shape_and_size_alone() -> None:
    good = [texture(seed, height=125 + seed % 3) for seed in range(30)]
    limits = learned(good)
    assert limits.ranges.keys() == {"aspect", "side", "repeated"}
    assert refusals([texture(seed, height=126) for seed in range(100, 130)], limits) == []
    for side in cut_off.SIDES:
        assert "cut off" in refusals([cut_off.cropped(good[0], side, 0.3)], limits)[0]
        assert "repeat the one before" in refusals([cut_off.shifted(good[0], side, 0.3)], limits)[0]
        half_filled = good[0].copy()
        half_filled[80:] = 128
        assert "repeat the one before" in refusals([half_filled], limits)[0]
    quarter = good[0][:63, :25]
    assert refusals([quarter], limits)[0].startswith("smaller than any good one")


def test_a_finer_photograph_and_a_nearer_part_are_judged() -> None:
    finer = cv2.resize(WHOLE[0], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert refusals([finer, plate(3, larger=1.2)], LIMITS) == []


def test_one_bad_photograph_among_the_good_ones_moves_no_limit_past_it() -> None:
    half = cut_off.covered(WHOLE[0], "right", 0.55)
    limits = learned([*WHOLE, half])
    assert refusals([half], limits) != []
    wall = np.full((SIDE, SIDE, 3), 170, np.uint8)
    assert refusals([wall], learned([*WHOLE, wall])) != []


def test_a_second_kind_of_good_photograph_is_no_outlier() -> None:
    smaller = [plate(200 + seed, larger=0.75) for seed in range(10)]
    limits = learned([*WHOLE[:30], *smaller])
    assert len(refusals([plate(300 + seed, larger=0.75) for seed in range(20)], limits)) <= 1


def test_the_stricter_of_two_limits_is_their_intersection() -> None:
    one = CompletenessLimits({"aspect": (0.0, 2.0), "area": (-2.0, 0.0)})
    other = CompletenessLimits({"aspect": (1.0, 3.0), "side": (5.0, 9.0)})
    both = completeness.stricter(one, other)
    assert both.ranges == {"aspect": (1.0, 2.0), "area": (-2.0, 0.0), "side": (5.0, 9.0)}


def test_a_model_refuses_half_a_plate_and_says_why(tiny_model: Tiny, inspector: Inspector) -> None:
    assert inspector.manifest.completeness is not None
    photo = reading.read(data_sets.training(tiny_model.data)[0])
    whole = inspector.inspect(photo)
    assert whole.score is not None
    for half in (cut_off.cropped(photo, "right", 0.5), cut_off.shifted(photo, "left", 0.5)):
        found = inspector.inspect(half)
        assert (found.verdict, found.score, found.defects) == (Verdict.REVIEW, None, ())
        assert "cut off" in found.reason


def test_a_limit_that_no_float_holds_is_put_into_words() -> None:
    """A manifest from elsewhere may state any; a warning would be printed at the line."""
    limits = CompletenessLimits({"area": (1e300, completeness.NO_LIMIT)})
    assert "smaller than any good one" in (completeness.reason_incomplete({"area": -1.0}, limits) or "")
