"""Custom attributes: names, limits, and what a text means as a value."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.attributes import (
    API,
    FALSE_WORDS,
    MANUAL,
    SDK,
    TRUE_WORDS,
    Attribute,
    AttributeType,
    ConflictRule,
    ValueProblem,
    check_attribute,
    proposed_name,
    read_value,
)
from enduser.core.end_user import USER_COLUMNS
from enduser.errors import InvalidAttribute, LimitExceeded

STRING, NUMBER, LIST = AttributeType.STRING, AttributeType.NUMBER, AttributeType.LIST


def attribute(name: str = "plan", display_name: str = "", description: str = "") -> Attribute:
    return Attribute(name, STRING, display_name, description)


def refusal(wrong: Attribute, others: Collection[str] = ()) -> InvalidAttribute | LimitExceeded:
    with pytest.raises((InvalidAttribute, LimitExceeded)) as caught:
        check_attribute(wrong, others)
    return caught.value


# --- definitions


def test_a_new_attribute_has_the_documented_defaults() -> None:
    assert Attribute("plan", STRING) == Attribute(
        "plan",
        STRING,
        display_name="",
        description="",
        is_pii=False,
        sources=None,
        conflict_rule=ConflictRule.LATEST,
    )


@pytest.mark.parametrize(
    ("sources", "writers"),
    [
        (None, [MANUAL, API, "crm"]),
        ((), []),
        ((SDK,), [SDK]),
        ((MANUAL, "crm"), [MANUAL, "crm"]),
    ],
)
def test_all_sources_but_the_sdk_may_write_unless_they_are_named(
    sources: tuple[str, ...] | None, writers: list[str]
) -> None:
    limited = Attribute("plan", STRING, sources=sources)
    assert [one for one in (MANUAL, API, "crm", SDK) if limited.may_be_written_by(one)] == writers


@pytest.mark.parametrize("name", ["p", "_", "Plan", "a.b", "a..", "_1", "Z9_.z", "names", "user_ids"])
def test_a_name_has_letters_digits_underscores_and_dots(name: str) -> None:
    check_attribute(attribute(name), ())


@pytest.mark.parametrize("name", ["", "1a", ".a", "a b", " a", "a\n", "a-b", "größe", "a٣", "$a"])
def test_another_name_is_refused_with_what_a_name_has(name: str) -> None:
    told = refusal(attribute(name))
    assert (told.code, told.field, told.limit) == ("invalid_attribute", "name", None)
    assert (told.message, told.hint) == (
        f"{name!r} is no name of an attribute",
        "a name has letters, digits, _ and ., does not begin with a digit or a dot, and has at most "
        "64 characters (ATTRIBUTE_NAME_CHARACTERS_MAX)",
    )


@pytest.mark.parametrize("size", [limits.ATTRIBUTE_NAME_CHARACTERS_MAX - less for less in (0, 1)])
def test_a_name_is_as_long_as_the_limit(size: int) -> None:
    check_attribute(attribute("x" * size), ())


@pytest.mark.parametrize("size", [limits.ATTRIBUTE_NAME_CHARACTERS_MAX + more for more in (1, 2, 100)])
def test_a_longer_name_is_refused_and_shown_up_to_the_first_character_too_many(size: int) -> None:
    told = refusal(attribute("x" * size))
    assert told.message == f"'{'x' * (limits.ATTRIBUTE_NAME_CHARACTERS_MAX + 1)}' is no name of an attribute"


@pytest.mark.parametrize("name", USER_COLUMNS)
def test_what_every_end_user_object_has_is_no_custom_attribute_in_any_case(name: str) -> None:
    for written in (name, name.upper(), name.title()):
        told = refusal(attribute(written))
        assert (told.code, told.field) == ("invalid_attribute", "name")
        assert (told.message, told.hint) == (
            f"{written!r} cannot be a custom attribute: every End User Object has {name}",
            f"choose another name, such as custom_{written}",
        )


def test_a_name_that_is_proposed_in_place_of_a_reserved_one_is_free() -> None:
    assert refusal(attribute("city"), ["custom_city"]).hint == "choose another name, such as custom_city_2"


@pytest.mark.parametrize("reserved", ["user_id", "is_anonymous", "first_seen", "country", "name", "info"])
def test_ids_standard_attributes_and_analytics_properties_are_reserved(reserved: str) -> None:
    assert reserved in USER_COLUMNS


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("plan", "exists already"),
        ("Plan", "differs from 'plan' only by case"),
        ("PLAN", "differs from 'plan' only by case"),
    ],
)
def test_two_attributes_differ_by_more_than_case(name: str, differs: str) -> None:
    told = refusal(attribute(name), ["other", "plan"])
    assert (told.code, told.field, told.limit) == ("invalid_attribute", "name", None)
    assert (told.message, told.hint) == (
        f"the attribute {name!r} {differs}",
        f"choose another name, such as {name}_2; the attributes are listed by: enduser attributes list",
    )


@pytest.mark.parametrize(
    "count", [limits.ATTRIBUTES_MAX - 1, limits.ATTRIBUTES_MAX, limits.ATTRIBUTES_MAX + 1]
)
def test_there_are_as_many_attributes_as_the_limit_and_no_more(count: int) -> None:
    others = [f"a{number}" for number in range(count)]
    if count < limits.ATTRIBUTES_MAX:
        check_attribute(attribute(), others)
        return
    told = refusal(attribute(), others)
    assert (told.code, told.field, told.limit) == ("limit_exceeded", "name", limits.ATTRIBUTES_MAX)
    assert (told.message, told.hint) == (
        f"there are {count} attributes over all sources, so there is no place for another",
        "the limit is 100 (ATTRIBUTES_MAX); delete one that nobody needs: enduser attributes delete NAME",
    )


TEXTS = [
    ("display_name", limits.DISPLAY_NAME_CHARACTERS_MAX, "101", "100 (DISPLAY_NAME_CHARACTERS_MAX)"),
    ("description", limits.DESCRIPTION_CHARACTERS_MAX, "1,025", "1024 (DESCRIPTION_CHARACTERS_MAX)"),
]


@pytest.mark.parametrize(("field", "most", "size", "limit"), TEXTS)
def test_what_people_read_is_as_long_as_its_limit_and_no_longer(
    field: str, most: int, size: str, limit: str
) -> None:
    for fitting in (most - 1, most):
        check_attribute(attribute(**{field: "ü" * fitting}), ())
    told = refusal(attribute(**{field: "ü" * (most + 1)}))
    assert (told.code, told.field, told.limit) == ("limit_exceeded", field, most)
    assert (told.message, told.hint) == (f"a {field} cannot have {size} characters", f"the limit is {limit}")


# --- proposed names

LONG = "x" * limits.ATTRIBUTE_NAME_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("wanted", "others", "name"),
    [
        ("plan", [], "plan"),
        ("Plan name", [], "Plan_name"),
        ("a.b_c", [], "a.b_c"),
        (" Umsatz (EUR, netto) ", [], "Umsatz_EUR_netto"),
        ("größe", [], "gr_e"),
        ("$.Xx._", [], "Xx"),
        ("", [], "attribute"),
        ("東京", [], "attribute"),
        ("2nd_plan", [], "_2nd_plan"),
        ("name", [], "custom_name"),
        ("User-Id", [], "custom_User_Id"),
        ("plan", ["plan"], "plan_2"),
        ("plan", ["Plan", "PLAN_2"], "plan_3"),
        ("", ["attribute"], "attribute_2"),
        ("plan", [f"plan_{number}" for number in range(2, 10)] + ["plan"], "plan_10"),
        (LONG + "x", [], LONG),
        (LONG, [LONG], LONG[:-2] + "_2"),
        ("1" + LONG, [], "_1" + LONG[:-2]),
    ],
)
def test_a_proposed_name_is_near_to_the_one_that_is_wanted(wanted: str, others: list[str], name: str) -> None:
    assert proposed_name(wanted, others) == name


def test_the_tenth_of_a_long_name_is_as_long_as_the_limit() -> None:
    others = [LONG, *(f"{LONG[:-2]}_{number}" for number in range(2, 10))]
    assert proposed_name(LONG, others) == LONG[:-3] + "_10"


WANTED = st.one_of(
    st.text(max_size=4),
    st.text(alphabet="aA1_. ", max_size=4),
    st.sampled_from([*USER_COLUMNS, LONG, LONG + "y", "1" + LONG]),
)


@given(st.lists(WANTED, max_size=20))
def test_every_proposed_name_can_be_had(wanted: list[str]) -> None:
    names: list[str] = []
    for one in wanted:
        names.append(proposed_name(one, names))
        check_attribute(attribute(names[-1]), names[:-1])


# --- values

SEPARATOR = ";"
TABLE = json.loads((Path(__file__).parents[1] / "conformance" / "values.json").read_text(encoding="utf-8"))


def as_json(value: object) -> object:
    """Return a value as the table has it; its type counts, and so does the sign of a zero."""
    if isinstance(value, ValueProblem):
        return {"problem": value.value}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize(("name", "kind", "text", "value"), TABLE, ids=[case[0] for case in TABLE])
def test_a_text_means_what_the_table_says(name: str, kind: str, text: str, value: object) -> None:
    assert repr(as_json(read_value(AttributeType(kind), text, SEPARATOR))) == repr(value)


@pytest.mark.parametrize("size", [limits.VALUE_CHARACTERS_MAX + more for more in (-1, 0, 1)])
@pytest.mark.parametrize("around", ["", "  "])
def test_a_string_is_as_long_as_the_limit_without_the_blanks_around_it(size: int, around: str) -> None:
    text = "ü" * size
    right = text if size <= limits.VALUE_CHARACTERS_MAX else ValueProblem.TOO_LONG
    assert read_value(STRING, around + text + around, SEPARATOR) == right


@pytest.mark.parametrize("size", [limits.VALUE_CHARACTERS_MAX + more for more in (-1, 0, 1)])
def test_each_item_of_a_list_is_as_long_as_the_limit(size: int) -> None:
    text = "ü" * size
    right = ("a", text) if size <= limits.VALUE_CHARACTERS_MAX else ValueProblem.TOO_LONG
    assert read_value(LIST, f"a; {text} ", SEPARATOR) == right


@pytest.mark.parametrize("count", [limits.LIST_ITEMS_MAX + more for more in (-1, 0, 1)])
def test_a_list_has_as_many_distinct_items_as_the_limit(count: int) -> None:
    items = tuple(map(str, range(count)))
    right = items if count <= limits.LIST_ITEMS_MAX else ValueProblem.TOO_MANY_ITEMS
    assert read_value(LIST, SEPARATOR.join([*items, " ", *items]), SEPARATOR) == right


def test_of_a_list_that_has_too_many_items_and_too_long_ones_the_length_is_told() -> None:
    texts = ["x" * (limits.VALUE_CHARACTERS_MAX + 1), *map(str, range(limits.LIST_ITEMS_MAX))]
    assert read_value(LIST, SEPARATOR.join(texts), SEPARATOR) is ValueProblem.TOO_LONG


@pytest.mark.parametrize(
    ("separator", "items"), [(";", ("a,b|", "c")), (",", ("a", "b|;c")), ("|;", ("a,b", "c"))]
)
def test_the_separator_is_the_one_that_is_told(separator: str, items: tuple[str, ...]) -> None:
    assert read_value(LIST, "a,b|;c", separator) == items


@pytest.mark.parametrize("sign", ["", "+", "-"])
def test_a_number_is_as_great_as_the_limit_and_no_greater(sign: str) -> None:
    for size in (limits.NUMBER_MAX - 1, limits.NUMBER_MAX):
        assert read_value(NUMBER, f"{sign}{size}", SEPARATOR) == float(f"{sign}{size}")
    assert read_value(NUMBER, f"{sign}{limits.NUMBER_MAX + 2}", SEPARATOR) is ValueProblem.OUT_OF_RANGE


@pytest.mark.parametrize("word", [*TRUE_WORDS, *FALSE_WORDS])
def test_a_word_for_a_boolean_is_one_in_any_case(word: str) -> None:
    for text in (word, word.upper(), word.title()):
        assert read_value(AttributeType.BOOLEAN, text, SEPARATOR) is (word in TRUE_WORDS)


@pytest.mark.parametrize("code", [*range(9), *range(0x0E, 0x20), 0x0B, 0x0C, 0x7F, 0xD800, 0xDFFF])
def test_a_control_character_or_half_of_one_within_a_text_of_any_type_makes_it_invalid(code: int) -> None:
    found = {read_value(kind, f"a{chr(code)}b", SEPARATOR) for kind in AttributeType}
    assert found == {ValueProblem.INVALID_TEXT}


KINDS = st.sampled_from(AttributeType)
GIVEN = st.one_of(st.text(max_size=8), st.sampled_from([case[2] for case in TABLE]))
AROUND = st.text(alphabet=" \t\r\n\x1f\u00a0\u3000", max_size=3)


@given(KINDS, GIVEN, AROUND, AROUND)
def test_blanks_around_a_text_do_not_count(kind: AttributeType, text: str, before: str, after: str) -> None:
    assert read_value(kind, before + text + after, SEPARATOR) == read_value(kind, text, SEPARATOR)


@given(GIVEN)
def test_a_string_that_was_read_is_read_as_itself(text: str) -> None:
    value = read_value(STRING, text, SEPARATOR)
    assert value is None or isinstance(value, ValueProblem) or read_value(STRING, value, SEPARATOR) == value


@given(st.lists(st.text(alphabet="abc \u3000,", max_size=3), max_size=6))
def test_a_list_has_what_is_no_blank_once_and_in_order(texts: list[str]) -> None:
    found = read_value(LIST, SEPARATOR.join(texts), SEPARATOR) or ()
    trimmed = [text.strip() for text in texts]
    assert isinstance(found, tuple)
    assert list(found) == sorted(set(trimmed) - {""}, key=trimmed.index)


@given(st.floats(-limits.NUMBER_MAX, limits.NUMBER_MAX))
def test_a_number_is_read_as_it_is_written(number: float) -> None:
    assert read_value(NUMBER, repr(number), SEPARATOR) == number


@given(st.dates())
def test_a_date_is_read_as_it_is_written(day: date) -> None:
    assert read_value(AttributeType.DATE, str(day), SEPARATOR) == str(day)
