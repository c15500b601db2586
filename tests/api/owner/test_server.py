"""Collectors know what they may let in before a call that changed it is answered, whichever it was."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from owning import answering
from stored import SPACE
from structlog.testing import capture_logs

from enduser import limits
from enduser.api.owner import server
from enduser.api.owner.server import Owner, ServerOptions
from enduser.errors import StoreError
from enduser.ingest.doors import FILE, Doors
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ChangeSettings, CloseHistory
from enduser.stores.remote import RemoteStore

HASH = ChangeSettings({"hash_ids": "on"})


class Collectors:
    """Collectors that need a moment to know the doors."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.have_ended = False

    async def know_doors(self) -> None:
        await asyncio.sleep(0.05)
        self.told.append("known")

    def start(self) -> None:
        """Begin nothing."""

    async def end(self) -> None:
        self.have_ended = True


class Owned:
    """An owner that serves nobody but commands."""

    def __init__(self, folder: Path) -> None:
        self.owner = Owner(
            ServerOptions(
                folder=folder,
                host="127.0.0.1",
                port=0,
                collectors=1,
                memory_limit_mb=512,
                trusted_hops=0,
                spool_bytes_max=limits.SPOOL_BYTES_MAX,
            )
        )
        self.folder = folder
        self.store: EmbeddedStore = self.owner._store
        self._listeners = self.owner._collectors._listeners
        self.collectors = self.owner._collectors = Collectors()

    def close(self) -> None:
        self.owner._thread.submit(self.owner._close).result()
        self.end()

    def end(self) -> None:
        """Hold nothing any more, after the owner has closed what it had."""
        self.owner._thread.shutdown()
        for listener in self._listeners:
            listener.close()

    def call(self, work: Callable[[], object]) -> None:
        """Make a call of the API."""
        asyncio.run(self.owner._change(work))

    def doors(self) -> Doors:
        """Return what collectors know."""
        return Doors(self.folder)

    def edition(self) -> tuple[int, int]:
        """Return another value after the doors were written again."""
        told = (self.folder / FILE).stat()
        return told.st_ino, told.st_mtime_ns


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[Owned]:
    opened = Owned(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def command(owned: Owned) -> Iterator[RemoteStore]:
    """What a command reaches of the owner."""
    forgetting: Any = SimpleNamespace(let_bytes_go_now=None)
    server, _ = owned.owner._local(forgetting)
    with answering(owned.folder, server.config.app), RemoteStore.reach(owned.folder) as store:
        yield store


def test_what_a_command_changed_is_known_when_it_ends(owned: Owned, command: RemoteStore) -> None:
    command.create_space("acme/test", 1)
    assert owned.doors().of_space("acme/test") is not None
    command.apply(SPACE, ChangeSettings({"store_ip": "on"}))
    assert owned.doors().of_space(SPACE).settings.store_ip
    key = command.rotate_write_key(SPACE, 1, 0)
    assert owned.doors().find(key, 2).space == SPACE


def test_a_change_is_known_whatever_call_made_it(
    owned: Owned, command: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(
        owned.store, "fold", lambda space: made.append(owned.store.rotate_write_key(space, 1, 0))
    )
    command.fold(SPACE)
    assert owned.doors().find(made[0], 2).space == SPACE


SAME: dict[str, Callable[[Store], object]] = {
    "reads": lambda store: (store.status(SPACE), store.find_user(SPACE, "u"), store.links_page(SPACE)),
    "a fold": lambda store: store.fold(SPACE),
    "a record": lambda store: store.apply(SPACE, CloseHistory()),
    "a setting as it was": lambda store: store.apply(SPACE, ChangeSettings({"store_ip": "off"})),
}


@pytest.mark.parametrize("name", SAME)
def test_doors_that_are_as_before_are_not_written_again(
    owned: Owned, command: RemoteStore, name: str
) -> None:
    before = owned.edition()
    SAME[name](command)
    owned.call(lambda: SAME[name](owned.store))
    assert owned.edition() == before


@pytest.mark.parametrize(
    ("record", "waits"),
    [(HASH, 1), (ChangeSettings({"hash_salt": "x"}), 0), (ChangeSettings({"store_ip": "on"}), 0)],
)
def test_a_call_that_changes_how_ids_are_hashed_waits_until_collectors_know(
    owned: Owned, record: ChangeSettings, waits: int
) -> None:
    owned.call(lambda: owned.store.apply(SPACE, record))
    owned.call(lambda: owned.store.apply(SPACE, record))
    assert len(owned.collectors.told) == waits


def test_a_new_space_that_hashes_is_waited_for_like_any(owned: Owned, command: RemoteStore) -> None:
    command.create_space("acme/test", 1)
    assert owned.collectors.told == []
    command.apply("acme/test", HASH)
    assert owned.collectors.told == ["known"]


def test_what_a_call_changed_before_it_failed_is_known_too(owned: Owned) -> None:
    def fails() -> None:
        owned.store.apply(SPACE, HASH)
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        owned.call(fails)
    assert owned.doors().of_space(SPACE).settings.hash_ids
    assert owned.collectors.told == ["known"]


def test_a_call_that_failed_says_why_though_collectors_cannot_be_told(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise ZeroDivisionError

    def fails() -> None:
        monkeypatch.setattr(owned.store, "doors", gone)
        raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        owned.call(fails)


def test_a_call_that_changes_hashing_waits_though_another_call_is_made_at_the_time(owned: Owned) -> None:
    told = owned.collectors.told

    async def hashes() -> None:
        await owned.owner._change(lambda: owned.store.apply(SPACE, HASH))
        told.append("answered")

    async def both() -> None:
        await asyncio.gather(owned.owner._change(lambda: owned.store.status(SPACE)), hashes())

    asyncio.run(both())
    assert "known" in told[: told.index("answered")]


@pytest.mark.parametrize("part", ["Working", "Applying", "Telling", "Forgetting", "_serve"])
def test_an_owner_of_which_a_part_has_ended_ends_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    async def fail(*given: object) -> None:
        for listener in given:
            if isinstance(listener, socket.socket):
                listener.close()
        raise ZeroDivisionError("a mistake")

    owned = Owned(tmp_path / "data")
    owned.owner._applying._collectors = owned.collectors  # type: ignore[assignment]
    monkeypatch.setattr(*((Owner, part) if part == "_serve" else (getattr(server, part), "run")), fail)
    with capture_logs() as lines, pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(owned.owner.run(lambda _: None), 30))
    assert "a part of the process has ended" in [line["event"] for line in lines]
    owned.end()


def test_a_feed_that_does_not_get_on_is_told_in_the_log(
    owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("a mistake in a rule")

    monkeypatch.setattr(owned.store, "follow_feed", fail)
    with capture_logs() as lines:
        owned.owner._thread.submit(owned.owner._applier.round).result()
    assert [(line["event"], line["space"]) for line in lines] == [("space is not followed", SPACE)]
