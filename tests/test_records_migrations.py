"""A record of an earlier version is migrated with all its rows; one of a later version is refused."""

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

import servers
from plate_rows import plate
from platewatch.errors import RecordError
from platewatch.inspection import Verdict
from platewatch.records import Destination, Policy, Records, schema, schema_versions


@pytest.fixture(params=["sqlite", "postgresql"])
def record_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    return servers.new_database(request.getfixturevalue("postgresql"), f"test_{uuid.uuid4().hex}")


def test_the_migrations_give_the_tables_of_the_schema(record_url: str) -> None:
    Records.open(record_url).close()
    engine = create_engine(record_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        found = {
            table: {
                str(index["name"]): index["column_names"]
                for index in inspect(connection).get_indexes(table)
                if not index.get("duplicates_constraint")
            }
            for table in schema.metadata.tables
        }
        assert schema_versions.revision(connection) == schema_versions.REVISION
    engine.dispose()
    for name, table in schema.metadata.tables.items():
        expected = {str(index.name): [column.name for column in index.columns] for index in table.indexes}
        assert {key: value for key, value in found[name].items() if key in expected} == expected


def test_the_newest_migration_is_the_revision_of_the_code() -> None:
    steps = sorted((Path(schema_versions.__file__).parent / "migrations" / "versions").glob("v*.py"))
    assert steps[-1].name[1:5] == schema_versions.REVISION


def write_as_0004(url: str) -> list[tuple[int, str, str]]:
    """A record as Platewatch wrote it before each station had a chain; returns its rows: position, hash, body."""
    engine = create_engine(url)
    with engine.begin() as connection:
        schema_versions.upgrade(connection, url, "0004")
    found = plate(Verdict.REVIEW, duration_ms=12.5).as_dict()
    received = "2026-11-30T06:00:00+00:00"
    same: dict[str, Any] = {"kind": "inspection", "plate_id": "before", "key": None, "source": "rest"}
    same |= {"photograph": None, "sampled": False, "received": received, "stored": False, "inspection": found}
    bodies: list[dict[str, Any]] = [
        same | {"number": 1},
        same | {"number": 2},
        {"kind": "review", "number": 1, "judgement": "good", "reviewer": "anna", "time": received}
        | {"boxes": [], "note": "", "undoes": None},
        {"kind": "event", "event": "login", "actor": "anna", "time": received, "details": {}},
    ]
    time, previous, rows = 1796018400000000, "0" * 64, list[tuple[int, str, str]]()
    words = {("text", word) for word in ("before", "cam7", "000123")}
    with engine.begin() as connection:
        for position, values in enumerate(bodies, start=1):
            body = json.dumps({**values, "position": position}, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()
            rows.append((position, digest, body))
            insert(connection, "chain", position, values["kind"], previous, digest, body)
            previous = digest
        for number in (1, 2):
            review = (3, "good", False) if number == 1 else (None, None, True)
            shown = (number, number, None, time, "REVIEW", "before", found["model_id"], None, False, *review)
            insert(connection, "entries", *shown)
            for kind, word in words | ({("reviewer", "anna")} if number == 1 else set()):
                insert(connection, "terms", kind, word, time, number)
        insert(connection, "reviews", 3, 1, None)
        insert(connection, "events", 4, "login", time)
        insert(connection, "hourly_counts", time // 3_600_000_000, "REVIEW", 2)
        insert(connection, "destinations", "http://there/", 5, 2, "away")
        insert(connection, "outbox", 1, "http://there/", 2, 1, 0)
        change = "UPDATE head SET position = 4, hash = :hash, entries = 2"
        connection.execute(text(change), {"hash": previous})
    engine.dispose()
    return rows


def insert(connection: Connection, table: str, *values: object) -> None:
    names = [f"v{place}" for place in range(len(values))]
    statement = f"INSERT INTO {table} VALUES ({', '.join(f':{name}' for name in names)})"
    connection.execute(text(statement), dict(zip(names, values, strict=True)))


def test_an_earlier_record_is_migrated_with_its_rows(record_url: str) -> None:
    """Bodies and hashes stay byte for byte, also when its row is one of a station without a name and goes on."""
    rows = write_as_0004(record_url)
    with Records.open(record_url, policy=Policy(review_share=0)) as records:
        engine = create_engine(record_url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT position, hash, body FROM chain ORDER BY position")).all() == rows
        engine.dispose()
        assert records.audit().breaks == ()
        assert [(each.number, each.station, each.part_type) for each in records.every()] == [(2, "", ""), (1, "", "")]
        assert records.deliveries() == (Destination("http://there/", 5, 1, 2, "away"),)
        assert records.hourly()[0].duration_ms == 25
        (due,) = records.claim("http://there/", 10, 1)
        assert (due.entry.number, due.attempts) == (2, 1)
        assert records.add(plate(), plate_id="after").entry.number == 3
        assert records.queue().entries[0].number == 2
        assert records.audit().intact


def test_a_program_of_an_earlier_version_stops_after_the_migration(record_url: str) -> None:
    """Its statement without a condition would move the ends of all chains."""
    write_as_0004(record_url)
    Records.open(record_url).close()
    engine = create_engine(record_url)
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(text("UPDATE head SET position = 5, hash = 'x', entries = 3"))
    engine.dispose()


def test_a_record_of_a_later_version_is_not_changed(record_url: str) -> None:
    Records.open(record_url).close()
    engine = create_engine(record_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(RecordError, match="later Platewatch") as caught:
        Records.open(record_url)
    assert "upgrade Platewatch" in str(caught.value)
    with engine.connect() as connection:
        assert schema_versions.revision(connection) == "0999"
    engine.dispose()


def test_a_database_of_another_program_is_not_changed(record_url: str) -> None:
    engine = create_engine(record_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE chain (links INTEGER)"))
    with pytest.raises(RecordError, match="another program"):
        Records.open(record_url)
    engine.dispose()


def test_a_missing_record_is_not_created_unless_wanted(record_url: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no record there"):
        Records.open(record_url, create=False)
    assert not (tmp_path / "records.db").exists()
    Records.open(record_url).close()
    Records.open(record_url, create=False).close()
