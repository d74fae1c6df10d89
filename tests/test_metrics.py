"""Metrics against brute force, scikit-learn and published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from platewatch.arrays import Array
from platewatch.decision import intervals
from platewatch.evaluation import metrics
from platewatch.evaluation.metrics import Proportion


def _plates(seed: int, levels: int = 6) -> tuple[list[Array], list[Array]]:
    """Four small maps with many ties, masks of several regions, one of them empty."""
    rng = np.random.default_rng(seed)
    masks = [np.zeros((12, 10), bool) for _ in range(4)]
    masks[0][1:4, 1:4] = masks[0][6:11, 5:9] = True
    masks[1][0, 0] = True
    masks[2][3:5, :] = True
    maps = [(rng.integers(0, levels, mask.shape) + 2 * mask).astype(np.float32) for mask in masks]
    return maps, masks


def _aupro(maps: list[Array], masks: list[Array], regions: list[list[tuple[int, Array]]]) -> float:
    """Per-region overlap, threshold by threshold, then the area to 30 % by fine steps."""
    normal = sum(int((~mask).sum()) for mask in masks)
    points = [(0.0, 0.0)]
    for limit in sorted({float(value) for part in maps for value in part.ravel()}, reverse=True):
        false = sum(int(((part >= limit) & ~mask).sum()) for part, mask in zip(maps, masks, strict=True))
        overlaps = [(maps[index] >= limit)[where].mean() for each in regions for index, where in each]
        points.append((false / normal, float(np.mean(overlaps))))
    x, y = np.array(points).T
    fine = np.linspace(0, 0.3, 300_001)
    return float(np.interp(fine, x, y).mean())


@pytest.mark.parametrize("seed", range(5))
def test_pixel_figures_equal_brute_force_with_ties(seed: int) -> None:
    maps, masks = _plates(seed)
    left, right, wide = (np.zeros((12, 10), bool) for _ in range(3))
    left[1:4, 1:4], right[6:11, 5:9], wide[3:5, :] = True, True, True
    figures = metrics.pixel_figures(maps, masks)
    labels, values = np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps])
    assert figures.auroc == pytest.approx(roc_auc_score(labels, values), abs=1e-12)
    assert figures.average_precision == pytest.approx(average_precision_score(labels, values), abs=1e-12)
    expected = _aupro(maps, masks, [[(0, left), (0, right)], [(1, masks[1])], [(2, wide)]])
    assert figures.aupro == pytest.approx(expected, abs=2e-4)


def test_a_perfect_map_gives_ones_and_a_constant_one_gives_chance() -> None:
    _, masks = _plates(0)
    perfect = metrics.pixel_figures([mask.astype(np.float32) for mask in masks], masks)
    assert (perfect.auroc, perfect.average_precision, perfect.aupro) == pytest.approx((1, 1, 1))
    flat = metrics.pixel_figures([np.zeros(mask.shape, np.float32) for mask in masks], masks)
    assert flat.auroc == pytest.approx(0.5)
    assert flat.average_precision == pytest.approx(np.mean(masks))
    assert flat.aupro == pytest.approx(0.15)  # the straight line from 0 to 1, to 30 %


def test_aupro_counts_a_small_region_as_much_as_a_large_one() -> None:
    mask = np.zeros((40, 40), bool)
    mask[0:20, 0:20] = mask[30, 30] = True
    without_small = mask.astype(np.float32)
    without_small[30, 30] = -1
    without_large = np.where(mask, -1, 0).astype(np.float32)
    without_large[30, 30] = 1
    small, large = (metrics.pixel_figures([each], [mask]).aupro for each in (without_small, without_large))
    assert small == pytest.approx(0.5, abs=1e-3)
    assert large == pytest.approx(0.5, abs=1e-3)


def test_aupro_takes_pixels_that_touch_at_a_corner_for_one_region() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:13, 10:13] = mask[13, 13] = True
    found = mask.astype(np.float32)
    found[13, 13] = -1
    assert metrics.pixel_figures([found], [mask]).aupro == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("masks", [[], [np.zeros((8, 8), bool)], [np.ones((8, 8), bool)]])
def test_without_both_kinds_of_pixel_there_are_no_figures(masks: list[Array]) -> None:
    figures = metrics.pixel_figures([np.ones((8, 8), np.float32) for _ in masks], masks)
    assert figures == metrics.PixelFigures(None, None, None)


def test_image_figures_need_both_classes() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.5, 0.5, 0.9])
    assert metrics.auroc(labels, scores) == pytest.approx(0.875)  # 4 pairs, one tie: 3.5 of 4
    assert metrics.auroc(labels[:2], scores[:2]) is None
    assert metrics.average_precision(labels[2:], scores[2:]) is None
    with pytest.raises(ValueError, match="both classes"):
        metrics.roc(labels[:2], scores[:2])


# field.md: 0 of 26 false alarms proves no better than 10.9 %, 0 of 71 missed no better than 4.1 %, both one-sided
@pytest.mark.parametrize(("of", "upper"), [(26, 0.109), (71, 0.041)])
def test_zero_of_few_has_a_wide_interval(of: int, upper: float) -> None:
    assert intervals.clopper_pearson(0, of, confidence=0.90)[1] == pytest.approx(upper, abs=5e-4)
    assert intervals.clopper_pearson(0, of)[1] > upper


@given(st.integers(1, 60).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_intervals_contain_the_proportion_and_mirror(case: tuple[int, int]) -> None:
    count, of = case
    low, high = Proportion(count, of).interval
    assert 0 <= low <= count / of <= high <= 1
    mirrored = Proportion(of - count, of).interval
    assert (1 - high, 1 - low) == pytest.approx(mirrored)


def test_clopper_pearson_edges_have_their_tails() -> None:
    low, high = intervals.clopper_pearson(3, 20)
    chances = [
        sum(_binomial(20, k, fraction) for k in kept) for fraction, kept in ((low, range(3, 21)), (high, range(4)))
    ]
    assert chances == pytest.approx([0.025, 0.025], abs=1e-9)


def test_without_plates_the_interval_is_0_to_1() -> None:
    assert Proportion(0, 0).rate is None
    assert Proportion(0, 0).interval == (0, 1)


@settings(max_examples=30)
@given(st.floats(0, 1), st.integers(2, 40), st.integers(2, 40))
def test_auroc_intervals_hold_the_area_and_narrow_with_plates(area: float, normal: int, anomalous: int) -> None:
    low, high = metrics.auroc_interval(area, normal, anomalous)
    assert 0 <= low <= area <= high <= 1
    assert high - low > 0
    narrower = metrics.auroc_interval(area, normal * 4, anomalous * 4)
    assert narrower[1] - narrower[0] < high - low


def test_a_perfect_area_on_few_plates_stays_uncertain() -> None:
    low, high = metrics.auroc_interval(1.0, 13, 36)
    assert high == 1
    assert 0.85 < low < 0.95


def test_auroc_intervals_cover_95_percent() -> None:
    """Two normal distributions of known overlap: about 95 of 100 intervals hold the true area."""
    rng = np.random.default_rng(1)
    true = 0.9213503964748574  # Φ(2/√2)
    held = 0
    for _ in range(300):
        scores = np.append(rng.normal(0, 1, 20), rng.normal(2, 1, 30))
        area = metrics.auroc(np.repeat([0, 1], [20, 30]), scores)
        assert area is not None
        low, high = metrics.auroc_interval(area, 20, 30)
        held += low <= true <= high
    assert 0.91 <= held / 300 <= 0.99


def _binomial(of: int, count: int, fraction: float) -> float:
    ways = math.comb(of, count)
    return float(ways * fraction**count * (1 - fraction) ** (of - count))
