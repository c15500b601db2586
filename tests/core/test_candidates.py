"""Candidates: which of several is the value now, at a time, and through time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.attributes import API, MANUAL, SDK, ConflictRule, Value
from enduser.core.candidates import Candidate, Change, SourceOrder, as_of, history, winner
from enduser.core.events import UserId

LATEST, SOURCE_ORDER = ConflictRule.LATEST, ConflictRule.SOURCE_ORDER
CRM = "crm"
SOURCES = SourceOrder((MANUAL, CRM, API, SDK))
U, V, A = (UserId("u", is_anonymous=False), UserId("v", is_anonymous=False), UserId("a", is_anonymous=True))
FAR = 10**18


def said(value: Value | None, at: int = 5, source: str = API, **more: int) -> Candidate:
    return Candidate(value, at, source, more.get("run", 1), more.get("row", 1), U)


def by_user(value: Value, user: UserId) -> Candidate:
    return replace(said(value), user=user)


def held(candidates: list[Candidate], rule: ConflictRule = LATEST) -> Value | None:
    """Return the value that holds, in whichever order the candidates come."""
    found = winner(candidates, rule, SOURCES)
    assert found == winner(candidates[::-1], rule, SOURCES)
    return None if found is None else found.value


@pytest.mark.parametrize("rule", ConflictRule)
def test_without_a_candidate_nothing_holds(rule: ConflictRule) -> None:
    assert winner([], rule, SOURCES) is None
    assert as_of([], rule, SOURCES, FAR) is None
    assert list(history([], rule, SOURCES)) == []


# --- the latest

BEFORE = {
    "an earlier time": (said("old", 4, MANUAL, run=9, row=9), said("new", 5, API)),
    "at one time a source further back": (said("old", 5, API, run=9, row=9), said("new", 5, MANUAL)),
    "of one source an earlier run": (said("old", run=1, row=9), said("new", run=2, row=1)),
    "of one run an earlier row": (said("old", row=1), said("new", row=2)),
    "of one row an id before": (by_user("old", U), by_user("new", V)),
    "of one text a user id": (
        by_user("old", UserId("u", is_anonymous=False)),
        by_user("new", A._replace(id="u")),
    ),
    "what a browser said": (said("old", 9, SDK, run=9, row=9), said("new", 1, API)),
    "an earlier time of a browser": (said("old", 4, SDK, run=9), said("new", 5, SDK)),
    "a later run of an earlier time": (said("old", 4, run=2), said("new", 5, run=1)),
    "a value that was cleared": (said("old", 4), said(None, 5)),
    "a clearing before a value": (said(None, 4), said("new", 5)),
}


@pytest.mark.parametrize("name", BEFORE)
def test_by_latest_something_gives_way(name: str) -> None:
    old, new = BEFORE[name]
    assert held([old, new]) == new.value
    assert held([old]) == old.value


def test_of_many_the_latest_holds() -> None:
    assert (
        held([said("a", 3, CRM), said("b", 7), said("c", 5, MANUAL), said("d", 9, SDK), said("e", 6)]) == "b"
    )


# --- the order of sources

ORDERED = {
    "the first source holds though another is later": (
        [said("first", 1, MANUAL), said("later", 9, CRM), said("last", 9, SDK)],
        "first",
    ),
    "of the first source the latest holds": (
        [said("new", 2, CRM), said("old", 1, CRM), said("far", 9)],
        "new",
    ),
    "a source fills where none before has a value": ([said("far", 9, SDK), said("filled", 1)], "filled"),
    "what a browser said fills where there is nothing else": ([said("far", 1, SDK)], "far"),
    "a source that cleared its value leaves the place": (
        [said("old", 1, MANUAL), said(None, 9, MANUAL), said("next", 2, API)],
        "next",
    ),
    "it leaves it to a browser, too": ([said(None, 9, MANUAL), said("seen", 2, SDK)], "seen"),
    "a source that has a value anew takes the place back": (
        [said(None, 2, MANUAL), said("anew", 3, MANUAL), said("next", 9, API)],
        "anew",
    ),
    "a value that is false is one": ([said(False, 1, MANUAL), said(True, 9, API)], False),
    "a zero is one": ([said(0.0, 1, MANUAL), said(7.0, 9, API)], 0.0),
    "of nothing but clearings none has a value": ([said(None, 1, MANUAL), said(None, 9, API)], None),
}


@pytest.mark.parametrize("name", ORDERED)
def test_by_the_order_of_sources(name: str) -> None:
    candidates, right = ORDERED[name]
    assert held(candidates, SOURCE_ORDER) == right


@pytest.mark.parametrize(("manual_at", "source"), [(1, API), (4, API), (5, MANUAL), (9, MANUAL)])
def test_where_all_sources_cleared_the_latest_clearing_holds(manual_at: int, source: str) -> None:
    candidates = [said("old", 2), said(None, manual_at, MANUAL), said(None, 5), said(None, 99, SDK)]
    found = winner(candidates, SOURCE_ORDER, SOURCES)
    assert found is not None
    assert (found.source, found.value) == (source, None)


# --- through time


@pytest.mark.parametrize(("at", "value"), [(4, None), (5, "a"), (6, "a"), (7, "b"), (8, "b")])
def test_at_a_time_holds_what_was_effective_by_then(at: int, value: str | None) -> None:
    found = as_of([said("b", 7), said("a", 5)], LATEST, SOURCES, at)
    assert (found and found.value) == value


@pytest.mark.parametrize(("at", "value"), [(2, "back"), (3, "first"), (4, "back"), (5, "anew")])
def test_at_a_time_the_order_of_sources_counts(at: int, value: str) -> None:
    candidates = [
        said("anew", 5, MANUAL),
        said(None, 4, MANUAL),
        said("first", 3, MANUAL),
        said("back", 2, API),
    ]
    found = as_of(candidates, SOURCE_ORDER, SOURCES, at)
    assert found is not None
    assert found.value == value


def changes(
    candidates: list[Candidate], rule: ConflictRule = LATEST
) -> list[tuple[int, Value | None, Value | None]]:
    return [(one.at, one.before, one.after) for one in history(candidates, rule, SOURCES)]


def test_the_first_value_was_unknown_before() -> None:
    first = said("", 3)
    assert list(history([first], LATEST, SOURCES)) == [Change(3, None, "", first)]


def test_a_value_that_is_said_again_is_no_change() -> None:
    candidates = [said("a", 5), said("a", 3), said("b", 7), said("b", 7, run=2)]
    assert changes(candidates) == [(3, None, "a"), (7, "a", "b")]


def test_of_several_of_one_time_only_the_one_that_holds_is_a_change() -> None:
    assert changes([said("a", 3), said("b", 3, row=2)]) == [(3, None, "b")]


def test_a_clearing_is_a_change_to_unknown_and_a_value_after_it_one_from_it() -> None:
    cleared = said(None, 5)
    found = list(history([said("b", 7), cleared, said("a", 3)], LATEST, SOURCES))
    assert [(one.at, one.before, one.after) for one in found] == [
        (3, None, "a"),
        (5, "a", None),
        (7, None, "b"),
    ]
    assert found[1].candidate == cleared


def test_clearing_what_was_unknown_is_no_change() -> None:
    assert changes([said(None, 3), said(None, 4), said("a", 5)]) == [(5, None, "a")]


def test_a_change_names_the_candidate_that_holds_from_then_on() -> None:
    back, first = said("back", 4, API), said("first", 3, MANUAL)
    cleared = said(None, 6, MANUAL)
    found = history([cleared, back, first], SOURCE_ORDER, SOURCES)
    assert list(found) == [Change(3, None, "first", first), Change(6, "first", "back", back)]


def test_what_a_browser_said_changes_nothing_once_another_source_spoke() -> None:
    assert changes([said("seen", 1, SDK), said("told", 3), said("seen", 5, SDK)]) == [
        (1, None, "seen"),
        (3, "seen", "told"),
    ]


# --- what holds for all

RULES = st.sampled_from(ConflictRule)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.sampled_from(["a", "b", "", None]),
        st.integers(0, 4),
        st.sampled_from(SOURCES.names),
        st.integers(1, 3),
        st.integers(1, 2),
        st.sampled_from([U, V, A]),
    ),
    max_size=8,
    unique_by=SOURCES.order,
)


@given(CANDIDATES, RULES, st.randoms(use_true_random=False))
def test_the_order_in_which_candidates_come_does_not_matter(
    candidates: list[Candidate], rule: ConflictRule, rng
) -> None:
    shuffled = rng.sample(candidates, len(candidates))
    assert winner(shuffled, rule, SOURCES) == winner(candidates, rule, SOURCES)
    assert list(history(shuffled, rule, SOURCES)) == list(history(candidates, rule, SOURCES))


@given(CANDIDATES, RULES)
def test_at_the_end_of_time_holds_what_holds(candidates: list[Candidate], rule: ConflictRule) -> None:
    assert as_of(candidates, rule, SOURCES, FAR) == winner(candidates, rule, SOURCES)


@given(CANDIDATES, RULES, st.integers(-1, 5))
def test_the_history_up_to_a_time_ends_with_what_held_then(
    candidates: list[Candidate], rule: ConflictRule, at: int
) -> None:
    value = None
    for change in history(candidates, rule, SOURCES):
        assert change.before != change.after
        if change.at <= at:
            assert change.before == value
            value = change.after
    found = as_of(candidates, rule, SOURCES, at)
    assert (None if found is None else found.value) == value


@given(CANDIDATES, RULES)
def test_a_browser_is_never_over_a_value_of_another_source(
    candidates: list[Candidate], rule: ConflictRule
) -> None:
    found = winner(candidates, rule, SOURCES)
    others = [one for one in candidates if one.source != SDK]
    right = winner(others, rule, SOURCES)
    assert right is None or right.value is None or found == right


@given(CANDIDATES, RULES)
def test_undoing_what_never_held_changes_no_history(candidates: list[Candidate], rule: ConflictRule) -> None:
    held = [as_of(candidates, rule, SOURCES, one.effective_at) for one in candidates]
    for undone in candidates:
        can_let_another_in = rule is not LATEST and undone.value is None
        if undone not in held and not can_let_another_in:
            others = [one for one in candidates if one != undone]
            assert list(history(others, rule, SOURCES)) == list(history(candidates, rule, SOURCES))
