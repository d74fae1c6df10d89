"""Audit of the tables: entries, valid reviews, hourly counts and search index agree with the chain."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from platewatch.records import chain, schema, search_index
from platewatch.records.schema import entries, events, reviews
from platewatch.records.values import Outcome

if TYPE_CHECKING:
    from platewatch.records.audit import Walk


def check(connection: Connection, walk: "Walk") -> None:
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
        found = walk.reviews.get(row.number, [])
        if found:
            expected += search_index.checksum(_added(connection, row, found), row.received, row.number)
        _valid_review(row, found, walk)
    if {
        (row.hour, row.outcome): row.count for row in connection.execute(select(schema.hourly_counts))
    } != walk.hourly_counts:
        walk.report(0, "the hourly counts differ from the chain")
    if search_index.total(connection) != expected:
        walk.report(0, "the words of the search index differ from the chain")


def _valid_review(row: Row[Any], found: list[dict[str, Any]], walk: "Walk") -> None:
    undone = {review["undoes"] for review in found}
    valid = [each for each in found if each["undoes"] is None and each["position"] not in undone]
    last = valid[-1] if valid else None
    waits = last is None and (row.sampled or row.outcome in (Outcome.REVIEW, Outcome.REJECT))
    expected = (last["position"], last["judgement"]) if last else (None, None)
    if (row.review, row.judgement, bool(row.waiting)) != (*expected, waits):
        walk.report(row.position, f"plate {row.number}: the table has another review than the valid one")


def _added(connection: Connection, row: Row[Any], found: list[dict[str, Any]]) -> set[search_index.Term]:
    """The search terms that the plate has from its reviews alone."""
    added = {term for each in found for term in search_index.of_review(each["reviewer"], each["note"])}
    image = chain.read(connection, row.position)["inspection"]["image"]
    return added - search_index.of_plate(row.plate_id, image)
