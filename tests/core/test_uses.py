"""Who names something, and what would be broken by a change."""

from __future__ import annotations

import pytest

from enduser import limits
from enduser.core.uses import BrokenUse, Use, require_unbroken, require_unused
from enduser.errors import InUse


def test_what_uses_something_is_named_with_its_space() -> None:
    require_unused([], "the list 'x'")
    use = Use(kind="content", id="banner", name="A banner")
    with pytest.raises(InUse) as caught:
        require_unused([("acme/test", use)], "the list 'x'")
    assert caught.value.message == "the list 'x' is used by: content 'banner' (A banner) in acme/test"
    assert caught.value.hint == "change or archive those first"


@pytest.mark.parametrize(
    ("more", "told"), [(-1, ""), (0, ""), (1, " and 1 more"), (1_000, " and 1,000 more")]
)
def test_the_first_that_use_something_are_named_and_the_others_counted(more: int, told: str) -> None:
    count = limits.USES_NAMED_MAX + more
    use = Use(kind="segment", id="a", name="A")
    with pytest.raises(InUse) as caught:
        require_unused([("s/e", use)] * count, "x")
    named = ", ".join(["segment 'a' (A) in s/e"] * min(count, limits.USES_NAMED_MAX))
    assert caught.value.message == f"x is used by: {named}{told}"


def test_what_would_be_broken_is_named_with_the_reason() -> None:
    require_unbroken([], "x")
    broken = BrokenUse(space="acme/test", id="a", name="A", reason="rules[0].value: it is no number")
    with pytest.raises(InUse) as caught:
        require_unbroken([broken, broken], "'seats' cannot be a string")
    told = "the segment 'a' (A) in acme/test: rules[0].value: it is no number"
    assert caught.value.message == (
        f"'seats' cannot be a string: rules would not be right any more, of {told}; {told}"
    )
    assert caught.value.hint == "change or archive those first"
