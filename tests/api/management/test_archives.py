"""All that is held on one person over HTTP: written aside, sent, and gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from held import ADA, PHONE, archive_of, filled_files, unpacked
from managing import Api, served
from stored import SPACE

from enduser import limits
from enduser.stores.records import EraseUser

URL = "/api/v1/users/ada/archive"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API over a world that tests only read."""
    with served(tmp_path_factory.mktemp("held") / "data", filled_files()) as opened:
        yield opened


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[Api]:
    with served(tmp_path / "data", filled_files()) as opened:
        yield opened


def is_clean(api: Api) -> bool:
    return not [*(api.folder / "tmp").glob("work-*")] and api.app.services.exports == set()


def test_the_archive_of_a_person_is_a_zip_file_whose_name_tells_nobody(world: Api) -> None:
    response = world.client.get(URL)
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == 'attachment; filename="person.zip"'
    found, right = unpacked(response.content), archive_of(world.store, ADA)
    assert found.files.keys() == right.files.keys()
    for name in found.files:
        if name.endswith(".csv"):
            assert found.files[name] == right.files[name]
    assert found.user | {"made_at": None} == right.user | {"made_at": None}
    assert is_clean(world)


def test_any_id_of_the_person_is_taken_in_its_namespace(world: Api) -> None:
    response = world.client.get(f"/api/v1/users/{PHONE.id}/archive", params={"id_kind": "anonymous"})
    assert unpacked(response.content).user["shown"] == {"id": "ada", "kind": "plain"}
    assert world.client.get(f"/api/v1/users/{PHONE.id}/archive").status_code == 404


@pytest.mark.parametrize(
    ("url", "query", "status", "code"),
    [
        ("/api/v1/users/gone/archive", {}, 404, "user_not_found"),
        (URL, {"id_kind": "anonymous"}, 404, "user_not_found"),
        (URL, {"id_kind": "other"}, 400, "invalid_parameter"),
        (URL, {"space": "no/space"}, 404, "space_not_found"),
        (URL, {"form": "csv"}, 400, "invalid_parameter"),
    ],
)
def test_what_cannot_be_leaves_nothing_behind(
    world: Api, url: str, query: dict[str, str], status: int, code: str
) -> None:
    response = world.client.get(url, params=query)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert is_clean(world)


def test_it_needs_a_key_for_the_space(world: Api) -> None:
    assert world.bare.get(URL).status_code == 401
    assert world.with_key("other/space").get(URL, params={"space": SPACE}).status_code == 404


def test_it_is_one_of_the_few_exports_that_are_made_at_once_beside_everything_else(
    world: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = type(world.store.reader)
    plain, release, begun = reader.write_person, threading.Event(), threading.Semaphore(0)

    def waits(*given: Any) -> Any:
        begun.release()
        assert release.wait(30)
        return plain(*given)

    changed = len(world.changed)
    monkeypatch.setattr(reader, "write_person", waits)
    with ThreadPoolExecutor(limits.EXPORTS_MAX) as threads:
        asked = [threads.submit(world.client.get, URL) for _ in range(limits.EXPORTS_MAX)]
        for _ in asked:
            assert begun.acquire(timeout=30)
        refused = [
            world.client.get(URL),
            world.client.get("/api/v1/users/export", params={"form": "csv"}),
        ]
        assert world.client.get("/api/v1/users/ada").status_code == 200
        release.set()
        assert {call.result(30).status_code for call in asked} == {200}
    for response in refused:
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["limit"]) == (429, "too_busy", limits.EXPORTS_MAX)
    assert len(world.changed) == changed
    assert is_clean(world)


def test_who_is_erased_while_his_archive_is_made_is_not_handed_out(
    own_world: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = type(own_world.store.reader)
    plain = reader.write_person

    def erased_meanwhile(*given: Any) -> Any:
        held = plain(*given)
        own_world.store.apply(SPACE, EraseUser(ADA))
        return held

    monkeypatch.setattr(reader, "write_person", erased_meanwhile)
    refused = own_world.client.get(URL)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_busy")
    monkeypatch.setattr(reader, "write_person", plain)
    assert own_world.client.get(URL).status_code == 404
    assert is_clean(own_world)
