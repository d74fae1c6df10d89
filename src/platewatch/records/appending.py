"""Adds a plate to the record: its row in the chain, its entry, search index, hourly count and photograph."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.records import chain, hourly_counts, schema, search, search_index
from platewatch.records.schema import entries
from platewatch.records.values import Outcome

_BATCH = 500  # keys per query


def check_text(name: str, value: str | None, longest: int) -> None:
    """Raise InputError for a text that is empty, longer than `longest` or not printable."""
    if value is not None and (not value.strip() or len(value) > longest or not value.isprintable()):
        expected = f"1 to {longest} printable characters"
        raise InputError(name, f"{value[:40]!r}", expected=expected, remedy="correct it or leave it out")


def drawn(inspection: Inspection, share: float) -> bool:
    """Whether this plate is among the `share` that a person looks at although it passed; the same answer every time."""
    digest = hashlib.sha256(chain.canonical(inspection.as_dict()).encode()).hexdigest()
    return int(digest[:13], 16) < share * 16**13


def find_key(connection: Connection, key: str) -> int | None:
    """The number of the entry with this key."""
    return connection.execute(select(entries.c.number).where(entries.c.key == key)).scalar()


def known(connection: Connection, keys: Sequence[str]) -> set[str]:
    """The subset of `keys` that entries have."""
    found = set[str]()
    for start in range(0, len(keys), _BATCH):
        some = keys[start : start + _BATCH]
        found |= {
            str(key) for key in connection.execute(select(entries.c.key).where(entries.c.key.in_(some))).scalars()
        }
    return found


def add(connection: Connection, inspection: Inspection, values: dict[str, Any], size: int | None) -> int:
    """Append the plate within a writing transaction; its number. `size`: bytes of the photograph if it is stored."""
    received = datetime.now(UTC)
    time = search.microseconds(received)
    outcome = Outcome(inspection.verdict or Outcome.FAILED)
    number: int = connection.execute(select(schema.head.c.entries)).scalar_one() + 1
    body = {**values, "number": number, "received": received.isoformat()}
    body |= {"stored": size is not None, "inspection": inspection.as_dict()}
    link = chain.append(connection, chain.INSPECTION, body, entries=1)
    row = {name: values[name] for name in ("plate_id", "key", "photograph", "sampled")} | {
        "number": number,
        "position": link.position,
        "received": time,
        "outcome": outcome,
        "model_id": inspection.model_id,
        "waiting": values["sampled"] or outcome in (Outcome.REVIEW, Outcome.REJECT),
    }
    connection.execute(insert(entries), row)
    search_index.index(connection, search_index.of_plate(values["plate_id"], inspection.image), time, number, new=True)
    hourly_counts.count_one(connection, time, outcome)
    if size is not None:
        _note_photograph(connection, values["photograph"], size, time)
    return number


def _note_photograph(connection: Connection, sha256: str, size: int, time: int) -> None:
    table = schema.photographs
    stored = {"stored": time, "pruned": None, "file": True}
    if not connection.execute(update(table).where(table.c.sha256 == sha256).values(stored)).rowcount:
        connection.execute(insert(table), {"sha256": sha256, "bytes": size, **stored})
