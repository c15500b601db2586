"""The feed on a running server: somebody comes, and webhooks and commands are told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from receiving import Got, Receiver, receiver_beside
from running import command, enduser
from serving import Server, wait_until

from enduser.service.feed import cursor_of
from enduser.stores.control import ControlStore
from enduser.stores.webhooks import name_both

EVERYONE = json.dumps({"combinator": "and", "rules": []})
CALLED = ("--allow-webhooks-to", "127.0.0.1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which sessions end after a second, and that follows a segment and an attribute."""
    folder = tmp_path / "data"
    for words in (
        ("config", "set", "inactivity_window_s", "1"),
        ("config", "set", "feed_attributes", "total_sessions"),
        ("segments", "create", "All", "--id", "all", "--rule", EVERYONE, "--followed"),
    ):
        assert enduser(*words, data=folder).exit_code == 0
    return folder


@pytest.fixture
def crm() -> Iterator[Receiver]:
    """A program that wants to hear the feed."""
    with receiver_beside() as one:
        yield one


def come(server: Server, user: str) -> None:
    answer = httpx.post(
        f"{server.url}/v1/track", json={"userId": user, "event": "Came"}, auth=(server.write_key, "")
    )
    assert answer.json()["success"]


def told(crm: Receiver, *users: str) -> list[Any]:
    """Return what was told, once it is all that became of users who came for the first time."""

    def rows() -> list[Any]:
        return [item for got in crm.got for item in got.message["items"]]

    return wait_until(lambda: rows() if len(rows()) >= 2 * len(users) else [])


def is_signed(got: Got, secret: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    right = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return f"v1,{right}" in got.headers["webhook-signature"].split()


def test_who_comes_is_told_to_a_webhook_also_after_the_server_was_killed(
    serve: Callable[..., Server], data: Path, crm: Receiver
) -> None:
    server = serve(*CALLED, data=data)
    with ControlStore(data) as control:
        headers = {"Authorization": f"Bearer {control.create_key('', 'admin', 0)}"}
    webhooks = f"{server.url}/api/v1/webhooks"
    made = httpx.post(webhooks, json={"name": "CRM", "url": crm.url()}, headers=headers).json()
    come(server, "adam")
    rows = told(crm, "adam")
    assert [(row["number"], row["kind"], row["user_id"]) for row in rows] == [
        (1, "changed", "adam"),
        (2, "entered", "adam"),
    ]
    assert (rows[0]["attribute"], rows[0]["before"], rows[0]["after"]) == ("total_sessions", None, 1)
    assert is_signed(crm.got[0], made["secret"])
    wait_until(lambda: httpx.get(f"{webhooks}/{made['id']}", headers=headers).json()["last_success_at"])
    server.kill()
    server.restart()
    come(server, "eve")
    rows = told(crm, "adam", "eve")
    assert [row["number"] for row in rows] == [1, 2, 3, 4]
    metrics = httpx.get(f"{server.url}/metrics").text
    assert 'enduser_webhook_calls_total{result="delivered"} 1.0' in metrics


def test_a_webhook_that_is_on_the_server_itself_is_not_called_unless_that_is_allowed(
    serve: Callable[..., Server], data: Path, crm: Receiver
) -> None:
    server = serve(data=data)
    refused = enduser("webhooks", "create", crm.url(), "--name", "CRM", data=data)
    assert "is not called: loopback" in refused.stderr
    made = enduser("webhooks", "create", crm.url(), "--name", "CRM", *CALLED, data=data)
    assert made.exit_code == 0
    come(server, "adam")
    listed = wait_until(
        lambda: [
            one
            for one in json.loads(enduser("webhooks", "list", "--format", "json", data=data).stdout)
            if one["attempts"]
        ]
    )
    assert "is not called (loopback" in listed[0]["last_error"]
    assert crm.got == []


def test_a_server_that_starts_mends_what_a_change_of_an_attribute_left_half_done(
    serve: Callable[..., Server], data: Path, crm: Receiver
) -> None:
    webhook = ("webhooks", "create", crm.url(), "--name", "CRM", *CALLED, "--attribute", "total_sessions")
    assert enduser(*webhook, data=data).exit_code == 0
    with ControlStore(data) as control:
        name_both(control, "total_sessions", "never_came_to_be")
    server = serve(*CALLED, data=data)
    (listed,) = json.loads(server.cli("webhooks", "list", "--format", "json"))
    assert listed["attributes"] == ["total_sessions"]


def test_the_feed_is_followed_by_a_command(server: Server) -> None:
    for words in (
        ("config", "set", "inactivity_window_s", "1"),
        ("segments", "create", "All", "--id", "all", "--rule", EVERYONE, "--followed"),
    ):
        server.cli(*words)
    options = ("--cursor", cursor_of(0), "--count", "1", "--format", "json", "--data", server.data)
    with subprocess.Popen(command("feed", "follow", *options), stdout=subprocess.PIPE, text=True) as watching:
        come(server, "adam")
        assert watching.stdout is not None
        row = json.loads(watching.stdout.readline())
    assert (row["kind"], row["segment"], row["user_id"]) == ("entered", "all", "adam")
    assert watching.returncode == 0
    assert "adam" in server.cli("feed", "list")
