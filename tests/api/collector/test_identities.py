"""Where identity is enforced, decisions of a user id need a token that the site has signed for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from deciding import Collector, DecidingFolder, deciding_folder
from signing import PEM, shared, signed
from stored import SPACE

from enduser.api.collector import identities
from enduser.clock import now_us
from enduser.core.events import hashed_id
from enduser.errors import StoreError
from enduser.stores.control import ControlStore
from enduser.stores.identity_keys import create_identity_key, delete_identity_key
from enduser.stores.records import ChangeSettings

pytestmark = pytest.mark.anyio

HASHED = "acme/hashed"
OTHER = "acme/other"


class World:
    """A folder with a key of each kind, and one of another space."""

    def __init__(self, folder: DecidingFolder) -> None:
        self.folder = folder
        self.control = ControlStore(folder.folder)
        self.key = create_identity_key(self.control, SPACE, "web", 1)
        self.public = create_identity_key(self.control, SPACE, "app", 2, PEM)
        self.hashed = create_identity_key(self.control, HASHED, "web", 1)
        self.other = create_identity_key(self.control, OTHER, "web", 1)

    def token(self, sub: object = "adam", *, seconds: float = 60, **more: Any) -> str:
        """Return what the server of the site signs."""
        claims = {"sub": sub, "exp": now_us() / 1e6 + seconds, **more}
        return shared(claims, self.key.material)

    def set(self, mode: str) -> None:
        """Change the setting in all spaces."""
        for space in self.folder.store.spaces():
            self.folder.store.apply(space, ChangeSettings({"identity": mode}))
        self.folder.tell()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with deciding_folder(tmp_path_factory.mktemp("identities") / "data") as folder:
        folder.store.create_space(HASHED, 1)
        folder.store.create_space(OTHER, 1)
        folder.store.apply(HASHED, ChangeSettings({"hash_ids": "on", "hash_salt": "salt"}))
        for space in (SPACE, HASHED):
            folder.visit("adam", "eve", space=space)
        folder.content("hello")
        folder.serve()
        made = World(folder)
        yield made
        made.control.close()


@pytest.fixture
async def enforcing(world: World):
    world.set("enforce")
    async with Collector(world.folder) as opened:
        yield opened


@pytest.fixture
async def reporting(world: World):
    world.set("report")
    async with Collector(world.folder) as opened:
        yield opened


def refused(answer: httpx.Response) -> str:
    """Return what of a refusal is its reason."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (401, "identity_unproven", "identity")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "docs/identity.md" in error["hint"]
    return str(error["message"].partition(": ")[2])


def test_a_space_is_open_unless_it_is_told_otherwise(world: World) -> None:
    world.folder.store.create_space("acme/fresh", 1)
    assert world.folder.store.settings("acme/fresh").identity == "open"


async def test_a_token_comes_as_a_header_or_in_the_query(enforcing: Collector, world: World) -> None:
    token = world.token()
    for answer in (
        await enforcing.call("user_id=adam", enduser_identity=token),
        await enforcing.call("user_id=adam", enduser_identity=f" {token} "),
        await enforcing.call(f"user_id=adam&identity={token}"),
    ):
        assert (answer.status_code, answer.json()["content"][0]["id"]) == (200, "hello")
    assert enforcing.figures.identified == {"valid": 3}
    assert "enduser-identity" in answer.headers["vary"]
    preflight = await enforcing.client.options("/v1/decisions")
    assert "enduser-identity" in preflight.headers["access-control-allow-headers"]


async def test_any_key_of_the_space_signs_and_none_of_another(enforcing: Collector, world: World) -> None:
    claims = {"sub": "adam", "exp": now_us() / 1e6 + 60}
    assert (await enforcing.call("user_id=adam", enduser_identity=signed(claims))).status_code == 200
    foreign = shared(claims, world.other.material)
    told = await enforcing.call("user_id=adam", enduser_identity=foreign)
    assert refused(told) == "no key of the space has signed the token"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: None, "there is no token"),
        (lambda _: "", "there is no token"),
        (lambda _: "x", "the token is no JWT with sub and exp"),
        (lambda world: world.token(sub=5), "the token is no JWT with sub and exp"),
        (lambda world: world.token() + "x", "no key of the space has signed the token"),
        (lambda world: world.token(seconds=-60), "the token has expired"),
        (lambda world: world.token(nbf=now_us() / 1e6 + 60), "the token is not valid yet"),
        (lambda world: world.token("eve"), "the token is for somebody else"),
        (lambda world: world.token("Adam"), "the token is for somebody else"),
        (lambda world: world.token("null"), "the token is for somebody else"),
    ],
)
async def test_who_is_not_proven_is_told_why_and_nothing_else(
    enforcing: Collector, world: World, make: Any, reason: str
) -> None:
    token = make(world)
    headers = {} if token is None else {"enduser_identity": token}
    assert refused(await enforcing.call("user_id=adam", **headers)) == reason
    assert enforcing.figures.refused == {"identity_unproven": 1}
    assert enforcing.figures.decided == {}
    assert enforcing.passed_on == []


