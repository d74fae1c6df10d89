"""Adds a plate to the record: its row in the chain, entry, search index, hourly count, photograph and deliveries.

What is written about a plate is one statement with PostgreSQL and six to eight short ones with SQLite: how often a
program waits for the database decides how many plates a second several stations add.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, TextClause, func, select, text
from sqlalchemy.exc import IntegrityError

from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.records import chain, hourly_counts, outbox, schema, search_index
from platewatch.records.chain import End
from platewatch.records.schema import entries, heads, one_of
from platewatch.records.values import Entry, Outcome

LONGEST_PART_TYPE = 60
"""Characters of a part type."""

_CHAIN = (
    "INSERT INTO chain (position, kind, previous, hash, body) VALUES (:position, :kind, :previous, :hash, :body)",
    "UPDATE heads SET position = :position, hash = :hash, entries = :entries WHERE id = :id",
)
_COLUMNS = (
    *("number", "position", "key", "received", "outcome", "plate_id", "model_id"),
    *("photograph", "sampled", "waiting", "station", "part_type"),
)
_ENTRY = f"INSERT INTO entries ({', '.join(_COLUMNS)}) VALUES (:{', :'.join(_COLUMNS)})"  # noqa: S608 - names of columns
_PHOTOGRAPH = (
    "INSERT INTO photographs (sha256, bytes, stored, pruned, file) VALUES (:photograph, :size, :stored, NULL, true)"
    " ON CONFLICT (sha256) DO UPDATE SET stored = excluded.stored, pruned = NULL, file = true"
)


class KeyTaken(Exception):  # noqa: N818 - says what happened
    """Another station added a plate with this key at the same time; the transaction is rolled back."""


def check_text(name: str, value: str | None, longest: int) -> None:
    """Raise InputError for a text that is empty, longer than `longest` or not printable."""
    if value is not None and (not value.strip() or len(value) > longest or not value.isprintable()):
        expected = f"1 to {longest} printable characters"
        raise InputError(name, f"{value[:40]!r}", expected=expected, remedy="correct it or leave it out")


def is_sampled(inspection: str, fraction: float) -> bool:
    """Whether a plate with PASS is in the random sample for review; `inspection` is its canonical JSON.

    The sample is chosen by hash: the same Inspection always gives the same result.
    """
    digest = hashlib.sha256(inspection.encode()).hexdigest()
    return int(digest[:13], 16) < fraction * 16**13


def find_key(connection: Connection, key: str) -> int | None:
    """The number of the entry with this key."""
    return connection.execute(select(entries.c.number).where(entries.c.key == key)).scalar()


def find_photograph(connection: Connection, sha256: str, key_start: str) -> int | None:
    """The number of the newest entry with this photograph whose key begins so."""
    begins = func.substr(entries.c.key, 1, len(key_start)) == key_start
    chosen = select(func.max(entries.c.number)).where(entries.c.photograph == sha256, begins)
    return connection.execute(chosen).scalar()


def known(connection: Connection, keys: Sequence[str]) -> set[str]:
    """The subset of `keys` that entries have."""
    found = set[str]()
    for some in schema.chunks(keys):
        found |= {
            str(key) for key in connection.execute(select(entries.c.key).where(one_of(entries.c.key, some))).scalars()
        }
    return found


@dataclass(frozen=True)
class NewPlate:
    """A plate that is to be added."""

    inspection: Inspection
    values: dict[str, Any]
    """The Inspection as JSON values."""
    plate_id: str | None
    key: str | None
    source: str
    part_type: str
    sampled: bool
    photograph: str | None
    """SHA-256 of the photograph's bytes."""
    size: int | None
    """Bytes of the photograph; None when it is not stored."""
    deliver: tuple[str, ...]
    """Destinations that get it."""


def lock(connection: Connection, station: int, key: str | None) -> tuple[End, int | None]:
    """The end of the station's chain, locked, and the number of the plate with this key, None when there is none."""
    number = select(entries.c.number).where(entries.c.key == key).scalar_subquery().label("number")
    columns = (*heads.c, number) if key is not None else heads.c
    row = connection.execute(select(*columns).where(heads.c.id == station).with_for_update(of=heads)).one()
    end = End(row.id, row.station, row.position, row.hash, row.entries)
    return end, None if key is None else row.number


def add(connection: Connection, end: End, new: NewPlate, record_time: int) -> Entry:
    """Append the plate within a writing transaction; `record_time` is the record's own time (record_time.py).

    Raises KeyTaken.
    """
    received = datetime.now(UTC)
    time, outcome = schema.microseconds(received), Outcome(new.inspection.verdict or Outcome.FAILED)
    body = {name: getattr(new, name) for name in ("plate_id", "key", "source", "photograph", "sampled")}
    body |= {"received": received.isoformat(), "stored": new.size is not None, "inspection": new.values}
    if new.part_type:
        body["part_type"] = new.part_type
    row = end.next(chain.INSPECTION, body)
    number, kept = row.link.number, new.size is not None
    if new.photograph is not None and not kept:
        kept = _is_kept(connection, new.photograph)
    found = sorted(word for _, word in search_index.of_plate(new.plate_id, new.inspection.image))
    values = {
        **{name: getattr(new, name) for name in ("plate_id", "key", "photograph", "sampled", "part_type", "size")},
        **{"position": row.link.position, "kind": row.kind, "previous": row.previous, "hash": row.link.hash},
        **{"body": row.body, "id": end.id, "station": end.station, "entries": row.end.entries, "number": number},
        **{"received": time, "outcome": outcome.value, "model_id": new.inspection.model_id, "stored": record_time},
        "waiting": new.sampled or outcome in (Outcome.REVIEW, Outcome.REJECT),
        "hour": time // hourly_counts.HOUR,
        "duration": hourly_counts.duration(new.inspection.duration_ms),
        **{f"word{place}": word for place, word in enumerate(found)},
        **{f"to{place}": name for place, name in enumerate(new.deliver)},
    }
    try:
        for statement in _writes(connection.dialect.name, new.size is not None, len(found), len(new.deliver)):
            connection.execute(statement, values)
    except IntegrityError as error:
        if new.key is None:
            raise
        raise KeyTaken from error
    return Entry(
        number=number,
        inspection=new.inspection,
        plate_id=new.plate_id,
        source=new.source,
        received=schema.moment(time),
        photograph_sha256=new.photograph,
        photograph_kept=kept,
        sampled=new.sampled,
        review=None,
        chain=row.link.hash,
        key=new.key,
        station=end.station,
        part_type=new.part_type,
    )


@cache
def _writes(dialect: str, stores: bool, words: int, deliveries: int) -> tuple[TextClause, ...]:
    """The statements that write a plate, with this many words and deliveries; one with PostgreSQL."""
    parts = [*_CHAIN, _ENTRY, hourly_counts.COUNT_ONE]
    parts += [_PHOTOGRAPH] if stores else []
    parts += [search_index.insert_words(words)] if words else []
    parts += [outbox.enqueue(deliveries)] if deliveries else []
    if dialect == "sqlite":
        return tuple(text(part) for part in parts)
    together = ", ".join(f"part{place} AS ({part})" for place, part in enumerate(parts))
    return (text(f"WITH {together} SELECT 1"),)


def _is_kept(connection: Connection, photograph: str) -> bool:
    """Whether the photograph is stored, for an earlier plate with the same bytes."""
    table = schema.photographs
    found = select(table.c.sha256).where(table.c.sha256 == photograph, table.c.pruned.is_(None))
    return connection.execute(found).first() is not None
