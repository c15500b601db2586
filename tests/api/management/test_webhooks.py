"""Webhooks over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from managing import Api, Client, made_of, run, served
from ready_made import Files
from receiving import receiver
from stored import NOW, SPACE

from enduser import limits
from enduser.api.management.app import management_app
from enduser.core.addresses import networks_of
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.segments import Saving, Segment
from enduser.core.signing import signature_of
from enduser.service.feed import cursor_of
from enduser.service.webhook_calls import WebhookCaller
from enduser.stores.records import ChangeSettings
from enduser.stores.webhooks import find_webhook, note_failed, note_given_up

WEBHOOKS = "/api/v1/webhooks"
URL = "https://crm.acme.com/hook"


@pytest.fixture(scope="module")
def made_once() -> Files:
    """A data folder that follows the plan and a segment; the feed has four rows."""
    return made_of(follow_plan)


@pytest.fixture
def hooked(made_once: Files, tmp_path: Path) -> Iterator[Api]:
    """An API over a copy of it."""
    with served(tmp_path / "data", made_once) as opened:
        yield opened


@pytest.fixture(scope="module")
def unchanged(made_once: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One that tests share that change nothing."""
    with served(tmp_path_factory.mktemp("unchanged") / "data", made_once) as opened:
        yield opened


def follow_plan(api: Api) -> None:
    store = api.store
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    store.apply(SPACE, ChangeSettings({"feed_attributes": "plan"}))
    for name, followed in (("all", True), ("quiet", False)):
        save(api, name, EVERYONE, is_followed=followed, is_new=True)
    store.follow_feed(SPACE, NOW)
    save(api, "all", {**EVERYONE, "rules": [{"field": "user_id", "operator": "contains", "value": "/"}]})
    store.follow_feed(SPACE, NOW)
    assert store.feed_page(SPACE).last_number == 4


def save(api: Api, name: str, rule: Any, *, is_followed: bool = True, is_new: bool = False) -> None:
    segment = Segment(id=name, name=name, rule=rule, is_followed=is_followed)
    api.store.save_segment(SPACE, segment, Saving(0, "me", is_new))


def create(api: Api, **told: object) -> httpx.Response:
    return api.client.request("POST", WEBHOOKS, json={"name": "CRM", "url": URL, **told})


def made(api: Api, **told: object) -> dict[str, Any]:
    answer = create(api, **told)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def call(api: Api, method: str, webhook: dict[str, Any], path: str = "", **options: Any) -> httpx.Response:
    return api.client.request(method, f"{WEBHOOKS}/{webhook['id']}{path}", **options)


def test_a_webhook_is_made_shown_changed_and_deleted(hooked: Api) -> None:
    webhook = made(hooked, kinds=["entered", "left"], segments=["all"], attributes=["plan"])
    secret = webhook.pop("secret")
    assert secret.startswith("whsec_")
    assert webhook == {
        "id": webhook["id"],
        "name": "CRM",
        "url": URL,
        "kinds": ["entered", "left"],
        "segments": ["all"],
        "attributes": ["plan"],
        "enabled": True,
        "disabled_because": None,
        "cursor": cursor_of(4),
        "attempts": 0,
        "next_try_at": None,
        "last_error": None,
        "last_success_at": None,
        "created_at": webhook["created_at"],
    }
    assert call(hooked, "GET", webhook).json() == webhook
    listed = hooked.client.get(WEBHOOKS).json()
    assert listed == {"items": [webhook], "limit": limits.WEBHOOKS_MAX, "next_cursor": None}
    changed = call(hooked, "PATCH", webhook, json={"name": "Sales", "enabled": False}).json()
    assert changed == {**webhook, "name": "Sales", "enabled": False}
    assert call(hooked, "DELETE", webhook).json() == {"deleted": True}
    assert call(hooked, "GET", webhook).json()["error"]["code"] == "webhook_not_found"


@pytest.mark.parametrize(("cursor", "place"), [("end", 4), (None, 0), (cursor_of(2), 2)])
def test_a_webhook_begins_where_it_is_told_to(hooked: Api, cursor: str | None, place: int) -> None:
    assert made(hooked, cursor=cursor)["cursor"] == cursor_of(place)


