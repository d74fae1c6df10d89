"""Backup of a record: a consistent copy as an SQLite file with its photographs, in a new folder, audited.

    OUT/records.db               the record, whatever database it comes from
    OUT/records.db.photographs   every photograph that it lists, checked by its SHA-256 while it is copied

The record may be written meanwhile. Rows added after the copy of the database are in the next backup.
"""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import select

from platewatch import files
from platewatch.errors import OutputError, RecordError
from platewatch.progress import Progress, silent
from platewatch.records import audit, copying, schema
from platewatch.records.database import Database
from platewatch.records.photographs import Photographs
from platewatch.records.values import Audit

NAME = "records.db"
"""The file in a backup's folder."""

_TRIES = 5  # attempts, when photographs are pruned while they are copied
_STEP = 500


def write(database: Database, photographs: Photographs | None, folder: Path, progress: Progress = silent) -> Audit:
    """Write the backup to `folder`, which must be new or empty, and audit it.

    A photograph that is missing or altered is left out, and the audit names it. Raises OutputError, RecordError.
    """
    with files.whole_folder(folder, private=True) as part:
        file = part / NAME
        store = Photographs(part / f"{NAME}.photographs")
        for _ in range(_TRIES):
            _copy_database(database, file)
            if photographs is None or not _copy_photographs(database, photographs, file, store, progress):
                break
        copied = Database(str(file))
        try:
            found = audit.complete(copied, store if photographs is not None else None, progress)
        finally:
            copied.close()
    return found


def _copy_database(database: Database, file: Path) -> None:
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    if database.is_sqlite:
        with database.reading() as connection:
            target = sqlite3.connect(file)
            try:
                connection.connection.driver_connection.backup(target)  # type: ignore[union-attr]
                target.execute("PRAGMA journal_mode = DELETE")  # one file, without a write-ahead log
            except sqlite3.Error as error:
                raise OutputError(file, f"cannot be written ({error})", remedy="free some space there") from error
            finally:
                target.close()
        return
    copied = Database(str(file))
    try:
        copied.prepare(create=True)
        with database.reading() as source, copied.writing() as target_connection:
            copying.rows(source, target_connection)
    finally:
        copied.close()


def _copy_photographs(
    database: Database, photographs: Photographs, file: Path, store: Photographs, progress: Progress
) -> bool:
    """Copy the photographs that the copied database lists; returns whether one was pruned meanwhile."""
    table = schema.photographs
    listed = select(table.c.sha256).where(table.c.pruned.is_(None))
    copied = Database(str(file))
    try:
        with copied.reading() as connection:
            hashes = list(connection.execute(listed).scalars())
    finally:
        copied.close()
    missing = set[str]()
    for done, sha256 in enumerate(hashes, start=1):
        try:
            data = None if store.path(sha256).exists() else photographs.read(sha256)
        except RecordError:  # the audit reports it
            continue
        if data is not None:
            store.store(data, sha256)
        elif not store.path(sha256).exists():
            missing.add(sha256)
        if done % _STEP == 0 or done == len(hashes):
            progress("copying photographs", done, len(hashes))
    wanted = set(hashes)
    for path in store.files():
        if path.name not in wanted:
            path.unlink()
    with database.reading() as connection:
        kept = set(connection.execute(listed).scalars())
    return bool(missing - kept)
