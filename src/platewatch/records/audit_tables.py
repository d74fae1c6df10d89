"""Whether the tables beside the chain show what it says: reviews that stand, counts, words to search by."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from platewatch.records import chain, schema, search_index
from platewatch.records.schema import entries, events, reviews
from platewatch.records.values import Outcome

if TYPE_CHECKING:
    from platewatch.records.audit import Walk


def check(connection: Connection, walk: "Walk") -> None:
    """Note everything that differs from what was seen on the way."""
    for table, kind in ((entries, chain.INSPECTION), (reviews, chain.REVIEW), (events, chain.EVENT)):
        count = connection.execute(select(func.count()).select_from(table)).scalar_one()
        if count != walk.seen[kind]:
            walk.note(0, f"the table of {table.name} has {count} rows, the chain {walk.seen[kind]}")
    expected = walk.terms
    columns = select(
        *(entries.c[name] for name in ("number", "position", "received", "review", "judgement", "waiting")),
        *(entries.c[name] for name in ("outcome", "sampled", "plate_id")),
    )
    for row in connection.execute(columns.execution_options(yield_per=5000)):
        said = walk.said.get(row.number, [])
        if said:
            expected += search_index.checksum(_added(connection, row, said), row.received, row.number)
        _standing(row, said, walk)
    if {
        (row.hour, row.outcome): row.count for row in connection.execute(select(schema.hourly_counts))
    } != walk.hourly_counts:
        walk.note(0, "the counts of some hour are not those of the chain")
    if search_index.total(connection) != expected:
        walk.note(0, "the words by which plates are found are not those of the chain")


def _standing(row: Row[Any], said: list[dict[str, Any]], walk: "Walk") -> None:
    taken_back = {review["undoes"] for review in said}
    counting = [each for each in said if each["undoes"] is None and each["position"] not in taken_back]
    last = counting[-1] if counting else None
    waits = last is None and (row.sampled or row.outcome in (Outcome.REVIEW, Outcome.REJECT))
    stands = (last["position"], last["judgement"]) if last else (None, None)
    if (row.review, row.judgement, bool(row.waiting)) != (*stands, waits):
        walk.note(row.position, f"plate {row.number}: the table shows another review than the one that stands")


def _added(connection: Connection, row: Row[Any], said: list[dict[str, Any]]) -> set[search_index.Term]:
    """What the plate is found by because of its reviews alone."""
    added = {term for each in said for term in search_index.of_review(each["reviewer"], each["note"])}
    image = chain.read(connection, row.position)["inspection"]["image"]
    return added - search_index.of_plate(row.plate_id, image)
