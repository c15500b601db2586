"""What tests of whole processes share."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import Pages, Shop
from disks import Mount, small_disk
from hop import Hop
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright
from serving import Server

HOSTS = "--host-resolver-rules=MAP *.example 127.0.0.1, MAP *.co.uk 127.0.0.1"


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a disk in memory."""
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives browsers; there can be one only."""
    with sync_playwright() as driver:
        yield driver


def launch(playwright: Playwright, *, without: Sequence[str] = ()) -> Browser:
    """Start Debian's browser; names under `.example` and `.co.uk` lead to this machine."""
    path = shutil.which("chromium")
    assert path, "the tests of browser SDKs need Chromium; on Debian run: apt-get install -y chromium"
    options = ["--no-sandbox", HOSTS]
    return playwright.chromium.launch(executable_path=path, args=options, ignore_default_args=[*without])


@contextmanager
def persons_of(browser: Browser) -> Iterator[BrowserContext]:
    """Have a person's browser, with cookies of its own. It does not call itself headless, as crawlers do."""
    major = browser.version.split(".")[0]
    context = browser.new_context(
        user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{major}.0.0.0 Safari/537.36"
    )
    yield context
    context.close()


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A browser that the tests of a module share."""
    with launch(playwright) as browser:
        yield browser


@pytest.fixture
def person(chromium: Browser) -> Iterator[BrowserContext]:
    """A person's browser."""
    with persons_of(chromium) as context:
        yield context


@pytest.fixture
def remembering(playwright: Playwright) -> Iterator[BrowserContext]:
    """A person's browser that keeps pages which are left, as people's do, and Playwright's does not."""
    browser = launch(playwright, without=["--disable-back-forward-cache"])
    with browser, persons_of(browser) as context:
        yield context


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    """The web server of a site."""
    with Pages() as started:
        yield started


@pytest.fixture(scope="module")
def proxy(shared_server: Server) -> Iterator[Hop]:
    """The proxy before the server."""
    with Hop(shared_server.url) as started:
        yield started


@pytest.fixture
def shop(request: pytest.FixtureRequest, shared_server: Server, proxy: Hop, pages: Pages) -> Iterator[Shop]:
    """A site with a space of its own, whose settings a parameter has, on the server that a module shares."""
    space = f"shop/{uuid.uuid4().hex}"
    key = shared_server.cli("systems", "create", space).strip()
    opened = Shop(shared_server, proxy, pages, space, key)
    opened.have(**getattr(request, "param", {}))
    pages.pages.clear()
    yield opened
    assert opened.messages is not None, "what was sent was taken"
