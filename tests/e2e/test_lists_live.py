"""Static lists on a running server: programs of the hosted product, our own API, commands."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from running import command, enduser, event, process, write_lines
from serving import Server
from tiers import tries

from enduser import limits
from enduser.stores.control import ControlStore

SEGMENT = "1000-abcd-9999"
SCOPES = ("--scope", "segments:read", "--scope", "segments:write")


class HostedProgram:
    """A program as it is written for the hosted product; only the host is another."""

    def __init__(self, host: str, system_guid: str, client_id: str, client_secret: str) -> None:
        form = {"grant_type": "client_credentials"}
        told = httpx.post(f"{host}/accounts/connect/token", data=form, auth=(client_id, client_secret))
        self.base = f"{host}/public/v1/user/system/{system_guid}/segment"
        self.headers = {"Authorization": f"Bearer {told.raise_for_status().json()['access_token']}"}

    def call(self, method: str, path: str = "", body: object = None) -> Any:
        """Return what is answered; raises `HTTPStatusError`."""
        answer = httpx.request(method, self.base + path, json=body, headers=self.headers, timeout=30)
        return answer.raise_for_status().json()


def hosted_program(server: Server) -> HostedProgram:
    """Return a program for which an operator made a client while the server runs."""
    client = server.cli("clients", "create", *SCOPES).split()
    (system,) = json.loads(server.cli("systems", "list", "--format", "json"))
    return HostedProgram(server.url, system["guid"], *client)


def members(data: Path) -> list[str]:
    told = enduser("lists", "members", SEGMENT, "--limit", 1000, "--format", "json", data=data)
    assert told.exit_code == 0, told.stderr
    return [json.loads(line)["user_id"] for line in told.stdout.splitlines()]


def test_a_program_of_the_hosted_product_keeps_its_lists_here(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    seen = write_lines(tmp_path / "e.jsonl", event("adam@example.com"))
    enduser("import", "events", seen, "--close", data=data)
    server = serve(data=data)
    program = hosted_program(server)
    ids = ["adam@example.com", "eve@example.com"]
    made = program.call("POST", body={"id": SEGMENT, "name": "Sales Department", "userIds": ids})
    assert (made["id"], made["name"]) == (SEGMENT, "Sales Department")
    program.call("PUT", f"/{SEGMENT}", {"action": "add", "userIds": ["bob@example.com"]})
    program.call("PUT", f"/{SEGMENT}", {"action": "remove", "userIds": ["eve@example.com"]})
    shown = program.call("GET", f"/{SEGMENT}")
    assert (shown["id"], shown["name"], shown["memberCount"], shown["notYetSeenCount"]) == (
        SEGMENT,
        "Sales Department",
        2,
        1,
    )
    assert members(data) == ["adam@example.com", "bob@example.com"]
    program.call("PUT", f"/{SEGMENT}", {"action": "override", "userIds": ids})
    assert members(data) == ids
    program.call("DELETE", f"/{SEGMENT}")
    assert server.cli("lists", "list", "--format", "json") == "[]\n"


def test_commands_and_calls_change_the_same_list_and_a_restart_keeps_it(
    server: Server, tmp_path: Path
) -> None:
    data = server.data
    program = hosted_program(server)
    file = write_lines(tmp_path / "ids.txt", "a", "b", "null")
    made = process("lists", "create", SEGMENT, "--from", file, data=data)
    assert (made.returncode, "2 added" in made.stdout) == (1, True), made.stderr
    program.call("PUT", f"/{SEGMENT}", {"action": "add", "userIds": ["c"]})
    with ControlStore(data) as control:
        headers = {"Authorization": f"Bearer {control.create_key('', 'admin', 0)}"}
    path = f"{server.url}/api/v1/lists/{SEGMENT}"
    httpx.patch(path, json={"action": "remove", "user_ids": ["a"]}, headers=headers).raise_for_status()
    server.cli("lists", "add", SEGMENT, "d")
    server.kill_owner()
    server.restart()
    found = httpx.get(f"{path}/members", headers=headers).json()["items"]
    assert [row["user_id"] for row in found] == members(data) == ["b", "c", "d"]


def test_the_largest_call_is_taken(shared_server: Server) -> None:
    program = hosted_program(shared_server)
    longest = limits.ID_BYTES_MAX - 2
    ids = [f"{number:0{longest}}é" for number in range(limits.LIST_IDS_PER_CALL_MAX)]
    made = program.call("POST", body={"id": SEGMENT, "name": "", "userIds": ids})
    assert (made["memberCount"], "rejected" in made) == (len(ids), False)


def test_who_has_no_access_token_cannot_send_much(shared_server: Server) -> None:
    program = hosted_program(shared_server)
    much = b" " * limits.LIST_BODY_BYTES_MAX
    assert httpx.post(program.base, content=much, timeout=30).status_code == httpx.codes.UNAUTHORIZED
    reader = {"Authorization": "Bearer x"}
    refused = httpx.post(program.base, content=much, headers=reader, timeout=30)
    assert refused.json()["error"]["code"] == "unauthorized"


def test_a_list_whose_change_is_killed_has_all_of_it_or_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    old, new = 100_000, 200_000
    files = {
        count: write_lines(tmp_path / str(count), *(f"{count}-{number}" for number in range(count)))
        for count in (old, new)
    }
    enduser("lists", "create", "all", "--from", files[old], data=data)
    was_running = 0
    for attempt in range(tries(2, 30)):
        arguments = ("lists", "override", "all", "--from", files[new], "--data", data)
        with subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL) as running:
            time.sleep(0.5 + attempt * 0.15)  # somewhere within it, or behind it
            was_running += running.poll() is None
            running.kill()
        (found,) = json.loads(enduser("lists", "list", "--format", "json", data=data).stdout)
        assert found["members"] in (old, new)
    assert was_running, "each was over before it was killed"
    assert enduser("lists", "override", "all", "--from", files[new], data=data).exit_code == 0
    assert enduser("verify", data=data).exit_code == 0
