"""Pose of a part that stands out from its background: its outline, and where it lies, turned and mirrored.

The background is a smooth surface of colour. A part with four long sides has a pose by its corners, any other one by
its middle, size and direction. The pose is for checks beside the detectors and never prepares their input.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Grey, Mask, Photo, Points
from platewatch.photographs import foreground

FRAME = 128
"""Longer side of the part's frame, px."""
MARGIN = 6
"""Background around the part in its frame, px."""

EDGE = 0.22
"""Presence at the outline: above background and shadows, below glare on the part."""

_LEAST, _MOST = 0.03, 0.9  # fraction of the photograph that a part covers
_WIRE = 0.055  # narrower regions (hooks, cables) do not belong to the part; fraction of the longer side
_SMOOTH = 24  # side of the copy to which the background is fitted, px
_CONTRAST = 12.0  # smallest distance of the part from its background, grey levels
_UNEVEN = 0.1  # how far a smooth background's colours are from it, as a fraction of the part's distance
_BACK = 7  # px; what the opening takes from sharp corners
_STRAIGHT = 0.012  # of the outline's length: how far a side of four bends
_FOLLOWED = 0.6  # fraction of each side that the outline follows
_FILLED = (0.94, 1.2)  # area of the four-sided figure, in areas of the part's hull
_ANGLES = 128  # directions of the outline that are compared with the template's
_SQUARE = 0.08  # smallest ln of the ratio of the sides of a part that is no square


@dataclass(frozen=True)
class Outline:
    """A part found on a photograph (h, w, 3)."""

    presence: Grey
    """(h, w) uint8: 0 background, 255 as unlike it as most of the part."""
    polygon: Points
    """(K, 2): the outline, px of the photograph; (0, 0) is the middle of the first pixel."""
    corners: Points | None
    """(4, 2): the corners of a four-sided part, clockwise in the picture; None for any other part."""

    @property
    def area(self) -> float:
        """Area inside the outline, px²."""
        return float(cv2.contourArea(self.polygon.astype(np.float32)))


def find(photo: Photo) -> Outline | None:
    """The part on an (h, w, 3) uint8 RGB photograph without padding; None when nothing surely stands out in full."""
    presence = _presence(photo)
    if presence is None:
        return None
    solid = _without_wires(cv2.threshold(presence, 255 * EDGE, 1, cv2.THRESH_BINARY)[1])
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    height, width = presence.shape
    left, top, across, down = cv2.boundingRect(contour)
    inside = left > 0 and top > 0 and left + across < width and top + down < height
    if not inside or not _LEAST * solid.size <= cv2.contourArea(contour) <= _MOST * solid.size:
        return None
    return Outline(presence, contour[:, 0, :].astype(np.float64), _corners(contour[:, 0, :]))


def _presence(photo: Photo) -> Grey | None:
    """`Outline.presence`; None when there are no two kinds of colour, or the background is not smooth.

    The background's colours are polynomials of degree 2 over x and y: first those of the rim, then those of all that
    is like them.
    """
    small = cv2.resize(photo, (_SMOOTH, _SMOOTH), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float64)
    ground = _RIM
    for _ in range(2):
        fitted = _fitted(small, ground)
        away = np.abs(_TERMS @ fitted - small).max(axis=1)
        level, _ = cv2.threshold(np.minimum(away, 255).astype(np.uint8), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        contrast = float(np.median(away[away > level])) if (away > level).any() else 0.0
        ground = away <= max(3.0, EDGE * contrast)
    if contrast < _CONTRAST or (away[ground] > _UNEVEN * contrast).mean() > 0.1:
        return None
    surface = np.clip(_TERMS @ fitted, 0, 255).reshape(_SMOOTH, _SMOOTH, 3).astype(np.uint8)
    full = cv2.resize(surface, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    distance = foreground.strongest_channel(np.asarray(cv2.absdiff(photo, full), np.uint8))
    return np.asarray(cv2.convertScaleAbs(distance, alpha=255 / contrast), np.uint8)


def _fitted(small: Doubles, ground: Mask) -> Doubles:
    """The polynomials, (6, 3), of the colours (n, 3) on the background, without what hangs or lies there."""
    terms, colours = _TERMS[ground], small[ground]
    kept = np.ones(len(terms), bool)
    for _ in range(2):
        some = terms[kept]
        fitted = np.asarray(np.linalg.solve(some.T @ some + 1e-6 * np.eye(6), some.T @ colours[kept]), float)
        away = np.abs(terms @ fitted - colours).max(axis=1)
        kept = away <= max(3.0, 3 * float(np.median(away)))
    return fitted


def _terms() -> tuple[Doubles, Mask]:
    y, x = (each.ravel() / _SMOOTH - 0.5 for each in np.indices((_SMOOTH, _SMOOTH)))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1), np.maximum(abs(x), abs(y)) > 0.4


_TERMS, _RIM = _terms()


def _without_wires(found: Array) -> Grey:
    """The regions of a mask (h, w) of 0 and 1 without holes and wires; opened on a copy of half its size."""
    closed = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))  # glare at the outline is in specks
    contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros_like(found)
    cv2.drawContours(filled, contours, -1, (1,), -1)
    half = np.ascontiguousarray(filled[::2, ::2])
    width = max(3, round(_WIRE * max(half.shape))) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    core = cv2.morphologyEx(half, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE)
    near = cv2.resize(core, found.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.dilate(near, np.ones((_BACK, _BACK), np.uint8)) & filled, np.uint8)


