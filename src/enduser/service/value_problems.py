"""Why rows and values were not taken, in words for people. None repeats what was sent."""

from __future__ import annotations

from collections.abc import Mapping

from enduser import limits
from enduser.core.attributes import AttributeType, RowProblem, ValueProblem

_TAKES: Mapping[AttributeType, str] = {
    AttributeType.STRING: "a text",
    AttributeType.NUMBER: "a number, such as 5 or -1.5",
    AttributeType.BOOLEAN: "true or false",
    AttributeType.DATE: "a date, such as 2026-03-01",
    AttributeType.DATETIME: "a time in ISO 8601, such as 2026-03-01T10:00:00Z",
    AttributeType.LIST: 'a list of texts, such as ["a", "b"]',
}
VALUE_HINTS: Mapping[ValueProblem, str] = {
    ValueProblem.UNKNOWN_ATTRIBUTE: "create it first: enduser attributes create, or POST /api/v1/attributes",
    ValueProblem.NOT_WRITABLE: "see the sources that may write it: GET /api/v1/attributes",
    ValueProblem.WRONG_TYPE: "send a value of its type, or change the type",
    ValueProblem.TOO_LONG: f"the limit is {limits.VALUE_CHARACTERS_MAX:,} characters (VALUE_CHARACTERS_MAX)",
    ValueProblem.TOO_MANY_ITEMS: f"the limit is {limits.LIST_ITEMS_MAX} items (LIST_ITEMS_MAX)",
    ValueProblem.OUT_OF_RANGE: f"the limit is {limits.NUMBER_MAX:,} (NUMBER_MAX); ids are strings",
    ValueProblem.INVALID_TEXT: "take the control characters out",
}
_VALUE_MESSAGES: Mapping[ValueProblem, str] = {
    ValueProblem.UNKNOWN_ATTRIBUTE: "there is no custom attribute {name}",
    ValueProblem.NOT_WRITABLE: "{name} may not be written by this source",
    ValueProblem.WRONG_TYPE: "{name} takes {takes}",
    ValueProblem.TOO_LONG: "a text of {name} is too long",
    ValueProblem.TOO_MANY_ITEMS: "the list of {name} is too long",
    ValueProblem.OUT_OF_RANGE: "the number of {name} is too large to be kept exactly",
    ValueProblem.INVALID_TEXT: "a text of {name} has control characters, or is no UTF-8",
}
_ROW_MESSAGES: Mapping[RowProblem, str] = {
    RowProblem.MALFORMED_ROW: "the row cannot be read as what it should be",
    RowProblem.ROW_TOO_LONG: f"the row is longer than {limits.LINE_BYTES_MAX:,} bytes (LINE_BYTES_MAX)",
    RowProblem.TRUNCATED_FILE: "the compressed file ends too early, or is damaged from here on",
    RowProblem.JUNK_USER_ID: "the user id is missing, or a word that is nobody's id",
    RowProblem.USER_ID_TOO_LONG: f"the user id is longer than {limits.ID_BYTES_MAX} bytes (ID_BYTES_MAX)",
    RowProblem.INVALID_USER_ID: "the user id has control characters, or is no UTF-8",
    RowProblem.IDS_NOT_HASHED: "the id is said to be hashed, and this space does not hash ids",
    RowProblem.INVALID_TIME: "effective_at is no time in ISO 8601, such as 2026-03-01T10:00:00Z",
    RowProblem.FUTURE_TIME: "effective_at lies in the future",
    RowProblem.SUPPRESSED: "the user was erased, and is to stay out",
}


def value_message(name: str, problem: ValueProblem, kind: AttributeType | None) -> str:
    """Return what is wrong with a value, for people; it does not repeat the value."""
    return _VALUE_MESSAGES[problem].format(name=name, takes=_TAKES[kind] if kind else "")


def row_message(problem: RowProblem) -> str:
    """Return what is wrong with a row, for people."""
    return _ROW_MESSAGES[problem]
