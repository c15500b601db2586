"""What people wrote that names somebody is listed, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stored import NOW, SPACE

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.contents import Content
from enduser.core.filters import UserFilter
from enduser.core.lists import ListAction
from enduser.core.segments import Saving, Segment
from enduser.service.mentions import Mention, still_named
from enduser.stores.answers import Run
from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import ChangeSettings, WriteList
from enduser.stores.row_file import write_ids

NEW, CHANGED = Saving(NOW, "me", is_new=True), Saving(NOW + 1, "me", is_new=False)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", now_us=NOW, memory_limit_mb=512) as opened:
        yield opened


@pytest.fixture
def control(store: EmbeddedStore) -> Iterator[ControlStore]:
    with ControlStore(store.folder) as opened:
        yield opened


def rule(user_id: str) -> dict[str, Any]:
    return {"combinator": "and", "rules": [{"field": "user_id", "operator": "in", "value": [user_id]}]}


def save(store: EmbeddedStore, segment_id: str, user_id: str, saving: Saving = NEW) -> None:
    store.save_segment(SPACE, Segment(id=segment_id, name=segment_id, rule=rule(user_id)), saving)


def test_rules_searches_payloads_names_and_settings_that_name_somebody_are_listed(
    store: EmbeddedStore, control: ControlStore, tmp_path: Path
) -> None:
    save(store, "staff", "adam.br")
    save(store, "before", "adam.br")
    save(store, "before", "eve", CHANGED)
    save(store, "others", "eve")
    for name, more in {
        "f1": {"rule": rule("adam.br")},
        "f2": {"search": "adam.br"},
        "f3": {"search": "adam"},
    }.items():
        store.save_filter(SPACE, UserFilter(id=name, name=name, **more), NEW)  # type: ignore[arg-type]
    store.save_content(SPACE, Content(id="hi", name="hi", payload={"to": ["Dear adam.br!"]}), NEW)
    store.save_content(SPACE, Content(id="ho", name="ho", payload={"to": ["Dear eve!"]}), NEW)
    store.create_attribute(Attribute("plan", AttributeType.STRING, description="as adam.br wants it"))
    ids = write_ids(tmp_path / "ids", ["eve"], "plain")
    store.apply(SPACE, WriteList("vips", ListAction.CREATE, ids, NOW, "friends of adam.br"))
    store.apply(SPACE, ChangeSettings({"exclude": "user:adam.br,user:eve"}))
    control.create_key("laptop of adam.br", "admin", NOW)
    (key,) = control.list_keys()
    assert still_named(store, control, SPACE, ["adam.br", "adam.brown"]) == [
        Mention("setting", "exclude"),
        Mention("version", "before/1"),
        Mention("segment", "staff"),
        Mention("filter", "f1"),
        Mention("filter", "f2"),
        Mention("content", "hi"),
        Mention("list", "vips"),
        Mention("attribute", "plan"),
        Mention("api_keys", key.id),
    ]


def test_where_nothing_names_him_nothing_is_listed(store: EmbeddedStore, control: ControlStore) -> None:
    save(store, "others", "adam.brown")
    store.apply(SPACE, ChangeSettings({"hash_salt": "adam.br"}))
    assert still_named(store, control, SPACE, ["adam.br"]) == []


def test_runs_of_files_that_are_called_so_are_listed_however_many_there_are(
    store: EmbeddedStore, control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGE_ROWS_MAX", 2)
    runs = [Run(n, "crm", f"u-{n}.csv", NOW, 0, 0, 0, 0, 0, 0, 0, None) for n in (5, 4, 3, 2, 1)]

    def page(_: str, *, limit: int, before: int | None) -> list[Run]:
        return [run for run in runs if before is None or run.run < before][:limit]

    monkeypatch.setattr(store, "runs", page)
    assert still_named(store, control, SPACE, ["u-1.csv"]) == [Mention("run", "1")]
