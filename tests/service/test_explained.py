"""An explanation says who says a value only if it is the value that was looked at."""

from __future__ import annotations

from typing import Any

import pytest

from enduser.core.attributes import Attribute, AttributeType, Value
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.events import UserId
from enduser.core.rules.explaining import Verdict
from enduser.service.explained import explanation_json
from enduser.service.provenance import Said

KINDS = {"plan": AttributeType.STRING, "signed_at": AttributeType.DATETIME, "tags": AttributeType.LIST}
SAID = Said({name: Attribute(name, kind) for name, kind in KINDS.items()}, {}, SourceOrder(["crm"]))
SINCE = "2026-01-01T00:00:00.000000Z"


def found(name: str, looked_at: Any, said: Value | None) -> dict[str, Any]:
    """Return what stands at a condition, by what it looked at, and what is said of the attribute now."""
    user = UserId("adam", is_anonymous=False)
    held = {name: Candidate(said, 1_767_225_600_000_000, "crm", 7, 1, user)} if said is not None else {}
    verdict = Verdict({"field": name, "operator": "known"}, holds=True, turns_at=None, found=looked_at)
    told = explanation_json(verdict, SAID, held)
    return {key: told[key] for key in told.keys() & {"found", "source", "effective_at"}}


@pytest.mark.parametrize(
    ("name", "looked_at", "said", "shown"),
    [
        ("plan", "vip", "vip", "vip"),
        ("signed_at", 1_767_225_600_000_001, 1_767_225_600_000_001, "2026-01-01T00:00:00.000001Z"),
        ("tags", ["a", "b"], ("a", "b"), ["a", "b"]),
    ],
)
def test_the_source_of_the_value_that_was_looked_at_is_named(
    name: str, looked_at: Any, said: Value, shown: object
) -> None:
    assert found(name, looked_at, said) == {"found": shown, "source": "crm", "effective_at": SINCE}


@pytest.mark.parametrize(("looked_at", "said"), [("vip", "free"), ("vip", None), (None, "vip"), (None, None)])
def test_of_a_value_that_changed_meanwhile_nobody_is_named(looked_at: str | None, said: str | None) -> None:
    assert found("plan", looked_at, said) == {"found": looked_at}


def test_of_what_every_object_has_nobody_is_named() -> None:
    assert found("first_seen", 0, None) == {"found": "1970-01-01T00:00:00.000000Z"}
    assert found("first_seen", None, None) == {"found": None}
    assert found("total_sessions", 5, None) == {"found": 5}
