"""An explained rule as lines for people."""

from __future__ import annotations

from typing import Any

import pytest

from enduser.cli.rule_tree import tree

AT = "2026-03-01T10:00:00.123456Z"


def lines(node: dict[str, Any], **more: Any) -> list[str]:
    """Return the lines of a node, without the one of its segment."""
    said = {"holds": True, "turns_at": None, **node}
    segment = {"id": "a", "name": "A", "holds": True, "turns_at": None, "explanation": said, **more}
    _, *found = tree(segment)
    return found


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ({"field": "plan", "operator": "is", "value": "vip"}, 'plan is "vip"'),
        (
            {"field": "plan", "operator": "in", "value": ["a", "b"], "ignore_case": True},
            'plan in ["a", "b"] in any case',
        ),
        ({"field": "plan", "operator": "unknown", "value": None}, "plan unknown"),
        ({"field": "x", "operator": "in_last", "value": {"n": 7, "unit": "day"}}, "x in_last 7 day"),
        ({"kind": "segment", "id": "vips"}, "in the segment vips"),
        ({"kind": "list", "id": "staff\x1b[31m"}, "in the list staff\\x1b[31m"),
        ({"kind": "session"}, "sessions"),
        (
            {
                "kind": "session",
                "count": {"operator": "between", "value": [2, 5]},
                "window": {"from": {"n": 60, "unit": "day"}, "to": {"n": 1, "unit": "month"}},
            },
            "sessions between [2, 5] (from 60 day to 1 month ago)",
        ),
        (
            {
                "kind": "event",
                "name": "Checkout",
                "not": True,
                "rules": [{"field": "type", "operator": "known"}],
            },
            'events named Checkout with {"not": true, "rules": [{"field": "type", "operator": "known"}]}',
        ),
        (
            {"kind": "changed", "field": "plan", "from": {"unknown": True}, "to": "vip"},
            'changes of plan from {"unknown": true} to "vip"',
        ),
        ({"combinator": "and", "rules": []}, "everyone"),
        ({"combinator": "or", "not": True, "rules": []}, "nobody"),
    ],
)
def test_a_node_is_said_in_words(node: dict[str, Any], line: str) -> None:
    assert lines(node) == [f"  ✓ {line}"]


@pytest.mark.parametrize(
    ("combinator", "is_not", "words"),
    [("and", False, "all of"), ("or", False, "one of"), ("and", True, "not all of"), ("or", True, "none of")],
)
def test_groups_have_their_parts_below_them(combinator: str, is_not: bool, words: str) -> None:
    part = {"field": "plan", "operator": "known", "holds": False, "turns_at": None}
    inner = {"combinator": "or", "rules": [part], "holds": False, "turns_at": None}
    group = {"combinator": combinator, "not": is_not, "rules": [inner, part]}
    assert lines(group) == [
        f"  ✓ {words}",
        "    ✗ one of",
        "      ✗ plan known",
        "    ✗ plan known",
    ]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"found": None}, ": unknown"),
        ({"found": "vip"}, ': "vip"'),
        (
            {"found": 5.0, "source": "crm", "effective_at": AT},
            ": 5.0 (crm, since 2026-03-01 10:00:00 UTC)",
        ),
        ({"found": 3, "last_at": AT}, ": 3, the last at 2026-03-01 10:00:00 UTC"),
        ({"found": 0, "last_at": None}, ": 0"),
        ({"found": "x", "turns_at": AT}, ': "x"; turns at 2026-03-01 10:00:00 UTC'),
    ],
)
def test_what_was_found_and_when_it_turns_stands_behind_a_condition(found: dict[str, Any], told: str) -> None:
    assert lines({"field": "plan", "operator": "known", **found}) == [f"  ✓ plan known{told}"]


def test_the_segment_stands_above_its_rule() -> None:
    node = {"combinator": "and", "rules": [], "holds": False, "turns_at": None}
    segment = {"id": "vips", "name": "V\x07", "holds": False, "turns_at": AT, "explanation": node}
    assert next(tree(segment)) == "✗ vips (V\\x07); turns at 2026-03-01 10:00:00 UTC"
