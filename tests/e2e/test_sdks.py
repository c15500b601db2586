"""The SDKs that sites have already, unmodified, against a running server."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
from hop import Hop
from places import FLAT, write_mmdb
from playwright.sync_api import Browser, BrowserContext, Page
from running import DEADLINE_S, enduser
from serving import Server, events_of, outcomes_of, wait_until
from tiers import some_daily

from enduser.core.end_user import STANDARD_ATTRIBUTES

ROOT = Path(__file__).parents[2]
SENDERS = Path(__file__).parent / "sdks"
PACKAGES = ROOT / ".cache" / "sdks" / "node_modules"
"""Where `make sdks` installs what tests/e2e/sdks/package.json names."""

WINDOW_S = 2
IP = "203.0.113.7"
IP_OF_THE_PROGRAMS = "81.2.69.142"
"""In the documentation stands one that place databases know, so that who tries it sees a place."""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CONTEXT = {"ip": IP, "userAgent": FIREFOX}
BEGAN_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)

SERVER_SDKS = {
    "segment-analytics-python": ("send.py", "segment"),
    "segment-analytics-python, gzip": ("send.py", "segment-gzip"),
    "@segment/analytics-node": ("send.cjs", "segment"),
    "rudder-sdk-python": ("send.py", "rudder"),
    "@rudderstack/rudder-sdk-node": ("send.cjs", "rudder"),
}
NOT_TOLD_DAILY = {"segment-analytics-python", "@rudderstack/rudder-sdk-node"}
"""The others tell of visits each day, and these send again what was lost; all do both in the full tier."""
each_server_sdk = pytest.mark.parametrize("sdk", some_daily([*SERVER_SDKS], NOT_TOLD_DAILY))


@pytest.fixture(autouse=True, scope="module")
def _packages() -> None:
    assert PACKAGES.is_dir(), "the SDKs of JavaScript are not installed; run: make sdks"


def call(kind: str, after_s: float, user_id: str | None = "ada", **more: object) -> dict[str, object]:
    """Return a call of an SDK, so many seconds after the beginning."""
    ids = {} if user_id is None else {"userId": user_id}
    at = (BEGAN_AT + timedelta(seconds=after_s)).isoformat()
    return {"type": kind, **ids, "timestamp": at, "context": CONTEXT, **more}


VISITS = [
    call(
        "page", 0, None, anonymousId="visitor-1", name="Landing", properties={"url": "https://shop.example/"}
    ),
    call("identify", 10, traits={"name": "Ada Lovelace", "role": "analyst", "plan": "vip"}),
    call("page", 11, name="Reports", properties={"url": "https://shop.example/reports"}),
    call("track", 11.5, event="Report Exported", properties={"format": "pdf", "rows": 12}),
    call("group", 40, groupId="acme", traits={"industry": "engines"}),
    call("alias", 41, previousId="ada-of-old"),
    call("screen", 71.5, name="Orders"),
    call("track", 73, event="Order Placed", properties={"total": 9.5}),
]
"""Two visits of a user, of 1.5 s each, a minute apart; before them somebody else's."""


def sender(sdk: str, url: str, key: str) -> subprocess.Popen[str]:
    """Start a program that makes the calls of its standard input with an SDK."""
    program, name = SERVER_SDKS[sdk]
    language = sys.executable if program.endswith(".py") else "node"
    return start([language, SENDERS / program, name, url, key])


