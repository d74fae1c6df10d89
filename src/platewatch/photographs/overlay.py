"""Overlay: the anomaly map (heat map) and numbered defect boxes drawn over a photograph, on one fixed colour scale."""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Photo, Rgba
from platewatch.inspection import Defect

FAINT, FULL = 1.0, 3.0
"""Map values at which the colour begins to show and at which it is strongest; 1 is the robust 3σ limit of good plates.
The same for every plate, so that a good plate shows no colour."""

_OPACITY = 0.8
_STRIP = 256  # rows blended at a time, to bound memory for photographs of 8000 px a side
_BOX, _EDGE = (255, 255, 255), (0, 0, 0)  # a white box with black edges shows on any colour of paint


def overlay(photo: Photo, anomaly_map: Floats, defects: Sequence[Defect] = ()) -> Photo:
    """The photograph (H, W, 3) uint8 RGB with the map in inferno colours over it and a numbered box on each defect.

    `anomaly_map` is (h, w) float32 of the same aspect ratio; 1 is the robust 3σ limit of good plates. Boxes are in px
    of the photograph.
    """
    height, width = photo.shape[:2]
    exact = anomaly_map.astype(np.float32, copy=False)
    large: Array = cv2.resize(exact, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = np.empty_like(photo)
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        opacity: Floats = _opacity(large[rows])[..., None]
        picture[rows] = np.rint(photo[rows] * (1 - opacity) + colours(large[rows]) * opacity)
    return _draw_all(picture, defects)


def boxed(photo: Photo, defects: Sequence[Defect]) -> Photo:
    """A copy of the photograph (H, W, 3) uint8 RGB with a numbered box on each defect."""
    return _draw_all(photo.copy(), defects)


def heat(anomaly_map: Floats) -> Rgba:
    """The map as a transparent layer: (h, w) float32 → (h, w, 4) uint8 RGBA, fully transparent below FAINT."""
    layers: Rgba = np.dstack([colours(anomaly_map), np.rint(255 * _opacity(anomaly_map)).astype(np.uint8)])
    return layers


def colours(anomaly_map: Floats) -> Photo:
    """The map alone in inferno colours: (H, W) float32 → (H, W, 3) uint8 RGB."""
    levels = np.rint(np.clip(anomaly_map / np.float32(FULL), 0, 1) * 255).astype(np.uint8)
    picture: Photo = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return picture


def _opacity(anomaly_map: Floats) -> Floats:
    strength = np.clip((anomaly_map - FAINT) / np.float32(FULL - FAINT), 0, 1)
    opacity: Floats = _OPACITY * np.sqrt(strength)  # the root makes values just above the limit visible
    return opacity


def _draw_all(picture: Photo, defects: Sequence[Defect]) -> Photo:
    for number, defect in enumerate(defects, start=1):
        _draw(picture, defect, str(number))
    return picture


def _draw(picture: Photo, defect: Defect, label: str) -> None:
    """Draw one box with its number into `picture`; line widths grow with the picture."""
    longest = max(picture.shape[:2])
    thick, scale = max(1, round(longest / 256)), longest / 750
    left, top, width, height = defect.box
    corners = (left, top), (left + width - 1, top + height - 1)
    cv2.rectangle(picture, *corners, _EDGE, thick * 2 + 1)
    cv2.rectangle(picture, *corners, _BOX, thick)
    (text_width, text_height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    margin = 2 * thick
    wide, high = text_width + 2 * margin, text_height + 2 * margin
    x = min(max(0, left), max(0, picture.shape[1] - wide))
    y = top if top >= high else min(top + height + high, picture.shape[0])  # above the box, below it at the upper edge
    cv2.rectangle(picture, (x, y - high), (x + wide, y), _EDGE, cv2.FILLED)
    cv2.putText(picture, label, (x + margin, y - margin), cv2.FONT_HERSHEY_SIMPLEX, scale, _BOX, thick, cv2.LINE_AA)
