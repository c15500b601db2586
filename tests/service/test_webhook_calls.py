"""Calls of webhooks: what receivers get, how they answer, and where nobody is called."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import shutil
import socket
from collections.abc import Coroutine, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from receiving import NEVER, certified, closed, receiver
from waiting import until

from enduser import limits
from enduser.core.addresses import Network, networks_of
from enduser.service import webhook_calls
from enduser.service.feed import FeedRowJson
from enduser.service.webhook_calls import Answer, Message, WebhookCaller
from enduser.stores.webhooks import Webhook, new_secret

SELF = networks_of("127.0.0.1")
ROW = FeedRowJson(
    number=7,
    kind="entered",
    segment="vips",
    user_id="ærlig",
    is_anonymous=False,
    noticed_at="2026-03-01T10:00:00.000000Z",
)


def hook(url: str) -> Webhook:
    return Webhook(id="h", space="a/b", name="crm", url=url, secret=new_secret(), place=0, created_at=0)


def message(*items: FeedRowJson) -> Message:
    return Message(type="enduser.feed", space="a/b", webhook="h", items=items, cursor="c")


async def call(
    url: str, allowed: Sequence[Network] = SELF, names: dict[str, list[str]] | None = None
) -> Answer:
    """Call a receiver; names mean the addresses that are given, and nothing else."""

    async def resolve(host: str, _: int) -> list[str]:
        if names is None:
            return [host]
        if host not in names:
            raise socket.gaierror(-2, "Name or service not known")
        return names[host]

    return await WebhookCaller(allowed, resolve).call(hook(url), "id", message())


# --- what receivers get


def test_a_message_is_json_and_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_calls, "now_us", lambda: 1_700_000_000_999_999)

    async def main() -> None:
        async with receiver() as one:
            webhook = hook(one.url())
            answer = await WebhookCaller(SELF).call(webhook, "id_1", message(ROW))
            assert answer == Answer(204, None)
        (got,) = one.got
        assert got.target == "/hook?to=crm"
        row = {
            "number": 7,
            "kind": "entered",
            "segment": "vips",
            "user_id": "ærlig",
            "is_anonymous": False,
            "noticed_at": "2026-03-01T10:00:00.000000Z",
        }
        told = {"type": "enduser.feed", "space": "a/b", "webhook": "h", "items": [row], "cursor": "c"}
        assert got.message == told
        assert got.headers["host"] == f"127.0.0.1:{one.port}"
        assert got.headers["content-type"] == "application/json"
        assert (got.id, got.headers["webhook-timestamp"]) == ("id_1", "1700000000")
        key = base64.b64decode(webhook.secret.split("_")[1])
        right = hmac.new(key, b"id_1.1700000000." + got.body, hashlib.sha256).digest()
        assert got.headers["webhook-signature"] == "v1," + base64.b64encode(right).decode()

    asyncio.run(main())


def test_while_the_secret_changes_a_message_has_both_signatures() -> None:
    async def main() -> None:
        async with receiver() as one:
            changed = replace(hook(one.url()), old_secret=new_secret(), old_secret_ends_at=2**62)
            await WebhookCaller(SELF).call(changed, "id", message())
        assert len(one.got[0].headers["webhook-signature"].split()) == 2

    asyncio.run(main())


# --- answers


@pytest.mark.parametrize(
    ("status", "problem"),
    [(200, None), (299, None), (300, "it answered 300"), (404, "it answered 404"), (500, "it answered 500")],
)
def test_an_answer_of_200_to_299_says_that_the_receiver_has_it(status: int, problem: str | None) -> None:
    async def main() -> None:
        async with receiver(status) as one:
            assert await call(one.url()) == Answer(status, problem)

    asyncio.run(main())


def test_nobody_is_called_because_a_receiver_says_so() -> None:
    async def main() -> None:
        async with receiver() as other, receiver(302, more_headers=[f"location: {other.url()}"]) as one:
            assert (await call(one.url())).problem == "it answered 302"
        assert (len(one.got), other.got) == (1, [])

    asyncio.run(main())


def test_a_receiver_has_so_long_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_SECONDS_MAX", 0.05)

    async def main() -> None:
        async with receiver(NEVER) as one:
            answer = await call(one.url())
        assert answer == Answer(None, "no answer within 0.05 s (WEBHOOK_SECONDS_MAX)")

    asyncio.run(main())


def test_a_receiver_that_speaks_something_else_or_is_not_there_has_no_answer() -> None:
    chats: list[object] = []

    async def main() -> None:
        async def chat(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.acme.com\r\n\r\n")
            await closed(writer)
            chats.append(writer)

        async with await asyncio.start_server(chat, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            odd = await call(f"http://127.0.0.1:{port}")
            plain = await call(f"https://127.0.0.1:{port}")
            await until(lambda: len(chats) == 2)
        gone = await call(f"http://127.0.0.1:{port}")
        for answer in (odd, plain, gone):
            assert answer.status is None
            assert answer.problem
        assert "no connection to 127.0.0.1" in (gone.problem or "")

    asyncio.run(main())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_receiver_is_told_only_if_its_certificate_is_known_and_is_that_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate = certified(tmp_path, "crm.acme.com")
    names = {"crm.acme.com": ["127.0.0.1"], "other.acme.com": ["127.0.0.1"]}

    async def main(host: str) -> Answer:
        async with receiver(tls=tls) as one:
            answer = await call(one.url(host).replace("http:", "https:"), SELF, names)
            assert len(one.got) == (answer.problem is None)
        return answer

    unknown = asyncio.run(main("crm.acme.com"))
    assert "certificate" in (unknown.problem or "").lower()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert asyncio.run(main("crm.acme.com")) == Answer(204, None)
    other = asyncio.run(main("other.acme.com"))
    assert "mismatch" in (other.problem or "").lower()


# --- calls that are given up


@dataclass
class GivenUp:
    """What is awaited until it pauses for the nth time, and is cancelled then."""

    work: Coroutine[Any, Any, object]
    pause: int
    was_given_up: bool = False

    def __await__(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        assert task is not None
        step, pauses = partial(self.work.send, None), 0
        while True:
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            if pauses == self.pause:
                self.was_given_up = True
                task.cancel()
            pauses += 1
            try:
                step = partial(self.work.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001 - a cancellation goes where it would have gone
                step = partial(self.work.throw, error)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.StreamWriter]:
    """All connections that are opened from now on."""
    kept = []
    open_connection = asyncio.open_connection

    async def kept_one(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await open_connection(host, port)
        kept.append(writer)
        return reader, writer

    monkeypatch.setattr(asyncio, "open_connection", kept_one)
    return kept


async def call_until_it_is_answered(caller: WebhookCaller, url: str) -> list[bool]:
    """Call again and again, and give the first call up at its first pause, the second at its second, ...

    Returns:
        Whether each was given up: the last was not.
    """
    given_up = [True]
    while given_up[-1]:
        one = GivenUp(caller.call(hook(url), "id", message()), pause=len(given_up) - 1)
        with suppress(asyncio.CancelledError):
            await one
        given_up.append(one.was_given_up)
    return given_up[1:]


def is_closed(writer: asyncio.StreamWriter) -> bool:
    return writer.transport.is_closing()


def test_whenever_a_call_is_given_up_its_connection_is_closed(opened: list[asyncio.StreamWriter]) -> None:
    async def main() -> None:
        caller = WebhookCaller(SELF)
        async with receiver() as one:
            given_up = await call_until_it_is_answered(caller, one.url())
            assert len(given_up) > len(opened) > 1
            assert [is_closed(writer) for writer in opened] == [True] * len(opened)

    asyncio.run(main())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_whenever_a_call_is_given_up_its_encrypted_connection_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[asyncio.StreamWriter]
) -> None:
    tls, certificate = certified(tmp_path, "crm.acme.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def resolve(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    async def main() -> None:
        caller = WebhookCaller(SELF, resolve)
        async with receiver(tls=tls) as one:
            url = one.url("crm.acme.com").replace("http:", "https:")
            given_up = await call_until_it_is_answered(caller, url)
            assert len(given_up) > len(opened) > 1
            assert [is_closed(writer) for writer in opened] == [True] * len(opened)

    asyncio.run(main())


# --- where nobody is called


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["::1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["93.184.216.34", "127.0.0.1"]],
)
def test_a_host_with_an_address_that_means_the_server_is_not_called(addresses: list[str]) -> None:
    async def main() -> None:
        async with receiver() as one:
            answer = await call(one.url("crm.acme.com"), (), {"crm.acme.com": addresses})
        assert answer.status is None
        assert "is not called" in (answer.problem or "")
        assert one.got == []

    asyncio.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "[::1]"])
def test_however_the_server_itself_is_written_it_is_not_called(host: str) -> None:
    async def main() -> None:
        async with receiver() as one:
            answer = await WebhookCaller().call(hook(one.url(host)), "id", message())
        assert answer.status is None
        assert one.got == []
        assert "is not called" in (answer.problem or "")

    asyncio.run(main())


def test_a_host_is_looked_up_once_and_called_where_it_was_then_with_its_name() -> None:
    looked_up = []

    async def resolve(host: str, _: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["127.0.0.2"]

    async def main() -> None:
        async with receiver() as one:
            url = one.url("crm.acme.com")
            answer = await WebhookCaller(SELF, resolve).call(hook(url), "id", message())
            assert answer == Answer(204, None)
            assert one.got[0].headers["host"] == f"crm.acme.com:{one.port}"
            again = await WebhookCaller(SELF, resolve).call(hook(url), "id", message())
        assert "127.0.0.2, which is not called" in (again.problem or "")
        assert looked_up == ["crm.acme.com"] * 2

    asyncio.run(main())


def test_the_next_address_of_a_host_is_tried_where_one_takes_no_call() -> None:
    async def main() -> None:
        async with receiver() as one:
            names = {"crm.acme.com": ["127.0.0.9", "127.0.0.1"]}
            found = await call(one.url("crm.acme.com"), networks_of("127.0.0.0/8"), names)
        assert found == Answer(204, None)

    asyncio.run(main())


def test_a_host_without_an_address_is_told() -> None:
    answer = asyncio.run(call("http://nowhere.acme.com", SELF, {}))
    assert answer.status is None
    assert "nowhere.acme.com has no address" in (answer.problem or "")
