"""Links: which claims hold, and which ids are one person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.events import Event, UserId, hashed_id
from enduser.core.links import (
    ApiLinks,
    Edge,
    claims,
    held_claims,
    persons,
    shown_id,
    stored_ids,
    united,
)
from enduser.core.settings import SpaceSettings


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


def anonymous(text: str) -> UserId:
    return UserId(text, is_anonymous=True)


U, V, A, B = user("u"), user("v"), anonymous("a"), anonymous("b")
OFF, ON = SpaceSettings(), SpaceSettings(link_on_identify=True)
HASHED = SpaceSettings(hash_ids=True, hash_salt="s")


def event(kind: str, owner: UserId = U, **more: str) -> Event:
    return Event(owner, "m", 7, 7, kind, **more)


SAID = [
    (event("alias", previous_id="a"), OFF, {A}),
    (event("alias", previous_id="a", anonymous_id="b"), OFF, {A}),
    (event("alias", anonymous_id="b"), OFF, {B}),
    (event("alias"), OFF, set()),
    (event("alias", A, previous_id="b"), OFF, set()),
    (event("identify", anonymous_id="a"), OFF, set()),
    (event("track", previous_id="a"), OFF, set()),
    (event("identify", anonymous_id="a"), ON, {A}),
    (event("group", anonymous_id="a"), ON, {A}),
    (event("track"), ON, set()),
    (event("track", previous_id="a"), ON, set()),
    (event("track", A), ON, set()),
    (event("alias", previous_id="a", anonymous_id="b"), ON, {A, B}),
    (event("alias", previous_id="a", anonymous_id="a"), ON, {A}),
    (event("alias", previous_id=hashed_id("s", "a"), anonymous_id="a"), HASHED, {A}),
    (event("alias", previous_id=hashed_id("", "a"), anonymous_id="a"), HASHED, set()),
    (event("alias", previous_id=hashed_id("s", "a")), HASHED, set()),
    (event("alias", anonymous_id="a"), HASHED, {A}),
]


@pytest.mark.parametrize(("said", "settings", "claimed"), SAID)
def test_what_an_event_claims(said: Event, settings: SpaceSettings, claimed: set[UserId]) -> None:
    found = list(claims([said], settings))
    assert {claim.one for claim in found} == claimed
    assert {(claim.other, claim.at, claim.message_id) for claim in found} <= {(U, 7, "m")}


def test_each_event_claims_for_itself() -> None:
    events = [
        event("alias"),
        event("alias", A),
        event("alias", previous_id="a"),
        event("alias", previous_id="b"),
    ]
    assert [claim.one for claim in claims(events, OFF)] == [A, B]


HELD = {
    "by time": ([Edge(A, U, 2, "a"), Edge(A, V, 1, "b")], V),
    "by message": ([Edge(A, U, 1, "b"), Edge(A, V, 1, "a")], V),
    "by user": ([Edge(A, V, 1, "a"), Edge(A, U, 1, "a")], U),
}


@pytest.mark.parametrize("name", HELD)
def test_of_several_claims_of_an_anonymous_id_the_least_holds(name: str) -> None:
    found, right = HELD[name]
    assert [claim.other for claim in held_claims(found, ApiLinks())] == [right]
    assert [claim.other for claim in held_claims(reversed(found), ApiLinks())] == [right]


def test_each_anonymous_id_has_a_claim_that_holds() -> None:
    found = list(held_claims([Edge(A, U, 1), Edge(B, U, 2), Edge(B, V, 3)], ApiLinks()))
    assert [(claim.one, claim.other) for claim in found] == [(A, U), (B, U)]


@pytest.mark.parametrize(("linked_at", "holds"), [(4, False), (5, True), (6, True)])
def test_a_claim_of_an_id_that_the_api_linked_before_is_void(linked_at: int, holds: bool) -> None:
    api = ApiLinks()
    api.add(Edge(V, A, linked_at))
    assert bool(list(held_claims([Edge(A, U, 5)], api))) is holds
    assert list(held_claims([Edge(B, V, 5)], api))


def test_of_several_links_of_an_id_the_first_makes_claims_void() -> None:
    for order in (1, -1):
        api = ApiLinks()
        for link in [Edge(V, A, 4), Edge(A, B, 9)][::order]:
            api.add(link)
        assert list(held_claims([Edge(A, U, 5)], api)) == []


def test_a_removed_link_makes_no_claim_void() -> None:
    api = ApiLinks()
    api.add(Edge(V, A, 1))
    api.remove(A, V)
    assert persons([Edge(A, U, 5)], api) == dict.fromkeys((A, U), frozenset((A, U)))


def test_a_removed_claim_gives_way_to_the_next_until_the_api_links_the_two() -> None:
    api = ApiLinks()
    said = [Edge(A, U, 5), Edge(A, V, 6)]
    api.remove(U, A)
    assert [claim.other for claim in held_claims(said, api)] == [V]
    api.add(Edge(A, U, 9))
    assert [claim.other for claim in held_claims(said, api)] == [U]


def test_linking_twice_keeps_the_first_time() -> None:
    api = ApiLinks()
    api.add(Edge(U, V, 5))
    api.add(Edge(V, U, 3))
    assert [link.at for link in api.links.values()] == [5]


def test_removing_what_was_never_linked_changes_no_person() -> None:
    api = ApiLinks()
    api.remove(U, V)
    assert persons([], api) == {}


def test_links_join_over_several_steps_and_show_the_least_user_id() -> None:
    ids = frozenset((A, B, U, V))
    found = united([Edge(A, B, 1), Edge(U, V, 2), Edge(B, V, 3)])
    assert found == dict.fromkeys(ids, ids)
    assert shown_id(ids) == U
    assert shown_id({B, A}) == A
    assert shown_id({user("z"), A}) == user("z")


@pytest.mark.parametrize("size", [limits.PERSON_IDS_MAX + extra for extra in (-1, 0, 1)])
def test_a_person_has_as_many_ids_as_the_limit(size: int) -> None:
    found = united(Edge(U, anonymous(f"a{n:03}"), n) for n in range(size - 1))
    assert len(found[U]) == min(size, limits.PERSON_IDS_MAX)
    assert (anonymous(f"a{size - 2:03}") in found) is (size <= limits.PERSON_IDS_MAX)


TIES = {
    "by time": (Edge(U, A, 1, "z"), Edge(U, B, 2, "a")),
    "by message": (Edge(U, B, 1, "a"), Edge(U, A, 1, "b")),
    "by ids": (Edge(U, A, 1), Edge(B, U, 1)),
    "by the greater id": (Edge(V, U, 1), Edge(U, user("w"), 1)),
}


@pytest.mark.parametrize("name", TIES)
def test_where_there_is_room_for_one_the_earlier_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PERSON_IDS_MAX", 2)
    first, second = TIES[name]
    assert united([first, second]) == united([second, first]) == dict.fromkeys(first.pair, first.pair)


def test_an_edge_for_which_there_is_no_room_joins_nothing_and_others_still_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PERSON_IDS_MAX", 3)
    found = united([Edge(A, U, 1), Edge(B, V, 2), Edge(A, B, 3), Edge(V, user("w"), 4)])
    assert found[U] == {A, U}
    assert found[B] == {B, V, user("w")}


IDS = st.sampled_from([U, V, A, B, user("a"), anonymous("u")])
EDGES = st.lists(
    st.builds(Edge, IDS, IDS, st.integers(0, 3), st.sampled_from("xy")).filter(lambda e: e.one != e.other),
    max_size=8,
)


@given(EDGES, EDGES, st.randoms(use_true_random=False))
def test_the_order_in_which_things_arrive_does_not_matter(said: list[Edge], linked: list[Edge], rng) -> None:
    said = [edge for edge in said if edge.one.is_anonymous and not edge.other.is_anonymous]
    api, shuffled = ApiLinks(), ApiLinks()
    first = {link.pair: link for link in reversed(linked)}
    for link in first.values():
        api.add(link)
    for link in rng.sample(list(first.values()), len(first)):
        shuffled.add(link)
    assert persons(said, api) == persons(rng.sample(said, len(said)), shuffled)


@given(EDGES, IDS, IDS)
def test_a_link_that_is_added_and_removed_leaves_the_persons_of_the_other_links(
    linked: list[Edge], one: UserId, other: UserId
) -> None:
    link = Edge(one, other, 1)
    api = ApiLinks()
    for edge in linked:
        if edge.pair != link.pair:
            api.add(edge)
    before = persons([], api)
    api.add(link)
    api.remove(other, one)
    assert persons([], api) == before


@given(EDGES)
def test_every_id_of_a_person_knows_the_same_person(said: list[Edge]) -> None:
    found = united(said)
    assert all(found[one] == ids for ids in found.values() for one in ids)
    assert {one for edge in said for one in edge.pair} == found.keys()


SALTED = SpaceSettings(hash_ids=True, hash_salt="pepper")
HASH = hashed_id("pepper", "adam")


@pytest.mark.parametrize(
    ("settings", "id_kind", "meant"),
    [
        (SpaceSettings(), None, [user("adam"), anonymous("adam")]),
        (SpaceSettings(), "plain", [user("adam")]),
        (SpaceSettings(), "anonymous", [anonymous("adam")]),
        (SpaceSettings(), "hashed", []),
        (SALTED, None, [user(HASH), anonymous("adam")]),
        (SALTED, "plain", [user(HASH)]),
        (SALTED, "anonymous", [anonymous("adam")]),
        (SALTED, "hashed", [user("adam")]),
    ],
)
def test_what_a_readers_id_can_mean_depends_on_its_kind_and_on_whether_ids_are_hashed(
    settings: SpaceSettings, id_kind: str | None, meant: list[UserId]
) -> None:
    assert list(stored_ids(settings, "adam", id_kind)) == meant
