"""What a collector passes on to the owner of the data folder, over a socket of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx

from enduser.api.problems import error_json
from enduser.errors import OwnerUnreachable

_NOT_PASSED_ON = frozenset(
    (b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"proxy-connection")
)
"""Headers that are about one connection."""


class OwnerProxy:
    """An ASGI application that answers with what the owner answers."""

    def __init__(self, socket: str) -> None:
        """Reach the owner through a Unix socket."""
        transport = httpx.AsyncHTTPTransport(uds=socket)
        timeout = httpx.Timeout(None, connect=5.0)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://owner", timeout=timeout)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on, and its answer back."""
        url = httpx.URL(
            scheme="http", host="owner", raw_path=scope["raw_path"] + _query(scope["query_string"])
        )
        headers = [(name, value) for name, value in scope["headers"] if name not in _NOT_PASSED_ON]
        request = self._client.build_request(
            scope["method"], url, headers=headers, content=_content(scope, receive)
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.TransportError:
            await _send_unreachable(send)
            return
        try:
            await _send_back(response, send)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()


def _query(told: bytes) -> bytes:
    return b"?" + told if told else b""


def _content(scope: Any, receive: Any) -> AsyncIterator[bytes] | None:
    names = {name for name, _ in scope["headers"]}
    has_body = b"content-length" in names or b"transfer-encoding" in names
    return _chunks(receive) if has_body else None


async def _chunks(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


async def _send_back(response: httpx.Response, send: Any) -> None:
    headers = [
        (name.lower(), value) for name, value in response.headers.raw if name.lower() not in _NOT_PASSED_ON
    ]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    async for chunk in response.aiter_raw():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_unreachable(send: Any) -> None:
    body = error_json(
        OwnerUnreachable(
            "the owner of the data folder does not answer", hint="see its log; it may be starting"
        )
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
