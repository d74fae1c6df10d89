"""Search for entries by time, station, part type, outcome, plate, model, reviewer and words, newest first, by pages.

Newest first is the order of numbers: a clock that was set back does not change it. Every kind of query uses a database
index in that order (paging.py).
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, select

from platewatch import printable
from platewatch.inspection import Inspection
from platewatch.records import paging, schema
from platewatch.records.paging import Span, Spans
from platewatch.records.schema import entries, has_part_type, microseconds, moment, one_of, terms
from platewatch.records.search_index import REVIEWER, TEXT, words
from platewatch.records.values import Entry, Judgement, Outcome, Page, Query, Review, Reviewed

_RARE = 2000  # occurrences of a word up to which they are looked up first, instead of filtering all entries
_LAST = "\U0010ffff"
_INSPECTION = TypeAdapter(Inspection)
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""Exceptions that reading a damaged body raises."""

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


def load(connection: Connection, numbers: Sequence[int]) -> list[Entry]:
    """The entries with these numbers, in this order; missing ones are left out."""
    if not numbers:
        return []
    rows = connection.execute(_ENTRY.where(one_of(entries.c.number, numbers)))
    found = {row.number: entry(row) for row in rows}
    return [found[number] for number in numbers if number in found]


def entry(row: Row[Any]) -> Entry:
    """A row of the joined tables as an Entry; with a damaged body it has no verdict, and `error` says so."""
    try:
        body = json.loads(row.body)
        inspection, source = _INSPECTION.validate_python(body["inspection"], extra="ignore"), str(body["source"])
    except UNREADABLE:
        inspection, source = _damaged(row), "unknown"
    return Entry(
        number=row.number,
        inspection=inspection,
        plate_id=row.plate_id,
        source=source,
        received=moment(row.received),
        photograph_sha256=row.photograph,
        photograph_kept=bool(row.kept),
        sampled=row.sampled,
        review=None if row.review is None else _standing(row),
        chain=row.hash,
        key=row.key,
        station=row.station,
        part_type=row.part_type,
    )


def _damaged(row: Row[Any]) -> Inspection:
    error = f"row {row.position} of the record cannot be read; see 'platewatch audit'"
    return Inspection(
        verdict=None,
        reason="the record of this plate is damaged",
        threshold=0.0,
        error=error,
        model_id=row.model_id,
        time=moment(row.received),
        duration_ms=0.0,
    )


def _standing(row: Row[Any]) -> Review:
    """The valid review of an entry; if its row is damaged, the values in the table of entries."""
    try:
        return review(json.loads(row.review_body), row.review_hash)
    except UNREADABLE:
        note = f"row {row.review} of the record cannot be read; see 'platewatch audit'"
        judgement = Judgement(row.judgement) if row.judgement in set(Judgement) else None
        return Review(row.review, row.number, judgement, "unknown", moment(row.received), note=note)


def review(values: dict[str, Any], chain: str) -> Review:
    """The review of a row of the chain."""
    judgement = values["judgement"]
    return Review(
        id=values["position"],
        number=values["number"],
        judgement=None if judgement is None else Judgement(judgement),
        reviewer=printable.line(values["reviewer"]),
        time=datetime.fromisoformat(values["time"]).astimezone(),
        boxes=tuple((left, top, width, height) for left, top, width, height in values["boxes"]),
        note=printable.lines(values["note"]),
        undoes=values["undoes"],
        chain=chain,
        kind=printable.line(values.get("defect_kind", "")),
    )


def find(connection: Connection, query: Query) -> Page:
    """One page of the query's entries, newest first."""
    prefixes = words(query.text or "")
    spans = paging.spans(connection, query)
    if (query.text is not None and not prefixes) or not spans:
        return Page((), None)
    conditions = list(_conditions(query))
    rarest, rare = _rarest(connection, prefixes)
    conditions += [_has(_prefix(word)) for word in prefixes if rare is None or word != rarest]
    if rare is not None:
        conditions += [_has(_reviewed_by(query.reviewer))] if query.reviewer is not None else []
        found = [_among(connection, rare, conditions, query, span) for span in spans]
        return _page(connection, found, query.limit, spans)
    number, chosen = entries.c.number, select(entries.c.number).where(*conditions)
    if query.reviewer is not None:
        joined = terms.join(entries, entries.c.number == terms.c.number)
        number = terms.c.number
        chosen = select(number).select_from(joined).where(_reviewed_by(query.reviewer), *conditions)
    return _page(connection, [_ordered(connection, chosen, number, query, span) for span in spans], query.limit, spans)


def queue(connection: Connection, query: Query) -> Page:
    """One page of the entries waiting for review, newest first."""
    spans = paging.spans(connection, query)
    chosen = select(entries.c.number).where(entries.c.waiting, *_conditions(query))
    found = [_ordered(connection, chosen, entries.c.number, query, span) for span in spans]
    return _page(connection, found, query.limit, spans)


def _ordered(
    connection: Connection, chosen: Select[Any], number: ColumnElement[int], query: Query, span: Span
) -> list[int]:
    """The newest numbers of the selection, one more than the page holds, to see whether there is a next page."""
    within = chosen.where(number >= span[0], number < span[1])
    return list(connection.execute(within.order_by(number.desc()).limit(query.limit + 1)).scalars())


