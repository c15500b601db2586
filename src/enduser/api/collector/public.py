"""What is asked on the public port besides calls: preflights, settings of browser SDKs, and all else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from enduser.api.collector.gate import ROUTES, Gate
from enduser.api.decisions import PATH
from enduser.api.figures import Figures
from enduser.api.problems import JSON, Headers, refusal
from enduser.errors import EnduserError, MethodNotAllowed, Unauthorized

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CORS = [(b"access-control-allow-origin", b"*")]
_SETTINGS_PATH = "/v1/projects/"
_NO_CONTENT = 204
"""Has no body, and may not even say how long it is."""
_PREFLIGHT = [
    *CORS,
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]
_ASKED_HEADERS = b"authorization, content-type, content-encoding"


class PublicPlane:
    """An ASGI application for what is asked on the public port besides calls.

    Preflights and the settings of browser SDKs are answered here, and decisions as far as can be; the owner
    of the data folder answers everything else that is not of the tracking protocol.
    """

    def __init__(self, gate: Gate, owner: ASGIApp, decisions: ASGIApp, figures: Figures) -> None:
        """Know settings by `gate`; count refusals in `figures`."""
        self._gate = gate
        self._owner = owner
        self._decisions = decisions
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == PATH:
            await self._decisions(scope, receive, send)
            return
        if path not in ROUTES and not path.startswith(_SETTINGS_PATH):
            await self._owner(scope, receive, send)
            return
        try:
            if scope["method"] == "OPTIONS":
                await _send(send, _NO_CONTENT, b"", _preflight(scope))
            elif path in ROUTES:
                raise MethodNotAllowed(
                    f"{path} takes POST, not {scope['method']}", hint="send the event as the body of a POST"
                )
            else:
                await _send(
                    send, 200, self._settings(scope), [*CORS, JSON, (b"cache-control", b"max-age=60")]
                )
        except EnduserError as error:
            status, headers, body = public_refusal(error)
            if isinstance(error, MethodNotAllowed):
                headers.append((b"allow", b"POST, OPTIONS" if path in ROUTES else b"GET, HEAD, OPTIONS"))
            await _send(send, status, body, headers)
            self._figures.refuse(error.code)

    def _settings(self, scope: Scope) -> bytes:
        """Return the settings that browser SDKs ask for."""
        key, _, rest = scope["path"].removeprefix(_SETTINGS_PATH).partition("/")
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed("settings are read with GET", hint="GET /v1/projects/{writeKey}/settings")
        if rest != "settings":
            raise Unauthorized("the write key is unknown", hint="enduser systems list shows the write keys")
        return self._gate.settings_of(key, scope["scheme"], dict(scope["headers"]))


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
    if b"content-length" not in names and status != _NO_CONTENT:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
