"""Content items are kept as they were saved, and what one user sees follows from his segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from segmented import VIPS
from stored import LOOKUPS, NOW, SPACE

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.contents import Content
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.segments import Saving, Segment
from enduser.errors import ContentExists, ContentNotFound, InUse, InvalidContent, LimitExceeded
from enduser.stores.embedded import EmbeddedStore

NEW, CHANGED = Saving(NOW, "me", True), Saving(NOW + 1, "you", False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        opened.create_attribute(Attribute("plan", AttributeType.STRING))
        yield opened


def content(content_id: str, **more: object) -> Content:
    return Content(id=content_id, name=content_id.upper(), **more)  # type: ignore[arg-type]


def test_a_content_item_is_kept_as_it_was_saved(store: EmbeddedStore) -> None:
    store.save_content(SPACE, content("hello", payload={"a": [1, None]}), NEW)
    (saved,) = store.contents(SPACE)
    assert (saved.content.payload, saved.saved_by, saved.saved_at) == ({"a": [1, None]}, "me", NOW)
    store.save_content(SPACE, content("hello", kind="banner"), CHANGED)
    (saved,) = store.contents(SPACE)
    assert (saved.content.kind, saved.content.payload) == ("banner", None)
    assert (saved.created_at, saved.saved_at, saved.saved_by) == (NOW, NOW + 1, "you")
    store.delete_content(SPACE, "hello")
    assert store.contents(SPACE) == []


def test_what_is_there_is_not_made_and_what_is_not_is_not_changed(store: EmbeddedStore) -> None:
    with pytest.raises(ContentNotFound):
        store.save_content(SPACE, content("hello"), CHANGED)
    with pytest.raises(ContentNotFound):
        store.delete_content(SPACE, "hello")
    store.save_content(SPACE, content("hello"), NEW)
    with pytest.raises(ContentExists):
        store.save_content(SPACE, content("hello"), NEW)


def test_a_segment_that_content_names_is_there_and_stays(store: EmbeddedStore) -> None:
    with pytest.raises(InvalidContent, match="no segment 'vips' in use"):
        store.save_content(SPACE, content("hello", segment="vips"), NEW)
    store.save_segment(SPACE, Segment(id="vips", name="VIPs", rule=VIPS), NEW)
    store.save_content(SPACE, content("hello", segment="vips"), NEW)
    with pytest.raises(InUse, match="content 'hello'"):
        store.delete_segment(SPACE, "vips")


def test_a_space_has_as_many_content_items_as_the_limit(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CONTENTS_MAX", 2)
    for name in ("one", "two"):
        store.save_content(SPACE, content(name), NEW)
    with pytest.raises(LimitExceeded) as refused:
        store.save_content(SPACE, content("three"), NEW)
    assert refused.value.limit == 2
    store.save_content(SPACE, content("two", kind="banner"), CHANGED)


def test_who_was_never_seen_sees_what_everyone_sees_that_is_public(store: EmbeddedStore) -> None:
    store.save_segment(SPACE, Segment(id="all", name="All", rule=EVERYONE, is_public=True), NEW)
    store.save_content(SPACE, content("for-all"), NEW)
    store.save_content(SPACE, content("for-users", segment="all"), NEW)
    store.save_content(SPACE, content("secret", is_public=False), NEW)
    seen = store.decide(SPACE, "nobody")
    assert ([one.id for one in seen.contents], seen.segments) == (["for-all"], [])
    everything = store.decide(SPACE, "nobody", only_public=False)
    assert [one.id for one in everything.contents] == ["for-all", "secret"]
