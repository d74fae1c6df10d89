"""Events in the chain: logins, models taken into service, alarms, pruned photographs and the like."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, false, insert, select, tuple_

from platewatch import printable
from platewatch.errors import InputError
from platewatch.records import appending, chain, schema, search, stations
from platewatch.records.schema import events
from platewatch.records.stations import Station
from platewatch.records.values import MOST, RANGE, Event


def add(connection: Connection, station: Station, kind: str, actor: str, details: Mapping[str, Any]) -> Event:
    """Append an event to a station's chain in a write transaction; raises InputError when its details are not JSON."""
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
    link = chain.append(connection, station.id, chain.EVENT, body)
    connection.execute(insert(events), {"position": link.position, "kind": kind, "time": schema.microseconds(time)})
    return Event(link.position, kind, actor, time.astimezone(), body["details"], link.hash, station.name)


def find(
    connection: Connection,
    kind: str | None,
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: int | None,
    station: Station | None,
) -> tuple[Event, ...]:
    """Events, newest first, of one station or of all; `before` is the id of the last one seen.

    One station's are in the order of its chain. Those of several stations are in the order of their times.
    """
    if not 1 <= limit <= MOST:
        raise InputError("events", f"limit {limit}", expected=f"1 to {MOST}", remedy="page on with before")
    query = select(events, schema.chain.c.body, schema.chain.c.hash).select_from(
        events.join(schema.chain, schema.chain.c.position == events.c.position)
    )
    if kind is not None:
        query = query.where(events.c.kind == kind)
    if since is not None:
        query = query.where(events.c.time >= schema.microseconds(since))
    if until is not None:
        query = query.where(events.c.time < schema.microseconds(until))
    one = station is not None or len(stations.known(connection)) == 1
    if station is not None:
        query = query.where(events.c.position > station.base, events.c.position <= station.base + RANGE)
    if before is not None:
        query = query.where(events.c.position < before if one else _earlier(connection, before))
    order = (events.c.position.desc(),) if one else (events.c.time.desc(), events.c.position.desc())
    rows = connection.execute(query.order_by(*order).limit(limit))
    return tuple(_read(row) for row in rows)


def _earlier(connection: Connection, before: int) -> ColumnElement[bool]:
    """Whether an event comes after `before` in a list of all stations, newest first."""
    time = connection.execute(select(events.c.time).where(events.c.position == before)).scalar()
    return false() if time is None else tuple_(events.c.time, events.c.position) < tuple_(time, before)


def _read(row: Row[Any]) -> Event:
    try:
        return event(json.loads(row.body), row.hash)
    except search.UNREADABLE:
        return Event(row.position, row.kind, "unknown", schema.moment(row.time), damaged(row.position), row.hash)


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
        station=values.get("station", ""),
    )
