"""What the applier does in a round, and what it remembers to tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from stored import LOOKUPS, SPACE
from structlog.testing import capture_logs

from enduser import limits
from enduser.api.owner.server import tell_damage
from enduser.clock import elapsed_s
from enduser.core.events import UserId
from enduser.core.rules.rule_json import EVERYONE, RuleJson
from enduser.core.segments import Saving, Segment
from enduser.errors import StoreError
from enduser.ingest import applier as applier_module
from enduser.ingest import following
from enduser.ingest.applier import Applier
from enduser.ingest.spool import EVENTS, Damage, SpoolReader, SpoolWriter, frame
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import AddLink, ChangeSettings, EraseUser, SpooledEvents
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_reader import ServingReader

AT = 1_760_000_000_000_000
HOUR = 3_600_000_000


@pytest.fixture
def writer(tmp_path: Path):
    opened = SpoolWriter(tmp_path, 1)
    yield opened
    opened.close()


@pytest.fixture
def applier(tmp_path: Path, writer: SpoolWriter):
    with EmbeddedStore(tmp_path, now_us=AT, lookups=LOOKUPS, memory_limit_mb=512) as store:
        opened = Applier(store, SpoolReader(tmp_path, store.spool_positions()), ServingCopy(tmp_path))
        yield opened
        opened.close()


def send(writer: SpoolWriter, *users: str, at: int = AT, space: int = 1, **more: object) -> None:
    lines = [
        {"got": at, "id": user, "msg": f"{user}{at}", "client": at, "at": at, "type": "page", **more}
        for user in users
    ]
    payload = "".join(json.dumps(line) + "\n" for line in lines).encode()
    writer.append([frame(EVENTS, space, at, payload)], now_us=at)


def test_a_session_that_is_over_is_in_the_store_and_in_the_serving_copy(
    applier: Applier, writer: SpoolWriter, tmp_path: Path
) -> None:
    send(writer, "u")
    applier.round()
    assert applier._store.find_user(SPACE, "u") is None
    writer.mark(AT + HOUR)
    applier.round()
    found = applier._store.find_user(SPACE, "u")
    assert found is not None
    with closing(ServingReader(tmp_path)) as reader:
        assert reader.find(SPACE, "u", is_anonymous=False) == found
    assert applier.applied_at == AT + HOUR


def test_lines_that_a_killed_process_left_do_not_stay(applier: Applier, tmp_path: Path) -> None:
    (tmp_path / "tmp" / "spool" / "lines-7.jsonl").write_text("ada")
    copy = ServingCopy(tmp_path)
    Applier(applier._store, SpoolReader(tmp_path, {}), copy)
    copy.close()
    assert list((tmp_path / "tmp" / "spool").iterdir()) == []


def test_outcomes_are_counted_by_space(applier: Applier, writer: SpoolWriter) -> None:
    applier._store.create_space("acme/test", AT)
    send(writer, "u", "u", "v")
    send(writer, "u", space=2)
    applier.round()
    assert {space: one.stored for space, one in applier.outcomes.items()} == {SPACE: 2, "acme/test": 1}
    assert applier.outcomes[SPACE].duplicate == 1


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_batch_of_which_the_store_does_not_say_whether_it_is_committed_is_applied_once(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch, is_committed: bool
) -> None:
    store = applier._store
    apply = store.apply_spooled

    def fail(spooled: SpooledEvents) -> None:
        if is_committed:
            apply(spooled)
        raise StoreError("the disk is full")

    send(writer, "u", "v")
    with monkeypatch.context() as patched:
        patched.setattr(store, "apply_spooled", fail)
        with pytest.raises(StoreError):
            applier.round()
    send(writer, "w")
    while applier.round():
        pass
    outcomes = store.status(SPACE).outcomes
    assert (outcomes.stored, outcomes.duplicate) == (3, 0)
    assert list((store.folder / "tmp" / "spool").iterdir()) == []
    assert applier._reader.bytes_waiting() == 0


def test_events_of_a_space_that_is_not_there_are_passed_over(applier: Applier, writer: SpoolWriter) -> None:
    send(writer, "u", space=9)
    send(writer, "v")
    applier.round()
    assert applier.outcomes[SPACE].stored == 1


def test_a_round_takes_no_more_than_a_batch(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BATCH_BYTES_MAX", 1)
    monkeypatch.setattr(limits, "FRAME_BYTES_MAX", 300)
    for number in range(4):
        send(writer, f"u{number}", at=AT + number)
    rounds = 1
    while applier.round():
        rounds += 1
    assert rounds > 1
    assert applier.outcomes[SPACE].stored == 4


def test_who_watches_a_space_sees_what_is_applied_from_then_on(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WATCHED_EVENTS_MAX", 2)
    send(writer, "unwatched")
    applier.round()
    last, seen = applier.watch(SPACE, 0, at_s=0)
    assert (last, seen) == (0, [])
    send(writer, "a", "b", "c", at=AT + 1)
    applier.round()
    last, seen = applier.watch(SPACE, last, at_s=1)
    assert [sample.user_id for sample in seen] == ["b", "c"]
    assert applier.watch(SPACE, last, at_s=2) == (last, [])
    send(writer, "d", at=AT + 2)
    applier.round()
    last, seen = applier.watch(SPACE, last, at_s=3)
    assert [(sample.user_id, sample.outcome) for sample in seen] == [("d", "stored")]


def erase(applier: Applier, user: str) -> None:
    applier._store.apply(SPACE, EraseUser(UserId(user, is_anonymous=False)))


def test_what_was_accepted_before_an_erasure_does_not_bring_the_person_back(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BATCH_BYTES_MAX", 1)
    for number in range(4):
        send(writer, "ada", "eve", at=AT + number)
    erase(applier, "ada")
    writer.mark(AT + HOUR)
    applier.round()
    assert applier._store.find_user(SPACE, "ada", include_open=True) is None
    assert applier._store.find_user(SPACE, "eve") is not None
    send(writer, "ada", at=AT + HOUR)
    applier.round()
    assert applier._store.find_user(SPACE, "ada", include_open=True) is not None


@pytest.mark.parametrize(("rounds", "is_good"), [(0, True), (1, True), (2, False)])
def test_an_erasure_waits_as_long_as_the_limit_for_what_was_accepted_before(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch, rounds: int, is_good: bool
) -> None:
    """Each round takes as long as may be waited; a second one that would have to follow is too much."""
    send(writer, "ada")
    applier.round()
    told = iter([True] * rounds + [False])
    clock = iter([0, limits.CATCH_UP_SECONDS_MAX, limits.CATCH_UP_SECONDS_MAX + 1])
    monkeypatch.setattr(applier, "_do", lambda _: next(told))
    monkeypatch.setattr(applier_module, "elapsed_s", lambda: next(clock))
    if is_good:
        erase(applier, "ada")
    else:
        with pytest.raises(StoreError, match="still to be applied; nothing was erased"):
            erase(applier, "ada")
    found = applier._store.find_user(SPACE, "ada", include_open=True)
    assert (found is None) is is_good


def test_nobody_is_erased_while_what_was_accepted_cannot_be_applied(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(writer, "ada")
    applier.round()

    def refuse(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(applier, "write_lines", refuse)
    with pytest.raises(StoreError, match="cannot be applied: no room; nothing was erased"):
        erase(applier, "ada")
    assert applier._store.find_user(SPACE, "ada", include_open=True) is not None


@pytest.mark.parametrize("step", ["serve", "tell"])
def test_a_serving_copy_or_a_feed_that_does_not_get_on_keeps_nobody_from_being_erased(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    send(writer, "ada", "eve")
    monkeypatch.setattr(applier, step, refuse)
    erase(applier, "ada")
    assert applier._store.find_user(SPACE, "ada", include_open=True) is None
    assert applier.outcomes[SPACE].stored == 2


def test_who_is_erased_while_the_copy_and_the_feed_are_behind_is_in_neither_when_they_follow(
    applier: Applier, writer: SpoolWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada is known to both before, under two ids that become one person by what is accepted last."""
    monkeypatch.setattr(following, "elapsed_s", lambda: 0.0)
    follow(applier, EVERYONE)
    send(writer, "ada", "ada2", "eve")
    writer.mark(AT + HOUR)
    applier.round()
    assert {row.user_id for row in applier._store.feed_page(SPACE).rows} == {"ada", "ada2", "eve"}
    one, other = UserId("ada", is_anonymous=False), UserId("ada2", is_anonymous=False)
    applier._store.apply(SPACE, AddLink(one, other, AT))
    send(writer, "ada2", "eve", at=AT + 2 * HOUR)
    erase(applier, "ada")
    writer.mark(AT + 4 * HOUR)
    applier.round()
    store = applier._store
    assert {row.user_id for row in store.feed_page(SPACE).rows} == {"eve"}
    with closing(ServingReader(tmp_path)) as reader:
        found = {name: reader.find(SPACE, name, is_anonymous=False) for name in ("ada", "ada2", "eve")}
    assert found == {"ada": None, "ada2": None, "eve": store.find_user(SPACE, "eve")}


