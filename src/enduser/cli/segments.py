"""`enduser segments`: rules that are saved under a name."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import typer

from enduser.cli.given import json_object_of
from enduser.cli.helping import Group
from enduser.cli.opening import MEMORY_LIMIT_MB, existing, opened
from enduser.cli.options import BY, DEFAULT_DATA, DEFAULT_SPACE, Data, Form, ListFormat, Memory, Space, Yes
from enduser.cli.output import (
    confirm,
    count_of,
    iso,
    out,
    print_fields,
    print_json,
    print_table,
    printable,
    short_time,
)
from enduser.cli.proposing import in_space
from enduser.clock import now_us
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.templates import Template, find_template
from enduser.core.segments import SavedSegment, Saving, Segment
from enduser.errors import UsageError
from enduser.service.segment_json import segment_json, use_json
from enduser.stores.contract import Store

app = Group("Keep segments: rules that are saved under a name, and ask whom they mean.")

_ID_BYTES = 6

SegmentId = Annotated[str, typer.Argument(metavar="SEGMENT", help="The segment's id.")]
RuleText = Annotated[
    str | None,
    typer.Option("--rule", metavar="RULE", help="A rule as JSON, or a file of one; - is standard input."),
]
TemplateId = Annotated[
    str | None,
    typer.Option(
        "--template", metavar="ID", help="A template in place of a rule: enduser segments templates."
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the template; can be repeated."),
]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it means.")]
Tags = Annotated[
    str | None,
    typer.Option("--tags", metavar="WORDS", help="Words by which people find it, with commas between."),
]
Public = Annotated[
    bool | None, typer.Option("--public/--no-public", help="Whether browsers may learn who is in it.")
]
Followed = Annotated[
    bool | None,
    typer.Option("--followed/--no-followed", help="Whether the feed tells who enters and leaves it."),
]


@app.callback()
def _group() -> None:
    """Keep segments: rules that are saved under a name, and ask whom they mean."""


# --- rules that are named


def rule_named(rule: str | None, template: str | None, sets: Sequence[str] | None) -> RuleJson:
    """Return the rule that options name: as JSON, in a file, or by a template.

    Raises:
        UsageError: none is named, or two are, or what is named is no JSON object.
        InputError: there is no such file.
        TemplateNotFound, InvalidParameter: there is no such template, or it is not like this.
    """
    if (rule is None) is (template is None):
        raise UsageError("a rule must be named, or a template", hint="give either --rule or --template")
    if template is not None:
        found = find_template(template)
        return found.rule(dict(_parameter(found, text) for text in sets or []))
    if sets:
        raise UsageError("--set is for templates", hint="give --template too, or leave it out")
    assert rule is not None
    return rule_of(rule)


def rule_of(rule: str) -> RuleJson:
    """Return the rule that an option names: as JSON, or in a file; `-` is standard input.

    Raises:
        UsageError: what is named is no JSON object.
        InputError: there is no such file.
    """
    hint = 'write one such as {"field": "country", "operator": "is", "value": "NO"}; see docs/rules.md'
    return json_object_of(rule, "rule", hint)


def _parameter(template: Template, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is no NAME=VALUE", hint="write such as days=14")
    is_number = any(isinstance(one.default, int) for one in template.parameters if one.name == name)
    return name, int(value) if is_number and value.isdecimal() else value


def _tags(text: str | None) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in (text or "").split(",") if tag.strip())


# --- looking


@app.command("list")
def list_all(
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="WORD", help="Only those with this tag.")
    ] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Those that are archived.")] = False,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the segments of a space that are in use, by id."""
    with existing(data, space, memory_limit) as store:
        found = [
            saved
            for saved in store.segments(space)
            if saved.segment.is_archived is archived and (tag is None or tag in saved.segment.tags)
        ]
    if form is ListFormat.JSON:
        print_json(list(map(segment_json, found)))
    elif found:
        print_table([("id", "name", "tags", "version", "saved (UTC)", "by"), *map(_cells, found)], right=(3,))
    else:
        command = in_space("enduser segments create NAME --template new-users", space)
        out.print(f"No segments. To have one: {command}")


def _cells(saved: SavedSegment) -> tuple[str, ...]:
    segment = saved.segment
    tags = ", ".join(segment.tags)
    return segment.id, segment.name, tags, f"{saved.version:,}", short_time(saved.saved_at), saved.saved_by


