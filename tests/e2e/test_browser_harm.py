"""Pages are not harmed by the SDK, and the SDK is not by pages: strange ones, hostile ones, strict ones."""

from __future__ import annotations

import gzip
import json
import random

import httpx
import pytest
from browsing import Message, Shop, told_by
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page
from serving import wait_until
from tiers import some_daily, tries

SERVED_BYTES_MAX = 6 * 1024
TASK_MS_MAX = tries(8, 4)
START_MS_MAX = tries(12, 6)
"""Of the main thread's own time; twice as much where other tests share the processor."""
TRIES = 12
IDLE_MS_A_SECOND_MAX = 5


@pytest.fixture
def complaints(person: BrowserContext) -> list[str]:
    """What the console of all tabs says, and what is thrown into their pages."""
    said = told_by(person)
    person.on("weberror", lambda error: said.append(f"thrown: {error.error.message}"))
    return said


def visit(shop: Shop, person: BrowserContext, html: str = "", **headers: str) -> Page:
    """Open a page that has some HTML before the SDK, and wait for that."""
    shop.page(html + shop.tag, **headers)
    tab = person.new_page()
    tab.goto(shop.url())
    tab.wait_for_function("window.enduser && window.enduser.decide && !window.enduser.calls")
    return tab


def named(messages: list[Message], event: str) -> list[Message]:
    return [message for message in messages if message.get("event") == event]


# --- strange pages

STRANGE = {
    "a page that throws": "<script>throw new Error('of the page')</script>",
    "JSON replaced": "<script>JSON.stringify = JSON.parse = () => 'broken'</script>",
    "toJSON on arrays and objects": """<script>
        Array.prototype.toJSON = String.prototype.toJSON = Object.prototype.toJSON = () => "broken";
    </script>""",
    "names on all objects": """<script>
        Object.prototype.properties = Object.prototype.isSent = Object.prototype.then2 = "broken";
        Array.prototype.extra = "broken";
    </script>""",
    "an element called enduser": '<div id="enduser"></div>',
    "fetch wrapped": "<script>const own = fetch; window.fetch = (...given) => own(...given)</script>",
    "console taken away": "<script>window.console = undefined</script>",
    "localStorage taken away": "<script>delete window.localStorage</script>",
    "an old router": "<script>const own = history.pushState; history.pushState = function () "
    "{ return own.apply(this, arguments) }</script>",
    "timers of another": "<script>const own = setInterval; window.setInterval = (...g) => own(...g)</script>",
}


@pytest.mark.parametrize("kind", some_daily([*STRANGE], ["JSON replaced", "toJSON on arrays and objects"]))
def test_on_a_strange_page_events_are_told_as_they_are(shop: Shop, person: BrowserContext, kind: str) -> None:
    tab = visit(shop, person, STRANGE[kind])
    tab.evaluate("void enduser.track('Bought', { items: [1, 'two', { three: null }] })")
    messages = shop.wait_for("page", "Bought")
    (bought,) = named(messages, "Bought")
    assert bought["properties"] == {"items": [1, "two", {"three": None}]}


@pytest.mark.full
def test_a_variable_of_the_page_that_is_called_enduser_stays(
    shop: Shop, person: BrowserContext, complaints: list[str]
) -> None:
    shop.page(f"<script>window.enduser = {{ mine: true }}</script>{shop.tag}")
    tab = person.new_page()
    tab.goto(shop.url())
    shop.wait_for("page")
    assert tab.evaluate("JSON.stringify(enduser)") == '{"mine":true}'
    assert any("window.enduser is taken" in text for text in complaints)


def test_of_two_copies_of_the_sdk_one_works(shop: Shop, person: BrowserContext) -> None:
    snippet = shop.server.cli("systems", "snippet", shop.space, "--url", shop.hop.url)
    tab = visit(shop, person, f"{snippet}{shop.tag}")
    tab.evaluate("void enduser.track('Bought')")
    tab.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert [m["type"] for m in shop.messages] == ["page", "track"]


@pytest.mark.full
def test_a_second_copy_brings_its_options_along(shop: Shop, person: BrowserContext) -> None:
    init = "<script>enduser = { calls: [['init', [{ consent: () => false }], 0]] }</script>"
    src = f"{shop.hop.url}/enduser.js?key={shop.key}"
    shop.page(f'<script src="{src}"></script>{init}<script src="{src}&again=1"></script>')
    tab = person.new_page()
    tab.goto(shop.url())
    tab.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert tab.evaluate("document.cookie + JSON.stringify({ ...localStorage })") == "{}"


