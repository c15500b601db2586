"""Deleting by age: who goes, who stays, and that nothing on the way matters for the end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from histories import Row, expected, numbered
from owning import reached
from stored import LOOKUPS, NOW, SPACE, assert_same, take
from tiers import tries

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import Event, UserId, take_once
from enduser.core.links import Edge, claims
from enduser.core.retention import Known, after_retention
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores.answers import RetentionRun
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, BeginRetention, ChangeSettings, ForgetOld, RemoveLink

DAY = 86_400_000_000
START = 1_600_000_000_000_000


def at(text: str) -> int:
    """Return the µs of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture(params=["embedded", "remote"])
def any_store(request: pytest.FixtureRequest, store: EmbeddedStore):
    """The store itself, and the same behind the socket of its owner."""
    if request.param == "embedded":
        yield store
    else:
        with reached(store.folder, store) as remote:
            yield remote


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


def anonymous(text: str) -> UserId:
    return UserId(text, is_anonymous=True)


def begin(store: Store, as_of: int | None = None) -> RetentionRun:
    begun = store.apply(SPACE, BeginRetention(NOW, as_of)).retention
    assert begun is not None
    return begun


def step(store: Store, number: int) -> RetentionRun:
    done = store.apply(SPACE, ForgetOld(number, NOW)).retention
    assert done is not None
    return done


def run(store: Store, as_of: int | None = None) -> RetentionRun:
    """Delete by age until nothing is left; return the receipt."""
    number = begin(store, as_of).number
    while (done := step(store, number)).ended_at is None:
        pass
    return done


# --- over random histories, as the reference model says


@dataclass
class Both:
    """An engine and the reference model, told the same."""

    store: EmbeddedStore
    folder: Path
    known: Known = field(default_factory=lambda: Known([]))
    clock: int = 0

    def take(self, rows: list[Row]) -> None:
        self._know(events=take_once([*self.known.events, *numbered(rows)]))
        self.clock = max([self.clock, *(row.occurred_at for row in rows)])
        take(self.store, self.folder, rows)

    def link(self, one: UserId, other: UserId, since: int) -> None:
        api, said_at = self.known.api, dict(self.known.said_at)
        pair = frozenset([one, other])
        if pair not in api.links:
            said_at[pair] = since
        api.add(Edge(one, other, since))
        self._know(said_at=said_at)
        self.store.apply(SPACE, AddLink(one, other, since))

    def unlink(self, one: UserId, other: UserId, since: int) -> None:
        api, said_at = self.known.api, dict(self.known.said_at)
        pair = frozenset([one, other])
        if pair not in api.removed:
            said_at[pair] = since
        api.remove(one, other)
        self._know(said_at=said_at)
        self.store.apply(SPACE, RemoveLink(one, other, since))

    def say(self, one: UserId, written_at: int) -> None:
        self._know(writes={**self.known.writes, one: max(written_at, self.known.writes.get(one, written_at))})
        kind = "anonymous" if one.is_anonymous else "plain"
        edit_by_hand(self.store, SPACE, JsonRow(one.id, {"plan": "vip"}, kind), written_at)

    def forget(self, as_of: int) -> None:
        self.known = after_retention(self.known, self.store.settings(SPACE), as_of)
        run(self.store, as_of)

    def _know(self, **changes: object) -> None:
        self.known = Known(**{**vars_of(self.known), **changes})  # type: ignore[arg-type]

    def check(self, *, verifies: bool) -> None:
        self.store.fold(SPACE)
        settings = self.store.settings(SPACE)
        events: list[Event] = list(self.known.events)
        assert_same(self.store, expected(events, settings, self.clock, self.known.api))
        assert self.ids() == self.named()
        assert not verifies or self.store.verify(SPACE) == []

    def ids(self) -> set[UserId]:
        return {UserId(*row) for row in self.store._execute("SELECT id, is_anonymous FROM space_1.user_ids")}

    def named(self) -> set[UserId]:
        """Return the ids that something names still."""
        edges = claims(self.known.events, self.store.settings(SPACE))
        pairs = [*(edge.pair for edge in edges), *self.known.said_at]
        return {event.user for event in self.known.events}.union(self.known.writes, *pairs)


def vars_of(known: Known) -> dict[str, object]:
    return {name: getattr(known, name) for name in ("events", "writes", "api", "said_at")}


def random_row(rng: random.Random, number: int, at: int) -> Row:
    who, anon = rng.choice([*"uvw", None]), rng.choice([*"abc", None])
    kind = rng.choice(["track", "track", "page", "identify", "alias"])
    return Row(
        who,
        anon if who else anon or "a",
        at,
        f"m{number}",
        type=kind,
        active=rng.random() > 0.2,
        previous_id=rng.choice([*"abcu", None]) if kind == "alias" else None,
        traits={"role": rng.choice("xyz")} if rng.random() < 0.4 else {},
    )


@pytest.mark.parametrize("seed", range(tries(10, 600)))
def test_what_stays_is_what_the_reference_model_says(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", rng.choice([1, 2, 1_000]))
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    texts = {"link_on_identify": rng.choice(["on", "off"]), "retention_months": rng.choice(["1", "6"])}
    store.apply(SPACE, ChangeSettings(texts))
    both, number = Both(store, tmp_path), 0
    ids = [*map(user, "uvw"), *map(anonymous, "abc")]
    span = 30 * DAY * int(texts["retention_months"]) * 4
    for _ in range(rng.randrange(2, 5)):
        rows = [random_row(rng, number + n, START + rng.randrange(span)) for n in range(rng.randrange(1, 12))]
        number += len(rows)
        both.take(rows)
        if rng.random() < 0.5:
            both.link(*rng.sample(ids, 2), START + rng.randrange(span))
        if rng.random() < 0.4:
            both.unlink(*rng.sample(ids, 2), START + rng.randrange(span))
        if rng.random() < 0.5:
            both.say(rng.choice(ids), START + rng.randrange(span))
        if rng.random() < 0.7:
            both.forget(START + rng.randrange(span * 5 // 4))
        both.check(verifies=False)
    both.check(verifies=True)
