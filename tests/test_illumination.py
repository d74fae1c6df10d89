"""Another illumination multiplies the channels and ends at 255."""

import numpy as np
import pytest

from platewatch.photographs.illumination import gains, relight

PHOTO = np.array([[[100, 100, 100], [250, 20, 0]]], np.uint8)


@pytest.mark.parametrize(
    ("brightness", "warmth", "expected"),
    [
        (1.25, 0, [[[125, 125, 125], [255, 25, 0]]]),
        (1, 0.04, [[[104, 100, 96], [255, 20, 0]]]),
        (1, -0.04, [[[96, 100, 104], [240, 20, 0]]]),
    ],
)
def test_channels_are_multiplied_and_end_at_255(brightness: float, warmth: float, expected: list[object]) -> None:
    found = relight(PHOTO, gains(brightness, warmth))
    assert found.dtype == np.uint8
    assert found.tolist() == expected


def test_floats_are_not_rounded() -> None:
    found = relight(PHOTO.astype(np.float32), gains(1.005))
    assert found.dtype == np.float32
    assert found[0].tolist() == pytest.approx(np.array([[100.5] * 3, [251.25, 20.1, 0]]))
    assert relight(PHOTO.astype(np.float32), gains(2)).max() == 255


def test_gains_of_many_are_one_row_each() -> None:
    found = gains(np.array([[1.0], [0.5]]), np.array([[0.0], [0.1]]))
    assert found == pytest.approx(np.array([[1, 1, 1], [0.55, 0.5, 0.45]]))
