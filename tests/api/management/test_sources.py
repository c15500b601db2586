"""Sources through the API: made, looked at, mapped, asked, followed, undone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from managing import Api, served
from structlog.testing import capture_logs

from enduser import limits
from enduser.clock import now_us
from enduser.errors import InvalidSource
from enduser.service.source_jobs import SourceJobs
from enduser.service.source_schedules import start_due
from enduser.service.source_setup import CsvMapping, save_mapping
from enduser.sources.mapping import SourceMapping
from enduser.stores import uploads
from enduser.stores.jobs import JobKind, JobState, SourceInput, create_job, find_job
from enduser.stores.source_configs import Schedule, change_source, find_source
from enduser.stores.uploads import forget_old_uploads, forget_unfinished_uploads

CSV = b"id;plan;seats\nadam;vip;5\neve;free;x\n;vip;1\n"
MAPPING = {
    "identifier": "id",
    "columns": [
        {"column": "plan", "attribute": "plan", "type": "string"},
        {"column": "seats", "attribute": "seats", "type": "number"},
    ],
    "delimiter": ";",
}


@pytest.fixture
def api(own_api: Api) -> Api:
    """Serve a store of its own for each test: the sources are what is tested."""
    return own_api


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with the sources `crm` and `inbox`, which tests share that change nothing."""
    with served(tmp_path_factory.mktemp("kept") / "data") as opened:
        make(opened)
        make(opened, name="inbox", **INBOX)
        yield opened


def send(api: Api, content: bytes = CSV, name: str = "crm.csv") -> str:
    """Send a file, and return its id."""
    answer = api.client.request("POST", "/api/v1/uploads", params={"name": name}, content=content)
    assert answer.status_code == 200, answer.text
    upload: str = answer.json()["upload"]
    return upload


def make(api: Api, **more: Any) -> dict[str, Any]:
    """Make the source `crm`, and return what is answered."""
    told = {"name": "crm", "kind": "csv", "mapping": MAPPING} | more
    answer = api.client.request("POST", "/api/v1/sources", json=told)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def ask(api: Api, kind: str, upload: str | None = None) -> dict[str, Any]:
    """Ask the source for a job, do what waits, and return the job as it ended."""
    told = {"kind": kind} | ({"upload": upload} if upload else {})
    asked = api.client.request("POST", "/api/v1/sources/crm/jobs", json=told)
    assert asked.status_code == 200, asked.text
    assert asked.json()["state"] == "waiting"
    while api.jobs.perform_next():
        pass
    job: dict[str, Any] = api.client.get(f"/api/v1/jobs/{asked.json()['job']}").json()
    return job


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def attributes(api: Api, user_id: str) -> dict[str, Any]:
    found = api.client.get(f"/api/v1/users/{user_id}/attributes").json()["attributes"]
    return {name: held["value"] for name, held in found.items()}


def test_a_file_is_sent_looked_at_mapped_tried_run_and_undone(api: Api) -> None:
    upload = send(api)
    assert api.client.request("POST", "/api/v1/sources", json={"name": "crm", "kind": "csv"}).is_success
    columns = api.client.get("/api/v1/sources/crm/columns", params={"upload": upload}).json()
    assert [(one["column"], one["type"]) for one in columns["columns"]] == [
        ("id", "string"),
        ("plan", "string"),
        ("seats", "string"),
    ]
    assert columns["mapping"]["identifier"] == "id"
    assert columns["mapping"]["delimiter"] == ";"
    assert columns["problems"] == []
    mapped = api.client.request("PUT", "/api/v1/sources/crm/mapping", json=MAPPING).json()
    assert mapped["made"] == ["plan", "seats"]
    assert mapped["source"]["mapping"]["columns"][1]["form"]["decimal"] == "."

    tried = ask(api, "preview", upload)
    counts = {"read": 3, "new": 2, "changed": 0, "unchanged": 0, "superseded": 0}
    counts |= {"rejected": 1, "rejected_values": 1}
    assert tried["state"] == "done"
    assert tried["preview"]["counts"] == counts
    assert tried["preview"]["attributes"] == [
        {"attribute": "plan", "set": 2, "changed": 0, "cleared": 0},
        {"attribute": "seats", "set": 1, "changed": 0, "cleared": 0},
    ]
    assert {"row": 4, "attribute": None, "reason": "junk_user_id"} in tried["preview"]["rejections"]
    assert {"row": 3, "attribute": "seats", "reason": "wrong_type"} in tried["preview"]["rejections"]
    assert attributes(api, "adam") == {}

    done = ask(api, "run", upload)
    (taken,) = done["inputs"]
    assert (done["state"], taken["name"]) == ("done", "crm.csv")
    run = api.client.get(f"/api/v1/runs/{taken['run']}").json()
    assert run["counts"] == counts
    assert api.client.get("/api/v1/runs").json()["items"] == [run]
    rejected = api.client.get(f"/api/v1/runs/{taken['run']}/rejected")
    assert rejected.headers["content-type"].startswith("text/csv")
    assert rejected.text == "row,attribute,reason\n3,seats,wrong_type\n4,,junk_user_id\n"
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}
    assert api.client.get("/api/v1/uploads").json()["items"] == [], "what was taken is deleted"

    undo = f"/api/v1/runs/{taken['run']}/undo"
    assert api.client.request("POST", undo).json() == {"undone": True}
    assert attributes(api, "adam") == {}
    assert api.client.get("/api/v1/runs").json()["items"][0]["undone_at"] is not None
    assert code(api.client.request("POST", undo)) == (404, "run_not_found")


