"""A store reached through a socket says and does what the store itself would."""

from __future__ import annotations

import inspect
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from owning import answering, reached
from starlette.responses import PlainTextResponse
from stored import NOW, RULES, SPACE

from enduser.api.http_server import private_socket
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.errors import (
    DataFolderInUse,
    InvalidSetting,
    InvalidSpace,
    InvalidSpaceName,
    OwnerUnreachable,
    UsageError,
)
from enduser.stores.answering import answer
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.owner_socket import SOCKET, socket_path
from enduser.stores.records import ChangeSettings, Chunk, CloseHistory, EventChunk, Form
from enduser.stores.remote import RemoteStore
from enduser.stores.wire import METHODS, encoded


@pytest.fixture
def served(tmp_path: Path) -> Iterator[RemoteStore]:
    """Serve a store, and reach it."""
    folder = tmp_path / "data"
    with EmbeddedStore(folder, now_us=0, memory_limit_mb=512) as store, reached(folder, store) as remote:
        yield remote


def visits(folder: Path) -> EventChunk:
    path = folder / "rows.jsonl"
    rows = [{"user_id": f"u{n}", "occurred_at": n * 10**9, "country": "NO"} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{}\n")
    return EventChunk(Chunk(path, Form.JSON_LINES), RULES)


def test_events_go_in_and_objects_come_out(served: RemoteStore, tmp_path: Path) -> None:
    applied = served.apply(SPACE, visits(tmp_path))
    assert (applied.outcomes.stored, applied.outcomes.rejected["missing_time"]) == (3, 1)
    assert [rejection.row for rejection in applied.rejections] == [4]
    served.apply(SPACE, CloseHistory())
    served.fold(SPACE)
    last = UsersQuery(sort="-last_seen")
    assert [user["user_id"] for user in served.users(SPACE, last, limit=2)] == ["u2", "u1"]
    assert served.find_user(SPACE, "u1")["country"] == "NO"
    assert served.find_user(SPACE, "gone") is None
    assert len(list(served.sessions(SPACE))) == 3
    assert served.verify(SPACE) == []
    assert served.status(SPACE).outcomes.stored == 3
    assert served.export(SPACE, "users", tmp_path / "users.csv", "csv") == 3
    assert (tmp_path / "users.csv").exists()


def test_a_command_that_asks_a_server_reads_no_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *files, **more: read.append(files))
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *what: read.append(what))
    folder = tmp_path / "data"
    with EmbeddedStore(folder, now_us=0, memory_limit_mb=512) as store, reached(folder, store) as remote:
        assert remote.spaces() == [SPACE]
    assert read == []


def test_a_relative_path_means_the_callers_folder(
    served: RemoteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert served.export(SPACE, "users", Path("users.csv"), "csv") == 0
    assert (tmp_path / "users.csv").exists()


def test_spaces_settings_and_keys_are_those_of_the_store(served: RemoteStore) -> None:
    served.create_space("acme/test", 5)
    assert served.spaces() == list(served.guids()) == [SPACE, "acme/test"]
    served.apply("acme/test", ChangeSettings({"exclude": "none"}))
    assert served.settings("acme/test").exclude == ()
    key = served.rotate_write_key("acme/test", 10, 0)
    assert [one.write_key for one in served.write_keys() if one.space == "acme/test"][-1] == key


def test_a_segment_that_is_saved_as_it_is_stays_of_its_version(served: RemoteStore) -> None:
    rule = {"combinator": "and", "rules": []}
    segment = Segment(id="all", name="All", rule=rule, tags=("a", "b"))
    served.save_segment(SPACE, segment, Saving(NOW, "me", is_new=True))
    found = served.find_segment(SPACE, "all").segment
    assert served.save_segment(SPACE, found, Saving(NOW, "me", is_new=False)).version == 1


def test_errors_are_the_same_as_at_home(served: RemoteStore) -> None:
    with pytest.raises(InvalidSpace, match="acme/gone") as caught:
        served.status("acme/gone")
    assert "enduser systems create acme/gone" in str(caught.value.hint)
    with pytest.raises(InvalidSetting, match="store_ip cannot be 'x'"):
        served.apply(SPACE, ChangeSettings({"store_ip": "x"}))
    with pytest.raises(InvalidSpaceName):
        served.create_space("no name", 0)
    with pytest.raises(UsageError, match="no attribute"):
        list(served.users(SPACE, UsersQuery(sort="gone")))
    with pytest.raises(InvalidSpace, match="acme/gone"):
        list(served.sessions("acme/gone"))
    with pytest.raises(InvalidSpace, match=re.escape(f"{SPACE}?after=7")):
        served.watch(f"{SPACE}?after=7", 0)


def test_a_remote_store_has_every_method_of_the_contract_with_the_same_parameters() -> None:
    for name in METHODS:
        ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (RemoteStore, Store))
        assert ours == theirs, name


