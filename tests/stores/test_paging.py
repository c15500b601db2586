"""Places in a list as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.errors import InvalidCursor
from enduser.stores.paging import Place, cursor_behind, place_of

INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(*(v.map(lambda x: (x, type(x))) for v in (INTEGERS, FLOATS, st.booleans(), st.text())))


@given(value=VALUES, user_id=st.text(), is_anonymous=st.booleans(), sign=st.sampled_from(["", "-"]))
def test_a_cursor_names_the_place_that_it_was_made_of(
    value: tuple[object, type], user_id: str, is_anonymous: bool, sign: str
) -> None:
    row = {"score": value[0], "user_id": user_id, "is_anonymous": is_anonymous}
    cursor = cursor_behind(row, f"{sign}score")
    assert cursor.replace("-", "").replace("_", "").isalnum()
    place = place_of(cursor, f"{sign}score", value[1])
    assert place == Place(f"{sign}score", value[0], user_id, is_anonymous)  # type: ignore[arg-type]
    assert type(place.value) is value[1]


def test_a_place_behind_an_unknown_value_fits_every_kind() -> None:
    cursor = cursor_behind({"score": None, "user_id": "u", "is_anonymous": False}, "score")
    assert {place_of(cursor, "score", kind).value for kind in (int, float, str, bool)} == {None}


@given(text=st.one_of(st.text(), st.binary().map(lambda b: b.decode("latin-1"))))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        place_of(text, "score", int)
