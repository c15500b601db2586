"""Segments: saved, guarded, counted, parted and explained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from segmented import CLOCK, DAY, STAFF, START, VIPS, all_of, any_of, in_segment, people, save, where
from stored import LOOKUPS, NOW, SPACE, retype

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.rules.rule_json import EVERYONE, RuleJson
from enduser.core.segments import Counts, Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.core.uses import Use
from enduser.errors import (
    InUse,
    InvalidRule,
    InvalidSegment,
    LimitExceeded,
    ListNotFound,
    PreconditionFailed,
    ReadTimeout,
    RuleTooLarge,
    SegmentExists,
    SegmentNotFound,
    UsersNotTracked,
)
from enduser.stores.embedded import EmbeddedStore, reading
from enduser.stores.records import ChangeSettings, DeleteList

PLAN = Attribute("plan", AttributeType.STRING)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as opened:
        people(opened, tmp_path)
        yield opened


def ids(store: EmbeddedStore, rule: RuleJson) -> list[str]:
    return [str(row["user_id"]) for row in store.users_page(SPACE, UsersQuery(rule=rule)).items]


def change(store: EmbeddedStore, segment_id: str, version: int | None = None, **changes: object) -> int:
    """Change something of a segment; return its version."""
    segment = replace(store.find_segment(SPACE, segment_id).segment, **changes)  # type: ignore[arg-type]
    return store.save_segment(
        SPACE, segment, Saving(CLOCK + 1, "later", is_new=False, version=version)
    ).version


# --- saving


def test_a_segment_is_kept_as_it_was_said_with_who_saved_it_and_when(store: EmbeddedStore) -> None:
    editors = {"combinator": "and", "id": "g-1", "rules": [{**VIPS, "id": "r-1", "path": [0]}]}
    saved = save(
        store, "vips", editors, name="VIPs", description="Who pays.", tags=("a", "b"), is_public=True
    )
    assert saved.segment == Segment(
        id="vips", name="VIPs", rule=all_of(VIPS), description="Who pays.", tags=("a", "b"), is_public=True
    )
    assert (saved.version, saved.saved_at, saved.saved_by, saved.created_at) == (1, CLOCK, "tests", CLOCK)
    assert store.segments(SPACE) == [saved]
    assert store.find_segment(SPACE, "vips") == saved


def test_a_condition_alone_is_kept_in_a_group(store: EmbeddedStore) -> None:
    assert save(store, "vips", VIPS).segment.rule == all_of(VIPS)


def test_a_change_is_a_version_and_the_same_again_is_none(store: EmbeddedStore) -> None:
    save(store, "vips", VIPS)
    assert change(store, "vips", name="Very important") == 2
    assert change(store, "vips", name="Very important") == 2
    newest, oldest = store.segment_versions(SPACE, "vips")
    assert (newest.version, newest.segment.name, newest.saved_by) == (2, "Very important", "later")
    assert (newest.created_at, newest.saved_at) == (CLOCK, CLOCK + 1)
    assert (oldest.version, oldest.segment.name) == (1, "Vips")


def test_a_segment_is_made_once_and_changed_only_where_it_is(store: EmbeddedStore) -> None:
    save(store, "vips", VIPS)
    segment = Segment(id="vips", name="Others", rule=EVERYONE)
    with pytest.raises(SegmentExists):
        store.save_segment(SPACE, segment, Saving(CLOCK, "", is_new=True))
    with pytest.raises(SegmentNotFound):
        store.save_segment(SPACE, replace(segment, id="Vips"), Saving(CLOCK, "", is_new=False))
    for look in (store.find_segment, store.segment_versions, store.delete_segment):
        with pytest.raises(SegmentNotFound):
            look(SPACE, "Vips")
    assert store.find_segment(SPACE, "vips").segment.name == "Vips"


def test_a_change_of_another_version_than_the_one_that_was_seen_is_refused(store: EmbeddedStore) -> None:
    save(store, "vips", VIPS)
    assert change(store, "vips", version=1, name="First") == 2
    with pytest.raises(PreconditionFailed, match="version 2 now, not 1"):
        change(store, "vips", version=1, name="Second")
    assert store.find_segment(SPACE, "vips").segment.name == "First"


def test_segments_of_spaces_are_their_own(store: EmbeddedStore) -> None:
    store.create_space("acme/test", NOW)
    save(store, "vips", VIPS)
    save(store, "vips", EVERYONE, space="acme/test")
    assert store.find_segment(SPACE, "vips").segment.rule == all_of(VIPS)
    store.delete_segment(SPACE, "vips")
    assert [saved.segment.id for saved in store.segments("acme/test")] == ["vips"]


# --- rules that are refused


def test_a_rule_that_cannot_be_is_refused_for_its_node_and_nothing_is_saved(store: EmbeddedStore) -> None:
    with pytest.raises(InvalidRule) as caught:
        save(store, "vips", all_of(VIPS, where("seats", "is", "5")))
    assert caught.value.field == "rules[1].operator"
    assert store.segments(SPACE) == []


def test_a_segment_leads_back_to_itself_neither_straight_nor_round_about(store: EmbeddedStore) -> None:
    save(store, "a", VIPS)
    save(store, "b", in_segment("a"))
    save(store, "c", in_segment("b"))
    for rule in (in_segment("a"), in_segment("c"), all_of(VIPS, any_of(in_segment("b")))):
        with pytest.raises(InvalidRule, match="leads back to itself"):
            change(store, "a", rule=rule)
    assert store.find_segment(SPACE, "a").version == 1


def test_a_segment_grows_only_as_far_as_those_that_name_it_can(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that name it through others: all of them must be right after each save."""
    monkeypatch.setattr(limits, "RULE_CONDITIONS_MAX", 14)
    save(store, "a", any_of(VIPS, VIPS))
    save(store, "b", any_of(in_segment("a"), in_segment("a")))
    save(store, "c", any_of(in_segment("b"), in_segment("b")))
    with pytest.raises(RuleTooLarge, match=r"'c' \(C\) names it") as caught:
        change(store, "a", rule=any_of(VIPS, VIPS, VIPS))
    assert (caught.value.field, caught.value.limit) == ("", 14)
    assert change(store, "a", rule=VIPS) == 2


