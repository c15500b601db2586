"""The feed tells each change once: who reads it knows who is in which segment, and what attributes are."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from histories import Row
from random_rules import random_rule, random_segments
from ready_made import Files, files_of, write_files
from rule_world import World
from stored import LOOKUPS, NOW, SPACE, take
from tiers import tries

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import UserId
from enduser.core.feed import CHANGED, ENTERED, EVERY_ROW, LEFT, FeedFilter
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.errors import FeedExpired, InUse, LimitExceeded
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.embedded import EmbeddedStore, feed
from enduser.stores.records import ChangeSettings, CloseHistory, EraseUser

FOLLOWED = ("plan", "seats", "is_beta", "products", "renews_on", "signed_at", "country", "role")
MINUTE = 60_000_000
DAY = 1_440 * MINUTE
NOBODY = {**EVERYONE, "not": True}


@dataclass
class Reader:
    """Who reads the feed from its beginning and believes it."""

    store: EmbeddedStore
    number: int | None = None
    members: dict[str, set[UserId]] = field(default_factory=lambda: defaultdict(set))
    values: dict[UserId, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def read(self) -> None:
        while rows := self.store.feed_page(SPACE, self.number, limit=1_000).rows:
            for row in rows:
                assert self.number is None or row.number > self.number
                self.number = row.number
                user = UserId(row.user_id, row.is_anonymous)
                if row.kind == CHANGED:
                    assert self.values[user].get(row.subject) == row.before
                    self.values[user][row.subject] = row.after
                elif row.kind == ENTERED:
                    assert user not in self.members[row.subject]
                    self.members[row.subject].add(user)
                else:
                    self.members[row.subject].remove(user)

    def known(self) -> Mapping[UserId, Mapping[str, Any]]:
        found = {
            user: {name: value for name, value in values.items() if value is not None}
            for user, values in self.values.items()
        }
        return {user: values for user, values in found.items() if values}


def listed(store: EmbeddedStore, rule: Any) -> set[UserId]:
    page = store.users_page(SPACE, UsersQuery(rule=rule), limit=1_000)
    return {UserId(str(row["user_id"]), bool(row["is_anonymous"])) for row in page.items}


def values(store: EmbeddedStore) -> Mapping[UserId, Mapping[str, Any]]:
    found = {}
    for row in store.users(SPACE):
        every: dict[str, Any] = {**row, **row["attributes"]}  # type: ignore[dict-item]
        known = {name: every[name] for name in FOLLOWED if every.get(name) is not None}
        if known:
            found[UserId(str(row["user_id"]), bool(row["is_anonymous"]))] = known
    return found


def follow(store: EmbeddedStore) -> None:
    store.fold(SPACE)
    store.follow_feed(SPACE, NOW)


def save(
    store: EmbeddedStore, name: str, rule: Any, *, is_new: bool = True, is_followed: bool = True
) -> None:
    segment = Segment(id=name, name=name, rule=rule, is_followed=is_followed)
    store.save_segment(SPACE, segment, Saving(NOW, "me", is_new))


def opened(data: Path) -> EmbeddedStore:
    return EmbeddedStore(data, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with opened(tmp_path / "data") as one:
        yield one


SOME = {"feed.SWEEP_US": 1}
PARTS = tries(4, 12)
"""In so many batches events come."""
BY_PORTIONS = {**SOME, "feed_step._JUDGED_AT_ONCE": 2, "feed_step._NODES_AT_ONCE": 5}
ALL = {**SOME, "feed_step._SOME": 0, "feed_step._REMEMBERED_AT_ONCE": 3}


@pytest.mark.parametrize("bounds", [SOME, BY_PORTIONS, ALL], ids=["some", "some, in portions", "all"])
@pytest.mark.parametrize("seed", range(tries(1, 20)))
def test_who_reads_the_feed_knows_what_holds(
    store: EmbeddedStore, seed: int, bounds: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bounds.items():
        monkeypatch.setattr(f"enduser.stores.embedded.{name}", value)
    rng = random.Random(f"feed/{seed}")
    world = World(rng, users=40)
    world.prepare(store)
    steps = list(world.steps(store, sorted(world.rows, key=lambda row: row.occurred_at), parts=PARTS))
    lists = steps[-len(world.lists) :]
    for step in lists:  # rules name them
        step()
    store.apply(SPACE, ChangeSettings({"feed_attributes": ", ".join(FOLLOWED)}))
    pools = random_segments(rng, world.pools, 6)
    rules = dict(pools.segments)
    for name, rule in rules.items():
        save(store, name, rule)
    follow(store)
    reader = Reader(store)
    others = steps[: -len(world.lists)]
    events = others[len(world.links) : len(world.links) + PARTS]
    rest = [step for step in others if step not in events]
    for step in events:
        step()
        if rest and rng.random() < 0.8:
            rest.pop(rng.randrange(len(rest)))()
        if rng.random() < 0.3:
            name = rng.choice(list(rules))
            rules[name] = random_rule(rng, replace(pools, segments={}))
            save(store, name, rules[name], is_new=False)
        follow(store)
        reader.read()
        assert {name: listed(store, rule) for name, rule in rules.items()} == {
            name: reader.members[name] for name in rules
        }
        assert reader.known() == values(store)


@pytest.fixture(scope="module")
def made_lively() -> Files:
    """A data folder with a world in it."""

    def make(data: Path) -> None:
        with opened(data) as store:
            World(random.Random(7), users=40).load(store)

    return files_of(make)


@pytest.fixture
def lively(made_lively: Files, tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store on a copy of it."""
    write_files(tmp_path / "data", made_lively)
    with opened(tmp_path / "data") as one:
        yield one


