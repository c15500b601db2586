"""A proxy between the users and the server, as operators put one there; it can have accidents."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

NOT_PASSED_ON = ("connection", "transfer-encoding", "keep-alive")


ANSWERS: Mapping[str, tuple[HTTPStatus, list[tuple[str, str]], bytes]] = {
    "bad gateway": (HTTPStatus.BAD_GATEWAY, [], b""),
    "busy": (HTTPStatus.TOO_MANY_REQUESTS, [("retry-after", "3")], b"{}"),
    "refused": (HTTPStatus.UNAUTHORIZED, [], b'{"error":{"code":"unauthorized","message":"no"}}'),
}
"""What the proxy answers by itself."""
_TO_PAGES = [("access-control-allow-origin", "*"), ("access-control-expose-headers", "retry-after")]


class Hop(http.server.ThreadingHTTPServer):
    """Passes each request on to a server, with the address of its sender in X-Forwarded-For.

    Each event call takes the next of the `accidents`: `cut` ends the connection before the request is
    passed on, `lost` after it, so that its answer is lost; `pass` is none; the others are of `ANSWERS`.
    """

    def __init__(self, server_url: str, *, sender: str = "5.6.7.8", accidents: Iterable[str] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(server_url).netloc
        self.sender = sender
        self.accidents = deque(accidents)
        self.calls: list[tuple[str, str, str]] = []
        """Method, path and accident of each request, in the order in which they were done with."""
        self.batches: list[tuple[dict[str, Any], dict[str, Any]]] = []
        """Each batch that was passed on, if it was not packed, and what the server answered."""
        self.sizes: list[int] = []
        """Of the body of each event call."""
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=[0.05])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hop

    def do_GET(self) -> None:
        self._pass_on("pass")

    def do_OPTIONS(self) -> None:
        self._pass_on("pass")

    def do_POST(self) -> None:
        self.server.sizes.append(int(self.headers.get("content-length", 0)))
        self._pass_on(self.server.accidents.popleft() if self.server.accidents else "pass")

    def _pass_on(self, accident: str) -> None:
        try:
            self._have(accident, self.rfile.read(int(self.headers.get("content-length", 0))))
        finally:
            self.server.calls.append((self.command, self.path, accident))

    def _have(self, accident: str, body: bytes) -> None:
        if accident in ANSWERS:
            status, headers, answer = ANSWERS[accident]
            self._relay(status, [*_TO_PAGES, *headers, ("content-length", f"{len(answer)}")], answer)
        elif accident != "cut":
            answer = self._answer(body)
            if accident != "lost":
                self._relay(*answer)

    def _answer(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
        headers["X-Forwarded-For"] = self.server.sender
        connection = http.client.HTTPConnection(self.server.target, timeout=20)
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            told = answer.read()
        finally:
            connection.close()
        is_plain = "content-encoding" not in self.headers
        if self.command == "POST" and self.path == "/v1/batch" and is_plain:
            self.server.batches.append((json.loads(body), json.loads(told)))
        return answer.status, answer.getheaders(), told

    def _relay(self, status: int, headers: list[tuple[str, str]], answer: bytes) -> None:
        with suppress(ConnectionError):  # the sender may have left
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in NOT_PASSED_ON:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass
