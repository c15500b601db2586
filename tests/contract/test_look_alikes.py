"""User ids that differ only by case are found, the greatest groups first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import Row
from stored import NOW, SPACE, take

from enduser import limits
from enduser.core.events import UserId
from enduser.errors import IdsHashed, LimitExceeded
from enduser.stores.answering import answer
from enduser.stores.answers import LookAlikeGroup, LookAlikes
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, ChangeSettings
from enduser.stores.wire import decoded, encoded

NOTHING = LookAlikes([], 0, 0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, memory_limit_mb=512) as opened:
        yield opened


def with_ids(store: EmbeddedStore, folder: Path, *texts: str) -> None:
    take(store, folder, [Row(text, None, number, "m") for number, text in enumerate(texts)])


def test_a_space_without_users_has_none(store: EmbeddedStore) -> None:
    assert store.look_alikes(SPACE) == NOTHING


def test_ids_that_differ_in_anything_else_are_no_look_alikes(store: EmbeddedStore, tmp_path: Path) -> None:
    with_ids(store, tmp_path, "ada", "ada.", "adá", "eve", "straße", "STRASSE")
    assert store.look_alikes(SPACE) == NOTHING


def test_the_greatest_groups_come_first_and_ids_in_byte_order(store: EmbeddedStore, tmp_path: Path) -> None:
    with_ids(store, tmp_path, "bob", "Bob", "ada", "eve", "aDa", "ADA", "Zoë", "ZOË")
    assert store.look_alikes(SPACE) == LookAlikes(
        [
            LookAlikeGroup(3, ["ADA", "aDa", "ada"], is_one_person=False),
            LookAlikeGroup(2, ["Bob", "bob"], is_one_person=False),
            LookAlikeGroup(2, ["ZOË", "Zoë"], is_one_person=False),
        ],
        total_groups=3,
        total_ids=7,
    )


@pytest.mark.parametrize(
    "pair", ["\u03a3 \u03c3", "\u03c3 \u03c2", "É é", "\u01c5 \u01c6", "\u0416 \u0436", "S \u017f"]
)
def test_letters_of_other_alphabets_have_cases_too(store: EmbeddedStore, tmp_path: Path, pair: str) -> None:
    with_ids(store, tmp_path, *(f"x{letter}" for letter in pair.split()))
    assert store.look_alikes(SPACE).total_groups == 1


def test_an_anonymous_id_looks_like_no_user_id(store: EmbeddedStore, tmp_path: Path) -> None:
    take(store, tmp_path, [Row("ada", None, 1, "m"), Row(None, "Ada", 2, "m"), Row(None, "ADA", 2, "m")])
    assert store.look_alikes(SPACE) == NOTHING
    take(store, tmp_path, [Row("ADA", None, 3, "m")])
    assert [(group.count, group.ids) for group in store.look_alikes(SPACE).groups] == [(2, ["ADA", "ada"])]


def test_a_group_that_links_made_one_person_is_marked(store: EmbeddedStore, tmp_path: Path) -> None:
    with_ids(store, tmp_path, "ada", "Ada", "ADA")
    marks = []
    for one, other in [("ada", "Ada"), ("Ada", "ADA")]:
        store.apply(SPACE, AddLink(UserId(one, is_anonymous=False), UserId(other, is_anonymous=False), 1))
        marks += [group.is_one_person for group in store.look_alikes(SPACE).groups]
    assert marks == [False, True]


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_of_a_group_as_many_ids_are_named_as_the_limit(
    store: EmbeddedStore, tmp_path: Path, extra: int
) -> None:
    count = limits.LOOK_ALIKE_IDS_MAX + extra
    texts = ["".join(c.upper() if n >> k & 1 else c for k, c in enumerate("abcdef")) for n in range(count)]
    with_ids(store, tmp_path, *texts)
    (group,) = store.look_alikes(SPACE).groups
    assert (group.count, group.ids) == (count, sorted(texts)[: limits.LOOK_ALIKE_IDS_MAX])


def test_groups_beyond_the_limit_are_counted(store: EmbeddedStore, tmp_path: Path) -> None:
    with_ids(store, tmp_path, *(f"{letter}{n}" for n in range(5) for letter in "xX"))
    found = store.look_alikes(SPACE, limit=2)
    assert [group.ids for group in found.groups] == [["X0", "x0"], ["X1", "x1"]]
    assert (found.total_groups, found.total_ids) == (5, 10)


@pytest.mark.parametrize(
    ("limit", "is_good"),
    [(0, False), (1, True), (limits.PAGE_ROWS_MAX, True), (limits.PAGE_ROWS_MAX + 1, False)],
)
def test_as_many_groups_can_be_asked_for_as_a_page_has_rows(
    store: EmbeddedStore, limit: int, is_good: bool
) -> None:
    if is_good:
        assert store.look_alikes(SPACE, limit=limit) == NOTHING
        return
    with pytest.raises(LimitExceeded, match="rows"):
        store.look_alikes(SPACE, limit=limit)


def test_hashed_ids_cannot_be_compared_and_it_says_so(store: EmbeddedStore, tmp_path: Path) -> None:
    with_ids(store, tmp_path, "ada", "Ada")
    store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    with pytest.raises(IdsHashed, match="hashes cannot be compared"):
        store.look_alikes(SPACE)


def test_they_can_be_asked_for_from_afar(store: EmbeddedStore, tmp_path: Path) -> None:
    with_ids(store, tmp_path, "ada", "Ada")
    told = answer(store, "look_alikes", encoded({"space": SPACE, "limit": 7}))
    assert decoded(told, LookAlikes) == store.look_alikes(SPACE)  # type: ignore[arg-type]
