"""New rows of the chains after a position, as plates, reviews and events, for live pages and other processes."""

import json
from collections.abc import Mapping

from sqlalchemy import Connection, select

from platewatch.records import chain, events, schema, search, stations
from platewatch.records.schema import entries, one_of
from platewatch.records.values import Appended, Event, Head


def appended(
    connection: Connection, after: Mapping[str, int], limit: int, *, only_events: bool
) -> tuple[list[Appended], dict[str, int]]:
    """At most `limit` rows after these of each station, in order, and the rows up to which all were read.

    A station that `after` does not name is read from its first row on.
    """
    found, reached = list[Appended](), dict[str, int]()
    for station, end in stations.ends(connection).items():
        begin = after.get(station, stations.first(end))
        rows, reached[station] = _of_one(connection, begin, end, limit - len(found), only_events=only_events)
        found += rows
    return found, reached


def _of_one(
    connection: Connection, after: int, end: Head, limit: int, *, only_events: bool
) -> tuple[list[Appended], int]:
    if end.rows <= after or limit < 1:
        return [], after
    source = schema.events if only_events else schema.chain
    within = source.c.position > after, source.c.position <= end.rows
    chosen = select(source.c.position).where(*within).order_by(source.c.position).limit(limit)
    positions = list(connection.execute(chosen).scalars())
    reached = positions[-1] if len(positions) == limit else end.rows
    found: dict[int, Appended] = {}
    if positions and not only_events:
        numbers = select(entries.c.position, entries.c.number).where(one_of(entries.c.position, positions))
        of_plates = {row.number: row.position for row in connection.execute(numbers)}
        found = {of_plates[entry.number]: entry for entry in search.load(connection, list(of_plates))}
    others = [position for position in positions if position not in found]
    rows = select(schema.chain).where(one_of(schema.chain.c.position, others))
    for row in connection.execute(rows) if others else ():
        try:
            values = json.loads(row.body)
            read = search.review if row.kind == chain.REVIEW else events.event
            found[row.position] = read(values, row.hash)
        except search.UNREADABLE:
            details, time = events.damaged(row.position), schema.moment(0)
            found[row.position] = Event(row.position, "damaged row", "record", time, details, row.hash, end.station)
    return [found[position] for position in positions if position in found], reached
