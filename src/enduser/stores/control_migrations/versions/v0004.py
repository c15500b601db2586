"""Access tokens have scopes of their own: those of their client, or some of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Give tokens that are there the scopes of their clients."""
    op.add_column("access_tokens", sa.Column("scopes", sa.JSON, nullable=False, server_default="[]"))
    op.execute("UPDATE access_tokens SET scopes = (SELECT scopes FROM clients WHERE id = client_id)")
