"""Whatever happens, a copy that follows decides what the truth decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from random_rules import random_list_rule, random_rule, random_segments
from rule_world import LISTS, UNSEEN, World
from stored import LOOKUPS, NOW, SPACE
from tiers import tries

from enduser import limits
from enduser.api.collector.deciding import _person
from enduser.core.contents import Content, Decision
from enduser.core.deciding import Decider
from enduser.core.events import UserId
from enduser.core.lists import ListAction
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.errors import UsageError
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import CloseHistory, EraseUser, RemoveLink, WriteList
from enduser.stores.row_file import write_ids
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_reader import ServingReader

SEGMENTS = 5
STEPS = tries(5, 10)


class Followed:
    """A store to which things happen, and a copy of it that follows."""

    def __init__(self, store: EmbeddedStore, rng: random.Random) -> None:
        self.store, self.rng = store, rng
        self.world = World(rng, users=40)
        self.world.prepare(store)
        self.copy = ServingCopy(store.folder)
        steps = list(self.world.steps(store, self.world.rows, parts=STEPS))
        for step in steps[-len(LISTS) :]:  # rules name them
            step()
        self.happens = steps[: -len(LISTS)]
        self.pools = random_segments(rng, self.world.pools, SEGMENTS)
        self.rules: dict[str, Any] = {
            **self.pools.segments,
            "listed": random_list_rule(rng, self.world.pools),
        }
        for name in self.rules:
            self.save(name, is_new=True)
        content = Content(id="of-s0", name="x", segment="s0")
        store.save_content(SPACE, content, Saving(NOW, "me", True))

    def save(self, name: str, *, is_new: bool) -> None:
        segment = Segment(id=name, name=name, rule=self.rules[name], is_public=True)
        self.store.save_segment(SPACE, segment, Saving(NOW, "me", is_new))

    def ids(self) -> list[UserId]:
        found = {user for ids in self.world.people for user in ids}
        return sorted({*found, *UNSEEN})

    # --- what else happens

    def other(self) -> None:
        """Let something happen besides events, values and links."""
        ways = [self.unlink, self.erase, self.relist, self.change_rule, self.anew, self.end_sessions]
        self.rng.choice(ways)()

    def unlink(self) -> None:
        link = self.rng.choice(self.world.links)
        self.store.apply(SPACE, RemoveLink(link.one, link.other, NOW))

    def erase(self) -> None:
        with suppress(UsageError):  # he is not known yet
            self.store.apply(SPACE, EraseUser(self.rng.choice(self.ids())))

    def relist(self) -> None:
        texts = [user.id for user in self.rng.sample(self.ids(), 6) if not user.is_anonymous]
        rows = write_ids(self.store.folder / "ids.txt", texts, "plain")
        action = self.rng.choice([ListAction.ADD, ListAction.REMOVE, ListAction.OVERRIDE])
        self.store.apply(SPACE, WriteList(self.rng.choice(LISTS), action, rows, NOW))

    def change_rule(self) -> None:
        name = self.rng.choice([*self.rules])
        self.rules[name] = random_rule(self.rng, replace(self.pools, segments={}))
        self.save(name, is_new=False)

    def anew(self) -> None:
        self.store.rebuild(SPACE)

    def end_sessions(self) -> None:
        self.store.apply(SPACE, CloseHistory())

    # --- the copy

    def follow(self) -> None:
        """Bring the copy up to the store, in steps between which its process may end."""
        self.store.fold(SPACE)
        for step in ("follow", "fill"):
            while not getattr(self.copy, step)(SPACE, self.store):
                if self.rng.random() < 0.2:
                    self.close()
                    self.copy = ServingCopy(self.store.folder)

    def close(self) -> None:
        """Close the copy."""
        self.copy.close()

    def decided(self) -> Mapping[UserId, Decision]:
        """Return what a collector decides for each id."""
        (known,) = self.store.deciding()
        decider, found = Decider(known, self.world.time_zone), {}
        with closing(ServingReader(self.store.folder)) as reader:
            for user in self.ids():
                served = reader.find_served(SPACE, user)
                assert served is not None
                assert served.fold >= known.since_fold
                person = _person(decider, served)
                assert person is not None
                found[user] = decider.decide(person, served.clock_at)
        return found

    def check(self) -> None:
        """Compare with the truth: whom each segment means, and all that is decided for some ids."""
        decided = self.decided()
        for name, rule in self.rules.items():
            page = self.store.users_page(SPACE, UsersQuery(rule=rule), limit=1_000)
            meant = {UserId(str(row["user_id"]), bool(row["is_anonymous"])) for row in page.items}
            told = {user for user, decision in decided.items() if name in decision.segments}
            assert meant <= told, name
            (counts,) = self.store.count_users(SPACE, [rule]).counts
            assert counts.not_yet_seen or all(self.has_object(user) for user in told - meant), name
        for user in self.rng.sample([*decided], 4):
            kind = "anonymous" if user.is_anonymous else "plain"
            assert decided[user] == self.store.decide(SPACE, user.id, kind), user
        user = self.rng.choice([*decided])
        kind = "anonymous" if user.is_anonymous else "plain"
        verdicts = self.store.explain_segments(SPACE, user.id, kind).verdicts
        assert [one.saved.segment.id for one in verdicts if one.verdict.holds] == decided[user].segments

    def has_object(self, user: UserId) -> bool:
        kind = "anonymous" if user.is_anonymous else "plain"
        return self.store.find_user(SPACE, user.id, kind) is not None


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.mark.parametrize("seed", range(tries(1, 40)))
def test_a_copy_that_follows_decides_what_the_truth_decides(
    store: EmbeddedStore, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(f"decisions/{seed}")
    monkeypatch.setattr(limits, "FACTS_AT_ONCE", rng.choice([5, 100_000]))
    monkeypatch.setattr(limits, "SERVED_AT_ONCE", rng.choice([7, 100_000]))
    world = Followed(store, rng)
    with closing(world):
        for happens in rng.sample(world.happens, len(world.happens)):
            happens()
            if rng.random() < 0.5:
                world.other()
            if rng.random() < 0.5:
                world.follow()
                world.check()
