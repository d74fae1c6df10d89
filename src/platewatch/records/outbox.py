"""The outbox: pending deliveries of plates to webhooks and MQTT, written in the plate's transaction; at least once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, delete, exists, func, insert, select, update

from platewatch.printable import printable
from platewatch.records import search
from platewatch.records.schema import destinations, outbox
from platewatch.records.values import Entry

_LONGEST_WAIT = 3_600_000_000  # µs; more than any wait or lease


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


def enqueue(connection: Connection, names: Sequence[str], number: int) -> None:
    """Add deliveries of the plate to these destinations, within the plate's own transaction."""
    for name in names:
        if connection.execute(select(destinations.c.name).where(destinations.c.name == name)).first() is None:
            connection.execute(insert(destinations), {"name": name, "delivered": 0, "failures": 0})
        connection.execute(
            insert(outbox), {"destination": name, "number": number, "attempts": 0, "due": _now_microseconds()}
        )


def claim(connection: Connection, name: str, limit: int, lease_s: float) -> tuple[Due, ...]:
    """Deliveries due for a destination, in order; within the lease no other caller gets them."""
    now = _now_microseconds()
    is_due = (outbox.c.due <= now) | (outbox.c.due > now + _LONGEST_WAIT)  # the clock was set back
    chosen = select(outbox).where(outbox.c.destination == name, is_due)
    rows = connection.execute(chosen.order_by(outbox.c.due, outbox.c.id).limit(limit)).all()
    if not rows:
        return ()
    leased = update(outbox).where(outbox.c.id.in_([row.id for row in rows]))
    connection.execute(leased.values(due=now + round(lease_s * 1e6)))
    entries = {entry.number: entry for entry in search.load(connection, sorted({row.number for row in rows}))}
    return tuple(Due(row.id, entries[row.number], row.attempts) for row in rows if row.number in entries)


def delivered(connection: Connection, name: str, ids: Sequence[int]) -> None:
    """Remove successful deliveries from the outbox and count them."""
    count = connection.execute(delete(outbox).where(outbox.c.id.in_(ids))).rowcount
    failed = exists().where(outbox.c.destination == name, outbox.c.attempts > 0)
    counted = update(destinations).where(destinations.c.name == name)
    left = case((failed, destinations.c.error), else_=None)
    connection.execute(counted.values(delivered=destinations.c.delivered + count, error=left))


def postpone(connection: Connection, name: str, failed: int, others: Sequence[int], *, wait_s: float, why: str) -> None:
    """Retry a failed delivery after `wait_s`, and the `others` that were claimed with it but not tried."""
    due = _now_microseconds() + round(wait_s * 1e6)
    connection.execute(update(outbox).where(outbox.c.id == failed).values(due=due, attempts=outbox.c.attempts + 1))
    if others:
        connection.execute(update(outbox).where(outbox.c.id.in_(others)).values(due=due))
    counted = update(destinations).where(destinations.c.name == name)
    connection.execute(counted.values(failures=destinations.c.failures + 1, error=printable(why)[:400]))


def state(connection: Connection) -> tuple[Destination, ...]:
    """The state of every destination that has ever been used, by name."""
    waiting = select(outbox.c.destination, func.count().label("count")).group_by(outbox.c.destination).subquery()
    joined = destinations.outerjoin(waiting, waiting.c.destination == destinations.c.name)
    rows = connection.execute(
        select(destinations, func.coalesce(waiting.c.count, 0).label("waiting"))
        .select_from(joined)
        .order_by(destinations.c.name)
    )
    return tuple(Destination(row.name, row.delivered, row.waiting, row.failures, row.error) for row in rows)


def _now_microseconds() -> int:
    return time.time_ns() // 1000
