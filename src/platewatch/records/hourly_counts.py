"""Counts of plates by outcome in any period: full hours from the hourly counts, the rest from the entries."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from platewatch.records.schema import entries, hourly_counts
from platewatch.records.search import microseconds
from platewatch.records.values import Counts, Outcome

HOUR = 3_600_000_000


def count_one(connection: Connection, received: int, outcome: Outcome) -> None:
    """Count one more plate, within a write transaction."""
    here = (hourly_counts.c.hour == received // HOUR, hourly_counts.c.outcome == outcome)
    updated = connection.execute(update(hourly_counts).where(*here).values(count=hourly_counts.c.count + 1))
    if not updated.rowcount:
        connection.execute(insert(hourly_counts).values(hour=received // HOUR, outcome=outcome, count=1))


def counts(connection: Connection, since: datetime | None, until: datetime | None) -> Counts:
    """Counts of plates received at `since` or later and before `until`."""
    start = None if since is None else microseconds(since)
    end = None if until is None else microseconds(until)
    first = None if start is None else -(-start // HOUR)
    last = None if end is None else end // HOUR
    if first is not None and last is not None and first > last:  # both within one hour
        return _sum(connection, [_between(start, end)])
    parts = [_hours(first, last)]
    if start is not None and first is not None and start < first * HOUR:
        parts.append(_between(start, first * HOUR))
    if end is not None and last is not None and last * HOUR < end:
        parts.append(_between(last * HOUR, end))
    return _sum(connection, parts)


def _hours(first: int | None, last: int | None) -> Select[Any]:
    query = select(hourly_counts.c.outcome, func.sum(hourly_counts.c.count)).group_by(hourly_counts.c.outcome)
    if first is not None:
        query = query.where(hourly_counts.c.hour >= first)
    return query if last is None else query.where(hourly_counts.c.hour < last)


def _between(start: int | None, end: int | None) -> Select[Any]:
    within = (entries.c.received >= start, entries.c.received < end)
    return select(entries.c.outcome, func.count()).where(*within).group_by(entries.c.outcome)


def _sum(connection: Connection, parts: list[Select[Any]]) -> Counts:
    totals = dict.fromkeys(Outcome, 0)
    for part in parts:
        for outcome, count in connection.execute(part):
            totals[Outcome(outcome)] += int(count)
    return Counts(
        passed=totals[Outcome.PASS],
        review=totals[Outcome.REVIEW],
        reject=totals[Outcome.REJECT],
        failed=totals[Outcome.FAILED],
    )
