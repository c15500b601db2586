"""How sources are set up, kept in the control data."""

from __future__ import annotations

from pathlib import Path

import pytest

from enduser import limits
from enduser.errors import InvalidSource, LimitExceeded, SourceNotFound
from enduser.stores.control import ControlStore
from enduser.stores.source_configs import (
    SourceConfig,
    delete_source,
    find_source,
    list_sources,
    save_source,
)

SPACE = "default/production"


@pytest.fixture
def control(tmp_path: Path):
    with ControlStore(tmp_path) as opened:
        yield opened


def config(name: str, space: str = SPACE, **mapping: object) -> SourceConfig:
    return SourceConfig(space, name, "csv", mapping or None, 1)


def test_a_source_is_kept_found_changed_and_forgotten(control: ControlStore) -> None:
    save_source(control, config("crm"))
    assert find_source(control, SPACE, "crm") == config("crm")
    save_source(control, config("crm", takes="plan"))
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
        save_source(control, config(name))
    assert (refused.value.field, refused.value.hint is not None) == ("name", True)
    save_source(control, config("a" * limits.SOURCE_NAME_CHARACTERS_MAX))


def test_a_space_has_at_most_so_many_sources(control: ControlStore) -> None:
    for number in range(limits.SOURCES_MAX):
        save_source(control, config(f"s{number}"))
    with pytest.raises(LimitExceeded, match="100") as refused:
        save_source(control, config("one-more"))
    assert refused.value.limit == limits.SOURCES_MAX
    save_source(control, config("s5", takes="plan"))
    save_source(control, config("one-more", "acme/test"))
