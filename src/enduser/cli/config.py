"""`enduser config`: the settings of a space."""

from __future__ import annotations

from typing import Annotated

import typer

from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, opened
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, Space, Yes
from enduser.cli.output import confirm, count_of, err, out
from enduser.cli.proposing import in_space
from enduser.core.settings import SECRET_SETTINGS, SETTING_RULES, parse_setting, setting_rule, setting_text
from enduser.service.changing_settings import recomputed_events, what_is_for_good
from enduser.stores.contract import Store
from enduser.stores.records import ChangeSettings

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
        parsed, texts = parse_setting(key, value), {key: value}
        if events := recomputed_events(store, space, texts):
            from_events = count_of(events, "event")
            confirm(
                f"This recomputes all sessions of {space} from {from_events}. Go on?",
                yes=yes,
                undone="nothing was changed",
            )
        if sentences := what_is_for_good(store, space, texts):
            for sentence in sentences:  # also to who said yes already
                err.print(sentence)
            confirm("This cannot be undone. Go on?", yes=yes, undone="nothing was changed")
        store.apply(space, ChangeSettings(texts))
        out.print(f"{key} = {_shown(key, parsed)}")
        if key in ("retention_months", "event_retention_months"):
            _note_who_goes(store, space)


def _note_who_goes(store: Store, space: str) -> None:
    """Say how much the next run of the retention takes away by what the settings are now."""
    amount = store.preview_retention(space).amount
    goes = [count_of(amount.users, "user")] if amount.users else []
    goes += [f"the content of {count_of(amount.contents, 'event')}"] if amount.contents else []
    if goes:
        err.print(f"note: the next run of the retention deletes {' and '.join(goes)}")
        command = in_space("enduser retention run --dry-run", space)
        err.print(f"  see whom: {command}; a server does it once a day in a live space")


def _shown(name: str, value: object) -> str:
    if name in SECRET_SETTINGS:
        return "(set)" if value else "(none)"
    return setting_text(value)
