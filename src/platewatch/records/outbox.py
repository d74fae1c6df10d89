"""The outbox: pending deliveries of plates to webhooks and MQTT, written in the plate's transaction; at least once.

A new delivery is due whatever the clock says. Only leases and waits have a time, and no step of the clock prolongs
them: a process that sees its clock set back makes everything due, and a time farther away than `LONGEST_WAIT_S`, which
an earlier process or another machine left, counts as due.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, insert, select, update

from platewatch.printable import printable
from platewatch.records.schema import destinations, one_of, outbox
from platewatch.records.values import Entry

LONGEST_WAIT_S = 360.0
"""The longest lease or wait, in seconds; longer ones are cut to it."""
_STEP = 1_000_000  # µs by which the clock must be set back to count as a step
_AT_ONCE = 0


class DeliveryClock:
    """The machine's clock as one process sees it; notices by the monotonic clock when it is set back."""

    def __init__(self) -> None:
        self._ahead = dict[str, int]()

    def now(self, name: str) -> int:
        """Microseconds since 1970, for a time of this destination."""
        now, ahead = _read_clock()
        self._ahead[name] = max(ahead, self._ahead.get(name, ahead))
        return now

    def was_set_back(self, name: str) -> bool:
        """Whether the clock was ahead of the present one when a time of this destination was written."""
        _, ahead = _read_clock()
        return ahead < self._ahead.get(name, ahead) - _STEP

    def forget(self, name: str) -> None:
        """No time of this destination from before a step is left."""
        self._ahead.pop(name, None)


def _read_clock() -> tuple[int, int]:
    """The clock, and how far it is ahead of the monotonic one; µs."""
    now = time.time_ns() // 1000
    return now, now - time.monotonic_ns() // 1000


@dataclass(frozen=True)
class Due:
    """A delivery of one plate to one destination that is due now."""

    id: int
    entry: Entry
    attempts: int
    """Failed attempts so far."""


@dataclass(frozen=True)
class Destination:
    """State of the deliveries to one destination."""

    name: str
    delivered: int
    waiting: int
    failures: int
    """Failed attempts; all are retried."""
    error: str | None
    """Error of the last failed attempt; None when every plate that failed was delivered later."""


def enqueue(count: int) -> str:
    """The statement that adds deliveries of the plate :number to :to0, :to1 …, in the plate's own transaction."""
    rows = ", ".join(f"(:to{place}, :number, 0, {_AT_ONCE})" for place in range(count))
    return f"INSERT INTO outbox (destination, number, attempts, due) VALUES {rows}"  # noqa: S608 - names of parameters


def prepare(connection: Connection, names: Sequence[str], station: str) -> None:
    """Make this station's counts of deliveries to these destinations, unless they are there."""
    known = select(destinations.c.name).where(destinations.c.station == station)
    for name in sorted({*names} - {*connection.execute(known).scalars()}):
        row = {"name": name, "station": station, "delivered": 0, "failures": 0}
        connection.execute(insert(destinations), row)


def release(connection: Connection, name: str) -> None:
    """Make everything for a destination due, also what is leased or waits for another attempt."""
    timed = (outbox.c.destination == name) & (outbox.c.due != _AT_ONCE)
    connection.execute(update(outbox).where(timed).values(due=_AT_ONCE))


def claim(connection: Connection, name: str, limit: int, *, lease_s: float, now: int) -> Sequence[Row[Any]]:
    """Deliveries due for a destination at `now` (µs), in order; within the lease no other caller gets them.

    What another process claims at this moment is skipped, not waited for.
    """
    is_due = (outbox.c.due <= now) | (outbox.c.due > after(now, LONGEST_WAIT_S))
    chosen = select(outbox).where(outbox.c.destination == name, is_due)
    ordered = chosen.order_by(outbox.c.due, outbox.c.id).limit(limit)
    rows = connection.execute(ordered.with_for_update(skip_locked=True)).all()
    if rows:
        leased = update(outbox).where(one_of(outbox.c.id, [row.id for row in rows]))
        connection.execute(leased.values(due=after(now, lease_s)))
    return rows


def delivered(connection: Connection, name: str, station: str, plates: Sequence[Due], untried: Sequence[Due]) -> None:
    """Remove successful deliveries from the outbox and count them; those claimed with them but not tried are due.

    Once the lease of a claim has ended, another process may have removed a delivery, and SQLite gives its id to a
    later one: the plate's number tells them apart.
    """
    count = connection.execute(delete(outbox).where(*_these(name, plates))).rowcount
    if untried:
        connection.execute(update(outbox).where(*_these(name, untried)).values(due=_AT_ONCE))
    here = destinations.c.name == name
    counted = update(destinations).where(here, destinations.c.station == station)
    connection.execute(counted.values(delivered=destinations.c.delivered + count))
    failed = exists().where(outbox.c.destination == name, outbox.c.attempts > 0)
    connection.execute(update(destinations).where(here, destinations.c.error.is_not(None), ~failed).values(error=None))


def _these(name: str, plates: Sequence[Due]) -> tuple[ColumnElement[bool], ...]:
    numbers = one_of(outbox.c.number, [each.entry.number for each in plates])
    return one_of(outbox.c.id, [each.id for each in plates]), numbers, outbox.c.destination == name


def postpone(
    connection: Connection, name: str, station: str, failed: int, others: Sequence[int], *, due: int, why: str
) -> None:
    """Retry a failed delivery at `due` (µs), and the `others` that were claimed with it but not tried."""
    connection.execute(update(outbox).where(outbox.c.id == failed).values(due=due, attempts=outbox.c.attempts + 1))
    if others:
        connection.execute(update(outbox).where(one_of(outbox.c.id, others)).values(due=due))
    counted = update(destinations).where(destinations.c.name == name, destinations.c.station == station)
    connection.execute(counted.values(failures=destinations.c.failures + 1, error=printable(why)[:400]))


def state(connection: Connection) -> tuple[Destination, ...]:
    """The state of every destination that has ever been used, by name, over all stations."""
    waits = select(outbox.c.destination, func.count()).group_by(outbox.c.destination)
    waiting: dict[str, int] = dict(connection.execute(waits).all())
    counted = select(
        destinations.c.name,
        func.sum(destinations.c.delivered).label("delivered"),
        func.sum(destinations.c.failures).label("failures"),
        func.max(destinations.c.error).label("error"),
    )
    rows = connection.execute(counted.group_by(destinations.c.name).order_by(destinations.c.name))
    return tuple(
        Destination(row.name, int(row.delivered), waiting.get(row.name, 0), int(row.failures), row.error)
        for row in rows
    )


def after(now: int, seconds: float) -> int:
    """The time `seconds` after `now`, both in µs; at most `LONGEST_WAIT_S` later."""
    return now + round(min(seconds, LONGEST_WAIT_S) * 1e6)
