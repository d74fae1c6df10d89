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

    A new database for each test takes five times as long.
    """
    import psycopg

    statements, plain = _statements(server), server.replace("+psycopg", "")
    with psycopg.connect(f"{plain}/postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [_NAME])
    with psycopg.connect(f"{plain}/{_NAME}") as connection:
        connection.execute(b"DROP SCHEMA public CASCADE; CREATE SCHEMA public;" + statements)
    return f"{server}/{_NAME}"


@cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.db"
        Records.open(str(path)).close()
        return path.read_bytes()


@cache
def _statements(server: str) -> bytes:
    """What makes the tables of an empty record, as SQL."""
    url, programs = servers.new_database(server, _NAME), servers.postgresql_programs()
    assert programs is not None
    Records.open(url).close()
    command = [str(programs / "pg_dump"), "--inserts", "--no-owner", url.replace("+psycopg", "")]
    dump = subprocess.run(command, check=True, capture_output=True).stdout
    return b"\n".join(line for line in dump.splitlines() if not line.startswith(b"\\"))  # psql's own commands
