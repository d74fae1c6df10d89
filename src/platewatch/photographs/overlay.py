"""The anomaly map drawn over its photograph: one colour scale for all plates, so that a good plate stays plain."""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.arrays import Array
from platewatch.inspection import Defect

FAINT, FULL = 1.0, 3.0
"""In limits of a good plate: the map begins to show at FAINT and is at its strongest from FULL on, on every plate."""

_OPACITY = 0.8
_STRIP = 256  # rows blended at a time: a photograph of 8000 px a side stays within memory
_BOX, _EDGE = (255, 255, 255), (0, 0, 0)  # white in black: seen on any paint, by any eye


def overlay(photo: Array, anomaly_map: Array, defects: Sequence[Defect] = ()) -> Array:
    """The photograph (H, W, 3) uint8 RGB with the map in inferno colours over it and a numbered box on each defect.

    `anomaly_map` is (h, w) float32 of the same aspect, 1 = the limit of a good plate; boxes are in px of the photo.
    """
    height, width = photo.shape[:2]
    large = cv2.resize(anomaly_map.astype(np.float32, copy=False), (width, height), interpolation=cv2.INTER_LINEAR)
    picture = np.empty_like(photo)
    for top in range(0, height, _STRIP):
        rows = slice(top, top + _STRIP)
        opacity = _opacity(large[rows])[..., None]
        picture[rows] = np.rint(photo[rows] * (1 - opacity) + colours(large[rows]) * opacity)
    for number, defect in enumerate(defects, start=1):
        _draw(picture, defect, str(number))
    return picture


def heat(anomaly_map: Array) -> Array:
    """The map alone, to lay over its photograph: (h, w) float32 in limits → (h, w, 4) uint8 RGBA, clear below FAINT."""
    return np.dstack([colours(anomaly_map), np.rint(255 * _opacity(anomaly_map)).astype(np.uint8)])


def colours(anomaly_map: Array) -> Array:
    """The map alone on the fixed scale, (H, W) float32 in limits → (H, W, 3) uint8 RGB."""
    levels = np.rint(np.clip(anomaly_map / np.float32(FULL), 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def _opacity(anomaly_map: Array) -> Array:
    strength = np.clip((anomaly_map - FAINT) / np.float32(FULL - FAINT), 0, 1)
    opacity: Array = _OPACITY * np.sqrt(strength)  # the root lets what just exceeds the limit be seen
    return opacity


def _draw(picture: Array, defect: Defect, label: str) -> None:
    """One box with its number, in lines that grow with the picture; drawn into `picture`."""
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
