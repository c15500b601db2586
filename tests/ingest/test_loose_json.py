"""JSON that a strict decoder gives up is taken apart as a strict one would, where that can be compared."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enduser.ingest.loose_json import is_deeper, split_batch

MANY = 1_000
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(VALUES), st.dictionaries(st.text(max_size=5), VALUES, max_size=3), st.sampled_from([None, 1]))
def test_a_good_batch_falls_into_its_elements(batch: list, others: dict, indent: int | None) -> None:
    others.pop("batch", None)
    body = json.dumps({**others, "batch": batch, **others}, indent=indent).encode()
    split = split_batch(body, MANY)
    assert split is not None
    assert [json.loads(element) for element in split[1]] == batch
    assert json.loads(split[0]) == {**others, "batch": []}


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        (rb'{"batch":[{"a":"\ud800"},{"a":"\""}]}', [rb'{"a":"\ud800"}', rb'{"a":"\""}']),
        (b'{"batch":[{"a":1,},{"b":tru},,3]}', [b'{"a":1,}', b'{"b":tru}', b"", b"3"]),
        (b'{"x":{"batch":[1]},"batch" : [ 2 ]}', [b"2"]),
        (b'{"x":"\\"batch\\":[","batch":[2]}', [b"2"]),
        (b'{"batch":[]}', []),
    ],
)
def test_bad_elements_are_told_apart_from_good_ones(body: bytes, elements: list[bytes]) -> None:
    split = split_batch(body, MANY)
    assert split is not None
    assert split[1] == elements


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"batch":1}',
        b'{"batch":{"a":[1]}}',
        b'{"batch":[1,2',
        b'{"batch":["a]}',
        b'{"x":[1]}',
    ],
)
def test_without_a_whole_batch_there_is_nothing_to_split(body: bytes) -> None:
    assert split_batch(body, MANY) is None


def test_elements_after_one_too_many_are_not_looked_at() -> None:
    split = split_batch(b'{"batch":[' + b"1," * 10 + b"]}", 3)
    assert split == (b'{"batch":[]}', [b"1"] * 4)


@pytest.mark.parametrize("bad", [b"[" * 250_000 + b"]" * 250_000, b"[" + b"[]," * 150_000 + b"1]"])
def test_what_is_all_brackets_is_not_looked_at_to_its_end(bad: bytes) -> None:
    assert split_batch(b'{"batch":[1,' + bad + b"]}", MANY) is None


def test_brackets_of_any_real_message_are_looked_at() -> None:
    deep = b"[" * 20_000 + b"]" * 20_000
    assert split_batch(b'{"batch":[1,' + deep + b"]}", MANY) == (b'{"batch":[]}', [b"1", deep])


@pytest.mark.parametrize("open_and_close", ["[]", "{}"])
@pytest.mark.parametrize(("depth", "is_too_deep"), [(3, False), (4, False), (5, True), (2_000, True)])
def test_depth_is_counted_in_objects_and_lists(open_and_close: str, depth: int, is_too_deep: bool) -> None:
    start = '{"a":' if open_and_close == "{}" else "["
    value = f"{start * (depth - 1)}{open_and_close}{open_and_close[1] * (depth - 1)}"
    assert is_deeper(value.encode(), 4) is is_too_deep


def test_a_value_may_be_as_deep_as_the_limit_however_wide_it_is() -> None:
    assert not is_deeper(b'[[],{"a":[[]]},{},{},[]]', 4)


def test_neither_brackets_in_text_nor_those_side_by_side_are_depth() -> None:
    assert not is_deeper(b'{"a":"[[[[[\\"{{{{","b":[[],[],[],[],[]]}', 4)
