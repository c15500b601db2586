"""A data folder in which decisions are made, and a collector that makes them in the test's event loop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from stored import NOW, RULES, SPACE

from enduser.api.collector.deciding import Decisions
from enduser.api.figures import Figures
from enduser.core.contents import Content
from enduser.core.lists import ListAction
from enduser.core.segments import Saving, Segment
from enduser.ingest.doors import Doors, write_doors
from enduser.stores.deciding_file import write_deciding
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import Chunk, CloseHistory, EventChunk, Form, WriteList
from enduser.stores.row_file import write_ids
from enduser.stores.serving import ServingCopy

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 1_767_261_600_000_000
"""2026-01-01T10:00:00Z."""


class DecidingFolder:
    """A store, its serving copy, and what collectors are told of it."""

    def __init__(self, store: EmbeddedStore) -> None:
        self.store = store
        self.folder = store.folder
        self.copy = ServingCopy(store.folder)

    def visit(self, *users: str, hour: int = 0, space: str = SPACE, **more: object) -> None:
        """Store an event of each user, whose session is closed."""
        path, at = self.folder / "rows.jsonl", START + hour * HOUR
        rows = [{"user_id": user, "occurred_at": at, **more} for user in users]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.store.apply(space, EventChunk(Chunk(path, Form.JSON_LINES), RULES))
        self.store.apply(space, CloseHistory())
        self.store.fold(space)

    def put(self, list_id: str, *users: str, space: str = SPACE) -> None:
        """Make a static list."""
        rows = write_ids(self.folder / "ids.txt", users, "plain")
        self.store.apply(space, WriteList(list_id, ListAction.CREATE, rows, START))

    def segment(
        self,
        segment_id: str,
        rule: object,
        *,
        is_new: bool = True,
        space: str = SPACE,
        is_public: bool = True,
    ) -> None:
        """Save a segment, whose rule may be a condition alone."""
        root: Any = rule if "combinator" in dict(rule) else {"combinator": "and", "rules": [rule]}  # type: ignore[call-overload]
        segment = Segment(id=segment_id, name=segment_id, rule=root, is_public=is_public)
        self.store.save_segment(space, segment, Saving(NOW, "me", is_new))

    def content(self, content_id: str, *, space: str = SPACE, **more: Any) -> None:
        """Make a content item."""
        self.store.save_content(
            space, Content(id=content_id, name=content_id, **more), Saving(NOW, "me", True)
        )

    def tell(self) -> None:
        """Tell collectors what they may let in and what they decide by."""
        write_doors(self.folder, self.store.doors())
        write_deciding(self.folder, self.store.deciding())

    def serve(self) -> None:
        """Bring the copy up to the store, and tell collectors."""
        for space in self.store.spaces():
            while not self.copy.follow(space, self.store):
                pass
            while not self.copy.fill(space, self.store):
                pass
        self.tell()

    def key(self, space: str = SPACE) -> str:
        """Return the write key of a space."""
        (door,) = (door for door in self.store.doors() if door.space == space)
        return door.keys[0].write_key

    def close(self) -> None:
        """Close the copy."""
        self.copy.close()


@contextmanager
def deciding_folder(data: Path) -> Iterator[DecidingFolder]:
    """Open a new data folder."""
    with EmbeddedStore(data, now_us=NOW, memory_limit_mb=512) as store:
        folder = DecidingFolder(store)
        yield folder
        folder.close()


class Collector:
    """What of a collector makes decisions; the owner only counts how often it is asked."""

    def __init__(self, folder: DecidingFolder) -> None:
        self.folder = folder
        self.passed_on: list[str] = []
        self.figures = Figures()
        self.doors = Doors(folder.folder)
        self.app = Decisions(folder.folder, self.doors, self._owner, self.figures)  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def _owner(self, scope: Any, _: Any, send: Any) -> None:
        self.passed_on.append(scope["query_string"].decode())
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def __aenter__(self) -> Self:
        """Know the rules of all spaces."""
        await self.learn()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the copy."""
        await self.client.aclose()
        self.app.close()

    async def learn(self) -> None:
        """Know what was told last."""
        self.doors.refresh()
        for space in self.folder.store.spaces():
            door = self.doors.of_space(space)
            assert door is not None
            await self.app._deciders.wait(door)

    async def call(
        self, query: str = "", *, method: str = "GET", space: str = SPACE, **headers: str
    ) -> httpx.Response:
        """Ask with the key of a space in the query, unless the query has one."""
        query = query if "key=" in query else f"{query}&key={self.folder.key(space)}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, f"/v1/decisions?{query.lstrip('&')}", headers=named)

    async def decide(self, query: str, space: str = SPACE) -> Mapping[str, Any]:
        """Return a decision that is not passed on."""
        answer = await self.call(query, space=space)
        assert answer.status_code == 200, answer.text
        told: Mapping[str, Any] = answer.json()
        return told
