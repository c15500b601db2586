"""How the SDK brings events to the server, in a real browser: nothing is lost, and nothing is double."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from browsing import Message, Pages, Shop
from hop import Hop
from playwright.sync_api import BrowserContext, Error, Page
from serving import Server, events_of, outcomes_of, wait_until
from tiers import some_daily

PART_BYTES_MAX = 60 * 1024


@pytest.fixture
def tab(shop: Shop, person: BrowserContext) -> Page:
    """A tab with the page open, whose first page view has arrived."""
    shop.page()
    opened = visit(shop, person)
    shop.wait_for("page")
    return opened


def visit(shop: Shop, person: BrowserContext, path: str = "/") -> Page:
    """Open a tab, and wait for the SDK."""
    opened = person.new_page()
    opened.goto(shop.url(path))
    opened.wait_for_function("window.enduser")
    return opened


def waiting(tab: Page) -> int:
    """Return how many messages wait in the browser's storage, of all tabs."""
    lines = "Object.entries(localStorage).filter(([n]) => n.startsWith('enduser.sends')).map(([, v]) => v)"
    found: int = tab.evaluate(f"{lines}.join('\\n').split('\\n').filter((line) => line[0] === '{{').length")
    return found


def copies(shop: Shop) -> int:
    """Return how many messages came more than once."""
    return len(shop.messages) - len(shop.distinct)


@pytest.mark.full
def test_what_happens_right_before_a_tab_is_closed_arrives(shop: Shop, tab: Page) -> None:
    tab.evaluate("enduser.track('Bought')")
    tab.close()
    shop.wait_for("page", "Bought")


@pytest.mark.full
def test_what_happens_right_before_another_page_arrives_once(shop: Shop, tab: Page) -> None:
    shop.page("Elsewhere", "/elsewhere")
    tab.evaluate("enduser.track('Bought'); location.href = '/elsewhere'")
    shop.wait_for("page", "Bought")


def test_events_that_could_not_be_sent_survive_the_closed_tab(
    shop: Shop, tab: Page, person: BrowserContext
) -> None:
    shop.hop.accidents.extend(["cut"] * 2)
    tab.evaluate("enduser.track('Bought'); enduser.track('Paid')")
    tab.close()
    wait_until(lambda: len(shop.hop.accidents) < 2)
    shop.hop.accidents.clear()
    visit(shop, person)
    shop.wait_for("page", "Bought", "Paid", "page")


@pytest.mark.parametrize("accident", some_daily(["cut", "bad gateway", "lost"], ["lost"]))
def test_after_an_accident_the_same_events_are_sent_again_and_are_stored_once(
    shop: Shop, tab: Page, accident: str
) -> None:
    shop.hop.accidents.append(accident)
    tab.evaluate("enduser.track('Bought')")
    wait_until(lambda: any(call[2] == accident for call in shop.hop.calls))
    shop.wait_for("page", "Bought")
    wait_until(lambda: waiting(tab) == 0)
    assert copies(shop) == (1 if accident == "lost" else 0)
    shop.hop.calls.clear()


def test_what_happens_offline_arrives_when_the_network_is_back(
    shop: Shop, tab: Page, person: BrowserContext
) -> None:
    person.set_offline(True)
    for number in range(3):
        tab.evaluate(f"enduser.track('Offline {number}')")
    wait_until(lambda: waiting(tab) == 3)
    person.set_offline(False)
    shop.wait_for("page", "Offline 0", "Offline 1", "Offline 2")
    assert copies(shop) == 0


@pytest.mark.full
def test_what_happened_in_tabs_that_were_closed_offline_arrives_with_the_next_page(
    shop: Shop, tab: Page, person: BrowserContext
) -> None:
    other = visit(shop, person)
    shop.wait_for("page", "page")
    person.set_offline(True)
    tab.evaluate("enduser.track('One')")
    other.evaluate("enduser.track('Two')")
    tab.close()
    other.close()
    person.set_offline(False)
    visit(shop, person)
    shop.wait_for("page", "page", "One", "Two", "page")


def test_two_tabs_do_not_send_what_the_other_has(shop: Shop, tab: Page, person: BrowserContext) -> None:
    other = visit(shop, person)
    shop.wait_for("page", "page")
    for number in range(5):
        tab.evaluate(f"enduser.track('One {number}')")
        other.evaluate(f"enduser.track('Two {number}')")
    names = [f"{which} {number}" for which in ("One", "Two") for number in range(5)]
    shop.wait_for("page", "page", *names)
    wait_until(lambda: waiting(tab) == 0)
    assert copies(shop) == 0


@pytest.mark.full
def test_what_a_killed_tab_left_is_taken_over_when_its_time_is_over(
    shop: Shop, tab: Page, person: BrowserContext
) -> None:
    line = '{"messageId":"m","anonymousId":"a","type":"track","event":"Left","timestamp":"%s"}'
    for name, minutes in (("dead", 6), ("alive", 1)):
        at = f"Date.now() - {minutes} * 60000"
        stamped = line.replace("Left", f"Left {name}").replace('"m"', f'"{name}"')
        key = f"enduser.sends.{shop.key}.{name}"
        told = f"`{stamped}`.replace('%s', new Date().toISOString())"
        tab.evaluate(f"localStorage.setItem('{key}', ({at}) + '\\n' + {told})")
    visit(shop, person)
    shop.wait_for("page", "page", "Left dead")
    assert waiting(tab) == 1


