"""What commands are told by a server when something goes wrong in it, or when it ends."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import duckdb
import httpx
import pytest
from owning import URL, answering, nothing_seen, reached
from running import event, write_lines
from serving import Server, wait_until
from stored import SPACE
from structlog.testing import capture_logs

from enduser.api.owner.local import local_app
from enduser.core.settings import SpaceSettings
from enduser.errors import InternalError, NoRoom, OwnerUnreachable, StoreError
from enduser.stores.answers import ValuesPreview, Written
from enduser.stores.contract import OwnedStore
from enduser.stores.owner_socket import socket_path
from enduser.stores.records import WriteValues
from enduser.stores.remote import RemoteStore
from enduser.stores.row_file import RowFile

MANY = 20_000
"""More users than fit into what the kernel keeps for a reader that is slow."""


class Broken:
    """A store in which everything goes wrong."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def spaces(self) -> list[str]:
        raise self._error

    def settings(self, space: str) -> SpaceSettings:
        raise self._error

    def users(self, space: str, **_: Any) -> Iterator[dict[str, object]]:
        yield {"user_id": "u0"}
        raise self._error

    @property
    def reader(self) -> Broken:
        return self


MISTAKES = [duckdb.FatalException("the database was invalidated"), ZeroDivisionError("a mistake")]


@pytest.mark.parametrize("mistake", MISTAKES, ids=repr)
@pytest.mark.parametrize("call", [RemoteStore.spaces, lambda store: store.watch(SPACE, 0)])
def test_whatever_goes_wrong_in_the_server_is_told_and_found_in_its_log(
    tmp_path: Path, mistake: Exception, call: Callable[[RemoteStore], object]
) -> None:
    broken = reached(tmp_path, Broken(mistake))
    with broken as store, capture_logs() as lines, pytest.raises(InternalError) as caught:
        call(store)
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert line["request_id"] in str(caught.value.hint)
    assert line["exc_info"]


def test_an_error_of_operation_is_no_mistake_and_says_in_the_command_what_to_do(tmp_path: Path) -> None:
    broken = reached(tmp_path, Broken(StoreError("the disk is full", hint="make room")))
    with broken as store, capture_logs() as lines, pytest.raises(StoreError, match="disk") as caught:
        store.spaces()
    assert (caught.value.hint, lines) == ("make room", [])


def test_a_command_that_is_ended_while_it_asks_is_no_mistake_of_the_server(tmp_path: Path) -> None:
    with reached(tmp_path, Broken(StoreError("", hint=""))) as store, capture_logs() as lines:
        with socket.socket(socket.AF_UNIX) as ended:
            ended.connect(socket_path(tmp_path))
            ended.sendall(b"POST /store/spaces HTTP/1.1\r\nhost: o\r\ncontent-length: 9\r\n\r\n{")
        with pytest.raises(StoreError):
            store.spaces()
    assert lines == []


@pytest.mark.parametrize("error", [*MISTAKES, StoreError("the disk is full")], ids=repr)
def test_rows_that_break_off_are_an_error_that_names_the_log(tmp_path: Path, error: Exception) -> None:
    with reached(tmp_path, Broken(error)) as store:
        rows = store.users(SPACE)
        assert next(rows) == {"user_id": "u0"}
        with pytest.raises(OwnerUnreachable) as caught:
            next(rows)
    assert "log" in str(caught.value.hint)


class Slow:
    """A store that looks a space up until the server has answered somebody else."""

    def __init__(self, folder: Path) -> None:
        self._path = socket_path(folder)

    def settings(self, space: str) -> SpaceSettings:
        with httpx.Client(transport=httpx.HTTPTransport(uds=self._path), timeout=5) as somebody:
            assert somebody.get("http://owner/").status_code == 404
        return SpaceSettings()

    @property
    def reader(self) -> Slow:
        return self


def test_the_server_answers_others_while_a_space_to_watch_is_looked_up(tmp_path: Path) -> None:
    with reached(tmp_path, Slow(tmp_path)) as store:
        assert store.watch(SPACE, 3) == (3, [])


class Writing:
    """A store that writes until somebody has been told what a write of his would do."""

    def __init__(self) -> None:
        self._is_told, self.is_writing = threading.Event(), threading.Event()

    def fold(self, space: str) -> None:
        self.is_writing.set()
        assert self._is_told.wait(20), space

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        assert space == SPACE
        self._is_told.set()
        return ValuesPreview(Written(record.written_at, 0, 0, 0, 0, 0, 0, 0), 0, 0, [], [])

    @property
    def reader(self) -> Writing:
        return self


def test_what_a_write_would_do_is_told_while_another_goes_on(tmp_path: Path) -> None:
    record = WriteValues("crm", RowFile([tmp_path / "rows"], 1, [], 1), 7)
    owned = Writing()
    with (
        reached(tmp_path, owned) as store,
        RemoteStore.reach(tmp_path) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        folding = thread.submit(other.fold, SPACE)
        assert owned.is_writing.wait(20)
        assert store.preview_values(SPACE, record).written.run == 7
        folding.result(20)


def test_a_server_that_dies_amid_rows_is_an_error_that_says_what_to_do(
    server: Server, tmp_path: Path
) -> None:
    history = write_lines(tmp_path / "history.jsonl", *(event(f"u{n}") for n in range(MANY)))
    server.cli("import", "events", history, "--close")
    with RemoteStore.reach(server.data) as store:
        rows = store.users(SPACE)
        next(rows)
        server.kill_owner()
        with pytest.raises(OwnerUnreachable, match="did not answer to the end") as caught:
            list(rows)
    assert "log" in str(caught.value.hint)


def connections(path: str) -> int:
    """Return how many ends of connections to a Unix socket the kernel knows, its listener among them."""
    return Path("/proc/net/unix").read_text(encoding="utf-8").count(f" {path}\n")


def test_a_server_that_dies_under_a_call_is_an_error_that_says_what_to_do(server: Server) -> None:
    with RemoteStore.reach(server.data) as store, ThreadPoolExecutor(1) as caller:
        path = socket_path(server.data)
        wait_until(lambda: connections(path) == 1)
        os.kill(server.process.pid, signal.SIGSTOP)
        called = caller.submit(store.spaces)
        wait_until(lambda: connections(path) == 2)
        server.kill_owner()
        with pytest.raises(OwnerUnreachable, match=str(server.data)):
            called.result(20)


def test_a_command_that_waits_until_bytes_are_gone_hears_when_they_are_or_why_they_cannot_go(
    tmp_path: Path,
) -> None:
    outcomes: list[Exception | None] = [None, NoRoom("the disk is full", hint="make room")]

    async def let_bytes_go() -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    async def on_owner(work: Callable[[], Any]) -> Any:
        return work()

    app = local_app(cast("OwnedStore", Broken(ValueError())), on_owner, nothing_seen, let_bytes_go, URL)
    with answering(tmp_path, app), RemoteStore.reach(tmp_path) as remote:
        remote.let_bytes_go()
        with pytest.raises(NoRoom, match="the disk is full") as told:
            remote.let_bytes_go()
    assert (told.value.hint, outcomes) == ("make room", [])


def test_a_command_is_told_where_the_server_is_reached_besides(tmp_path: Path) -> None:
    with reached(tmp_path, Broken(ValueError())) as remote:
        assert remote.url() == URL
