"""Ids, junk, identity."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.events import (
    Event,
    UserId,
    derived_message_id,
    greatest,
    hashed_id,
    known_id,
    owner,
    take_once,
)
from enduser.core.origin import Browser, Place

USER = UserId("u", is_anonymous=False)


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
    events = [Event(USER, "m", 5, 1), Event(USER, "m", 6, 1), Event(USER, "m", 5, 2)]
    assert [event.occurred_at for event in take_once(events)] == [5, 5]


def test_an_event_is_an_active_track_unless_it_says_else_and_never_changes() -> None:
    event = Event(USER, "m", 5, 5)
    assert (event.type, event.is_act) == ("track", True)
    with pytest.raises(FrozenInstanceError):
        event.occurred_at = 6  # type: ignore[misc]


def test_a_user_id_and_an_equal_anonymous_id_have_events_of_their_own() -> None:
    events = [Event(UserId("u", is_anonymous), "m", 5, 5) for is_anonymous in (False, True)]
    assert take_once(events) == events


def test_of_copies_the_first_stays_and_only_place_and_browser_improve() -> None:
    first = Event(USER, "m", 5, 5, place=Place("NO"), properties={"role": "a"})
    copy = Event(
        *(USER, "m", 6, 5),
        place=Place("NO", "Oslo"),
        browser=Browser("Chrome", "1"),
        properties={"role": "b"},
    )
    [taken] = take_once([first, copy])
    assert (taken.place, taken.browser) == (Place("NO", "Oslo"), Browser("Chrome", "1"))
    assert (taken.properties, taken.occurred_at) == ({"role": "a"}, 5)


def test_a_copy_that_knows_less_changes_nothing() -> None:
    first = Event(USER, "m", 5, 5, place=Place("NO", "Oslo"), browser=Browser("Firefox", "9"))
    copies = [Event(USER, "m", 5, 5), Event(USER, "m", 5, 5, place=Place("NO"), browser=Browser("Chrome"))]
    assert take_once([first, *copies]) == [first]


@pytest.mark.parametrize(
    ("one", "other", "greater"),
    [
        (None, None, None),
        (None, Place("NO"), Place("NO")),
        (Place("NO"), Place("DE", "Berlin"), Place("NO")),
        (Place("NO"), Place("NO", None, "Oslo"), Place("NO", None, "Oslo")),
        (Browser("Chrome", "1"), Browser("Chrome"), Browser("Chrome", "1")),
    ],
)
def test_the_greater_of_two_origins_is_found_part_by_part_with_unknown_the_least(
    one: Place | Browser | None, other: Place | Browser | None, greater: Place | Browser | None
) -> None:
    assert greatest(one, other) == greater  # type: ignore[type-var]
    assert greatest(other, one) == greater  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("parts", "copy", "message_id"),
    [
        (("track", None, None, None), 1, "~24c8ad3b0fc2d9ed"),
        (("track", None, None, None), 2, "~549e0756c60b29fc"),
        (("page", "Home", "/", "{}"), 1, "~5e624a31c22a7102"),
        (("page", "Hjem", "/å", '{"a": 1}'), 1, "~2cc2a7ce27ea59b5"),
        (("",), 1, "~3f28e05ec1ab19bb"),
        ((None,), 1, "~321f3c14a50e28a1"),
    ],
)
def test_the_derived_id_of_a_row_never_changes(
    parts: tuple[str | None, ...], copy: int, message_id: str
) -> None:
    assert derived_message_id(parts, copy) == message_id


def test_a_derived_id_has_as_many_digits_as_its_63_bits_whatever_the_bits() -> None:
    for copy in range(1, 200):
        message_id = derived_message_id(("page",), copy)
        assert len(message_id) == 17
        assert int(message_id[1:], 16) < 1 << 63


@pytest.mark.parametrize(
    ("kind", "name", "is_active", "is_visit", "is_page_view", "is_act"),
    [
        ("page", None, True, True, True, False),
        ("screen", None, True, True, True, False),
        ("track", None, True, True, False, True),
        ("track", "$click", True, True, False, True),
        ("track", "$heartbeat", True, True, False, False),
        ("identify", None, True, True, False, False),
        ("group", None, True, False, False, False),
        ("alias", None, True, False, False, False),
        ("page", None, False, False, False, False),
        ("track", None, False, False, False, False),
    ],
)
def test_which_kind_an_event_is(
    kind: str, name: str | None, is_active: bool, is_visit: bool, is_page_view: bool, is_act: bool
) -> None:
    event = Event(USER, "m", 5, 5, kind, name, is_active)
    assert (event.is_visit, event.is_page_view, event.is_act) == (is_visit, is_page_view, is_act)


EVENTS = st.lists(
    st.builds(
        Event,
        user=st.builds(UserId, st.sampled_from("ab"), st.booleans()),
        message_id=st.sampled_from("mn"),
        occurred_at=st.integers(5, 7),
        client_at=st.sampled_from([None, 5, 6]),
        place=st.none() | st.builds(Place, st.sampled_from("AB"), st.sampled_from([None, "x", "y"])),
        browser=st.none() | st.builds(Browser, st.sampled_from("CF"), st.sampled_from([None, "1", "2"])),
    ),
    max_size=12,
)


@given(EVENTS, st.data())
def test_any_batch_taken_twice_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    bounds = st.integers(0, len(events))
    batch = events[data.draw(bounds) : data.draw(bounds)]
    assert take_once([*events, *batch]) == take_once(events)
    assert take_once(take_once(events)) == take_once(events)


@given(EVENTS, EVENTS)
def test_two_batches_taken_one_after_the_other_are_as_good_as_one(
    first: list[Event], second: list[Event]
) -> None:
    assert take_once([*take_once(first), *second]) == take_once([*first, *second])