def test_a_source_is_listed_with_what_it_takes_and_the_order_in_which_it_counts(api: Api) -> None:
    made = make(api)["source"]
    ask(api, "run", send(api))
    page = api.client.get("/api/v1/sources").json()
    assert page["items"] == [made] == [api.client.get("/api/v1/sources/crm").json()]
    assert page["order"] == ["manual", "api", "crm", "sdk"]
    assert (made["kind"], made["connection"], made["schedule"], made["next_run_at"]) == (
        "csv",
        {},
        None,
        None,
    )
    assert api.client.request("DELETE", "/api/v1/sources/crm").json() == {"deleted": True}
    assert code(api.client.get("/api/v1/sources/crm")) == (404, "source_not_found")
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}, "what it said stays"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"kind": "csv", "name": "crm"}, "invalid_source"),
        ({"kind": "csv", "name": "CRM"}, "invalid_source"),
        ({"kind": "csv", "name": "manual"}, "invalid_source"),
        ({"kind": "csv", "name": "x", "connection": {"pattern": "*"}}, "invalid_source"),
        ({"kind": "inbox", "name": "x"}, "invalid_source"),
        ({"kind": "inbox", "name": "x", "connection": {"pattern": "../control.sqlite"}}, "invalid_source"),
        ({"kind": "inbox", "name": "x", "connection": {"pattern": "/etc/passwd"}}, "invalid_source"),
        ({"kind": "inbox", "name": "x", "connection": {"pattern": 7}}, "invalid_source"),
        ({"kind": "ftp", "name": "x"}, "malformed_request"),
        ({"kind": "api", "name": "x"}, "invalid_mapping"),
        ({"kind": "api", "name": "x", "mapping": MAPPING | {"effective_at": "at"}}, "invalid_mapping"),
        ({"kind": "csv", "name": "x", "mapping": MAPPING | {"delimiter": "--"}}, "invalid_mapping"),
        ({"kind": "csv", "name": "x", "mapping": MAPPING | {"encoding": "rot13"}}, "invalid_mapping"),
        ({"kind": "csv", "name": "x", "mapping": MAPPING | {"columns": []}}, "malformed_request"),
        ({"name": "x"}, "malformed_request"),
    ],
)
def test_a_source_that_cannot_be_is_refused_and_nothing_of_it_is_kept(
    kept: Api, told: dict[str, Any], expected: str
) -> None:
    answer = kept.client.request("POST", "/api/v1/sources", json=told)
    assert code(answer) == (400, expected)
    assert [one["name"] for one in kept.client.get("/api/v1/sources").json()["items"]] == ["crm", "inbox"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"column": "plan", "attribute": "user_id", "type": "string"}, "every End User Object"),
        ({"column": "plan", "attribute": "seats", "type": "string"}, "number"),
        ({"column": "n", "attribute": "n", "type": "number", "form": {"decimal": "x"}}, "marks"),
        (
            {"column": "n", "attribute": "n", "type": "number", "form": {"decimal": ",", "thousands": ","}},
            "mark",
        ),
        ({"column": "l", "attribute": "l", "type": "list", "form": {"separator": ""}}, "items"),
        ({"column": "l", "attribute": "l", "type": "list", "form": {"separator": "123456789"}}, "items"),
        ({"column": "l", "attribute": "l", "type": "list", "form": {"separator": "\n"}}, "items"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_with_what_is_wrong(
    kept: Api, column: dict[str, Any], expected: str
) -> None:
    answer = kept.client.request("PUT", "/api/v1/sources/crm/mapping", json=MAPPING | {"columns": [column]})
    assert code(answer) == (400, "invalid_mapping")
    assert expected in answer.json()["error"]["message"]
    assert kept.client.get("/api/v1/sources/crm").json()["mapping"]["columns"][0]["column"] == "plan"


def test_a_key_of_some_spaces_maps_to_attributes_that_are_there_and_makes_none(api: Api) -> None:
    mine = api.with_key("default/production")
    told = {"name": "crm", "kind": "csv", "mapping": MAPPING}
    assert code(mine.request("POST", "/api/v1/sources", json=told)) == (403, "forbidden")
    assert code(mine.get("/api/v1/sources/crm")) == (404, "source_not_found")
    for name, kind in (("plan", "string"), ("seats", "number")):
        api.client.request("POST", "/api/v1/attributes", json={"name": name, "type": kind})
    assert mine.request("POST", "/api/v1/sources", json=told).json()["made"] == []
    more = MAPPING | {"columns": [{"column": "x", "attribute": "x", "type": "string"}]}
    answer = mine.request("PUT", "/api/v1/sources/crm/mapping", json=more)
    assert code(answer) == (403, "forbidden")


def test_lists_are_parted_as_the_mapping_says(api: Api) -> None:
    separator = "/" * limits.SEPARATOR_CHARACTERS_MAX
    column = {"column": "tags", "attribute": "tags", "type": "list", "form": {"separator": separator}}
    make(api, mapping={"identifier": "id", "columns": [column]})
    assert ask(api, "run", send(api, f"id,tags\nadam,a{separator}b;c\n".encode()))["state"] == "done"
    assert attributes(api, "adam") == {"tags": ["a", "b;c"]}


def test_a_file_that_lacks_a_column_fails_its_job_and_can_be_tried_again(api: Api) -> None:
    make(api)
    upload = send(api, b"id;plan\nadam;vip\n")
    failed = ask(api, "run", upload)
    assert failed["state"] == "failed"
    assert failed["error"]["code"] == "invalid_mapping"
    assert "seats" in failed["error"]["message"]
    assert [one["upload"] for one in api.client.get("/api/v1/uploads").json()["items"]] == [upload]
    assert attributes(api, "adam") == {}


def test_what_a_job_needs_is_checked_when_it_is_asked_for(api: Api) -> None:
    def asked(source: str, told: object) -> tuple[int, str]:
        return code(api.client.request("POST", f"/api/v1/sources/{source}/jobs", json=told))

    assert asked("crm", {"kind": "run"}) == (404, "source_not_found")
    api.client.request("POST", "/api/v1/sources", json={"name": "crm", "kind": "csv"})
    assert asked("crm", {"kind": "run", "upload": "none"}) == (400, "invalid_mapping")
    make(api, name="mapped")
    assert asked("mapped", {"kind": "run", "upload": "none"}) == (404, "upload_not_found")
    assert asked("mapped", {"kind": "dance"}) == (400, "malformed_request")
    assert asked("mapped", {"kind": "run"}) == (400, "invalid_source")
    api.client.request("POST", "/api/v1/attributes", json={"name": "x", "type": "string"})
    columns = [{"column": "x", "attribute": "x", "type": "string"}]
    make(api, name="calls", kind="api", mapping={"identifier": "id", "columns": columns})
    assert asked("calls", {"kind": "run"}) == (400, "invalid_source")


# --- files that are sent


def test_a_file_of_another_space_is_nobodys(api: Api) -> None:
    upload = send(api)
    api.store.create_space("acme/test", 0)
    other = {"space": "acme/test"}
    assert api.client.get("/api/v1/uploads", params=other).json()["items"] == []
    assert code(api.client.request("DELETE", f"/api/v1/uploads/{upload}", params=other)) == (
        404,
        "upload_not_found",
    )
    nowhere = {"space": "no/where", "name": "x"}
    assert code(api.client.request("POST", "/api/v1/uploads", params=nowhere, content=b"x")) == (
        404,
        "space_not_found",
    )


def test_files_are_deleted_when_asked_for_and_when_nobody_takes_them(api: Api) -> None:
    first, second = send(api), send(api)
    assert api.client.request("DELETE", f"/api/v1/uploads/{first}").json() == {"deleted": True}
    assert [path.name for path in (api.folder / "uploads").iterdir()] == [second]
    (api.folder / "uploads" / "stray").write_bytes(b"of a process that was killed")
    hours = limits.UPLOAD_HOURS * 3_600_000_000
    forget_old_uploads(api.control, api.folder, now_us() + hours - 60_000_000)
    assert [path.name for path in (api.folder / "uploads").iterdir()] == [second]
    forget_old_uploads(api.control, api.folder, now_us() + hours + 1)
    assert list((api.folder / "uploads").iterdir()) == []
    assert api.client.get("/api/v1/uploads").json()["items"] == []


def test_a_file_longer_than_may_be_is_refused_and_not_kept(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UPLOAD_BYTES_MAX", 10)
    assert send(api, b"0123456789")
    answer = api.client.request("POST", "/api/v1/uploads", params={"name": "x"}, content=b"0123456789a")
    assert code(answer) == (413, "body_too_large")
    assert len(list((api.folder / "uploads").iterdir())) == 1
    assert len(api.client.get("/api/v1/uploads").json()["items"]) == 1


def test_only_so_many_files_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UPLOADS_MAX", 2)
    send(api), send(api)
    answer = api.client.request("POST", "/api/v1/uploads", params={"name": "x"}, content=b"x")
    assert code(answer) == (400, "limit_exceeded")
    assert "UPLOADS_MAX" in answer.json()["error"]["hint"]


@pytest.mark.parametrize("name", ["", "x" * (limits.INPUT_NAME_CHARACTERS_MAX + 1), "a\nb"])
def test_a_file_needs_a_name_that_can_be_shown(api: Api, name: str) -> None:
    answer = api.client.request("POST", "/api/v1/uploads", params={"name": name}, content=b"x")
    assert code(answer) == (400, "invalid_parameter")
    assert send(api, name="x" * limits.INPUT_NAME_CHARACTERS_MAX)


def test_an_empty_file_is_refused_and_not_kept(api: Api) -> None:
    answer = api.client.request("POST", "/api/v1/uploads", params={"name": "x"})
    assert code(answer) == (400, "invalid_input")
    assert list((api.folder / "uploads").iterdir()) == []


def test_what_did_not_come_whole_is_gone_after_a_start(api: Api) -> None:
    from enduser.stores.uploads import begin_upload

    begun = begin_upload(api.control, "default/production", "x", now_us())
    begun.path(api.folder).parent.mkdir()
    begun.path(api.folder).write_bytes(b"half")
    assert api.client.get("/api/v1/uploads").json()["items"] == []
    forget_unfinished_uploads(api.control, api.folder)
    assert list((api.folder / "uploads").iterdir()) == []


# --- the inbox


def put(api: Api, name: str, content: bytes = CSV, at_s: int = 1_000) -> None:
    path = api.folder / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at_s, at_s))


