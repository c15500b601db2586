"""What a page shows by the SDK: decisions in a real browser, against a real server."""

from __future__ import annotations

import json
import time

import pytest
from browsing import Shop, told_by
from playwright.sync_api import BrowserContext, Page
from serving import wait_until
from signing import shared

NOTHING = {"content": [], "segments": [], "valid_until": None, "as_of": None}


def with_settings(**settings: object) -> pytest.MarkDecorator:
    """Give the shop of a test settings."""
    return pytest.mark.parametrize("shop", [settings], indirect=True)


def item(shop: Shop, content_id: str, *options: object) -> None:
    """Have a content item."""
    shop.server.cli("content", "create", content_id, "--name", content_id, "--space", shop.space, *options)


def visit(shop: Shop, person: BrowserContext, html: str = "") -> Page:
    """Open a page that has some HTML before the SDK."""
    shop.page(html + shop.tag)
    tab = person.new_page()
    tab.goto(shop.url())
    tab.wait_for_function("window.enduser && !window.enduser.calls")
    return tab


def shown(tab: Page) -> list[str]:
    """Return the ids of what is to be shown, as a page asks."""
    found: list[str] = tab.evaluate(
        "enduser.decide().then((decision) => decision.content.map((item) => item.id))"
    )
    return found


def asked(shop: Shop) -> int:
    """Return how often the server was asked for a decision."""
    return len(
        [path for _, path, _ in shop.hop.calls if path.startswith("/v1/decisions") and shop.key in path]
    )


@pytest.mark.full
def test_a_page_gets_content_with_its_payload(shop: Shop, person: BrowserContext) -> None:
    item(shop, "banner", "--kind", "banner", "--payload", json.dumps({"text": "Hello"}))
    tab = visit(shop, person)
    wait_until(lambda: tab.evaluate("enduser.decide()")["content"] or visit(shop, person).close())
    decision = visit(shop, person).evaluate("enduser.decide()")
    assert decision["content"] == [{"id": "banner", "kind": "banner", "payload": {"text": "Hello"}}]
    assert decision["as_of"]


def test_content_of_a_segment_is_shown_to_whom_it_holds_for_and_follows_its_change(
    shop: Shop, person: BrowserContext
) -> None:
    shop.have(inactivity_window_s=1)
    for segment, name in (("is-ada", "Ada"), ("is-bob", "Bob")):
        rule = {"field": "name", "operator": "is", "value": name}
        told = ["--id", segment, "--rule", json.dumps({"combinator": "and", "rules": [rule]})]
        shop.server.cli("segments", "create", segment, *told, "--space", shop.space)
    item(shop, "greeting", "--segment", "is-ada")
    tab = visit(shop, person)
    tab.evaluate("enduser.identify('ada'); void enduser.properties({ name: 'Ada' })")
    shop.server.wait_for_user("ada", shop.space)
    wait_until(lambda: shown(visit(shop, person)) == ["greeting"])
    item(shop, "for-all")
    shop.server.cli("content", "change", "greeting", "--segment", "is-bob", "--space", shop.space)
    wait_until(lambda: shown(visit(shop, person)) == ["for-all"])


