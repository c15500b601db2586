"""Who the SDK says the user is, in a real browser: each method of `unique_user`, and what is kept."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

import pytest
from browsing import Message, Shop, json_of, told_by
from playwright.sync_api import Browser, BrowserContext, Page
from tiers import some_daily

from enduser.core.events import BLANKS, JUNK_IDS, hashed_id, known_id

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SALT = "pépper"


def with_settings(**settings: object) -> pytest.MarkDecorator:
    """Give the shop of a test settings."""
    return pytest.mark.parametrize("shop", [settings], indirect=True)


def visited(shop: Shop, person: BrowserContext, html: str, path: str = "/", host: str = "localhost") -> Page:
    """Open a page that has some HTML before the SDK."""
    shop.page(html + shop.tag, path)
    tab = person.new_page()
    tab.goto(shop.url(path, host))
    return tab


def first(shop: Shop) -> Message:
    """Return the first message that comes."""
    return shop.wait(lambda messages: messages)[0]


# --- where the id is found


@with_settings(unique_user="cookie:uid")
@pytest.mark.parametrize("told", some_daily(["ada", '"a%64a"', " ada", "%22ada%22"], ["%22ada%22"]))
def test_a_cookie_says_who_the_user_is(shop: Shop, person: BrowserContext, told: str) -> None:
    visited(shop, person, f"<script>document.cookie = {json_of('uid=' + told)}</script>")
    assert first(shop)["userId"] == "ada"


@pytest.mark.full
@with_settings(unique_user="selector:##user")
def test_a_selector_that_is_none_is_told_to_the_developer(shop: Shop, person: BrowserContext) -> None:
    told = told_by(person)
    visited(shop, person, "")
    assert "userId" not in first(shop)
    assert [text for text in told if text.startswith("enduser: unique_user is no selector")]


@with_settings(unique_user="selector:#user@data-id")
def test_an_attribute_of_an_element_says_who_the_user_is(shop: Shop, person: BrowserContext) -> None:
    visited(shop, person, '<b id="user" data-id="ada">Ada Lovelace</b>')
    assert first(shop)["userId"] == "ada"


@pytest.mark.full
@pytest.mark.parametrize(
    ("shop", "html"),
    [
        ({"unique_user": "selector:.user b"}, '<p class="user"><b>\n ada\n</b></p>'),
        ({"unique_user": "selector:#user"}, '<input id="user" value="ada">'),
        ({"unique_user": "selector:meta[name=user]"}, '<meta name="user" content="ada">'),
        ({"unique_user": "selector:meta[name=user]@content"}, '<meta name="user" content="ada">'),
    ],
    indirect=["shop"],
)
def test_text_or_value_of_an_element_says_who_the_user_is(
    shop: Shop, person: BrowserContext, html: str
) -> None:
    visited(shop, person, html)
    assert first(shop)["userId"] == "ada"


@pytest.mark.full
@with_settings(unique_user="variable:app.user.id")
@pytest.mark.parametrize(("value", "user_id"), [("ada", "ada"), (7, "7")])
def test_a_variable_says_who_the_user_is(
    shop: Shop, person: BrowserContext, value: object, user_id: str
) -> None:
    visited(shop, person, f"<script>window.app = {json_of({'user': {'id': value}})}</script>")
    assert first(shop)["userId"] == user_id


@with_settings(unique_user="variable:app.user.id")
def test_an_id_that_comes_late_is_that_of_the_first_page_view(shop: Shop, person: BrowserContext) -> None:
    late = "<script>setTimeout(() => { window.app = { user: { id: 'ada' } }; }, 700)</script>"
    visited(shop, person, late)
    message = first(shop)
    assert (message["type"], message["userId"]) == ("page", "ada")
    assert UUID.fullmatch(message["anonymousId"])


@pytest.mark.full
@with_settings(unique_user="variable:app.user.id")
def test_without_an_id_the_user_is_anonymous_and_is_named_when_he_logs_in(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visited(shop, person, "")
    before = first(shop)
    assert "userId" not in before
    tab.evaluate("window.app = { user: { id: 'ada' } }")
    _, named = shop.wait_for("page", "identify")
    assert (named["userId"], named["anonymousId"]) == ("ada", before["anonymousId"])


@pytest.mark.full
@with_settings(unique_user="variable:app.user.id")
def test_what_happened_before_a_logout_is_still_the_users(shop: Shop, person: BrowserContext) -> None:
    tab = visited(shop, person, "<script>window.app = { user: { id: 'ada' } }</script>")
    tab.wait_for_function("window.enduser")
    tab.evaluate("enduser.track('Left'); window.app = {}; enduser.track('Came')")
    messages = {message.get("event"): message for message in shop.wait_for("page", "Left", "Came")}
    assert messages["Left"]["userId"] == "ada"
    assert "userId" not in messages["Came"]


@pytest.mark.full
@with_settings(unique_user="salesforce")
@pytest.mark.parametrize(
    "page",
    [
        "window.UserContext = { userId: '005D0000001KyEI' }",
        "window.UserContext = { userId: '005D0000001KyEIIA0' }",
        "window.$A = { get: (name) => name === '$SObjectType.CurrentUser.Id' ? '005D0000001KyEIIA0' : 0 }",
    ],
)
def test_a_user_of_salesforce_has_one_id_on_all_its_pages(
    shop: Shop, person: BrowserContext, page: str
) -> None:
    visited(shop, person, f"<script>{page}</script>")
    assert first(shop)["userId"] == "005D0000001KyEIIA0"


def token_of(**claims: object) -> str:
    parts = [{"alg": "HS256"}, claims, "signature"]
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    )


@pytest.mark.full
@with_settings(unique_user="idp")
@pytest.mark.parametrize("given", ["{}", "() => {}", "() => Promise.resolve({})"])
def test_a_signed_id_says_who_the_user_is(shop: Shop, person: BrowserContext, given: str) -> None:
    token = given.replace("{}", json_of(token_of(sub="ådå <b>", exp=9)))
    visited(shop, person, f"<script>enduser = {{ calls: [['init', [{{ token: {token} }}], 0]] }}</script>")
    assert first(shop)["userId"] == "ådå <b>"


@pytest.mark.full
@with_settings(unique_user="idp")
@pytest.mark.parametrize("token", ["", "none", "a.b.c", "a.e30.c", token_of(sub=None), token_of(sub={})])
def test_a_token_that_names_nobody_leaves_the_user_anonymous(
    shop: Shop, person: BrowserContext, token: str
) -> None:
    options = f"{{ token: {json_of(token)} }}"
    visited(shop, person, f"<script>enduser = {{ calls: [['init', [{options}], 0]] }}</script>")
    assert "userId" not in first(shop)


@pytest.mark.full
@with_settings(unique_user="none")
def test_where_nobody_is_tracked_nothing_is_kept_in_the_browser(shop: Shop, person: BrowserContext) -> None:
    tab = visited(shop, person, "")
    before = first(shop)["anonymousId"]
    assert tab.evaluate("document.cookie") == ""
    tab.reload()
    shop.wait(lambda messages: len({m["anonymousId"] for m in messages} - {before}) == 1)
    assert "enduser" not in tab.evaluate("Object.keys(localStorage).filter((n) => !/sends/.test(n)).join()")


# --- what the page says


def test_who_is_identified_stays_so_on_the_next_page_until_he_leaves(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    tab.evaluate("enduser.identify(' ada ', { plan: 'vip' })")
    shop.wait_for("page", "identify")
    tab.reload()
    shop.wait_for("page", "identify", "page")
    tab.evaluate("enduser.reset(); enduser.track('Alone')")
    page, named, again, alone = shop.wait_for("page", "identify", "page", "Alone")
    assert "userId" not in page
    assert (named["userId"], named["traits"]) == ("ada", {"plan": "vip"})
    assert again["userId"] == "ada"
    assert "userId" not in alone
    assert alone["anonymousId"] != page["anonymousId"]


def test_who_logs_out_in_one_tab_is_logged_out_in_all(shop: Shop, person: BrowserContext) -> None:
    one, other = visited(shop, person, ""), visited(shop, person, "")
    for tab in (one, other):
        tab.wait_for_function("window.enduser")
        tab.evaluate("void enduser.identify('ada')")
    shop.wait_for("page", "page", "identify", "identify")
    one.evaluate("void enduser.reset()")
    other.evaluate("new Promise((done) => setTimeout(done, 1500))")
    for tab, name in ((one, "One"), (other, "Other")):
        tab.evaluate(f"void enduser.track('{name}')")
    messages = shop.wait(lambda found: {"One", "Other"} <= {m.get("event") for m in found})
    assert all("userId" not in m for m in messages if m["type"] == "track")


@pytest.mark.full
@with_settings(unique_user="idp")
def test_a_token_that_comes_after_the_logout_names_nobody(shop: Shop, person: BrowserContext) -> None:
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    late = f"new Promise((done) => setTimeout(done, 300, {json_of(token_of(sub='ada'))}))"
    tab.evaluate(f"enduser.identify(null, {{}}, {{ token: () => {late} }}); void enduser.reset()")
    tab.evaluate("new Promise((done) => setTimeout(done, 600)).then(() => enduser.track('End'))")
    messages = shop.wait(lambda found: any(m.get("event") == "End" for m in found))
    assert all("userId" not in m for m in messages)


@pytest.mark.full
@with_settings(unique_user="variable:user")
def test_a_reset_before_the_page_knows_of_the_logout_names_nobody_anew(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visited(shop, person, "<script>window.user = 'ada'</script>")
    tab.wait_for_function("window.enduser")
    tab.evaluate("void enduser.reset(); new Promise((done) => setTimeout(done, 1500))")
    tab.evaluate("window.user = undefined; void enduser.track('Next')")
    page, following = shop.wait_for("page", "Next")
    assert "userId" not in following
    assert following["anonymousId"] != page["anonymousId"]


@pytest.mark.full
def test_users_of_two_spaces_on_one_site_do_not_mix(shop: Shop, person: BrowserContext) -> None:
    key = shop.server.cli("systems", "create", f"{shop.space}-2").strip()
    other = Shop(shop.server, shop.hop, shop.pages, f"{shop.space}-2", key)
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    tab.evaluate("void enduser.identify('ada')")
    shop.wait_for("page", "identify")
    visited(other, person, "", "/other")
    assert "userId" not in first(other)


@pytest.mark.full
@with_settings(unique_user="variable:user")
def test_an_id_that_comes_after_the_wait_is_not_that_of_what_was_before(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visited(shop, person, GRANT)
    tab.evaluate("new Promise((done) => setTimeout(done, 2200)).then(() => enduser.track('Before'))")
    tab.evaluate("window.user = 'bob'; window.said = true")
    *_, before = shop.wait_for("page", "Before")
    assert "userId" not in before


GRANT = """<script>
  window.said = undefined;
  window.enduser = { calls: [["init", [{ consent: () => window.said }], 0]] };
