"""What browsers ask first: settings, and the script of the SDK. What that does stands in tests/e2e."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from collecting import ENDED, KEY, Site, error

from enduser.api.collector.browser_sdk import script_refusal
from enduser.core.settings import SpaceSettings
from enduser.errors import Unauthorized

pytestmark = pytest.mark.anyio

SCRIPT = f"/enduser.js?key={KEY}"


@pytest.fixture
async def site(tmp_path: Path):
    async with Site(tmp_path) as opened:
        yield opened


def told_to(script: str) -> dict[str, object]:
    """Return what stands around the script for it to know."""
    found = re.search(r"\}\)\((\{.*\})\);\n\Z", script)
    assert found
    told: dict[str, object] = json.loads(found.group(1))
    return told


# --- settings


async def test_browser_sdks_are_told_the_settings(site: Site) -> None:
    response = await site.client.get(f"/v1/projects/{KEY}/settings", headers={"host": "collect.test"})
    told = response.json()
    assert told["enduser"]["unique_user"] == "cookie:uid"
    assert told["integrations"]["Segment.io"] == {
        "apiKey": KEY,
        "apiHost": "collect.test/v1",
        "protocol": "http",
    }
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("trusted_hops", "told", "protocol"),
    [(1, "https", "https"), (2, "https, http", "https"), (0, "https", "http"), (1, "gopher", "http")],
)
async def test_behind_a_proxy_browser_sdks_are_told_the_protocol_that_they_came_by(
    tmp_path: Path, trusted_hops: int, told: str, protocol: str
) -> None:
    async with Site(tmp_path, trusted_hops=trusted_hops) as site:
        response = await site.client.get(f"/v1/projects/{KEY}/settings", headers={"x-forwarded-proto": told})
        assert response.json()["integrations"]["Segment.io"]["protocol"] == protocol


async def test_settings_are_read_with_get(site: Site) -> None:
    response = await site.client.post(f"/v1/projects/{KEY}/settings")
    assert error(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(("hash_ids", "told"), [(False, ""), (True, "pepper")])
async def test_the_salt_is_told_only_where_browsers_need_it(
    tmp_path: Path, hash_ids: bool, told: str
) -> None:
    settings = SpaceSettings(hash_ids=hash_ids, hash_salt="pepper")
    async with Site(tmp_path, settings) as site:
        response = await site.client.get(f"/v1/projects/{KEY}/settings")
        assert response.json()["enduser"]["hash_salt"] == told


@pytest.mark.parametrize("path", ["/v1/projects/unknown/settings", f"/v1/projects/{KEY}/other"])
async def test_settings_of_an_unknown_key_are_not_told(site: Site, path: str) -> None:
    assert error(await site.client.get(path)) == (401, "unauthorized")


# --- the script


async def test_the_script_has_the_settings_of_the_space_inside(tmp_path: Path) -> None:
    settings = SpaceSettings(unique_user="variable:app.user", hash_ids=True, hash_salt='p}"</script>é')
    async with Site(tmp_path, settings) as site:
        response = await site.client.get(SCRIPT)
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    hint = "//# allFunctionsCalledOnLoad"  # https://v8.dev/blog/explicit-compile-hints
    assert response.text.splitlines()[0] == hint, "it has to be the first line"
    assert told_to(response.text) == {
        "key": KEY,
        "settings": {
            "unique_user": "variable:app.user",
            "hash_ids": True,
            "hash_salt": 'p}"</script>é',
            "inactivity_window_s": 1_800,
        },
    }


async def test_a_salt_that_is_not_used_is_not_in_the_script(tmp_path: Path) -> None:
    async with Site(tmp_path, SpaceSettings(hash_salt="pepper")) as site:
        assert "pepper" not in (await site.client.get(SCRIPT)).text


@pytest.mark.parametrize(
    ("accepted", "packing"),
    [("gzip, br", "gzip"), ("identity", None), ("br, gzip;q=0, x", None), ("gzip; q=0.5", "gzip")],
)
async def test_the_script_is_packed_for_who_can_unpack_it(
    site: Site, accepted: str, packing: str | None
) -> None:
    response = await site.client.get(SCRIPT, headers={"accept-encoding": accepted})
    assert response.headers.get("content-encoding") == packing
    assert "enduser_id" in response.text
    assert response.headers["vary"] == "accept-encoding"


async def test_pages_of_any_site_may_load_the_script_also_isolated_ones(site: Site) -> None:
    headers = (await site.client.get(SCRIPT)).headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"


async def test_who_has_the_script_already_gets_no_body(site: Site) -> None:
    first = await site.client.get(SCRIPT)
    again = await site.client.get(SCRIPT, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == first.headers["cache-control"]


async def test_another_setting_is_another_edition_of_the_script(tmp_path: Path) -> None:
    tags = set()
    for number, settings in enumerate((SpaceSettings(), SpaceSettings(unique_user="none"))):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with Site(folder, settings) as site:
            tags.add((await site.client.get(SCRIPT)).headers["etag"])
    assert len(tags) == 2


REFUSED = [
    *(("GET", f"/enduser.js{query}") for query in ("", "?key=", "?key=unknown", "?other=1", "?%ff=%fe&&=")),
    ("GET", f"/enduser.js?key={ENDED}"),
    ("POST", SCRIPT),
]


@pytest.mark.parametrize(("method", "address"), REFUSED)
async def test_an_error_of_the_script_is_a_script_so_that_browsers_show_it(
    site: Site, method: str, address: str
) -> None:
    response = await site.client.request(method, address)
    assert re.fullmatch(r"/\* enduser: [^*]+: [^*]+ \*/\n", response.text)
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("key", "told"), [("", "there is no write key"), ("*/alert(1)", "the write key is unknown")]
)
async def test_without_a_good_write_key_there_is_no_script_and_the_answer_says_where_keys_are(
    site: Site, key: str, told: str
) -> None:
    response = await site.client.get("/enduser.js", params={"key": key})
    hint = "enduser systems list shows the write keys; the script is asked for as /enduser.js?key=…"
    assert (response.status_code, response.text) == (401, f"/* enduser: {told}: {hint} */\n")
    assert site.figures.refused["unauthorized"] == 1


def test_nothing_that_an_error_says_ends_the_comment_that_it_is() -> None:
    refused = script_refusal(Unauthorized("the key */alert(1)/* is unknown", hint="take **/ another"))
    assert refused.body == b"/* enduser: the key * /alert(1)/* is unknown: take ** / another */\n"


async def test_the_script_is_read_with_get(site: Site) -> None:
    response = await site.client.post(SCRIPT)
    assert response.status_code == 405
    assert "is read with GET, not POST" in response.text
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_head_of_the_script_has_no_body(site: Site) -> None:
    response = await site.client.head(SCRIPT)
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 1_000
