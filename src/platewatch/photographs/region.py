"""Region: the places of a photograph that are inspected; all others are blanked before a detector sees them.

A region lies in the picture's frame, or in the frame of the part where the part has a pose (part_frame.py).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from platewatch.arrays import Doubles, Grey, Mask, Photo
from platewatch.errors import InputError
from platewatch.photographs import masks, reading
from platewatch.photographs.preparation import Frame

_LEAST = 0.002
"""Smallest fraction of the picture, or of the part's frame, that is a region."""
_KEYS = ("inspect", "ignore")
_MOST_POLYGONS, _MOST_POINTS = 1000, 10000

Polygon = tuple[tuple[float, float], ...]
"""Corners x, y in px of the photograph."""


@dataclass(frozen=True)
class InspectedFrame(Frame):
    """A Frame whose inside is the region alone."""

    inspected: Mask = field(compare=False, kw_only=True)
    """(S, S): False outside the region."""

    def inside(self, size: int) -> Mask:
        """(size, size) bool: True in the region on the photograph."""
        return super().inside(size) & self.inspected

    @property
    def whole(self) -> Frame:
        """The frame without the region."""
        return Frame(self.scale, self.left, self.top, self.width, self.height)


@dataclass(frozen=True)
class Region:
    """The inspected places, and what the others are painted with."""

    mask: Mask
    """(h, w): in the picture's frame, or the part's; it is scaled to the picture."""
    in_part: bool
    fill: tuple[int, int, int]
    """RGB."""

    def on(self, frame: Frame, size: int, matrix: Doubles | None) -> Mask | None:
        """The inspected places (size, size) of a prepared photograph; None where the part's pose is needed and absent.

        `matrix` (3, 3) is from px of the photograph without padding into px of the part's frame.
        """
        shown: Grey = self.mask.view(np.uint8)
        width, height = frame.width, frame.height
        if self.in_part and matrix is None:
            return None
        if self.in_part:
            back = np.linalg.inv(np.asarray(matrix))
            laid = cv2.warpPerspective(shown, back, (width, height), flags=cv2.INTER_NEAREST)
        else:
            laid = cv2.resize(shown, (width, height), interpolation=cv2.INTER_NEAREST)
        found = np.zeros((size, size), bool)
        frame.cut(found)[:] = laid > 0
        return found

    def blanked(self, prepared: Photo, frame: Frame, inspected: Mask) -> tuple[Photo, InspectedFrame]:
        """A prepared (S, S, 3) uint8 photograph with everything else painted over, and its frame with the region."""
        photo = np.where(inspected[..., None], prepared, np.array(self.fill, np.uint8))
        place = (frame.scale, frame.left, frame.top, frame.width, frame.height)
        return photo, InspectedFrame(*place, inspected=inspected)


@dataclass(frozen=True)
class Drawn:
    """A region as a person gave it."""

    source: str
    """The file's name."""
    mask: Mask | None = None
    """(H, W) of the photographs; None where polygons were given."""
    inspect: tuple[Polygon, ...] = ()
    """Without any, everything that is not ignored."""
    ignore: tuple[Polygon, ...] = ()
    photograph: str | None = None
    """The good photograph that the polygons were drawn on: then they move with the part, where it has a pose."""

    def on_picture(self, size: tuple[int, int]) -> Mask:
        """The inspected places (H, W) of a photograph of this (width, height).

        Raises InputError when the mask has another size, a polygon reaches out of it or hardly anything is inspected.
        """
        width, height = size
        if self.mask is not None:
            if self.mask.shape != (height, width):
                what = f"{self.mask.shape[1]}×{self.mask.shape[0]} px"
                raise InputError(self.source, what, expected=f"the photographs' {width}×{height} px", remedy=_ANEW)
            found = self.mask
        else:
            found = _filled(self.inspect, size, self.source) if self.inspect else np.ones((height, width), bool)
            found = found & ~_filled(self.ignore, size, self.source)
        if np.count_nonzero(found) < _LEAST * found.size:
            what = f"inspects {np.count_nonzero(found) / found.size:.2%} of the picture"
            raise InputError(self.source, what, expected=f"at least {_LEAST:.1%}", remedy=_ANEW)
        return found


_ANEW = "draw it anew"


def read_mask(path: Path) -> Drawn:
    """A mask file, white where it is inspected; raises InputError for what is no picture."""
    return Drawn(path.name, mask=masks.read(path))


def read_polygons(path: Path) -> Drawn:
    """A JSON file {"inspect": [[[x, y], …], …], "ignore": […], "photograph": NAME}; raises InputError for any other."""
    try:
        values = json.loads(reading.load(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, "is no JSON", expected=_FORM, remedy="correct it") from error
    if not isinstance(values, dict) or not values.keys() <= {*_KEYS, "photograph"} or not values.keys() & {*_KEYS}:
        raise InputError(path, "has other keys", expected=_FORM, remedy="correct it")
    photograph = values.get("photograph")
    if photograph is not None and not isinstance(photograph, str):
        raise InputError(path, "photograph is no name", expected=_FORM, remedy="correct it")
    found = {key: _polygons(values.get(key, []), path, key) for key in _KEYS}
    return Drawn(path.name, inspect=found["inspect"], ignore=found["ignore"], photograph=photograph)


_FORM = '{"inspect": [[[x, y], …], …], "ignore": […], "photograph": NAME}'


def _polygons(values: Any, path: Path, key: str) -> tuple[Polygon, ...]:
    wrong = InputError(path, f"{key} is no list of polygons of at least 3 points", expected=_FORM, remedy="correct it")
    if not isinstance(values, list) or len(values) > _MOST_POLYGONS:
        raise wrong
    for polygon in values:
        if not isinstance(polygon, list) or not 3 <= len(polygon) <= _MOST_POINTS or not all(map(_is_point, polygon)):
            raise wrong
    return tuple(tuple((float(x), float(y)) for x, y in polygon) for polygon in values)


def _is_point(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    return numbers and all(type(each) in (int, float) and np.isfinite(each) for each in value)


def _filled(polygons: Sequence[Polygon], size: tuple[int, int], source: str) -> Mask:
    width, height = size
    found = np.zeros((height, width), np.uint8)
    for number, polygon in enumerate(polygons, start=1):
        points = np.array(polygon)
        if points.min() < 0 or (points > (width, height)).any():
            what = f"polygon {number} reaches out of the picture of {width}×{height} px"
            raise InputError(source, what, remedy=_ANEW)
        cv2.fillPoly(found, [np.rint(16 * (points - 0.5)).astype(np.int32)], (1,), shift=4)
    return found.astype(bool)
