"""What the SDK notices by itself, in a real browser: page views, interactions, use; and consent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from browsing import Message, Shop, told_by
from playwright.sync_api import BrowserContext, Page
from serving import wait_until
from tiers import some_daily

GRANT = """
<script>
  window.said = undefined;
  window.enduser = { calls: [["init", [{ consent: () => window.said }], 0]] };
</script>
"""


def visit(shop: Shop, person: BrowserContext, path: str = "/") -> Page:
    """Open a tab, and wait for the SDK."""
    tab = person.new_page()
    tab.goto(shop.url(path))
    tab.wait_for_function("window.enduser && !window.enduser.calls")
    return tab


def names(messages: list[Message]) -> list[str]:
    return [message.get("event") or message["type"] for message in messages]


def heard(shop: Shop, tab: Page, until: str) -> list[Message]:
    """Let the page say something last, wait for it, and return what came before it."""
    tab.evaluate(f"void enduser.track('{until}')")
    return shop.wait(lambda messages: until in names(messages))[:-1]


# --- page views


@pytest.mark.full
def test_a_page_view_has_title_address_and_where_the_user_came_from(
    shop: Shop, person: BrowserContext
) -> None:
    shop.page(f'<a href="/reports?year=2026#top">Reports</a>{shop.tag}')
    shop.page(f"<script>document.title = 'Reports'</script>{shop.tag}", "/reports")
    tab = visit(shop, person)
    shop.wait_for("page")
    tab.click("a")
    messages = shop.wait_for("page", "$click", "page")
    first, _, second = messages
    assert (first["name"], first["context"]["page"]["url"], first.get("properties")) == (
        "Shop",
        shop.url(),
        None,
    )
    assert (second["name"], second["context"]["page"]["url"]) == ("Reports", shop.url("/reports?year=2026"))
    assert second["properties"] == {"referrer": shop.url()}


MOVES = [
    ("history.pushState({}, '', '/two')", True),
    ("history.replaceState({}, '', '/two')", True),
    ("history.pushState({}, '', '?search=a')", False),
    ("history.replaceState({}, '', '?typed=ab')", False),
    ("history.pushState({}, '', location.href)", False),
    ("history.replaceState({ scroll: 5 }, '')", False),
    ("location.hash = '#section'", False),
    ("location.hash = '#/orders'", True),
    ("location.hash = '#!orders'", True),
]


@pytest.mark.parametrize(("move", "is_view"), some_daily(MOVES, [MOVES[0], MOVES[3], MOVES[7]]))
def test_within_a_page_it_is_a_view_to_go_to_another_place(
    shop: Shop, person: BrowserContext, move: str, is_view: bool
) -> None:
    shop.page()
    tab = visit(shop, person)
    shop.wait_for("page")
    tab.evaluate(f"{move}; setTimeout(() => {{ document.title = 'Second' }}, 50)")
    tab.evaluate("new Promise((done) => setTimeout(done, 300))")
    found = heard(shop, tab, "End")
    assert names(found) == ["page", *["page"] * is_view]
    if is_view:
        assert found[1]["name"] == "Second"
        assert found[1]["context"]["page"]["url"] == tab.evaluate("location.href")


@pytest.mark.full
def test_a_page_that_is_left_right_after_a_move_is_told(shop: Shop, person: BrowserContext) -> None:
    shop.page()
    tab = visit(shop, person)
    shop.wait_for("page")
    tab.evaluate("history.pushState({}, '', '/two')")
    tab.close()
    shop.wait_for("page", "page")


@pytest.mark.full
def test_going_back_within_a_page_is_a_view(shop: Shop, person: BrowserContext) -> None:
    shop.page()
    tab = visit(shop, person)
    tab.evaluate("history.pushState({}, '', '/two')")
    shop.wait_for("page", "page")
    tab.evaluate("history.back()")
    found = shop.wait_for("page", "page", "page")
    assert [message["context"]["page"]["url"] for message in found][-1] == shop.url()


@pytest.mark.full
def test_a_browser_without_the_navigation_api_is_looked_at_each_second(
    shop: Shop, person: BrowserContext
) -> None:
    person.add_init_script("delete Object.getPrototypeOf(window).navigation; delete window.navigation")
    shop.page()
    tab = visit(shop, person)
    assert not tab.evaluate("'navigation' in window")
    tab.evaluate("history.pushState({}, '', '/two')")
    shop.wait_for("page", "page")


@pytest.mark.full
def test_nothing_of_the_page_is_replaced(shop: Shop, person: BrowserContext) -> None:
    """Neither the history nor anything else: what the page or another library puts there stays."""
    natives = "[history.pushState, history.replaceState, fetch, addEventListener, console.warn, onerror]"
    shop.page(f"<script>window.before = {natives}</script>{shop.tag}")
    tab = visit(shop, person)
    shop.wait_for("page")
    assert tab.evaluate(f"{natives}.every((found, at) => found === before[at])")


@pytest.mark.full
def test_a_page_that_is_rendered_beforehand_is_a_view_when_it_is_seen(
    shop: Shop, person: BrowserContext
) -> None:
    shop.page(
        "<script>Object.defineProperty(document, 'prerendering', { get: () => !window.isSeen })</script>"
        + shop.tag
    )
    tab = person.new_page()
    tab.goto(shop.url())
    tab.wait_for_function("window.enduser")
    tab.evaluate("void enduser.track('Early'); new Promise((done) => setTimeout(done, 1500))")
    assert shop.messages == []
    tab.evaluate("window.isSeen = true; document.dispatchEvent(new Event('prerenderingchange'))")
    shop.wait_for("page", "Early")


# --- interactions and use


def test_clicks_and_inputs_are_interactions_without_what_was_typed(
    shop: Shop, person: BrowserContext
) -> None:
    shop.page(f'<button id="buy"><b>Buy secret</b></button><input id="card" type="text">{shop.tag}')
    tab = visit(shop, person)
    tab.click("b")
    tab.type("#card", "4111")
    messages = [m for m in heard(shop, tab, "End") if m["type"] == "track"]
    told = [(m["event"], m["properties"]) for m in messages]
    assert told == [("$click", {"element": "button#buy"}), ("$input", {"element": "input#card"})]
    assert "secret" not in str(messages)


@pytest.mark.full
def test_a_session_of_a_click_is_not_empty_and_one_of_a_page_view_is(
    shop: Shop, person: BrowserContext
) -> None:
    shop.have(inactivity_window_s=2)
    shop.page(f"<button>Buy</button>{shop.tag}")
    visit(shop, person)
    (viewed,) = shop.wait_for("page")
    shop.server.wait_for_user(viewed["anonymousId"], shop.space)
    tab = visit(shop, person)
    tab.click("button")
    shop.wait_for("page", "page", "$click")
    wait_until(lambda: shop.users()[viewed["anonymousId"]]["total_sessions"] == 2)
    told = shop.server.cli("sessions", "export", "--format", "jsonl", "--space", shop.space)
    sessions = sorted(map(json.loads, told.splitlines()), key=lambda session: session["started_at"])
    assert [(session["is_empty"], session["interactions"]) for session in sessions] == [(True, 0), (False, 1)]


@pytest.mark.full
def test_what_scripts_click_is_nobodys(shop: Shop, person: BrowserContext) -> None:
    shop.page(f"<button>Buy</button>{shop.tag}")
    tab = visit(shop, person)
    tab.evaluate("document.querySelector('button').click()")
    assert names(heard(shop, tab, "End")) == ["page"]


@pytest.mark.full
@pytest.mark.parametrize("shop", [{"inactivity_window_s": 2}], indirect=True)
def test_who_uses_the_page_is_told_of_now_and_then(shop: Shop, person: BrowserContext) -> None:
    shop.page()
    tab = visit(shop, person)
    for number in range(30):
        tab.mouse.move(number, number)
        tab.evaluate("new Promise((done) => setTimeout(done, 100))")
    beats = [m for m in heard(shop, tab, "End") if m.get("event") == "$heartbeat"]
    assert 1 <= len(beats) <= 4


@pytest.mark.full
@pytest.mark.parametrize("shop", [{"inactivity_window_s": 2}], indirect=True)
def test_who_only_has_the_page_open_is_not_told_of(shop: Shop, person: BrowserContext) -> None:
    shop.page()
    tab = visit(shop, person)
    tab.evaluate("new Promise((done) => setTimeout(done, 3500))")
    assert names(heard(shop, tab, "End")) == ["page"]


@pytest.mark.full
@pytest.mark.parametrize("shop", [{"inactivity_window_s": 2}], indirect=True)
def test_the_last_use_before_a_sleep_is_told_when_the_user_is_back(
    shop: Shop, person: BrowserContext
) -> None:
    """The clock is put on by an hour, as it is for a page whose computer has slept."""
    clock = "const now = Date.now; window.slept = 0; Date.now = () => now() + window.slept"
    shop.page(f"<script>{clock}</script>{shop.tag}")
    tab = visit(shop, person)
    shop.wait_for("page")
    used_at = tab.evaluate("new Promise((done) => setTimeout(done, 1100)).then(() => Date.now())")
    tab.mouse.move(5, 5)
    tab.evaluate("window.slept = 3_600_000")
    tab.mouse.move(50, 50)
    beats = [m for m in heard(shop, tab, "End") if m.get("event") == "$heartbeat"]
    first = tab.evaluate(f"Date.parse('{beats[0]['timestamp']}')")
    assert abs(first - used_at) < 900


def test_the_last_use_is_told_when_the_page_is_left_as_of_when_it_was(
    shop: Shop, person: BrowserContext
) -> None:
    shop.page()
    tab = visit(shop, person)
    shop.wait_for("page")
    tab.evaluate("new Promise((done) => setTimeout(done, 1200))")
    tab.mouse.move(50, 50)
    used = tab.evaluate("Date.now()")
    tab.evaluate("new Promise((done) => setTimeout(done, 700))")
    tab.goto("about:blank")
    _, beat = shop.wait_for("page", "$heartbeat")
    assert abs(tab.evaluate(f"Date.parse('{beat['timestamp']}')") - used) < 300


@pytest.mark.full
@pytest.mark.parametrize(
    ("options", "quiet"),
    [("{ pages: false }", "page"), ("{ interactions: false }", "$click")],
)
def test_what_is_not_wanted_is_not_noticed(
    shop: Shop, person: BrowserContext, options: str, quiet: str
) -> None:
    shop.page(
        f"<script>enduser = {{ calls: [['init', [{options}], 0]] }}</script><button>Buy</button>{shop.tag}"
    )
    tab = visit(shop, person)
    tab.click("button")
    found = names(heard(shop, tab, "End"))
    assert quiet not in found
    assert len(found) == 1


# --- what the page says beforehand


def test_what_the_page_calls_before_the_script_is_there_counts_as_of_then(
    shop: Shop, person: BrowserContext
) -> None:
    snippet = shop.server.cli("systems", "snippet", shop.space, "--url", shop.hop.url)
    shop.page(f"{snippet}<script>enduser.track('Early'); window.at = Date.now()</script>")
    tab = visit(shop, person)
    messages = {m.get("event"): m for m in shop.wait_for("page", "Early")}
    early = tab.evaluate(f"Date.parse('{messages['Early']['timestamp']}')")
    assert abs(early - tab.evaluate("window.at")) < 50


def test_who_is_named_before_the_script_is_there_has_the_first_page_view(
    shop: Shop, person: BrowserContext
) -> None:
    snippet = shop.server.cli("systems", "snippet", shop.space, "--url", shop.hop.url)
    shop.page(f"{snippet}<script>enduser.identify('ada')</script>")
    visit(shop, person)
    assert [message["userId"] for message in shop.wait_for("page", "identify")] == ["ada", "ada"]


def test_before_send_sees_each_event_and_may_change_or_drop_it(shop: Shop, person: BrowserContext) -> None:
    hook = """
      (message) => {
        message.context.page.url = message.context.page.url.replace(/token=[^&]*/, "token=…");
        return message.event === "Secret" ? null : message;
      }
    """
    shop.page(f"<script>enduser = {{ calls: [['init', [{{ beforeSend: {hook} }}], 0]] }}</script>{shop.tag}")
    tab = visit(shop, person, "/?token=abc")
    tab.evaluate("enduser.track('Secret')")
    found = heard(shop, tab, "End")
    assert names(found) == ["page"]
    assert found[0]["context"]["page"]["url"].endswith("/?token=…")


# --- consent


@pytest.mark.full
@pytest.mark.parametrize(
    ("consent", "is_sent"),
    [
        ("true", True),
        ("null", True),
        ("false", False),
        ("() => Promise.resolve(true)", None),
        ("'yes'", None),
    ],
)
def test_consent_is_yes_or_no_and_all_else_is_neither_and_told(
    shop: Shop, person: BrowserContext, consent: str, is_sent: bool | None
) -> None:
    complaints = told_by(person)
    shop.page(f"<script>enduser = {{ calls: [['init', [{{ consent: {consent} }}], 0]] }}</script>{shop.tag}")
    tab = visit(shop, person)
    tab.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert bool(shop.messages) == bool(is_sent)
    assert ("consent must be true or false" in str(complaints)) == (is_sent is None)
    if is_sent is None:
        tab.evaluate("enduser.init({ consent: () => true })")
        shop.wait_for("page")


@pytest.mark.full
def test_until_the_user_has_decided_nothing_is_sent_and_nothing_is_stored(
    shop: Shop, person: BrowserContext
) -> None:
    shop.page(GRANT + shop.tag)
    tab = visit(shop, person)
    tab.evaluate("enduser.identify('ada'); enduser.track('Early')")
    tab.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert shop.messages == []
    assert tab.evaluate("document.cookie + JSON.stringify({ ...localStorage })") == "{}"
    tab.evaluate("window.said = true")
    shop.wait_for("page", "identify", "Early")


def test_who_says_no_leaves_no_trace(shop: Shop, person: BrowserContext) -> None:
    shop.page(GRANT + shop.tag)
    tab = visit(shop, person)
    tab.evaluate("enduser.track('Early'); window.said = false")
    tab.evaluate("new Promise((done) => setTimeout(done, 1200)).then(() => enduser.track('Later'))")
    tab.evaluate("new Promise((done) => setTimeout(done, 1200))")
    assert shop.messages == []
    assert tab.evaluate("document.cookie + JSON.stringify({ ...localStorage })") == "{}"


def test_who_says_yes_after_a_no_is_who_the_page_said_he_is(shop: Shop, person: BrowserContext) -> None:
    """As with most consent managers, which say no until they are asked."""
    shop.page(f"{GRANT}<script>window.said = false</script>{shop.tag}")
    shop.page('<a href="/">Home</a>', "/from")
    tab = person.new_page()
    tab.goto(shop.url("/from"))
    tab.click("a")
    tab.wait_for_function("window.enduser && !window.enduser.calls")
    tab.evaluate("void enduser.identify('ada')")
    tab.evaluate("window.said = true; void enduser.track('Agreed')")
    found = {m.get("event") or m["type"]: m for m in shop.wait_for("page", "Agreed")}
    assert found["Agreed"]["userId"] == "ada"
    assert found["page"]["properties"] == {"referrer": shop.url("/from")}


@pytest.mark.full
def test_a_no_counts_at_once(shop: Shop, person: BrowserContext) -> None:
    shop.page(f"{GRANT}<script>window.said = true</script>{shop.tag}")
    tab = visit(shop, person)
    shop.wait_for("page")
    tab.evaluate("void enduser.identify('ada')")
    shop.wait_for("page", "identify")
    tab.evaluate("window.said = false; enduser.track('Denied'); enduser.decide()")
    assert tab.evaluate("document.cookie + JSON.stringify({ ...localStorage })") == "{}"
    asked = [path for _, path, _ in shop.hop.calls if "/v1/decisions" in path and shop.key in path]
    assert len(asked) == 1
    assert "ada" not in asked[0]


@pytest.mark.full
def test_who_takes_back_his_yes_is_forgotten_by_the_browser(shop: Shop, person: BrowserContext) -> None:
    shop.page(GRANT + "<script>window.said = true</script>" + shop.tag)
    tab = visit(shop, person)
    tab.evaluate("void enduser.identify('ada')")
    before = shop.wait_for("page", "identify")
    tab.evaluate("window.said = false")
    empty = "document.cookie + JSON.stringify({ ...localStorage })"
    wait_until(lambda: tab.evaluate(empty) == "{}")
    tab.evaluate("window.said = true")
    *_, again = shop.wait_for("page", "identify", "page")
    assert "userId" not in again
    assert again["anonymousId"] != before[0]["anonymousId"]


@pytest.mark.full
@pytest.mark.parametrize("signal", ["globalPrivacyControl", "doNotTrack"])
def test_a_browser_that_says_no_is_heard(shop: Shop, person: BrowserContext, signal: str) -> None:
    value: Any = "'1'" if signal == "doNotTrack" else "true"
    person.add_init_script(f"Object.defineProperty(navigator, '{signal}', {{ get: () => {value} }})")
    shop.page()
    tab = visit(shop, person)
    tab.evaluate("void enduser.track('Bought'); new Promise((done) => setTimeout(done, 1500))")
    assert shop.messages == []
    assert tab.evaluate("document.cookie + JSON.stringify({ ...localStorage })") == "{}"
