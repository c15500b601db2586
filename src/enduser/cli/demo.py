"""`enduser demo`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from enduser.cli.opening import MEMORY_LIMIT_MB, opened
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Memory, Space, Yes
from enduser.cli.output import confirm, count_of, out
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.service.demo_data import write_demo
from enduser.service.demo_values import write_demo_values
from enduser.service.import_events import find_files, import_files
from enduser.stores.contract import Store
from enduser.stores.records import ImportRules
from enduser.stores.scratch import scratch_folder


def demo(
    users: Annotated[
        int, typer.Option("--users", metavar="N", min=1, help="About how many users to invent.")
    ] = 2_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed gives other people.")] = 1,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Invent a year of history of a web app, import it, close its sessions, and give users attributes."""
    with opened(data, space, memory_limit, fills=True) as store, scratch_folder(store.folder) as folder:
        _refuse_to_mix(store, space, yes=yes)
        now = now_us()
        day_us = 86_400_000_000
        history = folder / "demo.jsonl"
        ends_at = now // day_us * day_us
        write_demo(history, ends_at_us=ends_at, seed=seed, users=users)
        rules = ImportRules(started_at=now)
        files = find_files([str(history)], "auto", folder)
        summary = import_files(store, space, files, rules, close=True)
        write_demo_values(store, space, ends_at_us=ends_at, now_us=now, seed=seed, users=users)
    outcomes, found = summary.outcomes, summary.status
    assert found is not None
    out.print(
        f"{count_of(outcomes.stored, 'event')} stored ({outcomes.duplicate:,} came twice, "
        f"{outcomes.excluded.total():,} of crawlers left out): "
        f"{count_of(found.users, 'user')}, {count_of(found.sessions, 'session')}"
    )
    command = in_space(f"enduser users list --data {shlex.quote(str(data))}", space)
    out.print(f"Look around: {command}")


def _refuse_to_mix(store: Store, space: str, *, yes: bool) -> None:
    if events := store.status(space).events:
        confirm(
            f"{space} has {count_of(events, 'event')} already, and nothing takes invented users out again. "
            "Mix them in?",
            yes=yes,
            undone="nothing was added",
            hint="name a new folder with --data or an empty space with --space; or add --yes",
        )
