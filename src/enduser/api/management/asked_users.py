"""Users by a rule, a segment or a text: page by page."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import (
    COLUMNS,
    CURSOR,
    INCLUDE_OPEN,
    LIMIT,
    OF_FILTER,
    OF_SEGMENT,
    RULE,
    SEARCH,
    SORT,
    SPACE,
)
from enduser.api.management.rules import RULE_ERRORS, RULE_EXAMPLE
from enduser.errors import FilterNotFound, InvalidCursor, LimitExceeded, SegmentNotFound
from enduser.service.asked_users import AskedUsers
from enduser.service.filter_json import Columns
from enduser.service.json_form import ListedUserJson, listed_user_json
from enduser.service.segment_json import Rule
from enduser.stores.answers import Page
from enduser.stores.contract import Reader

HINT = "docs/users.md says how users are asked for"
NEWEST = "-last_seen"
"""The order of a list of which none is said."""


class UsersPage(msgspec.Struct, frozen=True):
    """Some users; `next_cursor` is null on the last page."""

    items: list[ListedUserJson]
    next_cursor: str | None


class UsersAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom somebody asks for, which of their attributes, and in which order."""

    rule: Rule | None = None
    segment: Annotated[str | None, Meta(description="the id of a segment, in place of a rule")] = None
    filter: Annotated[
        str | None,
        Meta(description="the id of a saved filter: what it says holds where the body says nothing else"),
    ] = None
    search: Annotated[str | None, Meta(description="a text that some text of a user has in it")] = None
    columns: Columns = None
    sort: Annotated[
        str | None,
        Meta(description="the attribute to sort by; lists come by -last_seen unless given, files by id"),
    ] = None
    include_open: bool = False

    def asked(self) -> AskedUsers:
        """Return what is asked for."""
        columns = None if self.columns is None else tuple(self.columns)
        return AskedUsers(
            rule=self.rule,
            segment=self.segment,
            filter=self.filter,
            search=self.search,
            columns=columns,
            sort=self.sort,
            include_open=self.include_open,
        )


class UsersPageAsked(UsersAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of users whom somebody asks for."""

    limit: Annotated[
        int,
        Meta(
            description="how many items a page has at most",
            extra_json_schema={"minimum": 1, "maximum": limits.PAGE_ROWS_MAX},
        ),
    ] = 100
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before")] = None


QUERY = (SPACE, RULE, OF_SEGMENT, OF_FILTER, SEARCH, COLUMNS)
"""The parameters by which users are asked for."""
ERRORS = (*RULE_ERRORS, SegmentNotFound, FilterNotFound, LimitExceeded)
"""What asking for users can fail with."""


def asked_in_query(call: Call) -> AskedUsers:
    """Return what the parameters of a call ask for."""
    given = {
        name: call.values.get(name) for name in ("rule", "segment", "filter", "search", "columns", "sort")
    }
    return AskedUsers(**given, include_open=call.values.get("include_open", False))


async def list_users(call: Call) -> UsersPage:
    """Return a page of users."""
    return await _page(call, asked_in_query(call), call.values["limit"], call.values["cursor"])


async def query_users(call: Call) -> UsersPage:
    """Return a page of users; the body says what a query may be too short for."""
    told = call.told(UsersPageAsked, HINT)
    return await _page(call, told.asked(), told.limit, told.cursor)


async def _page(call: Call, asked: AskedUsers, limit: int, cursor: str | None) -> UsersPage:
    def find(reader: Reader) -> Page:
        with asked.naming():
            query = asked.query(reader, call.space, NEWEST)
            return reader.users_page(call.space, query, limit=limit, cursor=cursor)

    page = await call.read(find)
    return UsersPage([listed_user_json(row) for row in page.items], page.next_cursor)


_USER = ListedUserJson(
    user_id="adam.br",
    is_anonymous=False,
    last_seen="2026-03-02T09:05:30.500000Z",
    country="NO",
    attributes={"plan": "vip"},
)
PAGE_EXAMPLE = UsersPage([_USER], str(CURSOR.example))

ROUTES = (
    Route(
        "GET",
        "/api/v1/users",
        list_users,
        "List users: all, or by a rule, a segment or a text",
        UsersPage,
        PAGE_EXAMPLE,
        (*QUERY, SORT, LIMIT, CURSOR, INCLUDE_OPEN),
        (*ERRORS, InvalidCursor),
    ),
    Route(
        "POST",
        "/api/v1/users/query",
        query_users,
        "List users as GET does, by a rule of any length",
        UsersPage,
        PAGE_EXAMPLE,
        (SPACE,),
        (*ERRORS, InvalidCursor),
        body=UsersPageAsked,
        body_example={"rule": RULE_EXAMPLE, "columns": ["last_seen", "country", "plan"], "limit": 50},
        body_limit="RULE_BODY_BYTES_MAX",
    ),
)
