"""Audit of photographs: each file is present with the recorded SHA-256, or an event says that it was pruned."""

from bisect import bisect_right
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from platewatch.errors import RecordError
from platewatch.progress import Progress
from platewatch.records.photographs import Photographs
from platewatch.records.schema import photographs as table

if TYPE_CHECKING:
    from platewatch.records.audit import Walk


def check(connection: Connection, walk: "Walk", photographs: Photographs | None, progress: Progress) -> int:
    """Report every photograph that is missing or altered; returns the number of files checked."""
    total = connection.execute(select(func.count()).select_from(table)).scalar_one()
    pruned = _merged(walk.pruned)
    waiting, read = dict(walk.stored), 0
    for done, row in enumerate(connection.execute(select(table).execution_options(yield_per=500)), start=1):
        position, number = waiting.pop(row.sha256, (0, 0))
        if not position:
            walk.report(0, f"photograph {row.sha256[:12]}… is listed, but no plate has it")
        elif row.pruned is not None:
            if not _covered(number, pruned):
                walk.report(position, f"plate {number}: photograph removed, but no event says that it was pruned")
        elif photographs is not None:
            read += 1
            problem = _read(photographs, row.sha256)
            if problem:
                walk.report(position, f"plate {number}: photograph {problem}")
        progress("photographs", done, total)
    for position, number in waiting.values():
        walk.report(position, f"plate {number}: its photograph is not listed")
    return read


def _read(photographs: Photographs, sha256: str) -> str | None:
    """What is wrong with the file; None when it is intact."""
    try:
        return None if photographs.read(sha256) is not None else f"missing: {photographs.path(sha256)}"
    except RecordError as error:
        return str(error)


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges sorted and merged, so that they do not overlap."""
    merged = list[tuple[int, int]]()
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _covered(number: int, merged: list[tuple[int, int]]) -> bool:
    place = bisect_right(merged, number, key=lambda each: each[0])
    return place > 0 and number <= merged[place - 1][1]
