"""What holds for every call: keys, spaces, parameters, one shape of errors, headers."""

from __future__ import annotations

import json
import re
import threading

import anyio
import httpx
import pytest
from managing import Api, Client
from structlog.testing import capture_logs
from waiting import until

from enduser import limits
from enduser.api.management.app import ManagementApp
from enduser.api.management.routes import ROUTES
from enduser.api.problems import ASKS_FIRST, STATUS, status_of

USER = "/api/v1/users/adam"


def problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Return what an answer says went wrong, checked to have the one shape."""
    assert response.status_code == status, response.text
    body = response.json()
    assert list(body) == ["error"]
    error = body["error"]
    assert set(error) <= {"code", "message", "field", "limit", "hint"}
    assert error["code"] == code
    assert error["message"]
    return error


# --- keys


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer eud_x_y",
        "Basic {key}",
        "Bearer {key}0",
        "Bearer x{key}",
        "{key}",
        "Bearer {key} {key}",
        "Bearer é{key}",
    ],
)
def test_a_call_without_a_valid_key_is_refused(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(key=api.key).encode()}
    response = api.bare.get(USER, headers=headers)
    problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_call_with_a_key_is_answered(api: Api, scheme: str) -> None:
    assert api.bare.get(USER, headers={"Authorization": f"{scheme}{api.key}"}).status_code == 200


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "an API key is needed"),
        ("Basic {key}", "an API key is needed"),
        ("Bearer {key}0", "the API key is wrong or revoked"),
        ("Bearer " + "0a" * 16, "this looks like a write key; the API needs an API key"),
        ("Bearer  " + "0a" * 16 + " ", "this looks like a write key; the API needs an API key"),
        ("Bearer " + "0a" * 17, "the API key is wrong or revoked"),
        ("Bearer " + "0g" * 16, "the API key is wrong or revoked"),
    ],
)
def test_who_is_refused_is_told_what_is_wrong_with_the_key(
    api: Api, header: str | None, message: str
) -> None:
    headers = {} if header is None else {"Authorization": header.format(key=api.key)}
    error = problem(api.bare.get(USER, headers=headers), 401, "unauthorized")
    assert error["message"] == message
    assert "enduser keys create" in str(error["hint"])


def test_every_route_but_its_description_needs_a_key(api: Api) -> None:
    for route in ROUTES:
        path = route.path.replace("{user_id}", "adam")
        form = {"grant_type": "client_credentials"} if route.is_form else None
        response = api.bare.request(route.method, path, data=form, json=None if form else {})
        assert response.status_code == (200 if path.endswith("openapi.json") else 401)


def test_a_revoked_key_is_a_wrong_one(own_api: Api) -> None:
    assert own_api.client.get(USER).status_code == 200
    own_api.control.revoke_key(own_api.key.split("_")[1], 1)
    problem(own_api.client.get(USER), 401, "unauthorized")


# --- spaces


def test_the_space_is_the_one_named_else_the_keys_only_one_else_the_default_one(own_api: Api) -> None:
    own_api.store.create_space("acme/test", 1)

    def space(*keys: str, query: str = "") -> str:
        body = own_api.with_key(*keys).get(f"/api/v1/status{query}").json()
        return body.get("space") or body["error"]["code"]

    assert space() == "default/production"
    assert space(query="?space=acme/test") == space("acme/test") == "acme/test"
    assert space("acme/test", query="?space=acme%2Ftest") == "acme/test"
    assert space("acme/test", "default/production") == "default/production"
    assert space("acme/test", query="?space=default/production") == "space_not_found"
    assert space("acme/test", "no/space") == "space_not_found"
    assert space(query="?space=no/space") == space(query="?space=") == "space_not_found"
    assert space("no/space") == "space_not_found"


def test_who_may_not_see_a_space_is_not_told_its_name(own_api: Api) -> None:
    own_api.store.create_space("secret/plan", 1)
    for wanted in ("default/production", "no/space"):
        response = own_api.with_key("acme/test").get(f"/api/v1/status?space={wanted}")
        problem(response, 404, "space_not_found")
        assert "secret" not in response.text


# --- parameters


def many_parameters(count: int) -> str:
    """Return a path whose query has so many parameters, none of which is known."""
    return "/api/v1/users?" + "&".join(f"a{n}=1" for n in range(count))


@pytest.mark.parametrize(
    ("path", "field", "limit"),
    [
        ("/api/v1/users?limit=0", "limit", 1_000),
        (f"/api/v1/users?limit={limits.PAGE_ROWS_MAX + 1}", "limit", 1_000),
        ("/api/v1/users?limit=-1", "limit", 1_000),
        ("/api/v1/users?limit=1.5", "limit", 1_000),
        ("/api/v1/users?limit=%C2%B2", "limit", 1_000),
        ("/api/v1/users?limit=", "limit", 1_000),
        ("/api/v1/users?limit=5&limit=5", "limit", None),
        ("/api/v1/users?sort=plan", "sort", None),
        ("/api/v1/users?include_open=yes", "include_open", None),
        (f"{USER}?id_kind=other", "id_kind", None),
        (f"{USER}?idkind=plain", "idkind", None),
        ("/api/v1/spaces?space=default/production", "space", None),
        ("/api/v1/openapi.json?x=1", "x", None),
        ("/api/v1/users?sort=%FF", None, None),
        (many_parameters(limits.QUERY_PARAMETERS_MAX), "a0", None),
        (many_parameters(limits.QUERY_PARAMETERS_MAX + 1), None, None),
        ("/api/v1/users/%FF", "user_id", None),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(
    api: Api, path: str, field: str | None, limit: int | None
) -> None:
    error = problem(api.client.get(path), 400, "invalid_parameter")
    assert (error.get("field"), error.get("limit")) == (field, limit)
    assert error["hint"]


def test_an_unknown_parameter_is_told_those_that_are(api: Api) -> None:
    error = problem(api.client.get(f"{USER}?q=1"), 400, "invalid_parameter")
    assert error["hint"] == "it takes: space, id_kind, include_open, provenance, as_of"


def test_a_wrong_word_is_told_the_words_that_there_are_each_once(api: Api) -> None:
    kind = problem(api.client.get(f"{USER}?id_kind=x"), 400, "invalid_parameter")
    assert kind["hint"] == "id_kind is one of: plain, hashed, anonymous"


def test_pages_may_be_as_long_as_the_limit(api: Api) -> None:
    for size in (1, limits.PAGE_ROWS_MAX - 1, limits.PAGE_ROWS_MAX):
        assert api.client.get(f"/api/v1/users?limit={size}").status_code == 200


# --- paths, methods, bodies


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/users/",
        "/api/v1/users//sessions",
        f"{USER}/",
        "/api/v1/Users",
        "/api/v1/users/a/b",
        f"{USER}/sessions/x",
        "//api/v1/users",
        "/api/v2/users",
        "/api%2Fv1/users",
        "/%FF",
    ],
)
def test_an_unknown_path_is_not_found_with_and_without_a_key(api: Api, path: str) -> None:
    for client in (api.client, api.bare):
        problem(client.get(f"http://test{path}"), 404, "not_found")


def test_a_path_that_is_like_a_tracking_route_is_told_those_that_there_are(api: Api) -> None:
    hint = problem(api.bare.request("POST", "/v1/trak"), 404, "not_found")["hint"]
    assert set(re.findall(r"/v1/\w+", str(hint))) == {
        *("/v1/batch", "/v1/identify", "/v1/track", "/v1/page", "/v1/screen", "/v1/group", "/v1/alias")
    }
    other = problem(api.bare.get("/api/v1/trak"), 404, "not_found")["hint"]
    assert "/api/v1/openapi.json" in str(other)
    assert "/v1/track" not in str(other)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", USER, "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/api/v1/users", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v1/status", "GET, HEAD"),
        ("PUT", "/api/v1/settings", "GET, HEAD, PATCH"),
        ("BREW", "/api/v1/settings", "GET, HEAD, PATCH"),
    ],
)
def test_a_method_that_a_path_has_not_is_refused_with_those_that_it_has(
    api: Api, method: str, path: str, allowed: str
) -> None:
    response = api.client.request(method, path)
    problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


def test_a_head_is_a_get_without_a_body(api: Api) -> None:
    whole = api.client.get(USER)
    head = api.client.request("HEAD", USER)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


def test_a_body_may_be_as_long_as_the_limit(api: Api) -> None:
    for length, status in [(-1, 200), (0, 200), (1, 413)]:
        content = b"{}" + b" " * (limits.API_BODY_BYTES_MAX - 2 + length)
        response = api.client.patch("/api/v1/settings", content=content)
        assert response.status_code == status
    assert problem(response, 413, "body_too_large")["limit"] == limits.API_BODY_BYTES_MAX


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"[]",
        b"1",
        b"null",
        b'{"a":',
        b'{"a": NaN}',
        b"\xff",
        b'{"\xff": 1}',
        b'"\\ud800"',
        b"[" * 100000,
        b'{"a":' * 100000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_body_that_is_no_json_object_is_refused(api: Api, content: bytes) -> None:
    problem(api.client.patch("/api/v1/settings", content=content), 400, "malformed_request")


# --- what every answer has


def test_every_answer_is_marked_private_and_has_an_id(api: Api) -> None:
    responses = [
        api.client.get(USER),
        api.bare.get(USER),
        api.client.get("/nothing"),
        api.client.request("DELETE", USER),
    ]
    for response in responses:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Type"] == "application/json"
    assert len({response.headers["X-Request-Id"] for response in responses}) == len(responses)


def test_a_mistake_of_the_program_is_logged_and_not_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(type(api.store.reader), "find_user", fail)
    with capture_logs() as logs:
        response = api.client.get(USER)
    request_id = response.headers["X-Request-Id"]
    assert request_id in str(problem(response, 500, "internal")["hint"])
    assert "secret" not in response.text
    assert [(log["event"], log["request_id"], log["log_level"]) for log in logs] == [
        ("call failed", request_id, "error")
    ]
    assert logs[0]["route"] == "/api/v1/users/{user_id}"
    assert "adam" not in json.dumps({name: str(value) for name, value in logs[0].items()})


def test_a_read_that_takes_too_long_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(reader: object, space: str, *_: object, **__: object) -> None:
        with api.store.reader.looks.at(space) as look:
            look.rows("SELECT count(*) FROM range(1000000000000) AS n(i) WHERE hash(i) = 1", {})

    monkeypatch.setattr(limits, "READ_SECONDS_MAX", 0.05)
    monkeypatch.setattr(type(api.store.reader), "find_user", endless)
    problem(api.client.get(USER), 503, "read_timeout")


def test_when_too_many_wait_the_next_one_is_told_to_come_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "API_WAITING_MAX", 2)
    release = threading.Event()
    monkeypatch.setattr(api.app.services.control, "authenticate", lambda *_: release.wait(60) and None)
    responses = api.portal.call(crowd, api.app, limits.API_READERS_MAX + 2, release)
    refused = [response for response in responses if response.status_code == 429]
    assert [response.status_code for response in responses if response not in refused] == [401] * 6
    assert len(refused) == 1
    assert problem(refused[0], 429, "too_busy")["limit"] == 2
    assert refused[0].headers["Retry-After"] == "1"


async def crowd(app: ManagementApp, size: int, release: threading.Event) -> list[httpx.Response]:
    """Make so many calls at once that all readers are taken and all places to wait; then one more."""
    responses: list[httpx.Response] = []
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": "Bearer x"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:

        async def call() -> None:
            responses.append(await client.get(USER))

        async with anyio.create_task_group() as tasks:
            for _ in range(size):
                tasks.start_soon(call)
            await until(lambda: app.services.readers.statistics().tasks_waiting >= 2)
            await call()
            release.set()
    return responses


def test_a_caller_who_goes_away_is_no_mistake(api: Api) -> None:
    async def leave() -> list[object]:
        sent: list[object] = []

        async def receive() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {api.key}".encode())]
        path = "/api/v1/settings"
        scope = {"type": "http", "method": "PATCH", "path": path, "query_string": b"", "headers": headers}
        await api.app(scope, receive, send)
        return sent

    with capture_logs() as logs:
        assert api.portal.call(leave) == []
    assert logs == []


def test_every_error_has_a_status_of_its_own_kind() -> None:
    for kind, status in STATUS.items():
        assert 400 <= status < 600
        assert status_of(type("Child", (kind,), {})) == status


def test_a_client_without_a_raw_path_is_served_too(api: Api) -> None:
    """An ASGI server need not tell the raw path; then an encoded slash cannot be told from another."""

    async def strip(scope, receive, send) -> None:
        await api.app({**scope, "raw_path": None}, receive, send)

    assert Client(api.portal, strip, api.key).get("/api/v1/users/a%20b%3F%26=%23%25").status_code == 200  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/v1/uploads?name=x", 204),
        ("POST", "/api/v1/users", 204),
        ("POST", "/api/v1/uploads?name=", 400),
        ("POST", "/api/v1/sources", 413),
        ("POST", "/accounts/connect/token", 413),
        ("POST", "/nowhere", 404),
    ],
)
def test_who_has_a_long_body_is_told_first_whether_it_may_come(
    api: Api, method: str, path: str, status: int
) -> None:
    asked = {"headers": {ASKS_FIRST.decode(): "1"}}
    assert api.client.request(method, path, **asked).status_code == status
    if path.startswith("/api"):
        assert api.bare.request(method, path, **asked).status_code == 401
