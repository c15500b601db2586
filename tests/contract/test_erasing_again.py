"""Who was erased after a copy of the data was made is erased from that too, by the log of erasures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from histories import Row
from running import enduser
from searching import found_in
from stored import LOOKUPS, NOW, SPACE, take

from enduser.core.events import UserId
from enduser.service.erasing import Asked, erase_again, erase_user
from enduser.stores import erasure_log
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.database import DATABASE_FILE
from enduser.stores.records import AddLink, CloseHistory

START = 1_700_000_000_000_000


@contextmanager
def opened(folder: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        yield store


def fill(store: EmbeddedStore, folder: Path) -> None:
    """Store three people, one of them with two ids."""
    names = ["ada", "eve", "zoe"]
    take(store, folder, [Row(name, None, START + n, f"m{n}") for n, name in enumerate(names)])
    take(store, folder, [Row(None, "device-of-ada", START, "b")])
    store.apply(SPACE, AddLink(UserId("ada", False), UserId("device-of-ada", True), NOW))
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)


def restored(tmp_path: Path) -> Path:
    """Return a data folder whose database is from before two people were erased, with the log of today."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    with opened(data) as store:
        fill(store, tmp_path)
    shutil.copyfile(data / DATABASE_FILE, backup)
    with opened(data) as store:
        erase_user(store, Asked(SPACE, "ada", "plain", suppresses=True), START + 1)
        erase_user(store, Asked(SPACE, "zoe", "plain"), START + 2)
    shutil.copyfile(backup, data / DATABASE_FILE)
    return data


def users(store: EmbeddedStore) -> list[object]:
    return [row["user_id"] for row in store.users(SPACE)]


def test_who_is_in_the_log_goes_from_an_older_copy_under_all_ids_and_stays_out(tmp_path: Path) -> None:
    data = restored(tmp_path)
    with opened(data) as store:
        assert users(store) == ["ada", "eve", "zoe"]
        log = list(erasure_log.read(data / erasure_log.FILE))
        done = erase_again(store, log)
        assert [(one.number, one.amount.ids, one.amount.events) for one in done] == [(1, 2, 2), (2, 1, 1)]
        assert [(one.number, one.erased_at, one.id_hash) for one in done] == [
            (one.number, one.erased_at, one.id_hash) for one in log
        ]
        assert users(store) == ["eve"]
        assert store.is_suppressed(SPACE, "ada", "plain")
        assert store.is_suppressed(SPACE, "device-of-ada", "anonymous")
        assert not store.is_suppressed(SPACE, "zoe", "plain")
        assert store.verify(SPACE) == []
        assert erase_again(store, log) == []
        assert list(erasure_log.read(data / erasure_log.FILE)) == log


def test_an_erasure_after_that_has_a_number_of_its_own(tmp_path: Path) -> None:
    data = restored(tmp_path)
    with opened(data) as store:
        receipt = erase_user(store, Asked(SPACE, "eve", "plain"), START + 3).erasure
        assert receipt is not None
        assert receipt.number == 3
        assert [one.number for one in erasure_log.read(data / erasure_log.FILE)] == [1, 2, 3]
        assert len(erase_again(store, erasure_log.read(data / erasure_log.FILE))) == 2
        assert [one.number for one in store.erasures(SPACE)] == [3, 2, 1]


def test_a_log_from_elsewhere_that_has_numbers_of_ours_is_taken_whole(tmp_path: Path) -> None:
    data = restored(tmp_path)
    log = shutil.move(data / erasure_log.FILE, tmp_path / "log")
    with opened(data) as store:
        erase_user(store, Asked(SPACE, "eve", "plain"), START + 3)
        assert [one.number for one in erase_again(store, erasure_log.read(log))] == [2, 3]
        assert users(store) == []
        assert erase_again(store, erasure_log.read(log)) == []
        assert {one.id_hash for one in store.erasures(SPACE)} >= {
            one.id_hash for one in erasure_log.read(log)
        }


def test_a_command_does_it_and_leaves_no_byte(tmp_path: Path) -> None:
    data = restored(tmp_path)
    told = enduser("users", "reapply-erasures", "--yes", data=data)
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout.splitlines() == [
        "erasure 1 of default/production: 2 ids, 2 events, 1 session, 0 values",
        "erasure 2 of default/production: 1 id, 1 event, 1 session, 0 values",
        "2 erasures done again; no file of the data folder has a byte of them",
    ]
    assert (
        enduser("users", "reapply-erasures", "--yes", data=data).stdout
        == "all erasures of the log are known\n"
    )
    assert found_in(data, "device-of-ada") == []


def test_the_log_of_another_installation_is_refused_whole(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    log = restored(tmp_path / "other") / erasure_log.FILE
    text = log.read_text().replace('"space_guid":"', '"space_guid":"0')
    (tmp_path / "log").write_text(text)
    data = restored(tmp_path)
    told = enduser("users", "reapply-erasures", tmp_path / "log", "--yes", data=data)
    assert (told.exit_code, "of another installation" in told.stderr) == (2, True)
    assert (
        enduser("users", "erasures", data=data).stdout == "Nobody was erased from default/production yet.\n"
    )


def test_nothing_is_erased_again_unless_it_is_meant(tmp_path: Path) -> None:
    data = restored(tmp_path)
    told = enduser("users", "reapply-erasures", data=data)
    assert (told.exit_code, "which has 2 erasures? Nobody is there" in told.stderr) == (2, True)
    enduser("users", "reapply-erasures", "--yes", data=data)
    rows = enduser("users", "erasures", data=data).stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["erasure", "2", "1"]
    listed = json.loads(enduser("users", "erasures", "--format", "json", data=data).stdout)
    assert [(one["erasure"], one["suppressed"], one["gone_at"] is None) for one in listed] == [
        (2, False, False),
        (1, True, False),
    ]


def test_a_log_that_is_none_is_told(tmp_path: Path) -> None:
    data = restored(tmp_path)
    told = enduser("users", "reapply-erasures", tmp_path / "none", data=data)
    assert (told.exit_code, "there is no log of erasures" in told.stderr) == (2, True)
    (tmp_path / "bad").write_text('{"number": 1}\n')
    told = enduser("users", "reapply-erasures", tmp_path / "bad", data=data)
    assert (told.exit_code, "the line 1 is no erasure" in told.stderr) == (2, True)
