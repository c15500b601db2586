"""Whom one asks for by a rule, a text and an order: the same as a plain look through all users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asked_users import HOSTILE, SORTS, TYPES, User, fill, has, in_order, value_of
from hypothesis import example, given
from hypothesis import strategies as st
from stored import LOOKUPS, NOW, SPACE

from enduser import limits
from enduser.core.rules.fields import USER_FIELDS
from enduser.core.users_query import UsersQuery
from enduser.errors import InvalidCursor, InvalidParameter, InvalidRule, LimitExceeded
from enduser.stores.embedded import EmbeddedStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store that tests only read."""
    folder = tmp_path_factory.mktemp("asked")
    with EmbeddedStore(folder / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        fill(opened, folder)
        yield opened


@pytest.fixture(scope="module")
def everyone(store: EmbeddedStore) -> list[User]:
    return list(store.users(SPACE))


def pages(store: EmbeddedStore, asked: UsersQuery, limit: int) -> list[User]:
    """Return the rows of all pages."""
    rows: list[User] = []
    cursor = None
    while True:
        page = store.users_page(SPACE, asked, limit=limit, cursor=cursor)
        rows += page.items
        if (cursor := page.next_cursor) is None:
            return rows


def signed(names: list[str]) -> list[str]:
    return [f"{sign}{name}" for name in names for sign in ("", "-")]


RULES: dict[str, tuple[dict[str, Any], Callable[[User], bool]]] = {
    "country": (
        {"field": "country", "operator": "is_not", "value": "NO"},
        lambda user: user["country"] != "NO",
    ),
    "number": (
        {"combinator": "or", "rules": [
            {"field": "a1", "operator": "ge", "value": 2},
            {"field": "select", "operator": "in", "value": [*HOSTILE[:9]]}]},
        lambda user: (value_of(user, "a1") or 0) >= 2 or value_of(user, "select") in HOSTILE[:9],
    ),
    "sessions": (
        {"kind": "session", "count": {"operator": "ge", "value": 2}},
        lambda user: user["total_sessions"] >= 2,
    ),
}  # fmt: skip


def test_the_users_have_all_that_is_asked_for(everyone: list[User]) -> None:
    assert len(everyone) == 40
    for name in [*SORTS, "users"]:
        values = [repr(value_of(user, name)) for user in everyone]
        assert name in ("type", "status", "info") or len(set(values)) > 1


# --- in any order


@pytest.mark.parametrize("sort", signed(SORTS))
def test_all_pages_together_are_everyone_in_order(
    store: EmbeddedStore, everyone: list[User], sort: str
) -> None:
    right = in_order(everyone, sort)
    asked = UsersQuery(sort=sort)
    assert pages(store, asked, 11) == right
    assert list(store.users(SPACE, asked)) == right


@pytest.mark.parametrize("sort", signed(SORTS))
def test_all_pages_together_are_those_of_a_rule_and_a_text_in_order(
    store: EmbeddedStore, everyone: list[User], sort: str
) -> None:
    rule, holds = RULES["country"]
    asked = UsersQuery(rule=rule, search="s", sort=sort)
    right = in_order([user for user in everyone if holds(user) and has(user, "S")], sort)
    assert 12 < len(right) < len(everyone)
    assert pages(store, asked, 9) == right
    assert list(store.users(SPACE, asked)) == right


@pytest.mark.parametrize("limit", [1, 2, 39, 40, 41])
@pytest.mark.parametrize("sort", ["country", "-matched", "user_id", "-is_anonymous", "type"])
def test_pages_of_any_size_have_everyone_once(
    store: EmbeddedStore, everyone: list[User], sort: str, limit: int
) -> None:
    assert pages(store, UsersQuery(sort=sort), limit) == in_order(everyone, sort)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_lists_whom_it_means(store: EmbeddedStore, everyone: list[User], name: str) -> None:
    rule, holds = RULES[name]
    right = in_order([user for user in everyone if holds(user)], "a2")
    assert 0 < len(right) < len(everyone)
    assert pages(store, UsersQuery(rule=rule, sort="a2"), 5) == right
    assert store.count_users(SPACE, [rule]).counts[0].users == len(right)


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("sort", ["user_id", "-user_id"])
def test_those_of_a_rule_are_found_by_id_wherever_their_ids_stand(
    store: EmbeddedStore, everyone: list[User], sort: str, limit: int
) -> None:
    ids = [user["user_id"] for user in everyone]
    far = (ids[:2] if sort.startswith("-") else ids[-2:]) + [ids[20]]
    rule = {"field": "user_id", "operator": "in", "value": far}
    found = pages(store, UsersQuery(rule=rule, sort=sort), limit)
    assert [user["user_id"] for user in found] == sorted(far, reverse=sort.startswith("-"))


def test_a_place_of_a_list_of_another_kind_of_value_is_refused(store: EmbeddedStore) -> None:
    cursor = store.users_page(SPACE, UsersQuery(sort="sort_value"), limit=1).next_cursor
    for sort in ("-sort_value", "a2", "select"):
        with pytest.raises(InvalidCursor):
            store.users_page(SPACE, UsersQuery(sort=sort), cursor=cursor)


def test_what_cannot_be_is_refused_wherever_users_are_asked_for(store: EmbeddedStore) -> None:
    for asked in (
        UsersQuery(sort="users"),
        UsersQuery(sort='select" DESC --'),
        UsersQuery(columns=("a3",)),
        UsersQuery(columns=("person_key",)),
        UsersQuery(rule={"rules": []}, include_open=True),
    ):
        for ask in (store.users_page, store.users, store.reader.users_page):
            with pytest.raises(InvalidParameter):
                ask(SPACE, asked)
    for ask in (store.users_page, store.users):
        with pytest.raises(InvalidRule):
            ask(SPACE, UsersQuery(rule={"field": "gone", "operator": "known"}))
        with pytest.raises(LimitExceeded):
            ask(SPACE, UsersQuery(search="x" * (limits.SEARCH_CHARACTERS_MAX + 1)))


# --- texts


@pytest.mark.parametrize(
    "text", [*HOSTILE, "%", "_", "'", '"', "USER 1", "oslo", "FIREFOX", "120", "i", "nobody"]
)
def test_a_text_is_found_wherever_it_stands_and_is_no_pattern(
    store: EmbeddedStore, everyone: list[User], text: str
) -> None:
    for asked in (text, text.lower(), text.upper()):
        right = in_order([user for user in everyone if has(user, asked)], "user_id")
        assert pages(store, UsersQuery(search=asked), 50) == right
        assert asked != text or bool(right) == (text != "nobody")


TEXTS = [name for name, kind in {**USER_FIELDS, **TYPES}.items() if kind in ("string", "list")]


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_of_a_user_is_searched(store: EmbeddedStore, everyone: list[User], name: str) -> None:
    values = [value for user in everyone if (value := value_of(user, name))]
    assert values or name in ("type", "status", "info")
    for value in values[:3]:
        text = value if isinstance(value, str) else value[-1]
        found = pages(store, UsersQuery(search=text), 50)
        assert found == in_order([user for user in everyone if has(user, text)], "user_id")
        assert value in [value_of(user, name) for user in found]


@pytest.mark.parametrize(
    "name", ["first_seen", "total_sessions", "is_anonymous", "sort_value", "listed", "a1"]
)
def test_what_is_no_text_is_not_searched(store: EmbeddedStore, everyone: list[User], name: str) -> None:
    for value in {str(value_of(user, name)) for user in everyone}:
        right = [user for user in everyone if has(user, value)]
        assert pages(store, UsersQuery(search=value), 50) == in_order(right, "user_id")
        assert len(right) < len(everyone)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4))
