"""Rules that are not saved: what they mean, how they can be, and those at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import SPACE, TEMPLATE_ID, TEMPLATE_PARAMETERS
from enduser.api.management.users import USER_EXAMPLE
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.schema import rule_schema
from enduser.core.rules.templates import TEMPLATES, Template, find_template
from enduser.errors import (
    InvalidParameter,
    InvalidRule,
    LimitExceeded,
    RuleTooLarge,
    SegmentNotFound,
    TemplateNotFound,
    UsageError,
    UsersNotTracked,
)
from enduser.service.rule_preview import MovingJson, RulePreview, preview_rule
from enduser.service.segment_json import FacetJson, FacetValueJson, Rule, facet_json

HINT = "docs/segments.md shows the calls"
"""What one can do whose body is no such body."""
RULE_ERRORS = (InvalidRule, RuleTooLarge, UsersNotTracked)
"""What a rule can be refused for."""


class RuleToPreview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule, perhaps to be that of a segment, and how many of its users to show."""

    rule: Rule
    segment: (
        Annotated[str, Meta(description="the id of a segment: who enters and leaves it?")] | UnsetType
    ) = UNSET
    sample: Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": limits.PREVIEW_SAMPLE_MAX})] = 5


class RuleToPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule, and the attribute by whose most frequent values its users are parted."""

    rule: Rule
    field: str
    limit: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": limits.FACET_VALUES_MAX})] = 10


class TemplateParameterJson(msgspec.Struct, frozen=True):
    """What can be another in a template."""

    name: str
    default: str | int
    meaning: str


class TemplateJson(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and the rule that it is by its parameters."""

    id: str
    question: str
    parameters: list[TemplateParameterJson]
    rule: Rule


class TemplatesPage(msgspec.Struct, frozen=True):
    """All templates."""

    items: list[TemplateJson]
    next_cursor: str | None = None


@contextmanager
def rule_of_body(key: str = "rule") -> Iterator[None]:
    """Let an error of a rule name the node by its path in the body, where the rule stands under a key."""
    try:
        yield
    except (InvalidRule, RuleTooLarge) as error:
        error.field = f"{key}.{error.field}" if error.field else key
        raise


async def preview(call: Call) -> RulePreview:
    """Return what a rule means."""
    told = call.told(RuleToPreview, HINT)
    if not 0 <= told.sample <= limits.PREVIEW_SAMPLE_MAX:
        raise LimitExceeded(
            f"a preview cannot show {told.sample:,} users",
            hint=f"ask for 0 to {limits.PREVIEW_SAMPLE_MAX} (PREVIEW_SAMPLE_MAX)",
            field="sample",
            limit=limits.PREVIEW_SAMPLE_MAX,
        )
    segment_id = None if told.segment is UNSET else told.segment
    with rule_of_body():
        return await call.read(
            lambda reader: preview_rule(reader, call.space, told.rule, segment_id, told.sample)
        )


async def part_users(call: Call) -> FacetJson:
    """Return how the users of a rule are parted by an attribute."""
    told = call.told(RuleToPart, HINT)
    return await facet_of(call, told.rule, told.field, told.limit)


async def facet_of(call: Call, rule: RuleJson, name: str, limit: int) -> FacetJson:
    """Return how the users of a rule are parted by an attribute."""
    with rule_of_body():
        found = await call.read(lambda reader: reader.facet(call.space, rule, name, limit))
    return facet_json(name, found)


async def show_rule_schema(call: Call) -> dict[str, Any]:
    """Return the JSON Schema of a rule, with the custom attributes that there are."""
    attributes = await call.read(lambda reader: reader.attributes())
    return rule_schema({attribute.name: attribute.type for attribute in attributes})


async def list_templates(_: Call) -> TemplatesPage:
    """Return all templates, with their defaults."""
    return TemplatesPage([_template(template, template.rule({})) for template in TEMPLATES])


async def show_template(call: Call) -> TemplateJson:
    """Return a template with the rule of some parameters."""
    template = find_template(call.values["template_id"])
    values = {one.name: call.values[one.name] for one in TEMPLATE_PARAMETERS}
    given = {name: value for name, value in values.items() if value is not None}
    return _template(template, template.rule(given))


def _template(template: Template, rule: RuleJson) -> TemplateJson:
    return TemplateJson(
        id=template.id,
        question=template.question,
        parameters=[TemplateParameterJson(one.name, one.default, one.meaning) for one in template.parameters],
        rule=rule,
    )


RULE_EXAMPLE: RuleJson = {
    "combinator": "and",
    "rules": [{"field": "country", "operator": "is", "value": "NO"}],
}
FACET_EXAMPLE = FacetJson(
    field="country", values=[FacetValueJson("NO", 61), FacetValueJson("DE", 12)], others=8, unknown=3
)
_MOVING = MovingJson(count=1, not_yet_seen=0, sample=[USER_EXAMPLE])
_PREVIEW = RulePreview(
    count=61,
    not_yet_seen=0,
    users=84,
    share=0.726,
    clock_at="2026-03-01T10:00:00.000000Z",
    sample=[USER_EXAMPLE],
    entering=_MOVING,
    leaving=MovingJson(count=0, not_yet_seen=0, sample=[]),
)
_TEMPLATE = _template(TEMPLATES[0], TEMPLATES[0].rule({}))

ROUTES = (
    Route(
        "POST",
        "/api/v1/rules/preview",
        preview,
        "Count the users of a rule and show some; of a segment also who would enter and leave it",
        RulePreview,
        _PREVIEW,
        (SPACE,),
        (*RULE_ERRORS, SegmentNotFound, LimitExceeded),
        body=RuleToPreview,
        body_limit="RULE_BODY_BYTES_MAX",
        body_example={"rule": RULE_EXAMPLE, "segment": "vips", "sample": 1},
    ),
    Route(
        "POST",
        "/api/v1/rules/facets",
        part_users,
        "Part the users of a rule by an attribute: its most frequent values",
        FacetJson,
        FACET_EXAMPLE,
        (SPACE,),
        (*RULE_ERRORS, UsageError, LimitExceeded),
        body=RuleToPart,
        body_limit="RULE_BODY_BYTES_MAX",
        body_example={"rule": RULE_EXAMPLE, "field": "country"},
    ),
    Route(
        "GET",
        "/api/v1/rules/schema",
        show_rule_schema,
        "The JSON Schema of a rule, with the custom attributes that there are",
        dict[str, Any],
        rule_schema({}),
    ),
    Route(
        "GET",
        "/api/v1/rule-templates",
        list_templates,
        "List the templates of rules, with their parameters",
        TemplatesPage,
        TemplatesPage([_TEMPLATE]),
    ),
    Route(
        "GET",
        "/api/v1/rule-templates/{template_id}",
        show_template,
        "Show a template with the rule of some parameters",
        TemplateJson,
        _TEMPLATE,
        (TEMPLATE_ID, *TEMPLATE_PARAMETERS),
        (TemplateNotFound, InvalidParameter),
    ),
)
