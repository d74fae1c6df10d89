"""A blur at few places is what the whole blur has there."""

import numpy as np
import pytest

from platewatch import gaussian


@pytest.mark.parametrize(("first", "step"), [(0, 1), (0, 2), (2, 4), (4, 8), (16, 32)])
@pytest.mark.parametrize("width", [0.7, 1.5, 4.2, 8.4, 20.0])
def test_at_some_places_the_blur_is_the_whole_one_s(width: float, first: int, step: int) -> None:
    picture = np.random.default_rng(0).uniform(-100, 100, (96, 96, 3)).astype(np.float32)
    whole = gaussian.blur(picture, width)[first::step, first::step]
    seen = gaussian.blur_at(picture, width, first, step)
    assert seen.dtype == np.float32
    assert seen.transpose(1, 2, 0) == pytest.approx(whole, rel=1e-5, abs=1e-4)


def test_a_blur_keeps_what_is_even_up_to_the_border() -> None:
    even = np.full((64, 64, 1), 7, np.float32)
    assert gaussian.blur_at(even, 8.4, 2, 4) == pytest.approx(np.full((1, 16, 16), 7), rel=1e-5)