INBOX = {"kind": "inbox", "connection": {"pattern": "crm-*.csv"}}


def test_files_of_the_inbox_are_taken_once_in_their_order_and_again_when_they_change(api: Api) -> None:
    make(api, **INBOX)
    put(api, "crm-b.csv", b"id;plan;seats\nadam;vip;5\n", 1)
    put(api, "crm-a.csv", b"id;plan;seats\nadam;free;6\n", 2)
    put(api, "other.csv", b"id;plan;seats\nadam;other;7\n", 3)
    put(api, ".crm-c.csv", b"half", 3)
    assert ask(api, "preview")["inputs"] == [{"name": "crm-b.csv", "run": None, "error": None}]
    done = ask(api, "run")
    assert [one["name"] for one in done["inputs"]] == ["crm-b.csv", "crm-a.csv"]
    assert attributes(api, "adam") == {"plan": "free", "seats": 6.0}
    assert ask(api, "run")["inputs"] == []
    put(api, "crm-b.csv", b"id;plan;seats\nadam;gold;5\n", 4)
    assert [one["name"] for one in ask(api, "run")["inputs"]] == ["crm-b.csv"]
    assert attributes(api, "adam") == {"plan": "gold", "seats": 5.0}
    failed = ask(api, "preview")
    assert (failed["state"], failed["error"]["code"]) == ("failed", "invalid_input")


