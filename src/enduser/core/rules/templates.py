"""Rules that every install has at hand: questions with parameters. Anonymous ids are left out of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from enduser import limits
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.values import shown
from enduser.errors import InvalidParameter, TemplateNotFound

ParameterValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class TemplateParameter:
    """What can be another in a template. One whose default is a number takes whole numbers from 1."""

    name: str
    default: str | int
    meaning: str


@dataclass(frozen=True, slots=True)
class Template:
    """A question about users, of which parameters make a rule."""

    id: str
    question: str
    parameters: Sequence[TemplateParameter]
    _conditions: Callable[[Mapping[str, Any]], Sequence[RuleJson]]

    def rule(self, given: Mapping[str, Any]) -> RuleJson:
        """Return the rule of some parameters; those that are not given have their defaults.

        Raises:
            InvalidParameter: one is not of the template, or has a value that cannot be.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                takes = ", ".join(known)
                raise _refused(name, f"the template {self.id} has no parameter {name[:100]!r}", takes)
        values = {name: _checked(parameter, given) for name, parameter in known.items()}
        known_users = {"field": "is_anonymous", "operator": "is_false"}
        return {"combinator": "and", "rules": [known_users, *self._conditions(values)]}


def find_template(template_id: str) -> Template:
    """Return the template of an id.

    Raises:
        TemplateNotFound: there is none.
    """
    for template in TEMPLATES:
        if template.id == template_id:
            return template
    raise TemplateNotFound(
        f"there is no template {template_id[:100]!r}",
        hint=f"there are: {', '.join(template.id for template in TEMPLATES)}",
        field="template_id",
    )


def _checked(parameter: TemplateParameter, given: Mapping[str, Any]) -> ParameterValue:
    value = given.get(parameter.name, parameter.default)
    if isinstance(parameter.default, int):
        return _whole(parameter.name, value)
    is_name = parameter.name == "attribute"
    if not isinstance(value, str if is_name else ParameterValue) or value == "":
        raise _refused(parameter.name, f"{parameter.name} cannot be {shown(value)}", parameter.meaning)
    return value


def _whole(name: str, value: object) -> int:
    most = limits.NUMBER_MAX if name == "sessions" else limits.RULE_SPAN_DAYS_MAX
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise _refused(name, f"{name} cannot be {shown(value)}", f"a whole number from 1 to {most:,}", most)
    return value


def _refused(name: str, what: str, takes: str, limit: int | None = None) -> InvalidParameter:
    return InvalidParameter(what, hint=f"it takes: {takes}", field=name, limit=limit)


def _days(n: int) -> RuleJson:
    return {"n": n, "unit": "day"}


def _new_users(values: Mapping[str, Any]) -> Sequence[RuleJson]:
    return [{"field": "first_seen", "operator": "in_last", "value": _days(values["days"])}]


def _never_returned(values: Mapping[str, Any]) -> Sequence[RuleJson]:
    return [
        {"field": "total_sessions", "operator": "eq", "value": 1},
        {"field": "first_seen", "operator": "more_than_ago", "value": _days(values["days"])},
    ]


def _upgraded(values: Mapping[str, Any]) -> Sequence[RuleJson]:
    window = {"from": _days(values["days"])}
    return [{"kind": "changed", "field": values["attribute"], "to": values["value"], "window": window}]


def _quit(values: Mapping[str, Any]) -> Sequence[RuleJson]:
    from_days, to_days = values["from_days"], values["to_days"]
    if from_days <= to_days:
        takes = "more days than to_days: the time of the sessions begins further back than it ends"
        raise _refused("from_days", f"from_days cannot be {from_days} with to_days {to_days}", takes)
    return [
        {
            "kind": "session",
            "count": {"operator": "ge", "value": values["sessions"]},
            "window": {"from": _days(from_days), "to": _days(to_days)},
        },
        {"field": "last_seen", "operator": "more_than_ago", "value": _days(to_days)},
    ]


TEMPLATES = (
    Template(
        "new-users",
        "Who signed up in the last days?",
        [TemplateParameter("days", 7, "how many days ago at most the first session began")],
        _new_users,
    ),
    Template(
        "never-returned",
        "Who signed up once and never returned?",
        [TemplateParameter("days", 14, "how many days ago at least the only session began")],
        _never_returned,
    ),
    Template(
        "upgraded",
        "Who upgraded recently?",
        [
            TemplateParameter("attribute", "plan", "the custom attribute that changed"),
            TemplateParameter("value", "vip", "what it became"),
            TemplateParameter("days", 30, "how many days ago at most"),
        ],
        _upgraded,
    ),
    Template(
        "quit",
        "Who was a regular until some time ago, and then quit?",
        [
            TemplateParameter("sessions", 8, "how many sessions make a regular"),
            TemplateParameter("from_days", 60, "how many days ago the time of these sessions begins"),
            TemplateParameter("to_days", 30, "how many days ago it ends; since then nobody was seen"),
        ],
        _quit,
    ),
)
"""The questions that people ask first."""
