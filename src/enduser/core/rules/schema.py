"""What JSON can be a rule, as JSON Schema (2020-12): made of the tables by which `reading` reads.

It refuses only what `reading` refuses too. Some of that it cannot know: whether segments and lists are there,
whether RE2 takes an expression, which of two values is the lesser, how large the whole is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.rules.fields import EVENT_FIELDS, SESSION_FIELDS, USER_FIELDS
from enduser.core.rules.operators import COUNT_OPERATORS, OPERATORS, Form, Operator
from enduser.core.rules.spans import DAY_UNITS, Unit, span_days
from enduser.core.rules.tree import Combinator

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ANY: Schema = {}
_ADDED_BY_EDITORS = {"id": _ANY, "path": _ANY, "valueSource": {"const": "value"}}
_FLAG: Schema = {"type": "boolean"}
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": limits.VALUE_CHARACTERS_MAX}
_DAY: Schema = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_VALUES: Mapping[AttributeType, Schema] = {
    AttributeType.STRING: _TEXT,
    AttributeType.NUMBER: {"type": "number", "minimum": -limits.NUMBER_MAX, "maximum": limits.NUMBER_MAX},
    AttributeType.BOOLEAN: _FLAG,
    AttributeType.DATE: _DAY,
    AttributeType.DATETIME: {
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "description": "an instant in ISO 8601, or a day",
    },
    AttributeType.LIST: _TEXT,
}
"""One value; of a list, one of its items."""
_TIMES: Schema = {"type": "integer", "minimum": 0, "maximum": limits.NUMBER_MAX}
_UNKNOWN: Schema = {"const": {"unknown": True}}
_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]{0,63}$"}
_PROPERTY: Schema = {"type": "string", "pattern": r"^properties\.[\s\S]"}
_ID: Schema = {"type": "string", "minLength": 1}


def rule_schema(custom: Mapping[str, AttributeType]) -> Schema:
    """Return the schema of a rule where these are the custom attributes."""
    parts = definitions("#/$defs/{name}", custom)
    return {"$schema": _DIALECT, "title": "Rule", "$ref": "#/$defs/Rule", "$defs": parts}


def definitions(ref: str, custom: Mapping[str, AttributeType] | None = None) -> dict[str, Schema]:
    """Return the schemas of a rule and of its parts by name; `ref` is how they name each other.

    Without `custom` every name that no End User Object has may be a custom attribute of any type.
    """
    return _Definitions(ref, custom).all()


class _Definitions:
    """Writes the parts of the schema."""

    def __init__(self, ref: str, custom: Mapping[str, AttributeType] | None) -> None:
        self._ref = ref
        self._custom = custom
        self._found: dict[str, Schema] = {}

    def all(self) -> dict[str, Schema]:
        conditions = list(self._user_conditions())
        kinds = [
            self._put("SessionCondition", self._counted("session", "Session", self._session_conditions())),
            self._put("EventCondition", self._counted("event", "Event", self._event_conditions())),
            *self._changed(),
            *(self._put(f"{kind.title()}Condition", _named(kind)) for kind in ("segment", "list")),
        ]
        self._group("Rule", [*conditions, *kinds])
        root = _group(self._array("RuleNode", least=0))
        self._put("Rule", {"description": "Which users are meant.", "anyOf": [root, *conditions, *kinds]})
        return self._found

    def _put(self, name: str, schema: Schema) -> Schema:
        """Keep a schema under a name; return what refers to it."""
        self._found[name] = schema
        return {"$ref": self._ref.format(name=name)}

    def _array(self, name: str, *, least: int) -> Schema:
        return {"type": "array", "items": {"$ref": self._ref.format(name=name)}, "minItems": least}

    def _group(self, scope: str, conditions: Sequence[Schema]) -> None:
        """Keep groups of some conditions, which can have such groups in them."""
        group = self._put(f"{scope}Group", _group(self._array(f"{scope}Node", least=1)))
        self._put(f"{scope}Node", {"anyOf": [group, *conditions]})

    # --- conditions on fields

    def _user_conditions(self) -> Iterator[Schema]:
        for kind in AttributeType:
            yield from self._condition("Rule", kind, self._attribute(kind))

    def _attribute(self, kind: AttributeType) -> Schema | None:
        """Return which names attributes of a type have; None: there are none."""
        if self._custom is None:
            return {**_NAME, "not": {"enum": _other_than(USER_FIELDS, kind)}}
        return _one_of(_of_type({**USER_FIELDS, **self._custom}, kind))

    def _session_conditions(self) -> Iterator[Schema]:
        for kind in AttributeType:
            yield from self._condition("Session", kind, _one_of(_of_type(SESSION_FIELDS, kind)))

    def _event_conditions(self) -> Iterator[Schema]:
        for kind in AttributeType:
            names = [] if kind is AttributeType.DATE else [_PROPERTY]
            names += [known] if (known := _one_of(_of_type(EVENT_FIELDS, kind))) else []
            yield from self._condition("Event", kind, {"anyOf": names} if names else None)

    def _condition(self, scope: str, kind: AttributeType, field: Schema | None) -> Iterator[Schema]:
        if field is None:
            return
        keeps_case: Schema = {"const": False}
        operators = OPERATORS[kind]
        if scope != "Rule":  # times relative to now are the window's
            operators = {name: one for name, one in operators.items() if one.form is not Form.SPAN}
        properties = {
            "field": field,
            "operator": {"enum": list(operators)},
            "value": _ANY,
            "ignore_case": _FLAG if kind is AttributeType.STRING else keeps_case,
        }
        schema = {**_object(properties, ("field", "operator")), "anyOf": list(self._forms(kind, operators))}
        yield self._put(f"{scope}{kind.title()}Condition", schema)

    def _forms(self, kind: AttributeType, operators: Mapping[str, Operator]) -> Iterator[Schema]:
        """Yield which values go with which operators."""
        for form, names in _by_form(operators):
            if form is Form.NONE:
                nothing: Schema = {"operator": {"enum": names}, "value": {"enum": [None, ""]}}
                yield {"properties": {**nothing, "ignore_case": {"const": False}}}
            else:
                value = self._value(form, _VALUES[kind], kind)
                yield {"properties": {"operator": {"enum": names}, "value": value}, "required": ["value"]}

    def _value(self, form: Form, one: Schema, kind: AttributeType) -> Schema:
        match form:
            case Form.MANY:
                return {"type": "array", "items": one, "minItems": 1, "maxItems": limits.RULE_VALUES_MAX}
            case Form.PAIR:
                return {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
            case Form.DAY:
                return _DAY
            case Form.SPAN if kind is AttributeType.DATE:
                return self._put("DaySpan", _span(DAY_UNITS))
            case Form.SPAN:
                return self._put("Span", _span(tuple(Unit)))
            case _:
                return one

    # --- conditions of other kinds

    def _counted(self, kind: str, scope: str, conditions: Iterator[Schema]) -> Schema:
        self._group(scope, list(conditions))
        name = {"name": _ID} if kind == "event" else {}
        inner = _group(self._array(f"{scope}Node", least=0))["properties"]
        window = self._window()
        properties = {"kind": {"const": kind}, **name, "count": self._count(), **inner, "window": window}
        return _object(properties, ("kind",))

    def _count(self) -> Schema:
        forms = [
            {
                "properties": {
                    "operator": {"enum": names},
                    "value": self._value(form, _TIMES, AttributeType.NUMBER),
                },
            }
            for form, names in _by_form(COUNT_OPERATORS)
        ]
        properties = {"operator": {"enum": list(COUNT_OPERATORS)}, "value": _ANY}
        return self._put("Count", {**_object(properties, ("operator", "value")), "anyOf": forms})

    def _window(self) -> Schema:
        span = self._put("Span", _span(tuple(Unit)))
        ends = [{"required": ["from"]}, {"required": ["to"]}]
        return self._put("Window", {**_object({"from": span, "to": span}, ()), "anyOf": ends})

    def _changed(self) -> Iterator[Schema]:
        if changes := [{"properties": one} for one in self._changes()]:
            properties = {"kind": {"const": "changed"}, "field": _ANY, "from": _ANY, "to": _ANY}
            schema = _object({**properties, "window": self._window()}, ("kind", "field"))
            yield self._put("ChangeCondition", {**schema, "anyOf": changes})

    def _changes(self) -> Iterator[Schema]:
        """Yield which values the custom attributes of a type can have had."""
        for kind in AttributeType:
            state = {"anyOf": [_UNKNOWN, *([] if kind is AttributeType.LIST else [_VALUES[kind]])]}
            field: Schema | None = {**_NAME, "not": {"enum": list(USER_FIELDS)}}
            if self._custom is not None:
                field = _one_of(_of_type(self._custom, kind))
            if field is not None:
                yield {"field": field, "from": state, "to": state}


def _named(kind: str) -> Schema:
    return _object({"kind": {"const": kind}, "id": _ID}, ("kind", "id"))


def _group(rules: Schema) -> Schema:
    combinator = {"enum": [str(word) for word in Combinator]}
    return _object({"combinator": combinator, "not": _FLAG, "rules": rules}, ("rules",))


def _object(properties: Schema, required: Sequence[str]) -> Schema:
    return {
        "type": "object",
        "properties": {**_ADDED_BY_EDITORS, **properties},
        "required": list(required),
        "additionalProperties": False,
    }


def _span(units: Sequence[Unit]) -> Schema:
    lengths = [
        _object(
            {
                "n": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": int(limits.RULE_SPAN_DAYS_MAX / span_days(1, unit)),
                },
                "unit": {"const": str(unit)},
            },
            ("n", "unit"),
        )
        for unit in units
    ]
    return {"anyOf": lengths}


def _by_form(operators: Mapping[str, Operator]) -> Iterator[tuple[Form, list[str]]]:
    """Yield what operators take as their value, and which take it."""
    for form in Form:
        if names := [name for name, operator in operators.items() if operator.form is form]:
            yield form, names


def _of_type(fields: Mapping[str, AttributeType], kind: AttributeType) -> list[str]:
    return [name for name, known in fields.items() if known is kind]


def _other_than(fields: Mapping[str, AttributeType], kind: AttributeType) -> list[str]:
    return [name for name, known in fields.items() if known is not kind]


def _one_of(names: Sequence[str]) -> Schema | None:
    return {"enum": list(names)} if names else None
