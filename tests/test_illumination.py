"""Another illumination multiplies the channels and ends at 255."""

import numpy as np
import pytest

from platewatch.photographs.illumination import brightness, gains, level, relight

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


def test_levelling_gives_the_photograph_the_brightness_wanted() -> None:
    photo = np.random.default_rng(0).integers(40, 120, (32, 32, 3), np.uint8)
    inside = np.ones((32, 32), bool)
    assert brightness(photo, inside) == pytest.approx(80, abs=3)
    for dimmer in (0.75, 1.0, 1.25):
        assert brightness(level(relight(photo, gains(dimmer)), inside, 100, 2), inside) == pytest.approx(100, abs=0.5)


def test_levelling_changes_the_brightness_by_a_bounded_factor_and_does_not_look_at_the_padding() -> None:
    photo = np.full((4, 8, 3), 50, np.uint8)
    photo[:, 4:] = 255
    inside = np.zeros((4, 8), bool)
    inside[:, :4] = True
    assert level(photo, inside, 60, 1.4)[0, 0].tolist() == [60] * 3
    assert level(photo, inside, 200, 1.4)[0, 0].tolist() == [70] * 3
    assert level(photo, inside, 10, 1.4)[0, 0].tolist() == [36] * 3
    assert level(photo, inside, 60, 1.4, error=-0.25)[0, 0].tolist() == [45] * 3
    assert level(np.zeros_like(photo), inside, 100, 1.4).max() == 0
