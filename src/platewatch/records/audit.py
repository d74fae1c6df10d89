"""Audit: checks every row's hash, the tables and the photographs against the chain, and names the places of tampering.

The tables must show what the chain says: valid reviews, hourly counts, search index. Each photograph must be present
with the recorded SHA-256, or an event must say that it was pruned.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, func, select

from platewatch.errors import RecordError, RecordUnavailable
from platewatch.progress import Progress, silent
from platewatch.records import chain, guards, schema, search, search_index, stations
from platewatch.records.anchors import Anchor
from platewatch.records.audit_walk import Anchored, ChainWalk, Walk
from platewatch.records.database import Database
from platewatch.records.photographs import Photographs
from platewatch.records.schema import entries, events, one_of, reviews
from platewatch.records.values import RANGE, Audit, ChainAudit, Head, Outcome, Tampering

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
        found, unguarded = Audit(0, 0, Head(0, 0, stations.START)), []
    return replace(found, breaks=(*(Tampering(0, what) for what in damaged), *found.breaks, *unguarded)[:_MOST])


def audit(
    connection: Connection,
    photographs: Photographs | None,
    progress: Progress = silent,
    anchors: Sequence[Anchor] = (),
    unsigned: Sequence[Anchor] = (),
) -> Audit:
    """Check all rows from the first to the last; with `photographs` None the files of photographs are not checked."""
    ends = stations.ends(connection)
    expected = sum(end.length for end in ends.values())
    walk, anchored = Walk(stations.known(connection)), Anchored(anchors, unsigned)
    rows = connection.execute(_ROWS.order_by(_row.c.position).execution_options(yield_per=_STEP))
    for done, row in enumerate(rows, start=1):
        walk.visit(row)
        anchored.visit(row.position, row.hash, walk)
        if done % _STEP == 0 or done == expected:
            progress("rows", done, expected)
    chains = tuple(_end(walk, each, ends, anchored) for each in walk.chains.values())
    anchored.finish(walk)
    _compare_heads(connection, walk)
    _compare_tables(connection, walk)
    read = _compare_photographs(connection, walk, photographs, progress)
    first = next((each for each in chains if each.rows), chains[0])
    return Audit(
        sum(each.rows for each in chains),
        read,
        first.head,
        tuple(walk.tampering[:_MOST]),
        _unlisted(connection, photographs),
        len(anchors),
        anchored.row(first.station, walk),
        first.anchored_since,
        tuple(each for each in chains if each.rows or each.station),
    )


def _end(walk: Walk, found: ChainWalk, ends: dict[str, Head], anchored: Anchored) -> ChainAudit:
    """What was found in one chain; its end has to be the one that the table of heads names."""
    station = found.station
    end = ends.get(station.name) if station.name or station.id == stations.UNNAMED else None
    end = end or Head(station.base, 0, stations.genesis(station), station.name)
    if (found.last, found.hash, found.plates) != (end.rows, end.chain, end.entries):
        where = f"the chain of {station.name}" if station.name else "the chain"
        what = f"{where} ends at row {found.last} with {found.plates} plates"
        walk.report(0, f"{what}, expected row {end.rows} with {end.entries}: rows were cut off or altered")
    last = anchored.last.get(station.id)
    return ChainAudit(station.name, found.rows, end, *(0, "") if last is None else (last.rows % RANGE, last.time))


def _compare_heads(connection: Connection, walk: Walk) -> None:
    """Report every row of another chain that a row names and that is not there with its hash."""
    found = dict[int, str]()
    for some in schema.chunks([row for _, row, _ in walk.named_heads]):
        hashes = select(_row.c.position, _row.c.hash).where(one_of(_row.c.position, some))
        found |= dict(connection.execute(hashes).all())
    for position, row, digest in walk.named_heads:
        if found.get(row) != digest:
            what = "is missing" if row not in found else "has another hash"
            walk.report(position, f"names row {row} of another station as its end then; that row {what}")


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
        (row.hour, row.station, row.part_type, row.outcome): [row.count, row.duration, row.first, row.last]
        for row in connection.execute(select(schema.hourly_counts))
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
    added = {
        term
        for each in given
        for term in search_index.of_review(each["reviewer"], each["note"], each.get("defect_kind", ""))
    }
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
