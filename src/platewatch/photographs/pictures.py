"""The pictures of a file: one full picture is decoded, reduced copies of it are skipped, anything more is refused."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from platewatch.arrays import Photo
from platewatch.errors import InputError
from platewatch.photographs import preparation

_SMALLER = 0.75  # largest ratio of a reduced copy's side to the full picture's
_SIDE = 64
_ALIKE = 16.0  # of 255: largest mean difference between a reduced copy and the picture


@dataclass(frozen=True)
class Other:
    """A further picture of the same file."""

    width: int
    height: int
    photo: Callable[[], Photo]
    """Function that decodes it to (H, W, 3) uint8 RGB."""
    says_reduced: bool = False
    """Whether the file marks it as a reduced copy."""


def refuse(count: int, where: str) -> InputError:
    """The error for a file of `count` pictures."""
    return InputError(where, f"{count} pictures in one file", expected="one", remedy="save one picture a file")


def check_only_one(photo: Photo, others: Iterable[Other], where: str) -> None:
    """Raise InputError unless each further picture is a reduced copy of the (H, W, 3) uint8 RGB `photo`.

    A picture marked as a reduced copy only has to be smaller; any other one must also look alike.
    """
    more = 0
    for other in others:
        if not _is_smaller(other, photo) or not (other.says_reduced or _is_alike(other, photo)):
            more += 1
    if more:
        raise refuse(1 + more, where)


def _is_smaller(other: Other, photo: Photo) -> bool:
    sides, full = sorted((other.width, other.height)), sorted(photo.shape[:2])
    return all(side <= _SMALLER * whole for side, whole in zip(sides, full, strict=True))


def _is_alike(other: Other, photo: Photo) -> bool:
    try:
        small = preparation.prepare(other.photo(), _SIDE)
    except Exception:  # cannot be compared, so it counts as another picture
        return False
    difference = np.abs(small.astype(np.int16) - preparation.prepare(photo, _SIDE))
    return float(difference.mean()) <= _ALIKE