def test_a_job_takes_so_many_files_and_leaves_the_others_for_the_next(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INPUTS_MAX", 2)
    make(api, **INBOX)
    for number in range(3):
        put(api, f"crm-{number}.csv", at_s=number)
    assert [one["name"] for one in ask(api, "run")["inputs"]] == ["crm-0.csv", "crm-1.csv"]
    assert [one["name"] for one in ask(api, "run")["inputs"]] == ["crm-2.csv"]


def test_a_source_of_the_inbox_takes_files_that_are_sent_too(api: Api) -> None:
    make(api, **INBOX)
    put(api, "crm-1.csv", b"id;plan;seats\nadam;free;6\n")
    upload = send(api)
    columns = api.client.get("/api/v1/sources/crm/columns", params={"upload": upload}).json()
    assert columns["input"] == "crm.csv"
    assert ask(api, "run", upload)["inputs"] == [{"name": "crm.csv", "run": 1, "error": None}]
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}


def test_the_first_file_of_the_inbox_is_looked_at(api: Api) -> None:
    api.client.request("POST", "/api/v1/sources", json={"name": "crm"} | INBOX)
    answer = api.client.get("/api/v1/sources/crm/columns")
    assert code(answer) == (400, "invalid_input")
    put(api, "crm-1.csv")
    assert api.client.get("/api/v1/sources/crm/columns").json()["input"] == "crm-1.csv"
    put(api, "crm-0.csv", b"a,b\n1,2\n", 1)
    looked = api.client.get("/api/v1/sources/crm/columns").json()
    assert (looked["mapping"], looked["problems"][0]["problem"]) == (
        None,
        "no column looks like the id of a user",
    )


# --- by time


def test_a_source_runs_by_itself_when_it_is_due_and_not_twice(api: Api) -> None:
    make(api, **INBOX)
    put(api, "crm-1.csv")
    change = {"schedule": {"cron": "30 3 * * *", "time_zone": "Europe/Oslo"}}
    told = api.client.patch("/api/v1/sources/crm", json=change).json()
    assert told["schedule"] == change["schedule"]
    assert told["next_run_at"] is not None
    start_due(api.control, now_us())
    assert not api.jobs.perform_next(), "it is not due yet"
    later = now_us() + 86_400_000_000 * 3  # a server that was away for three days
    start_due(api.control, later)
    start_due(api.control, later)
    assert api.jobs.perform_next()
    assert not api.jobs.perform_next(), "what was missed is made up for once"
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}
    again = api.client.get("/api/v1/sources/crm").json()["next_run_at"]
    assert again > told["next_run_at"]


