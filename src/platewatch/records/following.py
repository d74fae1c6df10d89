"""New rows of the chain after a position, as plates, reviews and events, for live pages and other processes."""

import json

from sqlalchemy import Connection, select

from platewatch.records import chain, events, schema, search
from platewatch.records.schema import entries, one_of
from platewatch.records.values import Appended, Event


def appended(connection: Connection, after: int, limit: int, *, only_events: bool) -> tuple[list[Appended], int]:
    """At most `limit` rows after the position, in order, and the position up to which all were read."""
    source = schema.events if only_events else schema.chain
    chosen = select(source.c.position).where(source.c.position > after).order_by(source.c.position).limit(limit)
    positions = list(connection.execute(chosen).scalars())
    reached = positions[-1] if len(positions) == limit else chain.head(connection).rows
    found: dict[int, Appended] = {}
    if positions and not only_events:
        within = select(entries.c.position, entries.c.number).where(one_of(entries.c.position, positions))
        numbers = {row.number: row.position for row in connection.execute(within)}
        found = {numbers[entry.number]: entry for entry in search.load(connection, list(numbers))}
    others = [position for position in positions if position not in found]
    rows = select(schema.chain).where(one_of(schema.chain.c.position, others))
    for row in connection.execute(rows) if others else ():
        try:
            values = json.loads(row.body)
            read = search.review if row.kind == chain.REVIEW else events.event
            found[row.position] = read(values, row.hash)
        except search.UNREADABLE:
            found[row.position] = Event(
                row.position, "damaged row", "record", search.moment(0), events.damaged(row.position), row.hash
            )
    return [found[position] for position in positions if position in found], reached
