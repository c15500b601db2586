"""How commands say which users are meant: by a rule, a segment, a filter or a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from enduser.cli.output import duration, printable, short_time
from enduser.cli.segments import rule_of
from enduser.core.end_user import USER_COLUMNS
from enduser.service.asked_users import AskedUsers

Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="RULE",
        help="Only whom a rule means: as JSON, or a file of one; - is standard input.",
    ),
]
OfSegment = Annotated[
    str | None, typer.Option("--segment", metavar="ID", help="Only the users of a segment.")
]
OfFilter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="ID",
        help="A saved filter: what it says holds where other options say nothing else.",
    ),
]
Search = Annotated[
    str | None,
    typer.Option(
        "--search", metavar="TEXT", help="Only those of whom some text has it in it, in any case; no pattern."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="NAMES", help="The attributes to show besides the id, with commas between."
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="ATTRIBUTE",
        help="An attribute, any but lists; with a - before it the greatest come first.",
    ),
]


def asked_users(
    where: str | None = None,
    segment: str | None = None,
    filter_id: str | None = None,
    search: str | None = None,
    columns: str | None = None,
    sort: str | None = None,
    *,
    include_open: bool = False,
) -> AskedUsers:
    """Return what options ask for.

    Raises:
        UsageError: the rule is no JSON object.
        InputError: there is no such file.
    """
    return AskedUsers(
        rule=None if where is None else rule_of(where),
        segment=segment,
        filter=filter_id,
        search=search,
        columns=named_columns(columns),
        sort=sort,
        include_open=include_open,
    )


def named_columns(text: str | None) -> tuple[str, ...] | None:
    """Return the attributes that an option names; None: it is not given."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


def shown_cells(row: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the cells of a user in a table: who it is, and these attributes."""
    mark = " (anonymous)" if row["is_anonymous"] else ""
    values = {name: row.get(name) if name in USER_COLUMNS else row["attributes"].get(name) for name in names}
    return [f"{row['user_id']}{mark}", *(_cell(name, value) for name, value in values.items())]


_SHOWN: Mapping[str, Callable[[object], str]] = {
    **dict.fromkeys(("first_seen", "last_seen"), short_time),
    **dict.fromkeys(
        ("average_session_duration", "total_session_duration", "average_time_between_sessions"), duration
    ),
    "total_sessions": "{:,}".format,
}


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in _SHOWN:
        return _SHOWN[name](value)
    match value:
        case bool():
            return str(value).lower()
        case list():
            return "; ".join(value)
        case float():
            return f"{value:.15g}"
        case _:
            return printable(str(value))
