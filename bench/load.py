"""A load generator: keeps requests in flight on many connections, and times each answer.

`python bench/load.py URL WRITE_KEY --events 10 --connections 32 --seconds 5` prints one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import resource
import time
import uuid
from urllib.parse import urlsplit

import uvloop

AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36"
)


def message(number: int, users: int) -> dict[str, object]:
    """Return a message as analytics.js sends it, some 870 bytes; @ID@ and @AT@ are filled in later."""
    return {
        "timestamp": "@AT@",
        "integrations": {},
        "userId": f"user-{number % users:07}",
        "anonymousId": f"{number % users:032x}",
        "event": "Clicked button",
        "type": "track",
        "properties": {"path": f"/products/{number % 1000}", "title": "A page of products", "price": 12.5},
        "context": {
            "page": {
                "path": f"/products/{number % 1000}",
                "referrer": "https://www.example.com/",
                "search": "?ref=home",
                "title": "A page of products",
                "url": f"https://www.example.com/products/{number % 1000}?ref=home",
            },
            "userAgent": AGENT,
            "userAgentData": {
                "brands": [
                    {"brand": "Chromium", "version": "120"},
                    {"brand": "Google Chrome", "version": "120"},
                ],
                "mobile": False,
                "platform": "macOS",
            },
            "locale": "en-US",
            "library": {"name": "analytics.js", "version": "npm:next-1.81.0"},
            "timezone": "Europe/Oslo",
        },
        "messageId": "ajs-next-@ID@",
        "writeKey": "@KEY@",
        "_metadata": {"bundled": ["Segment.io"], "unbundled": [], "bundledIds": []},
    }


class Bodies:
    """Bodies of requests, each message with an id of its own and the time of now."""

    def __init__(self, events: int, users: int, write_key: str) -> None:
        self._templates = []
        for first in range(0, 64 * events, events):
            messages = [message(first + k, users) for k in range(events)]
            body = messages[0] | {"sentAt": "@AT@"} if events == 1 else {"batch": messages, "sentAt": "@AT@"}
            text = json.dumps(body, separators=(",", ":")).replace("@KEY@", write_key)
            self._templates.append([part.encode() for part in text.split("@ID@")])
        self._number = 0
        self._run = uuid.uuid4().hex[:16]

    def next(self) -> bytes:
        """Return the next body."""
        parts = self._templates[self._number % 64]
        out = [parts[0]]
        for k, part in enumerate(parts[1:]):
            out += [f"{self._run}{self._number:012x}{k:04x}".encode(), part]
        self._number += 1
        now = time.time()
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"
        return b"".join(out).replace(b"@AT@", at.encode())


VISIT_EVENTS = 5
_STEP_S = 20


class Visits:
    """Bodies that are a visit each, of five events twenty seconds apart, of other users each time."""

    def __init__(self, users: int, write_key: str) -> None:
        self._users = users
        messages = [
            {
                "type": "track",
                "event": f"Action {k % 12}",
                "userId": "@WHO@",
                "timestamp": f"@AT{k}@",
                "messageId": f"visit-@ID@-{k}",
                "properties": {"amount": 60 * k, "path": "/products/7"},
                "context": {"userAgent": AGENT, "page": {"url": "https://www.example.com/products/7"}},
            }
            for k in range(VISIT_EVENTS)
        ]
        body = {"batch": messages, "writeKey": write_key}
        self._template = json.dumps(body, separators=(",", ":")).encode()
        self._number = 0
        self._run = uuid.uuid4().hex[:16]

    def next(self) -> bytes:
        """Return the next body."""
        who = 1 + self._number * 7919 % self._users
        filled = self._template.replace(b"@WHO@", b"%d" % who)
        filled = filled.replace(b"@ID@", f"{self._run}{self._number:012x}".encode())
        now = time.time()
        for k in range(VISIT_EVENTS):
            at = time.gmtime(now - (VISIT_EVENTS - 1 - k) * _STEP_S)
            filled = filled.replace(b"@AT%d@" % k, time.strftime("%Y-%m-%dT%H:%M:%SZ", at).encode())
        self._number += 1
        return filled


class Connection(asyncio.Protocol):
    """One connection with one request in flight at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self._load.is_over():
            self._transport.close()
            return
        body = self._load.bodies.next()
        head = self._load.head + str(len(body)).encode() + b"\r\n\r\n"
        self._sent_at = time.perf_counter()
        self._transport.write(head + body)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or b"0")
        if len(rest) < length:
            return
        self._load.answered(int(head[9:12]), time.perf_counter() - self._sent_at)
        self._received = b""
        if wait_s := self._load.wait_s():
            asyncio.get_running_loop().call_later(wait_s, self._send)
        else:
            self._send()

    def connection_lost(self, _: Exception | None) -> None:
        self._load.closed()


class Load:
    """All connections, and what they measured."""

    def __init__(self, url: str, key: str, options: argparse.Namespace) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        basic = base64.b64encode(f"{key}:".encode()).decode()
        path = "/v1/batch" if options.events > 1 else "/v1/track"
        self.head = (
            f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Basic {basic}\r\n"
            f"user-agent: {AGENT}\r\norigin: https://www.example.com\r\ncontent-type: text/plain\r\n"
            "content-length: "
        ).encode()
        self.bodies = (
            Visits(options.users, key) if options.visits else Bodies(options.events, options.users, key)
        )
        self._options = options
        self._statuses: dict[int, int] = {}
        self._times: list[float] = []
        self._open = 0

    def is_over(self) -> bool:
        return time.perf_counter() > self._until

    def wait_s(self) -> float:
        """Return how long to wait with the next request, so that the rate is kept."""
        if not self._options.rate:
            return 0
        due = self._began + len(self._times) * self._options.events / self._options.rate
        return max(due - time.perf_counter(), 0)

    def answered(self, status: int, seconds: float) -> None:
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._times.append(seconds)

    def closed(self) -> None:
        self._open -= 1
        if not self._open:
            self._done.set()

    async def run(self) -> dict[str, object]:
        """Send until the time is over; return what was measured."""
        self._done = asyncio.Event()
        self._until = time.perf_counter() + self._options.seconds
        self._began = began = time.perf_counter()
        loop = asyncio.get_running_loop()
        self._open = self._options.connections
        for _ in range(self._options.connections):
            await loop.create_connection(lambda: Connection(self), *self._address)
        await self._done.wait()
        seconds = time.perf_counter() - began
        times = sorted(self._times)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "requests_per_s": round(len(times) / seconds),
            "events_per_s": round(self._statuses.get(200, 0) * self._options.events / seconds),
            "events": self._statuses.get(200, 0) * self._options.events,
            "statuses": self._statuses,
            "p50_ms": round(times[len(times) // 2] * 1e3, 2),
            "p99_ms": round(times[len(times) * 99 // 100] * 1e3, 2),
            "load_cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=int, default=0, help="events a second; 0: as many as go")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--visits", action="store_true", help="each request is a visit of another user")
    options = parser.parse_args()
    if options.visits:
        options.events = VISIT_EVENTS
    print(json.dumps(uvloop.run(Load(options.url, options.key, options).run())))


if __name__ == "__main__":
    main()
