"""`enduser attributes`: the registry of custom attributes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from enduser import limits
from enduser.cli.helping import Group
from enduser.cli.opening import control_of, existing, must_be_there, opened
from enduser.cli.options import DEFAULT_DATA, Data, Form, ListFormat, Yes
from enduser.cli.output import confirm, count_of, out, print_json, print_table
from enduser.clock import now_us
from enduser.core.attributes import Attribute, AttributeType, ConflictRule
from enduser.core.uses import require_unbroken
from enduser.errors import AttributeNotFound
from enduser.stores.contract import Store

app = Group("Keep the registry of custom attributes, which is the same in all spaces.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The attribute's name, as it is written.")]
DisplayName = Annotated[str | None, typer.Option("--display-name", metavar="TEXT", help="What people read.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it means.")]
Pii = Annotated[bool | None, typer.Option("--pii/--no-pii", help="Whether its values say who somebody is.")]
Sources = Annotated[
    str | None,
    typer.Option(
        "--sources",
        metavar="NAMES",
        help="The sources that may write it, with commas between; all: all but unsigned SDKs.",
    ),
]
Rule = Annotated[
    ConflictRule | None,
    typer.Option("--conflict-rule", help="Which of several candidates is the value."),
]


@app.callback()
def _group() -> None:
    """Keep the registry of custom attributes, which is the same in all spaces."""


@app.command("list")
def list_attributes(
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """List the custom attributes, the oldest first."""
    with existing(data) as store:
        found = store.attributes()
    if form is ListFormat.JSON:
        print_json(found)
    elif found:
        headings = ("name", "type", "conflict rule", "sources", "personal", "display name")
        print_table([headings, *map(_cells, found)])
        out.print(f"{len(found)} of at most {limits.ATTRIBUTES_MAX}")
    else:
        out.print("No custom attributes yet. To have one: enduser attributes create plan --type string")


def _cells(attribute: Attribute) -> tuple[str, ...]:
    sources = "all" if attribute.sources is None else ", ".join(attribute.sources)
    is_pii = "yes" if attribute.is_pii else ""
    return (attribute.name, attribute.type, attribute.conflict_rule, sources, is_pii, attribute.display_name)


@app.command("create")
def create_attribute(
    name: Name,
    kind: Annotated[
        AttributeType,
        typer.Option("--type", metavar="TYPE", help=f"What its values are: {', '.join(AttributeType)}."),
    ],
    display_name: DisplayName = None,
    description: Description = None,
    pii: Pii = None,
    sources: Sources = None,
    conflict_rule: Rule = None,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Add a custom attribute."""
    changes = _changes(display_name, description, pii, sources, conflict_rule)
    with opened(data) as store:
        store.create_attribute(replace(Attribute(name, kind), **changes))
    out.print(f"the attribute {name} is there, of the type {kind}")


@app.command("change")
def change_attribute(
    name: Name,
    new_name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Another name; the values stay.")
    ] = None,
    display_name: DisplayName = None,
    description: Description = None,
    pii: Pii = None,
    sources: Sources = None,
    conflict_rule: Rule = None,
    data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """Change a custom attribute; what is not named stays as it is."""
    must_be_there(data)
    changes = _changes(display_name, description, pii, sources, conflict_rule)
    if new_name is not None:
        changes["name"] = new_name
    with opened(data) as store:
        changed = replace(_find(store, name), **changes)
        if changed.name == name:
            store.change_attribute(name, changed, now_us())
        else:
            _rename(data, store, name, changed)
    out.print(f"the attribute {new_name or name} is changed" if changes else "nothing to change was named")


def _rename(data: Path, store: Store, name: str, changed: Attribute) -> None:
    with control_of(data) as control:
        from enduser.service import changing_attributes  # late: SQLAlchemy takes 0.3 s

        changing_attributes.change_attribute(store, control, name, changed, now_us())


def _changes(
    display_name: str | None,
    description: str | None,
    pii: bool | None,
    sources: str | None,
    conflict_rule: ConflictRule | None,
) -> dict[str, Any]:
    """Return what was named, by the fields of an attribute."""
    told = {
        "display_name": display_name,
        "description": description,
        "is_pii": pii,
        "conflict_rule": conflict_rule,
    }
    changes: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if sources is not None:
        names = tuple(name.strip() for name in sources.split(",") if name.strip())
        changes["sources"] = None if names == ("all",) else names
    return changes


@app.command("retype")
def retype_attribute(
    name: Name,
    kind: Annotated[
        AttributeType,
        typer.Argument(metavar="TYPE", help=f"What its values are to be: {', '.join(AttributeType)}."),
    ],
    data: Data = DEFAULT_DATA,
    yes: Yes = False,
) -> None:
    """Give an attribute another type, in all spaces; says first what becomes of its values."""
    with existing(data) as store:
        found = store.preview_retype(name, kind)
        lost = (
            f"; {found.lost:,} cannot, such as {found.examples[0]!r}, and are lost for good"
            if found.lost
            else ""
        )
        out.print(f"{count_of(found.values - found.lost, 'value')} of {name} can be read as {kind}{lost}.")
        require_unbroken(found.broken, f"{name!r} cannot be a {kind}")
        confirm(f"Make {name} a {kind}?", yes=yes, undone="nothing was changed")
        store.change_attribute(name, replace(_find(store, name), type=kind), now_us())
    out.print(f"the attribute {name} is of the type {kind}")


@app.command("delete")
def delete_attribute(name: Name, data: Data = DEFAULT_DATA, yes: Yes = False) -> None:
    """Delete a custom attribute with all its values and their history, in all spaces, for good."""
    with existing(data) as store:
        _find(store, name)
        confirm(
            f"All values of {name} and their history go, in all spaces, and nothing brings them back. "
            "Delete it?",
            yes=yes,
            undone="nothing was deleted",
        )
        store.delete_attribute(name)
    out.print(f"the attribute {name} is deleted")


def _find(store: Store, name: str) -> Attribute:
    for attribute in store.attributes():
        if attribute.name == name:
            return attribute
    raise AttributeNotFound(
        f"there is no custom attribute {name!r}",
        hint="they are listed by: enduser attributes list; names are case-sensitive",
    )
