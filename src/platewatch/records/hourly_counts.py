"""Counts of plates by outcome in any period: full hours from the hourly counts, the rest from the entries."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from platewatch.records.schema import entries, hourly_counts
from platewatch.records.values import Counts, Outcome

HOUR = 3_600_000_000
COUNT_ONE = (
    "INSERT INTO hourly_counts (hour, station, part_type, outcome, count, duration, first, last)"
    " VALUES (:hour, :station, :part_type, :outcome, 1, :duration, :number, :number)"
    " ON CONFLICT (hour, station, part_type, outcome) DO UPDATE SET count = hourly_counts.count + 1,"
    " duration = hourly_counts.duration + excluded.duration, last = excluded.last"
)
"""The statement that counts one more plate."""


@dataclass(frozen=True)
class Hourly:
    """Plates of one hour, part type and outcome, of all stations that were asked for."""

    hour: int
    """Hours since 1970, UTC."""
    part_type: str
    outcome: Outcome
    count: int
    duration_ms: float
    """Sum of the times in which they were judged."""


@dataclass(frozen=True)
class Period:
    """A period in µs since 1970, as full hours and the rest before and after them; None is no limit."""

    start: int | None
    end: int | None

    @property
    def hours(self) -> tuple[int | None, int | None] | None:
        """The first full hour and the one after the last; None when both ends are within one hour."""
        first = None if self.start is None else -(-self.start // HOUR)
        last = None if self.end is None else self.end // HOUR
        return None if first is not None and last is not None and first > last else (first, last)

    def rest(self) -> Iterator[tuple[int, int]]:
        """What is no full hour: start and end of each piece, at most two."""
        if self.hours is None:
            assert self.start is not None and self.end is not None  # noqa: S101, PT018 - both are within one hour
            yield self.start, self.end
            return
        first, last = self.hours
        if self.start is not None and first is not None and self.start < first * HOUR:
            yield self.start, first * HOUR
        if self.end is not None and last is not None and last * HOUR < self.end:
            yield last * HOUR, self.end

    def full_hours(self) -> list[ColumnElement[bool]]:
        """The condition of the full hours' counts; only where there are any."""
        first, last = self.hours or (None, None)
        at_least = [] if first is None else [hourly_counts.c.hour >= first]
        return at_least if last is None else [*at_least, hourly_counts.c.hour < last]


def duration(duration_ms: float) -> int:
    """The time of one plate in µs, as it is summed; 0 for a number that is none."""
    return round(duration_ms * 1000) if math.isfinite(duration_ms) else 0


def counts(connection: Connection, period: Period, station: str | None = None, part_type: str | None = None) -> Counts:
    """Counts of plates received in the period, at this station and of this part type; None: any."""
    wanted = {name: value for name, value in (("station", station), ("part_type", part_type)) if value is not None}
    parts = [_between(*piece, wanted) for piece in period.rest()]
    if period.hours is not None:
        same = [hourly_counts.c[name] == value for name, value in wanted.items()]
        of_hours = select(hourly_counts.c.outcome, func.sum(hourly_counts.c.count)).where(*period.full_hours(), *same)
        parts.append(of_hours.group_by(hourly_counts.c.outcome))
    return _sum(connection, parts)


def hourly(
    connection: Connection, period: Period, station: str | None = None, part_type: str | None = None
) -> tuple[Hourly, ...]:
    """The hours that begin in the period, oldest first, with the hour in which it begins."""
    table = hourly_counts
    wanted = [
        table.c[name] == value for name, value in (("station", station), ("part_type", part_type)) if value is not None
    ]
    wanted += [] if period.start is None else [table.c.hour >= period.start // HOUR]
    wanted += [] if period.end is None else [table.c.hour < -(-period.end // HOUR)]
    by = table.c.hour, table.c.part_type, table.c.outcome
    chosen = select(*by, func.sum(table.c.count), func.sum(table.c.duration)).where(*wanted)
    rows = connection.execute(chosen.group_by(*by).order_by(*by))
    return tuple(
        Hourly(hour, kind, Outcome(outcome), int(count), int(duration) / 1000)
        for hour, kind, outcome, count, duration in rows
    )


def _between(start: int, end: int, wanted: dict[str, str]) -> Select[Any]:
    same = [entries.c[name] == value for name, value in wanted.items()]
    within = select(entries.c.outcome, func.count()).where(entries.c.received >= start, entries.c.received < end, *same)
    return within.group_by(entries.c.outcome)


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
