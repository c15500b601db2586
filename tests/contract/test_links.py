"""Links: what the engine makes of claims, links and removals is what the reference model says."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from histories import PLACES, Row, expected, numbered
from stored import LOOKUPS, NOW, SPACE, Linked, assert_same, linked, links, take
from tiers import IS_FULL, tries

from enduser import limits
from enduser.core.events import Event, UserId, hashed_id, take_once
from enduser.core.links import ApiLinks, Edge, claims, held_claims, persons
from enduser.errors import LimitExceeded, UsageError
from enduser.stores.answering import answer
from enduser.stores.answers import Page
from enduser.stores.embedded import EmbeddedStore, capped, fold
from enduser.stores.records import AddLink, ChangeSettings, CloseHistory, RemoveLink, SpooledEvents
from enduser.stores.wire import decoded, encoded

MINUTE = 60_000_000
START = 1_700_000_000_000_000
FAR = 10_000_000
ASKED = 25
"""Of more ids than these, only some are asked for one by one each day."""


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def at(minute: float) -> int:
    return START + round(minute * MINUTE)


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


def anonymous(text: str) -> UserId:
    return UserId(text, is_anonymous=True)


@dataclass
class Both:
    """An engine and the reference model, told the same."""

    store: EmbeddedStore
    folder: Path
    rows: list[Row] = field(default_factory=list)
    api: ApiLinks = field(default_factory=ApiLinks)
    clock: int = 0
    copy: dict[UserId, object] = field(default_factory=dict)
    """What a serving copy has that follows the store."""
    copied: int = 0

    def take(self, *rows: Row) -> None:
        self.rows += rows
        take(self.store, self.folder, list(rows))

    def fold(self) -> None:
        self.store.fold(SPACE)

    def close(self) -> None:
        self.store.apply(SPACE, CloseHistory())
        self.clock = max((row.occurred_at for row in self.rows), default=0)
        self.clock += self.store.settings(SPACE).window_us

    def link(self, one: UserId, other: UserId, since: int) -> None:
        """Link two ids, which the engine is to refuse where the model has no room."""
        before = dict(self.api.links), set(self.api.removed)
        self.api.add(Edge(one, other, since))
        if self.persons().get(one, {one}) == self.persons().get(other, {other}):
            self.store.apply(SPACE, AddLink(one, other, since))
            return
        self.api.links, self.api.removed = before
        with pytest.raises(LimitExceeded, match="cannot be linked"):
            self.store.apply(SPACE, AddLink(one, other, since))

    def unlink(self, one: UserId, other: UserId) -> None:
        self.api.remove(one, other)
        self.store.apply(SPACE, RemoveLink(one, other, NOW))

    def events(self) -> list[Event]:
        return take_once(numbered(self.rows))

    def persons(self):
        return persons(claims(self.events(), self.store.settings(SPACE)), self.api)

    def follow(self) -> None:
        changes = self.store.changes(SPACE, self.copied)
        self.copied = changes.fold
        if changes.is_everything:
            self.copy.clear()
        for text, is_anonymous, row in changes.users:
            self.copy[UserId(text, is_anonymous)] = row

    def check(self) -> None:
        """Compare sessions, objects, by listing and by each id, and links; in the full tier verify, too.

        What verify finds of the last state is looked at in any tier: see the fixture `both`.
        """
        settings = self.store.settings(SPACE)
        clock = max([self.clock, *(row.occurred_at for row in self.rows)])
        assert_same(self.store, expected(numbered(self.rows), settings, clock, self.api))
        objects = {UserId(row["user_id"], row["is_anonymous"]): row for row in self.store.users(SPACE)}
        joined = self.persons()
        by_id = {one: objects.get(shown(joined.get(one, {one}))) for one in self.ids()}
        asked = sorted(self.ids())[:: 1 if IS_FULL else 1 + len(by_id) // ASKED]
        found = {one: self.store.find_user(SPACE, one.id, kind(one)) for one in asked}
        assert found == {one: by_id[one] for one in asked}
        self.follow()
        assert {one: self.copy.get(one) for one in self.ids()} == by_id
        assert links(self.store) == self.links()
        pairs = [(link.other, link.one) for link in self.links()[-2:]]
        self.check_pairs(*pairs, *itertools.islice(itertools.combinations(sorted(self.ids()), 2), 1))
        if IS_FULL:
            self.verify()

    def verify(self) -> None:
        """Check that a fold of everything anew would make what is stored."""
        assert self.store.verify(SPACE) == []

    def check_pairs(self, *pairs: tuple[UserId, UserId]) -> None:
        """Compare what is found of some pairs of ids, linked or not."""
        links = self.links()
        for first, second in pairs:
            row = self.store.find_link(SPACE, first, second)
            of_pair = [link for link in links if {link.one, link.other} == {first, second}]
            assert [row and linked(row)] == (of_pair[:1] or [None])

    def ids(self) -> set[UserId]:
        said = {row for pair in (*self.api.links, *self.api.removed) for row in pair}
        return said | {event.user for event in self.events()} | self.persons().keys()

    def links(self) -> list[Linked]:
        joined = self.persons()
        held = held_claims(claims(self.events(), self.store.settings(SPACE)), self.api)
        found = [Linked(edge.other, edge.one, edge.at, "event") for edge in held]
        for edge in self.api.links.values():
            found.append(Linked(*sorted(edge.pair, key=order), edge.at, "api"))
        taken = [link for link in found if joined.get(link.one, 0) == joined.get(link.other, 1)]
        return sorted(taken, key=lambda link: (link.since, order(link.one), order(link.other), link.by))


def order(one: UserId) -> tuple[bool, str]:
    return (one.is_anonymous, one.id)


def shown(ids) -> UserId:
    return min(ids, key=order)


def kind(one: UserId) -> str:
    return "anonymous" if one.is_anonymous else "plain"


@pytest.fixture
def both(store: EmbeddedStore, tmp_path: Path) -> Iterator[Both]:
    """An engine and the reference model; what a test leaves is verified."""
    made = Both(store, tmp_path)
    yield made
    made.verify()


def visit(who: str | None, minute: float, anon: str | None = None, **more: object) -> Row:
    message = more.pop("message", f"m{minute}")
    return Row(who, anon, at(minute), message, **more)  # type: ignore[arg-type]


def alias(who: str, minute: float, previous: str | None, anon: str | None = None) -> Row:
    return visit(who, minute, anon, type="alias", previous_id=previous)


def test_an_alias_joins_what_was_done_before_the_login(both: Both) -> None:
    both.take(visit(None, 0, "a"), visit(None, 10, "a"), visit("u", 35), visit("u", 500))
    both.close()
    both.fold()
    both.check()
    assert both.store.status(SPACE).users == 2
    both.take(alias("u", 36, "a"))
    both.fold()
    both.check()
    (row,) = both.store.users(SPACE)
    assert (row["user_id"], row["total_sessions"], row["total_session_duration"]) == ("u", 2, 35 * 60)
    both.unlink(anonymous("a"), user("u"))
    both.check()
    assert both.store.status(SPACE).users == 2


CASES = {
    "an alias without an id before claims its own anonymous id": [[alias("u", 5, None, "a")]],
    "an alias of nobody but an anonymous id claims nothing": [
        [Row(None, "b", at(5), "m", type="alias", previous_id="a")]
    ],
    "the id before may be one that was never seen": [[alias("u", 5, "never")]],
    "of two claims the earlier holds": [[alias("v", 9, "a")], [alias("u", 5, "a")], [alias("w", 7, "a")]],
    "of two claims at once the one of the lesser message holds": [
        [alias("v", 5, "a"), visit("v", 20)],
        [Row("u", None, at(5), "m0", type="alias", previous_id="a"), visit("u", 30)],
    ],
    "of two claims of one message the one of the lesser user holds": [
        [alias("v", 5, "a"), visit("v", 20), visit("u", 30)],
        [alias("u", 5, "a")],
    ],
    "a claim comes before the events of its id": [[alias("u", 1, "b"), visit("u", 2)], [visit(None, 3, "b")]],
    "two anonymous ids of one user": [[alias("u", 1, "b"), alias("u", 2, "a")], [visit(None, 3, "b")]],
    "an event of both ids joins nothing unless the space says so": [[visit("u", 3, "a")]],
}


@pytest.mark.parametrize("setting", ["off", "on"])
@pytest.mark.parametrize("name", CASES)
def test_in_this_case_claims_mean_what_the_reference_says(both: Both, name: str, setting: str) -> None:
    both.store.apply(SPACE, ChangeSettings({"link_on_identify": setting}))
    both.take(visit(None, 0, "a"), visit(None, 40, "a"), visit("u", 20), visit("u", 100))
    both.close()
    both.fold()
    for batch in CASES[name]:
        both.take(*batch)
        both.fold()
        both.check()


def test_a_copy_fills_the_place_of_an_event_of_a_joined_id(both: Both) -> None:
    both.take(visit(None, 0, "a", message="m"), visit("u", 5), alias("u", 6, "a"))
    both.close()
    both.fold()
    both.take(visit(None, 0, "a", message="m", place=PLACES[0]))
    both.fold()
    both.check()
    assert both.store.find_user(SPACE, "u")["country"] == PLACES[0][0]


def test_properties_of_a_joined_id_count_when_the_clock_alone_closes_its_session(both: Both) -> None:
    both.take(visit(None, 0, "a", traits={"role": "r"}), visit("u", 5), alias("u", 6, "a"))
    both.fold()
    both.check()
    both.close()
    both.fold()
    both.check()
    assert both.store.find_user(SPACE, "u")["role"] == "r"


@pytest.mark.parametrize("step", [1, -1])
def test_last_values_of_one_time_and_message_are_those_of_the_greater_id(both: Both, step: int) -> None:
    rows = [
        visit("x", 0, message="m", place=PLACES[2], traits={"role": "user"}),
        visit(None, 0, "x", message="m", place=PLACES[0], traits={"role": "anonymous"}),
    ]
    for row in [*rows[::step], visit("y", 3)]:
        both.take(row)
    both.close()
    both.link(anonymous("x"), user("y"), at(5))
    both.check()
    both.link(user("x"), user("y"), at(6))
    both.check()
    (row,) = both.store.users(SPACE)
    assert (row["user_id"], row["country"], row["role"]) == ("x", PLACES[0][0], "anonymous")


def test_any_two_ids_can_be_linked_and_reads_by_each_give_the_person(both: Both) -> None:
    both.take(visit("v", 0), visit("u", 10), visit(None, 100, "b"), visit(None, 200, "a"))
    both.close()
    both.link(anonymous("b"), anonymous("a"), at(1))
    both.check()
    assert both.store.find_user(SPACE, "b", "anonymous")["user_id"] == "a"
    both.link(user("v"), anonymous("a"), at(2))
    both.check()
    both.link(user("v"), user("u"), at(3))
    both.check()
    assert [row["user_id"] for row in both.store.users(SPACE)] == ["u"]
    assert {row["user_id"] for row in both.store.sessions(SPACE)} == {"u"}


def test_the_api_can_link_ids_that_nobody_has_seen(both: Both) -> None:
    both.link(user("u"), user("v"), at(1))
    both.take(visit("v", 2))
    both.close()
    both.fold()
    both.check()
    assert both.store.find_user(SPACE, "v")["user_id"] == "u"


def test_linking_twice_keeps_the_first_time_and_removing_ends_it(both: Both) -> None:
    both.take(visit("u", 0), visit("v", 10))
    both.close()
    for minute in (3, 1):
        both.link(user("u"), user("v"), at(minute))
        both.check()
    assert links(both.store) == [Linked(user("u"), user("v"), at(3), "api")]
    both.unlink(user("v"), user("u"))
    both.check()
    both.link(user("v"), user("u"), at(7))
    both.check()
    assert links(both.store) == [Linked(user("u"), user("v"), at(7), "api")]


def test_links_are_listed_page_by_page_also_those_of_one_moment(both: Both) -> None:
    both.take(visit(None, 0, "a"), visit("u", 0), alias("u", 0, "a"))
    for n in range(4):
        both.link(user("u"), anonymous(f"b{n}"), at(0))
        both.link(user(f"v{n % 2}"), anonymous("u"), at(n % 2))
    both.check()
    for limit in (1, 2, 3):
        assert links(both.store, limit) == both.links()


def test_a_removed_claim_stays_removed_until_the_api_links_the_two_again(both: Both) -> None:
    both.take(
        visit(None, 0, "a"), visit("u", 100), visit("v", 300), alias("u", 101, "a"), alias("v", 301, "a")
    )
    both.close()
    both.fold()
    both.check()
    both.unlink(user("u"), anonymous("a"))
    both.check()
    assert both.store.find_user(SPACE, "a", "anonymous")["user_id"] == "v"  # the next least claim
    both.take(alias("u", 90, "a"))
    both.fold()
    both.check()
    both.link(user("u"), anonymous("a"), at(500))
    both.check()
    assert both.store.find_user(SPACE, "a", "anonymous")["user_id"] == "u"


@pytest.mark.parametrize(("minute", "joined"), [(9, True), (10, True), (11, False)])
def test_an_anonymous_id_that_the_api_linked_before_cannot_be_claimed(
    both: Both, minute: float, joined: bool
) -> None:
    both.take(visit(None, 0, "a"), visit("u", 100), visit("v", 200))
    both.close()
    both.link(anonymous("a"), user("v"), at(10))
    both.take(alias("u", minute, "a"))
    both.fold()
    both.check()
    assert (both.store.find_user(SPACE, "v")["user_id"] == "u") is joined
    both.unlink(anonymous("a"), user("v"))
    both.check()
    assert both.store.find_user(SPACE, "a", "anonymous")["user_id"] == "u"


@pytest.mark.parametrize("who", [user("u"), anonymous("a")])
def test_an_id_cannot_be_linked_to_itself(store: EmbeddedStore, who: UserId) -> None:
    with pytest.raises(UsageError, match="linked to itself"):
        store.apply(SPACE, AddLink(who, UserId(f" {who.id} ", who.is_anonymous), 1))


def test_what_is_no_id_cannot_be_linked(store: EmbeddedStore) -> None:
    with pytest.raises(UsageError, match="'null' is nobody's id"):
        store.apply(SPACE, AddLink(user("u"), user("null"), 1))
    store.apply(SPACE, AddLink(user("u"), user("é" * (limits.ID_BYTES_MAX // 2)), 1))
    with pytest.raises(LimitExceeded, match="257 bytes"):
        store.apply(SPACE, AddLink(user("u"), user("é" * (limits.ID_BYTES_MAX // 2) + "x"), 1))


@pytest.mark.parametrize("ids", [limits.PERSON_IDS_MAX, limits.PERSON_IDS_MAX + 1])
@pytest.mark.parametrize("how", ["claims", "a link", "claims beside a link"])
def test_a_person_has_as_many_ids_as_the_limit_the_earliest(both: Both, ids: int, how: str) -> None:
    both.take(visit("u", 0), *(visit(None, 1 + n, f"a{n}") for n in range(ids + 3)), visit("v", 400))
    last = ids - 1
    if how != "claims":
        both.link(user("u"), user("v"), at(-1 if "beside" in how else 999))
        last -= 1
    both.take(*(alias("u", 300 - n, f"a{n}") for n in range(last)))
    both.close()
    both.fold()
    both.check()
    joined = both.persons()[user("u")]
    assert len(joined) == min(ids, limits.PERSON_IDS_MAX)
    latest = user("v") if how == "a link" else anonymous("a0")
    assert (latest in joined) is (ids <= limits.PERSON_IDS_MAX)


def test_a_link_for_which_there_is_no_room_is_refused_and_changes_nothing(both: Both) -> None:
    both.take(visit("u", 0), *(alias("u", n, f"a{n}") for n in range(limits.PERSON_IDS_MAX - 1)))
    both.close()
    both.fold()
    both.link(user("v"), user("u"), at(1_000))
    both.check()
    both.unlink(user("u"), anonymous("a7"))
    both.link(user("v"), user("u"), at(1_000))
    both.check()
    assert user("v") in both.persons()[user("u")]


def test_user_ids_are_hashed_where_the_space_says_so_and_an_id_before_is_the_own_one(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    u, hashed = user("u"), hashed_id("", "u")
    take(store, tmp_path, [visit("u", 0), visit("v", 5), visit(None, 10, "a"), visit(None, 15, "b")])
    take(store, tmp_path, [alias("u", 20, "a", "a"), alias("u", 21, "b", "a"), alias("u", 22, "b")])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    assert store.find_user(SPACE, "a", "anonymous")["user_id"] == hashed
    assert store.find_user(SPACE, "b", "anonymous")["user_id"] == "b"
    store.apply(SPACE, AddLink(user(hashed), anonymous("b"), at(30), is_hashed=True))
    assert store.find_user(SPACE, "b", "anonymous")["user_id"] == hashed
    store.apply(SPACE, AddLink(user("v"), u, at(40)))
    assert store.status(SPACE).users == 1
    assert store.verify(SPACE) == []
    store.apply(SPACE, RemoveLink(user(hashed), user(hashed_id("", "v")), at(50), is_hashed=True))
    assert store.status(SPACE).users == 2


@pytest.mark.parametrize(("previous", "joined"), [(None, True), ("a", True), ("b", False)])
def test_where_ids_are_hashed_an_alias_claims_its_own_anonymous_id_unless_it_names_another(
    store: EmbeddedStore, tmp_path: Path, previous: str | None, joined: bool
) -> None:
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    take(store, tmp_path, [visit(None, 0, "a"), visit("u", 5), alias("u", 6, previous, "a")])
    store.fold(SPACE)
    assert [link.other for link in links(store)] == [anonymous("a")] * joined


def test_spooled_events_claim_too_and_an_export_without_their_link_is_the_one_before(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    def spool(*lines: dict[str, object]) -> bytes:
        path = tmp_path / "lines"
        path.write_text(
            "".join(json.dumps({"got": at(90), "client": at(0), **line}) + "\n" for line in lines)
        )
        store.apply_spooled(SpooledEvents({1: path}, {1: (0, 0)}, at(9_000)))
        return exported()

    def exported() -> bytes:
        found = []
        for what in ("users", "sessions"):
            store.export(SPACE, what, tmp_path / "export", "jsonl")
            found.append((tmp_path / "export").read_bytes())
        return b"".join(found)

    page, tracked = {"type": "page", "at": at(0)}, {"type": "track", "at": at(10)}
    before = spool({"anon": "a", "msg": "1", **page}, {"id": "u", "msg": "2", **tracked})
    joined = spool({"id": "u", "prev": "a", "msg": "3", "type": "alias", "at": at(11)})
    assert store.status(SPACE).users == 1
    store.apply(SPACE, RemoveLink(user("u"), anonymous("a"), at(99)))
    assert exported() == before
    store.apply(SPACE, AddLink(user("u"), anonymous("a"), at(100)))
    assert exported() == joined
    store.rebuild(SPACE)
    assert exported() == joined


def test_links_can_be_made_and_listed_from_afar(store: EmbeddedStore, tmp_path: Path) -> None:
    def call(method: str, **arguments: object) -> bytes:
        found = answer(store, method, encoded({"space": SPACE, **arguments}))
        assert isinstance(found, bytes)
        return found

    pair = user("u"), anonymous("a")
    call("apply", record={"AddLink": AddLink(*pair, at(1))})
    (row,) = decoded(call("links_page"), Page).items
    assert linked(row) == Linked(*pair, at(1), "api")
    assert decoded(call("find_link", one=pair[0], other=pair[1]), dict) == row
    call("apply", record={"RemoveLink": RemoveLink(*pair, at(2))})
    assert decoded(call("links_page"), Page).items == []


def test_verify_reports_a_wrong_person_and_a_wrong_claim(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [visit(None, 0, "a"), alias("u", 1, "a")])
    store.fold(SPACE)
    store._execute("UPDATE space_1.persons SET id_order = id_order + 1")
    store._execute("UPDATE space_1.claims SET claimed_at = claimed_at + 1")
    found = {(difference.kind, difference.side) for difference in store.verify(SPACE)}
    assert found == {(kind, side) for kind in ("person", "claim") for side in ("stored", "recomputed")}
    store.rebuild(SPACE)
    assert store.verify(SPACE) == []


SEEDS = range(1, 1 + tries(1, 25))
IDS = [*(user(f"u{n}") for n in range(5)), *(anonymous(f"a{n}") for n in range(6)), anonymous("u1")]
SPAN_MINUTES = 900


def random_row(rng: random.Random) -> Row:
    """Return an event of a few ids; many times and message ids are the same, so that order matters."""
    own, beside, before = rng.choice(IDS), rng.choice(IDS[5:]), rng.choice(IDS[5:])
    kind = rng.choice(["track", "page", "identify", "alias", "alias"])
    has_both = own.is_anonymous or rng.random() < 0.3
    return Row(
        None if own.is_anonymous else own.id,
        (own if own.is_anonymous else beside).id if has_both else None,
        at(rng.choice([rng.randrange(SPAN_MINUTES), 30 * rng.randrange(SPAN_MINUTES // 30)])),
        f"m{rng.randrange(4)}",
        kind,
        active=rng.random() > 0.1,
        place=rng.choice([None, *PLACES]),
        user_agent=rng.choice([None, "Chrome/120.1", "Firefox/120"]),
        traits={rng.choice(["name", "role"]): rng.choice(["a", "b", None])} if rng.random() < 0.3 else {},
        previous_id=before.id if kind == "alias" and rng.random() < 0.8 else None,
    )


def do_something(both: Both, rng: random.Random) -> None:
    one, other = rng.sample(IDS, 2)
    match rng.choice(["take"] * 5 + ["link", "link", "unlink", "fold", "setting"]):
        case "take":
            both.take(*(random_row(rng) for _ in range(rng.choice([1, 3, 12]))))
        case "link":
            both.link(one, other, at(rng.randrange(SPAN_MINUTES)))
        case "unlink":
            pairs = [[link.one, link.other] for link in links(both.store)]
            both.unlink(*rng.choice([[one, other], *pairs]))
        case "fold":
            both.fold()
        case "setting":
            both.store.apply(SPACE, ChangeSettings({"link_on_identify": rng.choice(["on", "off"])}))


@pytest.mark.parametrize("seed", SEEDS)
def test_any_history_of_claims_links_and_removals_gives_what_the_reference_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(limits, "PERSON_IDS_MAX", rng.choice([2, 3, 5, 100]))
    if seed % 2:  # as if the history were huge
        monkeypatch.setattr(fold, "EVENTS_PER_PART", 5)
        monkeypatch.setattr(capped, "CUT_EVENTS_PER_ROUND", 3)
    key = rng.choice(["((id_hash >> 65) & 15)::BIGINT", "(id_hash >> 65)::BIGINT"])
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, user_key_sql=key) as store:
        both = Both(store, tmp_path)
        store.apply(SPACE, ChangeSettings({"session_cap_s": rng.choice(["0", "2400", "7200"])}))
        for _ in range(rng.randrange(10, 30)):
            do_something(both, rng)
            if rng.random() < 0.3:
                both.fold()
                both.check()
        both.close()
        both.fold()
        both.check()
        both.verify()
