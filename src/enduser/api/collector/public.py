"""What is asked on the public port besides calls: preflights, what browsers ask first, and all else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from enduser.api.collector.browser_sdk import SCRIPT_PATH, SETTINGS_PATH, BrowserSdk, script_refusal
from enduser.api.collector.gate import ROUTES
from enduser.api.decisions import PATH
from enduser.api.figures import Figures
from enduser.api.problems import JSON, Headers, refusal
from enduser.errors import EnduserError, MethodNotAllowed

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CORS = [(b"access-control-allow-origin", b"*")]
_NO_CONTENT = 204
_WITHOUT_LENGTH = (_NO_CONTENT, 304)
"""Answers that have no body, and may not even say how long it is."""
_PREFLIGHT = [
    *CORS,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]
_ASKED_HEADERS = b"authorization, content-type, content-encoding"


class PublicPlane:
    """An ASGI application for what is asked on the public port besides calls.

    Preflights, and what browsers ask first, are answered here, and decisions as far as can be; the owner
    of the data folder answers everything else that is not of the tracking protocol.
    """

    def __init__(self, browsers: BrowserSdk, owner: ASGIApp, decisions: ASGIApp, figures: Figures) -> None:
        """Answer `browsers`; count refusals in `figures`."""
        self._browsers = browsers
        self._owner = owner
        self._decisions = decisions
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == PATH:
            await self._decisions(scope, receive, send)
            return
        if path not in ROUTES and path != SCRIPT_PATH and not path.startswith(SETTINGS_PATH):
            await self._owner(scope, receive, send)
            return
        try:
            if scope["method"] == "OPTIONS":
                await _send(send, _NO_CONTENT, b"", _preflight(scope))
            else:
                await self._answer(scope, send)
        except EnduserError as error:
            status, headers, body = _script_refusal(error) if path == SCRIPT_PATH else public_refusal(error)
            if isinstance(error, MethodNotAllowed):
                headers.append((b"allow", b"POST, OPTIONS" if path in ROUTES else b"GET, HEAD, OPTIONS"))
            await _send(send, status, body, headers)
            self._figures.refuse(error.code)

    async def _answer(self, scope: Scope, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path in ROUTES:
            raise MethodNotAllowed(
                f"{path} takes POST, not {method}", hint="send the event as the body of a POST"
            )
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{path[:100]} is read with GET, not {method}", hint="ask for it with GET")
        if path == SCRIPT_PATH:
            status, headers, body = self._browsers.script(scope)
            await _send(send, status, body, [*CORS, *headers])
        else:
            body = self._browsers.settings(scope)
            await _send(send, 200, body, [*CORS, JSON, (b"cache-control", b"max-age=60")])


def _script_refusal(error: EnduserError) -> tuple[int, Headers, bytes]:
    status, headers, body = script_refusal(error)
    return status, [*CORS, *headers], body


def public_refusal(error: EnduserError) -> tuple[int, Headers, bytes]:
    """Return the answer that an error is, as pages of other sites may read it too."""
    status, headers, body = refusal(error)
    return status, [*CORS, *headers, (b"access-control-expose-headers", b"retry-after")], body


def _preflight(scope: Scope) -> Headers:
    """Return the headers of the answer to a preflight: whatever headers a browser SDK asks for, it may send.

    SDKs add some of their own, such as `X-Retry-Count`; a retry that is not allowed would lose its event.
    """
    asked = dict(scope["headers"]).get(b"access-control-request-headers", _ASKED_HEADERS)
    return [*_PREFLIGHT, (b"access-control-allow-headers", asked)]


async def _send(send: Send, status: int, body: bytes, headers: Headers) -> None:
    names = {name for name, _ in headers}
    if b"content-length" not in names and status not in _WITHOUT_LENGTH:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
