"""Creates the chain, the tables to search it, and the triggers that make it append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    _chain()
    _entries()
    _around()
    _indices()
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _chain() -> None:
    op.create_table(
        "chain",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
    )
    head = sa.table("head", *map(sa.column, ("id", "position", "hash", "entries")))
    op.bulk_insert(head, [{"id": 1, "position": 0, "hash": "0" * 64, "entries": 0}])


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, sa.ForeignKey("chain.position"), nullable=False, unique=True),
        sa.Column("key", sa.String(400), unique=True),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(8), nullable=False),
        sa.Column("plate_id", sa.String(200)),
        sa.Column("model_id", sa.String(64), nullable=False),
        sa.Column("photograph", sa.String(64)),
        sa.Column("sampled", sa.Boolean, nullable=False),
        sa.Column("review", sa.BigInteger, sa.ForeignKey("chain.position")),
        sa.Column("judgement", sa.String(16)),
        sa.Column("waiting", sa.Boolean, nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("position", sa.BigInteger, sa.ForeignKey("chain.position"), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, sa.ForeignKey("entries.number"), nullable=False),
        sa.Column("undoes", sa.BigInteger, sa.ForeignKey("reviews.position"), unique=True),
    )
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger, sa.ForeignKey("chain.position"), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
    )


def _around() -> None:
    word = sa.String(200).with_variant(sa.String(200, collation="C"), "postgresql")  # beginnings sort byte by byte
    op.create_table(
        "terms",
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("word", word, primary_key=True),
        sa.Column("received", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, sa.ForeignKey("entries.number"), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tallies",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("outcome", sa.String(8), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "photographs",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.BigInteger, nullable=False),
        sa.Column("pruned", sa.BigInteger),
        sa.Column("file", sa.Boolean, nullable=False),
    )


def _indices() -> None:
    op.create_index("entries_received", "entries", ["received", "number", "outcome"])
    for name, column in (("plate", "plate_id"), ("model", "model_id")):
        op.create_index(f"entries_{name}", "entries", [column, "received", "number"])
    op.create_index("entries_model_outcome", "entries", ["model_id", "outcome", "received", "number"])
    for name in ("outcome", "judgement", "waiting"):
        op.create_index(f"entries_{name}", "entries", [name, "received", "number"])
    _partial("entries_reviewed", "entries", ["received", "number"], "review IS NOT NULL")
    _partial("entries_unreviewed", "entries", ["received", "number"], "review IS NULL")
    op.create_index("entries_photograph", "entries", ["photograph"])
    op.create_index("reviews_number", "reviews", ["number", "position"])
    op.create_index("events_kind", "events", ["kind", "position"])
    op.create_index("events_time", "events", ["time", "position"])
    op.create_index("terms_number", "terms", ["number", "kind", "word"])
    _partial("photographs_kept", "photographs", ["stored", "bytes"], "pruned IS NULL")
    file = "file = 1" if op.get_bind().dialect.name == "sqlite" else "file"
    _partial("photographs_doomed", "photographs", ["pruned"], f"pruned IS NOT NULL AND {file}")


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))


_WRITTEN_ONCE = ("chain", "reviews", "events", "terms")
_FIXED = "number, position, key, received, outcome, plate_id, model_id, photograph, sampled"


def _sqlite_triggers() -> None:
    refuse = "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"
    for table in _WRITTEN_ONCE:
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE UPDATE ON {table} {refuse}")
    for table in (*_WRITTEN_ONCE, "entries", "photographs", "head"):
        op.execute(f"CREATE TRIGGER {table}_stay BEFORE DELETE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER entries_kept BEFORE UPDATE OF {_FIXED} ON entries {refuse}")
    op.execute(f"CREATE TRIGGER head_grows BEFORE UPDATE ON head WHEN NEW.position <= OLD.position {refuse}")


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the record is append-only'; END $$"
    )
    refuse = "EXECUTE FUNCTION append_only()"
    for table in _WRITTEN_ONCE:
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE UPDATE ON {table} FOR EACH ROW {refuse}")
    for table in (*_WRITTEN_ONCE, "entries", "photographs", "head"):
        op.execute(f"CREATE TRIGGER {table}_stay BEFORE DELETE ON {table} FOR EACH ROW {refuse}")
        op.execute(f"CREATE TRIGGER {table}_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}")
    op.execute(f"CREATE TRIGGER entries_kept BEFORE UPDATE OF {_FIXED} ON entries FOR EACH ROW {refuse}")
    op.execute(
        f"CREATE TRIGGER head_grows BEFORE UPDATE ON head FOR EACH ROW WHEN (NEW.position <= OLD.position) {refuse}"
    )