@pytest.mark.parametrize(
    ("told", "status", "code", "field"),
    [
        ({"name": ""}, 400, "invalid_webhook", "name"),
        ({"name": "a\nb"}, 400, "invalid_webhook", "name"),
        ({"url": "ftp://crm.acme.com"}, 400, "invalid_webhook", "url"),
        ({"url": "crm.acme.com"}, 400, "invalid_webhook", "url"),
        ({"url": "https://"}, 400, "invalid_webhook", "url"),
        ({"url": "https://me:secret@crm.acme.com"}, 400, "invalid_webhook", "url"),
        ({"url": "https://crm.acme.com/#x"}, 400, "invalid_webhook", "url"),
        ({"url": "https://crm.acme.com:65536"}, 400, "invalid_webhook", "url"),
        ({"url": "https://crm.acme.com:0"}, 400, "invalid_webhook", "url"),
        ({"url": "http://127.0.0.1"}, 400, "invalid_webhook", "url"),
        ({"url": "http://localhost:8300"}, 400, "invalid_webhook", "url"),
        ({"url": "http://[fe80::1]"}, 400, "invalid_webhook", "url"),
        ({"url": "http://169.254.169.254/latest"}, 400, "invalid_webhook", "url"),
        ({"segments": ["nobody"]}, 404, "segment_not_found", "segment"),
        ({"segments": ["quiet"]}, 400, "invalid_webhook", "segments"),
        ({"attributes": ["Plan"]}, 404, "attribute_not_found", "attribute"),
        ({"attributes": ["country"]}, 400, "invalid_webhook", "attributes"),
        ({"kinds": ["gone"]}, 400, "malformed_request", None),
        ({"cursor": "start"}, 400, "invalid_cursor", "cursor"),
        ({"cursor": cursor_of(5)}, 410, "feed_expired", "cursor"),
        ({"secret": "mine"}, 400, "malformed_request", None),
    ],
)
def test_what_cannot_be_is_refused(
    unchanged: Api, told: dict[str, object], status: int, code: str, field: str | None
) -> None:
    answer = create(unchanged, **told)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("field")) == (status, code, field), error
    assert "me:secret" not in answer.text
    assert unchanged.client.get(WEBHOOKS).json()["items"] == []


