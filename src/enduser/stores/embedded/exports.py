"""End User Objects and sessions as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from enduser.core.attributes import AttributeType
from enduser.core.rules.fields import SESSION_FIELDS, USER_FIELDS
from enduser.core.users_query import UsersQuery
from enduser.stores.embedded.engine import told
from enduser.stores.embedded.listing import Listing, listing
from enduser.stores.embedded.reading import SESSION_ORDER, Look
from enduser.stores.embedded.statements import statements, text_literal, used

_STYLES = {"csv": "FORMAT csv, HEADER", "jsonl": "FORMAT json", "parquet": "FORMAT parquet"}
_TIME_TEXT = "time_cell({0})"
_TIMES = {"csv": _TIME_TEXT, "jsonl": _TIME_TEXT, "parquet": "make_timestamp({0})::TIMESTAMPTZ"}
_SESSION_TYPES = {
    "user_id": AttributeType.STRING,
    "is_anonymous": AttributeType.BOOLEAN,
    **SESSION_FIELDS,
}
"""What sessions have, in the order in which it is shown."""


def export(look: Look, what: str, path: Path, form: str, *, is_raw: bool, asked: UsersQuery) -> int:
    """Write users who are asked for, or all sessions, to a file; see `Reader.export`."""
    if what == "sessions":
        query, parameters = _sessions(form, is_raw=is_raw)
    else:
        query, parameters = _users(listing(look, asked), form, is_raw=is_raw)
    copy = f"COPY ({query}) TO {text_literal(path)} ({_STYLES[form]})"
    with told(f"cannot write {path}", "see whether the disk is full, or name another file"):
        return int(look.connection.execute(copy, used(copy, parameters)).fetchall()[0][0])


def _sessions(form: str, *, is_raw: bool) -> tuple[str, Mapping[str, object]]:
    each = [_shown(f'listed."{name}"', kind, form, is_raw=is_raw) for name, kind in _SESSION_TYPES.items()]
    shown = ", ".join(f'{value} AS "{name}"' for value, name in zip(each, _SESSION_TYPES, strict=True))
    by = ", ".join(f"listed.{name}" for name in SESSION_ORDER)
    return f"SELECT {shown} FROM ({statements('read')['sessions'][0]}) AS listed ORDER BY {by}", {}


def _users(found: Listing, form: str, *, is_raw: bool) -> tuple[str, Mapping[str, object]]:
    """Return the query of users as a form has them: custom attributes as columns, in JSON as an object."""
    custom = {column.attribute.name: column for column in found.columns}
    each = []
    for name in found.own_names if form == "jsonl" else found.names:
        if name in custom:
            column = custom[name]
            is_text = column.attribute.type is AttributeType.STRING
            kind = AttributeType.STRING if is_text else None  # values of other types are in the form already
            shown = _shown(f"listed.{column.name}", kind, form, is_raw=is_raw)
        else:
            shown = _shown(f'listed."{name}"', USER_FIELDS[name], form, is_raw=is_raw)
        each.append(f'{shown} AS "{name}"')
    if form == "jsonl":
        values = ", ".join(f"{text_literal(name)}: listed.{column.name}" for name, column in custom.items())
        each.append(f"{{{values}}} AS attributes" if values else "'{}'::JSON AS attributes")
    query, parameters = found.query("json" if form == "jsonl" else form)
    return f"SELECT {', '.join(each)} FROM ({query}) AS listed ORDER BY {found.by}", parameters


def _shown(value: str, kind: AttributeType | None, form: str, *, is_raw: bool) -> str:
    """Return the expression of a value as a form has it; no spreadsheet takes a text of it for a formula."""
    if kind is AttributeType.DATETIME:
        return _TIMES[form].format(value)
    if kind is AttributeType.STRING and form == "csv" and not is_raw:
        return f"safe_cell({value})"
    return value
