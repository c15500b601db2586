"""A collector's public server in the test's own event loop, with a spool of its own and clients to it."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from pathlib import Path
from typing import Any, Self

import httpx

from enduser.api.collector.browser_sdk import BrowserSdk
from enduser.api.collector.gate import Gate
from enduser.api.collector.process import public_server
from enduser.api.collector.series import Series
from enduser.api.collector.server_keys import ServerKeys
from enduser.api.collector.tracking import Desk
from enduser.api.figures import Figures
from enduser.clock import now_us
from enduser.core.settings import SpaceSettings
from enduser.ingest.doors import Doors, write_doors
from enduser.ingest.group_commit import GroupCommit
from enduser.ingest.spool import EVENTS, SpoolReader
from enduser.limits import SPOOL_BYTES_MAX
from enduser.stores.answers import Door, WriteKey
from enduser.stores.data_folder import DEFAULT_SPACE

KEY = "k" * 32
ENDED = "e" * 32
SETTINGS = SpaceSettings(unique_user="cookie:uid")
EVENT = {"type": "track", "event": "Clicked", "userId": "u", "messageId": "m"}


class Site:
    """A collector with a spool of its own, and a client that talks to it."""

    def __init__(self, folder: Path, settings: SpaceSettings = SETTINGS, **options: Any) -> None:
        self.folder = folder
        keys = [WriteKey("acme/production", KEY, 0, None), WriteKey("acme/production", ENDED, 0, 1)]
        doors = [Door(7, "acme/production", settings, keys), Door(1, DEFAULT_SPACE, settings, [])]
        write_doors(folder, doors)
        self.series = Series(folder, 1, SPOOL_BYTES_MAX)
        self.series.mark(now_us())
        self.append = self.series.append
        self.commit = GroupCommit(lambda frames: self.append(frames))  # noqa: PLW0108 - tests replace it
        self.figures = Figures()
        self.keys = ServerKeys(folder)
        known = Doors(folder)
        self.desk = Desk(Gate(known, self.keys, **options), self.commit, self.figures)
        browsers = BrowserSdk(known, **options)
        self.server = public_server(self.desk, browsers, owner, owner)

    async def __aenter__(self) -> Self:
        """Listen."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.serving = asyncio.create_task(self.server.serve([listener]))
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.address[1]}", timeout=30)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End as a collector does."""
        await self.client.aclose()
        self.server.should_exit = True
        await self.serving
        await self.commit.close()
        self.keys.close()
        self.series.close()

    async def post(self, path: str = "/v1/track", body: object = None, **options: Any) -> httpx.Response:
        """Post a body as JSON, or as it is, with the write key as Basic user."""
        content = body if isinstance(body, bytes) else json.dumps(EVENT if body is None else body).encode()
        headers = {"authorization": basic(KEY), "content-type": "application/json"}
        headers |= options.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return await self.client.post(path, content=content, headers=headers, **options)

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines in the spool."""
        frames = SpoolReader(self.folder, {}).read(10**8).frames
        texts = b"".join(one.payload for one in frames if one.kind == EVENTS)
        self.spaces = {one.space for one in frames}
        return [json.loads(text) for text in texts.splitlines()]


async def owner(scope, receive, send) -> None:
    """Stand in for what collectors pass on: it says which path it was asked for."""
    headers = [(b"content-length", str(len(scope["path"])).encode())]
    await send({"type": "http.response.start", "status": 418, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def error(response: httpx.Response) -> tuple[int, str]:
    """Return status and code of an error, which has the one shape."""
    told = response.json()["error"]
    assert set(told) <= {"code", "message", "field", "limit", "hint"}
    assert told["message"]
    assert told["hint"]
    assert response.headers["access-control-allow-origin"] == "*"
    return response.status_code, told["code"]
