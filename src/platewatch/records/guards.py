"""Guards of the record: the triggers that refuse to change or delete rows, and the columns of its tables.

The audit compares what the database has with what the migrations made. Without a trigger, programs could change rows.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from platewatch.records import schema

_WRITTEN_ONCE = ("chain", "reviews", "events", "terms")
_NEVER_DELETED = (*_WRITTEN_ONCE, "entries", "photographs", "heads")
_FIXED = "number, position, key, received, outcome, plate_id, model_id, photograph, sampled, station, part_type"
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"

_ACTIVE = (
    "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
    " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND c.relnamespace = current_schema()::regnamespace"
    " AND p.proname = 'append_only' AND p.prosrc LIKE '%%RAISE EXCEPTION%%'"
)


def triggers() -> dict[str, str]:
    """The SQL of each trigger of an SQLite record, by name."""
    kept = {
        f"{table}_kept": f"CREATE TRIGGER {table}_kept BEFORE UPDATE ON {table} {_REFUSE}" for table in _WRITTEN_ONCE
    }
    stay = {
        f"{table}_stay": f"CREATE TRIGGER {table}_stay BEFORE DELETE ON {table} {_REFUSE}" for table in _NEVER_DELETED
    }
    grow = f"CREATE TRIGGER heads_grow BEFORE UPDATE ON heads WHEN NEW.position <= OLD.position {_REFUSE}"
    named = f"CREATE TRIGGER heads_named BEFORE UPDATE OF id, station ON heads {_REFUSE}"
    fixed = f"CREATE TRIGGER entries_kept BEFORE UPDATE OF {_FIXED} ON entries {_REFUSE}"
    return kept | stay | {"entries_kept": fixed, "heads_grow": grow, "heads_named": named}


def problems(connection: Connection) -> Iterator[str]:
    """What is missing or altered, in words."""
    if connection.dialect.name == "sqlite":
        yield from _triggers_of_sqlite(connection)
        yield from _columns_of_sqlite(connection)
        return
    found = set(connection.exec_driver_sql(_ACTIVE).scalars())
    for name in sorted({*triggers(), *(f"{table}_emptied" for table in _NEVER_DELETED)} - found):
        yield f"the trigger {name} is missing or altered: rows could be changed"


def _triggers_of_sqlite(connection: Connection) -> Iterator[str]:
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    found = {row[0]: " ".join(row[1].split()) for row in rows}
    for name, sql in triggers().items():
        if found.pop(name, None) != sql:
            yield f"the trigger {name} is missing or altered: rows could be changed"
    for name in found:
        yield f"the trigger {name} is none of a record's"


def _columns_of_sqlite(connection: Connection) -> Iterator[str]:
    for table in schema.metadata.sorted_tables:
        rows = connection.exec_driver_sql(f'PRAGMA table_info("{table.name}")')
        found = [(row[1], row[2].upper()) for row in rows]
        if found != [(column.name, column.type.compile(connection.dialect).upper()) for column in table.columns]:
            yield f"the columns of the table {table.name} were altered"
