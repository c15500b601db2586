"""Erasure: which events stay, and what they say of the person who was erased."""

from __future__ import annotations

from dataclasses import replace

from enduser.core.erasing import without
from enduser.core.events import Event, UserId, hashed_id
from enduser.core.links import claims
from enduser.core.settings import SpaceSettings

ADA = UserId("ada", is_anonymous=False)
EVE = UserId("eve", is_anonymous=False)
BROWSER = UserId("b1", is_anonymous=True)
PERSON = {ADA, BROWSER}


def alias(previous: str | None, beside: str | None = None) -> Event:
    return Event(EVE, "m", 0, 0, "alias", anonymous_id=beside, previous_id=previous)


def left(event: Event, settings: SpaceSettings | None = None) -> list[Event]:
    return list(without([event], PERSON, settings or SpaceSettings()))


def test_events_of_each_id_of_the_person_go_and_those_of_others_stay() -> None:
    events = [Event(user, "m", 0, 0) for user in (ADA, BROWSER, EVE, UserId("ada", is_anonymous=True))]
    assert list(without(events, PERSON, SpaceSettings())) == events[2:]


def test_events_of_others_do_not_name_an_anonymous_id_of_the_person_any_more() -> None:
    event = Event(EVE, "m", 0, 0, anonymous_id="b1")
    assert left(event) == [replace(event, anonymous_id=None)]


def test_a_user_id_of_the_person_is_no_anonymous_id_of_the_same_text() -> None:
    event = alias("ada", "ada")
    assert left(event) == [event]


def test_an_alias_that_named_the_person_claims_nobody_in_his_place() -> None:
    settings = SpaceSettings()
    assert [edge.one.id for edge in claims([alias("b1", "b2")], settings)] == ["b1"]
    assert left(alias("b1", "b2")) == [alias("", "b2")]
    assert list(claims(left(alias("b1", "b2")), settings)) == []


def test_where_ids_are_hashed_the_hash_of_an_anonymous_id_names_it_too() -> None:
    settings = SpaceSettings(hash_ids=True, hash_salt="s")
    assert left(alias(hashed_id("s", "b1"), "b2"), settings) == [alias("", "b2")]
    assert left(alias("b1"), settings) == [alias("b1")]
    assert list(claims(left(alias(hashed_id("s", "b1"), "b2"), settings), settings)) == []
