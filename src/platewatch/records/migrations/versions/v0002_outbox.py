"""Adds the tables of destinations and pending deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the outbox."""
    op.create_table(
        "destinations",
        sa.Column("name", sa.String(400), primary_key=True),
        sa.Column("delivered", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String(400)),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("destination", sa.String(400), sa.ForeignKey("destinations.name"), nullable=False),
        sa.Column("number", sa.BigInteger, sa.ForeignKey("entries.number"), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
    )
    op.create_index("outbox_due", "outbox", ["destination", "due", "id"])