def test_names_addresses_and_filters_go_to_their_limits(hooked: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for most, told in (
        (limits.WEBHOOK_NAME_CHARACTERS_MAX, lambda n: {"name": "n" * n}),
        (limits.WEBHOOK_URL_CHARACTERS_MAX, lambda n: {"url": URL + "x" * (n - len(URL))}),
    ):
        assert [create(hooked, **told(most + more)).status_code for more in (-1, 0, 1)] == [200, 200, 400]
    monkeypatch.setattr(limits, "WEBHOOK_NAMES_MAX", 2)
    assert create(hooked, segments=["all"], attributes=["plan"]).status_code == 200
    monkeypatch.setattr(limits, "WEBHOOK_NAMES_MAX", 1)
    error = create(hooked, segments=["all"], attributes=["plan"]).json()["error"]
    assert (error["field"], error["limit"]) == ("segments", 1)
    monkeypatch.setattr(limits, "WEBHOOKS_MAX", 5)
    assert create(hooked).json()["error"]["code"] == "limit_exceeded"


def test_private_networks_may_be_called(hooked: Api) -> None:
    assert made(hooked, url="http://10.0.0.7:8080/hook")["url"] == "http://10.0.0.7:8080/hook"


def test_what_is_not_changed_is_not_checked_again(hooked: Api) -> None:
    webhook = made(hooked, segments=["all"])
    save(hooked, "all", EVERYONE, is_followed=False)
    assert call(hooked, "PATCH", webhook, json={"name": "Sales", "segments": ["all"]}).status_code == 200
    answer = call(hooked, "PATCH", webhook, json={"segments": ["all"], "kinds": ["left"]})
    assert answer.json()["error"]["field"] == "segments"
    answer = call(hooked, "PATCH", webhook, json={"url": "http://127.0.0.1"})
    assert answer.json()["error"]["field"] == "url"


def test_a_webhook_tells_again_from_a_cursor(hooked: Api) -> None:
    webhook = made(hooked)
    state = find_webhook(hooked.control, SPACE, webhook["id"])
    note_failed(hooked.control, state, 4, "it answered 500", next_try_at=NOW)
    shown = call(hooked, "GET", webhook).json()
    assert (shown["attempts"], shown["last_error"]) == (1, "it answered 500")
    assert shown["next_try_at"] == "9999-12-31T23:59:59.999999Z"
    moved = call(hooked, "POST", webhook, "/replay", json={"cursor": cursor_of(1)}).json()
    assert (moved["cursor"], moved["attempts"], moved["next_try_at"]) == (cursor_of(1), 0, None)
    for cursor, place in (("end", 4), (None, 0)):
        moved = call(hooked, "POST", webhook, "/replay", json={"cursor": cursor}).json()
        assert moved["cursor"] == cursor_of(place)
    answer = call(hooked, "POST", webhook, "/replay", json={"cursor": cursor_of(9)})
    assert answer.json()["error"]["code"] == "feed_expired"
    assert call(hooked, "POST", {"id": "nobody"}, "/replay", json={"cursor": None}).status_code == 404


def test_dead_letters_are_shown_page_by_page_with_where_to_replay_from(hooked: Api) -> None:
    webhook = made(hooked)
    state = find_webhook(hooked.control, SPACE, webhook["id"])
    for number in (1, 2, 3):
        note_given_up(hooked.control, state, (number, number), number, f"error {number}", now_us=0)
    page = call(hooked, "GET", webhook, "/dead-letters", params={"limit": 2}).json()
    assert [item["error"] for item in page["items"]] == ["error 3", "error 2"]
    assert page["items"][0] == {
        "first": 3,
        "last": 3,
        "error": "error 3",
        "given_up_at": "1970-01-01T00:00:00.000000Z",
        "cursor": cursor_of(2),
    }
    rest = call(hooked, "GET", webhook, "/dead-letters", params={"limit": 2, "cursor": page["next_cursor"]})
    assert [item["error"] for item in rest.json()["items"]] == ["error 1"]
    assert rest.json()["next_cursor"] is None
    assert call(hooked, "GET", {"id": "nobody"}, "/dead-letters").status_code == 404


def test_a_secret_is_changed_and_shown_once(hooked: Api) -> None:
    webhook = made(hooked)
    rotated = call(hooked, "POST", webhook, "/rotate-secret").json()
    assert rotated["secret"] not in (webhook["secret"], None)
    assert "secret" not in call(hooked, "GET", webhook).json()
    state = find_webhook(hooked.control, SPACE, webhook["id"])
    assert [state.secret, state.old_secret] == [rotated["secret"], webhook["secret"]]


def test_a_webhook_is_tried_with_a_message_without_rows(hooked: Api) -> None:
    webhook = made(hooked)

    async def main(url: str | None = None) -> None:
        async with receiver(204, 500) as one:
            caller = WebhookCaller(networks_of("127.0.0.1"))
            app = management_app(
                hooked.store, hooked.control, run_on_owner=run, jobs=hooked.jobs, caller=caller
            )
            client = Client(hooked.portal, app, hooked.key)
            path = f"{WEBHOOKS}/{webhook['id']}"
            changed = await client._request("PATCH", path, {"json": {"url": one.url()}, "headers": bearer})
            assert changed.status_code == 200
            good = (await client._request("POST", f"{path}/test", {"headers": bearer})).json()
            bad = (await client._request("POST", f"{path}/test", {"headers": bearer})).json()
        assert (good["delivered"], good["status"], good["problem"]) == (True, 204, None)
        assert (bad["delivered"], bad["status"], bad["problem"]) == (False, 500, "it answered 500")
        got = one.got[0]
        assert (got.message["type"], got.message["items"]) == ("enduser.test", [])
        timestamp = int(got.headers["webhook-timestamp"])
        assert got.headers["webhook-signature"] == signature_of(
            webhook["secret"], got.id, timestamp, got.body
        )

    bearer = {"Authorization": f"Bearer {hooked.key}"}
    asyncio.run(main())
    assert call(hooked, "GET", webhook).json()["attempts"] == 0
    assert call(hooked, "POST", {"id": "nobody"}, "/test").status_code == 404


def test_webhooks_of_another_space_are_not_there(hooked: Api) -> None:
    hooked.store.create_space("acme/test", NOW)
    webhook = made(hooked)
    elsewhere = {"params": {"space": "acme/test"}}
    assert hooked.client.get(WEBHOOKS, **elsewhere).json()["items"] == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret")):
        assert call(hooked, method, webhook, path, **elsewhere).status_code == 404
    assert call(hooked, "GET", webhook).status_code == 200


def test_an_attribute_that_is_renamed_is_told_of_by_its_new_name(hooked: Api) -> None:
    webhook = made(hooked, attributes=["plan"])
    assert hooked.client.patch("/api/v1/attributes/plan", json={"name": "tier"}).status_code == 200
    assert call(hooked, "GET", webhook).json()["attributes"] == ["tier"]
