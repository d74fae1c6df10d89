"""Signs of damage in a file that decodes: pixels or compressed data that suddenly become zeros."""

from typing import Any

import numpy as np

from platewatch.arrays import Samples

_DIFFERS = 0.9  # fraction of other values in the neighbouring row, where the damaged row is constant
_CUT = 6  # values; fewer may be dark by chance
_LIKE = 0.5  # contrast of the damaged row's rest, as a fraction of the neighbouring row's
_EVEN_PX = 8000  # px of an even area that a WebP codes as one byte of zeros, at least
RUN = 64
"""Bytes of zeros; compressed data of a photograph with noise have none."""
ZEROS = "its data are zeros from one byte to the next"

Level = np.unsignedinteger[Any]
"""One value of a pixel, uint8 or uint16."""


def zeroed(rows: Samples, channels: int = 1) -> str:
    """Why the (N, M) rows, in the file's order, show damage; empty when they do not.

    `channels` values of a row make a pixel. A lost part of an uncompressed file is zeros, or one value up to the end.
    It begins or ends in the middle of a row, where the neighbouring row still has other values. A black background does
    not. A lost part that begins at a row's border looks like a black border and is not called damage.
    """
    last = rows[-1, -1]
    zero = rows.dtype.type(0)
    return ZEROS if _ends_abruptly(rows, zero, channels) or (last and _ends_abruptly(rows, last, channels)) else ""


def _ends_abruptly(rows: Samples, fill: Level, channels: int) -> bool:
    if rows.shape[0] < 4 or rows.shape[1] < 4:
        return False
    filled = (rows == fill).all(axis=1)
    if not filled.any():
        return False
    changes = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    return any(
        _is_cut(rows, first - 1, first - 2, fill, channels) or _is_cut(rows[:, ::-1], after, after + 1, fill, channels)
        for first, after in zip(changes[::2], changes[1::2], strict=True)
    )


def _filled(row: Samples, fill: Level) -> int:
    """How many values at the end of a row are `fill`; 0 when all are."""
    return int(np.argmax(row[::-1] != fill))


def _is_cut(rows: Samples, row: int, beyond: int, fill: Level, channels: int) -> bool:
    """Whether `row` is like the row `beyond` up to some column, and is `fill` from there while `beyond` is not."""
    if not (0 <= row < len(rows) and 0 <= beyond < len(rows)):
        return False
    filled = _filled(rows[row], fill)
    if filled < _CUT or _contrast(rows[row, :-filled], fill) < _LIKE * _contrast(rows[beyond, :-filled], fill):
        return False  # the second one is the blurred edge of a black border
    pixels = max(1, filled // channels)
    differs = (rows[beyond, -pixels * channels :] != fill).reshape(-1, channels).any(axis=1)
    return bool(differs.mean() >= _DIFFERS)


def _contrast(row: Samples, fill: Level) -> float:
    """The mean difference of values from `fill`."""
    return float(np.abs(row.astype(np.float32) - np.float32(fill)).mean())


def has_lost_bytes(compressed: bytes | memoryview, pixels: int = 0) -> bool:
    """Whether entropy-coded data of a picture of `pixels` px hold a run of zeros, as a lost part of a file does.

    An even area may be coded as zeros too, one byte for 10,000 px or more; `pixels` limits how many are allowed.
    """
    return bytes(max(RUN, pixels // _EVEN_PX)) in bytes(compressed)
