"""Whatever comes in: every answer is one of those described, and the server goes on as before."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import secrets
import select
import socket
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refusals import REFUSALS
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from serving import Server, memory_mb, wait_until
from tiers import IS_FULL, tries

from enduser import limits
from enduser.api.collector.gate import ROUTES
from enduser.api.management.routes import ROUTES as API_ROUTES
from enduser.api.problems import status_of
from enduser.core.events import EVENT_TYPES
from enduser.core.outcomes import RejectReason
from enduser.ingest.messages import read_call

BODIES, REQUESTS, CALLS = tries(100, 2_000), tries(60, 1_000), tries(2, 50)
"""How many bodies and raw requests are tried, and how many calls of each route made from its description."""

ANSWER_S = 5
STATUSES = {200, 400, 401, 413, 415, 429, 503}
ANY_SPEED = list(HealthCheck)


class Site:
    """What a stranger can do with a running server, and what is remembered to check it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.key = server.write_key
        self.address = ("127.0.0.1", urlsplit(server.url).port)
        self.admin = server.cli("keys", "create", "--role", "admin").strip()
        self.client = httpx.Client(base_url=server.url, timeout=ANSWER_S)
        self.good: list[str] = []

    @property
    def basic(self) -> bytes:
        return b"Basic " + base64.b64encode(f"{self.key}:".encode())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def good_call(self) -> bytes:
        """Return a call as an SDK makes it, of a new user; it is remembered."""
        self.good.append(f"good-{secrets.token_hex(8)}")
        body = json.dumps({"batch": [{"type": "track", "event": "Good", "userId": self.good[-1]}]}).encode()
        return b"POST /v1/batch HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            self.basic,
            len(body),
            body,
        )

    def assert_works(self) -> None:
        """Check that the server takes events, answers, and made no mistake."""
        with self.connect() as connection:
            connection.sendall(self.good_call())
            assert connection.recv(1_000).startswith(b"HTTP/1.1 200")
        assert self.get("/healthz").status_code == 200
        assert "Traceback" not in self.server.log

    def assert_good_is_stored(self) -> None:
        headers = {"authorization": f"Bearer {self.admin}"}

        def missing() -> list[str]:
            paths = {user: f"/api/v1/users/{user}?include_open=true" for user in self.good}
            self.good = [user for user in paths if self.get(paths[user], headers=headers).status_code != 200]
            return self.good

        wait_until(lambda: not missing())

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=ANSWER_S)

    def counts(self) -> tuple[int, int, Counter[str]]:
        """Return messages that were applied, calls answered with 200, and calls refused by code."""
        figures = re.findall(r"(?m)^enduser_(\w+)(?:\{(.*)\})? ([\d.e+]+)$", self.get("/metrics").text)
        applied = sum(float(value) for name, _, value in figures if name == "events_total")
        answered = sum(float(value) for name, _, value in figures if name == "collect_seconds_count")
        refused = {
            labels[6:-1]: int(float(value))
            for name, labels, value in figures
            if name == "collect_refused_total"
        }
        return int(applied), int(answered), Counter(refused)

    def quiet_counts(self) -> tuple[int, int, Counter[str]]:
        """Return the counts when they have stood still for longer than they are told and applied."""
        seen = [self.counts()]

        def stands_still() -> bool:
            seen.append(self.counts())
            return len(seen) > 14 and all(counts == seen[-1] for counts in seen[-14:])

        wait_until(stands_still, deadline_s=60)
        return seen[-1]


@pytest.fixture(scope="module")
def site(shared_server: Server) -> Iterator[Site]:
    opened = Site(shared_server)
    yield opened
    opened.client.close()


# --- bodies

PIECES = [
    *(rb"\ud800", rb"\udc00x", rb"\u0000", rb"\ud83d\ude00", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x00"),
    *(b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"9" * 400, b"9" * 5_000, b"-0", b"01", b"0x1"),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r\n", b"\t", b"//", b"\xef\xbb\xbf"),
    *(b"[" * 200, b"[" * 9_000, b'{"a":' * 5_000, b"[" * 70 + b"]" * 70, b"{}," * 3_000, b"null"),
    *(b'"userId":"a","userId":"b",', b'"batch":[],', b'"batch":5,', b'"writeKey":{},', b'"type":"page",'),
]
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(["null", "\x00", "\ufeff", "é" * 300])
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([10**400, -(10**30)])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.text(st.characters(categories=["Cs"]), max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *("userId", "anonymousId", "previousId", "messageId", "event", "name", "timestamp", "originalTimestamp"),
    *("sentAt", "properties", "traits", "context"),
)
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(EVENT_TYPES) | TEXTS, "userId": st.sampled_from(["u", "v", ""]) | VALUES},
    optional=dict.fromkeys(FIELDS[1:], VALUES),
)
SIZES = (2, limits.BATCH_MESSAGES_MAX - 1, limits.BATCH_MESSAGES_MAX, limits.BATCH_MESSAGES_MAX + 1, 40_000)


