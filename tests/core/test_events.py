"""Ids, junk, identity."""

from __future__ import annotations

import pytest

from enduser.core.events import Event, UserId, hashed_id, known_id, owner, take_once


@pytest.mark.parametrize(
    "junk",
    [
        *("", " ", "null", "NULL", "undefined", "0", "NaN", "None", "true", "False", "Anonymous", "guest"),
        *("[object Object]", "\u3000null\u00a0", "\tguest\n"),
    ],
)
def test_a_junk_id_is_absent(junk: str) -> None:
    assert known_id(junk) is None


@pytest.mark.parametrize("good", ["00", "nullable", "adam.br", "Guest2", "[object]"])
def test_an_id_that_only_resembles_junk_is_kept(good: str) -> None:
    assert known_id(f" {good} ") == good


def test_an_event_with_both_ids_belongs_to_the_user_id() -> None:
    assert owner("u", "a") == UserId("u", is_anonymous=False)
    assert owner("null", "a") == UserId("a", is_anonymous=True)
    assert owner(None, "0") is None


def test_the_documented_hash_of_an_id() -> None:
    assert hashed_id("", "adam.br") == "LxhaMQBuA3cjHQqujqUmW/YDuHkWuCFjsT2uXs7lDQY"


def test_the_same_message_id_at_another_client_time_is_another_event() -> None:
    user = UserId("u", is_anonymous=False)
    events = [Event(user, "m", 5, 1), Event(user, "m", 6, 1), Event(user, "m", 5, 2)]
    assert [event.occurred_at for event in take_once(events)] == [5, 5]
