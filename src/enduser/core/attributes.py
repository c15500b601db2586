"""Custom attributes: what they are called, of which type they are, and what a text means as a value.

What other systems know about a user comes as text or JSON and is read here as the type that the attribute
was declared with; a value is never guessed (docs/attributes.md). The engine reads the same by SQL, held to
one table of cases (tests/conformance/values.json).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from enduser import limits
from enduser.core.end_user import USER_COLUMNS
from enduser.core.events import BLANKS
from enduser.core.times import iso_instant
from enduser.errors import InvalidAttribute, LimitExceeded

Value = str | float | bool | int | tuple[str, ...]
"""A value as it is stored: a `date` is `YYYY-MM-DD`, a `datetime` whole microseconds since 1970 UTC."""

MANUAL = "manual"
"""The source of what a person wrote by hand; the first in order."""
API = "api"
"""The source of what programs wrote with `POST /api/v1/users`."""
SDK = "sdk"
"""The source of traits that a browser sent unsigned; the last in order, and never over another."""

_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_.]{{0,{limits.ATTRIBUTE_NAME_CHARACTERS_MAX - 1}}}", re.ASCII)
_NO_NAME_CHARACTER = re.compile(r"[^A-Za-z0-9_.]+")


class AttributeType(StrEnum):
    """What the values of an attribute are."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"


class ConflictRule(StrEnum):
    """Which of several candidates is the value."""

    LATEST = "latest"
    """The one of the latest effective time."""
    SOURCE_ORDER = "source_order"
    """The latest of the first source that has a value; sources further back only fill."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A custom attribute, the same in all spaces."""

    name: str
    type: AttributeType
    display_name: str = ""
    """What people read; empty: the name."""
    description: str = ""
    is_pii: bool = False
    """Whether its values say who somebody is."""
    sources: tuple[str, ...] | None = None
    """The sources that may write it; None: all but `sdk`."""
    conflict_rule: ConflictRule = ConflictRule.LATEST

    def may_be_written_by(self, source: str) -> bool:
        """Whether a source may write it."""
        return source != SDK if self.sources is None else source in self.sources


def check_attribute(attribute: Attribute, others: Collection[str]) -> None:
    """Check a definition beside the names of the other attributes.

    Raises:
        InvalidAttribute: the name, or something else of it, cannot be.
        LimitExceeded: a text is too long, or there are as many attributes as there may be.
    """
    _check_name(attribute.name, others)
    if len(others) >= limits.ATTRIBUTES_MAX:
        raise LimitExceeded(
            f"there are {len(others)} attributes over all sources, so there is no place for another",
            hint=f"the limit is {limits.ATTRIBUTES_MAX} (ATTRIBUTES_MAX); delete one that nobody needs: "
            "enduser attributes delete NAME",
            field="name",
            limit=limits.ATTRIBUTES_MAX,
        )
    for field, text, most in (
        ("display_name", attribute.display_name, limits.DISPLAY_NAME_CHARACTERS_MAX),
        ("description", attribute.description, limits.DESCRIPTION_CHARACTERS_MAX),
    ):
        if len(text) > most:
            raise LimitExceeded(
                f"a {field} cannot have {len(text):,} characters",
                hint=f"the limit is {most} ({field.upper()}_CHARACTERS_MAX)",
                field=field,
                limit=most,
            )


def _check_name(name: str, others: Collection[str]) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidAttribute(
            f"{name[: limits.ATTRIBUTE_NAME_CHARACTERS_MAX + 1]!r} is no name of an attribute",
            hint="a name has letters, digits, _ and ., does not begin with a digit or a dot, and has at most "
            f"{limits.ATTRIBUTE_NAME_CHARACTERS_MAX} characters (ATTRIBUTE_NAME_CHARACTERS_MAX)",
            field="name",
        )
    if (known := _same_but_for_case(name, USER_COLUMNS)) is not None:
        raise InvalidAttribute(
            f"{name!r} cannot be a custom attribute: every End User Object has {known}",
            hint=f"choose another name, such as {proposed_name(name, others)}",
            field="name",
        )
    if (known := _same_but_for_case(name, others)) is not None:
        differs = "exists already" if known == name else f"differs from {known!r} only by case"
        raise InvalidAttribute(
            f"the attribute {name!r} {differs}",
            hint=f"choose another name, such as {proposed_name(name, others)}; "
            "the attributes are listed by: enduser attributes list",
            field="name",
        )


def _same_but_for_case(name: str, known: Collection[str]) -> str | None:
    """Return which of the known names files and engines that know no case would take for this one."""
    if name in known:
        return name
    return next((one for one in known if one.lower() == name.lower()), None)


