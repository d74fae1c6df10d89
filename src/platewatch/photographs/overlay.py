"""Overlay: the anomaly map on one fixed colour scale, its contour at the limit, and numbered boxes, on a photograph."""

from collections.abc import Sequence

import cv2
import numpy as np

from platewatch.arrays import Array, Floats, Photo, Rgba
from platewatch.inspection import Defect

FAINT, FULL = 1.0, 2.0
"""Map values at which the colour begins to show and at which it is strongest; 1 is the robust 3σ limit of good plates.
The same for every plate, so that a good plate shows no colour."""

_OPACITY = 0.3, 0.75  # just above FAINT, and at FULL
_DARKEST = 0.3  # of the table of colours: its dark blue below this does not show on dark paint
_CONTOUR = (0, 255, 255)  # with black edges; paint and rust are hardly ever cyan
_FINE = 1024  # px of the longer side at which the contour is found
_STRIP = 256  # rows blended at a time, to bound memory for photographs of 8000 px a side
_BOX, _EDGE = (255, 255, 255), (0, 0, 0)  # a white box with black edges shows on any colour of paint


def overlay(photo: Photo, anomaly_map: Floats, defects: Sequence[Defect] = ()) -> Photo:
    """The photograph (H, W, 3) uint8 RGB with the map in plasma colours, its contour, and numbered boxes.

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
    thick = max(1, round(max(height, width) / 400))
    cv2.polylines(picture, _contours(exact, (width, height)), isClosed=True, color=_EDGE, thickness=3 * thick)
    cv2.polylines(picture, _contours(exact, (width, height)), isClosed=True, color=_CONTOUR, thickness=thick)
    return _draw_all(picture, defects)


def boxed(photo: Photo, defects: Sequence[Defect]) -> Photo:
    """A copy of the photograph (H, W, 3) uint8 RGB with a numbered box on each defect."""
    return _draw_all(photo.copy(), defects)


def heat(anomaly_map: Floats) -> Rgba:
    """The map as a transparent layer: (h, w) float32 → (H, W, 4) uint8 RGBA, 1024 px on its longer side.

    It is fully transparent below FAINT but for the contour and its black edges, which are opaque.
    """
    fine, (width, height) = _finer(anomaly_map)
    layers: Rgba = np.dstack([colours(fine), np.rint(255 * _opacity(fine)).astype(np.uint8)])
    contours = _contours(anomaly_map, (width, height))
    cv2.polylines(layers, contours, isClosed=True, color=(*_EDGE, 255), thickness=7)
    cv2.polylines(layers, contours, isClosed=True, color=(*_CONTOUR, 255), thickness=3)
    return layers


def colours(anomaly_map: Floats) -> Photo:
    """The map alone in plasma colours: (H, W) float32 → (H, W, 3) uint8 RGB; darkest at FAINT, brightest from FULL."""
    strength = np.clip((anomaly_map - np.float32(FAINT)) / np.float32(FULL - FAINT), 0, 1)
    levels = np.rint((_DARKEST + (1 - _DARKEST) * strength) * 255).astype(np.uint8)
    picture: Photo = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_PLASMA), cv2.COLOR_BGR2RGB)
    return picture


def _finer(anomaly_map: Floats) -> tuple[Floats, tuple[int, int]]:
    """The map (h, w) float32 at _FINE px on its longer side, and its width and height there."""
    scale = _FINE / max(anomaly_map.shape)
    size = (max(1, round(anomaly_map.shape[1] * scale)), max(1, round(anomaly_map.shape[0] * scale)))
    exact: Floats = anomaly_map.astype(np.float32, copy=False)
    fine: Array = cv2.resize(exact, size, interpolation=cv2.INTER_LINEAR)
    return fine, size


def _contours(anomaly_map: Floats, size: tuple[int, int]) -> list[Array]:
    """The outlines (N, 1, 2) int32 of where the map (h, w) exceeds FAINT, in px of a picture of `size`."""
    fine, found = _finer(anomaly_map)
    outlines, _ = cv2.findContours((fine > FAINT).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    scales = np.array(size, np.float64) / found
    return [np.rint((each + 0.5) * scales - 0.5).astype(np.int32) for each in outlines]


def _opacity(anomaly_map: Floats) -> Floats:
    strength = np.clip((anomaly_map - FAINT) / np.float32(FULL - FAINT), 0, 1)
    least, most = _OPACITY
    opacity: Floats = np.where(strength > 0, least + (most - least) * strength, 0).astype(np.float32)
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
