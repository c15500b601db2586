"""Alembic runs this: bring the file of the connection that it was given to another revision."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