</script>"""


@pytest.mark.full
def test_what_happened_before_a_logout_without_consent_is_not_the_next_users(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visited(shop, person, GRANT)
    tab.wait_for_function("!window.enduser.calls")
    tab.evaluate("enduser.identify('ada'); enduser.reset(); enduser.track('Next'); window.said = true")
    (following,) = shop.wait_for("Next")
    assert "userId" not in following


@pytest.mark.full
@with_settings(unique_user="variable:user")
def test_an_id_that_the_page_gives_does_not_count_where_the_space_finds_ids_itself(
    shop: Shop, person: BrowserContext
) -> None:
    complaints = told_by(person)
    tab = visited(shop, person, "<script>window.user = 'ada'</script>")
    tab.wait_for_function("window.enduser")
    tab.evaluate("enduser.identify('bob', { plan: 'vip' })")
    _, named = shop.wait_for("page", "identify")
    assert (named["userId"], named["traits"]) == ("ada", {"plan": "vip"})
    assert any("unique_user is variable:user" in complaint for complaint in complaints)


@pytest.mark.full
def test_properties_of_the_user_are_on_his_object(shop: Shop, person: BrowserContext) -> None:
    shop.have(inactivity_window_s=2)
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    tab.evaluate(
        "enduser.identify('ada'); enduser.properties({ name: 'Ada', role: 'analyst', status: null })"
    )
    shop.wait_for("page", "identify", "identify")
    ada = shop.server.wait_for_user("ada", shop.space)
    assert (ada["name"], ada["role"], ada["status"]) == ("Ada", "analyst", None)


def js_ids() -> list[Any]:
    """Return ids of which the server and the SDK must think alike."""
    junk = [*JUNK_IDS, *(word.upper() for word in JUNK_IDS), " null ", "\u0085guest\x1f", BLANKS]
    known = ["0x", "nulll", "x null", "\u200bguest", "ß", "İ", "x" * 256, "é" * 128]
    return [*junk, *known, *(f"{blank}ada{blank}" for blank in BLANKS), "a\u0000b", "\ud83d ada"]


def test_the_sdk_and_the_server_know_the_same_ids(shop: Shop, person: BrowserContext) -> None:
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    ids = js_ids()
    for number, told in enumerate(ids):
        tab.evaluate(f"enduser.reset(); enduser.identify({json.dumps(told)}); enduser.track('{number}')")

    def tracks(messages: list[Message]) -> list[Message]:
        return [message for message in messages if message["type"] == "track"]

    messages = tracks(shop.wait(lambda messages: len(tracks(messages)) == len(ids), 60))
    found = {int(message["event"]): message.get("userId") for message in messages}
    for number, told in enumerate(ids):
        whole = told.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        assert found[number] == known_id(whole), repr(told)


@pytest.mark.full
@pytest.mark.parametrize("told", ["null", "undefined"])
def test_who_is_named_by_no_id_stays_who_he_is(shop: Shop, person: BrowserContext, told: str) -> None:
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    tab.evaluate(f"enduser.identify('ada'); enduser.identify({told}, {{ name: 'Ada' }})")
    *_, last = shop.wait_for("page", "identify", "identify")
    assert (last["userId"], last["traits"]) == ("ada", {"name": "Ada"})


NO_IDS = ["true", "{}", "[]", "NaN", "Symbol()", "() => 1", "'x'.repeat(257)", "''", "'guest'"]


@pytest.mark.parametrize("told", some_daily(NO_IDS, ["{ id: 'bob' }"]))
def test_what_is_said_of_somebody_without_a_right_id_is_nobodys_and_that_is_told(
    shop: Shop, person: BrowserContext, told: str
) -> None:
    complaints = told_by(person)
    tab = visited(shop, person, "")
    tab.wait_for_function("window.enduser")
    tab.evaluate(
        f"enduser.identify('ada'); enduser.identify({told}, {{ name: 'Bob' }}); enduser.track('End')"
    )
    messages = shop.wait_for("page", "identify", "End")
    assert all("traits" not in message for message in messages)
    assert messages[-1]["userId"] == "ada"
    assert [text for text in complaints if "identify() was given no user id" in text]


# --- hashed ids


@with_settings(unique_user="variable:user", hash_salt=SALT, hash_ids="on")
def test_ids_are_hashed_in_the_browser_as_on_the_server(shop: Shop, person: BrowserContext) -> None:
    visited(shop, person, "<script>window.user = 'ådam.br'</script>")
    message = first(shop)
    assert message["userId"] == hashed_id(SALT, "ådam.br")
    assert message["context"]["enduser"] == {"hashed": True}


@pytest.mark.full
@with_settings(unique_user="variable:user", hash_ids="on")
def test_no_part_of_a_page_with_hashed_ids_sends_or_keeps_a_plain_one(
    shop: Shop, person: BrowserContext
) -> None:
    tab = visited(shop, person, "<script>window.user = 'ada-in-plain'</script>")
    tab.wait_for_function("window.enduser")
    tab.evaluate("enduser.track('Bought')")
    tab.close()
    shop.wait_for("page", "Bought")
    assert "ada-in-plain" not in json.dumps(shop.hop.batches)
    again = visited(shop, person, "", "/other")
    assert "ada-in-plain" not in again.evaluate("JSON.stringify({ ...localStorage }) + document.cookie")


@pytest.mark.full
@with_settings(unique_user="variable:user", hash_ids="on", inactivity_window_s=1)
def test_a_page_without_web_crypto_leaves_hashing_to_the_server(shop: Shop, person: BrowserContext) -> None:
    tab = visited(shop, person, "<script>window.user = 'ada'</script>", host="shop.example")
    assert tab.evaluate("typeof crypto.subtle") == "undefined"
    assert first(shop)["userId"] == "ada"
    shop.server.wait_for_user(hashed_id("", "ada"), shop.space)


# --- what the browser keeps


@pytest.mark.parametrize(
    ("hosts", "domain"),
    [
        (["shop.example", "app.shop.example", "a.b.shop.example"], ".shop.example"),
        (["app.shop.co.uk", "shop.co.uk"], ".shop.co.uk"),
        (["127.0.0.1"], "127.0.0.1"),
        (["localhost"], "localhost"),
    ],
)
def test_one_anonymous_id_holds_on_all_hosts_of_a_site(
    shop: Shop, person: BrowserContext, hosts: list[str], domain: str
) -> None:
    for number, host in enumerate(hosts, 1):
        visited(shop, person, "", host=host)
        shop.wait_for(*["page"] * number)
    assert len({message["anonymousId"] for message in shop.messages}) == 1
    assert {(cookie["name"], cookie["domain"]) for cookie in person.cookies()} == {("enduser_id", domain)}


@pytest.mark.full
def test_the_cookie_of_the_anonymous_id_lasts_thirteen_months(shop: Shop, person: BrowserContext) -> None:
    tab = visited(shop, person, "")
    first(shop)
    (cookie,) = person.cookies()
    lasts = (cookie["expires"] - tab.evaluate("Date.now()") / 1000) / 86_400
    assert lasts == pytest.approx(395, abs=1)
    assert (cookie["path"], cookie["sameSite"]) == ("/", "Lax")


@pytest.mark.parametrize(
    ("host", "domain", "labels"), [("app.shop.co.uk", ".shop.co.uk", 3), ("localhost", "localhost", 0)]
)
def test_each_page_lets_the_cookie_last_on(
    shop: Shop, person: BrowserContext, host: str, domain: str, labels: int
) -> None:
    kept = f"{labels}.1f0d6625-0000-4000-8000-000000000000"
    soon = {"expires": time.time() + 86_400, "path": "/", "sameSite": "Lax"}
    person.add_cookies([{"name": "enduser_id", "value": kept, "domain": domain, **soon}])
    visited(shop, person, "", host=host)
    assert first(shop)["anonymousId"] == kept[2:]
    (cookie,) = person.cookies()
    assert (cookie["value"], cookie["domain"]) == (kept, domain)
    assert cookie["expires"] > time.time() + 390 * 86_400


@pytest.mark.full
def test_where_cookies_are_blocked_the_anonymous_id_stands_in_the_storage(
    shop: Shop, person: BrowserContext
) -> None:
    blocked = "<script>Object.defineProperty(document, 'cookie', { get: () => '', set() {} })</script>"
    visited(shop, person, blocked)
    shop.wait_for("page")
    visited(shop, person, blocked)
    one, other = shop.wait_for("page", "page")
    assert one["anonymousId"] == other["anonymousId"]


@pytest.mark.full
def test_where_everything_is_blocked_the_user_is_one_while_the_page_stays(
    shop: Shop, chromium: Browser
) -> None:
    shop.page(shop.tag, "/inside")
    shop.page('<iframe sandbox="allow-scripts" src="/inside"></iframe>')
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto(shop.url())
    frame = tab.frames[1]
    frame.wait_for_function("window.enduser")
    assert (
        frame.evaluate("(() => { try { return document.cookie } catch (e) { return e.name } })()")
        == "SecurityError"
    )
    frame.evaluate("enduser.track('Bought')")
    one, other = shop.wait_for("page", "Bought")
    assert UUID.fullmatch(one["anonymousId"])
    assert one["anonymousId"] == other["anonymousId"]
    context.close()
