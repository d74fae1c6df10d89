"""Median, MAD and the limit from them: exact values, and the effect of outliers."""

import numpy as np
import pytest

from platewatch.photographs import robust


def test_median_and_deviation_of_a_small_example() -> None:
    assert robust.median_and_deviation(np.array([1.0, 2.0, 3.0, 5.0, 100.0])) == (3.0, 1.4826 * 2.0)


def test_the_limit_is_three_robust_deviations_above_the_median_of_the_logs() -> None:
    scores = 0.7 * np.exp(0.1 * np.array([-2, -1, 0, 1, 2]))
    assert robust.limit(scores) == pytest.approx(0.7 * np.exp(3 * 1.4826 * 0.1), rel=1e-12)
    assert robust.limit(scores, 2.5) == pytest.approx(0.7 * np.exp(2.5 * 1.4826 * 0.1), rel=1e-12)


def test_of_a_normal_distribution_it_finds_the_standard_deviation() -> None:
    values = np.random.default_rng(0).normal(5, 2, 200_000)
    centre, deviation = robust.median_and_deviation(values)
    assert centre == pytest.approx(5, abs=0.02)
    assert deviation == pytest.approx(2, rel=0.01)


def test_few_outliers_do_not_move_the_limit() -> None:
    scores = np.exp(np.random.default_rng(0).normal(0, 0.1, 54))
    outliers = np.append(np.sort(scores)[:-5], [50.0] * 5)
    assert robust.limit(outliers) == pytest.approx(robust.limit(scores), rel=0.1)


def test_scores_that_are_alike_keep_the_smallest_deviation() -> None:
    assert robust.limit([0.5] * 9) == pytest.approx(0.5)
    assert robust.limit([0.5] * 9, smallest_deviation=0.02) == pytest.approx(0.5 * np.exp(0.06))


def test_outliers_are_far_from_the_median_in_robust_deviations() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 40.0, -40.0])
    assert robust.outliers(values, 3, smallest_deviation=0.0).tolist() == [False] * 5 + [True] * 2
    assert robust.outliers(values, 3, smallest_deviation=20.0).tolist() == [False] * 7


def test_a_score_of_zero_counts_as_very_small() -> None:
    assert np.isfinite(robust.limit([0.0, 0.1, 0.2]))
