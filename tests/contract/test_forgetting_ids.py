"""Ids that only values named are forgotten with them; those that anything else names stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import Row
from stored import LOOKUPS, NOW, SPACE, retype, take

from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.events import UserId
from enduser.core.lists import ListAction
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, ChangeSettings, CloseHistory, UndoRun, WriteList, WriteValues
from enduser.stores.row_file import RowFile, ValueColumn, row_of, write_ids

START = 1_700_000_000_000_000
NAMED = ("seen", "valued", "one", "other", "listed", "claimed")
"""Ids that something else names than the values that are taken away."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        for name, kind in (("plan", AttributeType.STRING), ("seats", AttributeType.STRING)):
            opened.create_attribute(Attribute(name, kind))
        yield opened


def say(store: EmbeddedStore, name: str, *ids: str, value: str = "1", at: int = START) -> int:
    """Let a run say a value of each id; return its number."""
    path = store.folder / "rows.txt"
    kinds = {"claimed": "a"}
    path.write_text("".join(row_of(n, [one, kinds.get(one, ""), value]) for n, one in enumerate(ids, 1)))
    record = WriteValues(API, RowFile([path], 4, [ValueColumn(name, 3)], kind_at=2), at)
    written = store.apply(SPACE, record).written
    assert written is not None
    return written.run


def name_otherwise(store: EmbeddedStore, folder: Path) -> None:
    """Name each of the ids by something else: an event, a claim, a value, a link, a list."""
    store.apply(SPACE, ChangeSettings({"link_on_identify": "on"}))
    take(store, folder, [Row("seen", "claimed", START, "m")])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    say(store, "seats", "valued")
    store.apply(SPACE, AddLink(UserId("one", is_anonymous=False), UserId("other", is_anonymous=False), START))
    ids = write_ids(store.folder / "ids.txt", ["listed"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, START))


def known_ids(store: EmbeddedStore) -> set[str]:
    return {text for (text,) in store._execute("SELECT id FROM space_1.user_ids")}


def test_an_undone_run_takes_the_ids_with_it_that_it_alone_named(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    name_otherwise(store, tmp_path)
    run = say(store, "plan", *NAMED, "nobody", "else", at=START + 1)
    assert known_ids(store) == {*NAMED, "nobody", "else"}
    store.apply(SPACE, UndoRun(run))
    assert known_ids(store) == set(NAMED)
    assert store.verify(SPACE) == []


def test_an_id_that_two_runs_named_goes_with_the_second(store: EmbeddedStore) -> None:
    first, second = (say(store, "plan", "a", at=START + number) for number in (0, 1))
    store.apply(SPACE, UndoRun(second))
    assert [one.value for one in store.find_candidates(SPACE, "a")["plan"]] == ["1"]
    store.apply(SPACE, UndoRun(first))
    assert known_ids(store) == set()


def test_an_id_that_was_forgotten_is_taken_as_a_new_one(store: EmbeddedStore, tmp_path: Path) -> None:
    store.apply(SPACE, UndoRun(say(store, "plan", "a")))
    say(store, "plan", "a", value="vip")
    take(store, tmp_path, [Row("a", None, START, "m")])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    found = store.find_user(SPACE, "a")
    assert found is not None
    assert found["attributes"] == {"plan": "vip"}
    assert store.verify(SPACE) == []


def test_a_deleted_attribute_takes_the_ids_with_it_of_which_nothing_else_is_known(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    name_otherwise(store, tmp_path)
    say(store, "plan", *NAMED, "nobody", at=START + 1)
    store.delete_attribute("plan")
    assert known_ids(store) == set(NAMED)
    store.delete_attribute("seats")
    assert known_ids(store) == {*NAMED} - {"valued"}
    assert store.verify(SPACE) == []


def test_ids_of_which_another_type_leaves_no_value_are_forgotten(store: EmbeddedStore) -> None:
    say(store, "plan", "a", value="five")
    say(store, "plan", "b", value="5")
    retype(store, "plan", AttributeType.NUMBER)
    assert known_ids(store) == {"b"}
    assert store.verify(SPACE) == []
