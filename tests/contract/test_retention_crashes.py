"""A process that ends anywhere within a portion of the retention: the next one ends where one would have."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from crashing import CrashError
from histories import Row
from stored import LOOKUPS, NOW, SPACE, take
from tiers import some_daily

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.events import UserId
from enduser.service.retention import begin_retention, forget_portion
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow
from enduser.stores import serving_files
from enduser.stores.embedded import EmbeddedStore, forgetting
from enduser.stores.records import AddLink, ChangeSettings, CloseHistory
from enduser.stores.serving import ServingCopy

MONTH = 31 * 86_400_000_000
START = 1_600_000_000_000_000
AS_OF = START + 20 * MONTH


def opened(folder: Path) -> EmbeddedStore:
    return EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512)


def visit(user: str | None, months: float, anonymous_id: str | None = None, **more: Any) -> Row:
    at = START + round(months * MONTH)
    return Row(user, anonymous_id, at, f"m{months}", name="Page", **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which something of each kind is too old, a portion each, and whose serving copy is up."""
    folder = tmp_path_factory.mktemp("crashes")
    with opened(folder / "data") as store:
        store.create_attribute(Attribute("plan", AttributeType.STRING))
        store.apply(SPACE, ChangeSettings({"event_retention_months": "1", "link_on_identify": "on"}))
        rows = [
            *(visit("idle", 0, "browser"), visit(None, 1, "browser"), visit("idle-too", 2)),
            *(visit("back", 0, "parted"), visit("back", 19), visit(None, 19, "parted")),
            visit("stays", 18, traits={"role": "x"}),
        ]
        take(store, folder, rows)
        store.apply(SPACE, AddLink(UserId("said", False), UserId("said-too", False), START))
        for user in ("unseen", "stays"):
            edit_by_hand(store, SPACE, JsonRow(user, {"plan": "vip"}, "plain"), START)
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)
        follow(store)
    return folder / "data"


def follow(store: EmbeddedStore) -> None:
    """Bring the serving copy up, as the applier does."""
    with closing(ServingCopy(store.folder)) as copy:
        while not copy.follow(SPACE, store):
            pass


class End(NamedTuple):
    """Where a run ends."""

    users: list[Any]
    sessions: list[Any]
    ids: list[Any]
    receipt: dict[str, object]
    served: list[Any]


def served(folder: Path) -> list[Any]:
    """Return what the serving copy has."""
    with closing(sqlite3.connect(serving_files.first(folder))) as copy:
        return copy.execute("SELECT id, is_anonymous, object FROM objects ORDER BY 1, 2").fetchall()


def end_of(store: EmbeddedStore) -> End:
    follow(store)
    assert store.verify(SPACE) == []
    (receipt,) = store.retention_runs(SPACE)
    ids = store._execute("SELECT id, is_anonymous FROM space_1.user_ids ORDER BY ALL")
    return End(
        list(store.users(SPACE)), list(store.sessions(SPACE)), ids, asdict(receipt), served(store.folder)
    )


@pytest.fixture(scope="module")
def wanted(made: Path, tmp_path_factory: pytest.TempPathFactory) -> End:
    """Where a run ends that nothing interrupts."""
    folder = tmp_path_factory.mktemp("wanted") / "data"
    shutil.copytree(made, folder)
    with pytest.MonkeyPatch.context() as patch, opened(folder) as store:
        patch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", 1)
        run = begin_retention(store, SPACE, AS_OF, NOW)
        while run.ended_at is None:
            run = forget_portion(store, run, NOW)
        assert (run.amount.users, run.amount.lives, run.amount.contents) == (3, 1, 3)
        return end_of(store)


class Crash:
    """Ends the process at a call, or right after it, each second time that it is reached."""

    def __init__(self, call: Callable[..., Any], *, is_after: bool) -> None:
        self._call, self._is_after = call, is_after
        self.count = 0
        self._is_next = True

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        is_now, self._is_next = self._is_next, not self._is_next
        if is_now and not self._is_after:
            self._end()
        result = self._call(*arguments, **named)
        if is_now:
            self._end()
        return result

    def _end(self) -> None:
        self.count += 1
        raise CrashError


STEPS = [
    (forgetting.retention, "find", "after"),
    (forgetting.serving, "take_out", "before"),
    (forgetting.serving, "take_out", "after"),
    (forgetting.retention, "forget", "after"),
    (forgetting.retention, "note", "after"),
    (EmbeddedStore, "_follow_up", "before"),
]
"""The last of them is right after the commit."""
DAILY = [STEPS[2], STEPS[4], STEPS[5]]


@pytest.mark.parametrize(
    ("where", "name", "when"),
    some_daily(STEPS, DAILY),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_crash_within_each_portion_changes_nothing_of_the_end(
    made: Path, wanted: End, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, when: str
) -> None:
    shutil.copytree(made, tmp_path / "data")
    monkeypatch.setattr(limits, "RETENTION_PERSONS_AT_ONCE", 1)
    crash = Crash(getattr(where, name), is_after=when == "after")

    def crashing(*arguments: Any, **named: Any) -> Any:
        return crash(*arguments, **named)

    monkeypatch.setattr(where, name, crashing)
    is_over = False
    while not is_over:
        with opened(tmp_path / "data") as store, suppress(CrashError):
            is_over = go_on(store)
    assert crash.count >= 4
    with opened(tmp_path / "data") as store:
        assert end_of(store) == wanted


def go_on(store: EmbeddedStore) -> bool:
    """Go on with the run, or begin it, sometimes with a copy that is up; return True at its end."""
    run = next(iter(store.retention_runs(SPACE)), None) or begin_retention(store, SPACE, AS_OF, NOW)
    assert {row[:2] for row in served(store.folder)} <= set(known(store))
    if run.amount.users % 2:
        follow(store)
    while run.ended_at is None:
        run = forget_portion(store, run, NOW)
    return True


def known(store: EmbeddedStore) -> Iterator[tuple[str, int]]:
    """Yield the ids that the truth knows: the copy may have no other."""
    yield from store._execute("SELECT id, is_anonymous::INTEGER FROM space_1.user_ids")