def proposed_name(wanted: str, others: Collection[str]) -> str:
    """Return a name that an attribute can have, as near as can be to the one that is wanted."""
    name = wanted
    if not _NAME.fullmatch(wanted):
        name = _NO_NAME_CHARACTER.sub("_", wanted).strip("_.") or "attribute"
    if name[0].isdigit():
        name = f"_{name}"
    if _same_but_for_case(name, USER_COLUMNS):
        name = f"custom_{name}"
    name, number = name[: limits.ATTRIBUTE_NAME_CHARACTERS_MAX], 2
    free = name
    while _same_but_for_case(free, others):
        ending = f"_{number}"
        free, number = name[: limits.ATTRIBUTE_NAME_CHARACTERS_MAX - len(ending)] + ending, number + 1
    return free


# --- values


class ValueProblem(StrEnum):
    """Why a value was not taken; the others of its row are. Each stands in docs/attributes.md."""

    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    NOT_WRITABLE = "not_writable"
    WRONG_TYPE = "wrong_type"
    TOO_LONG = "too_long"
    TOO_MANY_ITEMS = "too_many_items"
    OUT_OF_RANGE = "out_of_range"
    INVALID_TEXT = "invalid_text"


class RowProblem(StrEnum):
    """Why nothing of a row was taken. Each stands in docs/attributes.md."""

    MALFORMED_ROW = "malformed_row"
    ROW_TOO_LONG = "row_too_long"
    TRUNCATED_FILE = "truncated_file"
    JUNK_USER_ID = "junk_user_id"
    USER_ID_TOO_LONG = "user_id_too_long"
    INVALID_USER_ID = "invalid_user_id"
    IDS_NOT_HASHED = "ids_not_hashed"
    INVALID_TIME = "invalid_time"
    FUTURE_TIME = "future_time"
    SUPPRESSED = "suppressed"


CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
"""Characters that no value has: control characters but for a tab and a line end, and surrogates, which stand
for bytes that are no UTF-8."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TRUE_WORDS = ("true", "yes", "on", "y", "t", "1")
FALSE_WORDS = ("false", "no", "off", "n", "f", "0")


def read_value(kind: AttributeType, text: str, separator: str) -> Value | ValueProblem | None:
    """Return what a text means as a value of a type, or why it means none; None: it says nothing.

    Blanks around it do not count, and line ends are all of one kind. `separator` parts the items of a list.
    """
    given = text.strip(BLANKS).replace("\r\n", "\n").replace("\r", "\n")
    if not given:
        return None
    if CONTROLS.search(given):
        return ValueProblem.INVALID_TEXT
    return read_items(given.split(separator)) if kind is AttributeType.LIST else _READERS[kind](given)


def read_items(texts: Sequence[str]) -> tuple[str, ...] | ValueProblem | None:
    """Return the items of a list: each once, without blanks around it, blank ones left out; None: none."""
    given = (text.strip(BLANKS) for text in texts)
    items = tuple(dict.fromkeys(item for item in given if item))
    if any(len(item) > limits.VALUE_CHARACTERS_MAX for item in items):
        return ValueProblem.TOO_LONG
    return (items or None) if len(items) <= limits.LIST_ITEMS_MAX else ValueProblem.TOO_MANY_ITEMS


def _string(text: str) -> str | ValueProblem:
    return text if len(text) <= limits.VALUE_CHARACTERS_MAX else ValueProblem.TOO_LONG


def _number(text: str) -> float | ValueProblem:
    if not _NUMBER.fullmatch(text):
        return ValueProblem.WRONG_TYPE
    value = float(text)
    if abs(value) > limits.NUMBER_MAX:
        return ValueProblem.OUT_OF_RANGE
    return value + 0.0  # there is one zero


def _boolean(text: str) -> bool | ValueProblem:
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    return False if word in FALSE_WORDS else ValueProblem.WRONG_TYPE


def _date(text: str) -> str | ValueProblem:
    try:
        return date.fromisoformat(text).isoformat() if _DATE.fullmatch(text) else ValueProblem.WRONG_TYPE
    except ValueError:
        return ValueProblem.WRONG_TYPE


def _datetime(text: str) -> int | ValueProblem:
    at = iso_instant(text)
    return ValueProblem.WRONG_TYPE if at is None else at


_READERS: Mapping[AttributeType, Callable[[str], Value | ValueProblem]] = {
    AttributeType.STRING: _string,
    AttributeType.NUMBER: _number,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.DATE: _date,
    AttributeType.DATETIME: _datetime,
}