def test_nothing_is_told_where_nothing_is_another(lively: EmbeddedStore) -> None:
    save(lively, "all", EVERYONE)
    assert lively.follow_feed(SPACE, NOW) == 0
    assert lively.follow_feed(SPACE, NOW) == 0
    lively.rebuild(SPACE)
    assert lively.follow_feed(SPACE, NOW) == 0


def test_those_who_are_in_a_segment_when_it_is_followed_are_not_told(lively: EmbeddedStore) -> None:
    save(lively, "all", EVERYONE)
    follow(lively)
    save(lively, "all", NOBODY, is_new=False)
    follow(lively)
    rows = lively.feed_page(SPACE, limit=1_000).rows
    assert {row.kind for row in rows} == {"left"}
    assert len(rows) == lively.status(SPACE).users


def test_a_clock_that_moves_alone_is_told(lively: EmbeddedStore) -> None:
    rule = {"field": "last_seen", "operator": "more_than_ago", "value": {"n": 20, "unit": "minute"}}
    save(lively, "away", rule)
    follow(lively)
    before = listed(lively, rule)
    lively.apply(SPACE, CloseHistory())
    follow(lively)
    entered = [row for row in lively.feed_page(SPACE, limit=1_000).rows if row.kind == ENTERED]
    assert {UserId(row.user_id, row.is_anonymous) for row in entered} == listed(lively, rule) - before


def test_of_an_erased_person_nothing_is_told_any_more(lively: EmbeddedStore) -> None:
    save(lively, "all", NOBODY)
    follow(lively)
    save(lively, "all", EVERYONE, is_new=False)
    follow(lively)
    first = lively.feed_page(SPACE).rows[0]
    lively.apply(SPACE, EraseUser(UserId(first.user_id, first.is_anonymous)))
    follow(lively)
    told = {row.user_id for row in lively.feed_page(SPACE, limit=1_000).rows}
    assert first.user_id not in told
    assert told


# --- the same, with a few users of whom all is known


@pytest.fixture(scope="module")
def made_once() -> Files:
    """A data folder with three users, seen a day before its clock, and an attribute that is followed."""
    return files_of(make_users)