def repeated(messages: list[Any], times: int) -> list[Any]:
    return messages * times if len(json.dumps(messages)) * times < 2 * limits.BODY_BYTES_MAX else messages


def plain(messages: list[Any], is_batch: bool, is_ascii: bool) -> bytes:
    body = {"batch": messages, "sentAt": "2026-01-01T10:00:00Z"} if is_batch else (messages or [{}])[0]
    return json.dumps(body, ensure_ascii=is_ascii).encode(errors="surrogatepass")


def mutated(body: bytes, mutations: Iterable[tuple[float, float, bytes]]) -> bytes:
    """Return a body in which pieces stand where others stood."""
    for place, share, piece in mutations:
        at = int(place * len(body))
        body = body[:at] + piece + body[at + int(share * len(body)) :]
    return body


MUTATIONS = st.tuples(st.floats(0, 1), st.sampled_from([0, 0, 0.01, 0.2, 1]), st.sampled_from(PIECES))
GOOD_BODIES = st.builds(
    plain,
    st.builds(repeated, st.lists(MESSAGES, max_size=3), st.just(1) | st.sampled_from(SIZES))
    | st.lists(VALUES, max_size=2),
    st.booleans(),
    st.booleans(),
)
PLAIN_BODIES = st.one_of(
    GOOD_BODIES,
    st.builds(mutated, GOOD_BODIES, st.lists(MUTATIONS, min_size=1, max_size=3)),
    st.binary(max_size=300),
)
BOMB = gzip.compress(bytes(50_000_000))
GZIPPED = st.one_of(
    PLAIN_BODIES.map(gzip.compress),
    st.builds(lambda body, share: gzip.compress(body)[: int(share * 100)], PLAIN_BODIES, st.floats(0, 1)),
    PLAIN_BODIES.map(lambda body: gzip.compress(body) + b"more"),
    PLAIN_BODIES.map(lambda body: gzip.compress(body) * 2),
    PLAIN_BODIES.map(lambda body: gzip.compress(gzip.compress(body))),
    PLAIN_BODIES.map(zlib.compress),
    st.just(BOMB),
    st.just(b"\x1f\x8b\x08" + bytes(20)),
    PLAIN_BODIES,
)
TYPES = (
    b"application/json",
    b"text/plain; charset=utf-8",
    b"application/x-www-form-urlencoded",
    b"",
    b"image/png",
)


