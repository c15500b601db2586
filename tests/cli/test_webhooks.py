"""`enduser webhooks`: keeping and trying them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from receiving import receiver_beside
from running import enduser

from enduser.service.feed import cursor_of
from enduser.stores.control import ControlStore
from enduser.stores.webhooks import find_webhook, note_given_up

EVERYONE = json.dumps({"combinator": "and", "rules": []})
URL = "https://crm.acme.com/hook"
SPACE = "default/production"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that follows a segment."""
    folder = tmp_path / "data"
    enduser("segments", "create", "All", "--id", "all", "--rule", EVERYONE, "--followed", data=folder)
    return folder


def create(data: Path, *options: object, url: str = URL) -> tuple[str, str]:
    told = enduser("webhooks", "create", url, "--name", "CRM", *options, data=data)
    assert told.exit_code == 0, told.stderr
    assert "not shown again" in told.stderr
    webhook_id, secret = told.stdout.split()
    assert secret.startswith("whsec_")
    return webhook_id, secret


def listed(data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        enduser("webhooks", "list", "--format", "json", data=data).stdout
    )
    return found


def shown(data: Path, webhook_id: str) -> dict[str, str]:
    lines = enduser("webhooks", "show", webhook_id, data=data).stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(" ") for line in lines)}


def test_a_webhook_is_made_listed_shown_changed_and_deleted(data: Path) -> None:
    assert "enduser webhooks create" in enduser("webhooks", "list", data=data).stderr
    webhook_id, secret = create(data, "--kind", "entered", "--segment", "all")
    assert [(one["id"], one["kinds"], one["segments"]) for one in listed(data)] == [
        (webhook_id, ["entered"], ["all"])
    ]
    table = enduser("webhooks", "list", data=data).stdout.splitlines()
    assert table[1].split() == [webhook_id, "CRM", URL, "enabled"]
    told = shown(data, webhook_id)
    assert (told["segments"], told["attributes"], told["enabled"]) == ("all", "none", "True")
    assert secret not in str(told)
    change = enduser(
        *("webhooks", "change", webhook_id, "--name", "Sales", "--disable", "--everything"), data=data
    )
    assert change.stdout == f"webhook {webhook_id} is changed\n"
    (one,) = listed(data)
    assert (one["name"], one["enabled"], one["kinds"], one["segments"]) == ("Sales", False, [], [])
    assert "disabled" in enduser("webhooks", "list", data=data).stdout
    deleted = enduser("webhooks", "delete", webhook_id, "--yes", data=data)
    assert deleted.stdout == f"webhook {webhook_id} deleted\n"
    assert listed(data) == []


def test_what_cannot_be_is_told(data: Path) -> None:
    for arguments, told in (
        (("create", "ftp://crm", "--name", "x"), "cannot be called"),
        (("create", "http://127.0.0.1", "--name", "x"), "loopback"),
        (("create", URL, "--name", "x", "--segment", "nobody"), "no segment 'nobody'"),
        (("create", URL, "--name", "x", "--kind", "gone"), "no kind 'gone'"),
        (("show", "nobody"), "no webhook 'nobody'"),
        (("delete", "nobody"), "no webhook 'nobody'"),
        (("change", "nobody"), "no webhook 'nobody'"),
        (("replay", "nobody", "--cursor", "end"), "no webhook 'nobody'"),
        (("test", "nobody"), "no webhook 'nobody'"),
        (("rotate-secret", "nobody"), "no webhook 'nobody'"),
        (("dead-letters", "nobody"), "no webhook 'nobody'"),
        (("create", URL, "--name", "x", "--allow-webhooks-to", "me"), "'me' is no network"),
    ):
        found = enduser("webhooks", *arguments, data=data)
        assert (found.exit_code, told in found.stderr) == (2, True), found.stderr


def test_a_webhook_tells_again_what_it_gave_up(data: Path) -> None:
    webhook_id, _ = create(data, "--cursor", "start")
    with ControlStore(data) as control:
        found = find_webhook(control, SPACE, webhook_id)
        note_given_up(control, found, (1, 7), 0, "it answered 500", now_us=0)
    (letter,) = json.loads(
        enduser("webhooks", "dead-letters", webhook_id, "--format", "json", data=data).stdout
    )
    assert (letter["first"], letter["last"], letter["cursor"]) == (1, 7, cursor_of(0))
    table = enduser("webhooks", "dead-letters", webhook_id, data=data).stdout.splitlines()
    assert table[1].split() == [
        "1",
        "to",
        "7",
        "1970-01-01",
        "00:00:00",
        cursor_of(0),
        "it",
        "answered",
        "500",
    ]
    for cursor in (letter["cursor"], "start", "end"):
        assert enduser("webhooks", "replay", webhook_id, "--cursor", cursor, data=data).exit_code == 0
    assert (
        "feed ends with 0"
        in enduser("webhooks", "replay", webhook_id, "--cursor", cursor_of(5), data=data).stderr
    )


def test_a_webhook_is_tried(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver_beside(204, 500) as one:
        refused = enduser("webhooks", "create", one.url(), "--name", "x", data=data)
        assert (refused.exit_code, "--allow-webhooks-to" in refused.stderr) == (2, True)
        monkeypatch.setenv("ENDUSER_ALLOW_WEBHOOKS_TO", "127.0.0.1")
        webhook_id, _ = create(data, url=one.url())
        good = enduser("webhooks", "test", webhook_id, data=data)
        bad = enduser("webhooks", "test", webhook_id, data=data)
    assert (good.exit_code, good.stdout.startswith("it answered 204, in ")) == (0, True)
    assert (bad.exit_code, bad.stdout.startswith("it answered 500, in ")) == (1, True)
    assert one.got[0].message["type"] == "enduser.test"


def test_a_secret_is_changed(data: Path) -> None:
    webhook_id, secret = create(data)
    told = enduser("webhooks", "rotate-secret", webhook_id, data=data)
    assert "24 hours" in told.stderr
    assert "any older one is worthless now" in told.stderr
    with ControlStore(data) as control:
        found = find_webhook(control, SPACE, webhook_id)
    assert (found.secret, found.old_secret) == (told.stdout.strip(), secret)


def test_an_attribute_that_is_renamed_is_told_of_by_its_new_name(data: Path) -> None:
    enduser("attributes", "create", "plan", "--type", "string", data=data)
    enduser("config", "set", "feed_attributes", "plan", data=data)
    create(data, "--attribute", "plan")
    assert enduser("attributes", "change", "plan", "--name", "tier", data=data).exit_code == 0
    assert listed(data)[0]["attributes"] == ["tier"]
