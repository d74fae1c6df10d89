"""Finding entries, newest first; every way of asking has an index that gives its answers in that order."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select, tuple_

from platewatch.errors import InputError
from platewatch.inspection import Inspection
from platewatch.records import schema
from platewatch.records.schema import entries, terms
from platewatch.records.search_index import REVIEWER, TEXT, words
from platewatch.records.values import Entry, Judgement, Outcome, Page, Query, Review, Reviewed

_RARE = 2000  # places of a word, up to which they are looked up instead of met on the way
_CHUNK = 200  # of these at a time
_LAST = "\U0010ffff"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSPECTION = TypeAdapter(Inspection)

Place = tuple[int, int]
"""When an entry was received, and its number: the order of everything that is found."""

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
    beginnings = words(query.text or "")
    if query.text is not None and not beginnings:
        return Page((), None)
    conditions = list(_conditions(query))
    rarest, rare = _rarest(connection, beginnings)
    conditions += [_has(_beginning(word)) for word in beginnings if rare is None or word != rarest]
    if rare is not None:
        conditions += [_has(_reviewed_by(query.reviewer))] if query.reviewer is not None else []
        rows = _among(connection, rare, conditions, query)
    elif query.reviewer is not None:
        joined = terms.join(entries, entries.c.number == terms.c.number)
        chosen = select(terms.c.received, terms.c.number).select_from(joined)
        chosen = chosen.where(_reviewed_by(query.reviewer), *conditions)
        rows = _ordered(connection, chosen, terms.c, query.limit, query.before)
    else:
        chosen = select(entries.c.received, entries.c.number).where(*conditions)
        rows = _ordered(connection, chosen, entries.c, query.limit, query.before)
    return _page(connection, rows, query.limit)


def queue(connection: Connection, limit: int, before: str | None) -> Page:
    """The entries that wait for a review, newest first."""
    chosen = select(entries.c.received, entries.c.number).where(entries.c.waiting)
    return _page(connection, _ordered(connection, chosen, entries.c, limit, before), limit)


def _ordered(connection: Connection, chosen: Select[Any], columns: Any, limit: int, before: str | None) -> list[Place]:
    """The newest places chosen, one more than the page holds, to see whether there is another."""
    if before is not None:
        chosen = chosen.where(tuple_(columns.received, columns.number) < tuple_(*_cursor(before)))
    ordered = chosen.order_by(columns.received.desc(), columns.number.desc()).limit(limit + 1)
    return [(row.received, row.number) for row in connection.execute(ordered)]


def _among(
    connection: Connection, places: list[Place], conditions: Sequence[ColumnElement[bool]], query: Query
) -> list[Place]:
    """Those of the places, newest first, that fulfil the conditions; as many as `_ordered` gives."""
    last = None if query.before is None else _cursor(query.before)
    places = [place for place in places if last is None or place < last]
    found = list[Place]()
    for start in range(0, len(places), _CHUNK):
        if len(found) > query.limit:
            break
        chunk = places[start : start + _CHUNK]
        numbers = [number for _, number in chunk]
        kept = set(
            connection.execute(select(entries.c.number).where(entries.c.number.in_(numbers), *conditions)).scalars()
        )
        found += [place for place in chunk if place[1] in kept]
    return found[: query.limit + 1]


def _page(connection: Connection, places: list[Place], limit: int) -> Page:
    found = load(connection, [number for _, number in places[:limit]])
    received, number = places[limit - 1] if len(places) > limit else (0, 0)
    return Page(tuple(found), f"{received}-{number}" if len(places) > limit else None)


def _cursor(before: str) -> Place:
    received, dash, number = before.partition("-")
    if not (dash and received.isdecimal() and number.isdecimal() and len(before) < 40):
        raise InputError("query", f"before {before!r}", expected="a page's next", remedy="begin again without it")
    return int(received), int(number)


def _conditions(query: Query) -> Iterable[ColumnElement[bool]]:
    if query.since is not None:
        yield entries.c.received >= microseconds(query.since)
    if query.until is not None:
        yield entries.c.received < microseconds(query.until)
    for name in ("outcome", "plate_id", "model_id", "judgement"):
        if getattr(query, name) is not None:
            yield entries.c[name] == getattr(query, name)
    if query.reviewed is not None:
        yield entries.c.review.is_not(None) if query.reviewed else entries.c.review.is_(None)


def _rarest(connection: Connection, beginnings: set[str]) -> tuple[str | None, list[Place] | None]:
    """The rarest beginning and where its words occur, newest first; None when even that is common.

    What is common is met soon on the way from the newest entry on; what is rare is looked up.
    """
    rarest, places = None, None
    for word in sorted(beginnings):
        chosen = select(terms.c.received, terms.c.number).where(_beginning(word)).limit(_RARE + 1)
        found = {(row.received, row.number) for row in connection.execute(chosen)}
        if len(found) <= _RARE and (places is None or len(found) < len(places)):
            rarest, places = word, sorted(found, reverse=True)
    return rarest, places


def _beginning(word: str) -> ColumnElement[bool]:
    return and_(terms.c.kind == TEXT, terms.c.word >= word, terms.c.word < word + _LAST)


def _reviewed_by(reviewer: str | None) -> ColumnElement[bool]:
    return and_(terms.c.kind == REVIEWER, terms.c.word == reviewer)


def _has(term: ColumnElement[bool]) -> ColumnElement[bool]:
    """Asked of each entry on the way: PostgreSQL would make EXISTS a join of all that has a common word."""
    found = select(terms.c.number).where(terms.c.number == entries.c.number, term).correlate(entries).limit(1)
    return found.scalar_subquery().is_not(None)


def reviewed(connection: Connection, query: Query) -> tuple[Reviewed, ...]:
    """Every plate within the query's time that has a standing review, in the order of arrival."""
    kept = (_photo.c.sha256.is_not(None) & _photo.c.pruned.is_(None)).label("kept")
    columns = entries.c.number, entries.c.plate_id, entries.c.outcome, entries.c.judgement, entries.c.photograph, kept
    joined = entries.outerjoin(_photo, _photo.c.sha256 == entries.c.photograph)
    chosen = select(*columns).select_from(joined).where(*_conditions(query)).order_by(entries.c.received)
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
