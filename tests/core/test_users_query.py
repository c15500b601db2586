"""What can be asked for of users: attributes that there are, and texts that can be searched."""

from __future__ import annotations

from typing import Any

import pytest

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.users_query import UsersQuery, check_query
from enduser.errors import InvalidParameter, LimitExceeded

CUSTOM = {"plan": AttributeType.STRING, "tags": AttributeType.LIST, "seats": AttributeType.NUMBER}


def refused(**asked: object) -> InvalidParameter:
    with pytest.raises(InvalidParameter) as caught:
        check_query(UsersQuery(**asked), CUSTOM)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("name", [*USER_COLUMNS, "plan", "seats"])
def test_users_are_sorted_by_any_attribute_both_ways(name: str) -> None:
    for sign in ("", "-"):
        asked = UsersQuery(sort=f"{sign}{name}", columns=(name, "tags"))
        check_query(asked, CUSTOM)
        assert asked.sorted_by == name


@pytest.mark.parametrize("name", ["", "-", "--plan", "Plan", "attributes", "plan ", "a1", "gone"])
def test_a_name_that_is_no_attribute_is_refused_with_those_that_are(name: str) -> None:
    error = refused(sort=name)
    assert (error.code, error.field) == ("invalid_parameter", "sort")
    assert "user_id" in str(error.hint)
    assert "plan, seats, tags" in str(error.hint)
    error = refused(columns=("plan", name))
    assert (error.field, f"there is no attribute {name!r}") == ("columns", error.message)


def test_a_name_that_differs_only_by_case_is_proposed_first() -> None:
    assert str(refused(columns=("TAGS",)).hint).endswith("tags, plan, seats")


def test_users_are_not_sorted_by_lists() -> None:
    for sort in ("tags", "-tags"):
        error = refused(sort=sort)
        assert (error.field, "whose values are lists" in error.message) == ("sort", True)


def test_a_rule_and_open_sessions_are_not_asked_for_together() -> None:
    assert refused(rule=EVERYONE, include_open=True).field == "include_open"
    check_query(UsersQuery(rule=EVERYONE), CUSTOM)
    check_query(UsersQuery(include_open=True, search="x"), CUSTOM)


def test_a_text_that_is_searched_may_be_as_long_as_the_limit() -> None:
    for size in (1, limits.SEARCH_CHARACTERS_MAX - 1, limits.SEARCH_CHARACTERS_MAX):
        check_query(UsersQuery(search="é" * size), CUSTOM)
    with pytest.raises(LimitExceeded) as caught:
        check_query(UsersQuery(search="é" * (limits.SEARCH_CHARACTERS_MAX + 1)), CUSTOM)
    assert (caught.value.field, caught.value.limit) == ("search", limits.SEARCH_CHARACTERS_MAX)


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        (
            {"rule": EVERYONE, "include_open": True},
            "rules see closed sessions only, so include_open cannot be asked for with a rule",
            "leave one of them out",
        ),
        (
            {"sort": "tags"},
            "users cannot be sorted by 'tags', whose values are lists",
            "sort by an attribute of another type",
        ),
        ({"search": "\ud800"}, "what is searched is no UTF-8", "write characters, not halves of them"),
        (
            {"search": "x" * 2_000},
            "a text of 2,000 characters cannot be searched",
            f"the limit is {limits.SEARCH_CHARACTERS_MAX} (SEARCH_CHARACTERS_MAX); a part of it will do",
        ),
        (
            {"columns": ("x" * 101,)},
            f"there is no attribute '{'x' * 100}'",
            f"names are case-sensitive; there are: {', '.join(USER_COLUMNS)}, plan, seats, tags",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_told_with_what_can(
    asked: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises((InvalidParameter, LimitExceeded)) as caught:
        check_query(UsersQuery(**asked), CUSTOM)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_of_many_attributes_thirty_are_proposed() -> None:
    custom = {f"a{number:02}": AttributeType.STRING for number in range(31)}
    with pytest.raises(InvalidParameter) as caught:
        check_query(UsersQuery(sort="gone"), custom)
    assert str(caught.value.hint).endswith(", a28, a29")


def test_half_a_character_is_not_searched() -> None:
    assert refused(search="a\ud800").field == "search"
    check_query(UsersQuery(search="a\0 %_'\"💥"), CUSTOM)
