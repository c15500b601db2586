"""The large tables are copied while all goes on: whatever is done, the new file has what the old one had."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from histories import Row, random_history
from ready_made import Files, files_of, write_files
from stored import LOOKUPS, NOW, SPACE, retype, take
from tiers import tries

from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import UserId
from enduser.core.lists import ListAction
from enduser.errors import EnduserError, StoreError
from enduser.service.retention import run_retention
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores.embedded import EmbeddedStore, rewriting
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    CloseHistory,
    EraseUser,
    LiftSuppression,
    RemoveLink,
    UndoRun,
    WriteList,
)
from enduser.stores.row_file import write_ids

START = 1_600_000_000_000_000
HOUR = 3_600_000_000
USERS = [f"u{number}" for number in range(40)]
ROWS = random_history(random.Random(0), users=len(USERS), events=20, span_s=86_400)


def user(text: str) -> UserId:
    return UserId(text, is_anonymous=False)


class World:
    """A store of which everything may change, step by step."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.random = random.Random(seed)
        self.store = EmbeddedStore(folder / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512)

    def fill(self) -> None:
        """Let users come, some with values, and a list."""
        self.store.create_attribute(Attribute("plan", AttributeType.STRING))
        self.take(ROWS)
        for one in USERS[::2]:
            self.write_value(one)
        self.write_list("staff", ListAction.CREATE)

    def take(self, rows: list[Row]) -> None:
        take(self.store, self.folder, rows)
        self.store.apply(SPACE, CloseHistory())
        self.store.fold(SPACE)

    def some(self) -> str:
        return self.random.choice(USERS)

    # --- what may happen

    def new_events(self) -> None:
        at = START + self.random.randrange(10**9) * 1_000
        more = {"type": "alias", "previous_id": "device-1"} if self.random.random() < 0.2 else {}
        self.take([Row(self.some(), "device-1", at + n * HOUR, **more) for n in range(3)])  # type: ignore[arg-type]

    def fill_events(self) -> None:
        """Send events again, with a place and a browser that they may not have."""
        again = self.random.sample(ROWS, 30)
        self.take([replace(row, place=("NO", "Oslo", "Oslo"), user_agent="Safari") for row in again])

    def new_user(self) -> None:
        self.take([Row(f"new-{self.random.randrange(99)}", None, START)])

    def write_value(self, one: str | None = None) -> None:
        value = self.random.choice(("free", "vip", None))
        edit_by_hand(self.store, SPACE, JsonRow(one or self.some(), {"plan": value}, "plain"), NOW)

    def undo_run(self) -> None:
        self.store.apply(SPACE, UndoRun(self.random.randrange(1, 10), NOW))

    def link(self) -> None:
        one, other = self.random.sample(USERS, 2)
        self.store.apply(SPACE, AddLink(user(one), user(other), NOW))

    def part(self) -> None:
        one, other = self.random.sample(USERS, 2)
        self.store.apply(SPACE, RemoveLink(user(one), user(other), NOW))

    def change_list(self) -> None:
        self.write_list("staff", self.random.choice((ListAction.ADD, ListAction.REMOVE, ListAction.OVERRIDE)))

    def new_list(self) -> None:
        self.write_list(f"l{self.random.randrange(99)}", ListAction.CREATE)

    def write_list(self, name: str, action: ListAction) -> None:
        ids = write_ids(self.store.folder / "ids.txt", self.random.sample(USERS, 5), "plain")
        self.store.apply(SPACE, WriteList(name, action, ids, NOW))

    def erase(self) -> None:
        suppresses = self.random.random() < 0.5
        self.store.apply(SPACE, EraseUser(user(self.some()), suppresses=suppresses))

    def suppress_device(self) -> None:
        self.store.apply(SPACE, EraseUser(UserId("device-1", True), suppresses=True))

    def lift(self) -> None:
        self.store.apply(SPACE, LiftSuppression(user(self.some())))

    def forget_old(self) -> None:
        last = max(row.occurred_at for row in ROWS)
        run_retention(self.store, SPACE, self.random.randrange(START, last), lambda: NOW - 7)

    def forget_contents(self) -> None:
        self.store.apply(SPACE, ChangeSettings({"event_retention_months": "1"}))
        self.forget_old()

    def recompute(self) -> None:
        self.store.apply(
            SPACE, ChangeSettings({"inactivity_window_s": str(self.random.randrange(60, 9_000))})
        )

    def hash_ids(self) -> None:
        self.store.apply(SPACE, ChangeSettings({"hash_ids": "on", "hash_salt": "pepper"}))

    def new_attribute(self) -> None:
        self.store.create_attribute(Attribute(f"a{self.random.randrange(99)}", AttributeType.NUMBER))

    def retype(self) -> None:
        if self.store.attributes():
            retype(
                self.store,
                self.store.attributes()[0].name,
                self.random.choice((AttributeType.STRING, AttributeType.NUMBER)),
            )

    def delete_attribute(self) -> None:
        self.store.delete_attribute("plan")

    def new_space(self) -> None:
        self.store.create_space(f"acme/s{self.random.randrange(99)}", NOW)

    def checkpoint(self) -> None:
        self.store._database.checkpoint()

    def do(self, *names: str) -> None:
        """Do something; it may be refused, as of who is not there."""
        for name in names:
            with suppress(EnduserError):
                getattr(self, name)()

    def everything(self) -> dict[str, list[Any]]:
        """Return all rows of all tables, and how far the sequences are."""
        run = self.store._execute
        tables = run(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'enduser'"
        )
        found = {name: run(f"FROM enduser.{name} ORDER BY ALL") for (name,) in tables}
        numbers = (
            "SELECT schema_name, sequence_name, last_value FROM duckdb_sequences() "
            "WHERE database_name = 'enduser' ORDER BY ALL"
        )
        return {**found, "sequences": run(numbers)}