def test_a_page_that_comes_back_from_the_cache_goes_on(shop: Shop, remembering: BrowserContext) -> None:
    shop.page()
    shop.page("<p>Elsewhere", "/elsewhere")
    tab = visit(shop, remembering)
    shop.wait_for("page")
    tab.evaluate("window.isTheSame = true; enduser.track('Left')")
    there_and_back(shop, tab)
    tab.evaluate("enduser.track('Came')")
    shop.wait_for("page", "Left", "page", "Came")


@pytest.mark.full
def test_a_page_that_comes_back_does_not_send_what_another_tab_took_over(
    shop: Shop, remembering: BrowserContext
) -> None:
    shop.page()
    shop.page("<p>Elsewhere", "/elsewhere")
    tab = visit(shop, remembering)
    shop.wait_for("page")
    shop.hop.accidents.extend(["cut"] * 2)
    tab.evaluate("window.isTheSame = true; enduser.track('Left')")
    before: list[int] = []

    def meanwhile() -> None:
        shop.hop.accidents.clear()
        other = visit(shop, remembering)
        shop.wait_for("page", "Left", "page")
        wait_until(lambda: waiting(other) == 0)
        before.append(copies(shop))  # what was on its way when the page was left may have arrived, too

    there_and_back(shop, tab, meanwhile)
    shop.wait_for("page", "Left", "page", "page")
    assert copies(shop) == before[0]


def there_and_back(shop: Shop, tab: Page, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Leave the page of a tab for another, do something there, and go back to the page as it was left."""
    tab.goto(shop.url("/elsewhere"))
    meanwhile()
    tab.evaluate("history.back()")
    wait_until(lambda: is_at(tab, "/"))
    assert tab.evaluate("window.isTheSame"), "the page was loaded anew: something of it forbids the cache"


def is_at(tab: Page, path: str) -> bool:
    """Return whether a tab has come to a path; while it goes there it cannot be asked."""
    with suppress(Error):
        return bool(tab.evaluate("location.pathname") == path)
    return False


@pytest.mark.full
def test_a_great_many_events_go_in_parts_that_a_browser_sends_while_a_page_is_left(
    shop: Shop, tab: Page
) -> None:
    tab.evaluate("window.text = 'é'.repeat(2500)")
    tab.evaluate("for (let number = 0; number < 40; number++) enduser.track('Many', { number, text })")
    messages = shop.wait(lambda messages: len(messages) == 41)
    assert sorted(m["properties"]["number"] for m in messages if m.get("event") == "Many") == [*range(40)]
    sizes = [size for size in shop.hop.sizes if size > 1_000]
    assert len(sizes) >= 4
    assert max(sizes) < PART_BYTES_MAX


@pytest.mark.full
def test_a_server_that_is_too_busy_is_asked_again_when_it_says(shop: Shop, tab: Page) -> None:
    shop.hop.accidents.append("busy")
    tab.evaluate("window.at = performance.now(); enduser.track('Bought')")
    shop.wait_for("page", "Bought")
    assert tab.evaluate("performance.now() - window.at") > 3_000


@pytest.mark.full
def test_a_refused_call_is_told_to_the_developer_and_not_repeated(shop: Shop, person: BrowserContext) -> None:
    complaints: list[str] = []
    shop.page(f'<script async src="{shop.hop.url}/enduser.js?key={shop.key}"></script>')
    tab = person.new_page()
    tab.on("console", lambda message: complaints.append(message.text))
    shop.hop.accidents.append("refused")
    tab.goto(shop.url())
    wait_until(lambda: tab.evaluate("0") == 0 and any("did not take" in text for text in complaints))
    assert waiting(tab) == 0


@pytest.mark.full
def test_times_are_those_of_when_it_happened_however_late_they_are_sent(
    shop: Shop, tab: Page, person: BrowserContext
) -> None:
    person.set_offline(True)
    before = tab.evaluate("Date.now()")
    tab.evaluate("enduser.track('Bought')")
    after = tab.evaluate("Date.now()")
    tab.evaluate("new Promise((done) => setTimeout(done, 1500))")
    person.set_offline(False)
    _, bought = shop.wait_for("page", "Bought")
    assert before <= tab.evaluate(f"Date.parse('{bought['timestamp']}')") <= after


@pytest.mark.full
def test_of_more_than_can_wait_the_oldest_is_dropped_and_that_is_told(
    shop: Shop, tab: Page, person: BrowserContext
) -> None:
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    person.set_offline(True)
    tab.evaluate("for (let n = 0; n < 120; n++) enduser.track(`Many ${n}`, { text: 'x'.repeat(10000) })")
    person.set_offline(False)
    messages = shop.wait(lambda messages: any(m.get("event") == "Many 119" for m in messages))
    assert 90 < len(messages) < 110
    assert any("the oldest events are dropped" in text for text in complaints)


def test_whatever_is_sent_again_the_server_stores_it_once(server: Server, person: BrowserContext) -> None:
    with Hop(server.url) as hop, Pages() as pages:
        shop = Shop(server, hop, pages, "default/production", server.write_key)
        shop.page()
        names = []
        for number in range(6):
            hop.accidents.append(["cut", "lost", "pass", "bad gateway", "lost", "pass"][number])
            opened = visit(shop, person)
            opened.evaluate(f"enduser.track('Bought {number}')")
            names.append(f"Bought {number}")
            opened.close()
        hop.accidents.clear()
        visit(shop, person)
        shop.wait_for(*names, *["page"] * 7)
    server.stop()
    stored: list[Message] = list(events_of(server.data))
    assert sorted(str(e["name"]) for e in stored if e["type"] == "track") == names
    assert len([e for e in stored if e["type"] == "page"]) == 7
    assert outcomes_of(server.data)["stored", ""] == 13
