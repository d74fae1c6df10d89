"""Renames the table of hourly counts."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Rename the table; its rows stay."""
    op.rename_table("tallies", "hourly_counts")
