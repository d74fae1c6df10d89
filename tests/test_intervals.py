"""The exact quantiles agree with SciPy's, and with what is known in closed form."""

import math

import pytest
from scipy import stats

from platewatch.decision import intervals


@pytest.mark.parametrize("of", [1, 2, 10, 54, 3000])
@pytest.mark.parametrize("part", [0, 0.02, 0.5, 1])
def test_intervals_of_a_proportion_are_scipys(of: int, part: float) -> None:
    count = round(part * of)
    below, above = (stats.beta(count, of - count + 1), stats.beta(count + 1, of - count))
    expected = below.ppf(0.025) if count else 0, above.ppf(0.975) if count < of else 1
    assert intervals.clopper_pearson(count, of) == pytest.approx(expected, rel=1e-10)
    assert intervals.clopper_pearson(count, of, 0.5)[0] == pytest.approx(below.ppf(0.25) if count else 0, rel=1e-10)
    upper = above.ppf(0.95) if count < of else 1
    assert intervals.highest_proportion(count, of) == pytest.approx(upper, rel=1e-10)


def test_intervals_in_closed_form() -> None:
    assert intervals.clopper_pearson(0, 0) == (0, 1)
    assert intervals.highest_proportion(0, 0) == 1
    for of in (1, 54, 20_000):
        assert intervals.clopper_pearson(1, of)[0] == pytest.approx(-math.expm1(math.log1p(-0.025) / of), rel=1e-10)
        assert intervals.highest_proportion(0, of) == pytest.approx(-math.expm1(math.log(0.05) / of), rel=1e-10)


@pytest.mark.parametrize("degrees", [2, 3, 9, 53, 5000])
@pytest.mark.parametrize("rate", [0.5, 0.4, 0.05, 0.025, 1e-6])
def test_students_quantiles_are_scipys(degrees: int, rate: float) -> None:
    found = intervals.t_quantile(rate, degrees)
    assert found == pytest.approx(float(stats.t.isf(rate, degrees)), rel=1e-9, abs=1e-7)
