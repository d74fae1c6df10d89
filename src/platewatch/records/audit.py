"""Audit: checks every row's hash, the tables and the photographs against the chain, and names the places of tampering.

The tables must show what the chain says: valid reviews, hourly counts, search index. Each photograph must be present
with the recorded SHA-256, or an event must say that it was pruned.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from platewatch.errors import RecordError, RecordUnavailable
from platewatch.progress import Progress, silent
from platewatch.records import chain, guards, schema, search, search_index
from platewatch.records.anchors import Anchor
from platewatch.records.database import Database
from platewatch.records.hourly_counts import HOUR
from platewatch.records.photographs import Photographs
from platewatch.records.schema import entries, events, reviews
from platewatch.records.values import Audit, Head, Outcome, Tampering

_MOST = 1000  # places of tampering listed at most
_STEP = 500  # rows fetched at a time, and between two reports of progress

_row = schema.chain
_ROWS = select(
    _row,
    *(column.label(f"entry_{column.name}") for column in entries.c),
    reviews.c.number.label("review_number"),
    reviews.c.undoes,
    events.c.kind.label("event_kind"),
    events.c.time.label("event_time"),
).select_from(
    _row.outerjoin(entries, entries.c.position == _row.c.position)
    .outerjoin(reviews, reviews.c.position == _row.c.position)
    .outerjoin(events, events.c.position == _row.c.position)
)


def complete(
    database: Database,
    photographs: Photographs | None,
    progress: Progress = silent,
    anchors: Sequence[Anchor] = (),
    unsigned: Sequence[Anchor] = (),
) -> Audit:
    """The audit together with the database's own check and guards. A database that is not readable is a finding.

    `unsigned` are those of the anchors that do not have the signature that they should have.

    Raises RecordUnavailable when it cannot be reached.
    """
    try:
        damaged = database.integrity()
        with database.reading() as connection:
            found = audit(connection, photographs, progress, anchors, unsigned)
            unguarded = [Tampering(0, what) for what in guards.problems(connection)]
    except RecordUnavailable:
        raise
    except (RecordError, *search.UNREADABLE, OverflowError) as error:
        damaged = [f"the database is damaged: {error.what if isinstance(error, RecordError) else error}"]
        found, unguarded = Audit(0, 0, Head(0, 0, chain.START)), []
    return replace(found, breaks=(*(Tampering(0, what) for what in damaged), *found.breaks, *unguarded)[:_MOST])


def audit(
    connection: Connection,
    photographs: Photographs | None,
    progress: Progress = silent,
    anchors: Sequence[Anchor] = (),
    unsigned: Sequence[Anchor] = (),
) -> Audit:
    """Check all rows from the first to the last; with `photographs` None the files of photographs are not checked."""
    head = chain.head(connection)
    walk, anchored = Walk(), Anchored(anchors, unsigned)
    rows = connection.execute(_ROWS.order_by(_row.c.position).execution_options(yield_per=_STEP))
    for row in rows:
        walk.visit(row)
        anchored.visit(row.position, row.hash, walk)
        if row.position % _STEP == 0 or row.position == head.rows:
            progress("rows", row.position, head.rows)
    if (walk.last, walk.hash, walk.seen[chain.INSPECTION]) != (head.rows, head.chain, head.entries):
        what = f"the chain ends at row {walk.last} with {walk.seen[chain.INSPECTION]} plates"
        walk.report(0, f"{what}, expected row {head.rows} with {head.entries}: rows were cut off or altered")
    anchored.finish(walk)
    _compare_tables(connection, walk)
    read = _compare_photographs(connection, walk, photographs, progress)
    return Audit(
        walk.rows,
        read,
        head,
        tuple(walk.tampering[:_MOST]),
        _unlisted(connection, photographs),
        len(anchors),
        anchored.last.rows,
        anchored.last.time,
    )


class Anchored:
    """Compares anchors with the chain while it is walked."""

    def __init__(self, anchors: Sequence[Anchor], unsigned: Sequence[Anchor]) -> None:
        self.last = Anchor(0, 0, chain.START)
        """The newest anchor that the chain contains."""
        self._unsigned = unsigned
        self._expected = dict[int, list[Anchor]]()
        for each in anchors:
            self._expected.setdefault(each.rows, []).append(each)

    def visit(self, position: int, digest: str, walk: "Walk") -> None:
        """Compare one row."""
        for each in self._expected.pop(position, ()):
            if each.chain != digest:
                walk.report(position, "its hash differs from the anchor: this row or earlier ones were written again")
            elif each not in self._unsigned:
                self.last = max(self.last, each, key=lambda anchor: anchor.rows)

    def finish(self, walk: "Walk") -> None:
        """Report anchors whose rows the chain lacks, and those without the signature."""
        for position in sorted(self._expected):
            if position > 0:
                walk.report(0, f"row {position} of the anchor is missing: rows were cut off, or this copy is older")
        for each in self._unsigned:
            walk.report(each.rows, "its anchor does not have the key's signature")


class Walk:
    """The state of an audit: the row reached, and what the tables have to agree with."""

    def __init__(self) -> None:
        self.rows = self.last = 0
        self.hash = chain.START
        self.tampering = list[Tampering]()
        self.seen = Counter[str]()
        """Number of rows of each kind."""
        self.reviews = dict[int, list[dict[str, Any]]]()
        """For each plate number its reviews, oldest first."""
        self.hourly_counts = Counter[tuple[int, str]]()
        self.terms = 0
        """Checksum of the search index without terms from reviews."""
        self.stored = dict[str, tuple[int, int]]()
        """For each stored photograph's hash the row and number of the first plate that has it."""
        self.pruned = list[tuple[int, int]]()
        """First and last plate number of each range whose photographs were pruned, as events say."""

    def report(self, row: int, what: str) -> None:
        """Add a place of tampering; row 0 is the record as a whole."""
        self.tampering.append(Tampering(row, what))

    def visit(self, row: Row[Any]) -> None:
        """Check one row against the row before and against the tables."""
        if row.position != self.last + 1:
            self.report(row.position, f"rows {self.last + 1} to {row.position - 1} before it were removed")
        elif row.previous != self.hash:
            self.report(row.position, "does not follow the row before: one of the two was altered")
        if chain.digest(row.previous, row.body) != row.hash:
            self.report(row.position, f"{row.kind} altered: its hash does not match its content")
        self.rows, self.last, self.hash = self.rows + 1, row.position, row.hash
        try:
            body = json.loads(row.body)
            if (body["position"], body["kind"]) != (row.position, row.kind):
                self.report(row.position, "was moved: its content names another row")
            self._tables(row, body)
        except search.UNREADABLE:
            self.report(row.position, f"{row.kind} altered: its content cannot be read")

    def _tables(self, row: Row[Any], body: dict[str, Any]) -> None:
        self.seen[row.kind] += 1
        match row.kind:
            case chain.INSPECTION:
                self._plate(row, body)
            case chain.REVIEW:
                self.reviews.setdefault(body["number"], []).append(body)
                self._compare(row, {"review_number": body["number"], "undoes": body["undoes"]})
            case chain.EVENT:
                self._compare(row, {"event_kind": body["event"], "event_time": _stored(body["time"])})
                if body["event"] == chain.PRUNED:
                    self.pruned += [(first, last) for first, last in body["details"]["plates"]]
            case _:
                self.report(row.position, f"has the unknown kind {row.kind}")

    def _plate(self, row: Row[Any], body: dict[str, Any]) -> None:
        found, number, received = body["inspection"], body["number"], _stored(body["received"])
        outcome = found["verdict"] or Outcome.FAILED
        if number != self.seen[chain.INSPECTION]:
            self.report(row.position, f"has the plate number {number}, expected {self.seen[chain.INSPECTION]}")
        columns = {f"entry_{name}": body[name] for name in ("number", "plate_id", "key", "photograph", "sampled")}
        columns |= {"entry_received": received, "entry_outcome": outcome, "entry_model_id": found["model_id"]}
        self._compare(row, columns)
        self.hourly_counts[received // HOUR, outcome] += 1
        self.terms += search_index.checksum(search_index.of_plate(body["plate_id"], found["image"]), received, number)
        if body["photograph"] is not None and body["stored"]:
            self.stored.setdefault(body["photograph"], (row.position, number))

    def _compare(self, row: Row[Any], expected: dict[str, Any]) -> None:
        for name, value in expected.items():
            if row._mapping[name] != value:
                shown = f"{row._mapping[name]!r}, the chain {value!r}"
                self.report(row.position, f"{row.kind}: the table has {name.replace('_', ' ')} {shown}")


def _stored(time: str) -> int:
    return search.microseconds(datetime.fromisoformat(time))


def _compare_tables(connection: Connection, walk: Walk) -> None:
    """Report every difference between the tables and the walk over the chain."""
    for table, kind in ((entries, chain.INSPECTION), (reviews, chain.REVIEW), (events, chain.EVENT)):
        count = connection.execute(select(func.count()).select_from(table)).scalar_one()
        if count != walk.seen[kind]:
            walk.report(0, f"the table of {table.name} has {count} rows, the chain {walk.seen[kind]}")
    expected = walk.terms
    columns = select(
        *(entries.c[name] for name in ("number", "position", "received", "review", "judgement", "waiting")),
        *(entries.c[name] for name in ("outcome", "sampled", "plate_id")),
    )
    for row in connection.execute(columns.execution_options(yield_per=5000)):
        given = walk.reviews.get(row.number, [])
        if given:
            expected += search_index.checksum(_terms_of_reviews(connection, row, given), row.received, row.number)
        _compare_review(row, given, walk)
    if {
        (row.hour, row.outcome): row.count for row in connection.execute(select(schema.hourly_counts))
    } != walk.hourly_counts:
        walk.report(0, "the hourly counts differ from the chain")
    if search_index.total(connection) != expected:
        walk.report(0, "the words of the search index differ from the chain")


def _compare_review(row: Row[Any], given: list[dict[str, Any]], walk: Walk) -> None:
    undone = {review["undoes"] for review in given}
    valid = [each for each in given if each["undoes"] is None and each["position"] not in undone]
    last = valid[-1] if valid else None
    waits = last is None and (row.sampled or row.outcome in (Outcome.REVIEW, Outcome.REJECT))
    expected = (last["position"], last["judgement"]) if last else (None, None)
    if (row.review, row.judgement, bool(row.waiting)) != (*expected, waits):
        walk.report(row.position, f"plate {row.number}: the table has another review than the valid one")


def _terms_of_reviews(connection: Connection, row: Row[Any], given: list[dict[str, Any]]) -> set[search_index.Term]:
    """The search terms that the plate has from its reviews alone."""
    added = {term for each in given for term in search_index.of_review(each["reviewer"], each["note"])}
    image = chain.read(connection, row.position)["inspection"]["image"]
    return added - search_index.of_plate(row.plate_id, image)


def _compare_photographs(
    connection: Connection, walk: Walk, photographs: Photographs | None, progress: Progress
) -> int:
    """Report every photograph that is missing or altered; returns the number of files checked."""
    total = connection.execute(select(func.count()).select_from(schema.photographs)).scalar_one()
    pruned = _merged(walk.pruned)
    waiting, read = dict(walk.stored), 0
    rows = connection.execute(select(schema.photographs).execution_options(yield_per=_STEP))
    for done, row in enumerate(rows, start=1):
        position, number = waiting.pop(row.sha256, (0, 0))
        if not position:
            walk.report(0, f"photograph {row.sha256[:12]}… is listed, but no plate has it")
        elif row.pruned is not None:
            if not _covered(number, pruned):
                walk.report(position, f"plate {number}: photograph removed, but no event says that it was pruned")
        elif photographs is not None:
            read += 1
            problem = _problem(photographs, row.sha256, row.bytes)
            if problem:
                walk.report(position, f"plate {number}: photograph {problem}")
        progress("photographs", done, total)
    for position, number in waiting.values():
        walk.report(position, f"plate {number}: its photograph is not listed")
    return read


def _problem(photographs: Photographs, sha256: str, size: int) -> str | None:
    """What is wrong with the file or with the size that the table has; None when both are intact."""
    try:
        data = photographs.read(sha256)
    except RecordError as error:
        return str(error)
    if data is None:
        return f"missing: {photographs.path(sha256)}"
    return None if len(data) == size else f"has {len(data)} bytes, the table says {size}"


def _unlisted(connection: Connection, photographs: Photographs | None) -> int:
    """Number of photographs in the folder that no row lists."""
    if photographs is None:
        return 0
    listed = set(connection.execute(select(schema.photographs.c.sha256)).scalars())
    return sum(path.name not in listed for path in photographs.files())


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges sorted and merged, so that they do not overlap."""
    merged = list[tuple[int, int]]()
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _covered(number: int, merged: list[tuple[int, int]]) -> bool:
    place = bisect_right(merged, number, key=lambda each: each[0])
    return place > 0 and number <= merged[place - 1][1]