@example(text="$search")
@example(text="\0")
@example(text="')) OR true --")
def test_any_text_can_be_searched(store: EmbeddedStore, everyone: list[User], text: str) -> None:
    found = store.users_page(SPACE, UsersQuery(search=text)).items
    assert found == in_order([user for user in everyone if has(user, text)], "user_id")


def test_a_text_is_searched_with_open_sessions_too(store: EmbeddedStore, everyone: list[User]) -> None:
    asked = UsersQuery(search="oslo", include_open=True, sort="-city")
    right = in_order([user for user in everyone if has(user, "oslo")], "-city")
    assert pages(store, asked, 3) == list(store.users(SPACE, asked)) == right != []


# --- columns


def test_only_the_columns_come_that_are_asked_for_and_the_id_always(
    store: EmbeddedStore, everyone: list[User]
) -> None:
    columns = ("users", "select", "city", "a1", "city", "is_anonymous")
    asked = UsersQuery(columns=columns, sort="-listed", search="s")
    custom = {"users", "select", "a1"}
    right = [
        {
            "user_id": user["user_id"],
            "is_anonymous": user["is_anonymous"],
            "city": user["city"],
            "attributes": {name: value for name, value in user["attributes"].items() if name in custom},
        }
        for user in in_order([user for user in everyone if has(user, "s")], "-listed")
    ]
    assert pages(store, asked, 7) == list(store.users(SPACE, asked)) == right
    assert list(right[0]) == list(store.users_page(SPACE, asked).items[0])
    bare = store.users_page(SPACE, UsersQuery(columns=())).items[0]
    assert list(bare) == ["user_id", "is_anonymous", "attributes"]
    assert bare["attributes"] == {}
