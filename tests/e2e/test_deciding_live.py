"""Decisions on a running server: they follow sessions as these close, and ask who the user is if told to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from running import enduser
from serving import Server, wait_until
from signing import shared

BACK = json.dumps({"kind": "session", "count": {"operator": "ge", "value": 2}})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which sessions end after a second, with something to show to whom comes again."""
    folder = tmp_path / "data"
    for words in (
        ("config", "set", "inactivity_window_s", "1"),
        ("segments", "create", "Back", "--id", "back", "--rule", BACK, "--public"),
        ("content", "create", "welcome", "--segment", "back", "--payload", '{"text": "Welcome back"}'),
    ):
        told = enduser(*words, data=folder)
        assert told.exit_code == 0, told.output
    return folder


def come(server: Server, user: str) -> None:
    answer = httpx.post(
        f"{server.url}/v1/track", json={"userId": user, "event": "Came"}, auth=(server.write_key, "")
    )
    assert answer.json()["success"]


def ask(server: Server, user: str, **headers: str) -> httpx.Response:
    return httpx.get(
        f"{server.url}/v1/decisions",
        params={"user_id": user},
        auth=(server.write_key, ""),
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def shown(answer: httpx.Response) -> tuple[list[str], list[str]]:
    told: dict[str, Any] = answer.raise_for_status().json()
    return [one["id"] for one in told["content"]], told["segments"]


def figure(server: Server, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"enduser_{name} ")), 0)


def test_a_decision_changes_when_the_next_session_of_the_user_closes(
    serve: Callable[..., Server], data: Path
) -> None:
    server = serve(data=data)
    come(server, "adam")
    assert server.wait_for_user("adam")["total_sessions"] == 1
    first = ask(server, "adam")
    assert shown(first) == ([], [])
    assert ask(server, "adam", if_none_match=first.headers["etag"]).status_code == httpx.codes.NOT_MODIFIED
    come(server, "adam")
    wait_until(lambda: shown(ask(server, "adam")) == (["welcome"], ["back"]))
    assert server.users()["adam"]["total_sessions"] == 2
    again = ask(server, "adam", if_none_match=first.headers["etag"])
    assert (again.status_code, again.json()["content"][0]["payload"]) == (200, {"text": "Welcome back"})
    assert "yes    welcome  content  the segment back holds" in server.cli("content", "decide", "adam")
    assert shown(ask(server, "eve")) == ([], [])


def test_collectors_decide_once_what_rules_ask_for_is_looked_up(
    serve: Callable[..., Server], data: Path
) -> None:
    server = serve(data=data)
    key = server.cli("keys", "create", "--role", "admin").strip()
    headers = {"Authorization": f"Bearer {key}"}

    def state() -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(f"{server.url}/api/v1/content", headers=headers).json()
        return found["decisions"]

    wait_until(lambda: state() == {"by": "copy", "conditions": 1, "ready": 1, "share": 1.0})
    name = 'decision_conditions_waiting{space="default/production"}'
    assert name in httpx.get(f"{server.url}/metrics").text
    assert figure(server, name) == 0

    def is_from_copy() -> float:
        assert shown(ask(server, "eve")) == ([], [])
        return figure(server, 'decisions_total{by="copy"}')

    wait_until(is_from_copy)


def test_where_identity_is_enforced_only_the_user_learns_what_he_sees(
    serve: Callable[..., Server], data: Path
) -> None:
    server = serve(data=data)
    _, secret = server.cli("identity", "create", "--name", "web").split()
    server.cli("config", "set", "identity", "enforce")
    wait_until(lambda: ask(server, "adam").status_code == httpx.codes.UNAUTHORIZED)
    assert ask(server, "adam").json()["error"]["code"] == "identity_unproven"
    token = shared({"sub": "adam", "exp": time.time() + 60}, secret)
    assert shown(ask(server, "adam", enduser_identity=token)) == ([], [])
    assert ask(server, "eve", enduser_identity=token).status_code == httpx.codes.UNAUTHORIZED
    come(server, "adam")  # events need none
    wait_until(lambda: figure(server, 'decision_identities_total{verdict="other_user"}'))
    key_id = json.loads(server.cli("identity", "list", "--format", "json"))[0]["id"]
    server.cli("identity", "delete", key_id, "--yes")
    wait_until(lambda: ask(server, "adam", enduser_identity=token).status_code == httpx.codes.UNAUTHORIZED)
