"""How sources of custom attributes are set up: part of the control data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from enduser import limits
from enduser.core.attributes import API, MANUAL, SDK
from enduser.errors import InvalidSource, LimitExceeded, SourceNotFound
from enduser.stores.control import METADATA, ControlStore

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_OWN_NAMES = (MANUAL, API, SDK)
_SOURCES = sa.Table(
    "sources",
    METADATA,
    sa.Column("space", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("mapping", sa.JSON),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """How a source is set up."""

    space: str
    name: str
    kind: str
    mapping: Mapping[str, Any] | None
    """What is taken, as JSON; None: nobody has said it yet."""
    created_at: int


def save_source(control: ControlStore, config: SourceConfig) -> None:
    """Keep how a source is set up, in place of what was known of it.

    Raises:
        InvalidSource: it cannot have this name.
        LimitExceeded: there are as many sources in the space as there may be.
    """
    _check_name(config.name)
    with control.changing() as connection:
        same = (_SOURCES.c.space == config.space) & (_SOURCES.c.name == config.name)
        changed = connection.execute(
            _SOURCES.update().where(same).values(kind=config.kind, mapping=config.mapping)
        )
        if changed.rowcount:
            return
        in_space = sa.select(sa.func.count()).where(_SOURCES.c.space == config.space)
        if connection.execute(in_space).scalar_one() >= limits.SOURCES_MAX:
            raise LimitExceeded(
                f"{config.space} has {limits.SOURCES_MAX} sources",
                hint=f"the limit is {limits.SOURCES_MAX} (SOURCES_MAX); delete one that nobody needs",
                limit=limits.SOURCES_MAX,
            )
        connection.execute(
            _SOURCES.insert().values(
                space=config.space,
                name=config.name,
                kind=config.kind,
                mapping=config.mapping,
                created_at=config.created_at,
            )
        )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > limits.SOURCE_NAME_CHARACTERS_MAX:
        raise InvalidSource(
            f"{name[: limits.SOURCE_NAME_CHARACTERS_MAX + 1]!r} is no name of a source",
            hint="write it in a-z, 0-9, _ and -, at most "
            f"{limits.SOURCE_NAME_CHARACTERS_MAX} characters (SOURCE_NAME_CHARACTERS_MAX)",
            field="name",
        )
    if name in _OWN_NAMES:
        raise InvalidSource(
            f"no source can have the name {name!r}: it is that of what is written without one",
            hint="choose another name, such as crm",
            field="name",
        )


def list_sources(control: ControlStore, space: str) -> Sequence[SourceConfig]:
    """Return the sources of a space, the oldest first."""
    query = sa.select(_SOURCES).where(_SOURCES.c.space == space)
    with control.reading() as connection:
        rows = connection.execute(query.order_by(_SOURCES.c.created_at, _SOURCES.c.name)).all()
    return [SourceConfig(*row) for row in rows]


def every_source(control: ControlStore) -> Sequence[SourceConfig]:
    """Return the sources of all spaces."""
    with control.reading() as connection:
        return [SourceConfig(*row) for row in connection.execute(sa.select(_SOURCES)).all()]


def find_source(control: ControlStore, space: str, name: str) -> SourceConfig:
    """Return a source of a space.

    Raises:
        SourceNotFound: there is none of this name.
    """
    for config in list_sources(control, space):
        if config.name == name:
            return config
    raise SourceNotFound(
        f"there is no source {name!r} in {space}",
        hint="the sources are listed by: enduser sources list; to have one: enduser sources map",
        field="name",
    )


def delete_source(control: ControlStore, space: str, name: str) -> None:
    """Forget how a source is set up; what it said stays, until its runs are undone.

    Raises:
        SourceNotFound: there is none of this name.
    """
    find_source(control, space, name)
    with control.changing() as connection:
        connection.execute(_SOURCES.delete().where((_SOURCES.c.space == space) & (_SOURCES.c.name == name)))