def test_a_source_that_still_runs_is_not_asked_again(api: Api) -> None:
    make(api, **INBOX)
    api.client.patch("/api/v1/sources/crm", json={"schedule": {"cron": "* * * * *"}})
    start_due(api.control, now_us() + 120_000_000)
    start_due(api.control, now_us() + 240_000_000)
    assert len(api.client.get("/api/v1/jobs").json()["items"]) == 1


@pytest.mark.parametrize(
    "schedule",
    [
        {"cron": "61 3 * * *"},
        {"cron": "* * * *"},
        {"cron": "* * * * * *"},
        {"cron": "0 0 30 2 *"},
        {"cron": "0 3 * * *", "time_zone": "Mars/Olympus"},
        {"cron": "0 3 * * *", "time_zone": "../etc/passwd"},
        {"cron": "0" * (limits.CRON_CHARACTERS_MAX + 1) + " 3 * * *"},
    ],
)
def test_a_schedule_that_is_none_is_refused(kept: Api, schedule: dict[str, str]) -> None:
    answer = kept.client.patch("/api/v1/sources/inbox", json={"schedule": schedule})
    assert code(answer) == (400, "invalid_source")
    assert kept.client.get("/api/v1/sources/inbox").json()["schedule"] is None


def test_a_source_of_files_that_people_send_cannot_run_by_itself(api: Api) -> None:
    make(api)
    answer = api.client.patch("/api/v1/sources/crm", json={"schedule": {"cron": "0 3 * * *"}})
    assert code(answer) == (400, "invalid_source")


def test_a_schedule_is_taken_away_by_null(api: Api) -> None:
    make(api, **INBOX)
    api.client.patch("/api/v1/sources/crm", json={"schedule": {"cron": "* * * * *"}})
    told = api.client.patch("/api/v1/sources/crm", json={"schedule": None}).json()
    assert (told["schedule"], told["next_run_at"]) == (None, None)
    start_due(api.control, now_us() + 120_000_000)
    assert not api.jobs.perform_next()


# --- jobs


def test_a_job_that_waits_is_cancelled_and_one_that_is_over_is_not(api: Api) -> None:
    make(api)
    upload = send(api)
    asked = api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run", "upload": upload})
    number = asked.json()["job"]
    cancelled = api.client.request("POST", f"/api/v1/jobs/{number}/cancel").json()
    assert (cancelled["state"], cancelled["ended_at"] is None) == ("cancelled", False)
    assert not api.jobs.perform_next()
    assert attributes(api, "adam") == {}
    assert code(api.client.request("POST", f"/api/v1/jobs/{number}/cancel")) == (409, "job_not_cancellable")
    assert code(api.client.request("POST", "/api/v1/jobs/99/cancel")) == (404, "job_not_found")


