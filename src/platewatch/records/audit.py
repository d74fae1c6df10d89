"""Walks the whole chain and says where it is not what was written."""

from collections.abc import Callable

from sqlalchemy import Connection, select

from platewatch.records import chain, schema
from platewatch.records.photographs import Photographs
from platewatch.records.values import Audit, Break

Progress = Callable[[int, int], None]


def audit(connection: Connection, photographs: Photographs | None, progress: Progress | None) -> Audit:
    """Recompute every hash from the first row to the last."""
    head = chain.head(connection)
    breaks = list[Break]()
    previous, expected = chain.START, 1
    for row in connection.execute(select(schema.chain).order_by(schema.chain.c.position)):
        if row.position != expected or row.previous != previous:
            breaks.append(Break(row.position, "does not follow the row before: that was altered or removed"))
        if chain.digest(row.previous, row.body) != row.hash:
            breaks.append(Break(row.position, f"{row.kind} altered: its hash is not that of what it says"))
        previous, expected = row.hash, row.position + 1
        if progress is not None:
            progress(row.position, head.rows)
    if (expected - 1, previous) != (head.rows, head.chain):
        breaks.append(Break(0, f"the chain ends at row {expected - 1}, expected {head.rows}: rows were cut off"))
    return Audit(expected - 1, 0 if photographs is None else 0, head, tuple(breaks))