class Sent(NamedTuple):
    """A call of the tracking protocol with any body."""

    path: str
    body: bytes
    encoding: bytes
    media_type: bytes
    has_key: bool
    chunk_bytes: int

    def request(self, site: Site) -> bytes:
        """Return the call as it goes over the wire."""
        framing = (
            b"transfer-encoding: chunked" if self.chunk_bytes else b"content-length: %d" % len(self.body)
        )
        lines = [b"POST %b HTTP/1.1" % self.path.encode(), b"host: x", framing]
        lines += [b"content-type: " + self.media_type, b"content-encoding: " + self.encoding]
        lines += [b"authorization: " + site.basic] if self.has_key else []
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.framed()

    def framed(self) -> bytes:
        if not self.chunk_bytes:
            return self.body
        size = max(self.chunk_bytes, len(self.body) // 500)
        parts = (self.body[at : at + size] for at in range(0, len(self.body), size))
        return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"

    def messages(self) -> int:
        """Return how many messages it has, if it is taken."""
        body = gzip.decompress(self.body) if self.encoding == b"gzip" else self.body
        return len(read_call(body, ROUTES[self.path]).messages)


def sent(bodies: st.SearchStrategy[bytes], *encodings: bytes) -> st.SearchStrategy[Sent]:
    paths = st.sampled_from(["/v1/batch", "/v1/b"]) | st.sampled_from(sorted(ROUTES))
    keys = st.sampled_from([True] * 9 + [False])
    types = st.sampled_from([TYPES[0]] * 6 + [*TYPES])
    sizes = st.sampled_from([0, 0, 0, 1, 7, 70_000])
    return st.builds(Sent, paths, bodies, st.sampled_from(encodings), types, keys, sizes)


def pieces_everywhere() -> Iterator[tuple[str, bytes]]:
    """Yield calls with each piece at each place where a message may have it."""
    places = ("id", "key", "value", "number", "field", "after", "sent at")
    for piece, place in product(PIECES, places):
        spots = dict.fromkeys(places, b"") | {place: piece}
        message = b'"userId":"u%b","properties":{"k%b":"v%b","n":1%b},"type":"page"%b}%b' % (
            *(spots[name] for name in ("id", "key", "value", "number", "field", "after")),
        )
        yield "/v1/page", b'{"sentAt":"%b",' % spots["sent at"] + message
        good = b'{"type":"page","userId":"v"}'
        yield "/v1/batch", b'{"sentAt":"%b","batch":[%b,{%b,%b]}' % (spots["sent at"], good, message, good)


CALLS_WITH_BODIES = sent(PLAIN_BODIES, b"identity", b"", b"br") | sent(GZIPPED, b"gzip")
STATUS_OF = {kind.code: status_of(kind) for kind in REFUSALS}


def assert_is_described(answer: http.client.HTTPResponse, body: bytes, messages: Callable[[], int]) -> int:
    """Check an answer against docs/tracking-protocol.md and docs/errors.md; return how many were judged."""
    assert answer.status in STATUSES
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(body)
    if answer.status == 200:
        assert (set(told), told["success"]) == ({"success", "rejected"}, True)
        indexes = [one["index"] for one in told["rejected"]]
        assert indexes == sorted(set(indexes) & set(range(messages())))
        for one in told["rejected"]:
            assert set(one) == {"index", "reason", "message"}
            assert one["reason"] in set(RejectReason)
        return messages()
    assert set(told) == {"error"}
    assert {"code", "message"} <= set(told["error"]) <= {"code", "message", "field", "limit", "hint"}
    assert STATUS_OF[told["error"]["code"]] == answer.status
    assert ("retry-after" in answer.headers) == (answer.status in {429, 503})
    return 0


def test_any_body_is_answered_as_described_and_everything_is_counted(site: Site) -> None:
    applied, answered, refused = site.quiet_counts()

    def tried(call: Sent) -> None:
        nonlocal applied, answered
        with site.connect() as connection:
            connection.sendall(call.request(site))
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            body = answer.read()
        applied += assert_is_described(answer, body, call.messages)
        answered += answer.status == 200
        if answer.status != 200:
            refused[json.loads(body)["error"]["code"]] += 1

    @given(call=CALLS_WITH_BODIES)
    @settings(max_examples=BODIES, suppress_health_check=ANY_SPEED)
    def check(call: Sent) -> None:
        nonlocal applied, answered
        tried(call)
        site.assert_works()
        applied, answered = applied + 1, answered + 1

    for path, body in pieces_everywhere():
        tried(Sent(path, body, b"identity", TYPES[0], has_key=True, chunk_bytes=0))
    check()
    site.assert_good_is_stored()
    assert site.quiet_counts() == (applied, answered, refused)


# --- what is hardly HTTP

TOKENS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"PRI", b"X"])
TARGETS = st.sampled_from(
    [
        *(b"/v1/batch", b"/v1/t", b"/healthz", b"/readyz", b"/metrics", b"/api/v1/users", b"/api/v1/links"),
        *(b"*", b"x:80", b"http://x", b"http://x/healthz", b"//", b"/%ff%00", b"/v1/projects/%ff/settings"),
        *(b"/" + b"a" * 60_000, b"/?" + b"%41" * 9_000, b"/healthz#a", b"/../metrics", b"/\xff", b""),
    ]
)
VERSIONS = st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"http/1.1"])
NAMES = st.sampled_from(
    [
        *(b"content-length", b"transfer-encoding", b"host", b"connection", b"upgrade", b"expect", b"te"),
        *(b"authorization", b"content-type", b"content-encoding", b"origin", b"x-forwarded-for", b"trailer"),
        *(b"access-control-request-headers", b"user-agent", b"sec-ch-ua", b"range", b"cookie", b""),
    ]
) | st.binary(max_size=8)
HEADER_VALUES = st.sampled_from(
    [
        *(b"0", b"5", b"70", b"-1", b"5, 5", b"9" * 30, b"512001", b"chunked", b"gzip, chunked", b"identity"),
        *(
            b"close",
            b"upgrade",
            b"keep-alive",
            b"websocket",
            b"h2c",
            b"100-continue",
            b"Basic /w==",
            b"Bearer x",
        ),
        *(b"x" * 20_000, b"\xff\xfe", b"a\r\n b", b"a\x00b", b"application/json", b"gzip", b"br"),
    ]
) | st.binary(max_size=20)
HEADERS = st.lists(st.tuples(NAMES, HEADER_VALUES), max_size=5)
REST = st.sampled_from(
    [
        *(
            b"",
            b"{}",
            b"2\r\n{}\r\n0\r\n\r\n",
            b"2\r\n{}\r\n0\r\nx: y\r\n\r\n",
            b"2;a=b\r\n{}\r\n",
            b"zz\r\n{}",
        ),
        *(b"fffffffffffffffff\r\n{}", b'{"batch":[]}', b"x" * 600_000, b"\x16\x03\x01\x00\xa5\x01"),
    ]
) | st.binary(max_size=100)


