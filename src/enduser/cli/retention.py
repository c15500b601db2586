"""`enduser retention`: who goes by age, and who went."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from enduser import limits
from enduser.cli.forgetting import in_use, let_bytes_go, require_all_applied
from enduser.cli.given import instant
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, control_of, folded, is_remote, owned
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Form, ListFormat, Memory, Space, Yes
from enduser.cli.output import confirm, count_of, err, out, print_json, print_table, printable, short_time
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.service.retention import begin_retention, require_past, run_retention
from enduser.service.retention_json import run_json
from enduser.stores.answers import RetentionAmount, RetentionPreview, RetentionRun
from enduser.stores.contract import OwnedStore, Store

app = Group("Delete users by age, and see who went.")

_LOOK_S = 0.5
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="Judge by this time in ISO 8601, not by where the space's clock stands.",
    ),
]


@app.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say who and what would go.")] = False,
    as_of: AsOf = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Delete who was not seen for too long, with earlier lives of others and the content of old events."""
    at = None if as_of is None else instant(as_of)
    with folded(data, space, memory_limit) as store:
        previewed = store.preview_retention(space, at)
        if dry_run:
            _print_preview(space, previewed)
            return
        require_all_applied(store, "of somebody who seems to be idle", "delete while it runs")
        require_past(store.status(space), at, now_us())
        if not yes and previewed.amount.is_any:
            _print_preview(space, previewed)
            confirm("Delete all that, for good?", yes=yes, undone="nothing was deleted")
        done = _done(store, space, at)
        out.print(f"{space}: {_line(done)}")
        if (own := owned(store)) and done.amount.is_any:
            _let_bytes_go(own, data)


def _done(store: Store, space: str, as_of: int | None) -> RetentionRun:
    """Do a run, or let the server do it; return its receipt."""
    if not is_remote(store):
        return run_retention(store, space, as_of, now_us)
    begun = begin_retention(store, space, as_of, now_us())
    while True:
        for known in store.retention_runs(space, before=begun.number + 1, limit=1):
            if known.ended_at is not None:
                return known
        time.sleep(_LOOK_S)


def _let_bytes_go(store: OwnedStore, data: Path) -> None:
    """Let the bytes go of what went, as a server does by itself within the hour.

    Raises:
        StoreError: some cannot go now.
    """
    with control_of(data) as control:
        are_gone = let_bytes_go(store, control)
    if not are_gone:
        raise in_use("that is deleted, but a file that is in use has bytes of it still")
    out.print("no file of the data folder has a byte of that any more")


def _print_preview(space: str, previewed: RetentionPreview) -> None:
    out.print(f"{space}, as of {short_time(previewed.as_of)} UTC: {_amounts(previewed.amount)}")
    for one in previewed.examples:
        mark = " (anonymous)" if one.is_anonymous else ""
        out.print(f"  {printable(one.user_id)}{mark}, last sign {short_time(one.last_at)}")
    if len(previewed.examples) < previewed.amount.users:
        out.print(f"  and {previewed.amount.users - len(previewed.examples):,} more")
    if previewed.deletes_from is None:
        err.print("note: the clock is a history clock, so users are deleted by age on demand only")
    else:
        begins = short_time(previewed.deletes_from)
        err.print(f"note: a server deletes users by age once a day, from {begins} UTC on")


def _amounts(amount: RetentionAmount) -> str:
    """Return how much goes, or went, in words."""
    persons = f"{count_of(amount.users, 'user')} with {count_of(amount.ids, 'id')}"
    much = f"{count_of(amount.events, 'event')}, {count_of(amount.sessions, 'session')}"
    rest = f"{count_of(amount.values, 'value')}, earlier lives of {count_of(amount.lives, 'user')}"
    return f"{persons}, {much}, {rest}, content of {count_of(amount.contents, 'event')}"


def _line(done: RetentionRun) -> str:
    return f"run {done.number} deleted {_amounts(done.amount)}"


@app.command("list")
def list_runs(
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=limits.PAGE_ROWS_MAX, help="How many runs to list."),
    ] = 20,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the receipts of the last runs, the newest first."""
    with folded(data, space, memory_limit) as store:
        found = store.retention_runs(space, limit=limit)
    if form is ListFormat.JSON:
        print_json([run_json(one) for one in found])
    elif found:
        print_table([_HEADINGS, *_rows(found)], right=range(3, 10))
    else:
        out.print(f"No run of the retention yet in {space}: {in_space('enduser retention run', space)}")


_HEADINGS = (
    *("run", "began (UTC)", "as of (UTC)", "users", "ids", "lives", "events", "sessions", "values"),
    *("contents", "ended (UTC)", "bytes gone (UTC)"),
)


def _rows(found: Sequence[RetentionRun]) -> Iterator[list[str]]:
    for one in found:
        yield [
            *(str(one.number), short_time(one.began_at), short_time(one.as_of)),
            *(f"{count:,}" for count in asdict(one.amount).values()),
            *(short_time(one.ended_at), short_time(one.gone_at)),
        ]
