"""Numbers for charts over many plates: counts of periods, scores of some, the newest that did not pass, reviews."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from platewatch.records import paging, schema
from platewatch.records.schema import entries, has_part_type, hourly_counts, moment, one_of
from platewatch.records.search import UNREADABLE
from platewatch.records.values import Box, Judgement, Outcome, Query

_SPARE = 3  # times as many are looked up where only one part type of several is wanted


@dataclass(frozen=True)
class Judged:
    """A plate as charts need it."""

    number: int
    received: datetime
    outcome: Outcome
    model_id: str
    score: float | None
    threshold: float
    reason: str
    evidence: dict[str, float]
    """Fractions of colour, line and texture of its worst place, or of the whole; empty without any."""
    boxes: tuple[Box, ...]
    """Left, top, width, height in px of the photograph."""


@dataclass(frozen=True)
class Counted:
    """Plates of one period and outcome."""

    outcome: Outcome
    count: int
    duration_ms: float
    """Sum of the times in which they were judged."""


@dataclass(frozen=True)
class ReviewedPlate:
    """A plate with the judgement good or defective."""

    received: int
    """µs since 1970."""
    outcome: Outcome
    judgement: Judgement


@dataclass(frozen=True)
class Numbers:
    """What charts of one time, station and part type show."""

    periods: tuple[tuple[Counted, ...], ...]
    """The counts of each period that was asked for."""
    sample: tuple[Judged, ...]
    """Plates evenly spread over the time, oldest first."""
    stopped: tuple[Judged, ...]
    """The newest plates without PASS."""
    reviewed: tuple[ReviewedPlate, ...]
    """The newest plates reviewed as good or defective."""
    kinds: dict[str, int]
    """How many plates reviewed as defective have each kind of defect; "" is none named."""


@dataclass(frozen=True)
class Most:
    """At most so many plates are read for each."""

    sample: int = 400
    stopped: int = 300
    """Of each outcome."""
    reviewed: int = 5000
    """With each judgement."""
    kinds: int = 1000


def gather(connection: Connection, query: Query, periods: Sequence[tuple[int, int]], most: Most) -> Numbers:
    """All numbers of the query's time, station and part type; `periods` are first hours and hours after the last."""
    spans = _filled(connection, paging.spans(connection, query))
    return Numbers(
        periods=tuple(_counted(connection, query, first, beyond) for first, beyond in periods),
        sample=_sample(connection, query, spans, most.sample),
        stopped=_not_passed(connection, query, spans, most.stopped),
        reviewed=_reviewed(connection, query, spans, most.reviewed),
        kinds=_kinds(connection, query, spans, most.kinds),
    )


def _counted(connection: Connection, query: Query, first: int, beyond: int) -> tuple[Counted, ...]:
    table = hourly_counts
    wanted = [table.c.hour >= first, table.c.hour < beyond]
    for name in ("station", "part_type"):
        wanted += [] if getattr(query, name) is None else [table.c[name] == getattr(query, name)]
    sums = func.sum(table.c.count), func.sum(table.c.duration)
    rows = connection.execute(select(table.c.outcome, *sums).where(*wanted).group_by(table.c.outcome))
    return tuple(Counted(Outcome(row[0]), int(row[1]), int(row[2]) / 1000) for row in rows)


