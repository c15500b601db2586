"""The server as a process: how it starts, works beside commands, loses a collector, and ends."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loaded import Senders, stored
from running import command, process
from serving import Server, stop_all, wait_until

from enduser import __version__, limits
from enduser.core.events import hashed_id


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A running server with two collectors."""
    return serve("--collectors", 2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with two collectors, which tests share that leave it as it was, or lose it a collector."""
    started = Server(tmp_path_factory.mktemp("shared") / "data", "--collectors", 2)
    yield started
    stop_all([started])


def get(server: Server, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def post(server: Server, key: str, message: dict[str, object], path: str = "/v1/track") -> int:
    basic = base64.b64encode(f"{key}:".encode()).decode()
    headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", path, json.dumps(message), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def enduser(server: Server, *words: str) -> str:
    done = process(*words, data=server.data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_answers_soon(serve: Callable[..., Server]) -> None:
    """Two seconds are the promise, which `make bench` measures; here others work beside it."""
    began = time.monotonic()
    server = serve()
    assert get(server, "/healthz")[0] == 200
    assert time.monotonic() - began < 8


def test_an_object_appears_by_itself_when_its_session_is_over(shared: Server) -> None:
    key = shared.cli("systems", "create", "short/sessions").strip()
    shared.cli("config", "set", "inactivity_window_s", "1", "--yes", "--space", "short/sessions")
    assert post(shared, key, {"userId": "u", "event": "e", "messageId": "m"}) == 200
    wait_until(lambda: "u" in shared.users("short/sessions"), deadline_s=8)


def test_commands_work_while_it_runs(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    history = tmp_path / "history.jsonl"
    history.write_text(json.dumps({"user_id": "h", "occurred_at": "2026-01-01T10:00:00Z"}) + "\n")
    assert "stored" in enduser(server, "import", "events", str(history), "--close")
    assert "h" in server.cli("users", "list")
    assert "h" in enduser(server, "users", "export")
    assert "1 user" in server.cli("verify")
    assert "1 user" in server.cli("rebuild")
    key = enduser(server, "systems", "create", "acme/test").strip()
    assert post(server, key, {"userId": "u", "event": "e"}) == 200
    wait_until(lambda: "stored" in server.cli("status", "--space", "acme/test"))


def test_everything_accepted_is_applied_before_it_ends(server: Server) -> None:
    senders = Senders(server)
    senders.start()
    wait_until(lambda: len(senders.acknowledged) > 300)
    senders.stop()
    server.stop()
    assert set(senders.acknowledged) <= set(stored(server.data))
    assert not list((server.data / "spool").rglob("*.seg"))


def test_a_collector_that_dies_is_replaced(shared: Server) -> None:
    wait_until(lambda: len(shared.pids()) == 3)
    victim = shared.pids()[1]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(shared.pids()) == 3 and victim not in shared.pids())
    assert get(shared, "/healthz")[0] == 200


def test_collectors_end_with_their_owner(server: Server) -> None:
    wait_until(lambda: len(server.pids()) == 3)
    _, *collectors = server.pids()
    server.kill_owner()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in collectors))


def test_ctrl_c_ends_the_whole_group_in_order(server: Server) -> None:
    wait_until(lambda: len(server.pids()) == 3)
    os.killpg(server.process.pid, signal.SIGINT)
    server.process.join(20)
    assert server.process.exitcode == 0


def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(shared: Server, tmp_path: Path) -> None:
    words = ["serve", "--data", tmp_path / "other", "--port", shared.port]
    done = process(*words)
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "--port" in done.stderr


def test_a_folder_has_one_server(shared: Server) -> None:
    words = ["serve", "--data", shared.data, "--port", 0]
    done = process(*words)
    assert done.returncode == 2
    assert "is in use by process" in done.stderr


@pytest.mark.parametrize("collectors", [0, limits.COLLECTORS_MAX + 1])
def test_the_number_of_collectors_has_bounds(tmp_path: Path, collectors: int) -> None:
    done = process("serve", "--collectors", str(collectors), data=tmp_path / "data")
    assert done.returncode == 2


def test_readiness_and_figures_are_told(server: Server) -> None:
    key = server.write_key
    assert post(server, key, {"userId": "u", "event": "e"}) == 200
    assert post(server, key, {"event": "e"}) == 200
    assert post(server, "unknown", {"userId": "u", "event": "e"}) == 401
    wait_until(lambda: get(server, "/readyz")[0] == 200)

    def figures() -> str:
        return get(server, "/metrics")[1].decode()

    space = 'space="default/production"'
    wait_until(lambda: f'enduser_events_total{{outcome="stored",reason="",{space}}} 1.0' in figures())
    wait_until(lambda: 'outcome="rejected",reason="junk_user_id"' in figures())
    wait_until(lambda: "enduser_collect_seconds_count 2.0" in figures())
    wait_until(lambda: 'enduser_collect_refused_total{code="unauthorized"} 1.0' in figures())
    assert "enduser_collectors 2.0" in figures()


def test_refused_calls_are_told_in_the_log_for_sdks_do_not(shared: Server) -> None:
    for _ in range(3):
        assert post(shared, "wrong", {"userId": "ada", "event": "Seen"}) == 401
    wait_until(lambda: "calls refused" in shared.log)
    told = [json.loads(line) for line in shared.log.splitlines() if "calls refused" in line]
    assert {line["code"] for line in told} == {"unauthorized"}


def test_at_start_the_log_says_that_there_is_no_place_database(shared: Server) -> None:
    assert "no place database" in shared.log


def test_logs_are_lines_of_json(shared: Server) -> None:
    told = shared.log.count("collector ended")
    wait_until(lambda: len(shared.pids()) == 3)
    os.kill(shared.pids()[1], signal.SIGKILL)
    wait_until(lambda: shared.log.count("collector ended") > told)
    for line in shared.log.splitlines():
        assert {"event", "level", "timestamp"} <= set(json.loads(line))


def test_the_log_of_a_start_and_a_stop_says_once_what_runs_and_no_more(serve: Callable[..., Server]) -> None:
    server = serve()
    server.stop()
    started, no_places, stopped = map(json.loads, server.log.splitlines())
    assert (started["event"], stopped["event"]) == ("enduser starts", "enduser has stopped")
    assert no_places["event"].startswith("no place database")
    assert (started["version"], started["data"]) == (__version__, str(server.data))
    assert (started["port"], started["collectors"]) == (server.port, 1)


def test_tail_shows_what_comes_in_and_what_became_of_it(shared: Server) -> None:
    key = shared.write_key
    words = ["tail", "--count", 2, "--data", shared.data]
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True) as watching:
        sent = 0

        def is_over() -> bool:
            nonlocal sent
            sent += 1
            good = {"type": "track", "userId": "ada", "event": "Report Exported", "messageId": str(sent)}
            both = {"batch": [good, {"type": "track", "event": "nobody"}]}
            assert post(shared, key, both, "/v1/batch") == 200
            return watching.poll() is not None

        wait_until(is_over)
        assert watching.stdout is not None
        lines = watching.stdout.read().splitlines()
    assert len(lines) == 2
    assert any("stored" in line and "ada" in line and "Report Exported" in line for line in lines)
    assert any("rejected (junk_user_id)" in line for line in lines)


@contextmanager
def tailed(server: Server, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Lend a `tail` that shows what comes in."""
    shown = tmp_path / "shown.txt"
    words = command("tail", "--data", server.data)
    with (
        shown.open("w") as out,
        subprocess.Popen(words, stdout=out, stderr=subprocess.PIPE, text=True) as tail,
    ):

        def is_watched() -> str:
            assert post(server, server.write_key, {"userId": "ada", "event": "Seen"}) == 200
            return shown.read_text()

        try:
            wait_until(is_watched)
            yield tail
        finally:
            tail.kill()


def test_tail_ends_at_ctrl_c_without_a_word(shared: Server, tmp_path: Path) -> None:
    with tailed(shared, tmp_path) as watching:
        watching.send_signal(signal.SIGINT)
        _, told = watching.communicate(timeout=20)
    assert (watching.returncode, told) == (0, "")


def test_a_server_that_dies_under_tail_ends_it_with_an_error_that_says_what_to_do(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve()
    with tailed(server, tmp_path) as tail:
        server.kill_owner()
        _, told = tail.communicate(timeout=20)
    assert tail.returncode == 2
    assert "did not answer to the end" in told
    assert "Traceback" not in told


def test_tail_without_a_server_says_so(tmp_path: Path) -> None:
    done = process("tail", data=tmp_path / "data")
    assert done.returncode == 2
    assert "no server runs" in done.stderr


def test_after_a_server_was_killed_commands_say_what_it_accepted_and_did_not_apply(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    key = server.write_key
    os.kill(server.process.pid, signal.SIGSTOP)  # nothing is applied; collectors go on
    both = {"batch": [{"type": "track", "userId": "ada", "event": "Seen", "messageId": n} for n in "12"]}
    assert post(server, key, both, "/v1/batch") == 200
    server.kill()
    note = "note: 2 accepted events not in it yet; enduser serve applies them\n"
    for words in (["status"], ["verify"]):
        assert process(*words, data=server.data).stderr == note
    assert "no server runs" in process("tail", data=server.data).stderr
    server.restart()
    server.stop()
    assert process("status", data=server.data).stderr == ""


def test_a_deep_data_folder_is_served_as_well(serve: Callable[..., Server], tmp_path: Path) -> None:
    """The kernel takes sockets' paths of a hundred bytes only."""
    server = serve(data=tmp_path / ("deep" * 15) / ("er" * 30))
    assert get(server, "/healthz")[0] == 200
    assert "default/production" in enduser(server, "status")


def test_once_a_command_has_turned_hashing_on_no_plain_id_is_written_to_the_spool(
    server: Server,
) -> None:
    key = server.write_key
    for number in range(8):  # both collectors have some
        message = {
            "userId": f"before-{number}",
            "event": "e",
            "messageId": "m",
            "timestamp": "2026-01-01T10:00:00Z",
        }
        assert post(server, key, message) == 200
    enduser(server, "config", "set", "hash_ids", "on", "--yes")
    for number in range(8):
        for when in ("before", "after"):
            assert post(server, key, message | {"userId": f"{when}-{number}"}) == 200
    spooled = b"".join(path.read_bytes() for path in (server.data / "spool").rglob("*.seg"))
    assert spooled.count(b'"id":"after-') == 0
    assert spooled.count(hashed_id("", "after-0").encode()) == 1
    server.stop()
    assert enduser(server, "verify").endswith("equal 16 events\n")
    copy = b"".join(path.read_bytes() for path in server.data.glob("serving*"))
    assert (b"before-" in copy, hashed_id("", "before-0").encode() in copy) == (False, True)
