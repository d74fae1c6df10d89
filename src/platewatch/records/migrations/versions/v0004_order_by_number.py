"""Orders indices by number instead of time, and corrects photographs' times that a step of the clock distorted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ENTRIES = {
    "outcome": ["outcome"],
    "plate": ["plate_id"],
    "model": ["model_id"],
    "model_outcome": ["model_id", "outcome"],
    "judgement": ["judgement"],
    "waiting": ["waiting"],
}
_PARTIAL = {"reviewed": "review IS NOT NULL", "unreviewed": "review IS NULL"}
_LONGEST = 86_400_000_000  # longest time between two plates that is counted, µs
_SLACK = 3_600_000_000


def upgrade() -> None:
    """Replace the indices; number the photographs' times in the order of the plates."""
    for name, columns in _ENTRIES.items():
        op.drop_index(f"entries_{name}", "entries")
        op.create_index(f"entries_{name}", "entries", [*columns, "number"])
    for name, condition in _PARTIAL.items():
        op.drop_index(f"entries_{name}", "entries")
        where = sa.text(condition)
        op.create_index(f"entries_{name}", "entries", ["number"], sqlite_where=where, postgresql_where=where)
    op.create_index("terms_newest", "terms", ["kind", "word", "number"])
    undistort(op.get_bind())


def undistort(connection: sa.Connection) -> None:
    """Correct the times of photographs in the order of plates: a difference counts as at most a day."""
    rows = connection.execute(
        sa.text(
            "SELECT e.received, p.sha256, p.stored FROM entries e"
            " LEFT JOIN photographs p ON p.sha256 = e.photograph AND p.pruned IS NULL ORDER BY e.number"
        ).execution_options(yield_per=5000)
    )
    now, before = None, 0
    distorted = dict[str, int]()
    for received, sha256, stored in rows:
        now = received if now is None else now + min(max(received - before, 0), _LONGEST)
        before = received
        if sha256 is not None and abs(now - stored) > _SLACK:
            distorted[sha256] = now
        else:
            distorted.pop(sha256, None)
    for sha256, now in distorted.items():
        change = sa.text("UPDATE photographs SET stored = :now WHERE sha256 = :sha256")
        connection.execute(change, {"now": now, "sha256": sha256})
