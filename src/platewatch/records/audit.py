"""Walks the whole chain and says where it is not what was written."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from platewatch.progress import Progress, silent
from platewatch.records import audit_photographs, audit_tables, chain, schema, search, search_index
from platewatch.records.hourly_counts import HOUR
from platewatch.records.photographs import Photographs
from platewatch.records.schema import entries, events, reviews
from platewatch.records.values import Audit, Outcome, Tampering

Anchor = tuple[int, str]
"""Row and hash of a head that was written down elsewhere."""

_MOST = 1000  # breaks that are named; whoever altered more has altered all
_STEP = 500  # rows between two words of progress

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


def audit(
    connection: Connection,
    photographs: Photographs | None,
    progress: Progress = silent,
    noted: Anchor | None = None,
) -> Audit:
    """Compute everything again from the first row to the last; `photographs` None leaves their files out."""
    head = chain.head(connection)
    walk = Walk()
    rows = connection.execute(_ROWS.order_by(_row.c.position).execution_options(yield_per=_STEP))
    for row in rows:
        walk.visit(row)
        if noted is not None and noted[0] == row.position and noted[1] != row.hash:
            walk.note(row.position, "has not the hash that was noted: it or rows before it were written anew")
        if row.position % _STEP == 0 or row.position == head.rows:
            progress("rows", row.position, head.rows)
    if (walk.last, walk.hash, walk.seen[chain.INSPECTION]) != (head.rows, head.chain, head.entries):
        what = f"the chain ends at row {walk.last} with {walk.seen[chain.INSPECTION]} plates"
        walk.note(0, f"{what}, expected row {head.rows} with {head.entries}: rows were cut off or altered")
    if noted is not None and noted[0] > walk.last:
        walk.note(0, f"row {noted[0]}, whose hash was noted, is not there")
    audit_tables.check(connection, walk)
    read = audit_photographs.check(connection, walk, photographs, progress)
    return Audit(walk.rows, read, head, tuple(walk.breaks[:_MOST]))


class Walk:
    """From row to row, with all that the tables beside the chain must agree with."""

    def __init__(self) -> None:
        self.rows = self.last = 0
        self.hash = chain.START
        self.breaks = list[Tampering]()
        self.seen = Counter[str]()
        """Rows of each kind."""
        self.said = dict[int, list[dict[str, Any]]]()
        """By a plate's number its reviews, oldest first."""
        self.hourly_counts = Counter[tuple[int, str]]()
        self.terms = 0
        """Checksum of what the plates are found by, without their reviews."""
        self.stored = dict[str, tuple[int, int]]()
        """By its hash the row and number of the first plate with a photograph that was stored."""
        self.pruned = list[tuple[int, int]]()
        """First and last number of plates whose photographs an event calls pruned."""

    def note(self, row: int, what: str) -> None:
        """One more break."""
        self.breaks.append(Tampering(row, what))

    def visit(self, row: Row[Any]) -> None:
        """Check one row against the one before and against the tables beside it."""
        if row.position != self.last + 1:
            self.note(row.position, f"rows {self.last + 1} to {row.position - 1} before it were removed")
        elif row.previous != self.hash:
            self.note(row.position, "does not follow the row before: one of the two was altered")
        if chain.digest(row.previous, row.body) != row.hash:
            self.note(row.position, f"{row.kind} altered: its hash is not that of what it says")
        self.rows, self.last, self.hash = self.rows + 1, row.position, row.hash
        try:
            body = json.loads(row.body)
            if (body["position"], body["kind"]) != (row.position, row.kind):
                self.note(row.position, "was moved: it says that it is another row")
            self._tables(row, body)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.note(row.position, f"{row.kind} altered: it cannot be read any more")

    def _tables(self, row: Row[Any], body: dict[str, Any]) -> None:
        self.seen[row.kind] += 1
        match row.kind:
            case chain.INSPECTION:
                self._plate(row, body)
            case chain.REVIEW:
                self.said.setdefault(body["number"], []).append(body)
                self._compare(row, {"review_number": body["number"], "undoes": body["undoes"]})
            case chain.EVENT:
                self._compare(row, {"event_kind": body["event"], "event_time": _stored(body["time"])})
                if body["event"] == chain.PRUNED:
                    self.pruned += [(first, last) for first, last in body["details"]["plates"]]
            case _:
                self.note(row.position, f"is a {row.kind}, which no record holds")

    def _plate(self, row: Row[Any], body: dict[str, Any]) -> None:
        found, number, received = body["inspection"], body["number"], _stored(body["received"])
        outcome = found["verdict"] or Outcome.FAILED
        if number != self.seen[chain.INSPECTION]:
            self.note(row.position, f"says that it is plate {number}, expected {self.seen[chain.INSPECTION]}")
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
                self.note(row.position, f"{row.kind}: the table shows {name.replace('_', ' ')} {shown}")


def _stored(time: str) -> int:
    return search.microseconds(datetime.fromisoformat(time))
