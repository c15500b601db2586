"""Whatever call of a store meets a failing engine, its caller hears an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from stored import NOW, SPACE

from enduser import limits
from enduser.core.events import UserId
from enduser.errors import StoreError
from enduser.stores.contract import OwnedStore
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.engine import told
from enduser.stores.records import AddLink, ChangeSettings, CloseHistory

ONE, OTHER = (UserId(name, is_anonymous=False) for name in ("u", "v"))

CALLS: dict[str, Callable[[OwnedStore, Path], object]] = {
    "spaces": lambda store, _: store.spaces(),
    "create_space": lambda store, _: store.create_space("acme/test", NOW),
    "settings": lambda store, _: store.settings(SPACE),
    "status": lambda store, _: store.status(SPACE),
    "write_keys": lambda store, _: store.write_keys(),
    "rotate_write_key": lambda store, _: store.rotate_write_key(SPACE, NOW, 0),
    "doors": lambda store, _: store.doors(),
    "close a history": lambda store, _: store.apply(SPACE, CloseHistory()),
    "change a setting": lambda store, _: store.apply(SPACE, ChangeSettings({"store_ip": "on"})),
    "add a link": lambda store, _: store.apply(SPACE, AddLink(ONE, OTHER, NOW)),
    "find_link": lambda store, _: store.find_link(SPACE, ONE, OTHER),
    "links_page": lambda store, _: store.links_page(SPACE),
    "fold": lambda store, _: store.fold(SPACE),
    "rebuild": lambda store, _: store.rebuild(SPACE),
    "verify": lambda store, _: store.verify(SPACE),
    "users": lambda store, _: list(store.users(SPACE)),
    "sessions": lambda store, _: list(store.sessions(SPACE)),
    "users_page": lambda store, _: store.users_page(SPACE),
    "find_user": lambda store, _: store.find_user(SPACE, "u"),
    "user_sessions": lambda store, _: store.user_sessions(SPACE, "u"),
    "hashing_preview": lambda store, _: store.hashing_preview(SPACE),
    "is_suppressed": lambda store, _: store.is_suppressed(SPACE, "u", "plain"),
    "look_alikes": lambda store, _: store.look_alikes(SPACE),
    "export": lambda store, folder: store.export(SPACE, "users", folder / "users.csv", "csv"),
    "changes": lambda store, _: list(store.changes(SPACE, 0).users),
    "objects": lambda store, _: list(store.objects(SPACE, 0, 1)),
    "spool_positions": lambda store, _: store.spool_positions(),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, memory_limit_mb=512) as opened:
        yield opened


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_meets_a_failing_engine_fails_with_what_to_do(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 0.05)
    store.looks.close()
    store._database.connection.close()
    with pytest.raises(StoreError) as failed:
        CALLS[name](store, tmp_path)
    assert failed.value.hint
    store.heal()


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (duckdb.OutOfMemoryException("x"), "--memory-limit"),
        (duckdb.IOException("x"), "disk is full"),
        (duckdb.TransactionException("cannot commit: No space left on device"), "disk is full"),
        (duckdb.InternalException("x"), "please report"),
    ],
)
def test_what_to_do_depends_on_what_failed(error: duckdb.Error, hint: str) -> None:
    with pytest.raises(StoreError, match="it failed: ") as failed, told("it failed"):
        raise error
    assert hint in str(failed.value.hint)
