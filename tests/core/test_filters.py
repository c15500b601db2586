"""Saved filters: what they can be, what they name, and attributes under another name."""

from __future__ import annotations

from typing import Any

import pytest

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.filters import UserFilter, check_filter, kept, with_renamed
from enduser.core.rules.naming import Names
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.users_query import UsersQuery
from enduser.errors import InvalidFilter, InvalidParameter, InvalidRule, LimitExceeded

CUSTOM = {"plan": AttributeType.STRING, "tags": AttributeType.LIST, "seats": AttributeType.NUMBER}
WORDS = Vocabulary(custom=CUSTOM, lists=("staff",))
RULE = {"combinator": "and", "rules": [
    {"field": "plan", "operator": "is", "value": "vip"}, {"kind": "list", "id": "staff"}]}  # fmt: skip


def a_filter(**more: Any) -> UserFilter:
    return UserFilter(**{"id": "a", "name": "A", **more})


def check(**more: Any) -> Names:
    return check_filter(a_filter(**more), CUSTOM, lambda rule: read_rule(rule, WORDS))


def test_a_filter_names_what_its_rule_its_columns_and_its_order_name() -> None:
    assert check() == Names(("last_seen",), (), ())
    names = check(rule=RULE, columns=("tags", "city", "tags"), sort="-seats", search="x")
    assert names == Names(("city", "plan", "seats", "tags"), (), ("staff",))


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "é", "a\n", "a."])
def test_an_id_has_letters_digits_and_few_others(name: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        check(id=name)
    assert caught.value.field == "id"
    check(id="A-b_9")


def test_an_id_and_a_name_may_be_as_long_as_the_limit() -> None:
    for field, most in (("id", limits.FILTER_ID_CHARACTERS_MAX), ("name", limits.FILTER_NAME_CHARACTERS_MAX)):
        for size in (1, most - 1, most):
            check(**{field: "a" * size})
        with pytest.raises(InvalidFilter) as caught:
            check(**{field: "a" * (most + 1)})
        assert caught.value.field == field


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x7f", "a\u2028"])
def test_a_name_is_one_line_that_people_see(name: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        check(name=name)
    assert caught.value.field == "name"


def test_a_filter_asks_for_what_it_has() -> None:
    asked = {"rule": RULE, "search": "ada", "columns": ("plan",), "sort": "plan"}
    assert a_filter(**asked).query == UsersQuery(**asked)


ID_TAKES = (
    "an id has letters, digits, _ and -, begins with a letter or a digit, and has at most 64 characters "
    "(FILTER_ID_CHARACTERS_MAX)"
)
NAME_TAKES = "write 1 to 100 characters (FILTER_NAME_CHARACTERS_MAX), without control characters"


@pytest.mark.parametrize(
    ("more", "message", "hint", "limit"),
    [
        ({"id": "a b"}, "no filter can have the id 'a b'", ID_TAKES, None),
        ({"id": "x" * 99}, f"no filter can have the id '{'x' * 65}'", ID_TAKES, None),
        ({"name": "a\n"}, "no filter can be called 'a\\n'", NAME_TAKES, 100),
        ({"name": "é" * 101}, f"no filter can be called '{'é' * 100}'", NAME_TAKES, 100),
    ],
)
def test_what_cannot_be_is_told_with_what_can(
    more: dict[str, Any], message: str, hint: str, limit: int | None
) -> None:
    with pytest.raises(InvalidFilter) as caught:
        check(**more)
    assert (caught.value.message, caught.value.hint, caught.value.limit) == (message, hint, limit)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"sort": "tags"}, InvalidParameter),
        ({"sort": "gone"}, InvalidParameter),
        ({"columns": ("gone",)}, InvalidParameter),
        ({"search": "x" * (limits.SEARCH_CHARACTERS_MAX + 1)}, LimitExceeded),
        ({"rule": {"field": "gone", "operator": "known"}}, InvalidRule),
    ],
)
def test_what_is_asked_for_must_be_possible(more: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        check(**more)


def test_it_is_kept_without_what_editors_add_and_with_each_column_once() -> None:
    rule = {"field": "plan", "operator": "known", "id": "x", "path": [0]}
    found = kept(a_filter(rule=rule, columns=("plan", "city", "plan")))
    right = {"combinator": "and", "rules": [{"field": "plan", "operator": "known"}]}
    assert found == a_filter(rule=right, columns=("plan", "city"))
    assert kept(a_filter()) == a_filter()


def test_an_attribute_gets_its_new_name_wherever_a_filter_names_it() -> None:
    before = a_filter(rule=RULE, columns=("tags", "plan"), sort="-plan", search="plan")
    found = with_renamed(before, "plan", "tariff")
    assert found.rule is not None
    assert found.rule["rules"][0]["field"] == "tariff"
    assert (found.columns, found.sort, found.search) == (("tags", "tariff"), "-tariff", "plan")
    assert with_renamed(a_filter(sort="plan"), "plan", "tariff").sort == "tariff"
    assert with_renamed(before, "seats", "places") == before
    assert with_renamed(a_filter(), "plan", "tariff") == a_filter()
