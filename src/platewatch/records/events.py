"""Events in the chain: logins, models taken into service, alarms, pruned photographs and the like."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from platewatch import printable
from platewatch.errors import InputError
from platewatch.records import appending, chain, schema, search
from platewatch.records.schema import events
from platewatch.records.values import MOST, Event


def add(connection: Connection, kind: str, actor: str, details: Mapping[str, Any]) -> Event:
    """Append an event within a write transaction; raises InputError when its details are not JSON values."""
    appending.check_text("event", kind, 64)
    appending.check_text("actor", actor, 200)
    time = datetime.now(UTC)
    body: dict[str, Any] = {
        "event": kind,
        "actor": actor,
        "time": time.isoformat(),
        "details": printable.values(dict(details)),
    }
    try:
        chain.canonical(body)
    except (TypeError, ValueError) as error:
        raise InputError(f"event {kind}", f"its details are not JSON ({error})", remedy="give plain values") from error
    link = chain.append(connection, chain.EVENT, body)
    connection.execute(insert(events), {"position": link.position, "kind": kind, "time": search.microseconds(time)})
    return Event(link.position, kind, actor, time.astimezone(), body["details"], link.hash)


def find(
    connection: Connection,
    kind: str | None,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: int | None,
) -> tuple[Event, ...]:
    """Events, newest first; `before` is the id of the last one seen."""
    if not 1 <= limit <= MOST:
        raise InputError("events", f"limit {limit}", expected=f"1 to {MOST}", remedy="page on with before")
    query = select(events, schema.chain.c.body, schema.chain.c.hash).select_from(
        events.join(schema.chain, schema.chain.c.position == events.c.position)
    )
    if kind is not None:
        query = query.where(events.c.kind == kind)
    if since is not None:
        query = query.where(events.c.time >= search.microseconds(since))
    if until is not None:
        query = query.where(events.c.time < search.microseconds(until))
    if before is not None:
        query = query.where(events.c.position < before)
    rows = connection.execute(query.order_by(events.c.position.desc()).limit(limit))
    return tuple(_read(row) for row in rows)


def _read(row: Row[Any]) -> Event:
    try:
        return event(json.loads(row.body), row.hash)
    except search.UNREADABLE:
        return Event(row.position, row.kind, "unknown", search.moment(row.time), damaged(row.position), row.hash)


def damaged(position: int) -> dict[str, Any]:
    """Details of an event whose row is damaged."""
    return {"damaged": f"row {position} of the record cannot be read; see 'platewatch audit'"}


def event(values: dict[str, Any], chain_hash: str) -> Event:
    """The event in a row of the chain."""
    return Event(
        id=values["position"],
        kind=values["event"],
        actor=printable.line(values["actor"]),
        time=datetime.fromisoformat(values["time"]).astimezone(),
        details=printable.values(values["details"]),
        chain=chain_hash,
    )