def make_users(data: Path) -> None:
    with opened(data) as store:
        store.create_attribute(Attribute("plan", AttributeType.STRING))
        store.create_attribute(Attribute("due", AttributeType.DATETIME))
        rows = [Row(user_id=user, occurred_at=0, message_id=user) for user in ("ann", "ben", "eve")]
        clock = Row(user_id="clock", occurred_at=DAY, message_id="c", type="alias")
        take(store, store.folder, [*rows, clock])
        store.fold(SPACE)
        store.apply(SPACE, ChangeSettings({"feed_attributes": "plan"}))
        follow(store)


@pytest.fixture
def users(made_once: Files, tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store on a copy of it."""
    write_files(tmp_path / "data", made_once)
    with opened(tmp_path / "data") as one:
        yield one


def say(store: EmbeddedStore, user: str, **values: object) -> None:
    write_json_rows(store, SPACE, "crm", [JsonRow(user, values)], NOW)


def move_clock(store: EmbeddedStore, to: int) -> None:
    row = Row(user_id="clock", occurred_at=to, message_id=f"c{to}", type="alias")
    take(store, store.folder, [row])


def told(store: EmbeddedStore, after: int | None = None, which: FeedFilter = EVERY_ROW) -> list[Any]:
    """Return the rows of the feed, as short as can be."""
    page = store.feed_page(SPACE, after, limit=1_000, which=which)
    return [
        (row.kind, row.subject, row.user_id, *([row.before, row.after] if row.kind == CHANGED else []))
        for row in page.rows
    ]


def test_a_change_is_told_with_what_was_and_what_is(users: EmbeddedStore) -> None:
    for plan in ("free", "vip", None):
        say(users, "ann", plan=plan)
        follow(users)
    assert told(users) == [
        (CHANGED, "plan", "ann", None, "free"),
        (CHANGED, "plan", "ann", "free", "vip"),
        (CHANGED, "plan", "ann", "vip", None),
    ]


def test_times_are_told_in_iso_8601(users: EmbeddedStore) -> None:
    users.apply(SPACE, ChangeSettings({"feed_attributes": "due, last_seen"}))
    follow(users)
    say(users, "ann", due="2026-03-01T10:00:00Z")
    take(users, users.folder, [Row(user_id="ann", occurred_at=2 * DAY, message_id="again")])
    users.apply(SPACE, CloseHistory())
    follow(users)
    assert told(users) == [
        (CHANGED, "due", "ann", None, "2026-03-01T10:00:00.000000Z"),
        (CHANGED, "last_seen", "ann", "1970-01-01T00:00:00.000000Z", "1970-01-03T00:00:00.000000Z"),
    ]


def test_of_a_person_changes_come_before_what_follows_from_them(users: EmbeddedStore) -> None:
    save(users, "vips", {"field": "plan", "operator": "is", "value": "vip"})
    follow(users)
    for user in ("eve", "ann"):
        say(users, user, plan="vip")
    follow(users)
    kinds: dict[str, list[str]] = defaultdict(list)
    for kind, _, user, *_ in told(users):
        kinds[user].append(kind)
    assert kinds == {"ann": [CHANGED, ENTERED], "eve": [CHANGED, ENTERED]}


def test_rows_are_asked_for_by_kind_segment_and_attribute(users: EmbeddedStore) -> None:
    save(users, "plan", {"field": "plan", "operator": "is", "value": "vip"})  # named as the attribute is
    save(users, "free", {"field": "plan", "operator": "is", "value": "free"})
    follow(users)
    for plan in ("vip", "free"):
        say(users, "ann", plan=plan)
        follow(users)
    changes = [(CHANGED, "plan", "ann", None, "vip"), (CHANGED, "plan", "ann", "vip", "free")]
    moves = [(ENTERED, "plan", "ann"), (LEFT, "plan", "ann")]
    assert told(users, which=FeedFilter(attributes=("plan",))) == changes
    assert told(users, which=FeedFilter(segments=("plan",))) == moves
    assert told(users, which=FeedFilter(segments=("plan",), kinds=(LEFT, CHANGED))) == moves[1:]
    assert told(users, which=FeedFilter(kinds=(ENTERED,))) == [moves[0], (ENTERED, "free", "ann")]
    both = FeedFilter(segments=("plan",), attributes=("plan",))
    assert told(users, which=both) == [changes[0], moves[0], changes[1], moves[1]]


def test_a_page_says_how_far_it_looked(users: EmbeddedStore) -> None:
    for plan in ("a", "b", "c"):
        say(users, "ann", plan=plan)
        follow(users)
    first = users.feed_page(SPACE, limit=2)
    assert (len(first.rows), first.reached, first.last_number) == (2, 2, 3)
    rest = users.feed_page(SPACE, first.reached, limit=2)
    assert (len(rest.rows), rest.reached) == (1, 3)
    nothing = users.feed_page(SPACE, limit=2, which=FeedFilter(kinds=(LEFT,)))
    assert (nothing.rows, nothing.reached) == ([], 3)


def test_pages_of_the_feed_have_a_limit(users: EmbeddedStore) -> None:
    assert users.feed_page(SPACE, limit=1_000).rows == []
    for limit in (0, 1_001):
        with pytest.raises(LimitExceeded):
            users.feed_page(SPACE, limit=limit)


def test_what_was_told_last_keeps_its_number_when_it_is_erased(users: EmbeddedStore) -> None:
    for user in ("ann", "ben"):
        say(users, user, plan="vip")
        follow(users)
    users.apply(SPACE, EraseUser(UserId("ben", is_anonymous=False)))
    follow(users)
    assert users.feed_page(SPACE).last_number == 2
    say(users, "eve", plan="vip")
    follow(users)
    assert told(users, 2) == [(CHANGED, "plan", "eve", None, "vip")]


def test_rows_go_after_some_days_and_who_comes_later_hears_it(users: EmbeddedStore) -> None:
    say(users, "ann", plan="vip")
    users.follow_feed(SPACE, DAY)
    say(users, "ben", plan="vip")
    users.follow_feed(SPACE, (limits.FEED_DAYS + 1) * DAY)
    assert [row[2] for row in told(users, 0)] == ["ann", "ben"]
    say(users, "eve", plan="vip")
    users.follow_feed(SPACE, (limits.FEED_DAYS + 1) * DAY + 1)
    assert [row[2] for row in told(users)] == ["ben", "eve"]
    assert [row[2] for row in told(users, 1)] == ["ben", "eve"]
    with pytest.raises(FeedExpired, match="kept from 2 on, and what follows 0"):
        users.feed_page(SPACE, 0)


def test_rows_go_also_where_nothing_is_followed_any_more(users: EmbeddedStore) -> None:
    say(users, "ann", plan="vip")
    users.follow_feed(SPACE, DAY)
    users.apply(SPACE, ChangeSettings({"feed_attributes": "none"}))
    users.follow_feed(SPACE, 2 * DAY)
    assert told(users)
    move_clock(users, 90 * DAY)
    users.follow_feed(SPACE, 40 * DAY)
    assert not told(users)


def test_of_too_many_rows_the_last_are_kept(users: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FEED_ROWS_MAX", 2)
    for number, user in enumerate(("ann", "ben", "eve"), 1):
        say(users, user, plan="vip")
        follow(users)
        assert len(told(users)) == min(number, 2)
    assert [row[2] for row in told(users)] == ["ben", "eve"]


def test_a_place_that_the_feed_never_reached_is_refused(users: EmbeddedStore) -> None:
    assert users.feed_page(SPACE, 0).reached == 0
    with pytest.raises(FeedExpired, match="older copy"):
        users.feed_page(SPACE, 1)


def test_a_relative_time_is_told_when_the_clock_has_moved_enough(users: EmbeddedStore) -> None:
    rule = {"field": "due", "operator": "in_next", "value": {"n": 30, "unit": "minute"}}
    save(users, "soon", rule)
    say(users, "ann", due="1970-01-02T01:00:00Z")
    follow(users)
    for moved, is_told in ((29 * MINUTE, False), (30 * MINUTE, True)):
        move_clock(users, DAY + moved)
        follow(users)
        assert told(users) == ([(ENTERED, "soon", "ann")] if is_told else [])
    move_clock(users, DAY + 60 * MINUTE + feed.SWEEP_US)
    follow(users)
    assert told(users)[1:] == [(LEFT, "soon", "ann")]


def test_a_time_that_came_between_two_looks_at_the_clock_is_told_with_the_second(
    users: EmbeddedStore,
) -> None:
    rule = {"field": "due", "operator": "in_next", "value": {"n": 30, "unit": "minute"}}
    save(users, "soon", rule)
    say(users, "ann", due="1970-01-02T01:00:00Z")
    follow(users)
    second, due = MINUTE // 60, DAY + 30 * MINUTE
    for at, is_told in ((due - 5 * second, False), (due + 5 * second, False), (due + 15 * second, True)):
        move_clock(users, at)
        follow(users)
        assert (told(users) == [(ENTERED, "soon", "ann")]) is is_told


@pytest.mark.parametrize("due", [-MINUTE, -1, 0, 1, MINUTE])
def test_a_time_that_a_value_is_ago_is_told_on_both_sides_of_1970(users: EmbeddedStore, due: int) -> None:
    save(users, "over", {"field": "due", "operator": "more_than_ago", "value": {"n": 2, "unit": "day"}})
    say(users, "ann", due=datetime.fromtimestamp(due / 1e6, UTC).isoformat())
    follow(users)
    for at, is_told in ((due + 2 * DAY, False), (due + 2 * DAY + MINUTE, True)):
        move_clock(users, at)
        follow(users)
        assert (told(users) == [(ENTERED, "over", "ann")]) is is_told


def test_what_happened_is_told_when_its_window_leaves_it(users: EmbeddedStore) -> None:
    lately = {"window": {"from": {"n": 2, "unit": "day"}}, "rules": []}
    save(users, "visited", {"kind": "session", **lately})
    save(users, "said", {"kind": "event", **lately})
    follow(users)
    for at, is_told in ((2 * DAY, False), (2 * DAY + MINUTE, True)):
        move_clock(users, at)
        follow(users)
        left = [(LEFT, name, user) for user in ("ann", "ben", "eve") for name in ("said", "visited")]
        assert sorted(told(users), key=itemgetter(2, 1)) == (left if is_told else [])


def test_days_are_told_when_they_begin_where_the_space_is(users: EmbeddedStore) -> None:
    users.create_attribute(Attribute("renews_on", AttributeType.DATE))
    users.apply(SPACE, ChangeSettings({"time_zone": "Europe/Oslo", "feed_attributes": "none"}))
    rule = {"field": "renews_on", "operator": "in_next", "value": {"n": 1, "unit": "day"}}
    save(users, "tomorrow", rule)
    say(users, "ann", renews_on="1970-01-04")
    follow(users)
    found = []
    for hours in (46, 47, 70, 71):  # an hour ahead of UTC
        move_clock(users, hours * 60 * MINUTE)
        follow(users)
        found.append([row[0] for row in told(users)])
    assert found == [[], [ENTERED], [ENTERED], [ENTERED, LEFT]]


def test_another_time_zone_is_told_at_once(users: EmbeddedStore) -> None:
    users.create_attribute(Attribute("renews_on", AttributeType.DATE))
    rule = {"field": "renews_on", "operator": "in_last", "value": {"n": 1, "unit": "day"}}
    move_clock(users, 2 * DAY - 60 * MINUTE)
    save(users, "today", rule)
    say(users, "ann", renews_on="1970-01-03")
    follow(users)
    users.apply(SPACE, ChangeSettings({"time_zone": "Europe/Oslo"}))
    follow(users)
    assert told(users) == [(ENTERED, "today", "ann")]


def test_a_segment_that_is_followed_anew_begins_anew(users: EmbeddedStore) -> None:
    rule = {"field": "plan", "operator": "is", "value": "vip"}
    users.apply(SPACE, ChangeSettings({"feed_attributes": "none"}))
    save(users, "vips", rule)
    follow(users)
    save(users, "vips", rule, is_new=False, is_followed=False)
    follow(users)
    say(users, "ann", plan="vip")
    follow(users)
    save(users, "vips", rule, is_new=False)
    follow(users)
    say(users, "ben", plan="vip")
    say(users, "ann", plan="free")
    follow(users)
    assert sorted(told(users)) == [(ENTERED, "vips", "ben"), (LEFT, "vips", "ann")]


def test_an_attribute_that_is_followed_anew_begins_anew(users: EmbeddedStore) -> None:
    say(users, "ann", plan="free")
    follow(users)
    users.apply(SPACE, ChangeSettings({"feed_attributes": "none"}))
    follow(users)
    say(users, "ann", plan="vip")
    follow(users)
    users.apply(SPACE, ChangeSettings({"feed_attributes": "plan"}))
    follow(users)
    say(users, "ann", plan="team")
    follow(users)
    assert told(users) == [
        (CHANGED, "plan", "ann", None, "free"),
        (CHANGED, "plan", "ann", "vip", "team"),
    ]


def test_nothing_is_worked_out_where_nothing_is_followed(
    users: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.apply(SPACE, ChangeSettings({"feed_attributes": "none"}))
    follow(users)
    monkeypatch.setattr(feed, "follow", lambda *_: pytest.fail("it was"))
    say(users, "ann", plan="vip")
    follow(users)


def test_a_step_that_fails_is_done_again_whole(users: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    say(users, "ann", plan="vip")
    with monkeypatch.context() as broken:
        broken.setattr(feed, "forget", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            follow(users)
    assert told(users) == []
    follow(users)
    follow(users)
    assert told(users) == [(CHANGED, "plan", "ann", None, "vip")]


def test_an_attribute_that_is_renamed_is_told_under_its_new_name(users: EmbeddedStore) -> None:
    say(users, "ann", plan="free")
    follow(users)
    (plan, _) = users.attributes()
    users.change_attribute("plan", replace(plan, name="tier"), NOW)
    follow(users)
    assert users.settings(SPACE).feed_attributes == ("tier",)
    assert told(users) == [(CHANGED, "tier", "ann", None, "free")]
    say(users, "ann", tier="vip")
    follow(users)
    assert told(users)[1:] == [(CHANGED, "tier", "ann", "free", "vip")]


def test_an_attribute_that_is_followed_cannot_be_deleted(users: EmbeddedStore) -> None:
    say(users, "ann", plan="vip")
    follow(users)
    with pytest.raises(InUse, match="feed_attributes"):
        users.delete_attribute("plan")
    users.apply(SPACE, ChangeSettings({"feed_attributes": "none"}))
    users.delete_attribute("plan")
    follow(users)
    assert told(users) == []


def test_a_segment_whose_rule_cannot_be_any_more_stops_no_other(
    users: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RULE_DEPTH_MAX", 3)
    rule = {"field": "plan", "operator": "is", "value": "vip"}
    save(users, "deep", {"combinator": "and", "rules": [{"combinator": "or", "rules": [rule]}]})
    save(users, "flat", {"combinator": "and", "rules": [rule]})
    monkeypatch.setattr(limits, "RULE_DEPTH_MAX", 1)
    follow(users)
    say(users, "ann", plan="vip")
    follow(users)
    assert (ENTERED, "flat", "ann") in told(users)
    assert (ENTERED, "deep", "ann") not in told(users)
