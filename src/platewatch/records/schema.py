"""The record's tables. What was written lies in `chain`; the others only make it quick to find.

    chain ── append-only; each row's hash covers its body and the hash before
     ├── entries      one for each plate: columns to search by, and which review stands
     ├── reviews      which plate each is about, what it takes back
     └── events       kind and time
    head              the chain's last row: whoever locks it may append
    terms             beginnings of words and reviewers' names, by which entries are found
    hourly_counts         how many plates of each outcome in each hour
    photographs       what is stored, and what was pruned (`file`: whether its file is still there)
    destinations      who is told of each plate, and how often that went well
    outbox            what they have still to be told

Times are whole microseconds since 1970, UTC.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()


def _where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """An index of those rows alone, on either database."""
    return {"sqlite_where": condition, "postgresql_where": condition}


chain = Table(
    "chain",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("body", Text, nullable=False),
)

head = Table(
    "head",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("entries", BigInteger, nullable=False),
)

entries = Table(
    "entries",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, ForeignKey("chain.position"), nullable=False, unique=True),
    Column("key", String(400), unique=True),
    Column("received", BigInteger, nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("plate_id", String(200)),
    Column("model_id", String(64), nullable=False),
    Column("photograph", String(64)),
    Column("sampled", Boolean, nullable=False),
    Column("review", BigInteger, ForeignKey("chain.position")),
    Column("judgement", String(16)),
    Column("waiting", Boolean, nullable=False),
)

Index("entries_received", entries.c.received, entries.c.number, entries.c.outcome)
Index("entries_outcome", entries.c.outcome, entries.c.received, entries.c.number)
Index("entries_plate", entries.c.plate_id, entries.c.received, entries.c.number)
Index("entries_model", entries.c.model_id, entries.c.received, entries.c.number)
Index("entries_model_outcome", entries.c.model_id, entries.c.outcome, entries.c.received, entries.c.number)
Index("entries_judgement", entries.c.judgement, entries.c.received, entries.c.number)
Index(
    "entries_reviewed",
    entries.c.received,
    entries.c.number,
    **_where(entries.c.review.is_not(None)),
)
Index(
    "entries_unreviewed",
    entries.c.received,
    entries.c.number,
    **_where(entries.c.review.is_(None)),
)
Index("entries_waiting", entries.c.waiting, entries.c.received, entries.c.number)
Index("entries_photograph", entries.c.photograph)

reviews = Table(
    "reviews",
    metadata,
    Column("position", BigInteger, ForeignKey("chain.position"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, ForeignKey("entries.number"), nullable=False),
    Column("undoes", BigInteger, ForeignKey("reviews.position"), unique=True),
)

Index("reviews_number", reviews.c.number, reviews.c.position)

events = Table(
    "events",
    metadata,
    Column("position", BigInteger, ForeignKey("chain.position"), primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("time", BigInteger, nullable=False),
)

Index("events_kind", events.c.kind, events.c.position)
Index("events_time", events.c.time, events.c.position)

terms = Table(
    "terms",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("word", String(200).with_variant(String(200, collation="C"), "postgresql"), primary_key=True),
    Column("received", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, ForeignKey("entries.number"), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

Index("terms_number", terms.c.number, terms.c.kind, terms.c.word)

hourly_counts = Table(
    "hourly_counts",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", String(8), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

photographs = Table(
    "photographs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("pruned", BigInteger),
    Column("file", Boolean, nullable=False),
)

Index("photographs_kept", photographs.c.stored, photographs.c.bytes, **_where(photographs.c.pruned.is_(None)))
Index("photographs_doomed", photographs.c.pruned, **_where(photographs.c.pruned.is_not(None) & photographs.c.file))

destinations = Table(
    "destinations",
    metadata,
    Column("name", String(400), primary_key=True),
    Column("delivered", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("error", String(400)),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("destination", String(400), ForeignKey("destinations.name"), nullable=False),
    Column("number", BigInteger, ForeignKey("entries.number"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
)

Index("outbox_due", outbox.c.destination, outbox.c.due, outbox.c.id)
