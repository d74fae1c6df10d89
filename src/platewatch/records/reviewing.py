"""Reviews of plates by people: each review and each undo is a further row; the last one not undone is valid."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update

from platewatch import printable
from platewatch.errors import InputError, NotFound
from platewatch.records import appending, chain, schema, search, search_index, stations
from platewatch.records.schema import entries, reviews
from platewatch.records.values import Box, Judgement, Outcome, Review


def review(
    connection: Connection,
    number: int,
    judgement: Judgement,
    reviewer: str,
    *,
    boxes: Sequence[Box],
    note: str,
    kind: str,
    at: str,
) -> Review:
    """Append a review made `at` this station to the chain of the plate's own; raises NotFound, InputError."""
    appending.check_text("reviewer", reviewer, 200)
    new = Review(
        id=0,
        number=number,
        judgement=Judgement(judgement),
        reviewer=reviewer,
        time=datetime.now(UTC),
        boxes=tuple(_box(box) for box in boxes),
        note=_note(note),
        kind=_kind(kind),
    )
    chain.hold(connection, number)
    return _append(connection, new, at)


def undo(connection: Connection, review_id: int, reviewer: str, *, at: str) -> Review:
    """Append the undo of a review; raises NotFound, and InputError when it is already undone."""
    appending.check_text("reviewer", reviewer, 200)
    chain.hold(connection, review_id)
    row = connection.execute(select(reviews).where(reviews.c.position == review_id)).one_or_none()
    if row is None:
        raise NotFound(f"review {review_id}", "there is none in this record", remedy="look at the plate's reviews")
    undone = connection.execute(select(reviews.c.position).where(reviews.c.undoes == review_id)).scalar()
    if row.undoes is not None or undone is not None:
        what = "is itself an undo" if row.undoes is not None else "is already undone"
        raise InputError(f"review {review_id}", what, expected="a valid review", remedy="review the plate again")
    return _append(connection, Review(0, row.number, None, reviewer, datetime.now(UTC), undoes=review_id), at)


def of_entry(connection: Connection, number: int) -> tuple[Review, ...]:
    """All reviews and undos of one plate, oldest first; raises NotFound."""
    _received(connection, number)
    joined = reviews.join(schema.chain, schema.chain.c.position == reviews.c.position)
    query = select(schema.chain.c.body, schema.chain.c.hash).select_from(joined).where(reviews.c.number == number)
    rows = connection.execute(query.order_by(reviews.c.position))
    return tuple(each for each in (_read(row.body, row.hash) for row in rows) if each is not None)


def _read(body: str, chain_hash: str) -> Review | None:
    """A row as a review; None when it is damaged, which the audit names."""
    try:
        return search.review(json.loads(body), chain_hash)
    except search.UNREADABLE:
        return None


def standing(connection: Connection, number: int) -> int | None:
    """The id of a plate's valid review, the last one that is not undone; None without one."""
    undoing = reviews.alias()
    valid = reviews.c.undoes.is_(None) & ~exists().where(undoing.c.undoes == reviews.c.position)
    query = select(func.max(reviews.c.position)).where(reviews.c.number == number, valid)
    return connection.execute(query).scalar()


def _append(connection: Connection, new: Review, at: str) -> Review:
    received, station = _received(connection, new.number)
    body: dict[str, Any] = {
        "number": new.number,
        "judgement": new.judgement,
        "reviewer": new.reviewer,
        "time": new.time.isoformat(),
        "boxes": [list(box) for box in new.boxes],
        "note": new.note,
        "undoes": new.undoes,
    }
    if new.kind:
        body["defect_kind"] = new.kind
    if at != station:
        body["at"] = at
    link = chain.append(connection, stations.of_number(new.number), chain.REVIEW, body)
    connection.execute(insert(reviews), {"position": link.position, "number": new.number, "undoes": new.undoes})
    search_index.index(connection, search_index.of_review(new.reviewer, new.note, new.kind), received, new.number)
    position: int | None = link.position
    judgement: str | None = new.judgement
    if new.undoes is not None:
        position, judgement = _valid(connection, new.number)
    _set_review(connection, new.number, position, judgement)
    return replace(new, id=link.position, time=new.time.astimezone(), chain=link.hash)


def _valid(connection: Connection, number: int) -> tuple[int | None, str | None]:
    """Id and judgement of the valid review after an undo."""
    position = standing(connection, number)
    return position, None if position is None else chain.read(connection, position)["judgement"]


def _set_review(connection: Connection, number: int, position: int | None, judgement: str | None) -> None:
    """Set the entry's columns to the valid review."""
    here = entries.c.number == number
    row = connection.execute(select(entries.c.outcome, entries.c.sampled).where(here)).one()
    waiting = position is None and (row.sampled or row.outcome in (Outcome.REVIEW, Outcome.REJECT))
    connection.execute(update(entries).where(here).values(review=position, judgement=judgement, waiting=waiting))


def _received(connection: Connection, number: int) -> tuple[int, str]:
    """When the plate came, and its station; raises NotFound."""
    columns = select(entries.c.received, entries.c.station).where(entries.c.number == number)
    row = connection.execute(columns).one_or_none()
    if row is None:
        raise NotFound(f"plate {number}", "there is none in this record", remedy="look it up in the history")
    return row.received, row.station


def _note(note: str) -> str:
    if len(note) > 2000:
        raise InputError("note", f"{len(note)} characters", expected="at most 2000", remedy="shorten it")
    return printable.lines(note)


def _kind(kind: str) -> str:
    if kind:
        appending.check_text("kind of defect", kind, 40)
    return kind


def _box(box: Box) -> Box:
    if len(box) != 4 or min(box) < 0 or min(box[2:]) < 1 or max(box) > 100_000:
        raise InputError(
            f"box {tuple(box)}", expected="left, top, width, height in px of the photograph", remedy="draw it again"
        )
    left, top, width, height = map(int, box)
    return left, top, width, height
