"""`enduser config`: the settings of a space."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from enduser.cli.common import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    MEMORY_LIMIT_MB,
    Data,
    Memory,
    Space,
    Yes,
    confirm,
    opened,
    out,
)
from enduser.core.settings import SETTING_RULES, parse_setting, setting_text
from enduser.stores.contract import ChangeSetting

app = typer.Typer(help="Read and change the settings of a space.", no_args_is_help=True)


@app.command("list")
def list_settings(
    data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, memory_limit: Memory = MEMORY_LIMIT_MB
) -> None:
    """List all settings with their values and bounds."""
    with opened(data, space, memory_limit) as store:
        settings = store.settings(space)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("setting", "value", "meaning", "bounds"):
        table.add_column(heading)
    for name, rule in SETTING_RULES.items():
        table.add_row(name, setting_text(getattr(settings, name)), rule.meaning, rule.bounds)
    out.print(table)


@app.command("get")
def get_setting(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The setting's name.")],
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
) -> None:
    """Print the value of one setting."""
    with opened(data, space, memory_limit) as store:
        if key not in SETTING_RULES:
            parse_setting(key, "")
        out.print(setting_text(getattr(store.settings(space), key)), markup=False)


@app.command("set")
def set_setting(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The setting's name.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")],
    yes: Yes = False,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
) -> None:
    """Change one setting. Window, cap and retention recompute all sessions and End User Objects."""
    with opened(data, space, memory_limit) as store:
        parsed = parse_setting(key, value)
        events = store.status(space).events
        if SETTING_RULES[key].recomputes and events and parsed != getattr(store.settings(space), key):
            confirm(f"This recomputes all sessions of {space} from {events:,} events. Go on?", yes=yes)
        store.apply(space, ChangeSetting(key, value))
        out.print(f"{key} = {setting_text(parsed)}", markup=False)
