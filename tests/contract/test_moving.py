"""A look at what a write would do says who enters and leaves segments: exactly who then does."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from random_rules import random_rule
from rule_world import World
from segmented import CLOCK, VIPS, any_of, people, save, where
from stored import LOOKUPS, NOW, SPACE
from tiers import tries

from enduser import limits
from enduser.core.attributes import API
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.sources.json_rows import JsonRow, write_rows
from enduser.stores.answers import SegmentDiff
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import WriteValues


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        yield opened


def members(store: EmbeddedStore) -> Mapping[str, set[str]]:
    return {
        saved.segment.id: {
            str(row["user_id"])
            for row in store.users_page(SPACE, UsersQuery(rule=saved.segment.rule), limit=1_000).items
        }
        for saved in store.segments(SPACE)
    }


def test_a_segment_as_large_as_a_rule_may_be_is_compared(store: EmbeddedStore, tmp_path: Path) -> None:
    people(store, tmp_path)
    cities = [where("city", "contains", f"c{number}") for number in range(limits.RULE_LOOKUPS_MAX)]
    save(store, "vips", any_of(VIPS, *cities))
    rows = write_rows(tmp_path / "rows", [JsonRow("bob", {"plan": "vip"})], store.attributes(), API)
    preview = store.preview_values(SPACE, WriteValues(API, rows.file, CLOCK + 1))
    assert preview.segments == [SegmentDiff("vips", "Vips", entering=1, leaving=0)]


@pytest.mark.parametrize("seed", range(tries(2, 20)))
def test_a_preview_says_who_then_enters_and_leaves(store: EmbeddedStore, seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"moving/{seed}")
    world = World(rng, users=60)
    last_source, last_said = world.runs.pop()
    world.load(store)
    for number in range(25):
        segment = Segment(id=f"s{number}", name="one", rule=random_rule(rng, world.pools))
        store.save_segment(SPACE, segment, Saving(NOW, "me", True))
    rows = write_rows(tmp_path / "rows", [one.row() for one in last_said], store.attributes(), last_source)
    record = WriteValues(last_source, rows.file, NOW + 1)
    said = {one.id: (one.entering, one.leaving) for one in store.preview_values(SPACE, record).segments}
    before = members(store)
    store.apply(SPACE, record)
    after = members(store)
    moved = {name: (len(after[name] - before[name]), len(before[name] - after[name])) for name in after}
    assert said == {name: counts for name, counts in moved.items() if counts != (0, 0)}
    assert said
