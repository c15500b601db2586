"""Settings at, below and above each bound."""

from __future__ import annotations

import pytest

from enduser import limits
from enduser.core import settings
from enduser.core.settings import (
    SETTING_RULES,
    SpaceSettings,
    parse_setting,
    setting_text,
    settings_from_text,
)
from enduser.errors import InvalidSetting

BOUNDS = [
    ("inactivity_window_s", limits.INACTIVITY_WINDOW_S_MIN, limits.INACTIVITY_WINDOW_S_MAX),
    ("session_cap_s", 0, limits.SESSION_CAP_S_MAX),
    ("retention_months", 0, limits.RETENTION_MONTHS_MAX),
    ("event_retention_months", 0, limits.RETENTION_MONTHS_MAX),
]


@pytest.mark.parametrize(("name", "least", "most"), BOUNDS)
def test_a_number_is_taken_at_its_bounds_and_refused_beyond(name: str, least: int, most: int) -> None:
    assert parse_setting(name, str(least)) == least
    assert parse_setting(name, str(most)) == most
    for wrong in (least - 1, most + 1, "x", "1.5", ""):
        with pytest.raises(InvalidSetting, match=name):
            parse_setting(name, str(wrong))


def test_a_whole_number_lies_between_its_bounds_both_included() -> None:
    parse = settings._whole(3, 5)
    assert [parse(text) for text in ("3", " 4 ", "5")] == [3, 4, 5]
    for wrong in ("2", "6"):
        with pytest.raises(ValueError, match=wrong):
            parse(wrong)


def test_a_new_space_has_the_documented_defaults() -> None:
    assert SpaceSettings() == SpaceSettings(
        unique_user="generated",
        server_events="visit",
        inactivity_window_s=1_800,
        session_cap_s=43_200,
        retention_months=6,
        event_retention_months=0,
        time_zone="UTC",
        exclude=("crawlers",),
        hash_ids=False,
        hash_salt="",
        link_on_identify=False,
        store_ip=False,
    )
    assert (SpaceSettings().window_us, SpaceSettings().cap_us) == (1_800_000_000, 43_200_000_000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("generated", "generated"),
        (" idp ", "idp"),
        ("cookie:uid", "cookie:uid"),
        ("cookie: uid ", "cookie:uid"),
        ("selector:#user > span[data-id]", "selector:#user > span[data-id]"),
        ("variable:app.user.$id", "variable:app.user.$id"),
        ("variable:" + "x" * limits.UNIQUE_USER_CHARACTERS_MAX, "variable:" + "x" * 256),
    ],
)
def test_a_unique_user_method_comes_with_its_source(text: str, value: str) -> None:
    assert parse_setting("unique_user", text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "Generated",
            "generated:x",
            "cookie",
            "cookie:",
            "cookie:a b",
            "cookie:a;b",
            "variable:app.",
            "js:x",
        ),
        *("variable:alert(1)", "variable:größe", "selector: ", "selector:" + "x" * 257),
    ],
)
def test_another_unique_user_method_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match="unique_user"):
        parse_setting("unique_user", text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "variable:app[0].id",
            "names (A-Z, a-z, 0-9, _ and $, no digit first) with dots between, without brackets",
        ),
        ("variable:app.0.id", "such as variable:app.user.id"),
        ("cookie:a b", "without blanks, such as cookie:uid"),
        ("variable:", "unique_user is generated, cookie:NAME"),
    ],
)
def test_of_a_source_that_cannot_be_it_is_told_what_can(text: str, told: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("unique_user", text)
    assert caught.value.message == f"unique_user cannot be {text!r}"
    assert told in str(caught.value.hint)
    assert caught.value.field == "unique_user"


@pytest.mark.parametrize(("text", "value"), [("visit", "visit"), (" No_Visit", "no_visit")])
def test_server_events_are_visits_or_not(text: str, value: str) -> None:
    assert parse_setting("server_events", text) == value
    with pytest.raises(InvalidSetting, match="server_events"):
        parse_setting("server_events", f"{text}s")


def test_only_a_space_without_users_counts_alone() -> None:
    assert SpaceSettings(unique_user="none").counts_only
    assert not SpaceSettings().counts_only


def test_which_settings_recompute_and_which_are_for_good_once_ids_are_hashed() -> None:
    recompute = [name for name, rule in SETTING_RULES.items() if rule.recomputes]
    for_good = [name for name, rule in SETTING_RULES.items() if rule.is_for_good]
    assert recompute == ["inactivity_window_s", "session_cap_s", "retention_months", "link_on_identify"]
    assert for_good == ["hash_ids", "hash_salt"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", True), ("true", True), ("off", False), ("false", False), (" ON ", True), ("False", False)],
)
def test_a_switch_is_on_or_off_in_any_case(text: str, value: bool) -> None:
    for name in ("hash_ids", "store_ip"):
        assert parse_setting(name, text) is value


@pytest.mark.parametrize("wrong", ["yes", "1", "", "onn"])
def test_another_word_is_no_switch(wrong: str) -> None:
    with pytest.raises(InvalidSetting, match="store_ip"):
        parse_setting("store_ip", wrong)


def test_an_unknown_setting_is_named_and_the_known_ones_listed() -> None:
    with pytest.raises(InvalidSetting, match="windw") as caught:
        parse_setting("windw", "1")
    assert str(caught.value.hint).startswith(
        "the settings are: unique_user, inactivity_window_s, session_cap_s, "
    )
    assert caught.value.field == "windw"


@pytest.mark.parametrize(("size", "shown"), [(80, "x" * 80), (81, "x" * 80 + "…")])
def test_a_wrong_value_is_shown_up_to_eighty_characters_with_what_is_right(size: int, shown: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("store_ip", "x" * size)
    assert caught.value.message == f"store_ip cannot be '{shown}'"
    assert caught.value.hint == "store_ip is on or off"
    assert caught.value.field == "store_ip"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none", ()),
        ("crawlers", ("crawlers",)),
        (
            "crawlers, ip:10.1.2.3/8, host:Staging.Example, user: bot-1",
            ("crawlers", "ip:10.0.0.0/8", "host:staging.example", "user:bot-1"),
        ),
        ("user:Bot:1, user:bot:1", ("user:Bot:1", "user:bot:1")),
        ("ip:2001:db8::1/32,ip:192.0.2.7", ("ip:2001:db8::/32", "ip:192.0.2.7/32")),
        ("host:a, crawlers,, host:a,", ("host:a", "crawlers")),
        ("", ()),
    ],
)
def test_exclude_is_read_and_written_back(text: str, value: tuple[str, ...]) -> None:
    assert parse_setting("exclude", text) == value
    assert parse_setting("exclude", setting_text(value)) == value


