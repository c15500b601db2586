"""Commands that ask whom segments and rules mean, and why."""

from __future__ import annotations

import json
from typing import Annotated

import msgspec
import typer

from enduser import limits
from enduser.cli.opening import MEMORY_LIMIT_MB, folded
from enduser.cli.options import (
    DEFAULT_DATA,
    DEFAULT_SPACE,
    AnyKind,
    Data,
    Form,
    ListFormat,
    Memory,
    Space,
    UsersLimit,
    Yes,
)
from enduser.cli.output import EXIT_FOUND, count_of, err, out, print_json, print_table, printable
from enduser.cli.rule_tree import tree
from enduser.cli.segments import RuleText, SegmentId, Sets, TemplateId, rule_named
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.templates import TEMPLATES, Template
from enduser.core.segments import require_in_use
from enduser.core.users_query import UsersQuery
from enduser.service.explained import user_segments
from enduser.service.json_form import EndUserJson, end_user_json
from enduser.service.rule_preview import MovingJson, preview_rule
from enduser.service.segment_json import CountJson, count_json, facet_json
from enduser.stores.contract import Store


def count(
    segment_id: SegmentId,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Count the users of a segment."""
    with folded(data, space, memory_limit) as store:
        counted = store.count_users(space, [_rule_in_use(store, space, segment_id)])
    told = count_json(counted.counts[0], counted)
    if form is ListFormat.JSON:
        print_json(told)
    else:
        out.print(_counted(told))


def _counted(told: CountJson) -> str:
    """Return a count for people."""
    unseen = f", and {count_of(told.not_yet_seen, 'id')} not yet seen" if told.not_yet_seen else ""
    clock = f", by the clock at {told.clock_at[:19].replace('T', ' ')} UTC" if told.clock_at else ""
    return f"{told.count:,} of {count_of(told.users, 'user')} ({told.share:.1%}){unseen}{clock}"


def list_members(
    segment_id: SegmentId,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", metavar="ATTRIBUTE", help="An attribute; with a - before it the greatest come first."
        ),
    ] = "-last_seen",
    limit: UsersLimit = 20,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """List the users of a segment. As JSON each is a line of its own, an End User Object."""
    with folded(data, space, memory_limit) as store:
        rule = _rule_in_use(store, space, segment_id)
        found = store.users(space, UsersQuery(rule=rule, sort=sort), limit=limit)
        if form is ListFormat.JSON:
            for row in found:
                print_json(end_user_json(row))
            return
        rows = [_user_cells(end_user_json(row)) for row in found]
        users = store.count_users(space, [rule]).counts[0].users
    if rows:
        print_table([("user_id", "last_seen (UTC)", "sessions", "country", "city"), *rows], right=(2,))
    out.print(f"{len(rows):,} of {count_of(users, 'user')}")


def _user_cells(user: EndUserJson) -> tuple[str, ...]:
    mark = " (anonymous)" if user.is_anonymous else ""
    seen = user.last_seen[:19].replace("T", " ")
    return f"{user.user_id}{mark}", seen, f"{user.total_sessions:,}", user.country or "", user.city or ""


def part(
    segment_id: SegmentId,
    name: Annotated[str, typer.Argument(metavar="ATTRIBUTE", help="By whose values users are parted.")],
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=limits.FACET_VALUES_MAX, help="How many values.")
    ] = 10,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Part the users of a segment by an attribute: its most frequent values."""
    with folded(data, space, memory_limit) as store:
        rule = _rule_in_use(store, space, segment_id)
        told = facet_json(name, store.facet(space, rule, name, limit))
    if form is ListFormat.JSON:
        print_json(told)
        return
    rows = [(_value(one.value), f"{one.users:,}") for one in told.values]
    rows += [("(others)", f"{told.others:,}")] if told.others else []
    rows += [("(unknown)", f"{told.unknown:,}")] if told.unknown else []
    print_table([(name, "users"), *rows], right=(1,))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def preview(
    rule: RuleText = None,
    template: TemplateId = None,
    sets: Sets = None,
    segment_id: Annotated[
        str | None,
        typer.Option("--segment", metavar="ID", help="Say who would enter and leave this segment."),
    ] = None,
    sample: Annotated[
        int,
        typer.Option("--sample", metavar="N", min=0, max=limits.PREVIEW_SAMPLE_MAX, help="How many to show."),
    ] = 5,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Count the users of a rule that is not saved, and show some; of a segment also who comes and goes."""
    asked = rule_named(rule, template, sets)
    with folded(data, space, memory_limit) as store:
        told = preview_rule(store, space, asked, segment_id, sample)
    if form is ListFormat.JSON:
        print_json(told)
        return
    out.print(_counted(told))
    _print_sample(told.sample)
    for word, moving in (("enter", told.entering), ("leave", told.leaving)):
        if isinstance(moving, MovingJson):
            unseen = (
                f", and {count_of(moving.not_yet_seen, 'id')} not yet seen" if moving.not_yet_seen else ""
            )
            out.print(f"would {word}: {count_of(moving.count, 'user')}{unseen}")
            _print_sample(moving.sample)


def _print_sample(sample: list[EndUserJson]) -> None:
    for user in sample:
        mark = " (anonymous)" if user.is_anonymous else ""
        out.print(f"  {printable(user.user_id)}{mark}")


def explain(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="An id of the user.")],
    segment_id: Annotated[
        str | None, typer.Argument(metavar="SEGMENT", help="A segment's id; without it all in use.")
    ] = None,
    id_kind: AnyKind = None,
    form: Form = ListFormat.TABLE,
    data: Data = DEFAULT_DATA,
    space: Space = DEFAULT_SPACE,
    memory_limit: Memory = MEMORY_LIMIT_MB,
    _yes: Yes = False,
) -> None:
    """Say whether segments hold for a user, and why. Exit code 1 if there is no End User Object."""
    with folded(data, space, memory_limit) as store:
        if segment_id is not None:
            _rule_in_use(store, space, segment_id)
        told = user_segments(store, space, user_id, id_kind, segment_id=segment_id, explain=True)
    if form is ListFormat.JSON:
        print_json(told)
    else:
        for one in told.items:
            for line in tree(msgspec.to_builtins(one)):
                out.print(line)
    if not told.is_seen:
        err.print(f"note: there is no End User Object for {user_id!r} in {space}; only lists can hold the id")
        raise typer.Exit(EXIT_FOUND)


def _rule_in_use(store: Store, space: str, segment_id: str) -> RuleJson:
    """Return the rule of a segment.

    Raises:
        SegmentNotFound: there is none of this id, or it is archived.
    """
    saved = store.find_segment(space, segment_id)
    require_in_use(saved)
    return saved.segment.rule


def list_templates(
    template: Annotated[
        str | None, typer.Argument(metavar="ID", help="A template, whose rule is shown; without it all.")
    ] = None,
    sets: Sets = None,
    form: Form = ListFormat.TABLE,
    _data: Data = DEFAULT_DATA,
    _yes: Yes = False,
) -> None:
    """List the templates of rules with their parameters; of one show the rule as JSON."""
    if template is not None:
        out.print(json.dumps(rule_named(None, template, sets), indent=2, ensure_ascii=False))
    elif form is ListFormat.JSON:
        told = [{"id": one.id, "question": one.question, "parameters": _parameters(one)} for one in TEMPLATES]
        print_json(told)
    else:
        rows = [
            (one.id, one.question, "  ".join(f"{name}={value}" for name, value in _parameters(one).items()))
            for one in TEMPLATES
        ]
        print_table([("id", "question", "parameters"), *rows])


def _parameters(template: Template) -> dict[str, str | int]:
    return {one.name: one.default for one in template.parameters}
