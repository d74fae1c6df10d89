"""Database schema of the record: the append-only table `chain`, and tables that make it fast to search.

    chain ── append-only; each row's hash covers its body and the previous hash
     ├── entries      one per plate: columns to search by, and the valid review
     ├── reviews      the plate of each review, and the review that it undoes
     └── events       kind and time
    heads             the stations, and the last row of each one's chain; its lock is the writer's lock
    terms             search index: words of plates and reviews, names of reviewers
    hourly_counts     number of plates per hour, station, part type and outcome, with their first, last and time
    photographs       stored and pruned photographs (`file`: whether the file still exists)
    destinations      webhooks and MQTT topics, with each station's numbers of deliveries and failures
    outbox            pending deliveries

Times are integer microseconds since 1970, UTC; `stored` of a photograph is the record's own time (record_time.py).
A plate's number and a row's position tell the station (stations.py). `duration` is a sum in µs.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK = 128  # values in one statement: 55 kB when it is prepared
Value = TypeVar("Value")

metadata = MetaData()


def microseconds(time: datetime) -> int:
    """An aware time in microseconds since 1970, as the tables hold it."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def moment(stored: int) -> datetime:
    """A time of the tables as datetime in this machine's zone."""
    return (_EPOCH + timedelta(microseconds=stored)).astimezone()


def one_of(column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether the column has one of these values; the last is repeated until their number is a power of two.

    Each number of values is a statement of its own, which a connection prepares and keeps: with every number up to 100
    they took 2 MB a connection. Hand in `chunks` of long ones.
    """
    missing = (1 << (len(values) - 1).bit_length()) - len(values) if values else 0
    return column.in_([*values, *[values[-1] for _ in range(missing)]])


def chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The values, at most 128 at a time."""
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _where(condition: ColumnElement[bool]) -> dict[str, Any]:
    """Options of a partial index, for both databases."""
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

heads = Table(
    "heads",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("station", String(40), nullable=False, unique=True),
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
    Column("station", String(40), nullable=False, server_default=""),
    Column("part_type", String(60), nullable=False, server_default=""),
)

Index("entries_received", entries.c.received, entries.c.number, entries.c.outcome)
Index("entries_outcome", entries.c.outcome, entries.c.number)
Index("entries_plate", entries.c.plate_id, entries.c.number)
Index("entries_model", entries.c.model_id, entries.c.number)
Index("entries_model_outcome", entries.c.model_id, entries.c.outcome, entries.c.number)
Index("entries_judgement", entries.c.judgement, entries.c.number)
Index(
    "entries_reviewed",
    entries.c.number,
    **_where(entries.c.review.is_not(None)),
)
Index(
    "entries_unreviewed",
    entries.c.number,
    **_where(entries.c.review.is_(None)),
)
Index("entries_waiting", entries.c.waiting, entries.c.number)
Index("entries_photograph", entries.c.photograph)
has_part_type = entries.c.part_type != literal_column("''")
"""The condition of the indices by part type; a query that is to use one has it too."""
Index("entries_part_type", entries.c.part_type, entries.c.number, **_where(has_part_type))
Index("entries_part_type_model", entries.c.part_type, entries.c.model_id, entries.c.number, **_where(has_part_type))
Index("entries_part_type_outcome", entries.c.part_type, entries.c.outcome, entries.c.number, **_where(has_part_type))
Index("entries_part_type_waiting", entries.c.part_type, entries.c.waiting, entries.c.number, **_where(has_part_type))

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
Index("terms_newest", terms.c.kind, terms.c.word, terms.c.number)

hourly_counts = Table(
    "hourly_counts",
    metadata,
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("station", String(40), primary_key=True),
    Column("part_type", String(60), primary_key=True),
    Column("outcome", String(8), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("duration", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
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
    Column("station", String(40), primary_key=True),
    Column("delivered", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("error", String(400)),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("destination", String(400), nullable=False),
    Column("number", BigInteger, ForeignKey("entries.number"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", BigInteger, nullable=False),
)

Index("outbox_due", outbox.c.destination, outbox.c.due, outbox.c.id)