def _among(
    connection: Connection, numbers: list[int], conditions: Sequence[ColumnElement[bool]], query: Query, span: Span
) -> list[int]:
    """The subset of `numbers`, newest first, that fulfils the conditions; as many as `_ordered` gives."""
    numbers = [number for number in numbers if span[0] <= number < span[1]]
    found = list[int]()
    for chunk in schema.chunks(numbers):
        if len(found) > query.limit:
            break
        kept = set(
            connection.execute(select(entries.c.number).where(one_of(entries.c.number, chunk), *conditions)).scalars()
        )
        found += [number for number in chunk if number in kept]
    return found[: query.limit + 1]


def _page(connection: Connection, found: Sequence[list[int]], limit: int, spans: Spans) -> Page:
    """The page of what each span's station has, newest first, and the cursor of the rest."""
    chosen = paging.merged(connection, [numbers for numbers in found if numbers])[:limit]
    return Page(tuple(load(connection, chosen)), paging.cursor(found, chosen, spans))


def _conditions(query: Query) -> Iterable[ColumnElement[bool]]:
    if query.since is not None:  # + 0: no index by time, whose order is another one
        yield entries.c.received + 0 >= microseconds(query.since)
    if query.until is not None:
        yield entries.c.received + 0 < microseconds(query.until)
    for name in ("outcome", "plate_id", "model_id", "judgement", "part_type"):
        if getattr(query, name) is not None:
            yield entries.c[name] == getattr(query, name)
    if query.part_type and not (query.plate_id or query.judgement or query.reviewed or query.reviewer):
        yield has_part_type  # else one of those leads to fewer plates
    if query.reviewed is not None:
        yield entries.c.review.is_not(None) if query.reviewed else entries.c.review.is_(None)


def _rarest(connection: Connection, prefixes: set[str]) -> tuple[str | None, list[int] | None]:
    """The rarest prefix and the numbers of entries with its words, newest first; None when all are common.

    Entries with a rare word are looked up first. With common words, filtering from the newest entry on is faster.
    """
    rarest: str | None = None
    numbers: list[int] | None = None
    for word in sorted(prefixes):
        chosen = select(terms.c.number).where(_prefix(word)).limit(_RARE + 1)
        found = list(connection.execute(chosen).scalars())
        if len(found) <= _RARE and (numbers is None or len(set(found)) < len(numbers)):
            rarest, numbers = word, sorted(set(found), reverse=True)
    return rarest, numbers


def _prefix(word: str) -> ColumnElement[bool]:
    return and_(terms.c.kind == TEXT, terms.c.word >= word, terms.c.word < word + _LAST)


def _reviewed_by(reviewer: str | None) -> ColumnElement[bool]:
    return and_(terms.c.kind == REVIEWER, terms.c.word == reviewer)


def _has(term: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether an entry has the term, as a scalar subquery: PostgreSQL would turn EXISTS into a slow join."""
    found = select(terms.c.number).where(terms.c.number == entries.c.number, term).correlate(entries).limit(1)
    return found.scalar_subquery().is_not(None)


def reviewed(connection: Connection, query: Query) -> tuple[Reviewed, ...]:
    """Every plate within the query's time with a valid review, in the order of arrival, one station after the other."""
    kept = (_photo.c.sha256.is_not(None) & _photo.c.pruned.is_(None)).label("kept")
    columns = entries.c.number, entries.c.plate_id, entries.c.outcome, entries.c.judgement, entries.c.photograph, kept
    text = case((entries.c.outcome == Outcome.REVIEW, _body.c.body))  # only there a score may be missing or not
    joined = entries.outerjoin(_photo, _photo.c.sha256 == entries.c.photograph)
    joined = joined.join(_body, _body.c.position == entries.c.position)
    chosen = select(*columns, text).select_from(joined).where(*_conditions(query))
    spans = paging.spans(connection, query)
    if not spans:
        return ()
    within = entries.c.number >= spans[0][0], entries.c.number < spans[-1][1]
    chosen = chosen.where(*within).order_by(entries.c.number)
    return tuple(
        Reviewed(
            *(number, plate_id, Outcome(outcome), Judgement(judgement), photograph, bool(stored)),
            scored=_scored(Outcome(outcome), body),
        )
        for number, plate_id, outcome, judgement, photograph, stored, body in connection.execute(chosen)
    )


def _scored(outcome: Outcome, body: str | None) -> bool:
    """Whether a plate has a score; `body` is its row in the chain, read for REVIEW alone."""
    if outcome is not Outcome.REVIEW:
        return outcome is not Outcome.FAILED
    return body is not None and json.loads(body)["inspection"].get("score") is not None


def distinct(connection: Connection, column: ColumnElement[str], *conditions: ColumnElement[bool]) -> tuple[str, ...]:
    """The distinct values of an indexed column, in order, with one index lookup each."""
    found = list[str]()
    while True:
        beyond = (column > found[-1],) if found else ()
        value = connection.execute(select(func.min(column)).where(*conditions, *beyond)).scalar()
        if value is None:
            return tuple(found)
        found.append(value)