def written(line: tuple[bytes, ...], headers: list[tuple[bytes, bytes]], rest: bytes, end: bytes) -> bytes:
    head = [b" ".join(line), *(name + b": " + value for name, value in headers)]
    return end.join(head) + end + end + rest


ENDS = st.sampled_from([b"\r\n"] * 9 + [b"\n", b"\r"])
RAW = st.builds(written, st.tuples(TOKENS, TARGETS, VERSIONS), HEADERS, REST, ENDS) | st.binary(max_size=200)


def answers(connection: socket.socket, idle_s: float) -> bytes:
    """Return what comes until nothing comes for a while."""
    found = b""
    try:
        while select.select([connection], [], [], idle_s)[0] and (more := connection.recv(65_536)):
            found += more
    except ConnectionResetError:
        pass
    return found


def statuses(told: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", told)]


def descriptors(server: Server) -> int:
    """Return how many files and connections all processes of a server hold."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in server.pids())


def test_what_is_hardly_http_does_no_harm_and_leaves_nothing_behind(site: Site) -> None:
    before = descriptors(site.server)

    @given(requests=st.lists(RAW, min_size=1, max_size=3), cut=st.none() | st.floats(0, 1))
    @settings(max_examples=REQUESTS, suppress_health_check=ANY_SPEED)
    def check(requests: list[bytes], cut: float | None) -> None:
        whole = b"".join(requests)
        with site.connect() as connection:
            with suppress(ConnectionError):  # it may be refused before it is over
                connection.sendall(whole if cut is None else whole[: int(cut * len(whole))])
            told = answers(connection, 0.03)
        assert told[:9] in (b"", b"HTTP/1.1 ")
        assert all(status < 500 for status in statuses(told)), told[:1_000]
        site.assert_works()

    check()
    site.assert_good_is_stored()
    wait_until(lambda: descriptors(site.server) <= before + 12)  # some wait for the next call


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
AMBIGUOUS = {
    "two framings": b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "the other order": b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": b"content-length: 2\r\ncontent-length: 40\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": b"content-length: 2, 40\r\n\r\n{}" + SMUGGLED,
    "another coding": b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a blank before the colon": b"content-length : 2\r\n\r\n{}" + SMUGGLED,
    "a folded header": b"x: a\r\n content-length: 2\r\n\r\n{}" + SMUGGLED,
    "a bare line feed": b"x: a\ncontent-length: 2\r\n\r\n{}" + SMUGGLED,
    "a bad chunk": b"transfer-encoding: chunked\r\n\r\n2 x\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("path", [b"/v1/batch", b"/api/v1/links"])
@pytest.mark.parametrize("rest", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_a_body_whose_end_is_ambiguous_is_refused_and_the_connection_ends(
    site: Site, path: bytes, rest: bytes
) -> None:
    with site.connect() as connection:
        connection.sendall(b"POST " + path + b" HTTP/1.1\r\nhost: x\r\n" + rest)
        assert statuses(b"".join(iter(lambda: connection.recv(65_536), b""))) == [400]
    site.assert_works()


@pytest.mark.parametrize("count", [1, 2, limits.PIPELINED_REQUESTS_MAX])
def test_calls_sent_ahead_are_answered_in_order(site: Site, count: int) -> None:
    with site.connect() as connection:
        unknown = b"GET /v1/other HTTP/1.1\r\nhost: x\r\n\r\n"
        connection.sendall(b"".join(site.good_call() if n % 2 else unknown for n in range(count)))
        found = b""
        while len(statuses(found)) < count or not found.endswith(b"}"):
            found += connection.recv(65_536)
    assert statuses(found) == [200 if n % 2 else 404 for n in range(count)]
    site.assert_good_is_stored()


CHUNKED = b"POST /v1/batch HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
FLOODS = {
    "headers": b"GET /healthz HTTP/1.1\r\n" + b"a: b\r\n" * 2_000_000,
    "one header": b"GET /healthz HTTP/1.1\r\na: " + b"b" * 12_000_000,
    "a path": b"GET /" + b"a" * 12_000_000,
    "calls ahead": b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 400_000,
    "a body of events": b"POST /v1/batch HTTP/1.1\r\ncontent-length: 12000000\r\n\r\n" + b"x" * 12_000_000,
    "a body of the API": b"POST /api/v1/links HTTP/1.1\r\ncontent-length: 12000000\r\n\r\n"
    + b"x" * 12_000_000,
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 2_000_000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_takes_no_memory_and_holds_nobody_up(site: Site, flood: bytes) -> None:
    before = sum(map(memory_mb, site.server.pids()))
    with site.connect() as connection:
        connection.settimeout(2)
        with suppress(ConnectionError, TimeoutError):  # it is refused before it is over, or not read on
            connection.sendall(flood)
        began = time.monotonic()
        site.assert_works()
        assert time.monotonic() - began < 2
    assert sum(map(memory_mb, site.server.pids())) < before + 40


# --- calls made from the description


def failures(run: Iterator[events.EngineEvent]) -> Iterator[str]:
    for event in run:
        if isinstance(event, events.ScenarioFinished):
            for checks in event.recorder.checks.values():
                for check in checks:
                    if (found := check.failure_info) is not None:
                        yield f"{event.recorder.label}: {found.failure}\n{found.code_sample}"
        elif isinstance(event, events.NonFatalError | events.FatalError):
            yield repr(event)


CANNOT_BE_SAID: dict[str, Any] = {
    # All ways in which a call can be wrong are thousands, of a rule alone: each day some of them, at random.
    # Calls that follow from the answers of others are made in the full tier.
    "phases": {"coverage": {"enabled": IS_FULL}, "stateful": {"enabled": IS_FULL}},
    # Whether a cursor, a space or a value of a setting is good, whether it needs to be confirmed, whether the
    # feed still has what follows a cursor, and whether an ETag is still the user's, a schema cannot say.
    "checks": {
        "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "409", "410", "412"]},
        "negative_data_rejection": {"expected-statuses": ["4xx"]},  # the ETag is looked at before the body
        "ignored_auth": {"enabled": False},  # takes our own key for one that it made up
    },
    "operations": [
        {
            "include-path": ["/api/v1/users/query", "/api/v1/users/export"],
            "checks": {"allow_header_conformance": {"enabled": False}},
        },  # with other methods they are the users `query` and `export`
        {
            "include-name": "POST /api/v1/users",  # a bad row is answered, the others are taken
            "checks": {"negative_data_rejection": {"enabled": False}},
        },
        *(
            {
                "include-name": f"{route.method} {route.path}",
                "checks": {"positive_data_acceptance": {"enabled": False}},
            }
            for route in API_ROUTES
            if any(parameter.scheme for parameter in route.parameters)
        ),  # they need a client, which an API key is not
    ],
}


def test_calls_made_from_the_document_of_the_running_server_are_answered_as_it_says(site: Site) -> None:
    site.assert_works()
    config = SchemathesisConfig.from_dict(
        {
            "headers": {"Authorization": f"Bearer {site.admin}"},
            "generation": {"max-examples": CALLS, "database": "none"},
            **CANNOT_BE_SAID,
        }
    )
    schema = schemathesis.openapi.from_url(f"{site.server.url}/api/v1/openapi.json", config=config)
    assert list(failures(engine.from_schema(schema).execute())) == []
    site.assert_works()