async def test_an_anonymous_id_needs_no_token(enforcing: Collector) -> None:
    for query in ("anonymous_id=x", "user_id=null&anonymous_id=x"):
        assert (await enforcing.call(query)).status_code == 200
    assert refused(await enforcing.call("user_id=adam&anonymous_id=x")) == "there is no token"
    assert enforcing.figures.identified == {"anonymous": 2, "missing": 1}


async def test_a_token_has_the_plain_id_also_where_ids_are_hashed(enforcing: Collector, world: World) -> None:
    claims = {"sub": "adam", "exp": now_us() / 1e6 + 60}
    mine = hashed_id("salt", "adam").replace("+", "%2B")
    token = shared(claims, world.hashed.material)
    for query in ("user_id=adam", "user_id=%20adam%20", f"user_id={mine}&id_kind=hashed"):
        assert (await enforcing.call(query, space=HASHED, enduser_identity=token)).status_code == 200
    as_hash = shared({**claims, "sub": hashed_id("salt", "adam")}, world.hashed.material)
    told = await enforcing.call(f"user_id={mine}&id_kind=hashed", space=HASHED, enduser_identity=as_hash)
    assert refused(told) == "the token is for somebody else"
    nobody = await enforcing.call("user_id=adam&id_kind=hashed", enduser_identity=world.token())
    assert refused(nobody) == "the token is for somebody else"


async def test_a_report_answers_all_and_counts_what_would_be_refused(
    reporting: Collector, world: World
) -> None:
    for token in ("", "x", world.token("eve"), world.token(seconds=-60), world.token()):
        answer = await reporting.call("user_id=adam", enduser_identity=token)
        assert answer.status_code == 200
    counted = {"missing": 1, "malformed": 1, "other_user": 1, "expired": 1, "valid": 1}
    assert reporting.figures.identified == counted
    assert reporting.figures.refused == {}


async def test_an_open_space_looks_at_no_token(reporting: Collector, world: World) -> None:
    world.set("open")
    await reporting.learn()
    assert (await reporting.call("user_id=adam", enduser_identity="x")).status_code == 200
    assert reporting.figures.identified == {}
    assert reporting.app._identities._control is None


async def test_a_new_key_is_known_and_one_that_is_deleted_is_not_after_a_second(
    enforcing: Collector, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = {"s": 0.0}
    monkeypatch.setattr(identities, "elapsed_s", lambda: clock["s"])

    async def status(token: str) -> int:
        return (await enforcing.call("user_id=adam", enduser_identity=token)).status_code

    assert await status(world.token()) == 200
    fresh = create_identity_key(world.control, SPACE, "", 3)
    token = shared({"sub": "adam", "exp": now_us() / 1e6 + 60}, fresh.material)
    assert await status(token) == 401
    clock["s"] = 1.0
    assert await status(token) == 200
    delete_identity_key(world.control, SPACE, fresh.id)
    clock["s"] = 1.9
    assert await status(token) == 200
    clock["s"] = 2.0
    assert await status(token) == 401


async def test_where_keys_cannot_be_read_an_enforcing_space_answers_nobody(
    enforcing: Collector, reporting: Collector, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(ControlStore, "reading", refuse)
    assert (await reporting.call("user_id=adam", enduser_identity=world.token())).status_code == 200
    assert reporting.figures.identified == {"unchecked": 1}
    world.set("enforce")
    await enforcing.learn()
    answer = await enforcing.call("user_id=adam", enduser_identity=world.token())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store")
    assert answer.headers["access-control-allow-origin"] == "*"
