"""The hash chain: each row's SHA-256 covers its body as canonical JSON and the hash of the row before."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from platewatch.records import schema
from platewatch.records.values import Head

START = "0" * 64
"""The previous hash of the first row."""

INSPECTION, REVIEW, EVENT = "inspection", "review", "event"
PRUNED = "photographs pruned"
"""Kind of the event that lists plates whose photographs were removed by the policy."""


@dataclass(frozen=True)
class Link:
    """A row just appended."""

    position: int
    hash: str
    entries: int
    """Plates in the chain up to this row: the plate's own number when the row is a plate."""


def canonical(values: dict[str, Any]) -> str:
    """The values as canonical JSON: sorted keys, ASCII, no spaces."""
    return json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def digest(previous: str, body: str) -> str:
    """The hash of a row: SHA-256 of the previous hash, a line break and the body."""
    return hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()


def append(connection: Connection, kind: str, values: dict[str, Any]) -> Link:
    """Append a row within a writing transaction; a row of kind INSPECTION gets the next plate's `number`."""
    before = connection.execute(select(schema.head)).one()
    position, number = before.position + 1, before.entries
    row = {**values, "kind": kind, "position": position}
    if kind == INSPECTION:
        number += 1
        row["number"] = number
    body = canonical(row)
    link = Link(position, digest(before.hash, body), number)
    columns = {"position": position, "kind": kind, "previous": before.hash, "hash": link.hash, "body": body}
    connection.execute(insert(schema.chain), columns)
    connection.execute(update(schema.head).values(position=position, hash=link.hash, entries=number))
    return link


def read(connection: Connection, position: int) -> dict[str, Any]:
    """The content of one row."""
    body = connection.execute(select(schema.chain.c.body).where(schema.chain.c.position == position)).scalar_one()
    values: dict[str, Any] = json.loads(body)
    return values


def head(connection: Connection) -> Head:
    """The number of rows and plates, and the hash of the last row."""
    row = connection.execute(select(schema.head)).one()
    return Head(row.position, row.entries, row.hash)
