"""Forms of values: marks of numbers, orders of dates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enduser import limits
from enduser.core.attributes import AttributeType, ValueProblem, read_value
from enduser.core.value_forms import DateForm, ValueForm, form_problem, plain_text

TABLE = json.loads(
    (Path(__file__).parents[1] / "conformance" / "value_forms.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("name", "kind", "form", "text", "value"), TABLE, ids=[case[0] for case in TABLE])
def test_a_text_in_a_form_means_what_the_table_says(
    name: str, kind: str, form: dict[str, str], text: str, value: object
) -> None:
    plain = plain_text(AttributeType(kind), text, ValueForm(**form))
    found = ValueProblem.WRONG_TYPE if plain is None else read_value(AttributeType(kind), plain, ";")
    if isinstance(value, dict):
        assert found == value["problem"]
    else:
        assert repr(found) == repr(value)


def test_the_plain_form_changes_nothing() -> None:
    for kind in AttributeType:
        text = "5" if kind is AttributeType.NUMBER else "2024-02-29 10:00"
        assert plain_text(kind, text, ValueForm()) == text


@pytest.mark.parametrize("form", DateForm)
def test_the_parts_of_a_date_stand_in_their_order(form: DateForm) -> None:
    day = {"year": "2024", "month": "02", "day": "29"}
    written = form.replace("%Y", "2024").replace("%m", "02").replace("%d", "29")
    found = [day[part] for part in ValueForm(date=form).date_parts[:3]]
    assert [written.index(part) for part in found] == sorted(written.index(part) for part in found)
    assert plain_text(AttributeType.DATE, written, ValueForm(date=form)) == "2024-02-29"


def test_orders_of_dates_are_shown_as_people_write_them() -> None:
    assert [form.shown for form in DateForm] == [
        *("YYYY-MM-DD", "YYYY/MM/DD", "DD.MM.YYYY"),
        *("DD/MM/YYYY", "DD-MM-YYYY", "MM/DD/YYYY"),
    ]


LONGEST = ";" * limits.SEPARATOR_CHARACTERS_MAX
MARKS, TWO, PARTS = (
    "no numbers are written with these marks",
    "its numbers have one mark for two things",
    "nothing parts its items like this",
)


@pytest.mark.parametrize(
    ("kind", "form", "problem"),
    [
        (AttributeType.NUMBER, ValueForm(), None),
        (AttributeType.NUMBER, ValueForm(decimal=",", thousands="."), None),
        (AttributeType.NUMBER, ValueForm(decimal="x"), MARKS),
        (AttributeType.NUMBER, ValueForm(thousands="x"), MARKS),
        (AttributeType.NUMBER, ValueForm(decimal="x", thousands="x"), MARKS),
        (AttributeType.NUMBER, ValueForm(decimal=",", thousands=","), TWO),
        (AttributeType.NUMBER, ValueForm(separator=""), None),
        (AttributeType.LIST, ValueForm(decimal="x"), None),
        (AttributeType.LIST, ValueForm(separator="|"), None),
        (AttributeType.LIST, ValueForm(separator=LONGEST), None),
        (AttributeType.LIST, ValueForm(separator=LONGEST + ";"), PARTS),
        (AttributeType.LIST, ValueForm(separator=""), PARTS),
        (AttributeType.LIST, ValueForm(separator="\n"), PARTS),
        (AttributeType.STRING, ValueForm(separator="", decimal="x"), None),
    ],
)
def test_a_form_that_no_file_has_is_a_problem(
    kind: AttributeType, form: ValueForm, problem: str | None
) -> None:
    assert form_problem(kind, form) == problem
