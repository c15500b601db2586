"""`enduser config`: the settings of a space."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser.cli.common import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    MEMORY_LIMIT_MB,
    Data,
    Memory,
    Space,
    Yes,
    confirm,
    count_of,
    err,
    opened,
    out,
)
from enduser.cli.helping import Group
from enduser.core.settings import SECRET_SETTINGS, SETTING_RULES, parse_setting, setting_rule, setting_text
from enduser.service.hashing import what_hashing_does
from enduser.stores.contract import ChangeSetting, Store

app = Group("Read and change the settings of a space.")


@app.command("list")
def list_settings(
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List all settings with their values, meanings and bounds; of a secret only whether it is set."""
    with opened(data, space, memory_limit) as store:
        settings = store.settings(space)
    for name, rule in SETTING_RULES.items():
        out.print(f"{name} = {_shown(name, getattr(settings, name))}", style="bold")
        out.print(f"    {rule.meaning}")
        out.print(f"    {rule.bounds}")


@app.command("get")
def get_setting(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The setting's name.")],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Print the value of one setting."""
    with opened(data, space, memory_limit) as store:
        setting_rule(key)
        out.print(setting_text(getattr(store.settings(space), key)))


@app.command("set", context_settings={"ignore_unknown_options": True})  # a value may begin with -
def set_setting(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The setting's name.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")],
    yes: Yes = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
) -> None:
    """Change one setting. Window, cap and retention recompute all sessions; hash_ids is for good."""
    with opened(data, space, memory_limit) as store:
        parsed = parse_setting(key, value)
        settings = store.settings(space)
        if parsed != getattr(settings, key):
            if SETTING_RULES[key].recomputes:
                _confirm_recomputing(store, space, yes=yes)
            if key == "hash_ids" and not settings.hash_ids:
                _confirm_hashing(store, space, settings.hash_salt, yes=yes)
        store.apply(space, ChangeSetting(key, value))
        out.print(f"{key} = {setting_text(parsed)}")


def _confirm_recomputing(store: Store, space: str, *, yes: bool) -> None:
    if events := store.status(space).events:
        from_events = count_of(events, "event")
        confirm(f"This recomputes all sessions of {space} from {from_events}. Go on?", yes=yes)


def _confirm_hashing(store: Store, space: str, salt: str, *, yes: bool) -> None:
    """Say what hashing the ids of a space does, also to who said yes already, and ask."""
    preview = store.hashing_preview(space)
    if preview.user_ids:
        for sentence in what_hashing_does(preview, space, salt):
            err.print(sentence)
        confirm("This cannot be undone. Go on?", yes=yes)


def _shown(name: str, value: object) -> str:
    if name in SECRET_SETTINGS:
        return "(set)" if value else "(none)"
    return setting_text(value)
