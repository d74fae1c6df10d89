"""Hash chains: each row's SHA-256 covers its body as canonical JSON and the hash of the station's row before."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from platewatch.records import schema, stations
from platewatch.records.schema import heads

INSPECTION, REVIEW, EVENT = "inspection", "review", "event"
PRUNED = "photographs pruned"
"""Kind of the event that lists plates whose photographs were removed by the policy."""

HEADS = "heads of stations"
"""Kind of the event that names the ends of the other stations' chains at that moment."""


@dataclass(frozen=True)
class Link:
    """A row just appended."""

    position: int
    hash: str
    number: int
    """The newest plate up to this row: the plate itself when the row is a plate."""


@dataclass(frozen=True)
class NewRow:
    """A row that is to be appended, with its hash."""

    link: Link
    previous: str
    kind: str
    body: str
    end: "End"
    """The end of the chain after it."""


@dataclass(frozen=True)
class End:
    """The end of one station's chain, locked until the transaction ends."""

    id: int
    station: str
    position: int
    hash: str
    entries: int

    def next(self, kind: str, values: dict[str, Any]) -> NewRow:
        """The row after it; one of kind INSPECTION gets the next plate's `number`."""
        position, entries = self.position + 1, self.entries + (kind == INSPECTION)
        number = stations.base(self.id) + entries
        row = {**values, "kind": kind, "position": position}
        if self.station:
            row["station"] = self.station
        if kind == INSPECTION:
            row["number"] = number
        body = canonical(row)
        found = digest(self.hash, body)
        after = End(self.id, self.station, position, found, entries)
        return NewRow(Link(position, found, number), self.hash, kind, body, after)


def canonical(values: dict[str, Any]) -> str:
    """The values as canonical JSON: sorted keys, ASCII, no spaces."""
    return json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def digest(previous: str, body: str) -> str:
    """The hash of a row: SHA-256 of the previous hash, a line break and the body."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def end(connection: Connection, station: int) -> End:
    """The end of the station's chain, locked within a write transaction: nobody else appends until it ends."""
    row = connection.execute(select(heads).where(heads.c.id == station).with_for_update()).one()
    return End(row.id, row.station, row.position, row.hash, row.entries)


def hold(connection: Connection, row: int) -> None:
    """Lock the end of the chain that has this row or plate; a station that is not there has nothing to lock."""
    connection.execute(select(heads.c.id).where(heads.c.id == stations.of_number(row)).with_for_update())


def append(connection: Connection, station: int, kind: str, values: dict[str, Any]) -> Link:
    """Append a row to the station's chain within a write transaction."""
    new = end(connection, station).next(kind, values)
    link = new.link
    columns = {"position": link.position, "kind": kind, "previous": new.previous, "hash": link.hash, "body": new.body}
    connection.execute(insert(schema.chain), columns)
    end_here = {"position": link.position, "hash": link.hash}
    connection.execute(update(heads).where(heads.c.id == station).values(**end_here))
    return link


def read(connection: Connection, position: int) -> dict[str, Any]:
    """The content of one row."""
    body = connection.execute(select(schema.chain.c.body).where(schema.chain.c.position == position)).scalar_one()
    values: dict[str, Any] = json.loads(body)
    return values
