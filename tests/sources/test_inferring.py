"""What the values of a column seem to be: types, forms, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.core.attributes import AttributeType, ValueProblem, read_value
from enduser.core.value_forms import DateForm, ValueForm, plain_text
from enduser.sources.inferring import infer

NUMBER, BOOLEAN, STRING = AttributeType.NUMBER, AttributeType.BOOLEAN, AttributeType.STRING
DATE, DATETIME = AttributeType.DATE, AttributeType.DATETIME


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2", "+3", "0"], NUMBER),
        (["1.5", "2e3", "007.5"], NUMBER),
        (["0", "1"], NUMBER),
        (["", "5", " ", "6 "], NUMBER),
        (["yes", "No"], BOOLEAN),
        (["TRUE", "f"], BOOLEAN),
        (["yes", "1"], STRING),
        (["2026-01-31", "2024-02-29"], DATE),
        (["2026-01-31T10:00:00Z"], DATETIME),
        (["2026-01-31", "2026-01-31 10:00"], DATETIME),
        (["31.01.2026 10:00:05"], DATETIME),
        (["2026-02-30"], STRING),
        (["2026-1-5"], STRING),
        (["9007199254740994.0"], STRING),
        (["vip", "free"], STRING),
        (["1", "x"], STRING),
        (["a;b"], STRING),
        (["1,2,3"], STRING),
        (["NaN"], STRING),
        (["١٢"], STRING),
    ],
)
def test_a_type_is_proposed_that_every_value_fits(values: Sequence[str], kind: AttributeType) -> None:
    assert infer(values).type is kind


@pytest.mark.parametrize("values", [["007"], ["1", "2", "00"], ["1234567890123456"], ["4", "9" * 30]])
def test_digits_that_are_a_name_stay_a_string(values: Sequence[str]) -> None:
    found = infer(values)
    assert (found.type, found.note) == (STRING, "")


@pytest.mark.parametrize("values", [["0"], ["7"], ["0.5"], ["123456789012345"]])
def test_digits_that_count_are_a_number(values: Sequence[str]) -> None:
    assert infer(values).type is NUMBER


@pytest.mark.parametrize(
    ("values", "decimal", "thousands"),
    [
        (["1", "2.5"], ".", ""),
        (["1,5", "2,25"], ",", ""),
        (["1,234.5", "7"], ".", ","),
        (["1.234,5", "7"], ",", "."),
        (["1 234,5"], ",", " "),
        (["1'234.5"], ".", "'"),
        (["1,234,567"], ".", ","),
        (["1.234.567"], ",", "."),
    ],
)
def test_marks_of_numbers_are_told_where_they_show(
    values: Sequence[str], decimal: str, thousands: str
) -> None:
    found = infer(values)
    assert (found.type, found.note) == (NUMBER, "")
    assert found.forms[NUMBER] == ValueForm(decimal=decimal, thousands=thousands)


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["2026-01-31"], DateForm.ISO),
        (["2026/01/31"], DateForm.YEAR_FIRST_SLASH),
        (["31.1.2026"], DateForm.DAY_FIRST_DOT),
        (["1/2/2026", "31/1/2026"], DateForm.DAY_FIRST_SLASH),
        (["1/2/2026", "1/31/2026"], DateForm.MONTH_FIRST_SLASH),
        (["31-01-2026"], DateForm.DAY_FIRST_DASH),
    ],
)
@pytest.mark.parametrize(("time", "kind"), [("", DATE), (" 10:00", DATETIME), ("T10:00:59", DATETIME)])
def test_the_order_of_a_date_is_told_where_it_shows(
    values: Sequence[str], order: DateForm, time: str, kind: AttributeType
) -> None:
    found = infer([value + time for value in values])
    assert (found.type, found.forms[kind].date, found.note) == (kind, order, "")


@pytest.mark.parametrize("values", [["01/02/2026"], ["01/02/2026", "03/04/2026", ""], ["1/2/2026 10:00"]])
def test_a_date_of_which_day_and_month_may_be_either_is_noted(values: Sequence[str]) -> None:
    found = infer(values)
    assert found.forms[found.type].date is DateForm.DAY_FIRST_SLASH
    assert found.note == "may also be written otherwise: MM/DD/YYYY"


@pytest.mark.parametrize("values", [["01/01/2026"], ["02/02/2026", "12/12/2026"]])
def test_a_date_that_means_the_same_either_way_is_not_noted(values: Sequence[str]) -> None:
    assert infer(values).note == ""


@pytest.mark.parametrize(
    ("text", "other"), [("1.234", "decimal ',', thousands '.'"), ("1,234", "decimal '.', thousands ','")]
)
def test_a_mark_that_may_be_of_decimals_or_of_thousands_is_noted(text: str, other: str) -> None:
    found = infer([text])
    assert (found.type, found.forms[NUMBER].thousands) == (NUMBER, "")
    assert other in found.note


def test_of_forms_that_are_possible_only_those_are_noted_that_mean_something_else() -> None:
    assert infer(["1.234"]).note == "may also be written otherwise: decimal ',', thousands '.'"


@pytest.mark.parametrize("values", [["1"], ["1", "2", "300"]])
def test_numbers_that_mean_the_same_in_every_form_are_not_noted(values: Sequence[str]) -> None:
    assert infer(values).note == ""


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (["1", "2", "3", "x"], "mostly number (decimal '.', thousands ''), but for 'x'"),
        (["1,5", "2,5", "3,5", "n/a"], "mostly number (decimal ',', thousands ''), but for 'n/a'"),
        (["2026-01-01"] * 3 + ["soon"], "mostly date (YYYY-MM-DD), but for 'soon'"),
        (["1"] * 3 + ["x" * 30], f"mostly number (decimal '.', thousands ''), but for '{'x' * 20}'"),
        (["1", "2", "x"], ""),
        (["1", "2", "3", "007", "x"], ""),
        (["vip", "free"], ""),
    ],
)
def test_a_text_column_with_few_odd_values_is_noted(values: Sequence[str], note: str) -> None:
    found = infer(values)
    assert (found.type, found.note) == (STRING, note)


@pytest.mark.parametrize("values", [[], [""], [" ", "\t", "\u00a0"]])
def test_a_column_without_values_is_a_string_and_noted(values: Sequence[str]) -> None:
    found = infer(values)
    assert (found.type, found.samples, found.note) == (STRING, [], "the first rows have no value here")


def test_samples_are_the_first_values_that_differ() -> None:
    assert infer([" a ", "", "b", "a", "c", "d", "e", "f"]).samples == ["a", "b", "c", "d", "e"]


def test_a_column_has_for_each_type_the_form_that_most_values_have() -> None:
    forms = infer(["31.01.2026", "1.2.2026", "soon", "1.234,5", "7,5", "x"]).forms
    assert set(forms) == set(AttributeType)
    assert forms[DATE].date is forms[DATETIME].date is DateForm.DAY_FIRST_DOT
    assert forms[NUMBER] == ValueForm(decimal=",", thousands=".")


VALUES = st.lists(
    st.one_of(
        st.text(alphabet="0123456789.,-/ '", max_size=10),
        st.dates().map(str),
        st.dates().map(lambda day: f"{day.day}/{day.month}/{day.year:04}"),
        st.sampled_from(["yes", "no", "0", "1", "007", "x"]),
    ),
    max_size=5,
)


@given(values=VALUES)
def test_every_value_can_be_read_as_what_is_proposed(values: list[str]) -> None:
    found = infer(values)
    form = found.forms[found.type]
    for text in (value.strip() for value in values if value.strip()):
        plain = plain_text(found.type, text, form)
        assert plain is not None
        assert not isinstance(read_value(found.type, plain, form.separator), ValueProblem | None)