@pytest.mark.full
def test_a_method_that_was_kept_before_the_script_came_works_after(
    shop: Shop, person: BrowserContext
) -> None:
    snippet = shop.server.cli("systems", "snippet", shop.space, "--url", shop.hop.url)
    shop.page(f"{snippet}<script>const {{ track, decide }} = window.enduser</script>")
    tab = person.new_page()
    tab.goto(shop.url())
    shop.wait_for("page")
    tab.evaluate("void track('Bought')")
    shop.wait_for("page", "Bought")
    assert tab.evaluate("decide()")["as_of"]


@pytest.mark.full
def test_an_image_of_somebody_does_not_say_where_events_go(shop: Shop, person: BrowserContext) -> None:
    image = '<img name="currentScript" src="http://127.0.0.1:9/enduser.js?">'
    shop.page(f"{image}{shop.tag}")
    tab = person.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(shop.url())
    tab.evaluate("new Promise((done) => setTimeout(done, 1500))")
    assert not [url for url in asked if "/v1/" in url]


@pytest.mark.full
def test_more_calls_than_can_wait_all_count_where_nothing_has_to_be_waited_for(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visit(shop, person)
    tab.evaluate("for (let number = 0; number < 1200; number++) void enduser.track('Many', { number })")
    messages = shop.wait(lambda found: len(found) == 1_201)
    assert {m["properties"]["number"] for m in named(messages, "Many")} == {*range(1_200)}


@pytest.mark.full
def test_an_event_that_cannot_be_written_takes_no_other_along(shop: Shop, person: BrowserContext) -> None:
    hook = "(m) => { if (m.event === 'Bad') m.context.me = m.context; return m }"
    given = f"<script>enduser = {{ calls: [['init', [{{ beforeSend: {hook} }}], 0]] }}</script>"
    tab = visit(shop, person, given)
    tab.evaluate("enduser.track('One'); enduser.track('Bad'); void enduser.track('Two')")
    shop.wait_for("page", "One", "Two")


@pytest.mark.full
def test_sdks_of_two_spaces_on_one_page_work_side_by_side(shop: Shop, person: BrowserContext) -> None:
    key = shop.server.cli("systems", "create", f"{shop.space}-2").strip()
    other = Shop(shop.server, shop.hop, shop.pages, f"{shop.space}-2", key)
    tab = visit(shop, person, other.tag)
    tab.evaluate("void 0")
    shop.wait(lambda messages: messages)
    other.wait(lambda messages: messages)


def test_whatever_a_page_hands_over_nothing_is_thrown_into_it(
    shop: Shop, person: BrowserContext, complaints: list[str]
) -> None:
    tab = visit(shop, person)
    strange = [
        *(
            "undefined",
            "null",
            "0",
            "NaN",
            "true",
            "Symbol('s')",
            "10n",
            "() => 1",
            "[]",
            "''",
            "'x'.repeat(1e6)",
        ),
        *("new Proxy({}, { ownKeys() { throw 1 } })", "{ get a() { throw 1 } }", "window", "document.body"),
        *(
            "(() => { const a = {}; a.a = a; return a })()",
            "new Map([[1, 2]])",
            "Object.create(null)",
            "new Date(NaN)",
        ),
        "(() => { let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; return a })()",
    ]
    for value in strange:
        for method in ("identify", "track", "page", "properties", "reset", "shown", "init"):
            tab.evaluate(f"void enduser.{method}({value})")
            tab.evaluate(f"void enduser.{method}('fine', {value}, {value})")
    tab.evaluate("void enduser.track('End')")
    shop.wait(lambda messages: named(messages, "End"), 60)
    assert not [text for text in complaints if text.startswith("thrown")]


@pytest.mark.full
def test_what_cannot_be_sent_is_left_out_and_told_and_the_event_still_counts(
    shop: Shop, person: BrowserContext, complaints: list[str]
) -> None:
    tab = visit(shop, person)
    tab.evaluate("void enduser.track('Large', { text: 'é'.repeat(10_000) })")
    tab.evaluate("const a = { b: 1 }; a.a = a; void enduser.track('Round', a)")
    messages = shop.wait_for("page", "Large", "Round")
    assert all("properties" not in message for message in messages)
    assert [text for text in complaints if "properties of Large are left out" in text]
    assert [text for text in complaints if "properties of Round are left out" in text]


VALUES = {
    "{ at: new Date(0) }": {"at": "1970-01-01T00:00:00.000Z"},
    "{ a: undefined, b: () => 1, c: [undefined, NaN, -0, 1e21, 5n] }": {"c": [None, None, 0, 1e21, "5"]},
    r"""{ text: "\u0000\u001f\"\\/\u2028é😀\ud83d." }""": {"text": '\x00\x1f"\\/\u2028é😀\ufffd.'},
    '{ "": 1, "__proto__x": 2 }': {"": 1, "__proto__x": 2},
    "Object.assign(Object.create({ inherited: 1 }), { own: 2 })": {"own": 2},
}


@pytest.mark.full
@pytest.mark.parametrize(("value", "told"), VALUES.items())
def test_values_are_told_as_json_has_them(
    shop: Shop, person: BrowserContext, value: str, told: dict[str, object]
) -> None:
    tab = visit(shop, person)
    tab.evaluate(f"void enduser.track('Bought', {value})")
    (bought,) = named(shop.wait_for("page", "Bought"), "Bought")
    assert bought["properties"] == told


@pytest.mark.full
def test_what_the_page_changes_after_a_call_is_not_told(shop: Shop, person: BrowserContext) -> None:
    tab = visit(shop, person)
    tab.evaluate("const told = { plan: 'free' }; void enduser.track('Bought', told); told.plan = 'vip'")
    (bought,) = named(shop.wait_for("page", "Bought"), "Bought")
    assert bought["properties"] == {"plan": "free"}


@pytest.mark.full
@pytest.mark.parametrize(
    "failure", ["throw new Error('of the hook')", "return {}", "return Promise.resolve(m)"]
)
def test_a_before_send_that_fails_stops_its_event_and_nothing_else(
    shop: Shop, person: BrowserContext, complaints: list[str], failure: str
) -> None:
    hook = f"(m) => {{ if (m.event === 'Bad') {failure}; return m }}"
    tab = visit(
        shop, person, f"<script>enduser = {{ calls: [['init', [{{ beforeSend: {hook} }}], 0]] }}</script>"
    )
    tab.evaluate("enduser.track('Bad'); void enduser.track('Good')")
    shop.wait_for("page", "Good")
    assert [text for text in complaints if "beforeSend failed" in text]
    assert not [text for text in complaints if text.startswith("thrown")]


def hostile(rng: random.Random) -> str:
    """Return an expression of JavaScript for something that nobody would hand over."""
    texts = [
        "\x00",
        "'",
        '"',
        "</script>",
        "\\u0000",
        "\ud83d",
        "😀" * 90,
        "%",
        "../..",
        "a" * 300,
        "null",
        "\r\n",
    ]
    kind = rng.randrange(6)
    if kind == 0:
        return json.dumps("".join(rng.choices(texts, k=rng.randrange(1, 6))))
    if kind == 1:
        return rng.choice(
            ["undefined", "NaN", "-1e400", "10n", "[[[]]]", "Symbol.iterator", "/x/g", "new Date()"]
        )
    if kind == 2:
        return f"{{ {json.dumps(rng.choice(texts))}: {hostile(rng)} }}"
    if kind == 3:
        return f"[{hostile(rng)}, {hostile(rng)}]"
    if kind == 4:
        return f"'x'.repeat({rng.choice([1, 255, 257, 14_990, 15_010, 40_000])})"
    return str(rng.choice([0, -0.0, 1e308, 2**63, 0.1]))


def test_hostile_ids_and_attributes_harm_neither_page_nor_server(
    shop: Shop, person: BrowserContext, complaints: list[str]
) -> None:
    rng = random.Random(7)
    tab = visit(shop, person)
    calls = []
    for number in range(tries(300, 3_000)):
        calls.append(f"enduser.identify({hostile(rng)}, {hostile(rng)})")
        calls.append(f"enduser.track({hostile(rng)}, {{ number: {number}, value: {hostile(rng)} }})")
        calls.append(
            rng.choice([f"enduser.page({hostile(rng)})", f"enduser.properties({hostile(rng)})", "0"])
        )
    for start in range(0, len(calls), 90):
        tab.evaluate(";".join(f"void {call}" for call in calls[start : start + 90]))
        tab.evaluate("new Promise((done) => setTimeout(done, 150))")
    tab.evaluate("enduser.reset(); enduser.identify('ada'); void enduser.track('End')")
    shop.wait(lambda messages: named(messages, "End"), 90)
    assert not [text for text in complaints if text.startswith("thrown")]
    assert "Traceback" not in shop.server.log


# --- strict pages


def test_a_strict_content_policy_needs_two_entries_and_nothing_is_violated(
    shop: Shop, person: BrowserContext, complaints: list[str]
) -> None:
    policy = (
        f"default-src 'none'; script-src {shop.hop.url}; connect-src {shop.hop.url}; img-src data:; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    tab = visit(shop, person, content_security_policy=policy)
    tab.evaluate("void 0")
    shop.wait_for("page")
    assert complaints == []


@pytest.mark.full
def test_a_page_that_is_isolated_from_others_can_load_the_script(shop: Shop, person: BrowserContext) -> None:
    isolated = {"cross_origin_embedder_policy": "require-corp", "cross_origin_opener_policy": "same-origin"}
    tab = visit(shop, person, **isolated)
    assert tab.evaluate("crossOriginIsolated")
    shop.wait_for("page")


@pytest.mark.full
def test_where_the_server_cannot_be_reached_the_page_is_as_before(
    shop: Shop, person: BrowserContext, complaints: list[str]
) -> None:
    snippet = shop.server.cli("systems", "snippet", shop.space, "--url", "http://127.0.0.1:9")
    shop.page(snippet)
    tab = person.new_page()
    tab.goto(shop.url())
    decision = tab.evaluate("enduser.track('Bought'); enduser.decide()")
    assert decision == {"content": [], "segments": [], "valid_until": None, "as_of": None}
    assert not [text for text in complaints if text.startswith("thrown")]


def test_a_wrong_write_key_is_seen_in_the_console(shop: Shop, person: BrowserContext) -> None:
    shop.page(shop.tag.replace(shop.key, "WRONG"))
    tab = person.new_page()
    with tab.expect_console_message(timeout=10_000) as said:
        tab.goto(shop.url())
    assert "401" in said.value.text


# --- what it costs


def test_the_script_and_the_snippet_are_small(shop: Shop) -> None:
    shop.have(unique_user="variable:application.user.id", hash_salt="a salt of some length", hash_ids="on")
    script = httpx.get(f"{shop.server.url}/enduser.js?key={shop.key}").content
    assert len(gzip.compress(script, 9)) <= SERVED_BYTES_MAX
    assert len(shop.server.cli("systems", "snippet", shop.space)) <= 1_024


FRAMES = """
<script>
  window.ours = [];
  new PerformanceObserver((list) => {
    for (const frame of list.getEntries()) {
      ours.push(...frame.scripts.filter((script) => script.sourceURL.includes("enduser.js")));
    }
  }).observe({ type: "long-animation-frame", buffered: true });
</script>
"""
"""Collects which of our scripts have a part in frames of more than 50 ms."""


def test_the_sdk_costs_a_page_no_long_task_and_one_more_request_for_many_events(
    shop: Shop, person: BrowserContext
) -> None:
    """Of three tries one is without; on a busy machine any call of the browser may take long."""
    long = []
    for number in range(1, 4):
        tab = visit(shop, person, FRAMES)
        tab.evaluate("new Promise((done) => setTimeout(done, 1100))")
        tab.evaluate("for (let number = 0; number < 50; number++) void enduser.track('Many', { number })")
        shop.wait(lambda messages, number=number: len(messages) == number * 51)
        long.append(tab.evaluate("ours.map((script) => script.duration).filter((ms) => ms > 50)"))
        tab.close()
        if long[-1] == []:
            break
    assert [] in long
    assert shop.sent() <= 2 * len(long)


def work_ms(session: CDPSession, *names: str) -> float:
    """Return how long the page's main thread has worked in all, by a clock of its own."""
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return 1_000 * sum(float(metrics[name]) for name in names)


def test_the_start_of_the_sdk_keeps_the_page_for_milliseconds(
    shop: Shop, person: BrowserContext, chromium: Browser
) -> None:
    """Running the script, the first page view, ids and storage: all of our tasks. The best of some tries."""
    shop.page()
    longest, together = [], []
    while len(longest) < TRIES and not (
        longest and min(longest) < TASK_MS_MAX and min(together) < START_MS_MAX
    ):
        tab = person.new_page()
        chromium.start_tracing(page=tab, categories=["devtools.timeline"])
        tab.goto(shop.url())
        tab.wait_for_function("window.enduser")
        tab.evaluate("new Promise((done) => setTimeout(done, 200))")
        events = json.loads(chromium.stop_tracing())["traceEvents"]
        ours = [
            event["tdur"] / 1_000
            for event in events
            if event["name"] in ("EvaluateScript", "FunctionCall") and shop.key in json.dumps(event["args"])
        ]
        longest.append(max(ours))
        together.append(sum(ours))
        tab.close()
    assert min(longest) < TASK_MS_MAX, longest
    assert min(together) < START_MS_MAX, together


@pytest.mark.full
def test_an_idle_page_is_left_alone(shop: Shop, person: BrowserContext) -> None:
    tab = visit(shop, person)
    shop.wait_for("page")
    wait_until(lambda: tab.evaluate("Object.keys(localStorage).length") == 0)
    session = person.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = work_ms(session, "TaskDuration")
    tab.evaluate("new Promise((done) => setTimeout(done, 4000))")
    assert work_ms(session, "TaskDuration") - before < 4 * IDLE_MS_A_SECOND_MAX
    assert [m["type"] for m in shop.messages] == ["page"]
