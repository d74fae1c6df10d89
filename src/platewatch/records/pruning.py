"""Pruning: removes photographs that the policy no longer keeps, and records it as an event; rows and hashes stay.

Photographs of plates waiting for review are never removed. By age all others without a review are removed; age is
counted in the record's own time (record_time.py). For lack of space the photographs of passing plates without a review
are removed first, then the others, each from the oldest on.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, exists, func, select, update

from platewatch.errors import RecordUnavailable
from platewatch.records import events
from platewatch.records.chain import PRUNED
from platewatch.records.database import Database
from platewatch.records.photographs import Photographs
from platewatch.records.policy import Keep, Policy
from platewatch.records.record_time import DAY, RecordTime
from platewatch.records.schema import chunks, entries, one_of, photographs
from platewatch.records.stations import Station
from platewatch.records.values import Outcome, Pruned

_BATCH = 500  # photographs pruned in one transaction; plates are added between two transactions


def prune(database: Database, store: Photographs, policy: Policy, record_time: RecordTime, station: Station) -> Pruned:
    """Apply the policy to the photographs; raises RecordUnavailable when a file cannot be removed."""
    count = freed = 0
    _remove(database, store)  # files left by a crash
    while True:
        with database.writing() as connection:
            chosen = _next(connection, policy, record_time)
            if chosen:
                _mark(connection, chosen, policy, station)
            left = _kept_bytes(connection)
        count, freed = count + len(chosen), freed + sum(row.bytes for row in chosen)
        _remove(database, store)
        if not chosen:
            over = 0 if policy.gigabytes is None else max(0, left - round(policy.gigabytes * 1e9))
            return Pruned(count, freed, left, over)


def _next(connection: Connection, policy: Policy, record_time: RecordTime) -> Sequence[Row[Any]]:
    """The next photographs to prune, at most a batch."""
    if policy.days is not None:
        old = photographs.c.stored < record_time.now(connection, policy) - round(policy.days * DAY)
        rows = connection.execute(_candidates(old, ~_reviewed()).order_by(photographs.c.stored).limit(_BATCH)).all()
        if rows:
            return rows
    if policy.keep is Keep.NOT_PASSED:
        rows = connection.execute(_candidates(~_worth_keeping()).order_by(photographs.c.stored).limit(_BATCH)).all()
        if rows:
            return rows
    if policy.gigabytes is None:
        return ()
    excess = _kept_bytes(connection) - round(policy.gigabytes * 1e9)
    if excess <= 0:
        return ()
    order = case((_worth_keeping(), 1), else_=0), photographs.c.stored
    return list(_until(connection.execute(_candidates().order_by(*order).limit(_BATCH)).all(), excess))


def _candidates(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Photographs that are stored and of which no plate waits for review."""
    waiting = exists().where(entries.c.photograph == photographs.c.sha256, entries.c.waiting)
    return select(photographs).where(photographs.c.pruned.is_(None), ~waiting, *conditions)


def _worth_keeping() -> ColumnElement[bool]:
    """Photographs of a plate that did not pass, was reviewed, or was sampled for review."""
    more = (entries.c.outcome != Outcome.PASS) | entries.c.review.is_not(None) | entries.c.sampled
    return exists().where(entries.c.photograph == photographs.c.sha256, more)


def _reviewed() -> ColumnElement[bool]:
    """Photographs of a plate with a valid review."""
    return exists().where(entries.c.photograph == photographs.c.sha256, entries.c.review.is_not(None))


def _until(rows: Iterable[Row[Any]], excess: int) -> Iterable[Row[Any]]:
    for row in rows:
        if excess <= 0:
            return
        excess -= row.bytes
        yield row


def _kept_bytes(connection: Connection) -> int:
    kept = select(func.coalesce(func.sum(photographs.c.bytes), 0)).where(photographs.c.pruned.is_(None))
    return int(connection.execute(kept).scalar_one())


def _mark(connection: Connection, chosen: Sequence[Row[Any]], policy: Policy, station: Station) -> None:
    """Mark the photographs as pruned and record the event in this station's chain; it names plates of all stations."""
    hashes = [row.sha256 for row in chosen]
    plates = list[int]()
    for some in chunks(hashes):
        plates += connection.execute(select(entries.c.number).where(one_of(entries.c.photograph, some))).scalars()
    details = {
        "photographs": len(chosen),
        "bytes": sum(row.bytes for row in chosen),
        "plates": _ranges(sorted(plates)),
        "policy": {"keep": policy.keep, "days": policy.days, "gigabytes": policy.gigabytes},
    }
    events.add(connection, station, PRUNED, "policy", details)
    pruned = time.time_ns() // 1000
    for some in chunks(hashes):
        connection.execute(update(photographs).where(one_of(photographs.c.sha256, some)).values(pruned=pruned))


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Ascending numbers as [first, last] of each run of consecutive numbers."""
    runs = list[list[int]]()
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _remove(database: Database, store: Photographs) -> None:
    """Remove the files of pruned photographs in a write transaction, so that no plate with one of them is added."""
    while True:
        with database.writing() as connection:
            pruned = select(photographs.c.sha256).where(photographs.c.pruned.is_not(None), photographs.c.file)
            hashes = connection.execute(pruned.limit(_BATCH)).scalars().all()
            if not hashes:
                return
            try:
                for sha256 in hashes:
                    store.remove(sha256)
            except OSError as error:
                what = f"a photograph cannot be removed ({error.strerror})"
                raise RecordUnavailable(store.folder, what, remedy="check its permissions") from error
            for some in chunks(hashes):
                connection.execute(update(photographs).where(one_of(photographs.c.sha256, some)).values(file=False))
