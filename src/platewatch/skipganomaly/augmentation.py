"""Data augmentation of a training batch: random flips, rotations, brightness and artificial defects."""

import math

import cv2
import numpy as np

from platewatch.arrays import Doubles, Floats, Masks, Photos
from platewatch.config import TrainingConfig
from platewatch.photographs.illumination import gains, relight
from platewatch.synthetic.artificial_defects import random_defect


def augment(
    plates: Photos, insides: Masks, settings: TrainingConfig, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Augment a batch (B, R, R, 3) uint8: the network's input and its target, each (B, R, R, 3) float32 in 0..255.

    Both get the same flip, rotation and brightness. Artificial defects are on the input alone. `insides` (B, R, R) bool
    is `find_object` of each plate, computed once for all epochs.
    """
    inputs, targets = np.empty(plates.shape, np.float32), np.empty(plates.shape, np.float32)
    for place, (plate, inside) in enumerate(zip(plates, insides, strict=True)):
        turn = draw_turn(len(plate), settings, rng)
        targets[place] = inputs[place] = _moved(plate, turn)
        if rng.random() < settings.defect_probability:
            inputs[place] = _moved(random_defect(plate, rng, inside)[0], turn)
        if settings.brightness_range > 0:
            factors = gains(1 + rng.uniform(-settings.brightness_range, settings.brightness_range))
            for either in (inputs[place], targets[place]):
                either[:] = relight(either, factors)
    return inputs, targets


def draw_turn(side: int, settings: TrainingConfig, rng: np.random.Generator) -> Doubles:
    """A random flip and rotation about the centre: the (2, 3) matrix from px of the result to px of the plate."""
    flip_x, flip_y = 1, 1
    if rng.random() < settings.flip_horizontal:
        flip_x = -1
    elif rng.random() < settings.flip_vertical:
        flip_y = -1
    is_free = settings.any_angle > 0 and rng.random() < settings.any_angle
    reach = 180.0 if is_free else settings.rotation_degrees
    angle = math.radians(rng.uniform(-reach, reach))
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[flip_x * cos, -flip_x * sin], [flip_y * sin, flip_y * cos]])
    middle = np.full(2, (side - 1) / 2)
    return np.column_stack([turn, middle - turn @ middle])


def _moved(plate: Photos, turn: Doubles) -> Floats:
    """The plate moved by the matrix, bilinear, float32; the border is repeated as in `preparation.prepare`."""
    moved = cv2.warpAffine(
        plate.astype(np.float32),
        turn,
        (plate.shape[1], plate.shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)
