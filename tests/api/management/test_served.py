"""A user by id from the serving copy is the user that the truth has, or is not taken from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from histories import Row
from managing import MINUTE, START, Api, served
from stored import SPACE, take

from enduser.api.management.served import ServedUsers
from enduser.ingest.applier import Applier
from enduser.ingest.doors import Doors, write_doors
from enduser.ingest.spool import SpoolReader
from enduser.stores.records import ChangeSettings
from enduser.stores.serving import ServingCopy
from enduser.stores.serving_reader import ServingReader


class Served:
    """An API over a store, and what finds users in the serving copy beside it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.applier = Applier(api.store, SpoolReader(api.folder, {}), ServingCopy(api.folder))
        self.applier.round()
        write_doors(api.folder, api.store.doors())
        self._copy = ServingReader(api.folder)
        self.users = ServedUsers(self._copy, Doors(api.folder), self.applier.is_served)

    def close(self) -> None:
        self._copy.close()
        self.applier.close()


@contextmanager
def served_both(folder: Path) -> Iterator[Served]:
    with served(folder) as api:
        opened = Served(api)
        yield opened
        opened.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Served]:
    with served_both(tmp_path / "data") as opened:
        yield opened


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that tests share that only read."""
    with served_both(tmp_path_factory.mktemp("unchanged") / "data") as opened:
        yield opened


IDS = ["adam", "a/b", "a b?&=#%", "é/..", ".", "eve", "nobody", ""]


@pytest.mark.parametrize("kind", [None, "plain", "anonymous", "hashed"])
@pytest.mark.parametrize("user_id", IDS)
def test_the_copy_has_what_the_truth_has(unchanged: Served, user_id: str, kind: str | None) -> None:
    assert unchanged.users.knows(SPACE)
    assert unchanged.users.find(SPACE, user_id, kind) == unchanged.api.store.find_user(SPACE, user_id, kind)


def test_what_is_not_in_the_copy_yet_is_not_taken_from_there(both: Served) -> None:
    rows = [
        Row(user_id="adam", occurred_at=START + 3_000 * MINUTE, type="page"),
        Row(user_id="x", occurred_at=START),
    ]
    take(both.api.store, both.api.folder, rows)
    both.api.store.fold(SPACE)
    assert not both.users.knows(SPACE)
    both.applier.round()
    assert both.users.knows(SPACE)
    assert both.users.find(SPACE, "adam", "plain") == both.api.store.find_user(SPACE, "adam", "plain")


def test_a_setting_that_changes_objects_makes_the_copy_old(both: Served) -> None:
    both.api.store.apply(SPACE, ChangeSettings({"inactivity_window_s": "1"}))
    assert not both.users.knows(SPACE)


def test_users_are_found_by_their_ids_after_these_are_hashed(both: Served) -> None:
    assert both.users.find(SPACE, "adam", "plain")
    both.api.store.apply(SPACE, ChangeSettings({"hash_ids": "on"}))
    write_doors(both.api.folder, both.api.store.doors())
    both.applier.round()
    assert both.users.knows(SPACE)
    truth = both.api.store.find_user(SPACE, "adam", "plain")
    assert truth is not None
    assert both.users.find(SPACE, "adam", "plain") == truth


def test_a_copy_that_is_made_anew_while_a_call_waits_does_not_answer_it(both: Served) -> None:
    class Late(ServedUsers):
        def find(self, space: str, user_id: str, id_kind: str | None):
            both.api.store.apply(SPACE, ChangeSettings({"inactivity_window_s": "1700"}))
            copy = ServingCopy(both.api.folder)
            assert not copy.follow(SPACE, both.api.store)
            assert not copy.follow(SPACE, both.api.store)
            copy.close()
            found = super().find(space, user_id, id_kind)
            assert found is None
            return found

    client = both.api.with_served(Late(both._copy, Doors(both.api.folder), both.applier.is_served))
    assert client.get("/api/v1/users/adam").status_code == 200


def test_a_space_that_is_not_there_is_not_known(unchanged: Served) -> None:
    assert not unchanged.users.knows("acme/none")


def test_a_space_that_is_new_has_nobody_until_somebody_comes(both: Served) -> None:
    both.api.store.create_space("acme/test", 1)
    write_doors(both.api.folder, both.api.store.doors())
    assert both.users.find("acme/test", "adam", "plain") is None
    both.api.store.fold("acme/test")
    assert not both.users.knows("acme/test")


def test_a_failed_copy_leaves_the_truth_to_answer(both: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no room")

    both.api.store.fold(SPACE)
    monkeypatch.setattr(ServingCopy, "follow", refuse)
    with pytest.raises(OSError, match="no room"):
        both.applier.round()
    assert not both.users.knows(SPACE)
    monkeypatch.undo()
    both.applier.round()
    assert both.users.knows(SPACE)


def test_a_copy_that_somebody_deleted_leaves_the_truth_to_answer(both: Served) -> None:
    for path in both.api.folder.glob("serving*"):
        path.unlink()
    assert both.users.knows(SPACE)
    client = both.api.with_served(both.users)
    assert client.get("/api/v1/users/adam").json() == both.api.client.get("/api/v1/users/adam").json()


def test_the_api_answers_from_the_copy_while_it_knows(both: Served) -> None:
    asked = []

    class Asked(ServedUsers):
        def find(self, space: str, user_id: str, id_kind: str | None):
            asked.append(user_id)
            return super().find(space, user_id, id_kind)

    known = Asked(both._copy, Doors(both.api.folder), both.applier.is_served)
    client = both.api.with_served(known)
    assert client.get("/api/v1/users/adam").json() == both.api.client.get("/api/v1/users/adam").json()
    assert client.get("/api/v1/users/nobody").status_code == 404
    assert client.get("/api/v1/users/eve", params={"include_open": "true"}).status_code == 200
    assert asked == ["adam", "nobody"]