def start(command: Sequence[object]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*map(str, command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NODE_PATH": str(PACKAGES)},
    )


def finish(process: subprocess.Popen[str], calls: Sequence[dict[str, object]] = ()) -> None:
    """Give a program its calls and wait until it has sent them; it may not complain."""
    with process:
        output, errors = process.communicate(json.dumps(calls), timeout=DEADLINE_S)
    assert (process.returncode, output + errors) == (0, "")


def made_ready(server: Server, folder: Path) -> Server:
    """Have sessions close after two seconds, and let it be known where our addresses are."""
    server.cli("config", "set", "inactivity_window_s", WINDOW_S, "--yes")
    places = {"203.0.113.0/24": FLAT, f"{IP_OF_THE_PROGRAMS}/32": FLAT}
    server.cli("geo", "install", "--file", write_mmdb(folder / "city.mmdb", places))
    return server


def when(after_s: float) -> Any:
    """Return a time in an export, so many seconds after the beginning, but for how long sending took."""
    return pytest.approx((BEGAN_AT + timedelta(seconds=after_s)).timestamp(), abs=1)


def timestamp(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


# --- servers


@dataclass(frozen=True)
class Told:
    """What a server made of the visits."""

    users: dict[str, dict[str, Any]]
    sessions: list[dict[str, Any]]
    events: list[dict[str, Any]]
    outcomes: dict[tuple[str, str], int]


@pytest.fixture(scope="module", params=some_daily([*SERVER_SDKS], SERVER_SDKS.keys() - NOT_TOLD_DAILY))
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The visits, sent with one SDK after the other."""
    folder = tmp_path_factory.mktemp("told")
    server = made_ready(Server(folder / "data"), folder)
    try:
        finish(sender(request.param, server.url, server.write_key), VISITS)
        server.wait_for_user("ada")
        users, sessions = server.users(), server.sessions("ada")
        server.stop()
        yield Told(users, sessions, list(events_of(server.data)), outcomes_of(server.data))
    finally:
        server.kill()


def test_what_happened_before_is_told_by_any_sdk_and_gives_the_same_object(told: Told) -> None:
    found = dict(told.users["ada"])
    assert timestamp(found.pop("first_seen")) == when(10)
    assert timestamp(found.pop("last_seen")) == when(73)
    assert found == {
        "attributes": {},
        "user_id": "ada",
        "is_anonymous": False,
        "total_sessions": 2,
        "average_session_duration": pytest.approx(1.5, abs=0.5),
        "total_session_duration": pytest.approx(3, abs=1),
        "average_time_between_sessions": pytest.approx(60, abs=1),
        "country": "NO",
        "region": "Oslo County",
        "city": "Oslo",
        "browser_name": "Firefox",
        "browser_version": "140.0",
        "name": "Ada Lovelace",
        "role": "analyst",
        "type": None,
        "status": None,
        "info": None,
    }


def test_sessions_told_by_any_sdk_are_those_that_were(told: Told) -> None:
    assert [(s["events"], s["page_views"], s["is_closed"]) for s in told.sessions] == [
        (3, 1, True),
        (2, 1, True),
    ]
    assert told.users["visitor-1"]["is_anonymous"]


def test_each_call_of_an_sdk_is_one_event_as_it_was_made(told: Told) -> None:
    columns = ("type", "id", "is_anonymous", "name", "page_url", "previous_id")
    assert [tuple(event[column] for column in columns) for event in told.events] == [
        ("page", "visitor-1", True, "Landing", "https://shop.example/", None),
        ("identify", "ada", False, None, None, None),
        ("page", "ada", False, "Reports", "https://shop.example/reports", None),
        ("track", "ada", False, "Report Exported", None, None),
        ("group", "ada", False, None, None, None),
        ("alias", "ada", False, None, None, "ada-of-old"),
        ("screen", "ada", False, "Orders", None, None),
        ("track", "ada", False, "Order Placed", None, None),
    ]
    traits, exported, ordered = (
        told.events[at][what] for at, what in ((1, "traits"), (3, "properties"), (7, "properties"))
    )
    assert json.loads(traits) == {"name": "Ada Lovelace", "role": "analyst", "plan": "vip"}
    assert json.loads(exported) == {"format": "pdf", "rows": 12}
    assert json.loads(ordered) == {"total": 9.5}
    assert told.outcomes == {("stored", ""): 8}


@each_server_sdk
def test_what_an_sdk_sends_again_is_not_lost_and_not_double(server: Server, sdk: str) -> None:
    with Hop(server.url, accidents=["bad gateway", "lost"]) as hop:
        finish_noisily(sender(sdk, hop.url, server.write_key), VISITS)
    assert [accident for _, _, accident in hop.calls][:3] == ["bad gateway", "lost", "pass"]
    server.stop()
    assert len(list(events_of(server.data))) == len(VISITS)
    outcomes = outcomes_of(server.data)
    assert outcomes["stored", ""] == len(VISITS)
    assert outcomes["duplicate", ""] > 0, "the answer that was lost was one to nothing"


def finish_noisily(process: subprocess.Popen[str], calls: Sequence[dict[str, object]]) -> None:
    """Do as `finish`, but let the SDK say that its first tries failed."""
    with process:
        _, errors = process.communicate(json.dumps(calls), timeout=DEADLINE_S)
    assert process.returncode == 0, errors


def test_what_happens_before_the_server_is_there_arrives_once_it_is(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    listed = enduser("systems", "list", "--format", "json", data=tmp_path / "data")
    key = json.loads(listed.stdout)[0]["write_key"]
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
        process = sender("segment-analytics-python", f"http://127.0.0.1:{port}", key)
        assert process.stdin is not None
        process.stdin.write(json.dumps(VISITS))
        process.stdin.close()
        nobody.settimeout(DEADLINE_S)
        nobody.accept()[0].close()
    started = serve(port=port)
    with process:
        assert process.wait(DEADLINE_S) == 0
    started.stop()
    assert outcomes_of(started.data) == {("stored", ""): len(VISITS)}


# --- the documentation


def snippets() -> Iterator[tuple[str, str, str]]:
    """Yield the SDK, the language and the program of each section of docs/collect.md that has one."""
    text = (ROOT / "docs" / "collect.md").read_text(encoding="utf-8")
    yield from re.findall(r"^## `([^`]+)`\n(?:(?!^## )[^\0])*?^```(\w+)\n([^`]+)^```", text, re.MULTILINE)


SNIPPETS = {sdk: (language, program) for sdk, language, program in snippets()}
PROPERTIES_OF_THE_PROGRAMS = {
    "name": "Ada Lovelace",
    "role": "analyst",
    "type": "customer",
    "status": "active",
    "info": "annual plan",
}
BROWSER_SDK = "@segment/analytics-next"


def snippet(sdk: str, url: str, key: str) -> str:
    """Return a program of the documentation with our server and write key in it."""
    program = SNIPPETS[sdk][1]
    for sample, ours in (("http://127.0.0.1:8300", url), ("WRITE_KEY", key)):
        assert sample in program
        program = program.replace(sample, ours)
    return program


def test_the_documentation_has_a_program_for_every_sdk_that_is_tested() -> None:
    assert set(SNIPPETS) == {sdk.removesuffix(", gzip") for sdk in SERVER_SDKS} | {BROWSER_SDK}


@pytest.fixture(scope="module")
def ready(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server with a space for each program, and which knows where our addresses are."""
    return made_ready(shared_server, tmp_path_factory.mktemp("ready"))


@pytest.mark.parametrize("sdk", [sdk for sdk in SNIPPETS if sdk != BROWSER_SDK])
def test_the_program_in_the_documentation_brings_a_user(ready: Server, sdk: str, tmp_path: Path) -> None:
    space = f"program/{re.sub(r'[^a-z]+', '-', sdk).strip('-')}"
    key = ready.cli("systems", "create", space).strip()
    ready.cli("config", "set", "inactivity_window_s", WINDOW_S, "--yes", "--space", space)
    program = snippet(sdk, ready.url, key)
    if SNIPPETS[sdk][0] == "python":
        finish(start([sys.executable, "-c", program]))
    else:
        finish(start(["node", in_module_folder(tmp_path, program, "program.mjs")]))
    found = ready.wait_for_user("ada", space)
    assert {name: found[name] for name in PROPERTIES_OF_THE_PROGRAMS} == PROPERTIES_OF_THE_PROGRAMS
    assert found["total_sessions"] == 1
    assert (found["city"], found["browser_name"], found["browser_version"]) == ("Oslo", "Firefox", "140.0")


def in_module_folder(folder: Path, program: str, name: str) -> Path:
    """Write a JavaScript program where it finds the packages."""
    (folder / "node_modules").symlink_to(PACKAGES)
    path = folder / name
    path.write_text(program, encoding="utf-8")
    return path


def test_the_sdks_are_pinned_and_their_lock_names_no_host() -> None:
    versions = json.loads((SENDERS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in versions.values())
    assert "://" not in (SENDERS / "package-lock.json").read_text(encoding="utf-8")


# --- browsers


class Pages(http.server.ThreadingHTTPServer):
    """The web site of somebody else than the server: one page with a bundle of ours."""

    def __init__(self, folder: Path, program: str) -> None:
        handler = partial(_Quiet, directory=str(folder / "site"))
        super().__init__(("127.0.0.1", 0), handler)
        (folder / "site").mkdir()
        (folder / "site" / "index.html").write_text(
            '<!doctype html><title>Shop</title><link rel="icon" href="data:,"><script src="page.js"></script>'
        )
        source = in_module_folder(folder, program, "page.mjs")
        bundled = [PACKAGES / ".bin" / "esbuild", source, "--bundle", f"--outfile={folder}/site/page.js"]
        finish(start([*bundled, "--log-level=warning"]))
        self.url = f"http://localhost:{self.server_port}/"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=[0.05])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxied(serve: Callable[..., Server], tmp_path: Path) -> Server:
    """A server that trusts the proxy before it."""
    return made_ready(serve("--trusted-hops", 1), tmp_path)


def test_the_program_in_the_documentation_brings_a_user_from_a_browser(
    proxied: Server, person: BrowserContext, tmp_path: Path
) -> None:
    with Hop(proxied.url, sender=IP) as hop:
        program = snippet(BROWSER_SDK, hop.url, proxied.write_key)
        with Pages(tmp_path, program) as pages:
            tab = person.new_page()
            tab.goto(pages.url)
            wait_for_events(tab, hop, 3)
            tab.close()
    found = proxied.wait_for_user("ada")
    assert {name: found[name] for name in PROPERTIES_OF_THE_PROGRAMS} == PROPERTIES_OF_THE_PROGRAMS
    assert found["total_sessions"] == 1
    assert (found["country"], found["city"], found["browser_name"]) == ("NO", "Oslo", "Chromium")
    assert "OPTIONS" in {method for method, _, _ in hop.calls}, "nothing crossed from one origin to another"


PAGE = """
import { AnalyticsBrowser } from "@segment/analytics-next";

window.analytics = AnalyticsBrowser.load(
    { writeKey: "%s", cdnURL: "%s" },
    { highEntropyValuesClientHints: ["fullVersionList"] },
);
window.analytics.page();
"""


@pytest.fixture
def shop(proxied: Server, tmp_path: Path) -> Iterator[tuple[Hop, str]]:
    """The proxy, and the address of a page that tells each of its views."""
    with Hop(proxied.url, sender=IP) as hop, Pages(tmp_path, PAGE % (proxied.write_key, hop.url)) as pages:
        yield hop, pages.url


def test_a_visitor_who_logs_in_is_anonymous_before_and_a_user_after(
    proxied: Server, person: BrowserContext, chromium: Browser, shop: tuple[Hop, str]
) -> None:
    hop, address = shop
    tab = visit(person, address, hop, 1)
    tab.evaluate('analytics.identify("ada", { name: "Ada Lovelace" })')
    tab.evaluate('analytics.track("Report Exported", { format: "pdf" })')
    tab.close()
    proxied.wait_for_user("ada")
    visit(person, address, hop, 4).close()
    wait_until(lambda: proxied.users()["ada"]["total_sessions"] == 2)

    ada, visitor = sorted(proxied.users().values(), key=lambda user: bool(user["is_anonymous"]))
    assert all(ada[name] is not None for name in STANDARD_ATTRIBUTES)
    assert (ada["city"], ada["browser_name"], ada["browser_version"]) == (
        "Oslo",
        "Chromium",
        chromium.version,
    )
    assert visitor["total_sessions"] == 1
    proxied.stop()
    events = list(events_of(proxied.data))
    assert [(e["type"], e["id"], e["anonymous_id"], e["page_url"]) for e in events] == [
        ("page", visitor["user_id"], None, address),
        ("identify", "ada", visitor["user_id"], address),
        ("track", "ada", visitor["user_id"], address),
        ("page", "ada", visitor["user_id"], address),
    ]


def test_what_a_browser_sends_again_is_let_in_and_not_double(
    proxied: Server, person: BrowserContext, shop: tuple[Hop, str]
) -> None:
    hop, address = shop
    tab = visit(person, address, hop, 1)
    hop.accidents.extend(["cut", "bad gateway", "lost"])
    tab.evaluate('void analytics.track("Report Exported")')
    wait_for_events(tab, hop, 5)
    tab.close()
    proxied.stop()
    assert outcomes_of(proxied.data) == {("stored", ""): 2, ("duplicate", ""): 1}


def test_what_could_not_be_sent_before_the_page_was_left_comes_with_the_next_page(
    proxied: Server, person: BrowserContext, shop: tuple[Hop, str]
) -> None:
    hop, address = shop
    tab = visit(person, address, hop, 1)
    hop.accidents.append("bad gateway")
    tab.evaluate('void analytics.track("Report Exported")')
    wait_for_events(tab, hop, 2)
    tab.goto("about:blank")
    tab.goto(address)
    wait_for_events(tab, hop, 4)
    tab.close()
    proxied.stop()
    assert sorted(str(e["type"]) for e in events_of(proxied.data)) == ["page", "page", "track"]


def visit(person: BrowserContext, address: str, hop: Hop, events: int) -> Page:
    """Open a tab with a page, and wait until so many events in all have come by."""
    tab = person.new_page()
    tab.goto(address)
    wait_for_events(tab, hop, events)
    return tab


def wait_for_events(tab: Page, hop: Hop, count: int) -> None:
    """Wait until so many event calls in all have come by, also those that had an accident."""

    def has_come() -> bool:
        tab.evaluate("0")  # lets the browser's messages be read meanwhile
        return len([path for method, path, _ in hop.calls if method == "POST"]) >= count

    wait_until(has_come)
