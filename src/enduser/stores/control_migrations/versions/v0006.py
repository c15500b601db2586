"""Keys with which sites sign who their users are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table. Times are microseconds since 1970 UTC."""
    op.create_table(
        "identity_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("space", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("material", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
