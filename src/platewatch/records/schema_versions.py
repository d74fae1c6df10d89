"""Schema migrations of a record with Alembic; a record of a later Platewatch is refused."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from platewatch.errors import RecordError

REVISION = "0005"
"""The newest migration of this version."""

UNFINISHED = "unfinished copy"
"""Stands in place of a migration while a record is copied there: no version opens it."""

_LOCK = 5_034_712  # an arbitrary number that nothing else in the database uses


def revision(connection: Connection) -> str | None:
    """The migration that the tables are at; None when there are no tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(connection: Connection, name: str, target: str = REVISION) -> None:
    """Migrate within a write transaction; raises RecordError for tables of a later version or of another program."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))  # several stations may start together
    at = revision(connection)
    if at is None and inspect(connection).has_table("chain"):
        raise RecordError(name, "holds tables of another program", expected="a record", remedy="name another database")
    if at == UNFINISHED:
        what, remedy = "a copy into it was interrupted", "run the same 'platewatch copy' again, or empty the database"
        raise RecordError(name, what, remedy=remedy)
    if at is not None and at > REVISION:
        raise RecordError(
            name, f"written by a later Platewatch (schema {at}, this one reads {REVISION})", remedy="upgrade Platewatch"
        )
    if at != target:
        _run(connection, target)


def mark_unfinished(connection: Connection, name: str) -> None:
    """Mark an empty database, so that it is no record before `finish`; raises RecordError when it is not empty."""
    if revision(connection) == UNFINISHED:
        return
    tables = inspect(connection).get_table_names()
    if tables:
        what = f"holds tables already ({', '.join(sorted(tables)[:3])} …)"
        raise RecordError(name, what, expected="an empty database", remedy="make a new one")
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:mark)"), {"mark": UNFINISHED})


def finish(connection: Connection, name: str) -> None:
    """Make the tables in place of the mark, within the transaction that fills them; raises RecordError without it."""
    removed = connection.execute(text("DELETE FROM alembic_version WHERE version_num = :mark"), {"mark": UNFINISHED})
    if not removed.rowcount:
        raise RecordError(name, "another copy into it came first", expected="an empty database")
    upgrade(connection, name)


def _run(connection: Connection, target: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and seldom needed
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
