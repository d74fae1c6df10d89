"""Plates flipped, turned, lit and damaged at random, so that a few photographs teach the network enough."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from platewatch.config import TrainingConfig
from platewatch.photographs.illumination import gains, relight
from platewatch.synthetic.artificial_defects import random_defect

Photos = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def augment(
    plates: Photos, insides: Masks, settings: TrainingConfig, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The network's input and its target for plates (B, R, R, 3) uint8: each (B, R, R, 3) float32 in 0..255.

    Both are moved and lit alike; forged defects are on the input alone. `insides` (B, R, R) tells where each plate's
    object lies: it is the same in every epoch.
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


def draw_turn(side: int, settings: TrainingConfig, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A flip and a rotation about the middle: the (2, 3) matrix from places of the result to places of the plate."""
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


def _moved(plate: Photos, turn: npt.NDArray[np.float64]) -> Floats:
    """Bilinear in float32; what comes in from outside repeats the plate's border, as `preparation.prepare` does."""
    moved = cv2.warpAffine(
        plate.astype(np.float32),
        turn,
        (plate.shape[1], plate.shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)
