"""Adds a plate to the record: its row in the chain, its entry, search index, hourly count and photograph."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.records import chain, hourly_counts, schema, search, search_index
from platewatch.records.schema import entries, one_of
from platewatch.records.values import Entry, Outcome


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
    sampled: bool
    photograph: str | None
    """SHA-256 of the photograph's bytes."""
    size: int | None
    """Bytes of the photograph; None when it is not stored."""


def add(connection: Connection, new: NewPlate, record_time: int) -> Entry:
    """Append the plate within a writing transaction; `record_time` is the record's own time (record_time.py)."""
    received = datetime.now(UTC)
    time, outcome = search.microseconds(received), Outcome(new.inspection.verdict or Outcome.FAILED)
    body = {name: getattr(new, name) for name in ("plate_id", "key", "source", "photograph", "sampled")}
    body |= {"received": received.isoformat(), "stored": new.size is not None, "inspection": new.values}
    link = chain.append(connection, chain.INSPECTION, body)
    row = {
        "number": link.entries,
        "position": link.position,
        "key": new.key,
        "received": time,
        "outcome": outcome,
        "plate_id": new.plate_id,
        "model_id": new.inspection.model_id,
        "photograph": new.photograph,
        "sampled": new.sampled,
        "waiting": new.sampled or outcome in (Outcome.REVIEW, Outcome.REJECT),
    }
    connection.execute(insert(entries), row)
    found = search_index.of_plate(new.plate_id, new.inspection.image)
    search_index.index(connection, found, time, link.entries, new=True)
    hourly_counts.count_one(connection, time, outcome)
    return Entry(
        number=link.entries,
        inspection=new.inspection,
        plate_id=new.plate_id,
        source=new.source,
        received=search.moment(time),
        photograph_sha256=new.photograph,
        photograph_kept=_keep_photograph(connection, new, record_time),
        sampled=new.sampled,
        review=None,
        chain=link.hash,
        key=new.key,
    )


def _keep_photograph(connection: Connection, new: NewPlate, time: int) -> bool:
    """Add the photograph to its table; returns whether it is stored, also by an earlier plate with the same bytes."""
    table = schema.photographs
    here = table.c.sha256 == new.photograph
    if new.photograph is None:
        return False
    if new.size is None:
        return connection.execute(select(table.c.sha256).where(here, table.c.pruned.is_(None))).first() is not None
    stored = {"stored": time, "pruned": None, "file": True}
    if not connection.execute(update(table).where(here).values(stored)).rowcount:
        connection.execute(insert(table), {"sha256": new.photograph, "bytes": new.size, **stored})
    return True