def test_it_goes_on_with_a_copy_in_a_new_file_that_has_what_came_meanwhile(
    applier: Applier, writer: SpoolWriter, tmp_path: Path
) -> None:
    send(writer, "ada", "eve")
    writer.mark(AT + 2 * HOUR)
    applier.round()
    with closing(applier.new_copy()) as new:
        send(writer, "joe", at=AT + 2 * HOUR)
        erase(applier, "ada")
        new.write()
        send(writer, "mia", at=AT + 2 * HOUR)
        writer.mark(AT + 4 * HOUR)
        applier.round()
        assert applier.is_served(SPACE)
        assert applier.serve_from(new)
        with closing(ServingReader(tmp_path)) as reader:
            there = [
                bool(reader.find(SPACE, one, is_anonymous=False)) for one in ("ada", "eve", "joe", "mia")
            ]
        assert there == [False, True, True, True]
    assert not applier.is_served(SPACE)  # the new file is looked through once
    applier.round()
    assert applier.is_served(SPACE)
    assert {path.name for path in tmp_path.glob("serving*")} >= {"serving-2.sqlite"}
    assert not list(tmp_path.glob("serving-1*"))


def test_who_watches_sees_nothing_of_who_is_erased(applier: Applier, writer: SpoolWriter) -> None:
    send(writer, "ada")
    applier.watch(SPACE, 0, at_s=0)
    erase(applier, "ada")
    assert applier.watch(SPACE, 0, at_s=1) == (1, [])
    send(writer, "eve")
    applier.round()
    last, seen = applier.watch(SPACE, 1, at_s=2)
    assert (last, [sample.user_id for sample in seen]) == (2, ["eve"])


