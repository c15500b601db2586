"""Users by a rule, a segment or a text as a file: all of them, however many there are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from enduser.api.management.asked_users import (
    ERRORS,
    HINT,
    QUERY,
    UsersAsked,
    asked_in_query,
)
from enduser.api.management.calls import Call, FileAnswer, Route
from enduser.api.management.made_files import made_file
from enduser.api.management.parameters import FORM, INCLUDE_OPEN, SORT, SPACE
from enduser.api.management.rules import RULE_EXAMPLE
from enduser.service.asked_users import AskedUsers

_BY_ID = "user_id"
"""The order of a file of which none is said."""
_MEDIA_TYPES = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


class UsersFileAsked(UsersAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of users whom somebody asks for."""

    form: Literal["csv", "jsonl", "parquet"]


async def export_users(call: Call) -> FileAnswer:
    """Return a file of users."""
    return await _file(call, asked_in_query(call), call.values["form"])


async def export_queried_users(call: Call) -> FileAnswer:
    """Return a file of users; the body says what a query may be too short for."""
    told = call.told(UsersFileAsked, HINT)
    return await _file(call, told.asked(), told.form)


async def _file(call: Call, asked: AskedUsers, form: str) -> FileAnswer:
    return await made_file(
        call, f"users.{form}", _MEDIA_TYPES[form], lambda folder: _write(call, asked, form, folder)
    )


def _write(call: Call, asked: AskedUsers, form: str, folder: Path) -> Path:
    reader, path = call.services.store.reader, folder / "export"
    with asked.naming():
        query = asked.query(reader, call.space, _BY_ID)
        reader.export(call.space, "users", path, form, asked=query)
    return path


_EXAMPLE = "user_id,is_anonymous,country,plan\nadam.br,false,NO,vip\n"

ROUTES = (
    Route(
        "GET",
        "/api/v1/users/export",
        export_users,
        "Get a file of users: all, or by a rule, a segment or a text",
        str,
        _EXAMPLE,
        (FORM, *QUERY, SORT, INCLUDE_OPEN),
        ERRORS,
        gives_file=tuple(_MEDIA_TYPES.values()),
        needs=FORM.name,
    ),
    Route(
        "POST",
        "/api/v1/users/export",
        export_queried_users,
        "Get a file of users as GET does, by a rule of any length",
        str,
        _EXAMPLE,
        (SPACE,),
        ERRORS,
        body=UsersFileAsked,
        body_example={"form": "csv", "rule": RULE_EXAMPLE, "columns": ["country", "plan"]},
        body_limit="RULE_BODY_BYTES_MAX",
        gives_file=tuple(_MEDIA_TYPES.values()),
    ),
)
