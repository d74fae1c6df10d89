"""Score and limits give the verdict, the map gives defects, and both give the verdict's sentence."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platewatch.arrays import Array
from platewatch.decision import verdict
from platewatch.decision.verdict import Decision
from platewatch.inspection import Defect, Evidence, Verdict
from platewatch.photographs import preparation

DECISION = Decision(alpha=0.75, network_scale=2, network_map_scale=1, weight=0.5, review=1.0, threshold=1.5)
SCORES = st.floats(0, 100, allow_nan=False)


def places(*boxes: tuple[int, int, int, int], size: int = 96, value: float = 2) -> Array:
    """A map that is `value` in boxes (left, top, width, height) and 0 elsewhere."""
    made = np.zeros((size, size), np.float32)
    for left, top, width, height in boxes:
        made[top : top + height, left : left + width] = value
    return made


def test_errors_are_weighted_by_alpha_and_phases_by_weight() -> None:
    assert DECISION.network_score(4, 8) == (0.75 * 4 + 0.25 * 8) / 2
    assert DECISION.score(1, 4, 8) == (1 + DECISION.network_score(4, 8)) / 2
    assert replace(DECISION, weight=0.9).score(9, 4, 8) == pytest.approx(0.9 * 9 + 0.1 * DECISION.network_score(4, 8))


def test_maps_are_fused_with_the_weights_of_the_scores() -> None:
    decision, ones, none = replace(DECISION, weight=0.8), np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    assert decision.fuse_maps(ones, ones) == pytest.approx(ones)
    first, second = decision.fuse_maps(4 * ones, none), decision.fuse_maps(none, 4 * ones)
    assert first / second == pytest.approx(4 * ones)
    assert np.hypot(first, second) == pytest.approx(4 * ones)
    assert first.dtype == np.float32


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0, "PASS"), (1.0, "PASS"), (1.0001, "REVIEW"), (1.5, "REVIEW"), (1.5001, "REJECT"), (1e9, "REJECT")],
)
def test_scores_above_a_limit_belong_to_the_worse_side(score: float, expected: str) -> None:
    assert DECISION.verdict(score) == expected


@given(SCORES, SCORES)
def test_a_worse_score_never_gets_a_better_verdict(one: float, other: float) -> None:
    order = list(Verdict)
    low, high = sorted((one, other))
    assert order.index(DECISION.verdict(low)) <= order.index(DECISION.verdict(high))


@given(SCORES, st.lists(SCORES, min_size=1, max_size=60))
def test_a_p_value_is_never_below_one_in_n_plus_one(score: float, good: list[float]) -> None:
    p = verdict.p_value(score, good)
    assert 1 / (len(good) + 1) <= p <= 1
    assert p * (len(good) + 1) == pytest.approx(1 + sum(each >= score for each in good))


@given(SCORES, SCORES, st.lists(SCORES, min_size=1, max_size=60))
def test_a_worse_score_never_gets_a_larger_p_value(one: float, other: float, good: list[float]) -> None:
    low, high = sorted((one, other))
    assert verdict.p_value(high, good) <= verdict.p_value(low, good)


@given(st.lists(SCORES, min_size=2, max_size=40))
def test_p_values_of_good_plates_are_uniform_or_larger(scores: list[float]) -> None:
    """Conformal validity, exactly: of n + 1 exchangeable plates at most a fraction p gets a value of p or less."""
    values = [verdict.p_value(score, scores[:each] + scores[each + 1 :]) for each, score in enumerate(scores)]
    for p in values:
        assert np.mean([value <= p for value in values]) <= p + 1e-12


def test_different_scores_give_every_p_value_once() -> None:
    scores = np.random.default_rng(0).permutation(20).astype(float).tolist()
    values = [verdict.p_value(score, scores[:each] + scores[each + 1 :]) for each, score in enumerate(scores)]
    assert sorted(values) == pytest.approx([rank / 20 for rank in range(1, 21)])


def test_ties_raise_the_p_value() -> None:
    assert verdict.p_value(1.0, [1.0, 1.0, 0.5]) == 3 / 4


def test_evidence_adds_up_to_one_and_is_halved_where_there_is_none() -> None:
    colour, line, where = places((0, 0, 10, 10), value=3), places((0, 0, 10, 10), value=1), np.ones((96, 96), bool)
    assert verdict.evidence([colour, line], where) == Evidence(colour=0.9, line=0.1)
    assert verdict.evidence([colour, line], ~where) == Evidence(colour=0.5, line=0.5)


def test_places_are_found_where_they_lie_worst_first() -> None:
    frame = preparation.frame(96, 96, 96)
    anomaly = places((10, 20, 30, 5)) + places((60, 50, 20, 20), value=3)
    first, second = verdict.defects(anomaly, [anomaly, anomaly * 0], frame, (96, 96))
    assert (first.box, first.area_px, first.peak) == ((60, 50, 20, 20), 400, 3)
    assert (second.box, second.area_px, second.peak) == ((10, 20, 30, 5), 150, 2)
    assert second.length_px == 30
    assert second.evidence == Evidence(colour=1, line=0)


def test_places_that_touch_at_a_corner_are_one() -> None:
    anomaly = places((10, 10, 8, 8), (18, 18, 8, 8))
    (found,) = verdict.defects(anomaly, [anomaly, anomaly], preparation.frame(96, 96, 96), (96, 96))
    assert (found.box, found.area_px) == ((10, 10, 16, 16), 128)


def test_lengths_are_in_px_of_the_photograph() -> None:
    frame = preparation.frame(192, 96, 96)  # half the size, 24 px of padding above and below
    anomaly = places((10, 34, 30, 10))
    (found,) = verdict.defects(anomaly, [anomaly, anomaly], frame, (192, 96))
    assert (found.box, found.area_px, found.length_px) == ((20, 20, 60, 20), 1200, 60)


def test_regions_below_12_px_are_not_listed() -> None:
    frame = preparation.frame(96, 96, 96)
    speck, spot = places((5, 5, 3, 3)), places((5, 5, 4, 3))
    assert verdict.defects(speck, [speck, speck], frame, (96, 96)) == ()
    assert len(verdict.defects(spot, [spot, spot], frame, (96, 96))) == 1


def test_the_highest_region_is_listed_when_none_exceeds_the_limit() -> None:
    frame = preparation.frame(96, 96, 96)
    anomaly = places((0, 0, 96, 96), value=0.2) + places((10, 10, 9, 9), value=0.4)
    (found,) = verdict.defects(anomaly, [anomaly, anomaly], frame, (96, 96))
    assert found.box == (10, 10, 9, 9)


def test_at_most_fifty_places_are_listed() -> None:
    anomaly = places(*((x, y, 4, 4) for x in range(0, 96, 8) for y in range(0, 96, 8)))
    assert len(verdict.defects(anomaly, [anomaly, anomaly], preparation.frame(96, 96, 96), (96, 96))) == 50


SIDES = st.integers(32, 8000)
PLACE = st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(4, 96), st.integers(4, 96))


@given(SIDES, SIDES, PLACE)
def test_no_box_reaches_beyond_the_photograph(width: int, height: int, box: tuple[int, int, int, int]) -> None:
    frame = preparation.frame(width, height, 96)
    anomaly = np.where(frame.inside(96), places(box), 0)
    for found in verdict.defects(anomaly, [anomaly, anomaly], frame, (width, height)):
        x, y, across, down = found.box
        assert 0 <= x < x + across <= width
        assert 0 <= y < y + down <= height
        assert 1 <= found.area_px <= across * down


def test_the_whole_photograph_is_a_box_of_its_size() -> None:
    for size in ((100, 77), (333, 200), (1000, 999), (35, 32), (8000, 32)):
        anomaly = np.where((frame := preparation.frame(*size, 96)).inside(96), np.float32(2), np.float32(0))
        (found,) = verdict.defects(anomaly, [anomaly, anomaly], frame, size)
        assert found.box == (0, 0, *size)
        assert found.area_px == size[0] * size[1]


def defect(box: tuple[int, int, int, int], colour: float = 0.9) -> Defect:
    return Defect(box, box[2] * box[3], 10.0, 2.0, Evidence(colour=colour, line=1 - colour))


@pytest.mark.parametrize(
    ("decided", "p", "found", "expected"),
    [
        (Verdict.PASS, 0.5, (), "looks like the good plates"),
        (
            Verdict.REJECT,
            0.02,
            (defect((0, 0, 10, 10)),),
            "worse than all 49 good plates: mostly colour or brightness in 1 place upper left, 1.0% of the picture",
        ),
        (
            Verdict.REVIEW,
            0.1,
            (defect((80, 45, 10, 10), 0.2), defect((0, 0, 5, 5))),
            "worse than 90% of 49 good plates: mostly line in 2 places, the worst middle right, 1.0% of the picture, "
            "not surely defective: look at it",
        ),
        (
            Verdict.REJECT,
            0.02,
            (defect((45, 45, 10, 10), 0.5),),
            "worse than all 49 good plates: colour and line in 1 place in the middle, 1.0% of the picture",
        ),
        (Verdict.REJECT, 0.02, (), "worse than all 49 good plates: as a whole, in no single place"),
    ],
)
def test_the_reason_says_how_bad_what_and_where(
    decided: Verdict, p: float, found: tuple[Defect, ...], expected: str
) -> None:
    assert verdict.reason(decided, p, 49, found, (100, 100)) == expected


def test_a_score_that_is_no_number_is_rejected() -> None:
    decision = Decision(alpha=0.5, network_scale=1, network_map_scale=1, weight=0.5, review=1, threshold=2)
    assert decision.verdict(decision.score(0.5, float("nan"), 0.1)) is Verdict.REJECT
