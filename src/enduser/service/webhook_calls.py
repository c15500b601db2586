"""Calls of webhooks: signed, to addresses that were checked, with an answer in time or none.

A name is looked up once, all of its addresses are checked, and the connection goes to one of those: a name
that would mean another address a moment later has no second chance.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpcore
import httpx
import msgspec

from enduser import __version__, limits
from enduser.clock import now_us
from enduser.core.addresses import Network, refusal_of
from enduser.core.signing import signed_headers
from enduser.service.feed import FeedRowJson
from enduser.stores.webhooks import Webhook

OK = range(200, 300)
GONE = 410
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, in the order in which they are tried; raises OSError if there are none."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is sent."""

    type: str
    """`enduser.feed`, or `enduser.test`."""
    space: str
    webhook: str
    items: Sequence[FeedRowJson]
    cursor: str
    """Of what follows in the feed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call."""

    status: int | None
    """None: there was no answer."""
    problem: str | None
    """What went wrong; None: the receiver has it."""


class AddressRefused(Exception):
    """A receiver is where the server calls nobody."""


class WebhookCaller:
    """Calls receivers; each call is a connection of its own."""

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolve | None = None) -> None:
        """Call no address that `refusal_of` refuses, but those in the networks that are allowed."""
        self.allowed = allowed
        self._network = _CheckedNetwork(allowed, resolve or _addresses_of)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()

    async def call(self, webhook: Webhook, message_id: str, message: Message) -> Answer:
        """Send a message, and wait for its answer; what the body of the answer says is not looked at."""
        body, url, now = msgspec.json.encode(message), httpx.URL(webhook.url), now_us()
        headers = {
            "host": url.netloc.decode(),
            "content-type": "application/json",
            "content-length": str(len(body)),
            "user-agent": f"enduser/{__version__}",
            **signed_headers(webhook.secrets_at(now), message_id, now // 1_000_000, body),
        }
        try:
            async with asyncio.timeout(limits.WEBHOOK_SECONDS_MAX):
                status = await self._post(url, headers, body)
        except TimeoutError:
            return Answer(None, f"no answer within {limits.WEBHOOK_SECONDS_MAX} s (WEBHOOK_SECONDS_MAX)")
        except (AddressRefused, httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(None, str(error) or f"the connection failed: {type(error).__name__}")
        return Answer(status, None if status in OK else f"it answered {status}")

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> int:
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        # Not by a pool: httpcore's keeps open what is cancelled while it waits for a lock of its connection.
        async with (
            httpcore.AsyncHTTPConnection(
                target.origin, ssl_context=self._tls, network_backend=self._network
            ) as connection,
            connection.stream("POST", target, headers=pairs, content=body) as response,
        ):
            return int(response.status)


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to hosts of which all addresses may be called, over the event loop's own transports.

    The way of httpcore itself leaks a connection whose making was given up at the wrong moment.
    """

    def __init__(self, allowed: Sequence[Network], resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that takes the call.

        Raises:
            AddressRefused: one of its addresses is not called.
            ConnectError: it has none, or none takes the call.
        """
        assert timeout is None
        assert local_address is None
        assert not socket_options
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address: {error}") from None
        for address in addresses:
            if why := refusal_of(address, self._allowed):
                raise AddressRefused(
                    f"{host} is {address}, which is not called ({why}); "
                    "the server's option --allow-webhooks-to can allow it"
                )
        failures = []
        for address in addresses:
            try:
                return _Stream(*await asyncio.open_connection(address, port))
            except OSError as error:
                failures.append(f"{address}: {error.strerror or error}")
        raise httpcore.ConnectError(f"no connection to {host} ({'; '.join(failures)})")


class _Stream(httpcore.AsyncNetworkStream):
    """A connection; httpcore is given no time limits, for a call has one as a whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert timeout is None
        try:
            return await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert timeout is None
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Go on encrypted, with a host whose certificate says that it is this one.

        Raises:
            ConnectError: it does not.
        """
        assert timeout is None
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except BaseException as error:
            self._writer.transport.abort()
            if isinstance(error, OSError):  # what is wrong with a certificate is one, too
                raise httpcore.ConnectError(str(error) or type(error).__name__) from error
            raise
        return self

    async def aclose(self) -> None:
        """Cut the connection: what was to be said is said."""
        self._writer.transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Return the encryption, for httpcore to see which protocol was agreed on."""
        return self._writer.get_extra_info(info)


async def _addresses_of(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