COMMON = (
    "new_events",
    "fill_events",
    "new_user",
    "write_value",
    "link",
    "part",
    "change_list",
    "erase",
    "lift",
)
"""What goes on every day: none of it may make it necessary to copy all again."""
SELDOM = (
    *("undo_run", "new_list", "suppress_device", "forget_old", "forget_contents", "recompute", "hash_ids"),
    *("new_attribute", "retype", "delete_attribute", "new_space", "checkpoint"),
)


@cache
def filled() -> Files:
    """Return the files of a folder with users."""

    def make(folder: Path) -> None:
        made = World(folder.parent)
        made.fill()
        made.store.close()

    return files_of(make)


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[[int], World]]:
    """Return what makes a world of a seed."""
    made: list[World] = []

    def make(seed: int) -> World:
        write_files(tmp_path / "data", filled())
        made.append(World(tmp_path, seed))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


@pytest.fixture
def world(worlds: Callable[[int], World]) -> World:
    """A world with users."""
    return worlds(0)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return whether each new file was brought up to now, not copied all again."""
    told: list[bool] = []
    bring_up = rewriting.NewFile._is_brought_up

    def noted(new: rewriting.NewFile) -> bool:
        told.append(bring_up(new))
        return told[-1]

    monkeypatch.setattr(rewriting.NewFile, "_is_brought_up", noted)
    return told


def go_on(world: World, new: Any) -> None:
    """Let the store go on with a new file, which must have all that the old one had."""
    before = world.everything()
    world.store.replace_file(new)
    after = world.everything()
    for name, rows in before.items():
        assert after[name] == rows, name
    assert after.keys() == before.keys()
    assert world.store.verify(SPACE) == []


@pytest.mark.parametrize(
    "what", [*COMMON, "undo_run", "suppress_device", "recompute", "hash_ids", "checkpoint"]
)
def test_what_happens_while_it_is_copied_is_brought_over(world: World, copies: list[bool], what: str) -> None:
    world.do("erase", "new_events", "change_list", "checkpoint")
    before = world.everything()
    with closing(world.store.new_file()) as new:
        world.do(what, what)
        new.write()
        world.do(what, what, what)
        assert what in {"checkpoint", "lift"} or world.everything() != before
        go_on(world, new)
    assert copies == [True]


@pytest.mark.parametrize(
    "what", ["forget_contents", "new_attribute", "retype", "delete_attribute", "new_space"]
)
def test_what_cannot_be_brought_over_is_copied_anew(world: World, copies: list[bool], what: str) -> None:
    with closing(world.store.new_file()) as new:
        new.write()
        before = world.everything()
        world.do(what, what)
        assert world.everything() != before
        go_on(world, new)
    assert copies in ([], [False])


@pytest.mark.parametrize("seed", range(tries(2, 40)))
def test_whatever_happens_at_any_time_nothing_is_lost_and_nothing_comes_back(
    worlds: Callable[[int], World], seed: int
) -> None:
    world = worlds(seed)
    chosen = world.random

    def live(most: int) -> None:
        for _ in range(chosen.randrange(most)):
            world.do(chosen.choice(COMMON if chosen.random() < 0.8 else SELDOM))

    for _ in range(2):
        live(4)
        with closing(world.store.new_file()) as new:
            live(3)
            with ThreadPoolExecutor(1) as thread:
                writing = thread.submit(new.write)
                live(6)
                writing.result()
            live(4)
            go_on(world, new)


def test_an_attribute_that_got_another_type_and_its_own_again_lost_values_for_good(
    world: World, copies: list[bool]
) -> None:
    with closing(world.store.new_file()) as new:
        new.write()
        for kind in (AttributeType.NUMBER, AttributeType.STRING):
            retype(world.store, "plan", kind)
        go_on(world, new)
    assert copies == []


def test_of_a_table_that_lost_whole_row_groups_what_is_left_is_copied(
    world: World, copies: list[bool]
) -> None:
    """The engine lets go of row groups that are empty: nothing may be taken for another row then."""
    rows = [Row(f"many-{number}", None, START + number) for number in range(130_000)]
    world.take(rows)
    world.do("checkpoint")
    with closing(world.store.new_file()) as new:
        new.write()
        world.store._execute("DELETE FROM space_1.sessions WHERE rowid BETWEEN 1000 AND 125000")
        world.do("checkpoint", "new_events", "checkpoint")
        world.store._execute("DELETE FROM space_1.sessions WHERE rowid < 500")
        world.do("checkpoint")
        before = world.everything()
        world.store.replace_file(new)
        assert world.everything() == before
    assert copies == [True]


def test_a_difference_that_nobody_thought_of_lets_all_be_copied_again(
    world: World, copies: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting.NewFile, "_drop_gone", lambda *_: None)
    with closing(world.store.new_file()) as new:
        new.write()
        world.do(*["new_events"] * 5)
        go_on(world, new)
    assert copies == [False]


UPDATE = re.compile(r"UPDATE (\w+)\s+SET\s+(.*?)(?:\bFROM\b|\bWHERE\b|;)", re.DOTALL)


def test_no_statement_changes_in_place_what_is_not_compared() -> None:
    """Where one comes, `rewriting.LARGE` must name its columns, or the layout must become another by it."""
    known = {("events", "name")}  # with it the content goes; then `contentless_to` is another
    found = set()
    folder = files("enduser.stores.embedded").joinpath("sql")
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        for table, changed in UPDATE.findall(text):
            if table in rewriting.LARGE:
                columns = re.findall(r"(?:^|,)\s*(\w+) =", changed)
                assert columns, changed
                if (table, columns[0]) not in known:
                    found |= {(table, column) for column in columns}
    assert found == {(table, one) for table, kind in rewriting.LARGE.items() for one in kind.changing}


def test_one_that_is_told_to_stop_ends_and_the_database_goes_on(world: World) -> None:
    before = world.everything()
    with closing(world.store.new_file()) as new:
        new.stop()
        with pytest.raises(StoreError, match="it was to be stopped"):
            new.write()
    assert world.everything() == before
    assert not rewriting.new_file_of(world.store.folder).exists()
    with closing(world.store.new_file()) as new:
        new.write()
        go_on(world, new)


def test_one_that_is_given_up_leaves_nothing(world: World) -> None:
    with closing(world.store.new_file()) as new:
        new.write()
        world.do("new_events")
    assert [path.name for path in world.store.folder.glob("*.new*")] == []
    world.do("new_events")
    assert world.store.verify(SPACE) == []


def test_one_whose_database_was_opened_anew_meanwhile_is_refused_and_nothing_is_lost(world: World) -> None:
    with closing(world.store.new_file()) as new:
        new.write()
        world.store.looks.close()
        world.store._database.reopen()
        world.store.looks.begin(world.store._database.connection)
        before = world.everything()
        with pytest.raises(StoreError, match="could not be written into a new file"):
            world.store.replace_file(new)
    assert world.everything() == before
    with closing(world.store.new_file()) as new:
        new.write()
        go_on(world, new)
