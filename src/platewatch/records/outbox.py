"""What others have still to be told of each plate: written with it, removed once it was said. At least once, always."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from platewatch.records import search
from platewatch.records.schema import destinations, outbox
from platewatch.records.values import Entry


@dataclass(frozen=True)
class Due:
    """A plate of which one destination is to be told now."""

    id: int
    entry: Entry
    attempts: int
    """How often that failed already."""


@dataclass(frozen=True)
class Destination:
    """How telling one destination goes."""

    name: str
    delivered: int
    waiting: int
    failures: int
    """Attempts that failed; each is made again."""
    error: str | None
    """What went wrong the last time; None when it went well."""


def enqueue(connection: Connection, names: Sequence[str], number: int) -> None:
    """Note within the plate's own transaction whom to tell of it."""
    for name in names:
        if connection.execute(select(destinations.c.name).where(destinations.c.name == name)).first() is None:
            connection.execute(insert(destinations), {"name": name, "delivered": 0, "failures": 0})
        connection.execute(
            insert(outbox), {"destination": name, "number": number, "attempts": 0, "due": _now_microseconds()}
        )


def claim(connection: Connection, name: str, limit: int, lease_s: float) -> tuple[Due, ...]:
    """What is due for a destination, in order; nobody else gets the same within the lease."""
    now = _now_microseconds()
    chosen = select(outbox).where(outbox.c.destination == name, outbox.c.due <= now)
    rows = connection.execute(chosen.order_by(outbox.c.due, outbox.c.id).limit(limit)).all()
    if not rows:
        return ()
    leased = update(outbox).where(outbox.c.id.in_([row.id for row in rows]))
    connection.execute(leased.values(due=now + round(lease_s * 1e6)))
    entries = {entry.number: entry for entry in search.load(connection, sorted({row.number for row in rows}))}
    return tuple(Due(row.id, entries[row.number], row.attempts) for row in rows)


def delivered(connection: Connection, name: str, ids: Sequence[int]) -> None:
    """These were said: they leave the outbox and are counted."""
    gone = connection.execute(delete(outbox).where(outbox.c.id.in_(ids))).rowcount
    counted = update(destinations).where(destinations.c.name == name)
    connection.execute(counted.values(delivered=destinations.c.delivered + gone, error=None))


def postpone(connection: Connection, name: str, failed: int, others: Sequence[int], *, wait_s: float, why: str) -> None:
    """One attempt failed: it is due again later; `others` were claimed with it but not tried."""
    due = _now_microseconds() + round(wait_s * 1e6)
    connection.execute(update(outbox).where(outbox.c.id == failed).values(due=due, attempts=outbox.c.attempts + 1))
    if others:
        connection.execute(update(outbox).where(outbox.c.id.in_(others)).values(due=due))
    counted = update(destinations).where(destinations.c.name == name)
    connection.execute(counted.values(failures=destinations.c.failures + 1, error=why[:400]))


def state(connection: Connection) -> tuple[Destination, ...]:
    """Every destination there ever was, by name."""
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
