"""Flips and rotations change input and target alike; artificial defects are on the input alone."""

from typing import Any

import numpy as np
import pytest

from platewatch.arrays import Floats, Photos
from platewatch.config import TrainingConfig
from platewatch.photographs.foreground import find_object
from platewatch.skipganomaly.augmentation import _moved, augment, draw_turn
from platewatch.synthetic.rendered_plates import render

PHOTOS: Photos = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)


def augmented(photos: Photos, **changes: Any) -> tuple[Floats, Floats]:
    still = {"flip_horizontal": 0, "flip_vertical": 0, "rotation_degrees": 0}
    insides = np.stack([find_object(photo) for photo in photos])
    return augment(photos, insides, TrainingConfig(**{**still, **changes}), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, PHOTOS),
        ({"flip_horizontal": 1}, PHOTOS[:, :, ::-1]),
        ({"flip_vertical": 1}, PHOTOS[:, ::-1]),
        ({"flip_horizontal": 1, "flip_vertical": 1}, PHOTOS[:, :, ::-1]),
    ],
    ids=["still", "left-right", "upside down", "left-right wins"],
)
def test_flips_move_pixels_and_change_none(changes: dict[str, float], expected: Photos) -> None:
    x_input, x = augmented(PHOTOS, **changes)
    assert x.dtype == np.float32
    assert np.array_equal(x, expected)
    assert np.array_equal(x_input, x)


def test_turns_stay_within_their_angle_and_about_the_middle() -> None:
    turns = [draw_turn(33, TrainingConfig(rotation_degrees=15), np.random.default_rng(i)) for i in range(500)]
    angles = [float(np.degrees(np.arcsin(abs(turn[0, 1])))) for turn in turns]
    assert 14 < max(angles) <= 15
    flipped = [(bool(turn[0, 0] < 0), bool(turn[1, 1] < 0)) for turn in turns]
    assert flipped.count((True, False)) / 500 == pytest.approx(0.2, abs=0.05)
    assert flipped.count((False, True)) / 500 == pytest.approx(0.4, abs=0.05)
    assert np.allclose([abs(np.linalg.det(turn[:, :2])) for turn in turns], 1)
    assert np.allclose([turn @ (16, 16, 1) for turn in turns], 16)


def test_some_plates_are_rotated_by_any_angle() -> None:
    settings = TrainingConfig(rotation_degrees=15, any_angle=0.3, flip_horizontal=0, flip_vertical=0)
    turns = [draw_turn(33, settings, np.random.default_rng(i)) for i in range(500)]
    angles = np.degrees([np.arctan2(turn[1, 0], turn[0, 0]) for turn in turns])
    assert np.abs(angles).max() > 170
    assert (np.abs(angles) <= 15).mean() == pytest.approx(0.7 + 0.3 * 15 / 180, abs=0.06)


def test_input_and_target_get_the_same_brightness() -> None:
    photos = np.full((50, 32, 32, 3), 200, np.uint8)
    x_input, x = augmented(photos, brightness_range=0.5)
    levels = x.mean(axis=(1, 2, 3))
    assert np.array_equal(x_input, x)
    assert 100 <= levels.min() < 120
    assert levels.max() == 255
    assert len(np.unique(levels)) > 25


def test_a_quarter_turn_moves_every_pixel_to_its_place() -> None:
    quarter = np.array([[0.0, -1.0, 31.0], [1.0, 0.0, 0.0]])
    assert np.array_equal(_moved(PHOTOS[0], quarter), np.rot90(PHOTOS[0], -1)[::-1, ::-1])


def test_rotation_repeats_the_border() -> None:
    _, x = augmented(np.full((4, 32, 32, 3), 200, np.uint8), rotation_degrees=180)
    assert np.unique(x.round()).tolist() == [200]


def test_artificial_defects_are_on_the_input_alone() -> None:
    photos = np.stack([render("good", seed, size=64)[0] for seed in range(3)])
    before = photos.copy()
    x_input, x = augmented(photos, defect_probability=1.0, rotation_degrees=180)
    assert [bool((one != two).any()) for one, two in zip(x_input, x, strict=True)] == [True] * 3
    assert np.array_equal(photos, before)


def test_defects_lie_within_the_given_object_mask() -> None:
    plates, insides = np.stack([render("good", seed, 64)[0] for seed in range(6)]), np.zeros((6, 64, 64), bool)
    insides[:, 16:40, 20:44] = True
    still = TrainingConfig(flip_horizontal=0, flip_vertical=0, rotation_degrees=0, defect_probability=1)
    inputs, targets = augment(plates, insides, still, np.random.default_rng(0))
    assert (inputs != targets).any(axis=(1, 2, 3)).all()
    assert not (inputs != targets)[~insides].any()
