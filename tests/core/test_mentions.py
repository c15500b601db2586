"""Texts that name somebody: by a whole word."""

from __future__ import annotations

from typing import Any

import pytest

from enduser.core.mentions import Mentions


@pytest.mark.parametrize(
    ("text", "is_named"),
    [
        ("adam", True),
        ("for adam, eve", True),
        ("/users/adam/", True),
        ('"adam"', True),
        ("(adam)", True),
        ("adam\n", True),
        ("", False),
        ("Adam", False),
        ("ada", False),
        ("adams", False),
        ("madam", False),
        ("adam.br", False),
        ("a.adam", False),
        ("adam_1", False),
        ("1adam", False),
        ("adam@example.com", False),
        ("adam%20", False),
        ("adam+x", False),
        ("x-adam", False),
        ("adamé", False),
        ("éadam", False),
        ("adam\U0010ffff", False),
        ("adams adam", True),
        ("adam.csv", True),
        ("of/adam.csv.gz, eve", True),
        ("adam.csvs", False),
        ("adam.csv.1", False),
        ("adam.", False),
        ("a+b", True),
        ("aab", False),
        ("李", True),
        ("李四", False),
    ],
)
def test_an_id_is_a_word_of_its_own(text: str, is_named: bool) -> None:
    assert Mentions(["adam", "a+b", "李"]).are_in(text) is is_named


@pytest.mark.parametrize("ids", [["a", "a b"], ["a b", "a"]])
def test_of_an_id_and_a_longer_one_either_is_found(ids: list[str]) -> None:
    assert Mentions(ids).are_in("x a b x")
    assert Mentions(ids).are_in("x a x")
    assert Mentions(ids).ids == tuple(ids)


@pytest.mark.parametrize(
    ("value", "is_named"),
    [
        ({"rules": [{"field": "user_id", "value": "adam"}]}, True),
        ({"rules": [{"field": "user_id", "values": ["eve", ["adam"]]}]}, True),
        ({"adam": 1}, True),
        (("eve", "adam"), True),
        ({"user_id": "adams", "n": 1, "none": None, "is": True}, False),
        (None, False),
        (b"adam", False),
        ([], False),
    ],
)
def test_a_json_value_names_whom_a_text_in_it_names(value: Any, is_named: bool) -> None:
    assert Mentions(["adam"]).are_in(value) is is_named