def test_a_segment_takes_only_as_many_looks_as_those_that_name_it_can(store: EmbeddedStore) -> None:
    cities = [where("city", "contains", f"c{number}") for number in range(limits.RULE_LOOKUPS_MAX)]
    save(store, "inner", cities[0])
    save(store, "outer", any_of(in_segment("inner"), *cities[2:]), is_followed=True)
    with pytest.raises(RuleTooLarge, match=r"'outer' \(Outer\) names it") as caught:
        change(store, "inner", rule=any_of(*cities[:3]))
    assert (caught.value.field, caught.value.limit) == ("", limits.RULE_LOOKUPS_MAX)
    assert change(store, "inner", rule=any_of(*cities[:2])) == 2
    store.follow_feed(SPACE, NOW)
    assert store.count_users(SPACE, [in_segment("outer")]).counts == [Counts(0)]


def test_where_nobody_is_tracked_a_segment_can_be_of_lists_alone(store: EmbeddedStore) -> None:
    store.create_space("acme/none", NOW)
    store.apply("acme/none", ChangeSettings({"unique_user": "none"}))
    with pytest.raises(UsersNotTracked):
        save(store, "all", VIPS, space="acme/none")


# --- what is in use


def test_what_a_rule_names_is_told_by_what_names_it(store: EmbeddedStore) -> None:
    changed = {"kind": "changed", "field": "seats"}
    save(store, "vips", all_of(VIPS, changed, STAFF))
    save(store, "more", any_of(in_segment("vips"), where("country", "is", "NO")))
    vips, more = (Use(kind="segment", id=one, name=one.title()) for one in ("vips", "more"))
    assert store.uses(SPACE, "attributes", "plan") == [vips]
    assert store.uses(SPACE, "attributes", "seats") == [vips]
    assert store.uses(SPACE, "attributes", "country") == [more]
    assert store.uses(SPACE, "lists", "staff") == [vips]
    assert store.uses(SPACE, "segments", "vips") == [more]
    assert store.uses(SPACE, "segments", "more") == []


def test_a_segment_that_others_name_is_neither_archived_nor_deleted(store: EmbeddedStore) -> None:
    save(store, "vips", VIPS)
    save(store, "more", in_segment("vips"))
    with pytest.raises(InUse, match=r"'vips' is used by: segment 'more' \(More\) in default/production"):
        change(store, "vips", is_archived=True)
    with pytest.raises(InUse, match="more"):
        store.delete_segment(SPACE, "vips")
    change(store, "more", is_archived=True)
    assert store.uses(SPACE, "segments", "vips") == []
    store.delete_segment(SPACE, "vips")
    assert [saved.segment.id for saved in store.segments(SPACE)] == ["more"]