def test_a_watch_that_nobody_asks_for_is_forgotten(applier: Applier, writer: SpoolWriter) -> None:
    applier.watch(SPACE, 0, at_s=0)
    applier.watch("acme/test", 0, at_s=100)
    send(writer, "a")
    applier.round()
    assert applier.watch(SPACE, 0, at_s=100) == (0, [])


def test_damage_is_told_and_counted_once(
    applier: Applier, writer: SpoolWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Damage] = []
    monkeypatch.setattr(applier, "_tell_damage", told.append)
    send(writer, "a")
    send(writer, "b", at=AT + 1)
    (path,) = tmp_path.rglob("*.seg")
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    applier.round()
    applier.round()
    assert applier.damages == {"damaged": 1}
    assert [(damage.series, damage.spool_file, damage.is_torn) for damage in told] == [(1, 1, False)]
    with capture_logs() as lines:
        tell_damage(told[0])
    (line,) = lines
    assert (line["event"], line["log_level"], line["series"]) == ("spool is damaged", "error", 1)
    assert Path(line["kept_as"]).exists()
    assert applier.outcomes[SPACE].stored == 1


def test_nothing_stays_in_the_scratch_room(applier: Applier, writer: SpoolWriter, tmp_path: Path) -> None:
    send(writer, "a")
    applier.round()
    assert list((tmp_path / "tmp" / "spool").iterdir()) == []


