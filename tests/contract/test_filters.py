"""Saved filters, and what they keep from being deleted, renamed under them, or made of another type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import Row
from stored import LOOKUPS, NOW, SPACE, retype, take

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.lists import ListAction
from enduser.core.segments import Saving, Segment
from enduser.core.uses import Use
from enduser.errors import (
    FilterExists,
    FilterNotFound,
    InUse,
    InvalidFilter,
    InvalidParameter,
    InvalidRule,
    InvalidSpace,
    LimitExceeded,
    RuleTooLarge,
    UsersNotTracked,
)
from enduser.stores.answering import answer
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ChangeSettings, CloseHistory, DeleteList, WriteList
from enduser.stores.row_file import write_ids
from enduser.stores.wire import decoded, encoded

PLAN = {"field": "plan", "operator": "is", "value": "vip"}
TEST = "acme/test"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        opened.create_space(TEST, NOW)
        for name, kind in (("plan", "string"), ("seats", "number"), ("tags", "list")):
            opened.create_attribute(Attribute(name, AttributeType(kind)))
        yield opened


def save(store: EmbeddedStore, filter_id: str = "vips", *, space: str = SPACE, **more: Any) -> SavedFilter:
    """Make a filter."""
    asked = UserFilter(**{"id": filter_id, "name": filter_id.upper(), **more})
    return store.save_filter(space, asked, Saving(at=7, by="me", is_new=True))


def segment(store: EmbeddedStore, segment_id: str, rule: Any, *, is_new: bool = True, **more: Any) -> None:
    saved = Segment(id=segment_id, name=segment_id, rule=rule, **more)
    store.save_segment(SPACE, saved, Saving(at=8, by="me", is_new=is_new))


def staff(store: EmbeddedStore, folder: Path) -> None:
    """Make a static list."""
    ids = write_ids(folder / "ids.txt", ["ada"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, NOW, "Staff"))


def test_a_filter_is_kept_as_it_was_saved(store: EmbeddedStore) -> None:
    rule = {"combinator": "or", "rules": [PLAN], "not": True}
    saved = save(store, rule=rule, search="o'", columns=("city", "plan", "city"), sort="seats")
    right = UserFilter(id="vips", name="VIPS", rule=rule, search="o'", columns=("city", "plan"), sort="seats")
    assert saved == SavedFilter(filter=right, saved_at=7, saved_by="me", created_at=7)
    assert store.find_filter(SPACE, "vips") == saved
    save(store, "all")
    assert [one.filter.id for one in store.filters(SPACE)] == ["all", "vips"]
    assert store.filters(SPACE)[0].filter == UserFilter(id="all", name="ALL")
    assert store.filters(TEST) == []


def test_a_filter_is_changed_and_stays_as_old_as_it_is(store: EmbeddedStore) -> None:
    before = save(store, rule=PLAN)
    changed = replace(before.filter, name="Very important", rule=None)
    after = store.save_filter(SPACE, changed, Saving(at=9, by="you", is_new=False))
    assert after == SavedFilter(filter=changed, saved_at=9, saved_by="you", created_at=7)
    assert store.filters(SPACE) == [after]
    assert store.uses(SPACE, "attributes", "plan") == []


def test_a_filter_is_made_once_and_changed_and_deleted_only_if_it_is_there(store: EmbeddedStore) -> None:
    save(store)
    with pytest.raises(FilterExists):
        save(store)
    store.delete_filter(SPACE, "vips")
    for gone in (
        lambda: store.delete_filter(SPACE, "vips"),
        lambda: store.find_filter(SPACE, "vips"),
        lambda: store.save_filter(SPACE, UserFilter(id="vips", name="x"), Saving(1, "me", is_new=False)),
    ):
        with pytest.raises(FilterNotFound):
            gone()
    with pytest.raises(InvalidSpace):
        store.filters("no/space")


def test_what_cannot_be_is_not_saved(store: EmbeddedStore) -> None:
    for error, more in (
        (InvalidFilter, {"name": " "}),
        (InvalidParameter, {"sort": "tags"}),
        (InvalidParameter, {"columns": ("gone",)}),
        (InvalidRule, {"rule": {"field": "gone", "operator": "known"}}),
        (InvalidRule, {"rule": {"kind": "segment", "id": "gone"}}),
        (LimitExceeded, {"search": "x" * (limits.SEARCH_CHARACTERS_MAX + 1)}),
    ):
        with pytest.raises(error):
            save(store, **more)
    assert store.filters(SPACE) == []


def test_in_a_space_that_keeps_no_users_a_filter_has_no_rule_about_them(store: EmbeddedStore) -> None:
    store.apply(TEST, ChangeSettings({"unique_user": "none"}))
    with pytest.raises(UsersNotTracked):
        save(store, space=TEST, rule=PLAN)
    save(store, space=TEST)


def test_there_are_as_many_filters_as_the_limit(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FILTERS_MAX", 2)
    save(store, "a")
    save(store, "b")
    with pytest.raises(LimitExceeded) as caught:
        save(store, "c")
    assert caught.value.limit == 2
    save(store, "c", space=TEST)
    store.save_filter(SPACE, UserFilter(id="b", name="again"), Saving(1, "me", is_new=False))


def test_a_filter_asks_for_its_users(store: EmbeddedStore, tmp_path: Path) -> None:
    rows = [Row(user_id=name, occurred_at=n, message_id=name) for n, name in enumerate(("eve", "ada"))]
    take(store, tmp_path, rows)
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    rule = {"field": "user_id", "operator": "starts_with", "value": "a"}
    for more, right in (({"rule": rule}, ["ada"]), ({"search": "E"}, ["eve"]), ({}, ["ada", "eve"])):
        asked = save(store, columns=(), **more).filter
        assert [user["user_id"] for user in store.users_page(SPACE, asked.query).items] == right
        store.delete_filter(SPACE, "vips")


def test_a_store_reached_from_afar_saves_the_same_filters(store: EmbeddedStore) -> None:
    asked = UserFilter(id="vips", name="VIPs", rule=PLAN, columns=("plan",))
    told = answer(
        store, "save_filter", encoded({"space": SPACE, "asked": asked, "saving": Saving(1, "a", True)})
    )
    assert isinstance(told, bytes)
    assert decoded(told, SavedFilter) == store.find_filter(SPACE, "vips")


# --- what filters name


@pytest.mark.parametrize(
    "more", [{"rule": PLAN}, {"columns": ("plan",)}, {"sort": "plan"}, {"sort": "-plan"}]
)
def test_an_attribute_that_a_filter_names_is_in_use(store: EmbeddedStore, more: dict[str, Any]) -> None:
    save(store, space=TEST, **more)
    assert store.uses(SPACE, "attributes", "plan") == []
    assert store.uses(TEST, "attributes", "plan") == [Use(kind="filter", id="vips", name="VIPS")]
    with pytest.raises(InUse, match=r"'plan' is used by: filter 'vips' \(VIPS\) in acme/test"):
        store.delete_attribute("plan")
    store.delete_filter(TEST, "vips")
    store.delete_attribute("plan")


def test_a_text_that_is_searched_names_nothing(store: EmbeddedStore) -> None:
    save(store, search="plan")
    store.delete_attribute("plan")


def test_a_renamed_attribute_is_renamed_in_filters_of_all_spaces(store: EmbeddedStore) -> None:
    for space in (SPACE, TEST):
        save(store, space=space, rule=PLAN, columns=("city", "plan"), sort="-plan")
    before = store.find_filter(SPACE, "vips")
    store.change_attribute("plan", Attribute("tariff", AttributeType.STRING), NOW)
    rule = {"combinator": "and", "rules": [{**PLAN, "field": "tariff"}]}
    right = replace(before.filter, rule=rule, columns=("city", "tariff"), sort="-tariff")
    for space in (SPACE, TEST):
        assert store.find_filter(space, "vips") == replace(before, filter=right)
        assert store.uses(space, "attributes", "plan") == []
        assert [use.id for use in store.uses(space, "attributes", "tariff")] == ["vips"]
        store.users_page(space, right.query)
    with pytest.raises(InUse):
        store.delete_attribute("tariff")


@pytest.mark.parametrize(
    ("more", "kind", "why"),
    [
        ({"rule": PLAN}, "number", r"rules\[0\]\.operator"),
        ({"sort": "-plan"}, "list", "whose values are lists"),
    ],
)
def test_an_attribute_gets_no_type_that_a_filter_could_not_be_with(
    store: EmbeddedStore, more: dict[str, Any], kind: str, why: str
) -> None:
    save(store, **more)
    preview = store.preview_retype("plan", AttributeType(kind))
    assert [(one.kind, one.id, one.space) for one in preview.broken] == [("filter", "vips", SPACE)]
    with pytest.raises(InUse, match=f"the filter 'vips'.*{why}"):
        retype(store, "plan", AttributeType(kind))
    other = AttributeType.LIST if kind == "number" else AttributeType.NUMBER
    store.delete_filter(SPACE, "vips")
    save(store, columns=("plan",))
    retype(store, "plan", other)


def test_a_segment_that_a_filter_names_is_neither_archived_nor_deleted(store: EmbeddedStore) -> None:
    segment(store, "vips", PLAN)
    save(store, "mine", rule={"kind": "segment", "id": "vips"})
    with pytest.raises(InUse, match="filter 'mine'"):
        store.delete_segment(SPACE, "vips")
    with pytest.raises(InUse, match="filter 'mine'"):
        segment(store, "vips", PLAN, is_new=False, is_archived=True)
    assert store.uses(SPACE, "segments", "vips") == [Use(kind="filter", id="mine", name="MINE")]
    store.delete_filter(SPACE, "mine")
    store.delete_segment(SPACE, "vips")


def test_a_segment_does_not_become_what_a_filter_could_not_name(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment(store, "inner", PLAN)
    segment(store, "outer", {"kind": "segment", "id": "inner"})
    save(store, "mine", rule={"combinator": "and", "rules": [PLAN, {"kind": "segment", "id": "outer"}]})
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 4)
    larger = {"combinator": "or", "rules": [PLAN, {"field": "country", "operator": "known"}]}
    with pytest.raises(RuleTooLarge, match=r"the filter 'mine' .* names it, and could not be any more"):
        segment(store, "inner", larger, is_new=False)


def test_a_filter_takes_as_many_looks_as_can_be_asked_for_also_with_its_segments(
    store: EmbeddedStore,
) -> None:
    most = limits.RULE_LOOKUPS_MAX
    cities = [{"field": "city", "operator": "contains", "value": f"c{number}"} for number in range(most + 1)]
    segment(store, "inner", cities[0])
    for rules in (cities, [{"kind": "segment", "id": "inner"}, *cities[:most]]):
        with pytest.raises(RuleTooLarge, match=f"has {most + 1} conditions on places") as caught:
            save(store, "mine", rule={"combinator": "or", "rules": rules})
        assert caught.value.limit == most
    save(store, "mine", rule={"combinator": "or", "rules": [{"kind": "segment", "id": "inner"}, *cities[2:]]})
    with pytest.raises(RuleTooLarge, match=r"the filter 'mine' .* names it, and could not be any more"):
        segment(store, "inner", {"combinator": "or", "rules": cities[:2]}, is_new=False)


def test_a_list_that_a_filter_names_is_not_deleted(store: EmbeddedStore, tmp_path: Path) -> None:
    staff(store, tmp_path)
    save(store, rule={"kind": "list", "id": "staff"})
    with pytest.raises(InUse, match="the list 'staff' is used by: filter 'vips'"):
        store.apply(SPACE, DeleteList("staff"))
    store.delete_filter(SPACE, "vips")
    store.apply(SPACE, DeleteList("staff"))
