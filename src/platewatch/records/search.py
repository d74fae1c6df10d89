"""Finding entries, newest first; every way of asking has an index that gives its answers in that order."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, false, func, select, tuple_

from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.records import schema
from platewatch.records.schema import entries, terms
from platewatch.records.terms import REVIEWER, TEXT, words
from platewatch.records.values import Entry, Judgement, Outcome, Page, Query, Review, Reviewed

_RARE = 1000  # entries with a word, up to which they are looked up one by one instead of met on the way
_LAST = "\U0010ffff"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSPECTION = TypeAdapter(Inspection)

_body = schema.chain.alias("body")
_review = schema.chain.alias("review")
_photo = schema.photographs
_ENTRY = select(
    entries,
    _body.c.body,
    _body.c.hash,
    _review.c.body.label("review_body"),
    _review.c.hash.label("review_hash"),
    (_photo.c.sha256.is_not(None) & _photo.c.pruned.is_(None)).label("kept"),
).select_from(
    entries.join(_body, _body.c.position == entries.c.position)
    .outerjoin(_review, _review.c.position == entries.c.review)
    .outerjoin(_photo, _photo.c.sha256 == entries.c.photograph)
)


def microseconds(time: datetime) -> int:
    """An aware time as the tables hold it."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def moment(stored: int) -> datetime:
    """A time of the tables, in this machine's zone."""
    return (_EPOCH + timedelta(microseconds=stored)).astimezone()


def load(connection: Connection, numbers: Sequence[int]) -> list[Entry]:
    """The entries with these numbers, in this order; those that are not there are left out."""
    if not numbers:
        return []
    rows = connection.execute(_ENTRY.where(entries.c.number.in_(numbers)))
    found = {row.number: entry(row) for row in rows}
    return [found[number] for number in numbers if number in found]


def entry(row: Row[Any]) -> Entry:
    """One row of the joined tables as an Entry."""
    body = json.loads(row.body)
    return Entry(
        number=row.number,
        inspection=_INSPECTION.validate_python(body["inspection"]),
        plate_id=row.plate_id,
        source=body["source"],
        received=moment(row.received),
        photograph_sha256=row.photograph,
        photograph_kept=bool(row.kept),
        sampled=row.sampled,
        review=None if row.review is None else review(json.loads(row.review_body), row.review_hash),
        chain=row.hash,
        key=row.key,
    )


def review(values: dict[str, Any], chain: str) -> Review:
    """A review from what its row in the chain says."""
    judgement = values["judgement"]
    return Review(
        id=values["position"],
        number=values["number"],
        judgement=None if judgement is None else Judgement(judgement),
        reviewer=values["reviewer"],
        time=datetime.fromisoformat(values["time"]).astimezone(),
        boxes=tuple((left, top, width, height) for left, top, width, height in values["boxes"]),
        note=values["note"],
        undoes=values["undoes"],
        chain=chain,
    )


def find(connection: Connection, query: Query) -> Page:
    """The entries that the query asks for, newest first."""
    conditions = list(_conditions(connection, query))
    if query.reviewer is not None:
        return _page(connection, _by_reviewer(query.reviewer, conditions), terms.c, query.limit, query.before)
    chosen = select(entries.c.received, entries.c.number).where(*conditions)
    return _page(connection, chosen, entries.c, query.limit, query.before)


def queue(connection: Connection, limit: int, before: str | None) -> Page:
    """The entries that wait for a review, newest first."""
    chosen = select(entries.c.received, entries.c.number).where(entries.c.waiting)
    return _page(connection, chosen, entries.c, limit, before)


def _by_reviewer(reviewer: str, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    joined = terms.join(entries, entries.c.number == terms.c.number)
    chosen = select(terms.c.received, terms.c.number).select_from(joined)
    return chosen.where(terms.c.kind == REVIEWER, terms.c.word == reviewer, *conditions)


def _page(connection: Connection, chosen: Select[Any], columns: Any, limit: int, before: str | None) -> Page:
    if before is not None:
        chosen = chosen.where(tuple_(columns.received, columns.number) < tuple_(*_cursor(before)))
    ordered = chosen.order_by(columns.received.desc(), columns.number.desc()).limit(limit + 1)
    rows = connection.execute(ordered).all()
    more = len(rows) > limit
    found = load(connection, [row.number for row in rows[:limit]])
    return Page(tuple(found), f"{rows[limit - 1].received}-{rows[limit - 1].number}" if more else None)


def _cursor(before: str) -> tuple[int, int]:
    received, dash, number = before.partition("-")
    if not (dash and received.isdecimal() and number.isdecimal() and len(before) < 40):
        raise InputError(f"query: before {before!r}, expected a page's next; begin again without it")
    return int(received), int(number)


def _conditions(connection: Connection, query: Query) -> Iterable[ColumnElement[bool]]:
    if query.since is not None:
        yield entries.c.received >= microseconds(query.since)
    if query.until is not None:
        yield entries.c.received < microseconds(query.until)
    for name in ("outcome", "plate_id", "model_id", "judgement"):
        if getattr(query, name) is not None:
            yield entries.c[name] == getattr(query, name)
    if query.reviewed is not None:
        yield entries.c.review.is_not(None) if query.reviewed else entries.c.review.is_(None)
    if query.text is not None:
        yield _text(connection, query.text)


def _text(connection: Connection, text: str) -> ColumnElement[bool]:
    """All words occur: a rare one gives the few entries to look at, common ones are met soon on the way."""
    beginnings = words(text)
    if not beginnings:
        return false()
    conditions = dict[str, ColumnElement[bool]]()
    for word in beginnings:
        matches = and_(terms.c.kind == TEXT, terms.c.word >= word, terms.c.word < word + _LAST)
        few = connection.execute(select(terms.c.number).where(matches).limit(_RARE + 1)).scalars().all()
        if len(few) <= _RARE:
            conditions[word] = entries.c.number.in_(sorted(set(few)))
        else:
            conditions[word] = exists().where(terms.c.number == entries.c.number, matches).correlate(entries)
    return and_(*conditions.values())


def reviewed(connection: Connection) -> tuple[Reviewed, ...]:
    """Every plate on which a person's word stands, in the order of arrival."""
    kept = (_photo.c.sha256.is_not(None) & _photo.c.pruned.is_(None)).label("kept")
    columns = entries.c.number, entries.c.plate_id, entries.c.outcome, entries.c.judgement, entries.c.photograph, kept
    joined = entries.outerjoin(_photo, _photo.c.sha256 == entries.c.photograph)
    chosen = select(*columns).select_from(joined).where(entries.c.review.is_not(None)).order_by(entries.c.received)
    return tuple(
        Reviewed(number, plate_id, Outcome(outcome), Judgement(judgement), photograph, bool(there))
        for number, plate_id, outcome, judgement, photograph, there in connection.execute(chosen)
    )


def distinct(connection: Connection, column: ColumnElement[str], *conditions: ColumnElement[bool]) -> tuple[str, ...]:
    """The different values of an indexed column, in order, each by one look into the index."""
    found = list[str]()
    while True:
        beyond = (column > found[-1],) if found else ()
        value = connection.execute(select(func.min(column)).where(*conditions, *beyond)).scalar()
        if value is None:
            return tuple(found)
        found.append(value)
