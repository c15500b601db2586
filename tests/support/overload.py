"""`python overload.py PORT KEY NUMBER CONNECTIONS MESSAGES SECONDS`: more than a server can take.

Sends batches over many connections at once, each again and again without a pause, until the time is over.
Prints one line of JSON: how often each status was answered, which answers were wrong, and the ids of all
events that were acknowledged.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections import Counter

PADDING = "x" * 150
ANSWER_S = 60


async def send(port: int, head: bytes, name: str, messages: int, until: float, told: dict) -> None:
    """Send over one connection, again and again; after a refusal at once, as no SDK should."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    number = 0
    while time.monotonic() < until:
        ids = [f"{name}-{number}-{n}" for n in range(messages)]
        number += 1
        batch = [
            {"type": "track", "event": PADDING, "userId": f"{name}-{n % 5}", "messageId": i}
            for n, i in enumerate(ids)
        ]
        body = json.dumps({"batch": batch, "sentAt": "2026-01-01T10:00:00Z"}).encode()
        writer.write(head % len(body) + body)
        try:
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), ANSWER_S)
        except (TimeoutError, OSError, EOFError) as error:
            socket = writer.get_extra_info("sockname")
            told["wrong"].append(f"no answer to request {number} of {name} from {socket}: {error!r}")
            break
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        content = await reader.readexactly(length)
        status = int(answer.split()[1])
        told["statuses"][status] += 1
        if status == 200 and content == b'{"success":true,"rejected":[]}':
            told["acknowledged"] += ids
        elif status not in (429, 503) or b"retry-after: " not in answer.lower():
            told["wrong"].append((answer + content).decode())
    writer.close()


async def main() -> None:
    port, key, number, connections, messages, seconds = sys.argv[1:]
    basic = base64.b64encode(f"{key}:".encode())
    head = (
        b"POST /v1/batch HTTP/1.1\r\nhost: x\r\nauthorization: Basic "
        + basic
        + b"\r\ncontent-length: %d\r\n\r\n"
    )
    told: dict = {"statuses": Counter(), "wrong": [], "acknowledged": []}
    until = time.monotonic() + float(seconds)
    names = [f"{number}-{n}" for n in range(int(connections))]
    await asyncio.gather(*(send(int(port), head, name, int(messages), until, told) for name in names))
    print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main())