def test_many_who_ask_at_once_are_one_call_and_who_asks_again_is_none(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visit(shop, person)
    tab.evaluate("Promise.all([enduser.decide(), enduser.decide()])")
    tab.evaluate("enduser.decide()")
    assert asked(shop) == 1
    tab.evaluate("enduser.identify('ada'); enduser.decide()")
    assert asked(shop) == 2, "another user may see something else"


@pytest.mark.full
def test_a_decision_is_kept_until_it_turns(shop: Shop, person: BrowserContext) -> None:
    """By the clock of the server: that of the browser is an hour ahead."""
    tab = visit(shop, person, "<script>const now = Date.now; Date.now = () => now() + 3_600_000</script>")
    answer = {"content": [], "segments": [], "as_of": "2026-01-01T00:00:00Z"}
    answers = [{**answer, "valid_until": "2026-01-01T00:00:01Z"}, {**answer, "valid_until": None}]
    tab.route("**/v1/decisions*", lambda route: route.fulfill(json=answers.pop(0)))
    tab.evaluate("enduser.decide().then(() => enduser.decide())")
    assert len(answers) == 1
    tab.evaluate("new Promise((done) => setTimeout(done, 1100)).then(() => enduser.decide())")
    assert answers == []
    tab.evaluate("enduser.decide()")


@pytest.mark.full
@pytest.mark.parametrize("failure", ["abort", "refuse", "garbage"])
def test_where_nobody_can_be_asked_the_page_gets_what_held_before_or_nothing(
    shop: Shop, person: BrowserContext, failure: str
) -> None:
    tab = visit(shop, person)
    answers = {
        "abort": lambda route: route.abort(),
        "refuse": lambda route: route.fulfill(status=503, json={"error": {"code": "store"}}),
        "garbage": lambda route: route.fulfill(body="<html>"),
    }
    tab.route("**/v1/decisions*", answers[failure])
    assert tab.evaluate("enduser.decide()") == NOTHING
    tab.unroute("**/v1/decisions*")
    good = {"content": [{"id": "a", "kind": "b", "payload": None}], "segments": []}
    times = {"valid_until": "2026-01-01T00:00:00.2Z", "as_of": "2026-01-01T00:00:00Z"}
    tab.route("**/v1/decisions*", lambda route: route.fulfill(json={**good, **times}))
    assert shown(tab) == ["a"]
    tab.unroute("**/v1/decisions*")
    tab.route("**/v1/decisions*", answers[failure])
    tab.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert shown(tab) == ["a"]


@pytest.mark.full
def test_that_content_is_shown_is_told_once_said_and_makes_no_session(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visit(shop, person)
    shop.wait_for("page")
    tab.evaluate("void enduser.shown('banner')")
    _, told = shop.wait_for("page", "$content_shown")
    assert (told["properties"], told["context"]["active"]) == ({"content_id": "banner"}, False)


@pytest.mark.full
@pytest.mark.parametrize("told", ["undefined", "{ id: 'banner' }"])
def test_what_is_no_id_of_a_content_item_is_not_shown_and_that_is_told(
    shop: Shop, person: BrowserContext, told: str
) -> None:
    complaints = told_by(person)
    tab = visit(shop, person)
    tab.evaluate(f"enduser.shown({told}); enduser.track('End')")
    shop.wait_for("page", "End")
    assert [text for text in complaints if "shown() needs the id of a content item" in text]


@pytest.mark.full
@with_settings(unique_user="variable:user")
def test_a_decision_waits_for_an_id_that_comes_late(shop: Shop, person: BrowserContext) -> None:
    tab = visit(shop, person, "<script>setTimeout(() => { window.user = 'ada' }, 500)</script>")
    tab.evaluate("enduser.decide()")
    assert [path for _, path, _ in shop.hop.calls if shop.key in path and "user_id=ada" in path]


@pytest.mark.full
@with_settings(unique_user="variable:user", hash_ids="on")
def test_where_ids_are_hashed_decisions_are_asked_for_by_the_hash(shop: Shop, person: BrowserContext) -> None:
    tab = visit(shop, person, "<script>window.user = 'ada-in-plain'</script>")
    assert tab.evaluate("enduser.decide()")["as_of"]
    (path,) = [path for _, path, _ in shop.hop.calls if "/v1/decisions" in path and shop.key in path]
    assert "id_kind=hashed" in path
    assert "ada-in-plain" not in path


def test_who_does_not_agree_sees_what_everyone_sees_under_an_id_that_nobody_has(
    shop: Shop, person: BrowserContext
) -> None:
    item(shop, "for-all")
    refusing = "<script>enduser = { calls: [['init', [{ consent: () => false }], 0]] }</script>"
    tab = visit(shop, person, refusing)
    wait_until(lambda: shown(visit(shop, person, refusing)) == ["for-all"])
    assert tab.evaluate("document.cookie + JSON.stringify({ ...localStorage })") == "{}"
    assert shop.messages == []


@pytest.mark.full
@with_settings(identity="enforce")
def test_a_token_of_the_site_proves_who_asks(shop: Shop, person: BrowserContext) -> None:
    made = shop.server.cli("identity", "create", "--name", "web", "--space", shop.space)
    token = shared({"sub": "ada", "exp": int(time.time()) + 3_600}, made.split()[-1])
    asks = "(token) => { enduser.identify('ada', {}, { token }); return enduser.decide(); }"
    refused: list[int] = []
    person.on("response", lambda answer: refused.append(answer.status) if "decisions" in answer.url else None)
    wait_until(lambda: visit(shop, person).evaluate(asks, None)["as_of"] is None)
    assert refused[-1] == 401
    wait_until(lambda: visit(shop, person).evaluate(asks, token)["as_of"])
