"""`enduser attributes`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import enduser

from enduser.core.segments import Saving, Segment
from enduser.stores.embedded import EmbeddedStore


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with the attribute `plan`."""
    folder = tmp_path / "data"
    assert enduser("attributes", "create", "plan", "--type", "string", data=folder).exit_code == 0
    return folder


def listed(data: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        enduser("attributes", "list", "--format", "json", data=data).stdout
    )
    return found


def test_attributes_are_listed_as_a_table_and_as_json(data: Path) -> None:
    told = enduser("attributes", "list", data=data).stdout.splitlines()
    assert told[1].split() == ["plan", "string", "latest", "all"]
    assert told[-1] == "1 of at most 100"
    assert [one["name"] for one in listed(data)] == ["plan"]


def test_a_folder_without_attributes_says_how_to_have_one(tmp_path: Path) -> None:
    enduser("config", "list", data=tmp_path / "data")
    assert "enduser attributes create" in enduser("attributes", "list", data=tmp_path / "data").stdout


def test_what_is_not_named_stays_as_it_is(data: Path) -> None:
    enduser("attributes", "change", "plan", "--display-name", "Plan", "--pii", data=data)
    enduser("attributes", "change", "plan", "--sources", "crm, manual", data=data)
    told = enduser(
        *("attributes", "change", "plan", "--name", "tariff", "--conflict-rule", "source_order"),
        "--data",
        data,
    )
    assert told.stdout == "the attribute tariff is changed\n"
    (found,) = listed(data)
    assert (found["name"], found["display_name"], found["is_pii"]) == ("tariff", "Plan", True)
    assert (found["sources"], found["conflict_rule"]) == (["crm", "manual"], "source_order")
    enduser("attributes", "change", "tariff", "--sources", "all", "--no-pii", data=data)
    (found,) = listed(data)
    assert (found["sources"], found["is_pii"]) == (None, False)
    assert "nothing to change" in enduser("attributes", "change", "tariff", data=data).stdout


def test_a_name_that_cannot_be_is_refused_with_one_that_can(data: Path) -> None:
    told = enduser("attributes", "create", "country", "--type", "string", data=data)
    assert told.exit_code == 2
    assert "custom_country" in told.stderr


def test_deleting_must_be_meant(data: Path) -> None:
    told = enduser("attributes", "delete", "plan", data=data)
    assert (told.exit_code, "--yes" in told.stderr) == (2, True)
    assert enduser("attributes", "delete", "plan", "--yes", data=data).exit_code == 0
    assert listed(data) == []


@pytest.mark.parametrize("command", [("change", "nothing", "--pii"), ("delete", "nothing", "--yes")])
def test_what_is_not_there_is_told(data: Path, command: tuple[str, ...]) -> None:
    told = enduser("attributes", *command, data=data)
    assert (told.exit_code, "'nothing'" in told.stderr) == (2, True)


def test_another_type_says_first_what_is_lost(data: Path) -> None:
    enduser("users", "set", "u", "plan=vip", data=data)
    told = enduser("attributes", "retype", "plan", "number", data=data)
    assert (
        told.exit_code,
        "0 values of plan can be read as number; 1 cannot, such as 'vip'" in told.stdout,
    ) == (2, True)
    assert enduser("attributes", "retype", "plan", "list", "--yes", data=data).exit_code == 0
    assert listed(data)[0]["type"] == "list"


def test_another_type_that_would_break_a_rule_is_refused_before_anybody_is_asked(data: Path) -> None:
    segment = Segment(id="vips", name="VIPs", rule={"field": "plan", "operator": "is", "value": "vip"})
    with EmbeddedStore(data, now_us=0, memory_limit_mb=512) as store:
        store.save_segment("default/production", segment, Saving(1, "", is_new=True))
    told = enduser("attributes", "retype", "plan", "number", data=data)
    assert told.exit_code == 2
    assert (
        "'plan' cannot be a number: rules would not be right any more, of the segment 'vips' (VIPs)"
        in told.stderr
    )
    assert listed(data)[0]["type"] == "string"
