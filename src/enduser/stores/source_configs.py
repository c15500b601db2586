"""How sources of custom attributes are set up: part of the control data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from enduser import limits
from enduser.core.attributes import API, MANUAL, SDK
from enduser.errors import InvalidSource, LimitExceeded, SourceNotFound
from enduser.stores.control import METADATA, ControlStore
from enduser.stores.taken_inputs import forget_taken

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
    sa.Column("connection", sa.JSON),
    sa.Column("schedule", sa.JSON),
    sa.Column("due_at", sa.BigInteger),
)


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a source runs by itself."""

    cron: str
    """Minute, hour, day of the month, month, day of the week, as cron has them."""
    time_zone: str = "UTC"
    """An IANA name."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """How a source is set up."""

    space: str
    name: str
    kind: str
    mapping: Mapping[str, Any] | None
    """What is taken, as JSON; None: nobody has said it yet."""
    created_at: int
    connection: Mapping[str, Any] = field(default_factory=dict)
    """How what it reads is reached, as JSON; see `enduser.sources.kinds`."""
    schedule: Schedule | None = None
    due_at: int | None = None
    """When it runs next by itself, in µs; None: only when somebody asks."""


def create_source(control: ControlStore, config: SourceConfig) -> None:
    """Keep how a new source is set up.

    Raises:
        InvalidSource: it cannot have this name, or is there already.
        LimitExceeded: there are as many sources in the space as there may be.
    """
    check_source_name(config.name)
    with control.changing() as connection:
        if connection.execute(sa.select(_SOURCES).where(_named(config.space, config.name))).first():
            raise InvalidSource(
                f"there is a source {config.name!r} in {config.space} already",
                hint="choose another name, or delete that one",
                field="name",
            )
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
                connection=dict(config.connection),
                schedule=msgspec.to_builtins(config.schedule),
                due_at=config.due_at,
            )
        )


def change_source(control: ControlStore, space: str, name: str, **changes: object) -> SourceConfig:
    """Change some of the fields of a source in one step, and return how it is set up then.

    What is not named stays, whatever others change at the time.

    Raises:
        SourceNotFound: there is none of this name.
    """
    values = {field_name: msgspec.to_builtins(value) for field_name, value in changes.items()}
    with control.changing() as connection:
        connection.execute(_SOURCES.update().where(_named(space, name)).values(**values))
    return find_source(control, space, name)


def _named(space: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(_SOURCES.c.space == space, _SOURCES.c.name == name)


def check_source_name(name: str) -> None:
    """Check that a source can have a name.

    Raises:
        InvalidSource: it cannot.
    """
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
    return [_config(row) for row in rows]


def every_source(control: ControlStore) -> Sequence[SourceConfig]:
    """Return the sources of all spaces."""
    with control.reading() as connection:
        return [_config(row) for row in connection.execute(sa.select(_SOURCES)).all()]


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
    """Forget how a source is set up, and what it took; what it said stays, until its runs are undone.

    Raises:
        SourceNotFound: there is none of this name.
    """
    find_source(control, space, name)
    with control.changing() as connection:
        connection.execute(_SOURCES.delete().where(_named(space, name)))
        forget_taken(connection, space, name)


def set_due(control: ControlStore, config: SourceConfig, due_at: int | None) -> None:
    """Say when a source runs next by itself, unless its schedule is another by now."""
    schedule = msgspec.to_builtins(config.schedule)
    with control.changing() as connection:
        same = _named(config.space, config.name)
        row = connection.execute(sa.select(_SOURCES.c.schedule).where(same)).one_or_none()
        if row is not None and row.schedule == schedule:
            connection.execute(_SOURCES.update().where(same).values(due_at=due_at))


def _config(row: Any) -> SourceConfig:
    schedule = None if row.schedule is None else msgspec.convert(row.schedule, Schedule)
    key = (row.space, row.name, row.kind, row.mapping, row.created_at)
    return SourceConfig(*key, row.connection or {}, schedule, row.due_at)