def test_jobs_are_listed_page_by_page_the_newest_first(api: Api) -> None:
    make(api)
    make(api, name="other")
    for name in ("crm", "other", "crm"):
        api.client.request("POST", f"/api/v1/sources/{name}/jobs", json={"kind": "run", "upload": send(api)})
    page = api.client.get("/api/v1/jobs", params={"limit": 2}).json()
    assert [one["job"] for one in page["items"]] == [3, 2]
    rest = api.client.get("/api/v1/jobs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([one["job"] for one in rest["items"]], rest["next_cursor"]) == ([1], None)
    of_one = api.client.get("/api/v1/jobs", params={"source": "other"}).json()
    assert [one["job"] for one in of_one["items"]] == [2]


def test_runs_are_listed_page_by_page_the_newest_first(api: Api) -> None:
    make(api)
    for seats in (1, 2, 3):
        ask(api, "run", send(api, f"id;plan;seats\nadam;vip;{seats}\n".encode()))
    page = api.client.get("/api/v1/runs", params={"limit": 2}).json()
    rest = api.client.get("/api/v1/runs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [one["run"] for one in (*page["items"], *rest["items"])] == [3, 2, 1]
    assert rest["next_cursor"] is None
    last = api.client.get("/api/v1/runs", params={"limit": 3}).json()
    assert last["next_cursor"] is None
    assert code(api.client.get("/api/v1/runs/99")) == (404, "run_not_found")
    assert code(api.client.get("/api/v1/runs/1/rejected")) == (404, "run_not_found")


def test_a_job_whose_server_was_killed_after_the_run_is_not_run_twice(api: Api) -> None:
    make(api)
    upload = send(api)
    job = create_job(
        api.control,
        "default/production",
        "crm",
        JobKind.RUN,
        [SourceInput("crm.csv", upload=upload)],
        now_us(),
    )
    killed = SourceJobs(api.store, api.control, _dying)
    with pytest.raises(KeyboardInterrupt):
        killed.perform_next()
    assert find_job(api.control, job.space, job.number).state is JobState.WRITING
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}
    assert api.jobs.perform_next()
    ended = find_job(api.control, job.space, job.number)
    assert (ended.state, ended.inputs[0].run) == (JobState.DONE, 1)
    assert [one["run"] for one in api.client.get("/api/v1/runs").json()["items"]] == [1]


def _dying(work: Any) -> Any:
    """Do what is asked for, and end before anybody hears of it."""
    work()
    raise KeyboardInterrupt


def test_a_file_that_is_deleted_while_it_is_taken_hinders_nobody(api: Api) -> None:
    make(api)
    upload = send(api)
    api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run", "upload": upload})

    def deleting(work: Any) -> Any:
        done = work()
        assert api.client.request("DELETE", f"/api/v1/uploads/{upload}").is_success
        return done

    assert SourceJobs(api.store, api.control, deleting).perform_next()
    assert find_job(api.control, "default/production", 1).state is JobState.DONE


def test_a_job_that_kills_its_server_again_and_again_is_given_up(api: Api) -> None:
    make(api)
    upload = send(api)
    api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run", "upload": upload})
    killed = SourceJobs(api.store, api.control, _killing)
    for _ in range(limits.JOB_ATTEMPTS_MAX):
        with pytest.raises(KeyboardInterrupt):
            killed.perform_next()
    assert killed.perform_next()
    failed = api.client.get("/api/v1/jobs/1").json()
    assert (failed["state"], failed["error"]["code"]) == ("failed", "internal")
    assert "JOB_ATTEMPTS_MAX" in failed["error"]["hint"]


def _killing(_: Any) -> Any:
    raise KeyboardInterrupt


def test_a_server_that_ends_leaves_its_job_for_the_next(api: Api) -> None:
    make(api)
    upload = send(api)
    for _ in range(limits.JOB_ATTEMPTS_MAX + 1):
        ending = SourceJobs(api.store, api.control, _killing)
        ending.stop()
        if not find_waiting(api):
            api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run", "upload": upload})
        assert not ending.perform_next()
    assert api.jobs.perform_next()
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}


def find_waiting(api: Api) -> bool:
    return any(one["state"] == "waiting" for one in api.client.get("/api/v1/jobs").json()["items"])


def test_only_so_many_jobs_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JOBS_WAITING_MAX", 1)
    make(api)
    told = {"kind": "run", "upload": send(api)}
    assert api.client.request("POST", "/api/v1/sources/crm/jobs", json=told).is_success
    answer = api.client.request("POST", "/api/v1/sources/crm/jobs", json=told)
    assert code(answer) == (400, "limit_exceeded")


def test_jobs_that_are_over_are_forgotten_in_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JOBS_KEPT_MAX", 2)
    make(api)
    for _ in range(4):
        ask(api, "preview", send(api))
    assert [one["job"] for one in api.client.get("/api/v1/jobs").json()["items"]] == [4, 3]


def test_the_last_previews_are_kept_and_the_others_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PREVIEWS_KEPT_MAX", 1)
    make(api)
    upload = send(api)
    assert ask(api, "preview", upload)["preview"] is not None
    assert ask(api, "preview", upload)["preview"] is not None
    assert api.client.get("/api/v1/jobs/1").json()["preview"] is None


# --- sources that programs call


def test_a_source_that_programs_call_has_a_token_that_can_be_renewed_and_a_mapping_that_can_change(
    api: Api,
) -> None:
    for name in ("plan", "seats"):
        kind = "string" if name == "plan" else "number"
        api.client.request("POST", "/api/v1/attributes", json={"name": name, "type": kind})
    mapping = MAPPING | {"identifier": "properties.ID"}
    made = make(api, kind="api", mapping=mapping)
    assert made["source"]["mapping"]["identifier"] == "properties.ID"
    tokens = {made["token"]}
    changed = api.client.request("PUT", "/api/v1/sources/crm/mapping", json=mapping | {"identifier": "id"})
    assert changed.json()["source"]["mapping"]["identifier"] == "id"
    assert changed.json()["token"] is None
    tokens.add(api.client.request("POST", "/api/v1/sources/crm/token").json()["token"])
    assert len(tokens) == 2
    assert None not in tokens
    make(api, name="files")
    answer = api.client.request("POST", "/api/v1/sources/files/token")
    assert code(answer) == (400, "invalid_source")


def test_the_folder_of_a_preview_is_empty_afterwards(api: Api) -> None:
    make(api)
    ask(api, "preview", send(api))
    left = [path for path in Path(api.folder / "tmp").rglob("*") if path.is_file() and path.stat().st_size]
    assert left == []


# --- whatever happens to a job and its source


