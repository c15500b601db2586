"""Files through a running server: sent in bounded memory, run as jobs, cancelled, killed in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from serving import Server, memory_mb, wait_until
from tiers import tries

from enduser.clock import now_us
from enduser.stores.control import ControlStore
from enduser.stores.source_configs import find_source, set_due

ROWS = tries(30_000, 60_000)
MAPPING = {
    "identifier": "user_id",
    "columns": [
        {"column": "plan", "attribute": "plan", "type": "string"},
        {"column": "seats", "attribute": "seats", "type": "number"},
    ],
}


class Sources:
    """The API of sources of a running server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._key = server.cli("keys", "create", "--role", "admin").strip()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self._server.url}/api/v1/{path}"
        answer = httpx.request(
            method, url, headers={"Authorization": f"Bearer {self._key}"}, timeout=60, **options
        )
        assert answer.is_success, answer.text
        return answer.json()

    def send(self, content: Iterator[bytes] | bytes) -> str:
        upload: str = self.ask("POST", "uploads", params={"name": "crm.csv"}, content=content)["upload"]
        return upload

    def begin(self, kind: str, upload: str | None = None) -> int:
        job: int = self.ask("POST", "sources/crm/jobs", json={"kind": kind, "upload": upload})["job"]
        return job

    def ended(self, job: int) -> Any:
        over = {"done", "failed", "cancelled"}
        return wait_until(lambda: (told := self.ask("GET", f"jobs/{job}"))["state"] in over and told, 60)

    def state(self, job: int) -> str:
        state: str = self.ask("GET", f"jobs/{job}")["state"]
        return state

    def plans(self) -> set[object]:
        """Return the plans that users have whom only a file knows: all waiting ones of the last row."""
        told = self.ask("GET", f"users/u{ROWS - 1}/attributes")["attributes"]
        return {one["value"] for one in told.values()}


@pytest.fixture
def sources(server: Server) -> Sources:
    return Sources(server)


def table(plan: str, rows: int = ROWS) -> bytes:
    return b"user_id,plan,seats\n" + b"".join(b"u%d,%b,%d\n" % (n, plan.encode(), n) for n in range(rows))


def test_a_long_file_passes_through_the_server_in_bounded_memory(server: Server, sources: Sources) -> None:
    size, part = 150_000_000, bytes(1_000_000)
    before = [memory_mb(pid) for pid in server.pids()]
    upload = sources.send(part for _ in range(size // len(part)))
    assert (server.data / "uploads" / upload).stat().st_size == size
    after = [memory_mb(pid) for pid in server.pids()]
    assert all(now - was < 40 for was, now in zip(before, after, strict=True)), (before, after)
    sources.ask("DELETE", f"uploads/{upload}")
    assert list((server.data / "uploads").iterdir()) == []


def test_a_stranger_sends_no_long_file(server: Server) -> None:
    parts = (bytes(1_000_000) for _ in range(20))
    answer = httpx.post(f"{server.url}/api/v1/uploads", params={"name": "x"}, content=parts, timeout=60)
    assert answer.json()["error"]["code"] == "unauthorized"
    assert not (server.data / "uploads").exists()


def test_a_file_is_sent_tried_run_cancelled_and_taken_back(server: Server, sources: Sources) -> None:
    upload = sources.send(table("vip"))
    sources.ask("POST", "sources", json={"name": "crm", "kind": "csv"})
    looked = sources.ask("GET", "sources/crm/columns", params={"upload": upload})
    assert [one["column"] for one in looked["columns"]] == ["user_id", "plan", "seats"]
    assert sources.ask("PUT", "sources/crm/mapping", json=MAPPING)["made"] == ["plan", "seats"]
    tried = sources.ended(sources.begin("preview", upload))
    assert tried["preview"]["counts"]["new"] == ROWS
    assert sources.plans() == set()
    run = sources.begin("run", upload)
    waiting = sources.begin("run", upload)
    assert sources.ask("POST", f"jobs/{waiting}/cancel")["state"] == "cancelled"
    done = sources.ended(run)
    assert (done["state"], done["inputs"][0]["run"]) == ("done", 1), done
    assert sources.plans() == {"vip", ROWS - 1}
    listed = sources.ask("GET", "runs")["items"]
    assert [(one["run"], one["counts"]["read"], one["counts"]["new"]) for one in listed] == [(1, ROWS, ROWS)]
    sources.ask("POST", "runs/1/undo")
    assert sources.plans() == set()


def test_a_job_whose_server_is_killed_ends_as_if_nothing_had_happened(
    server: Server, sources: Sources
) -> None:
    """Killed while it reads, while it writes, and right after: each file is run once, and whole."""
    sources.ask("POST", "sources", json={"name": "crm", "kind": "csv"})
    sources.ask("PUT", "sources/crm/mapping", json=MAPPING)
    for attempt in range(tries(3, 20)):
        plan = f"plan-{attempt}"
        job = sources.begin("run", sources.send(table(plan)))
        state = ("running", "writing", "done")[attempt % 3]
        wait_until(lambda: sources.state(job) in (state, "done"), 60)  # noqa: B023 - it is waited for at once
        server.kill()
        server.restart()
        done = sources.ended(job)
        assert (done["state"], done["inputs"][0]["run"]) == ("done", attempt + 1), done
        assert sources.plans() == {plan, ROWS - 1}
    runs = sources.ask("GET", "runs")["items"]
    assert [one["run"] for one in runs] == list(range(len(runs), 0, -1))
    assert {one["counts"]["read"] for one in runs} == {ROWS}
    assert list((server.data / "uploads").iterdir()) == []
    server.stop()


def test_a_source_that_is_due_takes_by_itself_what_came_into_the_inbox(
    server: Server, sources: Sources
) -> None:
    told = {"name": "crm", "kind": "inbox", "connection": {"pattern": "*.csv"}, "mapping": MAPPING}
    sources.ask("POST", "sources", json=told)
    (server.data / "inbox").mkdir(exist_ok=True)
    path = server.data / "inbox" / ".crm.csv"
    path.write_bytes(table("vip"))
    path.rename(path.with_name("crm.csv"))
    sources.ask("PATCH", "sources/crm", json={"schedule": {"cron": "0 0 1 1 *", "time_zone": "UTC"}})
    with ControlStore(server.data) as control:
        set_due(control, find_source(control, "default/production", "crm"), now_us())
    wait_until(lambda: sources.plans() == {"vip", ROWS - 1}, 60)
    assert [one["name"] for one in sources.ask("GET", "jobs")["items"][0]["inputs"]] == ["crm.csv"]
