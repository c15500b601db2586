"""The settings of a space that decide what its events mean."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from enduser import limits
from enduser.errors import InvalidSetting


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """The settings of one space. Durations are in the unit that their name ends with."""

    unique_user: str = "generated"
    inactivity_window_s: int = 1_800
    session_cap_s: int = 43_200
    retention_months: int = 6
    event_retention_months: int = 0
    time_zone: str = "UTC"
    server_events: str = "visit"
    exclude: tuple[str, ...] = ("crawlers",)
    hash_ids: bool = False
    hash_salt: str = ""
    link_on_identify: bool = False
    store_ip: bool = False
    feed_attributes: tuple[str, ...] = ()
    identity: str = "open"

    @property
    def counts_only(self) -> bool:
        """Whether users are not tracked: events are counted and not kept."""
        return self.unique_user == "none"

    @property
    def window_us(self) -> int:
        """The inactivity window in microseconds."""
        return self.inactivity_window_s * 1_000_000

    @property
    def cap_us(self) -> int:
        """The session cap in microseconds; 0 means none."""
        return self.session_cap_s * 1_000_000


@dataclass(frozen=True, slots=True)
class SettingRule:
    """How one setting is read from text, what it is for, and when it may change."""

    parse: Callable[[str], object]
    bounds: str
    meaning: str
    recomputes: bool = False
    """Whether a change recomputes every session and End User Object of the space."""
    is_for_good: bool = False
    """Whether a change is refused once the space has users whose ids are hashed."""


SECRET_SETTINGS = frozenset(("hash_salt",))
"""Settings that are not shown but where one asks for them: lists end up in tickets and histories."""

_SHOWN_CHARACTERS = 80
"""How much of a wrong value an error repeats."""


def _shown(wrong: str) -> str:
    return wrong if len(wrong) <= _SHOWN_CHARACTERS else f"{wrong[:_SHOWN_CHARACTERS]}…"


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError(text)
        return value

    return parse


def _switch(text: str) -> bool:
    return {"on": True, "true": True, "off": False, "false": False}[text.strip().lower()]


def _time_zone(text: str) -> str:
    zoneinfo.ZoneInfo(text)
    return text


def _salt(text: str) -> str:
    if len(text) > limits.SALT_CHARACTERS_MAX:
        raise InvalidSetting(  # without the text: it is a secret
            f"hash_salt cannot have {len(text):,} characters",
            hint=f"the limit is {limits.SALT_CHARACTERS_MAX}",
            limit=limits.SALT_CHARACTERS_MAX,
        )
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda text: words[words.index(text.strip().lower())]


_METHODS = ("generated", "salesforce", "idp", "none")
_METHODS_WITH_SOURCE = ("cookie", "selector", "variable")
_VARIABLE = re.compile(r"[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*", re.ASCII)
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SOURCES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "cookie": (
        _COOKIE,
        "the NAME of a cookie is letters, digits and - _ . without blanks, such as cookie:uid",
    ),
    "variable": (
        _VARIABLE,
        "a PATH is names (A-Z, a-z, 0-9, _ and $, no digit first) with dots between, without brackets, "
        "such as variable:app.user.id",
    ),
}
"""Sources whose form is known, and what it is."""


def _unique_user(text: str) -> str:
    """Return the method, with the source of the id behind a colon where it needs one."""
    method, _, source = (part.strip() for part in text.partition(":"))
    if method in _METHODS and not source:
        return method
    if method not in _METHODS_WITH_SOURCE or not 0 < len(source) <= limits.UNIQUE_USER_CHARACTERS_MAX:
        raise ValueError(text)
    if method in _SOURCES:
        form, meaning = _SOURCES[method]
        if not form.fullmatch(source):
            raise InvalidSetting(f"unique_user cannot be {_shown(text)!r}", hint=meaning)
    return f"{method}:{source}"


def _exclude(text: str) -> tuple[str, ...]:
    entries = tuple(dict.fromkeys(e for e in (part.strip() for part in text.split(",")) if e))
    if entries == ("none",):
        return ()
    if len(entries) > limits.EXCLUDE_ENTRIES_MAX:
        raise InvalidSetting(
            f"exclude cannot have {len(entries):,} entries",
            hint=f"the limit is {limits.EXCLUDE_ENTRIES_MAX:,}; whole networks and hosts need one entry each",
            limit=limits.EXCLUDE_ENTRIES_MAX,
        )
    return tuple(_exclude_entry(entry) for entry in entries)


def _exclude_entry(entry: str) -> str:
    try:
        return _read_exclude_entry(entry)
    except ValueError:
        raise InvalidSetting(
            f"exclude cannot have the entry {_shown(entry)!r}",
            hint="an entry is crawlers, ip:NETWORK, host:NAME or user:ID; none stands alone",
        ) from None


def _read_exclude_entry(entry: str) -> str:
    kind, _, value = entry.partition(":")
    if entry == "crawlers":
        return entry
    if kind == "ip":
        return f"ip:{ipaddress.ip_network(value.strip(), strict=False)}"
    if kind in ("host", "user") and value.strip():
        return f"{kind}:{value.strip().lower() if kind == 'host' else value.strip()}"
    raise ValueError(entry)


def _feed_attributes(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for name in (part.strip() for part in text.split(",")) if name))
    if names == ("none",):
        return ()
    if len(names) > limits.FEED_ATTRIBUTES_MAX:
        raise InvalidSetting(
            f"feed_attributes cannot have {len(names):,} names",
            hint=f"the limit is {limits.FEED_ATTRIBUTES_MAX} (FEED_ATTRIBUTES_MAX)",
            limit=limits.FEED_ATTRIBUTES_MAX,
        )
    return names


SETTING_RULES: Mapping[str, SettingRule] = {
    "unique_user": SettingRule(
        _unique_user,
        "generated, cookie:NAME, selector:CSS, variable:PATH, salesforce, idp or none; "
        f"NAME, CSS and PATH of at most {limits.UNIQUE_USER_CHARACTERS_MAX} characters",
        "where the browser SDK finds the user's id; none: events are only counted",
    ),
    "inactivity_window_s": SettingRule(
        _whole(limits.INACTIVITY_WINDOW_S_MIN, limits.INACTIVITY_WINDOW_S_MAX),
        f"whole seconds, {limits.INACTIVITY_WINDOW_S_MIN} to {limits.INACTIVITY_WINDOW_S_MAX}",
        "a session ends after this long without a visit event",
        recomputes=True,
    ),
    "session_cap_s": SettingRule(
        _whole(0, limits.SESSION_CAP_S_MAX),
        f"whole seconds, 0 (no cap) to {limits.SESSION_CAP_S_MAX}",
        "a session longer than this is cut, which bounds robots and forgotten tabs",
        recomputes=True,
    ),
    "retention_months": SettingRule(
        _whole(0, limits.RETENTION_MONTHS_MAX),
        f"calendar months, 0 (never) to {limits.RETENTION_MONTHS_MAX}",
        "a life ends when the next visit comes later than this after the last one; "
        "who is idle for longer is deleted",
        recomputes=True,
    ),
    "event_retention_months": SettingRule(
        _whole(0, limits.RETENTION_MONTHS_MAX),
        f"calendar months, 0 (as long as the user) to {limits.RETENTION_MONTHS_MAX}",
        "events that are older lose their content: name, page, properties, traits and address",
    ),
    "time_zone": SettingRule(
        _time_zone, "an IANA name such as Europe/Oslo", "the zone of whole days in rules"
    ),
    "server_events": SettingRule(
        _one_of("visit", "no_visit"),
        "visit or no_visit",
        "whether new events of libraries that run on servers count as visits",
    ),
    "exclude": SettingRule(
        _exclude,
        "comma-separated: crawlers, ip:NETWORK, host:NAME, user:ID; or none; "
        f"at most {limits.EXCLUDE_ENTRIES_MAX}",
        "new events that are left out, and counted as excluded",
    ),
    "hash_ids": SettingRule(
        _switch,
        "on or off; off only while the space has no users",
        "store base64(SHA-256(salt + id)) instead of user ids",
        is_for_good=True,
    ),
    "hash_salt": SettingRule(
        _salt,
        f"text of at most {limits.SALT_CHARACTERS_MAX} characters; "
        "while hash_ids is on, only while the space has no users",
        "what is put before an id when hash_ids is on",
        is_for_good=True,
    ),
    "link_on_identify": SettingRule(
        _switch,
        "on or off",
        "an event with a user id and an anonymous id joins the two into one person",
        recomputes=True,
    ),
    "store_ip": SettingRule(_switch, "on or off", "keep the IP address with new events"),
    "feed_attributes": SettingRule(
        _feed_attributes,
        f"comma-separated names of attributes, at most {limits.FEED_ATTRIBUTES_MAX}; or none",
        "attributes whose changes the feed tells",
    ),
    "identity": SettingRule(
        _one_of("open", "report", "enforce"),
        "open, report or enforce",
        "whether decisions of user ids need a token that the site has signed; "
        "report: without one they are counted",
    ),
}


def setting_rule(name: str) -> SettingRule:
    """Return how the setting `name` is read.

    Raises:
        InvalidSetting: there is no such setting.
    """
    rule = SETTING_RULES.get(name)
    if rule is None:
        known = ", ".join(SETTING_RULES)
        raise InvalidSetting(f"there is no setting {name!r}", hint=f"the settings are: {known}", field=name)
    return rule


def parse_setting(name: str, text: str) -> object:
    """Return the typed value of the setting `name` written as `text`.

    Raises:
        InvalidSetting: the name is unknown or the value lies outside its bounds; it names the setting.
    """
    rule = setting_rule(name)
    try:
        return rule.parse(text)
    except InvalidSetting as error:
        error.field = name
        raise
    except (ValueError, KeyError, zoneinfo.ZoneInfoNotFoundError, OSError):
        raise InvalidSetting(
            f"{name} cannot be {_shown(text)!r}", hint=f"{name} is {rule.bounds}", field=name
        ) from None


def setting_text(value: object) -> str:
    """Return a setting's value as the text that `parse_setting` reads."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value)


def settings_from_text(texts: Mapping[str, str]) -> SpaceSettings:
    """Return the settings with the stored `texts` over the defaults."""
    return SpaceSettings(**{name: parse_setting(name, text) for name, text in texts.items()})  # type: ignore[arg-type]


assert set(SETTING_RULES) == {field.name for field in fields(SpaceSettings)}