def _corners(contour: Array) -> Points | None:
    """The four corners of a four-sided outline by lines through its sides; None for any other outline."""
    hull = cv2.convexHull(contour)
    length = cv2.arcLength(hull, True)
    figure = cv2.approxPolyDP(hull, _STRAIGHT * length, True)[:, 0, :].astype(np.float64)
    if not 4 <= len(figure) <= 8:
        return None
    sides = np.hypot(*(np.roll(figure, -1, axis=0) - figure).T)
    longest = np.sort(np.argsort(-sides, kind="stable")[:4])
    lines = [_line(contour, figure[each], figure[(each + 1) % len(figure)], 0.01 * length) for each in longest]
    found = list[Points]()
    for before, after in zip(np.roll(np.arange(4), 1), range(4), strict=True):
        crossing = _crossing(lines[before], lines[after])
        if crossing is None:
            return None
        found.append(crossing)
    corners = np.array(found)
    flat = corners.astype(np.float32)
    filled = cv2.contourArea(flat) / max(cv2.contourArea(hull), 1)
    if not (_FILLED[0] <= filled <= _FILLED[1] and cv2.isContourConvex(flat)):
        return None
    ends = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    if any(_followed(contour, start, end, 0.01 * length) < _FOLLOWED for start, end in ends):
        return None
    return corners if cv2.contourArea(flat, oriented=True) > 0 else corners[::-1]


def _followed(contour: Array, start: Points, end: Points, near: float) -> float:
    """The fraction of a side near which the contour runs, in 16 pieces."""
    across, down = _along(contour, start, end)
    pieces = (16 * across[down <= near]).astype(int)
    return len(np.unique(pieces[(pieces >= 0) & (pieces < 16)])) / 16


def _along(contour: Array, start: Points, end: Points) -> tuple[Doubles, Doubles]:
    """How far along a side each point is, as a fraction of it, and how far from its line, px."""
    side = end - start
    length = float(np.hypot(*side))
    place = contour - start
    return place @ side / length**2, np.abs(place @ np.array([-side[1], side[0]])) / length


def _line(contour: Array, start: Points, end: Points, near: float) -> Doubles:
    """The line a·x + b·y = c, (3,), through the points of the contour near the middle of a side."""
    across, down = _along(contour, start, end)
    chosen = contour[(down <= near) & (across >= 0.06) & (across <= 0.94)]
    if len(chosen) < 5:
        chosen = np.array([start, end])
    line = _fitted_line(chosen, cv2.DIST_HUBER)
    for _ in range(2):  # without what is left of a wire
        off = np.abs(chosen @ line[:2] - line[2])
        line = _fitted_line(chosen[off <= max(0.8, 2 * float(np.median(off)))], cv2.DIST_L2)
    return line


def _fitted_line(points: Array, distance: int) -> Doubles:
    vx, vy, x, y = cv2.fitLine(points.astype(np.float32), distance, 0, 0.01, 0.01).ravel()
    return np.array([-vy, vx, -vy * x + vx * y], np.float64)


def _crossing(one: Doubles, other: Doubles) -> Points | None:
    system = np.stack([one[:2], other[:2]])
    return np.linalg.solve(system, [one[2], other[2]]) if abs(np.linalg.det(system)) > 0.2 else None