def test_an_archived_segment_is_in_no_rule_and_is_checked_when_it_is_restored(store: EmbeddedStore) -> None:
    save(store, "vips", all_of(VIPS, STAFF))
    assert change(store, "vips", is_archived=True) == 2
    with pytest.raises(InvalidRule, match="no segment 'vips'"):
        save(store, "more", in_segment("vips"))
    store.apply(SPACE, DeleteList("staff"))
    assert change(store, "vips", description="It can be told of still.") == 3
    with pytest.raises(InvalidRule, match="no static list 'staff'"):
        change(store, "vips", is_archived=False)
    assert change(store, "vips", is_archived=False, rule=VIPS) == 4


def test_a_list_that_rules_name_is_not_deleted(store: EmbeddedStore) -> None:
    save(store, "staff", STAFF)
    with pytest.raises(InUse, match="the list 'staff' is used by: segment 'staff'"):
        store.apply(SPACE, DeleteList("staff"))
    assert store.find_list(SPACE, "staff").members == 2
    with pytest.raises(ListNotFound):
        store.apply(SPACE, DeleteList("gone"))
    store.delete_segment(SPACE, "staff")
    store.apply(SPACE, DeleteList("staff"))
    assert store.lists(SPACE) == []


def test_an_attribute_that_rules_of_any_space_name_is_not_deleted(store: EmbeddedStore) -> None:
    store.create_space("acme/test", NOW)
    save(store, "changed", {"kind": "changed", "field": "plan"}, space="acme/test")
    with pytest.raises(InUse, match=r"'plan' is used by: segment 'changed' \(Changed\) in acme/test"):
        store.delete_attribute("plan")
    assert ids(store, VIPS) == ["ada", "cyd"]
    store.delete_segment("acme/test", "changed")
    store.delete_attribute("plan")
    assert [one.name for one in store.attributes()] == ["seats"]


def test_of_many_that_use_something_the_first_are_named(store: EmbeddedStore) -> None:
    count = limits.USES_NAMED_MAX
    for number in range(count - 1):
        save(store, f"s{number}", VIPS)
    for added, more in (("t1", ""), ("t2", " and 1 more")):
        save(store, added, VIPS)
        with pytest.raises(InUse) as caught:
            store.delete_attribute("plan")
        assert caught.value.message.count("segment ") == count
        assert caught.value.message.endswith(f"in {SPACE}{more}")


def test_an_attribute_under_another_name_is_named_so_by_all_segments(store: EmbeddedStore) -> None:
    store.create_space("acme/test", NOW)
    session = {"kind": "session", "rules": [where("city", "is", "Oslo")]}
    rule = all_of(any_of(VIPS, {"kind": "changed", "field": "plan", "to": "vip"}), session)
    save(store, "vips", rule)
    save(store, "seats", where("seats", "gt", 1))
    save(store, "there", VIPS, space="acme/test")
    save(store, "old", VIPS)
    change(store, "old", is_archived=True)
    store.change_attribute("plan", replace(PLAN, name="city_plan"), CLOCK + 7)
    renamed = where("city_plan", "is", "vip")
    told = all_of(any_of(renamed, {"kind": "changed", "field": "city_plan", "to": "vip"}), session)
    vips = store.find_segment(SPACE, "vips")
    assert vips.segment.rule == told
    assert (vips.version, vips.saved_at, vips.saved_by) == (2, CLOCK + 7, "renaming plan to city_plan")
    assert store.segment_versions(SPACE, "vips")[1].segment.rule == rule
    assert store.find_segment("acme/test", "there").segment.rule == all_of(renamed)
    assert store.find_segment(SPACE, "seats").version == 1
    assert change(store, "old", is_archived=False) == 4
    assert ids(store, in_segment("vips")) == ids(store, in_segment("old")) == ["ada", "cyd"]
    assert [use.id for use in store.uses(SPACE, "attributes", "city_plan")] == ["old", "vips"]
    assert store.uses(SPACE, "attributes", "plan") == []


