"""The bytes of what was forgotten go, and only when they are gone is it said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from histories import Row
from ready_made import Files, files_of, write_files
from searching import found_in
from stored import LOOKUPS, NOW, SPACE, take

from enduser.core.events import UserId
from enduser.errors import NoRoom, StoreError
from enduser.ingest.spool import EVENTS, SpoolWriter, frame
from enduser.service.forgetting import are_gone, let_bytes_go, let_bytes_go_at_once
from enduser.service.retention import begin_retention, run_retention
from enduser.stores import data_folder
from enduser.stores.answers import BytesDue
from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import CloseHistory, EraseUser
from enduser.stores.scratch import scratch_folder
from enduser.stores.serving import ServingCopy

START = 1_600_000_000_000_000
ERASED_AT = START + 5


class World(NamedTuple):
    store: EmbeddedStore
    control: ControlStore

    @property
    def folder(self) -> Path:
        return self.store.folder

    def let_go(self) -> bool:
        return let_bytes_go_at_once(self.store, self.control, NOW)

    def gone_at(self) -> int | None:
        return self.store.erasures(SPACE)[0].gone_at


@cache
def erased_files() -> Files:
    """Return the files of a data folder from which somebody was erased; his bytes are there still."""

    def make(folder: Path) -> None:
        with (
            EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
            ControlStore(folder),
            closing(ServingCopy(folder)) as copy,
        ):
            rows = [Row(user, None, START, "m", name=f"page-of-{user}") for user in ("adam.br", "eve")]
            take(store, folder.parent, rows)
            store.apply(SPACE, CloseHistory())
            store.fold(SPACE)
            while not copy.follow(SPACE, store):
                pass
            store.apply(SPACE, EraseUser(UserId("adam.br", is_anonymous=False), erased_at=ERASED_AT))

    return files_of(make)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Such a folder, opened."""
    folder = tmp_path / "data"
    write_files(folder, erased_files())
    with (
        EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
        ControlStore(folder) as control,
    ):
        yield World(store, control)


def due(world: World) -> BytesDue:
    """Return what is due, which is something."""
    found = world.store.bytes_due()
    assert found is not None
    return found


def test_bytes_are_due_since_the_first_erasure_until_it_is_noted_that_they_are_gone(world: World) -> None:
    world.store.apply(SPACE, EraseUser(UserId("eve", is_anonymous=False), erased_at=ERASED_AT + 1))
    before = due(world)
    assert before == BytesDue(ERASED_AT, (1, 2), {})
    world.store.note_gone(replace(before, erasures=(1,)), NOW)
    assert due(world) == BytesDue(ERASED_AT + 1, (2,), {})
    world.store.note_gone(before, NOW + 1)
    assert world.store.bytes_due() is None
    assert [one.gone_at for one in world.store.erasures(SPACE)] == [NOW + 1, NOW]


def test_bytes_of_who_went_by_age_are_due_too_and_of_a_run_that_took_nothing_none_are(world: World) -> None:
    assert world.let_go()
    begin_retention(world.store, SPACE, START + 1, NOW)
    assert world.store.bytes_due() is None
    done = run_retention(world.store, SPACE, START + 1, lambda: NOW)
    assert (done.amount.users, world.store.bytes_due()) == (0, None)
    done = run_retention(world.store, SPACE, NOW - 9, lambda: NOW - 7)
    assert due(world) == BytesDue(NOW - 7, (), {done.number: 1})
    world.store.note_gone(due(world), NOW)
    assert (world.store.bytes_due(), world.store.retention_runs(SPACE)[0].gone_at) == (None, NOW)


def test_of_a_run_that_took_more_since_it_is_not_noted(world: World) -> None:
    done = run_retention(world.store, SPACE, NOW - 9, lambda: NOW - 7)
    found = due(world)
    world.store.note_gone(replace(found, runs={done.number: 0}), NOW)
    assert due(world).runs == {done.number: 1}


@pytest.mark.parametrize("erased_at", [ERASED_AT - 1, ERASED_AT + 1])
def test_of_who_was_erased_while_files_were_written_anew_it_is_not_noted(
    world: World, erased_at: int
) -> None:
    """Whenever he asked: a command may have waited, and a backup is rid again of who was erased long ago."""
    before = due(world)
    with closing(world.store.new_file()) as new:
        new.write()
        world.store.apply(SPACE, EraseUser(UserId("eve", is_anonymous=False), erased_at=erased_at))
        world.store.replace_file(new)
    world.store.note_gone(before, NOW)
    assert [one.gone_at for one in world.store.erasures(SPACE)] == [None, NOW]
    assert due(world) == BytesDue(erased_at, (2,), {})


def test_where_no_server_runs_all_bytes_go_at_once_and_it_is_noted(world: World) -> None:
    with closing(SpoolWriter(world.folder, 1)) as writer:
        writer.mark(START)
    assert world.let_go()
    assert world.gone_at() == NOW
    assert world.store.bytes_due() is None
    assert found_in(world.folder, "adam.br", "page-of-adam") == []
    assert world.store.find_user(SPACE, "eve") is not None


def test_what_a_killed_server_accepted_waits_and_nothing_is_noted(world: World) -> None:
    with closing(SpoolWriter(world.folder, 1)) as writer:
        writer.append([frame(EVENTS, 1, START, b'{"id":"adam.br"}\n')], now_us=START)
    assert not world.let_go()
    assert world.gone_at() is None


def test_a_file_in_use_is_waited_for(world: World) -> None:
    with scratch_folder(world.folder) as used:
        (used / "chunk").write_text("adam.br")
        assert not world.let_go()
        assert world.gone_at() is None
        with closing(world.store.new_file()) as new:
            going = let_bytes_go(world.store, world.control, new, NOW)
        assert (going.until, going.left) == (NOW, {used})
        assert not are_gone(world.store, going)
        with scratch_folder(world.folder):
            pass  # what begins later has no byte of him, and is not waited for
    with scratch_folder(world.folder):
        assert are_gone(world.store, going)
    assert world.let_go()


def test_a_spool_file_that_a_collector_writes_is_asked_to_end_and_waited_for(world: World) -> None:
    with closing(SpoolWriter(world.folder, 1)) as writer:
        writer.append([frame(EVENTS, 1, START, b'{"id":"adam.br"}\n')], now_us=START)
        with closing(world.store.new_file()) as new:
            going = let_bytes_go(world.store, world.control, new, NOW)
        (spool_file,) = going.left
        assert spool_file.suffix == ".seg"
        assert not are_gone(world.store, going)
        writer.append([frame(EVENTS, 1, START, b'{"id":"eve"}\n')], now_us=START + 1_000_000)
        assert len([*spool_file.parent.glob("*.seg")]) == 2  # the writer was asked to begin another
        spool_file.unlink()
        assert are_gone(world.store, going)


def test_control_data_that_is_read_for_too_long_is_said_and_nothing_is_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ControlStore, "settle", lambda _: False)
    with pytest.raises(StoreError, match="is being read for long") as told:
        world.let_go()
    assert "it is tried again" in str(told.value.hint)
    assert world.gone_at() is None


def test_without_room_nothing_goes_and_it_is_not_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "ROOM_BYTES", 2**62)
    with pytest.raises(NoRoom):
        world.let_go()
    assert world.gone_at() is None
    monkeypatch.undo()
    assert world.let_go()