def test_a_file_that_cannot_be_taken_hinders_no_other_and_is_tried_again(api: Api) -> None:
    make(api, **INBOX)
    put(api, "crm-1.csv", b"id;other\nadam;x\n", 1)
    put(api, "crm-2.csv", b"id;plan;seats\nadam;vip;5\n", 2)
    job = ask(api, "run")
    assert (job["state"], job["error"]["input"]) == ("failed", "crm-1.csv")
    bad, good = job["inputs"]
    assert (bad["run"], bad["error"]["code"]) == (None, "invalid_mapping")
    assert (good["run"], good["error"]) == (1, None)
    assert attributes(api, "adam") == {"plan": "vip", "seats": 5.0}
    put(api, "crm-1.csv", b"id;plan;seats\nadam;free;6\n", 1)
    assert [one["name"] for one in ask(api, "run")["inputs"]] == ["crm-1.csv"]


def test_a_file_that_kills_its_server_is_given_up_and_the_others_are_taken(api: Api) -> None:
    make(api, **INBOX)
    put(api, "crm-1.csv", at_s=1)
    put(api, "crm-2.csv", b"id;plan;seats\neve;vip;5\n", 2)
    api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run"})
    for _ in range(limits.JOB_ATTEMPTS_MAX):
        with pytest.raises(KeyboardInterrupt):
            SourceJobs(api.store, api.control, _killing).perform_next()
    assert api.jobs.perform_next()
    bad, good = api.client.get("/api/v1/jobs/1").json()["inputs"]
    assert (bad["error"]["code"], good["run"]) == ("internal", 1)
    assert ask(api, "run")["inputs"] == []
    put(api, "crm-1.csv", at_s=3)
    assert [one["name"] for one in ask(api, "run")["inputs"]] == ["crm-1.csv"]


def test_a_server_may_end_at_each_file_of_a_job_without_the_job_being_given_up(api: Api) -> None:
    make(api, **INBOX)
    for number in range(limits.JOB_ATTEMPTS_MAX + 2):
        put(api, f"crm-{number}.csv", at_s=number)
    api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run"})
    for _ in range(limits.JOB_ATTEMPTS_MAX + 1):
        calls = iter([lambda work: work(), _killing])
        with pytest.raises(KeyboardInterrupt):
            SourceJobs(api.store, api.control, lambda work, calls=calls: next(calls)(work)).perform_next()
    assert api.jobs.perform_next()
    job = api.client.get("/api/v1/jobs/1").json()
    assert (job["state"], [one["run"] for one in job["inputs"]]) == ("done", [1, 2, 3, 4, 5])


def test_a_job_that_was_cancelled_stays_so_when_the_server_ends(api: Api) -> None:
    make(api)
    upload = send(api)
    api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run", "upload": upload})
    ending = SourceJobs(api.store, api.control, _killing)

    def cancel_and_end(_: int, __: int) -> None:
        api.client.request("POST", "/api/v1/jobs/1/cancel")
        ending.stop()

    watch = ending._watch
    ending._watch = lambda *told: (cancel_and_end(0, 0), watch(*told))[1]  # type: ignore[method-assign]
    ending.perform_next()
    assert api.client.get("/api/v1/jobs/1").json()["state"] == "cancelled"
    assert not api.jobs.perform_next()


def test_what_was_written_when_the_server_was_killed_cannot_be_cancelled(api: Api) -> None:
    make(api)
    upload = send(api)
    api.client.request("POST", "/api/v1/sources/crm/jobs", json={"kind": "run", "upload": upload})
    with pytest.raises(KeyboardInterrupt):
        SourceJobs(api.store, api.control, _dying).perform_next()
    answer = api.client.request("POST", "/api/v1/jobs/1/cancel")
    assert code(answer) == (409, "job_not_cancellable")
    (api.folder / "uploads" / upload).unlink()  # nothing of it is read again
    assert api.jobs.perform_next()
    job = api.client.get("/api/v1/jobs/1").json()
    assert (job["state"], job["inputs"][0]["run"]) == ("done", 1)


def test_nothing_of_an_erased_person_is_shown_by_a_preview(api: Api) -> None:
    make(api)
    assert ask(api, "preview", send(api))["preview"]["users"]
    erased = api.client.request("DELETE", "/api/v1/users/adam", params={"confirmed": "true"})
    assert erased.is_success
    assert api.client.get("/api/v1/jobs/1").json()["preview"] is None
    assert ask(api, "preview", send(api))["preview"] is not None


def test_no_cell_of_a_file_is_kept_in_a_job(api: Api) -> None:
    make(api)
    failed = ask(api, "run", send(api, b"adam@x.no;vip;5\neve@x.no;free;6\n"))
    assert failed["state"] == "failed"
    assert "adam@x.no" not in str(failed)


def test_a_change_that_is_refused_changes_nothing_else(api: Api) -> None:
    make(api, **INBOX)
    told = {"connection": {"pattern": "other-*.csv"}, "schedule": {"cron": "bad"}}
    assert code(api.client.patch("/api/v1/sources/crm", json=told)) == (400, "invalid_source")
    assert api.client.get("/api/v1/sources/crm").json()["connection"] == {"pattern": "crm-*.csv"}


