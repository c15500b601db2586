"""A web site of somebody who uses the browser SDK: its pages, its space, and what came of both."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx
from hop import Hop
from playwright.sync_api import BrowserContext
from serving import Server, wait_until

Message = dict[str, Any]


class Pages(http.server.ThreadingHTTPServer):
    """Pages by their paths, at any host; what is not there is 404."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.pages: dict[str, tuple[str, Mapping[str, str]]] = {}

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=[0.05])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Page(http.server.BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        text, headers = self.server.pages.get(self.path.split("?")[0], ("", {}))
        content = text.encode()
        self.send_response(200 if content else 404)
        kind = "text/javascript" if self.path.split("?")[0].endswith(".js") else "text/html"
        for name, value in {"content-type": f"{kind}; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Shop:
    """A site with a space of its own on a server, behind a proxy that can have accidents."""

    def __init__(self, server: Server, hop: Hop, pages: Pages, space: str, key: str) -> None:
        self.server = server
        self.hop = hop
        self.space = space
        self.key = key
        self.pages = pages
        self._first = len(hop.batches)

    @property
    def tag(self) -> str:
        """The script tag that is enough."""
        return f'<script async src="{self.hop.url}/enduser.js?key={self.key}"></script>'

    def page(self, html: str | None = None, path: str = "/", **headers: str) -> None:
        """Have a page: with the script tag alone, unless something else is given."""
        body = self.tag if html is None else html
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages.pages[path] = (
            f'<!doctype html><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">{body}',
            named,
        )

    def script(self, path: str, text: str) -> None:
        """Have a script file."""
        self.pages.pages[path] = (text, {})

    def url(self, path: str = "/", host: str = "localhost") -> str:
        """Return the address of a page."""
        return f"http://{host}:{self.pages.server_port}{path}"

    @property
    def messages(self) -> list[Message]:
        """What the SDK has sent and the server has taken, in the order of arrival; copies are there twice."""
        sent: list[Message] = []
        for batch, answer in self.hop.batches[self._first :]:
            if batch["writeKey"] == self.key:
                assert answer == {"success": True, "rejected": []}, (batch, answer)
                sent.extend(batch["batch"])
        return sent

    def sent(self) -> int:
        """Return how many calls with events the server has taken."""
        return len([batch for batch, _ in self.hop.batches[self._first :] if batch["writeKey"] == self.key])

    @property
    def distinct(self) -> list[Message]:
        """The messages without copies, by their times."""
        found = {message["messageId"]: message for message in self.messages}
        return sorted(found.values(), key=lambda message: str(message["timestamp"]))

    def wait(self, is_there: Callable[[list[Message]], object], deadline_s: float = 20) -> list[Message]:
        """Wait until the distinct messages are as they should be, and return them."""
        assert wait_until(lambda: bool(is_there(self.distinct)), deadline_s)
        return self.distinct

    def wait_for(self, *names: str) -> list[Message]:
        """Wait until there are messages of these names (`event`, else the type), in any order."""

        def names_of(messages: list[Message]) -> list[str]:
            return [message.get("event") or message["type"] for message in messages]

        return self.wait(lambda messages: sorted(names_of(messages)) == sorted(names))

    def users(self) -> dict[str, dict[str, object]]:
        """Return the End User Objects by their ids."""
        return self.server.users(self.space)

    def have(self, **settings: object) -> None:
        """Change settings of the space, and wait until browsers are told."""
        for name, value in settings.items():
            self.server.cli("config", "set", name, value, "--space", self.space, "--yes")
        address = f"{self.server.url}/v1/projects/{self.key}/settings"
        wanted = {name: {"on": True, "off": False}.get(str(value), value) for name, value in settings.items()}

        def are_told() -> bool:
            told = httpx.get(address).json()["enduser"]
            return all(told.get(name, value) == value for name, value in wanted.items())

        wait_until(are_told)


def told_by(person: BrowserContext) -> list[str]:
    """Return what the console of all tabs says from now on."""
    told: list[str] = []
    person.on("console", lambda message: told.append(message.text))
    return told


def json_of(value: object) -> str:
    """Return a value as it can stand in a script."""
    return json.dumps(value).replace("</", "<\\/")
