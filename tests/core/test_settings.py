"""Settings at, below and above each bound."""

from __future__ import annotations

import pytest

from enduser import limits
from enduser.core.settings import SETTING_RULES, SpaceSettings, parse_setting, setting_text
from enduser.errors import InvalidSetting

BOUNDS = [
    ("inactivity_window_s", limits.INACTIVITY_WINDOW_S_MIN, limits.INACTIVITY_WINDOW_S_MAX),
    ("session_cap_s", 0, limits.SESSION_CAP_S_MAX),
    ("retention_months", 0, limits.RETENTION_MONTHS_MAX),
]


@pytest.mark.parametrize(("name", "least", "most"), BOUNDS)
def test_a_number_is_taken_at_its_bounds_and_refused_beyond(name: str, least: int, most: int) -> None:
    assert parse_setting(name, str(least)) == least
    assert parse_setting(name, str(most)) == most
    for wrong in (least - 1, most + 1, "x", "1.5", ""):
        with pytest.raises(InvalidSetting, match=name):
            parse_setting(name, str(wrong))


def test_an_unknown_setting_is_named_and_the_known_ones_listed() -> None:
    with pytest.raises(InvalidSetting, match="windw") as caught:
        parse_setting("windw", "1")
    assert "inactivity_window_s" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none", ()),
        ("crawlers", ("crawlers",)),
        (
            "crawlers, ip:10.1.2.3/8, host:Staging.Example, user: bot-1",
            ("crawlers", "ip:10.0.0.0/8", "host:staging.example", "user:bot-1"),
        ),
    ],
)
def test_exclude_is_read_and_written_back(text: str, value: tuple[str, ...]) -> None:
    assert parse_setting("exclude", text) == value
    assert parse_setting("exclude", setting_text(value)) == value


@pytest.mark.parametrize("wrong", ["robots", "ip:abc", "host:", "ip:"])
def test_a_wrong_exclude_entry_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_setting("exclude", wrong)


def test_exclude_has_as_many_entries_as_the_limit_and_no_more() -> None:
    entries = [f"user:u{i}" for i in range(limits.EXCLUDE_ENTRIES_MAX + 1)]
    assert len(parse_setting("exclude", ",".join(entries[:-1]))) == limits.EXCLUDE_ENTRIES_MAX  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting):
        parse_setting("exclude", ",".join(entries))


def test_a_salt_is_as_long_as_the_limit_and_no_longer() -> None:
    assert parse_setting("hash_salt", "x" * limits.SALT_CHARACTERS_MAX)
    with pytest.raises(InvalidSetting):
        parse_setting("hash_salt", "x" * (limits.SALT_CHARACTERS_MAX + 1))


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_setting("time_zone", zone)


def test_every_default_survives_being_written_and_read() -> None:
    for name in SETTING_RULES:
        default = getattr(SpaceSettings(), name)
        assert parse_setting(name, setting_text(default)) == default
