"""How sources are set up, kept in the control data."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser import limits
from enduser.errors import InvalidSource, LimitExceeded, SourceNotFound
from enduser.stores.control import ControlStore
from enduser.stores.source_configs import (
    Schedule,
    SourceConfig,
    change_source,
    create_source,
    delete_source,
    find_source,
    list_sources,
)
from enduser.stores.taken_inputs import remember_taken, taken_versions

SPACE = "default/production"


@pytest.fixture
def control(tmp_path: Path):
    with ControlStore(tmp_path) as opened:
        yield opened


def config(name: str, space: str = SPACE, **mapping: object) -> SourceConfig:
    return SourceConfig(space, name, "csv", mapping or None, 1)


def test_a_source_is_kept_found_changed_and_forgotten(control: ControlStore) -> None:
    create_source(control, config("crm"))
    assert find_source(control, SPACE, "crm") == config("crm")
    assert change_source(control, SPACE, "crm", mapping={"takes": "plan"}) == config("crm", takes="plan")
    assert list_sources(control, SPACE) == [config("crm", takes="plan")]
    assert list_sources(control, "acme/test") == []
    delete_source(control, SPACE, "crm")
    with pytest.raises(SourceNotFound, match="crm"):
        find_source(control, SPACE, "crm")
    with pytest.raises(SourceNotFound, match="crm"):
        delete_source(control, SPACE, "crm")


@pytest.mark.parametrize(
    "name", ["a" * (limits.SOURCE_NAME_CHARACTERS_MAX + 1), "Crm", "-x", "", "a b", "sdk"]
)
def test_a_name_that_cannot_be_is_refused(control: ControlStore, name: str) -> None:
    with pytest.raises(InvalidSource) as refused:
        create_source(control, config(name))
    assert (refused.value.field, refused.value.hint is not None) == ("name", True)
    create_source(control, config("a" * limits.SOURCE_NAME_CHARACTERS_MAX))


def test_a_space_has_at_most_so_many_sources(control: ControlStore) -> None:
    for number in range(limits.SOURCES_MAX):
        create_source(control, config(f"s{number}"))
    with pytest.raises(LimitExceeded, match="100") as refused:
        create_source(control, config("one-more"))
    assert refused.value.limit == limits.SOURCES_MAX
    change_source(control, SPACE, "s5", mapping={"takes": "plan"})
    create_source(control, config("one-more", "acme/test"))


def test_changes_of_different_fields_at_one_time_are_all_kept(control: ControlStore) -> None:
    create_source(control, config("crm"))
    before = find_source(control, SPACE, "crm")
    change_source(control, SPACE, "crm", mapping={"takes": "plan"})
    daily = Schedule("0 3 * * *")
    change_source(control, before.space, before.name, schedule=daily, due_at=7)
    after = find_source(control, SPACE, "crm")
    assert (after.mapping, after.schedule, after.due_at) == ({"takes": "plan"}, daily, 7)


def test_a_source_that_is_gone_is_not_changed_back(control: ControlStore) -> None:
    create_source(control, config("crm"))
    delete_source(control, SPACE, "crm")
    with pytest.raises(SourceNotFound):
        change_source(control, SPACE, "crm", due_at=7)
    assert list_sources(control, SPACE) == []


def test_a_source_that_is_made_anew_has_taken_nothing(control: ControlStore) -> None:
    create_source(control, config("crm"))
    with control.changing() as connection:
        remember_taken(connection, SPACE, "crm", "a.csv", "1")
        remember_taken(connection, SPACE, "erp", "a.csv", "1")
        remember_taken(connection, SPACE, "crm", "sent.csv", "")
    assert taken_versions(control, SPACE, "crm") == {"a.csv": "1"}
    delete_source(control, SPACE, "crm")
    assert taken_versions(control, SPACE, "crm") == {}
    assert taken_versions(control, SPACE, "erp") == {"a.csv": "1"}
