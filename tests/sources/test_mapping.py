"""Mappings of columns: proposed from a header, and checked against the attributes that are there."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.value_forms import DateForm, ValueForm
from enduser.errors import InvalidMapping
from enduser.sources.inferring import infer
from enduser.sources.mapping import (
    ColumnMapping,
    Flag,
    SourceMapping,
    Wish,
    flags,
    propose,
    require_no_flags,
)

ALL = Wish()
STRING, NUMBER, DATE = AttributeType.STRING, AttributeType.NUMBER, AttributeType.DATE


def proposed(
    *names: str, values: Sequence[str] = ("x",), there: Collection[Attribute] = (), wish: Wish = ALL
) -> SourceMapping:
    """Return what is proposed for columns that all hold the same values."""
    return propose({name: infer(values) for name in names}, there, wish)


def attributes(mapping: SourceMapping) -> list[str]:
    return [one.attribute for one in mapping.columns]


# --- proposals


def test_every_column_but_the_identifier_is_taken_as_it_seems() -> None:
    columns = {"user_id": infer(["u1"]), "plan": infer(["vip"]), "born": infer(["31.1.2000"])}
    assert propose(columns, []) == SourceMapping(
        "user_id",
        (
            ColumnMapping("plan", "plan", STRING, ValueForm()),
            ColumnMapping("born", "born", DATE, ValueForm(date=DateForm.DAY_FIRST_DOT)),
        ),
    )


@pytest.mark.parametrize(
    ("names", "identifier"),
    [
        (["plan", "user_id"], "user_id"),
        (["id", "userId"], "userId"),
        (["E-Mail", "Customer ID", "plan"], "Customer ID"),
        (["email_address", "name"], "email_address"),
        (["Mail", "Login"], "Login"),
        (["ID", "id"], "ID"),
        (["email", "id", "uid", "user"], "user"),
        (["external-id", "mail"], "external-id"),
    ],
)
def test_the_identifier_is_the_column_that_is_likeliest_called_so(
    names: Sequence[str], identifier: str
) -> None:
    mapping = proposed(*names)
    assert mapping.identifier == identifier
    assert [one.column for one in mapping.columns] == [name for name in names if name != identifier]


@pytest.mark.parametrize("names", [["plan", "seats"], ["paid", "userids"], ["Kunde"]])
def test_where_no_column_looks_like_an_identifier_one_must_be_named(names: Sequence[str]) -> None:
    with pytest.raises(InvalidMapping, match="no column looks like the id of a user") as raised:
        proposed(*names)
    assert raised.value.hint == f"name one of: {', '.join(names)}"
    assert proposed(*names, wish=Wish(identifier=names[0])).identifier == names[0]


@pytest.mark.parametrize(
    ("column", "attribute"),
    [
        ("plan", "plan"),
        ("Plan", "Plan"),
        ("country", "custom_country"),
        ("Country", "custom_Country"),
        ("name", "custom_name"),
        ("first_seen", "custom_first_seen"),
        ("is_anonymous", "custom_is_anonymous"),
        ("first name", "first_name"),
        ("Größe (cm)", "Gr_e_cm"),
        ("2fa", "_2fa"),
        ("a.b", "a.b"),
        ("你好", "attribute"),
        ("x" * 80, "x" * limits.ATTRIBUTE_NAME_CHARACTERS_MAX),
    ],
)
def test_a_new_attribute_is_called_as_its_column_or_as_near_as_can_be(column: str, attribute: str) -> None:
    assert attributes(proposed("id", column)) == [attribute]


def test_every_name_that_is_reserved_becomes_one_that_is_not() -> None:
    mapping = proposed("id", *USER_COLUMNS)
    assert list(flags(mapping, "crm", ["id", *USER_COLUMNS], [])) == []


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["first name", "first_name"], ["first_name", "first_name_2"]),
        (["plan", "Plan"], ["plan", "Plan_2"]),
        (["你好", "世界"], ["attribute", "attribute_2"]),
        (["country", "custom_country"], ["custom_country", "custom_country_2"]),
    ],
)
def test_columns_that_would_be_called_the_same_are_proposed_as_different_attributes(
    columns: Sequence[str], names: Sequence[str]
) -> None:
    assert attributes(proposed("id", *columns)) == names


@pytest.mark.parametrize(
    ("column", "there"),
    [("plan", "plan"), ("Plan", "plan"), ("plan", "Plan"), ("first name", "First_Name")],
)
def test_an_attribute_that_is_there_is_taken_with_its_type(column: str, there: str) -> None:
    mapping = proposed("id", column, values=["1,5"], there=[Attribute(there, NUMBER)])
    assert mapping.columns == (ColumnMapping(column, there, NUMBER, ValueForm(decimal=",")),)


def test_an_attribute_that_a_reserved_name_became_is_found_again() -> None:
    there = [Attribute("custom_country", STRING)]
    assert attributes(proposed("id", "Country", there=there)) == ["custom_country"]


def test_the_form_is_that_of_the_type_that_the_attribute_has() -> None:
    there = [Attribute("seats", NUMBER), Attribute("since", DATE)]
    mapping = proposed("id", "seats", "since", values=["1,5", "31.1.2000", "none"], there=there)
    assert [one.form for one in mapping.columns] == [
        ValueForm(decimal=","),
        ValueForm(date=DateForm.DAY_FIRST_DOT),
    ]


# --- wishes


def test_a_wish_names_the_identifier_and_then_others_are_taken() -> None:
    mapping = proposed("user_id", "email", wish=Wish(identifier="email"))
    assert (mapping.identifier, attributes(mapping)) == ("email", ["custom_user_id"])


def test_a_wish_names_columns_attributes_and_types_and_only_those_are_taken() -> None:
    taken = {"b": ("tier", None), "a": (None, NUMBER)}
    mapping = proposed("id", "a", "b", "c", wish=Wish(taken=taken))
    assert [(one.column, one.attribute, one.type) for one in mapping.columns] == [
        ("b", "tier", STRING),
        ("a", "a", NUMBER),
    ]


@pytest.mark.parametrize("wish", [Wish(taken={"id": (None, None)}), Wish(left_out=["id"])])
def test_the_column_of_ids_is_no_attribute_and_cannot_be_left_out(wish: Wish) -> None:
    with pytest.raises(InvalidMapping, match="'id' has the ids of users") as raised:
        proposed("id", "a", wish=wish)
    assert raised.value.field == "id"


def test_a_wished_form_is_that_of_all_columns() -> None:
    wish = Wish(form={"date": DateForm.MONTH_FIRST_SLASH, "decimal": ","})
    forms = [one.form for one in proposed("id", "a", "b", wish=wish).columns]
    assert [(one.date, one.decimal, one.separator) for one in forms] == [("%m/%d/%Y", ",", ";")] * 2


def test_a_column_of_an_attribute_that_the_source_may_not_write_is_flagged() -> None:
    there = [Attribute("a", STRING, sources=("manual", "erp")), Attribute("b", STRING, sources=("crm",))]
    mapping = proposed("id", "a", "b", there=there)
    (flag,) = flags(mapping, "crm", ["id", "a", "b"], there)
    assert (flag.column, "may not be written by the source crm" in flag.problem) == ("a", True)


def test_a_wish_leaves_columns_out() -> None:
    assert attributes(proposed("id", "a", "b", "c", wish=Wish(left_out=["b"]))) == ["a", "c"]


def test_a_wished_name_stands_as_it_is_and_its_attribute_says_the_type() -> None:
    wish = Wish(taken={"a": ("country", None), "b": ("seats", None)})
    mapping = proposed("id", "a", "b", wish=wish, there=[Attribute("seats", NUMBER)])
    assert [(one.attribute, one.type) for one in mapping.columns] == [("country", STRING), ("seats", NUMBER)]


@pytest.mark.parametrize(
    "wish",
    [
        Wish(identifier="gone"),
        Wish(taken={"a": (None, None), "gone": (None, None)}),
        Wish(left_out=["gone"]),
    ],
)
def test_a_wish_for_a_column_that_is_not_there_is_an_error(wish: Wish) -> None:
    with pytest.raises(InvalidMapping, match="the file has no column 'gone'") as raised:
        proposed("id", "a", wish=wish)
    assert (raised.value.hint, raised.value.field) == ("name one of: id, a", "gone")


# --- flags


def mapping_of(*columns: ColumnMapping, effective_at: str | None = None) -> SourceMapping:
    return SourceMapping("id", columns, effective_at=effective_at)


def one(column: str, attribute: str, kind: AttributeType = STRING) -> ColumnMapping:
    return ColumnMapping(column, attribute, kind)


THERE = [Attribute("seats", NUMBER), Attribute("Tier", STRING)]


@pytest.mark.parametrize(
    "mapping",
    [
        mapping_of(one("a", "plan")),
        mapping_of(one("a", "seats", NUMBER), one("b", "Tier")),
        mapping_of(one("a", "plan"), effective_at="b"),
        mapping_of(one("id", "number")),
        mapping_of(one("a", "x"), one("a", "y", NUMBER)),
    ],
)
def test_a_mapping_that_can_be_has_no_flags(mapping: SourceMapping) -> None:
    assert list(flags(mapping, "crm", ["id", "a", "b"], THERE)) == []


@pytest.mark.parametrize(
    ("mapping", "column", "problem"),
    [
        (mapping_of(one("gone", "x")), "gone", "the file has no such column"),
        (mapping_of(one("a", "x"), effective_at="gone"), "gone", "the file has no such column"),
        (SourceMapping("gone", (one("a", "x"),)), "gone", "the file has no such column"),
        (mapping_of(), "id", "no other column is taken"),
        (mapping_of(one("a", "x"), one("b", "x")), "b", "another column is 'x' too"),
        (mapping_of(one("a", "Tier"), one("b", "Tier")), "b", "another column is 'Tier' too"),
        (mapping_of(one("a", "x"), one("b", "X")), "b", "the attribute 'X' differs from 'x' only by case"),
        (mapping_of(one("a", "seats")), "a", "seats is a number, not a string"),
        (mapping_of(one("a", "Tier", DATE)), "a", "Tier is a string, not a date"),
        (mapping_of(one("a", "tier")), "a", "the attribute 'tier' differs from 'Tier' only by case"),
        (mapping_of(one("a", "1st")), "a", "'1st' is no name of an attribute"),
        (mapping_of(one("a", "")), "a", "'' is no name of an attribute"),
        (
            mapping_of(one("a", "country")),
            "a",
            "'country' cannot be a custom attribute: every End User Object has country",
        ),
    ],
)
def test_what_is_wrong_with_a_mapping_is_flagged_with_what_to_do(
    mapping: SourceMapping, column: str, problem: str
) -> None:
    (flag,) = flags(mapping, "crm", ["id", "a", "b"], THERE)
    assert (flag.column, flag.problem) == (column, problem)
    assert flag.hint


def test_everything_that_is_wrong_is_flagged() -> None:
    mapping = mapping_of(one("gone", "country"), one("a", "seats"), effective_at="lost")
    found = list(flags(mapping, "crm", ["id", "a"], THERE))
    assert [flag.column for flag in found] == ["lost", "gone", "gone", "a"]
    assert found[0].hint == "it has: id, a"


@pytest.mark.parametrize("there", [0, 1, 60, limits.ATTRIBUTES_MAX - 1, limits.ATTRIBUTES_MAX])
@pytest.mark.parametrize("taken_again", [False, True])
def test_new_attributes_are_taken_up_to_the_limit_and_flagged_above(there: int, taken_again: bool) -> None:
    known = [Attribute(f"old_{n}", STRING) for n in range(there)]
    again = [one(f"o{n}", f"old_{n}") for n in range(there)] if taken_again else []
    new = [one(f"n{n}", f"new_{n}") for n in range(limits.ATTRIBUTES_MAX - there + 1)]
    mapping = mapping_of(*again, *new)
    (flag,) = flags(mapping, "crm", ["id", *(column.column for column in mapping.columns)], known)
    assert flag.column == new[-1].column
    assert "no place for another" in flag.problem


def test_no_flag_is_no_error() -> None:
    require_no_flags([])


@pytest.mark.parametrize(("more", "ending"), [(0, ": it is odd"), (2, r": it is odd \(and 2 more\)")])
def test_flags_are_an_error_that_says_the_first_and_how_many_more(more: int, ending: str) -> None:
    found = [Flag("a" * 100, "it is odd", "mend it"), *[Flag("b", "it is even", "let it")] * more]
    with pytest.raises(InvalidMapping, match=f"the column '{'a' * 100}' cannot be mapped{ending}$") as raised:
        require_no_flags(found)
    assert raised.value.hint == "mend it"
    assert raised.value.field == "a" * limits.ATTRIBUTE_NAME_CHARACTERS_MAX


NAMES = st.lists(
    st.one_of(st.text(alphabet="aAbé _.1", min_size=1, max_size=4), st.sampled_from(USER_COLUMNS)),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(names=NAMES, there=NAMES)
def test_what_is_proposed_has_no_flags(names: list[str], there: list[str]) -> None:
    # Of names that cannot be, or differ only by case, there are no attributes.
    known = [
        Attribute(name, NUMBER)
        for name in {name.lower(): name for name in there}.values()
        if name not in USER_COLUMNS and name.isidentifier() and name.isascii()
    ]
    columns = ["the id", *names]
    mapping = proposed(*columns, there=known, wish=Wish(identifier="the id"))
    assert list(flags(mapping, "crm", columns, known)) == []
