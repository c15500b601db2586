"""The feed over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from managing import Api, made_of, served
from ready_made import Files
from stored import NOW, SPACE

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.segments import Saving, Segment
from enduser.service.feed import cursor_of
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.paging import cursor_behind
from enduser.stores.records import ChangeSettings

VIPS = {"field": "plan", "operator": "is", "value": "vip"}


@pytest.fixture(scope="module")
def made_once() -> Files:
    """A data folder that follows the plan, and who has which."""
    return made_of(follow_plan)


@pytest.fixture
def feed(made_once: Files, tmp_path: Path) -> Iterator[Api]:
    """An API over a copy of it."""
    with served(tmp_path / "data", made_once) as opened:
        yield opened


@pytest.fixture(scope="module")
def unchanged(made_once: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One that tests share that change nothing."""
    with served(tmp_path_factory.mktemp("unchanged") / "data", made_once) as opened:
        yield opened


def follow_plan(api: Api) -> None:
    store = api.store
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    store.apply(SPACE, ChangeSettings({"feed_attributes": "plan"}))
    for name, rule in (("vips", VIPS), ("others", {**EVERYONE, "rules": [{**VIPS, "operator": "is_not"}]})):
        saving = Saving(0, "me", is_new=True)
        store.save_segment(SPACE, Segment(id=name, name=name, rule=rule, is_followed=True), saving)
    store.follow_feed(SPACE, NOW)


def say(api: Api, user: str, plan: str | None) -> None:
    write_json_rows(api.store, SPACE, "crm", [JsonRow(user, {"plan": plan})], NOW)
    api.store.follow_feed(SPACE, NOW)


def get(api: Api, **query: object) -> httpx.Response:
    return api.client.get("/api/v1/feed", params=query)  # type: ignore[arg-type]


def page(api: Api, **query: object) -> tuple[list[dict[str, Any]], str]:
    answer = get(api, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"], answer.json()["next_cursor"]


def test_rows_say_who_what_and_when(feed: Api) -> None:
    say(feed, "adam", "vip")
    items, _ = page(feed)
    who = {"user_id": "adam", "is_anonymous": False, "noticed_at": "2026-01-03T10:00:00.000000Z"}
    assert items == [
        {"number": 1, "kind": "changed", "attribute": "plan", "before": None, "after": "vip", **who},
        {"number": 2, "kind": "entered", "segment": "vips", **who},
        {"number": 3, "kind": "left", "segment": "others", **who},
    ]


def test_who_pulls_with_the_cursor_hears_each_thing_once_and_the_cursor_never_ends(feed: Api) -> None:
    heard, cursor = [], None
    for plan in (None, "vip", None, "free"):
        say(feed, "adam", plan)
        for _ in range(3):
            items, cursor = page(feed, limit=2, **({"cursor": cursor} if cursor else {}))
            heard += [item["number"] for item in items]
    assert heard == [*range(1, feed.store.feed_page(SPACE).last_number + 1)]
    assert page(feed, cursor=cursor) == ([], cursor)


def test_who_begins_at_the_end_hears_what_comes(feed: Api) -> None:
    say(feed, "adam", "vip")
    items, cursor = page(feed, cursor="end")
    assert items == []
    say(feed, "a/b", "vip")
    items, _ = page(feed, cursor=cursor)
    assert {item["user_id"] for item in items} == {"a/b"}


def test_rows_are_told_of_some_kinds_segments_and_attributes(feed: Api) -> None:
    say(feed, "adam", "vip")

    def numbers(**query: object) -> list[int]:
        return [item["number"] for item in page(feed, **query)[0]]

    assert numbers(kind="entered,left") == [2, 3]
    assert numbers(segment="vips,others") == [2, 3]
    assert numbers(segment="vips", attribute="plan") == [1, 2]
    assert numbers(kind="changed,left", segment="vips", attribute="plan") == [1]
    assert numbers(attribute="country") == []


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({"kind": "gone"}, 400, "invalid_parameter", "kind"),
        ({"kind": ""}, 400, "invalid_parameter", "kind"),
        ({"segment": "vips,nobody"}, 404, "segment_not_found", "segment"),
        ({"segment": ""}, 404, "segment_not_found", "segment"),
        ({"attribute": "Plan"}, 404, "attribute_not_found", "attribute"),
        ({"attribute": "user_id"}, 404, "attribute_not_found", "attribute"),
        ({"cursor": "start"}, 400, "invalid_cursor", "cursor"),
        ({"cursor": cursor_behind([1], "number")}, 400, "invalid_cursor", "cursor"),
        ({"cursor": cursor_of(7)}, 410, "feed_expired", "cursor"),
        ({"cursor": cursor_of(-1)}, 410, "feed_expired", "cursor"),
        ({"limit": "0"}, 400, "invalid_parameter", "limit"),
        ({"limit": str(limits.PAGE_ROWS_MAX + 1)}, 400, "invalid_parameter", "limit"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    unchanged: Api, query: dict[str, str], status: int, code: str, field: str
) -> None:
    answer = get(unchanged, **query)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (status, code, field)
    assert get(unchanged, limit=limits.PAGE_ROWS_MAX).status_code == 200


def test_what_is_not_kept_any_more_is_told_with_where_to_go_on(
    feed: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FEED_ROWS_MAX", 2)
    say(feed, "adam", "vip")
    error = get(feed, cursor=cursor_of(0)).json()["error"]
    assert error["code"] == "feed_expired"
    assert "cursor=end" in error["hint"]
    assert [item["number"] for item in page(feed)[0]] == [2, 3]