def _sample(connection: Connection, query: Query, spans: paging.Spans, most: int) -> tuple[Judged, ...]:
    total = sum(last - first for first, last in spans)
    wanted = most * (_SPARE if query.part_type is not None else 1)
    step = max(1.0, total / wanted)
    numbers = [first + round(at * step) for first, last in spans for at in range(int((last - 1 - first) / step) + 1)]
    if query.part_type is not None:
        numbers = _of_part_type(connection, numbers, query.part_type)
        numbers = numbers[:: max(1, -(-len(numbers) // most))]
    return tuple(sorted(_read(connection, numbers), key=lambda plate: plate.received))


def _not_passed(connection: Connection, query: Query, spans: paging.Spans, most: int) -> tuple[Judged, ...]:
    chosen = list[int]()
    for span in spans:
        numbers, oldest = list[int](), span[0]
        for outcome in (Outcome.REJECT, Outcome.REVIEW, Outcome.FAILED):
            found = select(entries.c.number).where(entries.c.outcome == outcome, *_within(query, span))
            newest = list(connection.execute(found.order_by(entries.c.number.desc()).limit(most)).scalars())
            numbers += newest
            oldest = max(oldest, newest[-1]) if len(newest) == most else oldest  # the outcomes keep their proportions
        chosen += [number for number in numbers if number >= oldest]
    return _read(connection, chosen)


def _reviewed(connection: Connection, query: Query, spans: paging.Spans, most: int) -> tuple[ReviewedPlate, ...]:
    columns = entries.c.received, entries.c.outcome, entries.c.judgement
    plates = list[ReviewedPlate]()
    for judgement in (Judgement.GOOD, Judgement.DEFECTIVE):
        for span in spans:
            found = select(*columns).where(entries.c.judgement == judgement, *_within(query, span))
            rows = connection.execute(found.order_by(entries.c.number.desc()).limit(most))
            plates += [ReviewedPlate(at, Outcome(outcome), Judgement(said)) for at, outcome, said in rows]
    return tuple(plates)


def _kinds(connection: Connection, query: Query, spans: paging.Spans, most: int) -> dict[str, int]:
    body = schema.chain.alias("review")
    joined = entries.join(body, body.c.position == entries.c.review)
    counted = dict[str, int]()
    for span in spans:
        defective = select(body.c.body).select_from(joined).where(entries.c.judgement == Judgement.DEFECTIVE)
        newest = defective.where(*_within(query, span)).order_by(entries.c.number.desc()).limit(most)
        for text in connection.execute(newest).scalars():
            try:
                kind = str(json.loads(text).get("defect_kind", ""))
            except UNREADABLE:
                kind = ""
            counted[kind] = counted.get(kind, 0) + 1
    return counted


def _within(query: Query, span: paging.Span) -> list[ColumnElement[bool]]:
    found = [entries.c.number >= span[0], entries.c.number < span[1]]
    if query.part_type is not None:
        found += [entries.c.part_type == query.part_type]
        found += [has_part_type] if query.part_type else []
    return found


def _filled(connection: Connection, spans: paging.Spans) -> paging.Spans:
    """The spans as far as they hold plates."""
    found = []
    for first, last in spans:
        within = entries.c.number >= first, entries.c.number < last
        ends = [
            connection.execute(select(end(entries.c.number)).where(*within)).scalar() for end in (func.min, func.max)
        ]
        if ends[0] is not None and ends[1] is not None:
            found.append((int(ends[0]), int(ends[1]) + 1))
    return found


def _of_part_type(connection: Connection, numbers: Sequence[int], part_type: str) -> list[int]:
    kept = list[int]()
    for some in schema.chunks(numbers):
        of_type = select(entries.c.number).where(one_of(entries.c.number, some), entries.c.part_type == part_type)
        kept += sorted(connection.execute(of_type).scalars())
    return kept


def _read(connection: Connection, numbers: Sequence[int]) -> tuple[Judged, ...]:
    body = schema.chain.alias("body")
    joined = entries.join(body, body.c.position == entries.c.position)
    columns = entries.c.number, entries.c.received, entries.c.outcome, entries.c.model_id, body.c.body
    found = list[Judged]()
    for some in schema.chunks(numbers):
        rows = connection.execute(select(*columns).select_from(joined).where(one_of(entries.c.number, some)))
        found += [plate for plate in (_judged(row) for row in rows) if plate is not None]
    return tuple(found)


def _judged(row: Any) -> Judged | None:
    """A row as a plate; None when its body is damaged, which the audit names."""
    try:
        found = json.loads(row.body)["inspection"]
        defects = found.get("defects") or []
        evidence = (defects[0].get("evidence") if defects else found.get("evidence")) or {}
        return Judged(
            number=row.number,
            received=moment(row.received),
            outcome=Outcome(row.outcome),
            model_id=row.model_id,
            score=None if found["score"] is None else float(found["score"]),
            threshold=float(found["threshold"]),
            reason=str(found["reason"]),
            evidence={name: float(value) for name, value in evidence.items() if value is not None},
            boxes=tuple((int(x), int(y), int(w), int(h)) for x, y, w, h in (each["box"] for each in defects)),
        )
    except UNREADABLE:
        return None
