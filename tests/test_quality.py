"""The quality check refuses photographs that show too little of the plate, not unusual plates."""

import cv2
import numpy as np
import pytest

from platewatch.arrays import Array
from platewatch.photographs import preparation, quality
from platewatch.photographs.quality import Conditions
from platewatch.synthetic import rendered_plates

GOOD = [rendered_plates.render("good", seed, 128)[0] for seed in range(8)]
LIMITS = quality.limits([quality.measure(photo) for photo in GOOD])


def obstacle(photo: Array) -> str | None:
    return quality.reason_unusable(quality.measure(photo), LIMITS)


@pytest.mark.parametrize("kind", rendered_plates.KINDS)
def test_plates_of_every_kind_can_be_judged(kind: str) -> None:
    assert [obstacle(rendered_plates.render(kind, 100 + seed, 128)[0]) for seed in range(5)] == [None] * 5


def test_somewhat_darker_photographs_are_judged() -> None:
    assert [obstacle((photo * 0.7).astype(np.uint8)) for photo in GOOD] == [None] * 8


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda photo: photo // 12, "too dark to judge"),
        (np.zeros_like, "too dark to judge"),
        (lambda photo: np.clip(photo * 6.0 + 90, 0, 255).astype(np.uint8), "clipped ("),
        (lambda photo: np.full_like(photo, 255), "clipped ("),
        (lambda photo: np.full_like(photo, 180), "no plate in view"),
        (lambda photo: cv2.GaussianBlur(photo, (0, 0), 5), "blurred"),
    ],
    ids=["dark", "black", "clipped", "white", "empty", "blurred"],
)
def test_each_reason_names_its_numbers(spoil: object, reason: str) -> None:
    assert callable(spoil)
    for photo in GOOD:
        found = obstacle(spoil(photo))
        assert found is not None
        assert found.startswith(reason)
        assert "expected)" in found
        assert "\n" not in found


def test_the_limits_are_wider_than_the_worst_good_photograph() -> None:
    good = [Conditions(60, 0.0, 8, 20), Conditions(40, 0.2, 6, 30)]
    limits = quality.limits(good)
    assert (limits.darkest, limits.most_clipped, limits.least_sharp, limits.least_contrast) == (20, 0.45, 3, 10)
    assert quality.reason_unusable(Conditions(20, 0.45, 3, 10), limits) is None


@pytest.mark.parametrize("unusable", [np.zeros_like, lambda photo: np.full_like(photo, 180), lambda photo: photo // 12])
def test_unusable_photographs_among_the_good_ones_move_no_limit_past_them(unusable: object) -> None:
    """An empty, black or dark photograph that was taken for a good one is refused all the same."""
    assert callable(unusable)
    spoiled = [unusable(photo) for photo in GOOD[:2]]
    mixed = quality.limits([quality.measure(photo) for photo in (*GOOD, *spoiled)])
    assert [quality.reason_unusable(quality.measure(photo), mixed) is None for photo in GOOD] == [True] * 8
    assert all(quality.reason_unusable(quality.measure(photo), mixed) for photo in spoiled)


def test_a_second_kind_of_good_photographs_is_no_outlier() -> None:
    good = [Conditions(60, 0, 8, 20)] * 20 + [Conditions(25, 0, 8, 20)] * 10
    assert quality.limits(good).darkest == 12.5


def test_the_stricter_of_two_limits_is_taken_one_by_one() -> None:
    one, other = quality.QualityLimits(1, 0.5, 3, 4), quality.QualityLimits(2, 0.4, 1, 9)
    assert quality.stricter(one, other) == quality.QualityLimits(2, 0.4, 3, 9)


def test_a_white_photograph_is_refused_even_if_good_ones_are_clipped() -> None:
    limits = quality.limits([Conditions(95, 0.98, 1, 1)])
    assert quality.reason_unusable(Conditions(100, 1.0, 1, 1), limits) is not None


def test_brightness_and_clipped_fraction_are_measured_as_documented() -> None:
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:32] = 255
    found = quality.measure(photo)
    assert found.brightness == pytest.approx(50, abs=0.1)
    assert found.clipped == 0.5
    assert found.contrast == pytest.approx(50, abs=0.1)
    assert quality.measure(np.full_like(photo, 119)).brightness == pytest.approx(
        50, abs=0.2
    )  # L is not a fraction of 255
    photo[:32] = (255, 255, 200)  # a bright colour is not clipped
    assert quality.measure(photo).clipped == 0


@pytest.mark.parametrize("shape", [(32, 8000), (8000, 32), (33, 700)])
def test_long_photographs_are_measured_without_their_padding(shape: tuple[int, int]) -> None:
    photo = np.zeros((*shape, 3), np.uint8)
    photo[: shape[0] // 2, : shape[1] // 2] = 200
    frame = preparation.frame(shape[1], shape[0], 96)
    found = quality.measure(frame.cut(preparation.prepare(photo, 96)))
    assert all(np.isfinite([found.brightness, found.clipped, found.sharpness, found.contrast]))


@pytest.mark.parametrize("size", [1, 2, 100, 101, 1000])
def test_the_sharpness_is_numpy_s_quantile(size: int) -> None:
    values = np.random.default_rng(size).random(size, np.float32)
    assert quality._quantile(values, 0.99) == pytest.approx(float(np.quantile(values, 0.99)), rel=1e-6)
