"""Signs of damage in a file that decodes: pixels or compressed data that suddenly become zeros."""

from typing import Any

import numpy as np

from platewatch.arrays import Samples

_DIFFERS = 0.9  # fraction of other values in the neighbouring row, where the damaged row is constant
_CUT = 6  # values; fewer may be dark by chance
_EVEN_PX = 8000  # px of an even area that a WebP codes as one byte of zeros, at least
_RUN = 64  # bytes of zeros; compressed data of a photograph with noise have none
ZEROS = "its data are zeros from one byte to the next"

Level = np.unsignedinteger[Any]
"""One value of a pixel, uint8 or uint16."""


def zeroed(rows: Samples) -> str:
    """Why the (N, M) rows, in the file's order, show damage; empty when they do not.

    A lost part of an uncompressed file is zeros, or one value up to the end. It begins or ends in the middle of a row,
    where the neighbouring row still has other values. A black background does not.
    """
    last = rows[-1, -1]
    return ZEROS if _ends_abruptly(rows, rows.dtype.type(0)) or (last and _ends_abruptly(rows, last)) else ""


def _ends_abruptly(rows: Samples, fill: Level) -> bool:
    if rows.shape[0] < 4 or rows.shape[1] < 4:
        return False
    filled = (rows == fill).all(axis=1)
    if not filled.any():
        return False
    changes = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    return any(
        _is_cut(rows, first - 1, first - 2, fill) or _is_cut(rows[:, ::-1], after, after + 1, fill)
        for first, after in zip(changes[::2], changes[1::2], strict=True)
    )


def _is_cut(rows: Samples, row: int, beyond: int, fill: Level) -> bool:
    """Whether `row` is `fill` from some column to its end, while the row `beyond` is not `fill` there."""
    if not (0 <= row < len(rows) and 0 <= beyond < len(rows)):
        return False
    filled = int(np.argmax(rows[row, ::-1] != fill))  # at the end of the row
    if filled < _CUT:
        return False
    return bool((rows[beyond, -filled:] != fill).mean() >= _DIFFERS)


def has_lost_bytes(compressed: bytes | memoryview, pixels: int = 0) -> bool:
    """Whether entropy-coded data of a picture of `pixels` px hold a run of zeros, as a lost part of a file does.

    An even area may be coded as zeros too, one byte for 10,000 px or more; `pixels` limits how many are allowed.
    """
    return bytes(max(_RUN, pixels // _EVEN_PX)) in bytes(compressed)
