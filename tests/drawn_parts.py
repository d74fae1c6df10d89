"""Drawn parts before a plain wall: plates with a hole and a notch, and brackets; with defects where asked for."""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.arrays import Array, Points

SIDE = 160
_FINE = 8  # px in which the part is drawn, in one px: OpenCV's smooth edges make a figure larger
PLATE = np.array([(0, 0), (80, 0), (80, 60), (9, 60), (7, 53), (0, 51)], float)
"""A plate of 80 × 60 px with a notch at its lower left corner."""
BRACKET = np.array([(0, 0), (80, 0), (80, 25), (30, 25), (30, 62), (0, 62)], float)
"""An L."""
HOLE = (44.0, 27.0, 9.0)


def photo(
    seed: int,
    outline: Points = PLATE,
    holes: Sequence[tuple[float, float, float]] = (HOLE,),
    *,
    angle: float | None = None,
    mirrored: bool = False,
    wire: bool = True,
) -> Array:
    """A part (160, 160, 3) uint8, turned by `angle` degrees or at random; `holes` are x, y, radius on the part."""
    rng = np.random.default_rng(seed)
    turn = np.radians(rng.uniform(0, 360) if angle is None else angle)
    scale = 1.2 * rng.uniform(0.95, 1.05)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    middle = np.array([SIDE / 2, SIDE / 2]) + rng.normal(0, 2, 2)

    def laid(points: Points) -> Array:
        return np.asarray(np.rint(_FINE * ((points - (40, 30)) @ matrix.T + middle + 0.5) - 0.5), np.int32)

    wall = 170 + 20 * (np.indices((SIDE, SIDE)).sum(axis=0) / SIDE - 1)[..., None] * np.ones(3)
    picture = wall.copy()
    if wire:
        cv2.line(picture, (80, 0), (80, 80), (120, 120, 120), 2)
    fine = np.zeros((_FINE * SIDE, _FINE * SIDE), np.uint8)
    cv2.fillPoly(fine, [laid(outline)], 255)
    for x, y, radius in holes:
        cv2.circle(fine, laid(np.array([(x, y)]))[0].tolist(), round(_FINE * radius * scale), 0, -1)
    part = cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    share = part[..., None] / 255
    picture = picture * (1 - share) + np.array([30, 60, 150]) * share
    return np.asarray(np.clip(picture + rng.normal(0, 1.5, picture.shape), 0, 255), np.uint8)
