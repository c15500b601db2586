"""The tracking protocol over HTTP: who is let in, what is answered, and what is in the spool then."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from collecting import ENDED, EVENT, KEY, Site, basic, error

from enduser import limits
from enduser.api.collector.gate import ROUTES
from enduser.core.events import EVENT_TYPES
from enduser.core.settings import SpaceSettings
from enduser.errors import SpoolError, SpoolFull
from enduser.ingest.doors import write_doors
from enduser.stores.answers import Door, WriteKey
from enduser.stores.control import ControlStore


@pytest.fixture
async def site(tmp_path: Path):
    async with Site(tmp_path) as opened:
        yield opened


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ROUTES)
async def test_every_route_takes_its_call(site: Site, path: str) -> None:
    message = EVENT | ({"previousId": "a"} if "/a" in path else {})
    body = {"batch": [message]} if ROUTES[path] == "batch" else message
    response = await site.post(path, body)
    assert (response.status_code, response.json()) == (200, {"success": True, "rejected": []})
    (line,) = site.lines()
    assert (line["id"], line["msg"]) == ("u", "m")
    assert line["type"] == ("track" if ROUTES[path] == "batch" else ROUTES[path])


def test_every_call_has_a_long_and_a_short_route() -> None:
    assert {ROUTES[f"/v1/{call}"] for call in EVENT_TYPES} == set(EVENT_TYPES)
    assert all(ROUTES[f"/v1/{call[0]}"] == call for call in EVENT_TYPES)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "text/plain;charset=UTF-8"},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": None},
        {"authorization": basic(KEY).replace("Basic", "basic")},
    ],
    ids=str,
)
async def test_what_sdks_call_their_bodies_is_taken(site: Site, headers: dict[str, Any]) -> None:
    assert (await site.post(headers=headers)).status_code == 200
    assert len(site.lines()) == 1


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
async def test_a_gzip_body_is_unpacked(site: Site, encoding: str) -> None:
    packed = gzip.compress(json.dumps({"batch": [EVENT] * 3}).encode())
    response = await site.post("/v1/batch", packed, headers={"content-encoding": encoding})
    assert response.status_code == 200
    assert len(site.lines()) == 3


async def test_the_write_key_may_stand_in_the_body(site: Site) -> None:
    response = await site.post(body=EVENT | {"writeKey": KEY}, headers={"authorization": None})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic", "Basic !!!", "Bearer x", basic(""), basic("unknown"), basic(ENDED), "Basic /w=="],
)
async def test_without_a_valid_write_key_nothing_is_taken(site: Site, authorization: str | None) -> None:
    response = await site.post(headers={"authorization": authorization})
    assert error(response) == (401, "unauthorized")
    assert site.lines() == []


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (basic("unknown"), "the write key is unknown"),
        ("bearer unknown", "the key is unknown: it is neither a write key nor an API key"),
        ("Bearer eud_x_y", "the API key is wrong or revoked"),
    ],
)
async def test_who_is_refused_is_told_which_key_was_looked_for(
    site: Site, authorization: str, message: str
) -> None:
    response = await site.post(headers={"authorization": authorization})
    assert response.json()["error"]["message"] == message


@pytest.mark.parametrize(("more", "status"), [(-2, 200), (2, 401)])
async def test_of_a_long_authorization_what_is_within_the_limit_is_read(
    site: Site, more: int, status: int
) -> None:
    size = limits.AUTHORIZATION_BYTES_MAX + more  # base64 grows by four bytes
    password = "x" * ((size - len("Basic ")) // 4 * 3 - len(f"{KEY}:"))
    told = "Basic " + base64.b64encode(f"{KEY}:{password}".encode()).decode()
    assert len(told) == size
    assert (await site.post(headers={"authorization": told})).status_code == status


async def test_a_key_that_the_owner_has_just_made_is_known(site: Site) -> None:
    keys = [WriteKey("acme/production", "n" * 32, 0, None)]
    write_doors(site.folder, [Door(7, "acme/production", SpaceSettings(), keys)])
    assert (await site.post(headers={"authorization": basic("n" * 32)})).status_code == 200


async def test_bad_messages_are_named_and_the_others_taken(site: Site) -> None:
    batch = [EVENT, {"type": "track"}, 3, EVENT | {"messageId": "n"}]
    response = await site.post("/v1/batch", {"batch": batch})
    told = response.json()
    assert (response.status_code, told["success"]) == (200, True)
    assert [(one["index"], one["reason"]) for one in told["rejected"]] == [
        (1, "junk_user_id"),
        (2, "malformed_message"),
    ]
    assert [line.get("problem") for line in site.lines()] == [None, "junk_user_id", "malformed_message", None]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nonsense", b'{"batch": 3}', b"\xff\xfe", b"[" * 100_000]
)
async def test_what_cannot_be_read_at_all_is_refused(site: Site, body: bytes) -> None:
    assert error(await site.post("/v1/batch", body)) == (400, "malformed_request")
    assert site.lines() == []


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 413)])
async def test_a_body_has_a_limit(site: Site, more: int, status: int) -> None:
    def body(filler: int) -> bytes:
        messages = [EVENT | {"messageId": str(n), "x": "y" * 30_000} for n in range(17)]
        return json.dumps({"batch": messages, "z": "z" * filler}).encode()

    content = body(limits.BODY_BYTES_MAX + more - len(body(0)))
    assert len(content) == limits.BODY_BYTES_MAX + more
    assert (await site.post("/v1/batch", content)).status_code == status
    in_parts = await site.client.post(
        "/v1/batch", content=parts(content), headers={"authorization": basic(KEY)}
    )
    assert in_parts.status_code == status
    packed = await site.post("/v1/batch", gzip.compress(content), headers={"content-encoding": "gzip"})
    assert packed.status_code == status


async def parts(content: bytes):
    for at in range(0, len(content), 50_000):
        yield content[at : at + 50_000]


async def test_a_gzip_bomb_is_never_unpacked(site: Site) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert len(bomb) < limits.BODY_BYTES_MAX
    answer = await site.post("/v1/batch", bomb, headers={"content-encoding": "gzip"})
    assert error(answer) == (413, "body_too_large")
    assert answer.json()["error"]["limit"] == limits.BODY_BYTES_MAX


PACKED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize(
    "packed",
    [b"no gzip", PACKED[:-5], PACKED + b"more", b"", PACKED[:5]],
    ids=["no gzip", "cut off", "goes on", "empty", "a beginning"],
)
async def test_a_gzip_body_that_is_none_is_refused(site: Site, packed: bytes) -> None:
    response = await site.post("/v1/batch", packed, headers={"content-encoding": "gzip"})
    assert error(response) == (400, "malformed_request")


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/xml"}, {"content-encoding": "br"}, {"content-type": "multipart/form-data"}],
)
async def test_bodies_of_other_kinds_are_refused(site: Site, headers: dict[str, str]) -> None:
    assert error(await site.post(headers=headers)) == (415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_refused(site: Site, method: str) -> None:
    response = await site.client.request(method, "/v1/track")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST, OPTIONS"


async def test_a_full_spool_asks_to_come_again(site: Site) -> None:
    def full(_: object) -> None:
        raise SpoolFull("the spool is full", hint="come again")

    site.append = full
    response = await site.post()
    assert error(response) == (429, "spool_full")
    assert int(response.headers["retry-after"]) > 0
    assert response.headers["access-control-expose-headers"] == "retry-after"  # else browsers hide it


async def test_a_disk_that_refuses_is_told_and_the_next_request_is_taken(site: Site) -> None:
    append = site.append

    def refuse(_: object) -> None:
        raise SpoolError("the spool cannot be written: No space left on device", hint="make room")

    site.append = refuse
    response = await site.post()
    assert error(response) == (503, "spool")
    assert int(response.headers["retry-after"]) > 0
    site.append = append
    assert (await site.post()).status_code == 200
    assert len(site.lines()) == 1


@pytest.mark.parametrize(
    ("hops", "forwarded", "ip"),
    [
        (0, None, "127.0.0.1"),
        (0, "198.51.100.7", "127.0.0.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (2, "198.51.100.7", "127.0.0.1"),
        (1, None, "127.0.0.1"),
    ],
)
async def test_the_address_is_told_by_as_many_proxies_as_are_trusted(
    tmp_path: Path, hops: int, forwarded: str | None, ip: str
) -> None:
    async with Site(tmp_path, trusted_hops=hops) as site:
        await site.post(headers={"origin": "https://acme.test", "x-forwarded-for": forwarded})
        (line,) = site.lines()
        assert line["ip"] == ip


async def test_a_browsers_headers_name_the_browser_and_a_servers_do_not(site: Site) -> None:
    headers = {
        "user-agent": "Mozilla/5.0 Chrome/156.0.0.0",
        "sec-ch-ua": '"Google Chrome";v="156"',
        "origin": "https://acme.test",
    }
    await site.post(headers=headers)
    await site.post(body=EVENT | {"context": {"library": {"name": "analytics-python"}}}, headers=headers)
    browser, server = site.lines()
    assert "Google Chrome" in browser["agent"]
    assert "agent" not in server
    assert server["server"] is True


PLACED = EVENT | {"context": {"location": {"country": "NO", "city": "Oslo"}}}


async def test_context_location_is_not_taken_from_write_keys(site: Site) -> None:
    await site.post(body=PLACED)
    assert "country" not in site.lines()[0]
    assert site.spaces == {7}


@pytest.fixture
def control(tmp_path: Path):
    with ControlStore(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic", "writeKey"])
async def test_context_location_is_taken_from_a_servers_key(
    site: Site, control: ControlStore, scheme: str
) -> None:
    key = control.create_key("", "admin", 1, ["acme/production"])
    authorization = {"Basic": basic(key), "writeKey": None}.get(scheme, f"{scheme} {key}")
    body = PLACED | ({"writeKey": key} if scheme == "writeKey" else {})
    assert (await site.post(body=body, headers={"authorization": authorization})).status_code == 200
    (line,) = site.lines()
    assert (line["country"], line["city"]) == ("NO", "Oslo")
    assert site.spaces == {7}


@pytest.mark.parametrize(
    ("opened", "query", "number"),
    [
        ((), "", 1),
        ((), "?space=acme/production", 7),
        ((), "?space=acme%2Fproduction", 7),
        (("acme/production",), "", 7),
        (("acme/production", "default/production"), "", 1),
        (("acme/production", "default/production"), "?space=acme/production", 7),
        (("acme/production",), "?space=default/production", None),
        ((), "?space=acme/other", None),
        ((), "?space=", None),
        (("acme/other",), "", None),
    ],
)
async def test_a_servers_key_leads_to_the_space_that_is_named_or_its_only_one(
    site: Site, control: ControlStore, opened: tuple[str, ...], query: str, number: int | None
) -> None:
    key = control.create_key("", "admin", 1, opened)
    response = await site.post(f"/v1/track{query}", headers={"authorization": f"Bearer {key}"})
    if number is None:
        assert error(response) == (401, "unauthorized")
    site.lines()
    assert site.spaces == ({number} if number else set())


@pytest.mark.parametrize(
    ("query", "status"), [("?space=acme/production", 200), ("?space=acme/test", 401), ("?x=1", 200)]
)
async def test_a_write_key_beside_the_name_of_another_space_is_refused(
    site: Site, query: str, status: int
) -> None:
    response = await site.post(f"/v1/track{query}")
    assert response.status_code == status
    assert len(site.lines()) == (status == 200)


async def test_a_mistyped_parameter_beside_a_servers_key_does_not_lead_to_another_space(
    site: Site, control: ControlStore
) -> None:
    key = control.create_key("", "admin", 1)
    response = await site.post("/v1/track?spce=acme/test", headers={"authorization": f"Bearer {key}"})
    assert error(response) == (400, "malformed_request")
    assert "'spce'" in response.text
    assert site.lines() == []


async def test_a_servers_key_that_is_revoked_is_worthless_a_second_later(
    site: Site, control: ControlStore
) -> None:
    key = control.create_key("", "admin", 1)
    headers = {"authorization": f"Bearer {key}"}
    assert (await site.post(headers=headers)).status_code == 200
    control.revoke_key(key.split("_")[1], 2)
    site.keys.forget()  # what a collector does once a second
    assert error(await site.post(headers=headers)) == (401, "unauthorized")


@pytest.mark.parametrize("key", ["eud_", "eud_x_y", "eud_\xe9_\xe9", "eud_" + "x" * 4_000])
async def test_what_looks_like_a_servers_key_and_is_none_is_refused(site: Site, key: str) -> None:
    response = await site.post(headers={"authorization": f"Bearer {key}".encode("latin-1")})
    assert error(response) == (401, "unauthorized")


async def test_wrong_keys_without_end_are_not_kept(site: Site) -> None:
    for number in range(2_100):
        assert site.keys.find(f"eud_{number:012x}_x", 1) is None
    assert len(site.keys._known) <= 1_000


async def test_a_preflight_is_answered(site: Site) -> None:
    response = await site.client.options("/v1/batch", headers={"origin": "https://acme.test"})
    assert response.status_code == 204
    assert "content-length" not in response.headers
    assert response.headers["access-control-allow-origin"] == "*"
    assert "authorization" in response.headers["access-control-allow-headers"]
    assert "POST" in response.headers["access-control-allow-methods"]


async def test_a_browser_may_send_whatever_headers_its_sdk_asks_for(site: Site) -> None:
    asked = "authorization,content-type,x-retry-count"
    response = await site.client.options("/v1/t", headers={"access-control-request-headers": asked})
    assert response.headers["access-control-allow-headers"] == asked


@pytest.mark.parametrize("path", ["/", "/api/v1/users", "/healthz", "/v1", "/v1/other", "/v2/track"])
async def test_everything_else_is_the_owners(site: Site, path: str) -> None:
    response = await site.client.post(path)
    assert (response.status_code, response.text) == (418, path)


async def test_many_requests_share_a_commit_and_each_is_on_disk_when_it_is_answered(site: Site) -> None:
    append, commits = site.append, []

    def counted(frames: list[bytes]) -> None:
        commits.append(len(frames))
        append(frames)

    site.append = counted
    answers = await asyncio.gather(*(site.post(body=EVENT | {"messageId": str(n)}) for n in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(commits) == 50
    assert len(commits) < 50
    assert {line["msg"] for line in site.lines()} == {str(n) for n in range(50)}


async def test_what_is_kept_of_headers_for_the_next_call_is_short(site: Site) -> None:
    long = "x" * 60_000
    await site.post()
    tracemalloc.start()
    for n in range(50):
        await site.post(headers={"authorization": f"Basic {n}{long}"})
        await site.post(headers={"sec-ch-ua": f"{n}{long}"})
    assert tracemalloc.get_traced_memory()[0] < 2_000_000
    tracemalloc.stop()