@pytest.mark.parametrize(
    "wrong", ["robots", "crawler", "ip:abc", "ip:300.1.1.1", "host:", "user: ", "ip:", "none"]
)
def test_a_wrong_exclude_entry_is_told_among_many(wrong: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("exclude", f"crawlers, {wrong}, host:staging.example")
    assert caught.value.message == f"exclude cannot have the entry {wrong.strip()!r}"
    assert caught.value.hint == "an entry is crawlers, ip:NETWORK, host:NAME or user:ID; none stands alone"


def test_a_long_wrong_exclude_entry_is_shown_in_part() -> None:
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("exclude", "x" * 81)
    assert caught.value.message == f"exclude cannot have the entry '{'x' * 80}…'"


def test_exclude_has_as_many_entries_as_the_limit_and_no_more() -> None:
    entries = [f"user:u{i}" for i in range(limits.EXCLUDE_ENTRIES_MAX + 1)]
    assert len(parse_setting("exclude", ",".join(entries[:-1]))) == limits.EXCLUDE_ENTRIES_MAX  # type: ignore[arg-type]
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("exclude", ",".join(entries))
    assert caught.value.message == "exclude cannot have 1,001 entries"
    assert str(caught.value.hint).startswith("the limit is 1,000; ")
    assert (caught.value.field, caught.value.limit) == ("exclude", limits.EXCLUDE_ENTRIES_MAX)


def test_the_feed_tells_of_as_many_attributes_as_the_limit_and_no_more() -> None:
    names = [f"a{number}" for number in range(limits.FEED_ATTRIBUTES_MAX + 1)]
    assert parse_setting("feed_attributes", ", ".join(names[:-1])) == tuple(names[:-1])
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("feed_attributes", ",".join(names))
    assert (caught.value.message, caught.value.hint) == (
        "feed_attributes cannot have 21 names",
        "the limit is 20 (FEED_ATTRIBUTES_MAX)",
    )
    assert (caught.value.field, caught.value.limit) == ("feed_attributes", limits.FEED_ATTRIBUTES_MAX)


def test_attributes_that_the_feed_tells_are_named_once_or_are_none() -> None:
    assert parse_setting("feed_attributes", "plan, seats ,plan,") == ("plan", "seats")
    assert parse_setting("feed_attributes", "none") == ()


def test_a_salt_is_as_long_as_the_limit_and_no_longer() -> None:
    assert parse_setting("hash_salt", "x" * limits.SALT_CHARACTERS_MAX)
    with pytest.raises(InvalidSetting) as caught:
        parse_setting("hash_salt", "x" * (limits.SALT_CHARACTERS_MAX + 1))
    told = caught.value
    assert (told.message, told.hint) == ("hash_salt cannot have 257 characters", "the limit is 256")
    assert (told.field, told.limit) == ("hash_salt", limits.SALT_CHARACTERS_MAX)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_setting("time_zone", zone)


def test_every_default_survives_being_written_and_read() -> None:
    for name in SETTING_RULES:
        default = getattr(SpaceSettings(), name)
        assert parse_setting(name, setting_text(default)) == default


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "on"), (False, "off"), (("a", "b"), "a, b"), ((), "none"), (1_800, "1800"), ("UTC", "UTC")],
)
def test_a_value_is_written_as_a_person_would_write_it(value: object, text: str) -> None:
    assert setting_text(value) == text


def test_stored_texts_stand_over_the_defaults() -> None:
    stored = {"inactivity_window_s": "60", "hash_ids": "on"}
    assert settings_from_text(stored) == SpaceSettings(inactivity_window_s=60, hash_ids=True)
    with pytest.raises(InvalidSetting, match="session_cap_s"):
        settings_from_text({"session_cap_s": "-1"})


def test_one_of_some_words_is_read_in_any_case() -> None:
    parse = settings._one_of("a_b", "c")
    assert [parse(text) for text in ("a_b", " A_B ", "C")] == ["a_b", "a_b", "c"]
    with pytest.raises(ValueError, match="d"):
        parse("d")


@pytest.mark.parametrize("text", ["cookie", "cookie:a b", "variable:1", "other:x", "generated:x"])
def test_what_is_no_method_is_named(text: str) -> None:
    with pytest.raises((ValueError, InvalidSetting), match=text):
        settings._unique_user(text)


def test_a_source_may_be_of_one_character() -> None:
    assert settings._unique_user("cookie:x") == "cookie:x"
