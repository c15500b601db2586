"""`enduser tail`: what comes in, as it is applied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, Space, Yes
from enduser.cli.output import out, printable, short_time
from enduser.cli.proposing import in_space
from enduser.errors import UsageError
from enduser.stores.answers import Sample

if TYPE_CHECKING:
    from enduser.stores.remote import RemoteStore

_PACE_S = 0.5

Count = Annotated[
    int | None,
    typer.Option("--count", metavar="N", min=1, help="End after this many events; else at Ctrl-C."),
]


def tail(
    count: Count = None, data: Data = DEFAULT_DATA, space: Space = DEFAULT_SPACE, _yes: Yes = False
) -> None:
    """Show events and what became of them, as the running server applies them; of many at once the last."""
    from enduser.stores.owner_socket import is_served
    from enduser.stores.remote import RemoteStore  # late: few commands meet a server

    if not is_served(data):
        stored = in_space("enduser status", space)
        raise UsageError(
            f"no server runs on {data}", hint=f"start one: enduser serve; what is stored: {stored}"
        )
    with RemoteStore.reach(data) as store, suppress(KeyboardInterrupt):
        for sample in islice(_watched(store, space), count):
            out.print(line_of(sample))


def _watched(store: RemoteStore, space: str) -> Iterator[Sample]:
    """Yield what the server applies from now on, without end."""
    last, _ = store.watch(space, 0)
    while True:
        last, samples = store.watch(space, last)
        yield from samples
        time.sleep(_PACE_S)


def line_of(sample: Sample) -> str:
    """Return an event as a line: receipt, what became of it, who, and what."""
    outcome = f"{sample.outcome} ({sample.reason})" if sample.reason else sample.outcome
    who = (sample.user_id or "-") + (" (anonymous)" if sample.user_id and sample.is_anonymous else "")
    what = " ".join(part for part in (sample.type, sample.name, sample.page_url) if part)
    return printable(f"{short_time(sample.received_at)}  {outcome:<24} {who:<40} {what}".rstrip())
