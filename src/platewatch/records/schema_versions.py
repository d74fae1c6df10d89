"""Brings a record's tables to this version's, step by step; leaves those of a later Platewatch alone."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from platewatch.errors import RecordError

REVISION = "0003"
"""The last step that this version knows."""

_LOCK = 5_034_712  # any number that nothing else in the database uses


def revision(connection: Connection) -> str | None:
    """The step that the tables are at; None when there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def upgrade(connection: Connection, name: str, target: str = REVISION) -> None:
    """Migrate within a writing transaction; raises RecordError when the tables are a later version's or another's."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))  # several stations may start together
    at = revision(connection)
    if at is None and inspect(connection).has_table("chain"):
        raise RecordError(name, "holds tables of something else", expected="a record", remedy="name another database")
    if at is not None and at > REVISION:
        raise RecordError(
            name, f"written by a later Platewatch (schema {at}, this one reads {REVISION})", remedy="upgrade Platewatch"
        )
    if at != target:
        _run(connection, target)


def _run(connection: Connection, target: str) -> None:
    from alembic import command  # noqa: PLC0415 - takes a while, and a record is mostly up to date
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)
