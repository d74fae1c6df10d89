"""Scale: millimetres per px from a photograph of a checkerboard or of a part of known size, with its uncertainty."""

import re
from dataclasses import dataclass

import cv2
import numpy as np

from platewatch.arrays import Array, Doubles, Photo, Points
from platewatch.errors import InputError
from platewatch.photographs import pose, preparation

_SIDE = 512  # px at which a part's corners are found
_CORNER = 0.5  # px: standard deviation of a part's corner
_PAIR = re.compile(r"(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)")
_DISTANT = 1e-6


@dataclass(frozen=True)
class Measured:
    """The scale of a photograph where the board or the part lies."""

    mm_per_px: float
    uncertainty: float
    """Relative standard uncertainty: spread over the board or the sides (tilt), and how exact their corners are."""
    what: str
    """What was found, in words."""


@dataclass(frozen=True)
class Plane:
    """From px of a photograph into mm in the plane of the part."""

    matrix: Doubles
    """(3, 3): px to mm."""
    uncertainty: float
    """Relative standard uncertainty of lengths."""
    by_part: bool
    """Whether the part's own size gives it; otherwise one scale holds for the whole picture."""

    def mm_per_px(self, x: float, y: float) -> float:
        """The scale at a place of the photograph: the root of how areas there change."""
        return float(scales(self.matrix, np.array([[x, y]]))[0])


def scales(matrix: Doubles, points: Points) -> Doubles:
    """The scale of a projective map (3, 3) at (N, 2) points: the root of the determinant of its derivative; (N,)."""
    depth = points @ matrix[2, :2] + matrix[2, 2]
    return np.asarray(np.sqrt(np.abs(np.linalg.det(matrix) / np.where(np.abs(depth) < _DISTANT, _DISTANT, depth) ** 3)))


def pair(text: str, option: str) -> tuple[float, float]:
    """Two positive numbers as in 80x60; raises InputError for any other text."""
    found = _PAIR.fullmatch(text.strip())
    numbers = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if min(numbers) <= 0:
        raise InputError(
            option, f"{text!r} is no pair of sizes", expected="two numbers such as 80x60", remedy="write it so"
        )
    return numbers


def of_checkerboard(photo: Photo, squares: tuple[float, float], square_mm: float, name: str) -> Measured:
    """The scale of an (H, W, 3) uint8 photograph of a board of `squares` (columns, rows), each `square_mm` wide.

    Raises InputError when no such board is in the picture.
    """
    inner = int(squares[0]) - 1, int(squares[1]) - 1
    if min(inner) < 2 or inner != (squares[0] - 1, squares[1] - 1):
        what = f"a board of {squares[0]:g}×{squares[1]:g} squares"
        raise InputError(name, what, expected="whole numbers of at least 3", remedy="count columns and rows of squares")
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    found, corners = cv2.findChessboardCornersSB(grey, inner, flags=cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY)
    if not found:
        what = f"no checkerboard of {squares[0]:g}×{squares[1]:g} squares"
        raise InputError(name, what, remedy="show all of it with a white border, sharp, and count its squares")
    points = np.asarray(corners, np.float64).reshape(-1, 2)
    grid = np.stack(np.meshgrid(np.arange(inner[0]), np.arange(inner[1])), axis=-1).reshape(-1, 2) * square_mm
    matrix = np.asarray(cv2.findHomography(points, grid)[0], np.float64)
    local = scales(matrix, points)
    off = np.hypot(*(cv2.perspectiveTransform(points[None], matrix)[0] - grid).T)
    spread, inexact = float(local.std() / local.mean()), float(np.sqrt((off**2).mean()) / np.ptp(grid, axis=0).max())
    return Measured(float(local.mean()), float(np.hypot(spread, inexact)), f"{len(points)} corners of the checkerboard")


def of_part(photo: Photo, size_mm: tuple[float, float], name: str) -> Measured:
    """The scale of an (H, W, 3) uint8 photograph of a part with four sides of this size, in either order.

    Raises InputError when no such part stands out from the background.
    """
    height, width = photo.shape[:2]
    side = min(_SIDE, max(height, width))
    frame = preparation.frame(width, height, side)
    found = pose.find(frame.cut(preparation.prepare(photo, side)))
    if found is None or found.corners is None:
        what = "no part with four sides stands out in full from the background"
        raise InputError(name, what, remedy="photograph one before a plain background, or a checkerboard")
    lengths = np.hypot(*(np.roll(found.corners, -1, axis=0) - found.corners).T) / frame.scale
    sides = lengths.reshape(2, 2)  # first and third are in the first column
    across, down = sides.mean(axis=0)
    long, short = max(size_mm), min(size_mm)
    known = np.array([long, short] if across >= down else [short, long])
    each = (known / sides).ravel()
    spread = float(each.std() / each.mean())
    inexact = np.sqrt(2) * _CORNER / float(lengths.min() * frame.scale)
    words = f"the part's sides, {lengths.max():.1f} px the longest"
    return Measured(float(each.mean()), float(np.hypot(spread, inexact)), words)


def plane_of_part(matrix: Array, inner: tuple[int, int], margin: int, size_mm: tuple[float, float], px: float) -> Plane:
    """The plane of a part with four sides whose pose is known.

    `matrix` (3, 3) is from px of the photograph into px of the part's frame, where the part is `inner` (width, height)
    px large behind a `margin`; `px` is the length of its shortest side in the px in which its corners were found.
    """
    long, short = max(size_mm), min(size_mm)
    to_mm = np.diag([long / inner[0], short / inner[1], 1.0]) @ np.array(
        [[1, 0, 0.5 - margin], [0, 1, 0.5 - margin], [0, 0, 1]], float
    )
    return Plane(to_mm @ matrix, float(np.sqrt(2) * _CORNER / px), by_part=True)


def plane_of_picture(mm_per_px: float, uncertainty: float) -> Plane:
    """One scale for the whole picture."""
    return Plane(np.diag([mm_per_px, mm_per_px, 1.0]), uncertainty, by_part=False)
