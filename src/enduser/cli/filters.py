"""`enduser filters`: what is asked for of users again and again."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from enduser.cli.asked_users import Columns, Search, Sort, Where, named_columns
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, existing
from enduser.cli.options import BY, DEFAULT_DATA, DEFAULT_SPACE, Data, Form, ListFormat, Memory, Space, Yes
from enduser.cli.output import confirm, out, print_json, print_table, printable, short_time
from enduser.cli.proposing import in_space
from enduser.cli.segments import rule_of
from enduser.clock import now_us
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.segments import Saving
from enduser.service.filter_json import filter_json

app = Group("Keep filters: what is asked for of users again and again.")

FilterId = Annotated[str, typer.Argument(metavar="ID", help="The filter's id.")]


@app.callback()
def _group() -> None:
    """Keep filters: what is asked for of users again and again."""


@app.command("list")
def list_all(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the saved filters of a space, by id; as JSON each with its rule."""
    with existing(data, space, memory_limit) as store:
        found = store.filters(space)
    if form is ListFormat.JSON:
        print_json(list(map(filter_json, found)))
    elif found:
        print_table([("id", "name", "search", "columns", "sort", "saved (UTC)"), *map(_cells, found)])
    else:
        out.print(f"No filters. To have one: {in_space('enduser filters save ID --where RULE', space)}")


def _cells(saved: SavedFilter) -> tuple[str, ...]:
    asked = saved.filter
    columns = "(all)" if asked.columns is None else ", ".join(asked.columns)
    return asked.id, asked.name, asked.search, columns, asked.sort, short_time(saved.saved_at)


@app.command("save")
def save(
    filter_id: FilterId,
    name: Annotated[
        str | None, typer.Option("--name", metavar="TEXT", help="What people call it; without it its id.")
    ] = None,
    where: Where = None,
    search: Search = None,
    columns: Columns = None,
    sort: Sort = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Save a filter; of one that is there, what the options say."""
    rule = None if where is None else rule_of(where)
    told = {"name": name, "rule": rule, "search": search, "columns": named_columns(columns), "sort": sort}
    given: dict[str, Any] = {key: value for key, value in told.items() if value is not None}
    with existing(data, space, memory_limit) as store:
        there = [one.filter for one in store.filters(space) if one.filter.id == filter_id]
        asked = replace(there[0] if there else UserFilter(id=filter_id, name=filter_id), **given)
        store.save_filter(space, asked, Saving(now_us(), BY, is_new=not there))
    shown = printable(filter_id)
    command = in_space(f"enduser users list --filter {shown}", space)
    out.print(f"the filter {shown} is saved; list its users: {command}")


@app.command("delete")
def delete(
    filter_id: FilterId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Delete a filter; the users stay as they are."""
    with existing(data, space, memory_limit) as store:
        found, shown = store.find_filter(space, filter_id), printable(filter_id)
        confirm(
            f"Delete the filter {shown} ({printable(found.filter.name)})?",
            yes=yes,
            undone="nothing was deleted",
        )
        store.delete_filter(space, filter_id)
    out.print(f"the filter {shown} is gone")