def test_a_source_stays_of_its_kind(api: Api) -> None:
    for name, kind in (("plan", "string"), ("seats", "number")):
        api.client.request("POST", "/api/v1/attributes", json={"name": name, "type": kind})
    make(api, name="calls", kind="api", mapping=MAPPING)
    config = find_source(api.control, "default/production", "calls")
    known = CsvMapping(SourceMapping("id", ()), "utf-8", ";")
    with pytest.raises(InvalidSource, match="takes no files"):
        save_mapping(api.store, api.control, config, known, ["id"])
    made = make(api)["source"]
    told = {"name": "x", "kind": "api", "mapping": MAPPING, "connection": {"pattern": "*"}}
    assert code(api.client.request("POST", "/api/v1/sources", json=told)) == (400, "invalid_source")
    answer = api.client.request("POST", "/api/v1/sources/crm/token")
    assert code(answer) == (400, "invalid_source")
    assert api.client.get("/api/v1/sources/crm").json() == made


@pytest.mark.parametrize("path", ["jobs", "uploads", "sources", "runs"])
def test_a_space_that_is_none_is_told(kept: Api, path: str) -> None:
    answer = kept.client.get(f"/api/v1/{path}", params={"space": "no/where"})
    assert code(answer) == (404, "space_not_found")


def test_one_source_that_cannot_be_due_hinders_no_other(api: Api) -> None:
    make(api, name="a", **INBOX)
    make(api, name="b", **INBOX)
    for name, zone in (("a", "Gone/Zone"), ("b", "UTC")):
        schedule = Schedule("* * * * *", zone)
        change_source(api.control, "default/production", name, schedule=schedule, due_at=1)
    with capture_logs() as lines:
        start_due(api.control, now_us())
    assert [line["source"] for line in lines] == ["a"]
    assert [one["source"] for one in api.client.get("/api/v1/jobs").json()["items"]] == ["b"]


def test_a_file_that_comes_while_old_ones_are_deleted_stays(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api)
    forget = uploads.forget_upload
    sent: list[str] = []

    def slowly(*told: Any) -> None:
        sent.append(send(api))
        forget(*told)

    monkeypatch.setattr(uploads, "forget_upload", slowly)
    monkeypatch.setattr(limits, "UPLOAD_HOURS", 0)
    uploads.forget_old_uploads(api.control, api.folder, now_us())
    assert [path.name for path in (api.folder / "uploads").iterdir()] == sent


def test_what_calls_and_people_wrote_is_no_run_that_can_be_undone(api: Api) -> None:
    make(api)
    assert api.client.patch("/api/v1/users/adam", json={"attributes": {"plan": "vip"}}).is_success
    assert code(api.client.request("POST", "/api/v1/runs/1/undo")) == (404, "run_not_found")
    assert attributes(api, "adam")["plan"] == "vip"


def test_a_source_writes_no_attribute_that_it_may_not(api: Api) -> None:
    told = {"name": "plan", "type": "string", "sources": ["manual"]}
    api.client.request("POST", "/api/v1/attributes", json=told)
    answer = api.client.request(
        "POST", "/api/v1/sources", json={"name": "crm", "kind": "csv", "mapping": MAPPING}
    )
    assert code(answer) == (400, "invalid_mapping")
    api.client.patch("/api/v1/attributes/plan", json={"sources": ["crm"]})
    make(api)
    api.client.patch("/api/v1/attributes/plan", json={"sources": ["manual"]})
    assert ask(api, "run", send(api))["error"]["code"] == "invalid_mapping"
    assert attributes(api, "adam") == {}


def test_a_preview_says_of_how_many_users_it_is_and_who_of_them_was_seen(api: Api) -> None:
    make(api)
    content = b"id;plan;seats\nadam;vip;5\nadam;free;6\neve;vip;1\nnobody-yet;vip;1\n;vip;1\n"
    preview = ask(api, "preview", send(api, content))["preview"]
    assert (preview["user_count"], preview["seen_count"]) == (3, 1)  # the session of eve is open


def test_rows_of_who_stays_out_are_rejected_in_a_dry_run_and_in_a_run(api: Api) -> None:
    erased = {"confirmed": "true", "suppress": "true"}
    assert api.client.request("DELETE", "/api/v1/users/adam", params=erased).is_success
    make(api)
    upload = send(api)
    assert {"row": 2, "attribute": None, "reason": "suppressed"} in ask(api, "preview", upload)["preview"][
        "rejections"
    ]
    (taken,) = ask(api, "run", upload)["inputs"]
    rejected = api.client.get(f"/api/v1/runs/{taken['run']}/rejected")
    assert rejected.text == "row,attribute,reason\n2,,suppressed\n3,seats,wrong_type\n4,,junk_user_id\n"
    assert attributes(api, "adam") == {}
    assert attributes(api, "eve") == {"plan": "free"}
