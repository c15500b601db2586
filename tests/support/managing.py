"""The management API over a real store, called in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from histories import Row
from ready_made import Files, files_of, write_files
from stored import LOOKUPS, NOW, SPACE, take

from enduser.api.management.app import ManagementApp, management_app
from enduser.api.management.routes import openapi
from enduser.api.management.served import ServedUsers
from enduser.service.source_jobs import SourceJobs
from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore

START = 1_767_261_600_000_000
"""2026-01-01T10:00:00Z."""
MINUTE = 60_000_000


class Client:
    """Calls an application in this process, on the event loop of a portal."""

    def __init__(self, portal: BlockingPortal, app: ManagementApp, key: str | None = None) -> None:
        self._portal = portal
        self._app = app
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Make a call."""
        options["headers"] = {**self._headers, **options.get("headers", {})}
        return self._portal.call(self._request, method, path, options)

    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            response = await client.request(method, path, **options)
        if response.is_error:
            assert_declared(method, response)
        return response

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Make a GET call."""
        return self.request("GET", path, **options)

    def patch(self, path: str, **options: Any) -> httpx.Response:
        """Make a PATCH call."""
        return self.request("PATCH", path, **options)


def assert_declared(method: str, response: httpx.Response) -> None:
    """Check that the OpenAPI document of the route says that it can answer with this error."""
    given = response.url.raw_path.decode().partition("?")[0]
    matched = {
        path: operations
        for path, operations in openapi()["paths"].items()
        if method.lower() in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), given)
    }
    for path, operations in matched.items():
        if path == given or given not in matched:
            declared = operations[method.lower()]["responses"].get(str(response.status_code), {})
            codes = declared["content"]["application/json"]["examples"] if declared else {}
            assert response.json()["error"]["code"] in codes, (method, path, response.text)


@dataclass
class Api:
    """A served API: `client` holds a valid key, `bare` none."""

    folder: Path
    store: EmbeddedStore
    control: ControlStore
    app: ManagementApp
    key: str
    portal: BlockingPortal
    client: Client
    bare: Client
    jobs: SourceJobs
    """Nothing does them but `perform_next`."""
    changed: list[object]
    """What ran on the owner's thread."""

    def with_key(self, *spaces: str) -> Client:
        """Return a client with a key for some spaces."""
        return Client(self.portal, self.app, self.control.create_key("", "admin", 0, spaces))

    def with_served(self, users: ServedUsers) -> Client:
        """Return a client of an API that finds users with `users`."""
        return Client(
            self.portal,
            management_app(self.store, self.control, run_on_owner=run, jobs=self.jobs, served=users),
            self.key,
        )


async def run(function: Callable[[], Any]) -> Any:
    """Run at once."""
    return function()


@contextmanager
def served(folder: Path, files: Files | None = None) -> Iterator[Api]:
    """Serve an API over a new data folder with a few users in the space `default/production`.

    It is a copy of `files`, where these are given.
    """
    write_files(folder, files or _filled())
    with (
        EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
        ControlStore(folder) as control,
        start_blocking_portal() as portal,
    ):
        changed: list[object] = []
        owner = anyio.CapacityLimiter(1)

        async def run_on_owner(function: Callable[[], Any]) -> Any:
            changed.append(function)
            return await anyio.to_thread.run_sync(function, limiter=owner)

        jobs = SourceJobs(store, control, lambda work: portal.call(run_on_owner, work))
        app = management_app(store, control, run_on_owner=run_on_owner, jobs=jobs)
        key = control.create_key("tests", "admin", 0)
        client, bare = Client(portal, app, key), Client(portal, app)
        yield Api(folder, store, control, app, key, portal, client, bare, jobs, changed)


def made_of(change: Callable[[Api], object]) -> Files:
    """Return a data folder of a served API after a change, of which many can be copied."""

    def make(folder: Path) -> None:
        with served(folder) as api:
            change(api)

    return files_of(make)


@cache
def _filled() -> Files:
    def make(folder: Path) -> None:
        with (
            EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store,
            ControlStore(folder),
        ):
            fill(store, folder)

    return files_of(make)


def fill(store: EmbeddedStore, folder: Path) -> None:
    """Store users: two sessions of `adam`, strange ids, a visitor; and `eve`, whose only session is open."""
    told = {"name": "Adam", "role": "admin"}
    day = 1_440 * MINUTE
    rows = [
        Row(user_id="adam", occurred_at=START, type="page", place=("NO", None, "Oslo"), traits=told),
        Row(user_id="adam", occurred_at=START + MINUTE // 2, user_agent="Firefox/140.0"),
        Row(user_id="adam", occurred_at=START + day, type="page"),
        *(
            Row(user_id=name, occurred_at=START + n)
            for n, name in enumerate(["a/b", "a b?&=#%", "é/..", "."])
        ),
        Row(anonymous_id="adam", occurred_at=START + 9),
        Row(user_id="eve", occurred_at=START + 2 * day, traits={"role": "guest"}),
    ]
    take(store, folder, rows)
    store.fold(SPACE)
