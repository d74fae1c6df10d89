"""The anomaly map drawn over its photograph: one colour scale for all plates, so that a good plate stays plain."""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.inspection import Defect

Array = np.ndarray

FAINT, FULL = 0.5, 3.0
"""In limits of a good plate: the map starts to show at FAINT and is at its strongest from FULL on, on every plate."""

_OPACITY = 0.75
_BOX, _EDGE = (255, 255, 255), (0, 0, 0)  # white in black: seen on any paint, by any eye


def overlay(photo: Array, anomaly_map: Array, defects: Sequence[Defect] = ()) -> Array:
    """The photograph (H, W, 3) uint8 RGB with the map in inferno colours over it and a box around each defect.

    `anomaly_map` is (h, w) float32 of the same aspect, 1 = the limit of a good plate; boxes are in px of the photo.
    """
    height, width = photo.shape[:2]
    heat = cv2.resize(anomaly_map.astype(np.float32, copy=False), (width, height), interpolation=cv2.INTER_LINEAR)
    strength = np.clip((heat - FAINT) / (FULL - FAINT), 0, 1)
    opacity = _OPACITY * np.sqrt(strength)[..., None]  # the square root lets what just exceeds the limit be seen
    picture: Array = np.rint(photo * (1 - opacity) + colours(heat) * opacity).astype(np.uint8)
    for number, defect in enumerate(defects, start=1):
        _draw(picture, defect, str(number))
    return picture


def colours(anomaly_map: Array) -> Array:
    """The map alone on the fixed scale, (H, W) float32 in limits → (H, W, 3) uint8 RGB."""
    levels = np.rint(np.clip(anomaly_map / FULL, 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def _draw(picture: Array, defect: Defect, label: str) -> None:
    """One box with its number, in lines that grow with the picture; drawn into `picture`."""
    thick = max(1, round(max(picture.shape[:2]) / 400))
    left, top, width, height = defect.box
    corners = (left, top), (left + width - 1, top + height - 1)
    cv2.rectangle(picture, *corners, _EDGE, thick * 3)
    cv2.rectangle(picture, *corners, _BOX, thick)
    scale = max(picture.shape[:2]) / 1100
    (text_width, text_height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    margin = 2 * thick
    x = min(max(0, left), max(0, picture.shape[1] - text_width - 2 * margin))
    y = top if top >= text_height + 2 * margin else min(top + height + text_height + 2 * margin, picture.shape[0])
    cv2.rectangle(picture, (x, y - text_height - 2 * margin), (x + text_width + 2 * margin, y), _EDGE, cv2.FILLED)
    cv2.putText(picture, label, (x + margin, y - margin), cv2.FONT_HERSHEY_SIMPLEX, scale, _BOX, thick, cv2.LINE_AA)
