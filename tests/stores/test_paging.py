"""Places in a list as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.errors import InvalidCursor
from enduser.stores.paging import cursor_behind, values_behind

INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(*(v.map(lambda x: (x, type(x))) for v in (INTEGERS, FLOATS, st.booleans(), st.text())))


@given(values=st.lists(VALUES, min_size=1, max_size=6), sign=st.sampled_from(["", "-"]))
def test_a_cursor_names_the_place_that_it_was_made_of(values: list[tuple[object, type]], sign: str) -> None:
    kinds = [kind for _, kind in values]
    cursor = cursor_behind([value for value, _ in values], f"{sign}score")
    assert cursor.replace("-", "").replace("_", "").isalnum()
    found = values_behind(cursor, f"{sign}score", kinds)
    assert [(value, type(value)) for value in found] == values


def test_only_the_first_value_of_a_place_can_be_unknown() -> None:
    cursor = cursor_behind([None, "u"], "score")
    assert [list(values_behind(cursor, "score", (kind, str))) for kind in (int, float)] == [[None, "u"]] * 2
    for values, kinds in [(["u", None], (str, str)), ([None], (int, str)), ([None, "u", "v"], (int, str))]:
        with pytest.raises(InvalidCursor):
            values_behind(cursor_behind(values, "score"), "score", kinds)


@given(text=st.one_of(st.text(), st.binary().map(lambda b: b.decode("latin-1"))))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        values_behind(text, "score", (int,))
