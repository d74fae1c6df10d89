"""A record of an earlier version is migrated with all its rows; one of a later version is refused."""

import uuid
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

import servers
from plate_rows import plate
from platewatch.errors import RecordError
from platewatch.records import Records, schema, schema_versions


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


def rename(engine: Engine, old: str, new: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))


def test_an_earlier_record_is_migrated_with_its_rows(record_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema_versions, "REVISION", "0001")
        patch.setattr(schema_versions.upgrade, "__defaults__", ("0001",))
        engine = create_engine(record_url)
        with Records.open(record_url) as old:
            rename(engine, "tallies", "hourly_counts")  # the code writes to the table's later name
            old.add(plate(), plate_id="before")
        rename(engine, "hourly_counts", "tallies")
        with engine.connect() as connection:
            assert not inspect(connection).has_table("outbox")
        engine.dispose()
    with Records.open(record_url) as new:
        assert new.get(1).plate_id == "before"
        assert new.add(plate()).entry.number == 2
        assert new.audit().intact


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
