"""Static lists in the wire form of the reference product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from managing import Api, served

from enduser import limits
from enduser.core.events import UserId
from enduser.core.segments import Saving, Segment
from enduser.stores.clients import ClientScope, create_client
from enduser.stores.records import EraseUser

SPACE = "default/production"
READ, WRITE = ClientScope.READ_SEGMENTS, ClientScope.WRITE_SEGMENTS


class Caller:
    """A program as it calls the hosted product, but for the host."""

    def __init__(self, api: Api, *scopes: ClientScope) -> None:
        self.api = api
        form = {"grant_type": "client_credentials"}
        auth = httpx.BasicAuth(*create_client(api.control, "", scopes, 1))
        told = api.bare.request("POST", "/accounts/connect/token", data=form, auth=auth).json()
        self.headers = {"Authorization": f"Bearer {told['access_token']}"}
        self.path = f"/public/v1/user/system/{api.store.guids()[SPACE]}/segment"

    def call(self, method: str, segment: str = "", **options: Any) -> httpx.Response:
        path = f"{self.path}/{segment}" if segment else self.path
        return self.api.bare.request(method, path, headers=self.headers, **options)

    def create(self, *user_ids: str, segment: str = "1000-abcd-9999", name: str = "Sales") -> httpx.Response:
        return self.call("POST", json={"id": segment, "name": name, "userIds": list(user_ids)})

    def put(self, action: str, *user_ids: str, segment: str = "1000-abcd-9999") -> httpx.Response:
        return self.call("PUT", segment, json={"action": action, "userIds": list(user_ids)})


@pytest.fixture
def caller(own_api: Api) -> Caller:
    return Caller(own_api, READ, WRITE)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller with a list, which tests share that are refused to change it."""
    with served(tmp_path_factory.mktemp("unchanged") / "data") as opened:
        made = Caller(opened, READ, WRITE)
        made.create("a")
        yield made


def problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def user_ids(caller: Caller, segment: str = "1000-abcd-9999") -> list[str]:
    return [one["userId"] for one in caller.call("GET", segment).json()["members"]]


def test_a_segment_is_made_changed_shown_and_deleted(caller: Caller) -> None:
    made = caller.create("adam", "nobody")
    counts = {"memberCount": 2, "notYetSeenCount": 1}
    assert (made.status_code, made.json()) == (200, {"id": "1000-abcd-9999", "name": "Sales", **counts})
    assert caller.put("add", "é").json()["memberCount"] == 3
    assert caller.put("remove", "nobody").json()["memberCount"] == 2
    assert user_ids(caller) == ["adam", "é"]
    assert caller.put("override", "b").json()["memberCount"] == 1
    (member,) = caller.call("GET", "1000-abcd-9999").json()["members"]
    assert {name: member[name] for name in ("userId", "isAnonymous", "isSeen")} == {
        "userId": "b",
        "isAnonymous": False,
        "isSeen": False,
    }
    assert caller.call("DELETE", "1000-abcd-9999").json() == {"deleted": True}
    problem(caller.call("GET", "1000-abcd-9999"), 404, "list_not_found")


def test_it_is_the_list_that_our_own_api_shows(caller: Caller) -> None:
    caller.create("adam", segment="a/b")
    shown = caller.api.client.get("/api/v1/lists/a%2Fb").json()
    assert (shown["name"], shown["members"]) == ("Sales", 1)
    assert user_ids(caller, "a%2Fb") == ["adam"]


def test_ids_that_cannot_be_are_told_and_the_others_are_taken(caller: Caller) -> None:
    told = caller.create("a", "null", "x" * (limits.ID_BYTES_MAX + 1)).json()
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [
        (1, "junk_user_id"),
        (2, "user_id_too_long"),
    ]
    assert user_ids(caller) == ["a"]


def test_ids_that_all_cannot_be_replace_no_members(caller: Caller) -> None:
    caller.create("a")
    problem(caller.put("override", "null"), 400, "invalid_list")
    assert user_ids(caller) == ["a"]
    assert caller.put("override").json()["memberCount"] == 0


