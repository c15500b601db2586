"""What is no rule is refused, and the node that is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from rule_cases import TYPES, rows_of
from rule_persons import vocabulary

from enduser.core.rules.reading import read_rule
from enduser.errors import InvalidRule, RuleTooLarge

REFUSED = rows_of("refused")


@pytest.mark.parametrize("case", REFUSED, ids=[case["case"] for case in REFUSED])
def test_what_cannot_be_is_refused_with_its_node(case: Mapping[str, Any]) -> None:
    words = vocabulary(TYPES, segments=case.get("segments"))
    with pytest.raises((InvalidRule, RuleTooLarge)) as refused:
        read_rule(case["rule"], words)
    assert (refused.value.code, refused.value.field) == (case["code"], case["node"])
    assert refused.value.hint
