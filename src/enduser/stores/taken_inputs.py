"""Which files each source has taken, so that it takes none twice: part of the control data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from enduser.core.mentions import Mentions
from enduser.stores.control import METADATA, ControlStore

_TAKEN = sa.Table(
    "taken_inputs",
    METADATA,
    sa.Column("space", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, nullable=False),
)


def taken_versions(control: ControlStore, space: str, source: str) -> Mapping[str, str]:
    """Return the version of each file that a source has taken, by name."""
    with control.reading() as connection:
        rows = connection.execute(sa.select(_TAKEN).where(_of(space, source))).all()
    return {row.name: row.version for row in rows}


def remember_taken(connection: sa.Connection, space: str, source: str, name: str, version: str) -> None:
    """Take a file no more until it is another; one without a version is not remembered."""
    if version:
        connection.execute(_TAKEN.delete().where(_of(space, source), _TAKEN.c.name == name))
        connection.execute(_TAKEN.insert().values(space=space, source=source, name=name, version=version))


def forget_taken(connection: sa.Connection, space: str, source: str) -> None:
    """Forget what a source has taken."""
    connection.execute(_TAKEN.delete().where(_of(space, source)))


def forget_taken_names(
    control: ControlStore, space: str, mentions: Mentions, is_there: Callable[[str], bool]
) -> int:
    """Forget files of a space that have somebody's id in their name and are gone; return how many."""
    with control.changing() as connection:
        query = sa.select(_TAKEN.c.source, _TAKEN.c.name).where(_TAKEN.c.space == space)
        rows = connection.execute(query).all()
        gone = [row for row in rows if mentions.are_in(row.name) and not is_there(row.name)]
        for row in gone:
            connection.execute(_TAKEN.delete().where(_of(space, row.source), _TAKEN.c.name == row.name))
    return len(gone)


def _of(space: str, source: str) -> sa.ColumnElement[bool]:
    return sa.and_(_TAKEN.c.space == space, _TAKEN.c.source == source)
