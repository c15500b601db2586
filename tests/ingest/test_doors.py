"""Collectors know the owner's last word about write keys and settings."""

from __future__ import annotations

from pathlib import Path

from enduser.core.settings import SpaceSettings
from enduser.ingest.doors import FILE, Doors, write_doors
from enduser.stores.answers import Door, WriteKey

SETTINGS = SpaceSettings(hash_ids=True, hash_salt="salt", exclude=("crawlers", "ip:10.0.0.0/8"))


def door(number: int, *keys: tuple[str, int | None]) -> Door:
    found = [WriteKey(f"acme/e{number}", key, 0, ends_at) for key, ends_at in keys]
    return Door(number, f"acme/e{number}", SETTINGS, found)


def test_a_key_leads_to_its_space_with_the_settings(tmp_path: Path) -> None:
    write_doors(tmp_path, [door(1, ("one", None)), door(2, ("two", None), ("zwei", None))])
    doors = Doors(tmp_path)
    assert doors.find("zwei", 0) == door(2, ("two", None), ("zwei", None))
    assert doors.find("one", 0).settings == SETTINGS
    assert doors.find("three", 0) is None


def test_a_key_that_ends_leads_nowhere_from_then_on(tmp_path: Path) -> None:
    write_doors(tmp_path, [door(1, ("one", 1_000))])
    doors = Doors(tmp_path)
    assert doors.find("one", 999) is not None
    assert doors.find("one", 1_000) is None


def test_an_unknown_key_is_looked_for_in_the_owners_last_word(tmp_path: Path) -> None:
    doors = Doors(tmp_path)
    assert doors.find("one", 0) is None
    write_doors(tmp_path, [door(1, ("one", None))])
    assert doors.find("one", 0) is not None


def test_a_change_takes_effect_with_the_next_look(tmp_path: Path) -> None:
    write_doors(tmp_path, [door(1, ("one", None))])
    doors = Doors(tmp_path)
    write_doors(tmp_path, [door(1)])
    doors.refresh()
    assert doors.find("one", 0) is None


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_doors(tmp_path, [door(1)])
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
