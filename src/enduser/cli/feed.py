"""`enduser feed`: who entered and left segments, and what became another of users."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated

import msgspec
import typer

from enduser import limits
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, bring_feed_up, folded
from enduser.cli.options import DEFAULT_DATA, DEFAULT_SPACE, Data, ListFormat, Memory, Space, Yes
from enduser.cli.output import err, out, print_table, printable
from enduser.cli.proposing import in_space
from enduser.core.feed import FEED_KINDS, FeedFilter
from enduser.errors import UsageError
from enduser.service.feed import END, FeedRowJson, read_feed
from enduser.stores.contract import Reader

app = Group("Read the feed: who entered and left followed segments, which followed attributes changed.")

_PACE_S = 1.0

Cursor = Annotated[
    str | None,
    typer.Option("--cursor", metavar="CURSOR", help="Where to begin, as told at the end of a list; or: end."),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only entered, left or changed; can be repeated."),
]
Segments = Annotated[
    list[str] | None,
    typer.Option("--segment", metavar="SEGMENT", help="Only rows of this segment; can be repeated."),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME", help="Only, or also, of this attribute; can be repeated."),
]
Form = Annotated[ListFormat, typer.Option("--format", help="A table to read, or JSON, a line for each row.")]


@app.callback()
def _group() -> None:
    """Read the feed: who entered and left followed segments, which followed attributes changed."""


@app.command("list")
def list_rows(
    cursor: Cursor = None,
    kinds: Kinds = None,
    segments: Segments = None,
    attributes: Attributes = None,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, max=limits.PAGE_ROWS_MAX, help="How many rows to list."),
    ] = 100,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List rows of the feed, from the first that is kept; where to go on is told on standard error."""
    which = filter_of(kinds, segments, attributes)
    with folded(data, space, memory_limit) as store:
        bring_feed_up(store, space)
        read = read_feed(store, space, cursor, limit, which)
        is_followed = bool(store.settings(space).feed_attributes) or any(
            saved.segment.is_followed for saved in store.segments(space)
        )
    if form is ListFormat.JSON:
        for row in read.items:
            out.print(_json(row))
    else:
        heading = ("number", "noticed (UTC)", "kind", "of", "before", "after", "user_id")
        print_table([heading, *map(_cells, read.items)], right=(0,))
    err.print(f"what follows: --cursor {read.cursor}")
    if not is_followed:
        commands = "enduser segments change SEGMENT --followed", "enduser config set feed_attributes NAMES"
        told = ", ".join(in_space(command, space) for command in commands)
        err.print(f"nothing is followed yet: {told}")


@app.command("follow")
def follow(
    cursor: Cursor = END,
    kinds: Kinds = None,
    segments: Segments = None,
    attributes: Attributes = None,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, help="End after this many rows; else at Ctrl-C."),
    ] = None,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    _yes: Yes = False,
) -> None:
    """Show rows of the feed of a running server as they come, from now on unless told otherwise."""
    from enduser.stores.owner_socket import is_served
    from enduser.stores.remote import RemoteStore  # late: few commands meet a server

    if not is_served(data):
        listed = in_space("enduser feed list", space)
        raise UsageError(
            f"no server runs on {data}", hint=f"start one: enduser serve; what is there: {listed}"
        )
    which = filter_of(kinds, segments, attributes)
    with RemoteStore.reach(data) as store, suppress(KeyboardInterrupt):
        for row in islice(_rows(store, space, cursor, which), count):
            line = "  ".join(cell for cell in _cells(row) if cell)
            out.print(_json(row) if form is ListFormat.JSON else printable(line))


def _rows(store: Reader, space: str, cursor: str | None, which: FeedFilter) -> Iterator[FeedRowJson]:
    """Yield what follows, without end."""
    while True:
        read = read_feed(store, space, cursor, limits.PAGE_ROWS_MAX, which)
        yield from read.items
        cursor = read.cursor
        if not read.items:
            time.sleep(_PACE_S)


def filter_of(
    kinds: Sequence[str] | None, segments: Sequence[str] | None, attributes: Sequence[str] | None
) -> FeedFilter:
    """Return the filter that options name.

    Raises:
        UsageError: there is no such kind.
    """
    for kind in kinds or ():
        if kind not in FEED_KINDS:
            raise UsageError(f"the feed has no kind {kind!r}", hint=f"there are: {', '.join(FEED_KINDS)}")
    return FeedFilter(
        kinds=tuple(kinds or ()), segments=tuple(segments or ()), attributes=tuple(attributes or ())
    )


def _json(row: FeedRowJson) -> str:
    return msgspec.json.encode(row).decode()


def _cells(row: FeedRowJson) -> Sequence[str]:
    told = msgspec.to_builtins(row)
    who = row.user_id + (" (anonymous)" if row.is_anonymous else "")
    values = [_value(told[name]) if name in told else "" for name in ("before", "after")]
    subject = told.get("segment", told.get("attribute"))
    return (str(row.number), row.noticed_at[:19].replace("T", " "), row.kind, subject, *values, who)


def _value(value: object) -> str:
    """Return a value of an attribute for a table."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
