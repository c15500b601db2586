"""Sources of custom attributes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of sources. Times are microseconds since 1970 UTC."""
    op.create_table(
        "sources",
        sa.Column("space", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("mapping", sa.JSON),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
