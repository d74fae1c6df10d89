"""The connection to SQLite or PostgreSQL: durable transactions, one writer at a time, errors as RecordError."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnection

from platewatch.errors import RecordError, RecordUnavailable
from platewatch.printable import printable
from platewatch.records import schema, schema_versions, stations, urls
from platewatch.records.photographs import close_to_others

_BUSY_MS = 10_000  # longest wait for another process's write
_CACHE_KIB = 512  # pages that a connection of SQLite keeps; every write of another one makes them worthless
_WRITES = {"platewatch_writes": True}
_CHECKER = "SELECT to_regprocedure('bt_index_check(regclass,boolean)')"
_INDICES = (
    "SELECT c.oid::regclass::text FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
    " WHERE a.amname = 'btree' AND c.relnamespace = current_schema()::regnamespace"
)
_POSTGRESQL: dict[str, Any] = {
    "pool_pre_ping": True,  # replace connections that the server has dropped
    "connect_args": {
        "connect_timeout": 5,
        "keepalives_idle": 10,  # notice a lost server within half a minute instead of hours
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "options": f"-c synchronous_commit=on -c lock_timeout={_BUSY_MS} -c idle_in_transaction_session_timeout=60000"
        " -c plan_cache_mode=force_custom_plan"  # a prepared statement's plan for any values walks all numbers
        " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",  # the server, too, notices
    },
}


class Database:
    """A database engine with a lock for the writer; may be shared by threads."""

    def __init__(self, url: str) -> None:
        """Make the engine; raises RecordError for an unusable URL."""
        self.engine = _engine(url)
        self.options: dict[str, Any] = {} if self.is_sqlite else {"connect_args": _POSTGRESQL["connect_args"]}
        """Those of `create_engine` for another connection like these."""
        self.name = _name(self.engine.url)
        self._writing = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether the record is an SQLite file; otherwise it is PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction on one consistent state of the record."""
        with self.translated(), self.engine.connect() as plain:
            snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            connection = plain.execution_options(**snapshot)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction; no other thread, process or station appends to any chain at the same time."""
        with self.appending() as connection:
            connection.execute(select(schema.heads.c.id).order_by(schema.heads.c.id).with_for_update())
            yield connection

    @contextmanager
    def appending(self) -> Iterator[Connection]:
        """A write transaction that locks the chain to which it appends (chain.py)."""
        with self._writing, self._changing() as connection:
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A write transaction that appends to no chain; with PostgreSQL it waits for none that does."""
        with self._writing if self.is_sqlite else nullcontext(), self._changing() as connection:
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self.translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**_WRITES)
            with connection.begin():
                yield connection

    @property
    def file(self) -> Path | None:
        """The SQLite file; None in memory or with PostgreSQL."""
        file = self.engine.url.database if self.is_sqlite else None
        return Path(file) if file and file != ":memory:" else None

    @property
    def folder(self) -> Path | None:
        """The default folder of photographs, beside the SQLite file; None in memory or with PostgreSQL."""
        file = self.engine.url.database if self.is_sqlite else None
        return Path(f"{file}.photographs") if file and file != ":memory:" else None

    def prepare_file(self, *, create: bool = True) -> None:
        """Make SQLite's file, unless it is there; nothing with PostgreSQL."""
        if self.file is not None:
            _prepare_file(self.file, create=create)

    def prepare(self, *, create: bool) -> None:
        """Create the tables or migrate them to this version; raises RecordError if there are none and not `create`."""
        self.prepare_file(create=create)
        with self.reading() as connection:
            at = schema_versions.revision(connection)
        if at == schema_versions.REVISION:
            return
        if at is None and not create:
            raise _no_record(self.name)
        with self.translated(), self.engine.connect() as plain:
            connection = plain.execution_options(**_WRITES)
            with connection.begin():
                schema_versions.upgrade(connection, self.name)

    def station(self, name: str) -> stations.Station:
        """The station with this name; a new one gets an empty chain."""
        if not name:
            return stations.Station(stations.UNNAMED, name)
        with self.reading() as connection:
            found = stations.find(connection, name)
        if found is not None:
            return found
        with self.writing() as connection:
            return stations.register(connection, name)

    def close(self) -> None:
        """Close all connections; of SQLite, everything is in the one file then, unless another process uses it."""
        if self.file is not None and self.file.is_file():
            with suppress(RecordError):
                self.checkpoint("TRUNCATE")
        self.engine.dispose()

    def checkpoint(self, mode: str = "PASSIVE") -> None:
        """Bring SQLite's write-ahead log into the file, so that a copy of the file has all rows; waits for nobody."""
        if self.file is None:
            return
        with self.translated(), self.engine.connect() as plain:
            connection = plain.connection.driver_connection
            assert isinstance(connection, sqlite3.Connection)  # noqa: S101 - the engine's
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            except sqlite3.OperationalError:
                pass  # somebody reads or writes: the next one brings the rest
            finally:
                connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")

    def integrity(self) -> list[str]:
        """What the database's own check finds damaged; PostgreSQL checks its indices where `amcheck` is installed."""
        if not self.is_sqlite:
            return self._check_indices()
        with self.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars().all()
            rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        found = [] if pages == ["ok"] else [f"the database is damaged: {' '.join(str(page).split())}" for page in pages]
        return found + [f"the database is damaged: a row of {row[0]} belongs to none of {row[2]}" for row in rows[:20]]

    def _check_indices(self) -> list[str]:
        found = list[str]()
        with self.reading() as connection:
            if connection.exec_driver_sql(_CHECKER).scalar() is None:
                return found
            names = connection.exec_driver_sql(_INDICES).scalars().all()
        for name in names:
            try:
                with self.reading() as connection:
                    connection.exec_driver_sql("SELECT bt_index_check(%s::regclass, true)", (name,))
            except RecordError as error:
                found.append(f"the database is damaged: {error.what}")
        return found

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the database become RecordUnavailable or RecordError."""
        try:
            yield
        except (OperationalError, InterfaceError, NoConnection) as error:
            what = _line(error)
            if "Could not decode" in what:  # sqlite3 calls it operational; the row is damaged
                raise RecordError(self.name, what, remedy="see 'platewatch audit'") from error
            raise RecordUnavailable(
                self.name, f"not available ({what})", remedy="check its disk, server and lock, then try again"
            ) from error
        except SQLAlchemyError as error:
            raise RecordError(self.name, _line(error), remedy="see 'platewatch audit'") from error


def schema_at(url: str) -> str | None:
    """The migration that a record is at, which is not changed; None when there is none yet. Raises RecordError."""
    database = Database(url)
    try:
        if database.file is not None and not database.file.is_file():
            return None
        with database.reading() as connection:
            return schema_versions.revision(connection)
    finally:
        database.close()


def _prepare_file(file: Path, *, create: bool) -> None:
    if not create and not file.is_file():
        raise _no_record(str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))  # SQLite gives its log the same mode
        close_to_others(file)
    except OSError as error:
        raise RecordError(file.parent, f"cannot be made ({error.strerror})", remedy="choose another place") from error


def _no_record(name: str) -> RecordError:
    expected = "one that 'platewatch serve' or 'watch' writes"
    return RecordError(name, "no record there", expected=expected, remedy="check --records")


def _engine(url: str) -> Engine:
    if _hides_a_password(url):
        raise RecordError("record", "a URL whose password cannot be told from its place", remedy=urls.REMEDY)
    try:
        parsed = make_url(url) if "://" in url else URL.create("sqlite", database=url)  # a path may hold ? or %
        if parsed.get_backend_name() == "postgresql" and parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ArgumentError(f"no {parsed.get_backend_name()}")
        options = _POSTGRESQL if parsed.get_backend_name() == "postgresql" else {}
        engine = create_engine(parsed, **options)
    except (ArgumentError, NoSuchModuleError, ValueError):  # their texts may repeat a password
        expected = "sqlite:///records.db or postgresql://user@host/name"
        raise RecordError("record", "cannot use its URL", expected=expected) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _hides_a_password(url: str) -> bool:
    """Whether a password may have been read as part of a place: of a server, or of a file when `//` is missing."""
    if "://" not in url:
        first, _, rest = url.partition(":")  # a drive has one letter
        return len(first) > 1 and "@" in rest and (first.startswith("postgres") or "/" not in url.partition("@")[0])
    return not url.lower().startswith("sqlite") and urls.is_ambiguous(url)


def _name(url: URL) -> str:
    """The URL for messages, without its password and its query, which may hold secrets too."""
    if url.get_backend_name() == "sqlite":  # the path may hold bytes that no URL can
        return printable(f"sqlite:///{url.database or ''}")
    return url.set(query={}).render_as_string(hide_password=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Set what makes acknowledged rows survive a loss of power, and limit the memory of the connection."""
    raw: sqlite3.Connection = connection
    raw.isolation_level = None  # _begin_sqlite begins transactions, not the sqlite3 module
    raw.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA synchronous = FULL")
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; a writer takes SQLite's lock immediately, because upgrading a read lock can fail."""
    writes = connection.get_execution_options().get("platewatch_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return " ".join(str(cause).split()).rstrip(".") or type(cause).__name__
