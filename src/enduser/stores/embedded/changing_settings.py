"""Changing settings of a space, and what must be worked out anew for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from enduser.core.feed import TELLABLE
from enduser.core.settings import SETTING_RULES, SpaceSettings, parse_setting, setting_text
from enduser.errors import InvalidSetting
from enduser.stores.embedded import hashing, rebuild, suppressing
from enduser.stores.embedded.reading import Look


def change(look: Look, texts: Mapping[str, str], forget_copy: Callable[[], None]) -> None:
    """Give settings other values. The caller owns the transaction.

    `forget_copy` is called before ids are hashed: the serving copy has plain ones.

    Raises:
        InvalidSetting: a setting or its value is none, or cannot change any more.
    """
    settings = look.settings()
    values = {name: parse_setting(name, text) for name, text in texts.items()}
    _require_attributes(look, values.get("feed_attributes", ()))
    changed = {name: value for name, value in values.items() if value != getattr(settings, name)}
    ((has_users,),) = look.run("spaces.has_users")
    for name, value in changed.items():
        _require_changeable(look, settings, name, has_users=has_users)
        look.run("spaces.store_setting", space=look.space, name=name, value=setting_text(value))
    if "hash_ids" in changed and has_users:
        forget_copy()
        hashing.hash_stored_ids(look.naming())
    if any(SETTING_RULES[name].recomputes for name in changed):
        rebuild.recompute(look.naming())


def _require_changeable(look: Look, settings: SpaceSettings, name: str, *, has_users: bool) -> None:
    """Check that a setting may change still.

    Raises:
        InvalidSetting: ids are hashed by it.
    """
    if not (SETTING_RULES[name].is_for_good and settings.hash_ids):
        return
    if has_users or suppressing.is_any(look.connection):
        who = "users" if has_users else "people who are to stay out"
        raise InvalidSetting(
            f"{name} cannot change any more: the space {look.space} has {who}, whose ids are hashed",
            hint="a hash cannot be turned back into its id; for another choice, use another space",
            field=name,
        )


def _require_attributes(look: Look, names: object) -> None:
    """Check that the feed can tell of attributes.

    Raises:
        InvalidSetting: one is none, or is the id, which is told anyway.
    """
    assert isinstance(names, tuple)
    known = TELLABLE.union(column.attribute.name for column in look.columns())
    for name in names:
        if name not in known:
            raise InvalidSetting(
                f"feed_attributes cannot have {name!r}: there is no such attribute",
                hint="names are case-sensitive; custom attributes are listed by: enduser attributes list",
                field="feed_attributes",
            )
