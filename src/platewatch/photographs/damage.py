"""Signs of damage in a file that decodes: pixels or compressed data that suddenly become zeros."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from platewatch.arrays import Mask, Samples

DIFFERS = 0.9
"""Fraction of other values in the neighbouring row, where the damaged row is constant."""
_CUT = 6  # values; fewer may be dark by chance
_LIKE = 0.5  # contrast of the damaged row's rest, as a fraction of the neighbouring row's
_EVEN_PX = 8000  # px of an even area that a WebP codes as one byte of zeros, at least
RUN = 64
"""Bytes of zeros; compressed data of a photograph with noise have none."""
ZEROS = "its data are zeros from one byte to the next"
BLANK = "a strip or tile of it holds nothing but zeros"
_LEAST_SIDE, _LEAST_SIDES = 8, 2  # px of a block; sides of it beyond which the picture goes on

Level = np.unsignedinteger[Any]
"""One value of a pixel, uint8 or uint16."""

Beside = Callable[[int, int, Level], bool]
"""Whether the picture beside the rows from the first up to the second number goes on with other values than this."""


def zeroed(rows: Samples, channels: int = 1, beside: Beside = lambda *_: True) -> str:
    """Why the (N, M) rows, in the file's order, show damage; empty when they do not.

    `channels` values of a row make a pixel. A lost part of an uncompressed file is zeros, or one value up to the end.
    It begins or ends in the middle of a row, where the neighbouring row still has other values. A black background does
    not. A lost part that begins at a row's border looks like a black border and is not called damage.

    Rows of tiles are short: the outline of a round part on black may end in the middle of one too. There `beside` tells
    the two apart.
    """
    fills = {rows.dtype.type(0), rows[-1, -1]}
    runs = ((first, after, fill) for fill in fills for first, after in _abrupt_runs(rows, fill, channels))
    return ZEROS if any(beside(*run) for run in runs) else ""


def blank_block(picture: Samples, height: int, width: int) -> str:
    """Why a picture (H, W, S), stored in blocks of `height` × `width` px, shows a lost block; empty when it does not.

    A lost block is zeros, and at each of its sides, at two at least, the picture goes on at once with other values. A
    black background ends somewhere within a block, a black border at one side of it.
    """
    if min(height, width) < _LEAST_SIDE:
        return ""
    shown: Mask = np.asarray(picture.any(axis=2))
    rows, columns = np.arange(0, len(shown), height), np.arange(0, shown.shape[1], width)
    used: Mask = np.asarray(np.logical_or.reduceat(np.logical_or.reduceat(shown, rows, axis=0), columns, axis=1))
    around = np.pad(used, 1).astype(np.uint8)
    sides = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
    for row, column in zip(*np.nonzero(~used & (sides >= _LEAST_SIDES)), strict=True):
        across, down = slice(columns[column], columns[column] + width), slice(rows[row], rows[row] + height)
        lines = (
            *(shown[place : place + 1, across] for place in (down.start - 1, down.stop) if place >= 0),
            *(shown[down, place : place + 1] for place in (across.start - 1, across.stop) if place >= 0),
        )
        if sum(bool(line.size and line.mean() >= DIFFERS) for line in lines) == sides[row, column]:
            return BLANK
    return ""


def _abrupt_runs(rows: Samples, fill: Level, channels: int) -> Iterator[tuple[int, int]]:
    """First row, and the one after the last, of each run of rows of `fill` that begins or ends in a row's middle."""
    if rows.shape[0] < 4 or rows.shape[1] < 4:
        return
    filled = (rows == fill).all(axis=1)
    changes = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    for first, after in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
        if _is_cut(rows, first - 1, first - 2, fill, channels) or _is_cut(
            rows[:, ::-1], after, after + 1, fill, channels
        ):
            yield first, after


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
    return bool(differs.mean() >= DIFFERS)


def _contrast(row: Samples, fill: Level) -> float:
    """The mean difference of values from `fill`."""
    return float(np.abs(row.astype(np.float32) - np.float32(fill)).mean())


def has_lost_bytes(compressed: bytes | memoryview, pixels: int = 0) -> bool:
    """Whether entropy-coded data of a picture of `pixels` px hold a run of zeros, as a lost part of a file does.

    An even area may be coded as zeros too, one byte for 10,000 px or more; `pixels` limits how many are allowed.
    """
    return bytes(max(RUN, pixels // _EVEN_PX)) in bytes(compressed)