@app.command("show")
def show(
    segment_id: SegmentId,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Show a segment with its rule."""
    with existing(data, space, memory_limit) as store:
        saved = store.find_segment(space, segment_id)
    if form is ListFormat.JSON:
        print_json(segment_json(saved))
        return
    segment = saved.segment
    print_fields(
        (
            ("id", segment.id),
            ("name", segment.name),
            ("description", segment.description),
            ("tags", ", ".join(segment.tags)),
            ("public", _yes_or_no(segment.is_public)),
            ("followed", _yes_or_no(segment.is_followed)),
            ("archived", _yes_or_no(segment.is_archived)),
            ("version", f"{saved.version:,}"),
            ("created_at", iso(saved.created_at)),
            ("saved_at", iso(saved.saved_at)),
            ("saved_by", saved.saved_by),
        )
    )
    out.print(json.dumps(segment.rule, indent=2, ensure_ascii=False))


def _yes_or_no(is_so: bool) -> str:
    return "yes" if is_so else "no"


@app.command("versions")
def list_versions(
    segment_id: SegmentId,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the last versions of a segment, the newest first; as JSON each with its rule."""
    with existing(data, space, memory_limit) as store:
        found = store.segment_versions(space, segment_id)
    if form is ListFormat.JSON:
        print_json(list(map(segment_json, found)))
        return
    rows = [
        (f"{one.version:,}", short_time(one.saved_at), one.saved_by, one.segment.name, _short(one))
        for one in found
    ]
    print_table([("version", "saved (UTC)", "by", "name", "rule"), *rows], right=(0,))


def _short(saved: SavedSegment) -> str:
    text = json.dumps(saved.segment.rule, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - enough to know it by


@app.command("uses")
def list_uses(
    segment_id: SegmentId,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List what names a segment: it can be neither archived nor deleted while something does."""
    with existing(data, space, memory_limit) as store:
        store.find_segment(space, segment_id)
        found = store.uses(space, "segments", segment_id)
    if form is ListFormat.JSON:
        print_json(list(map(use_json, found)))
    elif found:
        print_table([("kind", "id", "name"), *((use.kind, use.id, use.name) for use in found)])
    else:
        out.print(f"Nothing names the segment {printable(segment_id)}.")


# --- changing


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    rule: RuleText = None,
    template: TemplateId = None,
    sets: Sets = None,
    segment_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="Its id; without it one at random.")
    ] = None,
    description: Description = None,
    tags: Tags = None,
    public: Public = None,
    followed: Followed = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Make a segment of a rule, or of a template."""
    segment = Segment(
        id=segment_id or secrets.token_hex(_ID_BYTES),
        name=name,
        rule=rule_named(rule, template, sets),
        description=description or "",
        tags=_tags(tags),
        is_public=bool(public),
        is_followed=bool(followed),
    )
    with opened(data, space, memory_limit) as store:
        store.save_segment(space, segment, Saving(now_us(), BY, is_new=True))
    command = in_space(f"enduser segments count {segment.id}", space)
    out.print(f"the segment {segment.id} is there; count its users: {command}")


@app.command("change")
def change(
    segment_id: SegmentId,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What people call it.")] = None,
    rule: RuleText = None,
    description: Description = None,
    tags: Tags = None,
    public: Public = None,
    followed: Followed = None,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Change a segment; what is not named stays as it is."""
    told = {
        "name": name,
        "rule": None if rule is None else rule_named(rule, None, None),
        "description": description,
        "tags": None if tags is None else _tags(tags),
        "is_public": public,
        "is_followed": followed,
    }
    changes = {field: value for field, value in told.items() if value is not None}
    with existing(data, space, memory_limit) as store:
        out.print(_changed(store, space, segment_id, **changes))


@app.command("archive")
def archive(
    segment_id: SegmentId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Take a segment out of use, and keep it; no rule can name it any more."""
    with existing(data, space, memory_limit) as store:
        out.print(_changed(store, space, segment_id, is_archived=True))


@app.command("restore")
def restore(
    segment_id: SegmentId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Take an archived segment into use again; its rule is checked anew."""
    with existing(data, space, memory_limit) as store:
        out.print(_changed(store, space, segment_id, is_archived=False))


def _changed(store: Store, space: str, segment_id: str, **changes: Any) -> str:
    """Change a segment; return what was done, if anything was."""
    before = store.find_segment(space, segment_id)
    saving = Saving(now_us(), BY, is_new=False, version=before.version)
    saved = store.save_segment(space, replace(before.segment, **changes), saving)
    if saved.version == before.version:
        return f"the segment {segment_id} is so already: version {saved.version:,}"
    return f"the segment {segment_id} is changed: version {saved.version:,}"


@app.command("delete")
def delete(
    segment_id: SegmentId,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    yes: Yes = False,
) -> None:
    """Delete a segment with all its versions; the users whom it means stay as they are."""
    with existing(data, space, memory_limit) as store:
        found = store.find_segment(space, segment_id)
        name = printable(found.segment.name)
        confirm(
            f"Delete the segment {segment_id} ({name}), {count_of(found.version, 'version')}?",
            yes=yes,
            undone="nothing was deleted",
        )
        store.delete_segment(space, segment_id)
    out.print(f"the segment {segment_id} is gone")
