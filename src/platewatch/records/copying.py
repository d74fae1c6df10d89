"""Copies a whole record into an empty database, such as one of SQLite into PostgreSQL, with its photographs.

Until the copy is complete no Platewatch opens the target: it holds a mark in place of tables. Tables and rows come in
one transaction at the end, once both audits agree. A copy that was interrupted is begun again by the same command and
reads only the photographs that are not there yet.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, text, update

from platewatch.errors import InputError, RecordError
from platewatch.progress import Progress, silent
from platewatch.records import audit, schema, schema_versions, stations
from platewatch.records.database import Database
from platewatch.records.photographs import Photographs
from platewatch.records.values import Audit

_STEP = 500
_SEQUENCE = "SELECT setval(pg_get_serial_sequence('outbox', 'id'), (SELECT max(id) FROM outbox))"


def copy(
    source: Database,
    photographs: Photographs | None,
    target: Database,
    into: Photographs | None,
    progress: Progress = silent,
) -> Audit:
    """Copy rows and photographs, and audit the copy completely.

    Nobody adds to the source while its rows are copied. Raises RecordError when the target is not empty, InputError
    when it has no folder for the photographs.
    """
    with source.reading() as connection:
        hashes = _listed(connection)
    if hashes and photographs is not None and into is None:
        what = f"no folder for the {len(hashes)} photographs of {source.name}"
        raise InputError(target.name, what, remedy="name one with --into")
    target.prepare_file()
    with target.changing() as connection:
        schema_versions.mark_unfinished(connection, target.name)
    _copy_photographs(hashes, photographs, into, progress)
    with source.writing() as reading:
        _copy_photographs(_listed(reading), photographs, into, silent)  # those that came meanwhile
        before = audit.audit(reading, None, progress)
        with target.changing() as writing:
            schema_versions.finish(writing, target.name)
            rows(reading, writing, progress)
            after = audit.audit(writing, None, progress)
            if after != before:
                what = f"its audit differs: {after.rows} rows, of {before.rows} in {source.name}"
                raise RecordError(target.name, what, remedy="see 'platewatch audit' of the original")
    return audit.complete(target, into, progress)


def rows(source: Connection, target: Connection, progress: Progress = silent) -> None:
    """Copy all rows of all tables into the empty tables of another database."""
    for table in schema.metadata.sorted_tables:
        if table is schema.heads:
            _copy_heads(source, target)
            continue
        total, done = source.execute(select(func.count()).select_from(table)).scalar_one(), 0
        found = source.execute(select(table).order_by(*table.primary_key).execution_options(yield_per=_STEP))
        for some in found.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in some])
            done += len(some)
            progress(f"copying {table.name}", done, total)
    if target.dialect.name == "postgresql":
        target.execute(text(_SEQUENCE))


def _copy_heads(source: Connection, target: Connection) -> None:
    """The ends of the chains; the unnamed one's is there already, at row 0."""
    for row in source.execute(select(schema.heads)).mappings():
        if row["id"] != stations.UNNAMED:
            target.execute(insert(schema.heads), dict(row))
        elif row["position"]:
            end = {name: row[name] for name in ("position", "hash", "entries")}
            target.execute(update(schema.heads).where(schema.heads.c.id == row["id"]).values(**end))


def _listed(connection: Connection) -> Sequence[str]:
    kept = select(schema.photographs.c.sha256).where(schema.photographs.c.pruned.is_(None))
    return connection.execute(kept).scalars().all()


def _copy_photographs(
    hashes: Sequence[str], photographs: Photographs | None, into: Photographs | None, progress: Progress
) -> None:
    """Copy those that are not there yet; the audit reports one that is missing or altered."""
    if photographs is None or into is None or photographs.folder == into.folder:
        return
    for done, sha256 in enumerate(hashes, start=1):
        if not into.path(sha256).exists():
            try:
                data = photographs.read(sha256)
            except RecordError:
                data = None
            if data is not None:
                into.store(data, sha256)
        if done % _STEP == 0 or done == len(hashes):
            progress("copying photographs", done, len(hashes))
