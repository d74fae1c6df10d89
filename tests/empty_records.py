"""Empty records with their tables, made once and copied: the migrations take longer than most tests."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import servers
from platewatch.records import Records

_NAME = "emptied"


def sqlite(path: Path) -> str:
    """The URL of an empty record in this new file."""
    path.write_bytes(_file())
    return f"sqlite:///{path}"


def postgresql(server: str) -> str:
    """The URL of one database of the server, which ends its connections and is empty again after each call.

    A new database for each test takes five times as long as new tables, and new tables ten times as long as no rows.
    """
    import psycopg

    (made, rows), plain = _statements(server), server.replace("+psycopg", "")
    with psycopg.connect(f"{plain}/postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [_NAME])
    with psycopg.connect(f"{plain}/{_NAME}") as connection:
        if connection.execute(b"SELECT altered FROM noted.schema").fetchall() == [(False,)]:
            connection.execute(rows)
        else:
            connection.execute(b"DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + made + _UNALTERED)
    return f"{server}/{_NAME}"


_UNALTERED = b"UPDATE noted.schema SET altered = false;"
_NOTING = b"""
CREATE SCHEMA noted;
CREATE TABLE noted.schema (altered boolean);
INSERT INTO noted.schema VALUES (false);
CREATE FUNCTION noted.note() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE noted.schema SET altered = true; END $$;
CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION noted.note();
"""
"""Makes the database note that a test altered a table, a trigger or a function."""


@cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        Records.open(str(path)).close()
        return path.read_bytes()


@cache
def _statements(server: str) -> tuple[bytes, bytes]:
    """What makes the tables of an empty record, and what empties them, as SQL."""
    import psycopg

    url, programs = servers.new_database(server, _NAME), servers.postgresql_programs()
    assert programs is not None
    Records.open(url).close()
    plain = url.replace("+psycopg", "")
    command = [str(programs / "pg_dump"), "--inserts", "--no-owner", plain]
    dump = subprocess.run(command, check=True, capture_output=True).stdout
    lines = [line for line in dump.splitlines() if not line.startswith(b"\\")]  # psql's own commands
    with psycopg.connect(plain) as connection:
        connection.execute(_NOTING)
    tables = [b"DELETE FROM %s;" % line.split()[2] for line in lines if line.startswith(b"CREATE TABLE")]
    contents = [line for line in lines if line.startswith((b"INSERT INTO", b"SELECT pg_catalog.setval"))]
    return b"\n".join(lines), b"\n".join([b"SET session_replication_role = replica;", *tables, *contents])