def test_renaming_keeps_no_more_versions_than_there_may_be(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEGMENT_VERSIONS_MAX", 3)
    save(store, "vips", VIPS)
    change(store, "vips", name="x")
    names = ["plan", "b", "c", "d"]
    for name, new_name in itertools.pairwise(names):
        store.change_attribute(name, replace(PLAN, name=new_name), CLOCK)
    assert [saved.version for saved in store.segment_versions(SPACE, "vips")] == [5, 4, 3]


def test_a_name_that_cannot_be_renames_nothing(store: EmbeddedStore) -> None:
    save(store, "vips", VIPS)
    with pytest.raises(Exception, match="seats"):
        store.change_attribute("plan", replace(PLAN, name="seats"), CLOCK)
    assert store.find_segment(SPACE, "vips").version == 1


def test_an_attribute_keeps_its_type_while_a_rule_would_not_be_right_with_another(
    store: EmbeddedStore,
) -> None:
    store.create_space("acme/test", NOW)
    save(store, "large", where("seats", "gt", 3), space="acme/test")
    save(store, "known", where("seats", "known"))
    broken = store.preview_retype("seats", AttributeType.STRING).broken
    assert [(one.space, one.id, one.name) for one in broken] == [("acme/test", "large", "Large")]
    assert "no operator 'gt' for 'seats' of the type string" in broken[0].reason
    with pytest.raises(
        InUse, match=r"'seats' cannot be a string: .*'large' \(Large\) in acme/test: rules\[0\]"
    ):
        retype(store, "seats", AttributeType.STRING)
    assert ids(store, where("seats", "gt", 3)) == ["ada", "bob", "cyd"]
    save(store, "large", where("seats", "known"), space="acme/test")
    assert store.preview_retype("seats", AttributeType.STRING).broken == []
    retype(store, "seats", AttributeType.STRING)
    assert ids(store, all_of(in_segment("known"), where("seats", "is", "5"))) == ["ada", "bob", "cyd"]


def test_an_attribute_that_cannot_have_its_new_type_keeps_its_name_too(store: EmbeddedStore) -> None:
    save(store, "large", where("seats", "gt", 3))
    (before,) = [one for one in store.attributes() if one.name == "seats"]
    with pytest.raises(InUse, match="'seats' cannot be a string"):
        store.change_attribute("seats", replace(before, name="places", type=AttributeType.STRING), CLOCK)
    assert before in store.attributes()
    assert store.find_segment(SPACE, "large").version == 1
    assert ids(store, where("seats", "gt", 3)) == ["ada", "bob", "cyd"]


def test_archived_segments_hinder_no_change_of_what_they_name(store: EmbeddedStore) -> None:
    save(store, "large", where("seats", "gt", 3))
    change(store, "large", is_archived=True)
    assert store.preview_retype("seats", AttributeType.STRING).broken == []
    retype(store, "seats", AttributeType.STRING)
    store.delete_attribute("seats")
    with pytest.raises(InvalidRule, match="no attribute 'seats'"):
        change(store, "large", is_archived=False)


# --- whom they mean


def test_rules_are_counted_at_one_moment_with_all_users_and_the_clock(store: EmbeddedStore) -> None:
    save(store, "vips", VIPS)
    counted = store.count_users(SPACE, [in_segment("vips"), EVERYONE, STAFF, all_of(STAFF, VIPS)])
    assert counted.counts == [Counts(2), Counts(4), Counts(1, not_yet_seen=1), Counts(1)]
    assert (counted.all_users, counted.clock_at) == (4, CLOCK)


def test_users_are_parted_by_an_attribute_the_most_frequent_values_first(store: EmbeddedStore) -> None:
    facet = store.facet(SPACE, EVERYONE, "plan", 1)
    assert [(one.value, one.users) for one in facet.values] == [("vip", 2)]
    assert (facet.others, facet.unknown) == (1, 1)
    facet = store.facet(SPACE, VIPS, "first_seen")
    assert [(one.value, one.users) for one in facet.values] == [("2023-11-14", 2)]


@pytest.mark.parametrize("user_id", ["ada", "bob", "cyd", "dan", "unseen", "nobody"])
def test_an_explanation_says_of_everybody_what_a_count_says(store: EmbeddedStore, user_id: str) -> None:
    lately = {"kind": "session", "window": {"from": {"n": 80, "unit": "day"}}}
    rules = {
        "vips": VIPS,
        "not": {"combinator": "and", "not": True, "rules": [VIPS]},
        "staff": STAFF,
        "lately": lately,
        "oslo": all_of(in_segment("vips"), where("city", "is", "Oslo"), lately),
        "long-ago": where("last_seen", "more_than_ago", {"n": 75, "unit": "day"}),
    }
    for name, rule in rules.items():
        save(store, name, rule)
    told = {
        one.saved.segment.id: one.verdict.holds for one in store.explain_segments(SPACE, user_id).verdicts
    }
    himself = where("user_id", "is", user_id)
    counted = store.count_users(SPACE, [all_of(rules[name], himself) for name in sorted(rules)])
    is_unseen_member = {"staff": user_id == "unseen"}
    assert told == {
        name: bool(counts.users) or is_unseen_member.get(name, False)
        for name, counts in zip(sorted(rules), counted.counts, strict=True)
    }


def test_an_explanation_says_what_was_found_and_when_it_turns(store: EmbeddedStore) -> None:
    rule = all_of(VIPS, {"kind": "session", "window": {"from": {"n": 95, "unit": "day"}}})
    save(store, "vips", rule)
    save(store, "old", VIPS)
    change(store, "old", is_archived=True)
    explained = store.explain_segments(SPACE, "ada")
    assert (explained.is_seen, explained.clock_at) == (True, CLOCK)
    (one,) = explained.verdicts
    plan, sessions = one.verdict.rules
    assert (plan.holds, plan.found, plan.turns_at) == (True, "vip", None)
    assert (sessions.holds, sessions.found, sessions.last_at) == (True, 1, START + 10 * DAY + 1)
    turn = START + 105 * DAY + 2
    assert one.verdict.turns_at == sessions.turns_at == turn
    (whole,) = store.explain_segments(SPACE, "ada", with_reasons=False).verdicts
    assert (whole.verdict.holds, whole.verdict.turns_at, whole.verdict.rules) == (True, turn, ())
    nobody = store.explain_segments(SPACE, "nobody")
    assert (nobody.is_seen, nobody.verdicts[0].verdict.holds) == (False, False)


def test_to_explain_takes_as_long_as_a_read_may(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, "vips", VIPS)
    monkeypatch.setattr(reading, "elapsed_s", lambda: math.inf)
    with pytest.raises(ReadTimeout, match="longer than 30 s"):
        store.explain_segments(SPACE, "ada")


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_a_segment_can_be_asked_in_every_time_zone_that_its_space_may_get(
    store: EmbeddedStore, zone: str
) -> None:
    value = ["2026-03-01T20:00:00Z", "2026-03-01"]  # of the same day in UTC
    save(store, "a", all_of({"field": "last_seen", "operator": "between", "value": value}))
    store.apply(SPACE, ChangeSettings({"time_zone": zone}))
    assert store.count_users(SPACE, [{"kind": "segment", "id": "a"}]).counts[0].users == 0
    assert [one.saved.segment.id for one in store.explain_segments(SPACE, "ada").verdicts] == ["a"]


# --- bounds


def test_a_space_has_as_many_segments_as_there_may_be(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEGMENTS_MAX", 2)
    save(store, "a", VIPS)
    save(store, "b", VIPS)
    with pytest.raises(LimitExceeded, match="there are 2 segments"):
        save(store, "c", VIPS)
    assert change(store, "b", name="Changed") == 2
    store.delete_segment(SPACE, "a")
    save(store, "c", VIPS)


def test_as_many_versions_are_kept_as_there_may_be(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEGMENT_VERSIONS_MAX", 2)
    save(store, "a", VIPS)
    for name in ("x", "y"):
        change(store, "a", name=name)
    assert [saved.version for saved in store.segment_versions(SPACE, "a")] == [3, 2]


@pytest.mark.parametrize("above", [0, 1])
def test_as_many_rules_are_counted_at_once_as_there_may_be(store: EmbeddedStore, above: int) -> None:
    rules = [VIPS] * (limits.RULES_COUNTED_MAX - 1 + above)
    assert len(store.count_users(SPACE, rules).counts) == len(rules)
    with pytest.raises(LimitExceeded, match="11 rules"):
        store.count_users(SPACE, [VIPS] * (limits.RULES_COUNTED_MAX + 1))


def test_users_are_parted_by_as_many_values_as_there_may_be(store: EmbeddedStore) -> None:
    for limit in (limits.FACET_VALUES_MAX - 1, limits.FACET_VALUES_MAX, 1):
        assert len(store.facet(SPACE, EVERYONE, "plan", limit).values) <= limit
    for limit in (limits.FACET_VALUES_MAX + 1, 0):
        with pytest.raises(LimitExceeded) as caught:
            store.facet(SPACE, EVERYONE, "plan", limit)
        assert (caught.value.field, caught.value.limit) == ("limit", limits.FACET_VALUES_MAX)


def test_what_people_say_of_a_segment_is_checked_before_it_is_saved(store: EmbeddedStore) -> None:
    with pytest.raises(InvalidSegment, match="no segment can have the id"):
        save(store, "no id", VIPS)
    assert store.segments(SPACE) == []
