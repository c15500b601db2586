"""What static lists can be called."""

from __future__ import annotations

import pytest

from enduser import limits
from enduser.core.lists import check_list_id, check_list_name
from enduser.errors import InvalidList

ID_MAX, NAME_MAX = limits.LIST_ID_CHARACTERS_MAX, limits.LIST_NAME_CHARACTERS_MAX


@pytest.mark.parametrize(
    "text",
    ["1000-abcd-9999", "a", "a/b", "Sales Department", "é", "é" * ID_MAX, "x" * (ID_MAX - 1), ".", "\u200b"],
)
def test_any_text_that_people_can_read_is_an_id_of_a_list(text: str) -> None:
    check_list_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " a",
        "a ",
        "a\u00a0",
        "x" * (ID_MAX + 1),
        "a\nb",
        "a\x00b",
        "a\x1fb",
        "a\x7fb",
        "a\x9fb",
        "a\u2028b",
        "a\udcffb",
    ],
)
def test_what_nobody_can_see_or_what_is_long_is_no_id_of_a_list(text: str) -> None:
    with pytest.raises(InvalidList, match="no list can have the id") as caught:
        check_list_id(text)
    assert caught.value.field == "id"
    assert caught.value.hint == (
        f"write 1 to {ID_MAX} characters (LIST_ID_CHARACTERS_MAX), "
        "without blanks around them and without control characters"
    )


@pytest.mark.parametrize("text", ["", "Sales Department", " x ", "x" * NAME_MAX, "x" * (NAME_MAX - 1)])
def test_a_name_is_a_text_for_people(text: str) -> None:
    check_list_name(text)


@pytest.mark.parametrize("text", ["x" * (NAME_MAX + 1), "a\nb", "\x07", "\udcff"])
def test_a_name_that_is_long_or_has_control_characters_is_refused(text: str) -> None:
    with pytest.raises(InvalidList, match="no list can have the name") as caught:
        check_list_name(text)
    assert caught.value.field == "name"
    assert caught.value.hint == (
        f"write at most {NAME_MAX} characters (LIST_NAME_CHARACTERS_MAX), without control characters"
    )
