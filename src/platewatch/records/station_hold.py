"""One process at a time under one station's name: a lock that ends with the process, however that ends.

With PostgreSQL it is an advisory lock of a connection of its own, with SQLite the lock of an empty file beside it.
"""

import fcntl
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from platewatch.errors import RecordError
from platewatch.records.database import Database
from platewatch.records.stations import Station

TAKEN = "station_taken"
"""The problem's code: another process records under this name."""
PATIENCE_S = 3.0
"""A process that ended a moment ago may still hold its lock for so long."""

_NUMBER = 5_034_713  # with the station's id the name of the lock; nothing else in the database uses it
_HOLDER = (
    "SELECT coalesce(host(a.client_addr), 'this machine') FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted"
    " AND l.classid = CAST(:number AS integer) AND l.objid = CAST(:id AS integer)"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class StationHold:
    """Keeps a station's name for this process; thread-safe. The unnamed station may be shared, as ever."""

    def __init__(self, database: Database, station: Station) -> None:
        """Nothing is held before `acquire`."""
        self._database, self._station = database, station
        self._lock = Lock()
        self._connection: Connection | None = None
        self._file: int | None = None
        self._wanted = False

    def acquire(self) -> None:
        """Take the name; raises RecordError when another process has it, RecordUnavailable without the database."""
        if not self._station.name:
            return
        end = time.monotonic() + PATIENCE_S
        with self._lock:
            self._wanted = True
            while not self._try():
                if time.monotonic() >= end:
                    raise self._refusal()
                time.sleep(0.1)

    def problems(self) -> Iterable[tuple[str, str, bool]]:
        """Takes the name again after the server was away; the problem that another process took it, for Health."""
        with self._lock:
            if self._wanted and not self._holds():
                with suppress(RecordError):  # the health check reports it
                    if not self._try():
                        yield TAKEN, f"{self._refusal().what}; stop one of the two", True

    def release(self) -> None:
        """Give the name back."""
        with self._lock:
            self._wanted = False
            self._drop()

    def _try(self) -> bool:
        file = self._database.file
        return self._try_server() if file is None else self._try_file(file)

    def _try_file(self, file: Path) -> bool:
        path = file.with_name(f"{file.name}.station-{self._station.id}.lock")
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._file = handle
        return True

    def _try_server(self) -> bool:
        with self._database.translated():
            self._drop()
            connection = self._engine().connect().execution_options(isolation_level="AUTOCOMMIT")
            taken = connection.execute(text("SELECT pg_try_advisory_lock(:number, :id)"), self._key).scalar_one()
            if taken:
                self._connection = connection
            else:
                connection.close()
            return bool(taken)

    def _engine(self) -> Engine:
        own = self._database.engine
        return create_engine(own.url, poolclass=NullPool, **self._database.options)

    @property
    def _key(self) -> dict[str, int]:
        return {"number": _NUMBER, "id": self._station.id}

    def _holds(self) -> bool:
        if self._file is not None:
            return True
        try:
            return self._connection is not None and self._connection.execute(text("SELECT 1")).scalar() == 1
        except SQLAlchemyError:
            return False

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
        if self._file is not None:
            os.close(self._file)
        self._connection = self._file = None

    def _refusal(self) -> RecordError:
        at = None
        if not self._database.is_sqlite:
            with suppress(RecordError), self._database.reading() as connection:
                at = connection.execute(text(_HOLDER), self._key).scalar()
        where = "" if at is None else f", at {at}"
        return RecordError(
            f"station {self._station.name}",
            f"another process records under this name{where}",
            expected="one process for each name",
            remedy="stop the other one, or give this one another --station",
        )
