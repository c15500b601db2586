"""Asks for decisions at a steady rate, each of another user, and times the answers.

`python bench/asking.py URL WRITE_KEY --rate 100 --seconds 60 --users 1000000` prints one line of JSON. A call
that comes late because others wait counts from when it was due.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import time
from urllib.parse import urlsplit

CONNECTIONS = 16


class Asker:
    """Some connections that are kept open, and what was measured on them."""

    def __init__(self, url: str, key: str, users: int) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        basic = base64.b64encode(f"{key}:".encode()).decode()
        self._tail = f" HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Basic {basic}\r\n\r\n"
        self._users = users
        self.seconds: list[float] = []
        self.statuses: dict[int, int] = {}
        self.bytes = 0

    async def run(self, rate: int, seconds: float) -> None:
        """Ask for so many seconds."""
        free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            free.put_nowait(await asyncio.open_connection(*self._address))
        calls = []
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            calls.append(asyncio.create_task(self._ask(number, due, free)))
        await asyncio.gather(*calls)

    async def _ask(
        self,
        number: int,
        due: float,
        free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
    ) -> None:
        connection = await free.get()
        reader, writer = connection
        user = 1 + number * 104_729 % self._users
        writer.write(f"GET /v1/decisions?user_id={user}{self._tail}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0] or b"0")
        self.bytes += len(await reader.readexactly(length))
        self.seconds.append(time.perf_counter() - due)
        status = int(head[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        free.put_nowait(connection)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--users", type=int, default=1_000_000)
    options = parser.parse_args()
    asker = Asker(options.url, options.key, options.users)
    asyncio.run(asker.run(options.rate, options.seconds))
    times = sorted(asker.seconds)
    found = {
        "statuses": asker.statuses,
        "bytes": asker.bytes / len(times),
        **{
            name: times[len(times) * share // 1_000] * 1e3
            for name, share in (("p50_ms", 500), ("p99_ms", 990))
        },
        "worst_ms": times[-1] * 1e3,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
