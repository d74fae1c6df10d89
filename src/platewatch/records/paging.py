"""Pages over one or several stations: the spans of their numbers, the merging of their newest, and cursors.

The numbers of a station are a range, in the order of its arrivals. A page over several stations merges them by time.
"""

import heapq
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from platewatch.errors import InputError
from platewatch.records import schema, stations
from platewatch.records.hourly_counts import Period
from platewatch.records.schema import entries, hourly_counts, microseconds, one_of
from platewatch.records.values import RANGE, Query

_CURSOR = re.compile(r"(?a:(\d{1,18})\.(\d{1,18})|\d{1,18}-(\d{1,18}))")
_MOST_STATIONS = 200  # of one cursor

Span = tuple[int, int]
"""The first number, and the number after the last one; all of one station."""
Spans = list[Span]


def spans(connection: Connection, query: Query) -> Spans:
    """The numbers among which a page's entries are, for each station.

    A time span becomes spans of numbers once, for the first page: the cursor of each further page holds them.
    """
    found = [(each.base + 1, each.base + RANGE + 1) for each in stations.known(connection).values()]
    if query.station is not None:
        wanted = stations.named(connection, query.station)
        found = [(wanted.base + 1, wanted.base + RANGE + 1)]
    if query.before is not None:
        return _parsed(query.before)
    is_whole = query.since is None and query.until is None and query.part_type != ""
    return found if is_whole else _received(connection, query, found)


def _received(connection: Connection, query: Query, given: Spans) -> Spans:
    """The parts of the spans that hold everything that was received in the query's time."""
    period = Period(*(None if time is None else microseconds(time) for time in (query.since, query.until)))
    number, chosen = entries.c.number, list[Select[Any]]()
    if period.hours is not None:
        known = func.min(hourly_counts.c.first), func.max(hourly_counts.c.last)
        same = [hourly_counts.c.part_type == ""] if query.part_type == "" else []  # these have no index
        chosen.append(select(*known).where(*period.full_hours(), *same).group_by(hourly_counts.c.station))
    for start, end in period.rest():
        ends = func.min(number + 0), func.max(number + 0)  # + 0: PostgreSQL would walk all numbers for it
        within = select(*ends).where(entries.c.received >= start, entries.c.received < end)
        chosen += [within.where(number >= span[0], number < span[1]) for span in given]
    rows = [row for each in chosen for row in connection.execute(each) if row[0] is not None]
    found = ((span, [row for row in rows if span[0] <= row[0] < span[1]]) for span in given)
    return [(min(row[0] for row in mine), max(row[1] for row in mine) + 1) for _, mine in found if mine]


def merged(connection: Connection, found: Sequence[list[int]]) -> list[int]:
    """Numbers of several stations as one list, newest first by time; each station's own order stays."""
    if len(found) < 2:
        return [number for numbers in found for number in numbers]
    times = dict[int, int]()
    for some in schema.chunks([number for numbers in found for number in numbers]):
        received = select(entries.c.number, entries.c.received).where(one_of(entries.c.number, some))
        times |= dict(connection.execute(received).all())
    return list(heapq.merge(*found, key=lambda number: -times[number]))


def _parsed(before: str) -> Spans:
    """The spans of a page from its cursor `LAST.FIRST`, joined by `_`; `TIME-LAST` is one of an earlier version."""
    found = [_CURSOR.fullmatch(each) for each in before.split("_")[:_MOST_STATIONS]]
    if None in found:
        raise InputError("query", f"before {before[:200]!r}", expected="a page's next", remedy="leave it out")
    return [(int(each[2] or 1), int(each[1] or each[3])) for each in found if each is not None]


def cursor(found: Sequence[list[int]], chosen: Sequence[int], given: Spans) -> str | None:
    """The cursor of what is left of each span's numbers after this page; None when nothing is."""
    rest, taken = list[str](), set(chosen)
    for numbers, (first, beyond) in zip(found, given, strict=True):
        mine = [number for number in numbers if number in taken]
        if len(mine) < len(numbers):
            rest.append(f"{mine[-1] if mine else beyond}.{first}")
    return "_".join(rest) or None