def test_events_count_once_though_the_serving_copy_fails_again_and_again(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier._store.apply(SPACE, ChangeSettings({"unique_user": "none"}))
    send(writer, "u", "v")

    def refuse(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(ServingCopy, "follow", refuse)
    for _ in range(3):
        with pytest.raises(OSError, match="no room"):
            applier.round()
    monkeypatch.undo()
    applier.round()
    assert applier._store.status(SPACE).outcomes.counted == 2
    assert applier.outcomes[SPACE].counted == 2
    assert applier.is_served(SPACE)


def fail_in(space: str, take: Callable[..., object]) -> Callable[..., object]:
    """Return a step that fails in one space, and is taken in others."""

    def step(*arguments: object) -> object:
        if space in arguments:
            raise StoreError("a mistake in a rule")
        return take(*arguments)

    return step


OTHER = "acme/test"
BOTH = (SPACE, OTHER)


@pytest.mark.parametrize("failing", BOTH)
def test_a_feed_that_fails_holds_up_neither_events_nor_the_feed_of_another_space(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    store = applier._store
    store.create_space(OTHER, AT)
    for space in BOTH:
        follow(applier, EVERYONE, space)
    for number in (1, 2):
        send(writer, "u", space=number)
    writer.mark(AT + HOUR)
    monkeypatch.setattr(store, "follow_feed", fail_in(failing, store.follow_feed))
    assert not applier.round()
    assert {space for space in BOTH if store.feed_page(space).rows} == {*BOTH} - {failing}
    assert {space: one.stored for space, one in applier.outcomes.items()} == dict.fromkeys(BOTH, 1)
    assert all(applier.is_served(space) for space in BOTH)
    assert [(space, what) for space, what, is_stuck in applier.stuck() if is_stuck] == [(failing, "feed")]


@pytest.mark.parametrize("failing", BOTH)
@pytest.mark.parametrize(("step", "what"), [("follow", "copy"), ("fill", "facts")])
def test_a_serving_copy_that_fails_holds_up_neither_the_feed_nor_the_copy_of_another_space(
    applier: Applier,
    writer: SpoolWriter,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    step: str,
    what: str,
) -> None:
    store = applier._store
    store.create_space(OTHER, AT)
    for space in BOTH:
        follow(applier, EVERYONE, space)
    for number in (1, 2):
        send(writer, "u", space=number)
    writer.mark(AT + HOUR)
    monkeypatch.setattr(following, "elapsed_s", lambda: 0.0)  # what failed is tried again after a second
    monkeypatch.setattr(ServingCopy, step, fail_in(failing, getattr(ServingCopy, step)))
    applier.round()
    assert all(store.feed_page(space).rows for space in BOTH)
    assert [space for space in BOTH if not applier.is_served(space)] == [failing] * (what == "copy")
    assert [found[:2] for found in applier.stuck() if found[2]] == [(failing, what)]
    assert not applier.is_serving, "what failed is not tried again without a pause"


def test_after_the_database_failed_in_the_feed_the_other_space_goes_on_with_one_that_is_opened_anew(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the commit of a step leaves a database that answers nothing any more."""
    store = applier._store
    store.create_space(OTHER, AT)
    for space in BOTH:
        follow(applier, EVERYONE, space)
    for number in (1, 2):
        send(writer, "u", space=number)
    writer.mark(AT + HOUR)
    take = store.follow_feed

    def break_down(space: str, written_at: int) -> int:
        if space == SPACE:
            store._database.connection.close()
        return take(space, written_at)

    with monkeypatch.context() as patched:
        patched.setattr(store, "follow_feed", break_down)
        applier.round()
    assert [bool(store.feed_page(space).rows) for space in BOTH] == [False, True]
    monkeypatch.setattr(following, "elapsed_s", lambda: elapsed_s() + 60)
    applier.round()
    assert all(store.feed_page(space).rows for space in BOTH)
    assert not any(is_stuck for *_, is_stuck in applier.stuck())


def test_a_mistake_of_the_program_in_the_feed_is_loud(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def divide(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(applier._store, "follow_feed", divide)
    send(writer, "u")
    with pytest.raises(ZeroDivisionError):
        applier.round()


def test_who_entered_a_segment_is_told_in_the_round_in_which_he_did(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "elapsed_s", lambda: 0.0)  # no step takes time: none is followed by rest
    follow(applier, EVERYONE)
    send(writer, "u")
    applier.round()
    assert applier._store.feed_page(SPACE).rows == []
    writer.mark(AT + HOUR)
    applier.round()
    (row,) = applier._store.feed_page(SPACE).rows
    assert (row.kind, row.subject, row.user_id, row.noticed_at) == ("entered", "some", "u", AT + HOUR)


def test_what_comes_by_the_clock_alone_is_told_within_a_minute(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "elapsed_s", lambda: 0.0)
    hour = {"field": "last_seen", "operator": "more_than_ago", "value": {"n": 60, "unit": "minute"}}
    follow(applier, hour)
    send(writer, "u")
    second, due = 1_000_000, AT + HOUR
    for at in (AT + HOUR // 2, due - 7 * second):
        writer.mark(at)
        applier.round()
    late = 0
    while not applier._store.feed_page(SPACE).rows:
        late += 1
        writer.mark(due + late * second)
        applier.round()
    assert late <= 60


def test_a_feed_that_took_long_rests(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    steps = []

    def follow(*_: object) -> None:
        nonlocal now_s
        steps.append(now_s)
        now_s += 1.0

    monkeypatch.setattr(following, "elapsed_s", lambda: now_s)
    monkeypatch.setattr(applier._store, "follow_feed", follow)
    for number in range(4):
        send(writer, f"u{number}", at=AT + number)
        applier.round()
        now_s += 4.0
    assert steps == [0, 13]


def test_a_feed_that_took_very_long_rests_so_long_at_most_that_nothing_is_told_late(
    applier: Applier, writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    steps = []

    def follow(*_: object) -> None:
        nonlocal now_s
        steps.append(now_s)
        now_s += 100.0

    monkeypatch.setattr(following, "elapsed_s", lambda: now_s)
    monkeypatch.setattr(applier._store, "follow_feed", follow)
    for number in range(3):
        send(writer, f"u{number}", at=AT + number)
        applier.round()
        now_s += 10.0
    assert steps == [0, 120]


def follow(applier: Applier, rule: RuleJson, space: str = SPACE) -> None:
    segment = Segment(id="some", name="Some", rule=rule, is_followed=True)
    applier._store.save_segment(space, segment, Saving(AT, "me", is_new=True))
    applier._store.follow_feed(space, AT)