def test_a_segment_that_a_rule_names_is_not_deleted(caller: Caller) -> None:
    caller.create("a", segment="staff")
    rule = {"kind": "list", "id": "staff"}
    segment = Segment(id="s", name="S", rule=rule)
    caller.api.store.save_segment(SPACE, segment, Saving(1, "", is_new=True))
    problem(caller.call("DELETE", "staff"), 409, "in_use")
    assert user_ids(caller, "staff") == ["a"]


def test_the_guid_of_a_system_is_known_in_any_case_and_names_its_space_alone(caller: Caller) -> None:
    caller.create("a")
    caller.path = caller.path.replace(caller.path.split("/")[5], caller.path.split("/")[5].upper())
    assert user_ids(caller) == ["a"]
    caller.api.store.create_space("acme/test", 1)
    caller.path = f"/public/v1/user/system/{caller.api.store.guids()['acme/test']}/segment"
    problem(caller.call("GET", "1000-abcd-9999"), 404, "list_not_found")
    caller.path = "/public/v1/user/system/3f2b6c1e-8d4a-4f0e-9b57-2a6d1c9e7f10/segment"
    problem(caller.create("a"), 404, "space_not_found")


def test_what_is_taken_or_gone_or_too_much_is_refused(caller: Caller) -> None:
    caller.create("a")
    problem(caller.create("b"), 409, "list_exists")
    problem(caller.put("add", "b", segment="gone"), 404, "list_not_found")
    problem(caller.call("DELETE", "gone"), 404, "list_not_found")
    problem(caller.create(segment="x" * (limits.LIST_ID_CHARACTERS_MAX + 1)), 400, "invalid_list")
    many = [f"u{number}" for number in range(limits.LIST_IDS_PER_CALL_MAX + 1)]
    problem(caller.put("add", *many), 400, "limit_exceeded")
    assert caller.put("add", *many[1:]).json()["memberCount"] == len(many)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "create", "userIds": []},
        {"action": "add"},
        {"userIds": ["a"]},
        {"action": "add", "userIds": "a"},
        {"action": "add", "userIds": [None]},
    ],
)
def test_a_body_of_another_form_is_refused(unchanged: Caller, body: dict[str, object]) -> None:
    problem(unchanged.call("PUT", "1000-abcd-9999", json=body), 400, "malformed_request")
    problem(unchanged.call("POST", json={"id": "x", "userIds": []}), 400, "malformed_request")
    assert user_ids(unchanged) == ["a"]


def test_reading_and_writing_need_their_scopes(own_api: Api) -> None:
    reader, writer, other = (Caller(own_api, scope) for scope in (READ, WRITE, ClientScope.UPDATE_USERS))
    for one in (reader, other):
        problem(one.create("a"), 403, "forbidden")
    assert writer.create("a").status_code == 200
    for one in (reader, other):
        problem(one.put("add", "b"), 403, "forbidden")
        problem(one.call("DELETE", "1000-abcd-9999"), 403, "forbidden")
    for one in (writer, other):
        problem(one.call("GET", "1000-abcd-9999"), 403, "forbidden")
    assert user_ids(reader) == ["a"]


def test_who_may_not_is_told_so_before_the_body_is_read(own_api: Api) -> None:
    too_long = b" " * (limits.LIST_BODY_BYTES_MAX + 1)
    reader = Caller(own_api, READ)
    problem(reader.call("POST", content=too_long), 403, "forbidden")
    problem(own_api.bare.request("POST", reader.path, content=too_long), 401, "unauthorized")
    problem(Caller(own_api, WRITE).call("POST", content=too_long), 413, "body_too_large")


def test_without_an_access_token_nothing_is_told(caller: Caller) -> None:
    caller.create("a")
    caller.headers = {}
    problem(caller.call("GET", "1000-abcd-9999"), 401, "unauthorized")
    caller.headers = {"Authorization": f"Bearer {caller.api.key}"}
    problem(caller.put("add", "b"), 401, "unauthorized")


def test_who_stays_out_is_told_and_the_others_are_taken(caller: Caller) -> None:
    caller.api.store.apply(SPACE, EraseUser(UserId("a", is_anonymous=False), suppresses=True))
    told = caller.create("b", "a").json()
    assert [(one["index"], one["code"]) for one in told["rejected"]] == [(1, "suppressed")]
    assert user_ids(caller) == ["b"]