def test_nothing_of_the_contract_is_left_to_do_nothing() -> None:
    named = [name for name in dir(Store) if not name.startswith("_")]
    assert [name for name in named if getattr(RemoteStore, name) is getattr(Store, name)] == []


@pytest.mark.parametrize(
    ("method", "body"), [("close", b"{}"), ("gone", b"{}"), ("settings", b'{"space": 3}')]
)
def test_another_call_is_refused(tmp_path: Path, method: str, body: bytes) -> None:
    with EmbeddedStore(tmp_path, now_us=0) as store, pytest.raises(UsageError):
        answer(store, method, body)


def test_a_folder_whose_owner_does_not_answer_is_in_use(tmp_path: Path) -> None:
    with private_socket(str(tmp_path / SOCKET)):
        pass
    with pytest.raises(DataFolderInUse, match="does not answer"):
        RemoteStore.reach(tmp_path)


async def ends(scope, receive, send) -> None:
    """Answer as a server does that ends in the middle of a call."""
    await PlainTextResponse("Internal Server Error", 500)(scope, receive, send)


async def says_something_else(scope, receive, send) -> None:
    await PlainTextResponse('{"of": "another version"}')(scope, receive, send)


CALLS = {
    "a call": lambda store: store.spaces(),
    "rows": lambda store: list(store.users(SPACE)),
    "a watch": lambda store: store.watch(SPACE, 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_ends_within_a_call_is_an_error_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    server = answering(tmp_path, ends)
    with server, RemoteStore.reach(tmp_path) as store, pytest.raises(OwnerUnreachable, match="500") as caught:
        CALLS[name](store)
    assert "log" in str(caught.value.hint)


@pytest.mark.filterwarnings("ignore:.*socket.socket")  # httpcore leaves one open that cannot connect
@pytest.mark.parametrize("name", CALLS)
def test_a_server_that_has_ended_since_is_an_error_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    with answering(tmp_path, ends):
        store = RemoteStore.reach(tmp_path)
    with store, pytest.raises(OwnerUnreachable, match=str(tmp_path)):
        CALLS[name](store)


@pytest.mark.parametrize("name", ["a call", "a watch"])
def test_an_answer_of_another_version_is_an_error_that_says_so(tmp_path: Path, name: str) -> None:
    server = answering(tmp_path, says_something_else)
    with server, RemoteStore.reach(tmp_path) as store, pytest.raises(UsageError) as caught:
        CALLS[name](store)
    assert "one version" in str(caught.value.hint)


def test_a_long_path_is_reached_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("er" * 40)
    folder.mkdir(parents=True)
    assert len(socket_path(folder)) < 100
    with private_socket(socket_path(folder)):
        assert (folder / SOCKET).is_socket()


def test_only_the_owner_may_use_the_socket(tmp_path: Path) -> None:
    with private_socket(str(tmp_path / SOCKET)):
        assert (tmp_path / SOCKET).stat().st_mode & 0o077 == 0


def test_paths_are_sent_whole() -> None:
    assert encoded({"path": Path("x")}) == b'{"path":"%s"}' % str(Path("x").absolute()).encode()
