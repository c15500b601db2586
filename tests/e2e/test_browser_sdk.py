"""Our own SDK as people put it into their pages: snippet, tag, package; and how it is built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from browsing import Shop, told_by
from playwright.sync_api import BrowserContext
from serving import wait_until

import enduser

ROOT = Path(__file__).parents[2]
SDK = ROOT / "sdk"
BUILT = ROOT / "src" / "enduser" / "web"
TOOLS = SDK / "node_modules" / ".bin"
PACKAGES = ROOT / ".cache" / "sdks" / "node_modules"
"""Where `make sdks` installs React and its router."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build all from the sources."""
    assert TOOLS.is_dir(), "the tools of the SDK are not installed; run: make sdk"
    folder = tmp_path_factory.mktemp("built")
    run("node", SDK / "build.mjs", folder)
    return folder


def run(*command: object, **options: object) -> None:
    """Run a program, which may not complain."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr


# --- pages


def test_the_snippet_in_a_page_brings_a_user_when_the_tab_is_closed(
    shop: Shop, person: BrowserContext
) -> None:
    shop.have(inactivity_window_s=2)
    snippet = shop.server.cli("systems", "snippet", shop.space, "--url", shop.hop.url)
    shop.page(f'{snippet}<button id="buy">Buy</button>')
    tab = person.new_page()
    tab.goto(shop.url())
    tab.click("#buy")
    tab.close()
    viewed, _ = shop.wait_for("page", "$click")
    visitor = shop.server.wait_for_user(viewed["anonymousId"], shop.space)
    assert (visitor["total_sessions"], visitor["is_anonymous"]) == (1, True)
    assert visitor["browser_name"] == "Chromium"


def test_a_snippet_with_a_path_of_the_site_sends_by_the_proxy_of_the_site(
    shop: Shop, person: BrowserContext
) -> None:
    site = shop.url("/e")
    person.route(f"{site}/**", lambda r: r.continue_(url=r.request.url.replace(site, shop.hop.url)))
    shop.page(shop.server.cli("systems", "snippet", shop.space, "--url", "/e"))
    tab = person.new_page()
    with tab.expect_response("**/v1/batch"):
        tab.goto(shop.url())
    shop.wait_for("page")


def test_a_file_on_the_disk_works_as_a_page(shop: Shop, person: BrowserContext, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><title>Mine</title>{shop.tag}", encoding="utf-8")
    person.new_page().goto(page.as_uri())
    (viewed,) = shop.wait_for("page")
    assert viewed["context"]["page"]["url"] == page.as_uri()


EXAMPLES = SDK / "examples"
EXAMPLE_SERVER = "http://127.0.0.1:8300"
"""What stands in examples for the server."""
NOTHING = {"content": [], "segments": [], "valid_until": None, "as_of": None}


def plain_example(shop: Shop) -> str:
    """Have the plain example; return its address but for the server."""
    shop.pages.pages["/"] = ((EXAMPLES / "plain" / "index.html").read_text(encoding="utf-8"), {})
    return f"{shop.url()}?key={shop.key}"


def strict_example(shop: Shop, server: str) -> str:
    """Have the strict example, made as its README says; return its address."""
    for name in ("index.html", "queue.js", "app.js"):
        text = (EXAMPLES / "strict-csp" / name).read_text(encoding="utf-8")
        text = text.replace(EXAMPLE_SERVER, server).replace("WRITE_KEY", shop.key)
        shop.pages.pages["/" if name == "index.html" else f"/{name}"] = (text, {})
    return shop.url()


def test_the_plain_example_does_what_its_buttons_say(shop: Shop, person: BrowserContext) -> None:
    shop.server.cli("content", "create", "banner", "--name", "Banner", "--space", shop.space)
    tab = person.new_page()
    tab.goto(f"{plain_example(shop)}&server={shop.hop.url}")
    for button in ("login", "name", "buy", "next"):
        tab.click(f"#{button}")
    tab.fill("#text", "a secret")
    wait_until(lambda: [tab.click("#decide"), "banner" in tab.inner_text("#seen")][1])
    tab.click("#logout")
    found = {m.get("event") or m["type"] for m in shop.wait(lambda messages: len(messages) >= 12)}
    assert found == {"page", "identify", "Bought", "$click", "$input", "$content_shown"}
    assert {m["name"] for m in shop.distinct if m["type"] == "page"} == {"A plain page", "Another page"}


def test_the_plain_example_has_the_lines_of_the_snippet() -> None:
    *lines, last = (SDK / "snippet.js").read_text(encoding="utf-8").splitlines()
    page = (EXAMPLES / "plain" / "index.html").read_text(encoding="utf-8")
    assert "\n".join(f"  {line}" for line in [*lines, last.split('"')[0]]) in page


def test_the_strict_example_works_under_its_policy(shop: Shop, person: BrowserContext) -> None:
    complaints: list[str] = []
    tab = person.new_page()
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(strict_example(shop, shop.hop.url))
    tab.click("#buy")
    tab.click("#decide")
    tab.get_by_text('"as_of"').wait_for()
    shop.wait_for("page", "identify", "$click", "Bought", "$click")
    assert complaints == []


@pytest.mark.parametrize("example", ["plain", "strict-csp"])
def test_where_the_script_is_blocked_an_example_decides_for_nothing_at_once(
    shop: Shop, person: BrowserContext, example: str
) -> None:
    nowhere = "http://127.0.0.1:9"
    is_plain = example == "plain"
    address = f"{plain_example(shop)}&server={nowhere}" if is_plain else strict_example(shop, nowhere)
    tab = person.new_page()
    tab.clock.install()  # no five seconds pass
    tab.goto(address)
    tab.click("#decide")
    tab.get_by_text('"as_of"').wait_for()
    assert json.loads(tab.inner_text("#seen")) == NOTHING
    assert tab.evaluate("enduser.decide()") == NOTHING


@pytest.mark.parametrize("example", ["plain", "strict-csp"])
def test_where_the_script_does_not_come_an_example_decides_for_nothing_after_five_seconds(
    shop: Shop, person: BrowserContext, example: str
) -> None:
    server = shop.hop.url
    is_plain = example == "plain"
    address = f"{plain_example(shop)}&server={server}" if is_plain else strict_example(shop, server)
    person.route("**/enduser.js?*", lambda _: None)
    tab = person.new_page()
    tab.clock.install()
    tab.goto(address, wait_until="domcontentloaded")
    tab.click("#decide")
    tab.clock.fast_forward(4_000)
    assert tab.inner_text("#seen") == ""
    tab.clock.fast_forward(1_500)
    assert json.loads(tab.inner_text("#seen")) == NOTHING


def test_the_app_with_a_router_of_react_is_built_as_it_says_and_works(
    shop: Shop, person: BrowserContext, built: Path, tmp_path: Path
) -> None:
    told = ["--name", "Hi", "--payload", '{"text": "Hi!"}']
    shop.server.cli("content", "create", "hi", *told, "--space", shop.space)
    folder = tmp_path / "examples" / "react-router"
    shutil.copytree(EXAMPLES / "react-router", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (folder / "node_modules").symlink_to(PACKAGES)
    (tmp_path / "dist").symlink_to(built)
    run("npm", "run", "build", cwd=folder, env={**os.environ, "WRITE_KEY": shop.key, "SERVER": shop.hop.url})
    shop.script("/dist/app.js", (folder / "dist" / "app.js").read_text(encoding="utf-8"))
    for path in ("/", "/orders"):
        shop.pages.pages[path] = ((folder / "index.html").read_text(encoding="utf-8"), {})
    tab = person.new_page()
    tab.goto(shop.url())
    tab.get_by_text("Hi!").wait_for()
    tab.click("#buy")
    tab.click("a")
    messages = shop.wait_for("page", "$content_shown", "$click", "Bought", "$click", "page")
    assert [m["name"] for m in messages if m["type"] == "page"] == ["Home", "Orders"]
    shown = next(m for m in messages if m.get("event") == "$content_shown")
    assert shown["properties"] == {"content_id": "hi"}


def test_the_app_is_not_built_without_a_write_key() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "WRITE_KEY"}
    command = ["npm", "run", "build"]
    done = subprocess.run(
        command, cwd=EXAMPLES / "react-router", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "WRITE_KEY: is to be set; enduser systems list shows it" in done.stderr


# --- the build


@pytest.mark.parametrize("name", ["enduser.js", "snippet.html"])
def test_what_the_server_gives_is_built_from_the_sources(built: Path, name: str) -> None:
    assert (built / name).read_text() == (BUILT / name).read_text(), "run: make sdk"


def test_the_package_has_types_and_can_be_loaded_where_there_is_no_browser(built: Path) -> None:
    run(TOOLS / "tsc", "--project", SDK / "tsconfig.build.json", "--outDir", built / "types")
    (built / "package.json").write_text('{ "type": "module" }')
    use = """
        import enduser from "./index.js";
        enduser.init({ key: "k", host: "h" });
        enduser.track("Bought");
        if ((await enduser.decide()).content.length) throw new Error("it was decided");
    """
    (built / "use.mjs").write_text(use)
    run("node", built / "use.mjs")
    checked = """
        import enduser, { type Decision } from "./types/index.js";
        enduser.init({ key: "k", host: "h", consent: () => true, beforeSend: (message) => message });
        const decision: Decision = await enduser.decide();
        // @ts-expect-error: consent is asked for what holds now
        enduser.init({ consent: async () => true });
        // @ts-expect-error: a name is no number
        enduser.track(decision.content.length);
    """
    (built / "use.ts").write_text(checked)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--ignoreConfig"]
    for module, resolution in (("esnext", "bundler"), ("nodenext", "nodenext")):
        modules = ["--module", module, "--moduleResolution", resolution]
        run(TOOLS / "tsc", *options, *modules, built / "use.ts", cwd=built)


@pytest.mark.parametrize("host", ["localhost:8300", "enduser.example.com", "ftp://example.com"])
def test_a_host_that_is_no_address_is_told(
    built: Path, shop: Shop, person: BrowserContext, host: str
) -> None:
    complaints = told_by(person)
    shop.script("/index.js", (built / "index.js").read_text(encoding="utf-8"))
    shop.page(
        f"""<script type="module">
        import enduser from "/index.js";
        enduser.init({{ key: "k", host: "{host}" }});
        document.title = "done";
        </script>"""
    )
    tab = person.new_page()
    tab.goto(shop.url())
    tab.wait_for_function("document.title === 'done'")
    assert [text for text in complaints if f"init() was given {host} as host" in text]


def test_sdk_and_server_have_one_version() -> None:
    told = json.loads((SDK / "package.json").read_text(encoding="utf-8"))
    assert told["version"] == enduser.__version__
    assert "dependencies" not in told


@pytest.mark.parametrize("folder", [SDK, EXAMPLES / "react-router"], ids=["the SDK", "the example"])
def test_the_packages_of_the_sdk_are_pinned_and_their_lock_names_no_registry(folder: Path) -> None:
    told = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    versions = {**told["devDependencies"], **told.get("dependencies", {})}
    assert all(re.fullmatch(r"[\d.]+", version) for version in versions.values())
    assert '"resolved"' not in (folder / "package-lock.json").read_text(encoding="utf-8")


def test_the_app_has_the_versions_that_tests_have() -> None:
    told = json.loads((EXAMPLES / "react-router" / "package.json").read_text(encoding="utf-8"))
    tested = json.loads((ROOT / "tests" / "e2e" / "sdks" / "package.json").read_text(encoding="utf-8"))
    assert {**told["devDependencies"], **told["dependencies"]}.items() <= tested["dependencies"].items()


def test_the_package_has_what_it_needs_and_nothing_else(built: Path, tmp_path: Path) -> None:
    for name in (
        "package.json",
        "README.md",
        "tsconfig.json",
        "tsconfig.build.json",
        "build.mjs",
        "snippet.js",
    ):
        (tmp_path / name).write_bytes((SDK / name).read_bytes())
    for name in ("src", "node_modules"):
        (tmp_path / name).symlink_to(SDK / name)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.js").write_bytes((built / "index.js").read_bytes())
    run(TOOLS / "tsc", "--project", tmp_path / "tsconfig.build.json", "--outDir", tmp_path / "dist" / "types")
    command = ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    (packed,) = json.loads(done.stdout)
    files = {file["path"] for file in packed["files"]}
    assert {"package.json", "README.md", "dist/index.js", "dist/types/index.d.ts"} <= files
    assert {path.split("/")[0] for path in files} == {"package.json", "README.md", "dist"}
