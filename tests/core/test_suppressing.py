"""Suppression: which ids stay out, and what of events is taken while they do."""

from __future__ import annotations

from dataclasses import replace

from enduser.core.events import Event, UserId, hashed_id
from enduser.core.settings import SpaceSettings
from enduser.core.suppressing import admitted, kept_out

PLAIN = SpaceSettings(hash_salt="s")
HASHED = SpaceSettings(hash_salt="s", hash_ids=True)
ADA = UserId("ada", is_anonymous=False)
HASH = UserId(hashed_id("s", "ada"), is_anonymous=False)
BROWSER = UserId("b1", is_anonymous=True)
EVE = UserId("eve", is_anonymous=False)


def taken(
    event: Event, *out: UserId, settings: SpaceSettings = PLAIN
) -> list[tuple[UserId, str | None, str | None]]:
    found = admitted([event], out or (ADA, BROWSER), settings)
    return [(event.user, event.anonymous_id, event.previous_id) for event in found]


def alias(previous: str | None = None, beside: str | None = None) -> Event:
    return Event(EVE, "m", 0, 0, "alias", anonymous_id=beside, previous_id=previous)


def test_beside_a_plain_id_the_hash_that_would_stand_for_it_stays_out() -> None:
    assert list(kept_out([ADA, BROWSER], PLAIN)) == [ADA, HASH, BROWSER]


def test_where_ids_are_hashed_already_nothing_else_stays_out() -> None:
    assert list(kept_out([HASH, BROWSER], HASHED)) == [HASH, BROWSER]


def test_events_of_who_stays_out_are_not_taken_and_those_of_others_are_as_they_came() -> None:
    events = [Event(user, "m", 0, 0) for user in (ADA, BROWSER, EVE, UserId("ada", is_anonymous=True))]
    assert list(admitted(events, {ADA, BROWSER}, PLAIN)) == events[2:]


def test_events_of_others_do_not_name_an_anonymous_id_that_stays_out() -> None:
    event = Event(EVE, "m", 0, 0, anonymous_id="b1")
    assert list(admitted([event], {BROWSER}, PLAIN)) == [replace(event, anonymous_id=None)]
    assert taken(event, UserId("b1", is_anonymous=False)) == [(EVE, "b1", None)]


def test_an_id_before_may_be_of_either_kind() -> None:
    for text in ("ada", "b1"):
        assert taken(alias(text, "b2")) == [(EVE, "b2", "")]
    assert taken(alias("b2", "b3")) == [(EVE, "b3", "b2")]


def test_where_ids_are_hashed_the_hash_of_an_id_before_names_him_as_the_id_or_as_its_hash() -> None:
    for text in ("ada", HASH.id, "b1"):
        assert taken(alias(hashed_id("s", text)), HASH, BROWSER, settings=HASHED) == [(EVE, None, "")]
    for text in ("b2", "eve"):
        before = hashed_id("s", text)
        assert taken(alias(before), HASH, BROWSER, settings=HASHED) == [(EVE, None, before)]
