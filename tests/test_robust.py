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


@pytest.mark.parametrize("count", [1, 2, 66, 1311, 6554, 30_000, 65_536])
def test_the_largest_values_are_those_of_a_sort(count: int) -> None:
    rng = np.random.default_rng(count)
    smooth = np.sin(np.arange(65_536, dtype=np.float32) / 16 * np.float32(np.pi) * 2)  # each sampled value is the same
    for values in (rng.normal(size=65_536).astype(np.float32), smooth, np.zeros(65_536, np.float32)):
        found = robust.largest(values, count)
        np.testing.assert_array_equal(np.sort(found), np.sort(values)[-count:])
        assert found[0] == found.min()


def test_a_value_that_is_no_number_is_among_the_largest() -> None:
    """A score of such a map is no number either, and is REJECT."""
    values = np.random.default_rng(0).normal(size=65_536).astype(np.float32)
    values[12_345] = np.nan  # not in the sample
    assert np.isnan(robust.largest(values, 100)).sum() == 1
