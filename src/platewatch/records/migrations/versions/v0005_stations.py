"""Gives each station a chain of its own and each plate a part type; counts by hour know both, and the time per plate.

The table `head` becomes `heads`: programs of an earlier version, which would change all of its rows, stop instead.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_HOUR = 3_600_000_000
_COUNTED = "SELECT e.number, e.received, e.outcome, c.body FROM entries e JOIN chain c ON c.position = e.position"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


def upgrade() -> None:
    """Make the tables anew that get another key; their rows stay."""
    _heads()
    for name, length in (("station", 40), ("part_type", 60)):
        op.add_column("entries", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    where = sa.text("part_type != ''")
    indices: dict[str, list[str]] = {"": [], "_outcome": ["outcome"], "_model": ["model_id"], "_waiting": ["waiting"]}
    for name, columns in indices.items():
        keyed = ["part_type", *columns, "number"]
        op.create_index(f"entries_part_type{name}", "entries", keyed, sqlite_where=where, postgresql_where=where)
    _hourly_counts()
    _outbox()
    _guard_entries()


def _heads() -> None:
    op.create_table(
        "heads",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("station", sa.String(40), nullable=False, unique=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO heads SELECT id, '', position, hash, entries FROM head")
    op.drop_table("head")
    if op.get_bind().dialect.name == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"
        op.execute(f"CREATE TRIGGER heads_stay BEFORE DELETE ON heads {refuse}")
        op.execute(f"CREATE TRIGGER heads_grow BEFORE UPDATE ON heads WHEN NEW.position <= OLD.position {refuse}")
        op.execute(f"CREATE TRIGGER heads_named BEFORE UPDATE OF id, station ON heads {refuse}")
        return
    refuse = "EXECUTE FUNCTION append_only()"
    op.execute(f"CREATE TRIGGER heads_stay BEFORE DELETE ON heads FOR EACH ROW {refuse}")
    op.execute(f"CREATE TRIGGER heads_emptied BEFORE TRUNCATE ON heads FOR EACH STATEMENT {refuse}")
    grows = "FOR EACH ROW WHEN (NEW.position <= OLD.position)"
    op.execute(f"CREATE TRIGGER heads_grow BEFORE UPDATE ON heads {grows} {refuse}")
    op.execute(f"CREATE TRIGGER heads_named BEFORE UPDATE OF id, station ON heads FOR EACH ROW {refuse}")


def _hourly_counts() -> None:
    """Count again, because the time per plate and the numbers are in no table."""
    op.drop_table("hourly_counts")
    made = op.create_table(
        "hourly_counts",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("station", sa.String(40), primary_key=True),
        sa.Column("part_type", sa.String(60), primary_key=True),
        sa.Column("outcome", sa.String(8), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("duration", sa.BigInteger, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    counted = dict[tuple[int, str], list[int]]()
    for number, received, outcome, body in op.get_bind().execute(sa.text(_COUNTED).execution_options(yield_per=5000)):
        row = counted.setdefault((received // _HOUR, outcome), [0, 0, number, number])
        row[:] = row[0] + 1, row[1] + _duration(body), min(row[2], number), max(row[3], number)
    names = "count", "duration", "first", "last"
    rows = [
        {"hour": hour, "station": "", "part_type": "", "outcome": outcome, **dict(zip(names, row, strict=True))}
        for (hour, outcome), row in sorted(counted.items())
    ]
    op.bulk_insert(made, rows)


def _duration(body: str) -> int:
    """The time of one plate in µs; 0 where the row cannot be read."""
    try:
        return round(float(json.loads(body)["inspection"]["duration_ms"]) * 1000)
    except _UNREADABLE:
        return 0


def _outbox() -> None:
    """The counts of deliveries are each station's own, so the outbox refers to the name alone."""
    op.rename_table("destinations", "earlier_destinations")
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(400), primary_key=True),
        sa.Column("station", sa.String(40), primary_key=True),
        sa.Column("delivered", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String(400)),
    )
    op.execute("INSERT INTO destinations SELECT name, '', delivered, failures, error FROM earlier_destinations")
    if op.get_bind().dialect.name == "sqlite":
        op.rename_table("outbox", "earlier_outbox")
        op.drop_index("outbox_due", "earlier_outbox")
        op.create_table(
            "outbox",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("destination", sa.String(400), nullable=False),
            sa.Column("number", sa.BigInteger, sa.ForeignKey("entries.number"), nullable=False),
            sa.Column("attempts", sa.Integer, nullable=False),
            sa.Column("due", sa.BigInteger, nullable=False),
        )
        op.create_index("outbox_due", "outbox", ["destination", "due", "id"])
        op.execute("INSERT INTO outbox SELECT id, destination, number, attempts, due FROM earlier_outbox")
        op.drop_table("earlier_outbox")
    else:
        op.drop_constraint("outbox_destination_fkey", "outbox", type_="foreignkey")
    op.drop_table("earlier_destinations")


_FIXED = "number, position, key, received, outcome, plate_id, model_id, photograph, sampled, station, part_type"


def _guard_entries() -> None:
    """The new columns do not change either."""
    if op.get_bind().dialect.name == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'the record is append-only'); END"
        op.execute("DROP TRIGGER entries_kept")
        op.execute(f"CREATE TRIGGER entries_kept BEFORE UPDATE OF {_FIXED} ON entries {refuse}")
        return
    op.execute("DROP TRIGGER entries_kept ON entries")
    each = "FOR EACH ROW EXECUTE FUNCTION append_only()"
    op.execute(f"CREATE TRIGGER entries_kept BEFORE UPDATE OF {_FIXED} ON entries {each}")
