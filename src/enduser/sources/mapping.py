"""Which columns of a source are taken, as which attributes: proposed, checked, and kept with the source."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from enduser import limits
from enduser.core.attributes import (
    Attribute,
    AttributeType,
    check_attribute,
    proposed_name,
)
from enduser.core.value_forms import DECIMAL_MARKS, THOUSANDS_MARKS, ValueForm, form_problem
from enduser.errors import EnduserError, InvalidMapping
from enduser.sources.inferring import Inferred

Blank = Literal["keep", "clear"]

_FORMS = (
    f"{' '.join(DECIMAL_MARKS)}, thousands marks {' '.join(map(repr, THOUSANDS_MARKS))}, "
    f"and what parts a list has 1 to {limits.SEPARATOR_CHARACTERS_MAX} printable characters"
)
_IDENTIFIERS = (
    *("userid", "user", "uid", "id", "externalid", "customerid", "accountid", "memberid"),
    *("login", "username", "email", "emailaddress", "mail"),
)
"""Names of columns that mostly say who a row is about, the likeliest first, in small letters alone."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """A column that is taken."""

    column: str
    attribute: str
    type: AttributeType
    form: ValueForm = field(default_factory=ValueForm)


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """What a source says of whom."""

    identifier: str
    """The column with the user's id."""
    columns: tuple[ColumnMapping, ...]
    is_anonymous: bool = False
    """Whether the ids are anonymous ones."""
    effective_at: str | None = None
    """The column with the time from which on a row holds; None: that of the run."""
    blank: Blank = "keep"
    """What a blank cell means: nothing, or that there is no value any more."""


@dataclass(frozen=True, slots=True)
class Flag:
    """What is wrong with a column of a mapping, and what to do."""

    column: str
    problem: str
    hint: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person says of a proposal; the rest is found."""

    identifier: str | None = None
    taken: Mapping[str, tuple[str | None, AttributeType | None]] | None = None
    """The columns to take, each perhaps with the name and the type of its attribute; None: all."""
    left_out: Collection[str] = ()
    separator: str = ValueForm().separator
    """What parts the items of lists."""


def propose(
    columns: Mapping[str, Inferred], attributes: Collection[Attribute], wish: Wish = Wish()
) -> SourceMapping:
    """Return a mapping of a header's columns: of attributes that are there already, and of new ones.

    Raises:
        InvalidMapping: no column looks like an identifier, or one that is wished for is not there.
    """
    identifier = wish.identifier or _identifier(list(columns))
    for column in (identifier, *(wish.taken or ())):
        if column not in columns:
            raise InvalidMapping(
                "no column looks like the id of a user"
                if column is None
                else f"the file has no column {column!r}",
                hint=f"name one of: {', '.join(columns)}",
                field=column,
            )
    assert identifier is not None
    wanted = wish.taken or dict.fromkeys(columns, (None, None))
    taken: list[ColumnMapping] = []
    for column, (name, kind) in wanted.items():
        if column != identifier and column not in wish.left_out:
            taken.append(
                _proposed(column, columns[column], (name, kind), attributes, [one.attribute for one in taken])
            )
    parted = [replace(one, form=replace(one.form, separator=wish.separator)) for one in taken]
    return SourceMapping(identifier, tuple(parted))


def _proposed(
    column: str,
    inferred: Inferred,
    wish: tuple[str | None, AttributeType | None],
    attributes: Collection[Attribute],
    taken: Collection[str],
) -> ColumnMapping:
    """Return how a column is taken: as what it is called, if that can be, and seems to be."""
    name, kind = wish
    wanted = (name or proposed_name(column, ())).lower()
    known = next((one for one in attributes if one.name.lower() == wanted and one.name not in taken), None)
    if name is None:
        name = known.name if known else proposed_name(column, [*taken, *(one.name for one in attributes)])
    if kind is None:
        kind = known.type if known else inferred.type
    return ColumnMapping(column, name, kind, inferred.forms[kind])


def _identifier(columns: Sequence[str]) -> str | None:
    plain = {re.sub("[^a-z]", "", column.lower()): column for column in reversed(columns)}
    return next((plain[name] for name in _IDENTIFIERS if name in plain), None)


def flags(
    mapping: SourceMapping, columns: Collection[str], attributes: Collection[Attribute]
) -> Iterator[Flag]:
    """Yield what is wrong with a mapping for a file with these columns."""
    named = [mapping.identifier, *([mapping.effective_at] if mapping.effective_at else [])]
    for column in (*named, *(one.column for one in mapping.columns)):
        if column not in columns:
            yield Flag(column, "the file has no such column", f"it has: {', '.join(columns)}")
    if not mapping.columns:
        yield Flag(mapping.identifier, "no other column is taken", "take at least one")
    known = {attribute.name: attribute for attribute in attributes}
    seen: set[str] = set()
    for one in mapping.columns:
        if (problem := form_problem(one.type, one.form)) is not None:
            yield Flag(one.column, problem, f"decimal marks are {_FORMS}")
        if one.attribute in seen:
            yield Flag(
                one.column, f"another column is {one.attribute!r} too", "take one of them, or rename it"
            )
        elif one.attribute in known:
            yield from _mismatch(one, known[one.attribute])
        else:
            yield from _new(one, list({*known, *seen}))
        seen.add(one.attribute)


def _mismatch(one: ColumnMapping, attribute: Attribute) -> Iterator[Flag]:
    if one.type is not attribute.type:
        yield Flag(
            one.column,
            f"{one.attribute} is a {attribute.type}, not a {one.type}",
            f"take it as {attribute.type}, or as another attribute",
        )


def _new(one: ColumnMapping, others: Sequence[str]) -> Iterator[Flag]:
    try:
        check_attribute(Attribute(one.attribute, one.type), others)
    except EnduserError as error:
        yield Flag(one.column, error.message, error.hint or "")


def require_no_flags(found: Sequence[Flag]) -> None:
    """Check that nothing is wrong with a mapping.

    Raises:
        InvalidMapping: something is; it says what first, and how much more.
    """
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        first = found[0]
        raise InvalidMapping(
            f"the column {first.column!r} cannot be mapped: {first.problem}{more}",
            hint=first.hint,
            field=first.column[: limits.ATTRIBUTE_NAME_CHARACTERS_MAX],
        )
