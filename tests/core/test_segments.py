"""What people say of a segment, and who uses it."""

from __future__ import annotations

from typing import Any

import pytest

from enduser import limits
from enduser.core.segments import (
    EVERYONE,
    BrokenSegment,
    Segment,
    SegmentUse,
    check_segment,
    require_unbroken,
    require_unused,
)
from enduser.errors import InUse, InvalidSegment


def check(**said: Any) -> None:
    check_segment(Segment(**{"id": "vips", "name": "VIPs", "rule": EVERYONE, **said}))


@pytest.mark.parametrize("segment_id", ["a", "A-1", "1_x", "x" * limits.SEGMENT_ID_CHARACTERS_MAX])
def test_an_id_has_letters_digits_and_lines(segment_id: str) -> None:
    check(id=segment_id)


@pytest.mark.parametrize(
    "segment_id", ["", "-a", "_a", "a b", "a/b", "é", "a\n", "x" * (limits.SEGMENT_ID_CHARACTERS_MAX + 1)]
)
def test_another_id_is_refused(segment_id: str) -> None:
    with pytest.raises(InvalidSegment) as caught:
        check(id=segment_id)
    assert caught.value.field == "id"


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("name", limits.SEGMENT_NAME_CHARACTERS_MAX),
        ("description", limits.DESCRIPTION_CHARACTERS_MAX),
        ("tags", limits.SEGMENT_TAG_CHARACTERS_MAX),
    ],
)
def test_a_text_is_as_long_as_its_limit(name: str, limit: int) -> None:
    for length, is_good in ((limit - 1, True), (limit, True), (limit + 1, False)):
        text = "é" * length
        said = {name: [text] if name == "tags" else text}
        if is_good:
            check(**said)
            continue
        with pytest.raises(InvalidSegment) as caught:
            check(**said)
        assert (caught.value.field, caught.value.limit) == (name, limit)


def test_a_segment_has_as_many_tags_as_the_limit() -> None:
    tags = [f"t{number}" for number in range(limits.SEGMENT_TAGS_MAX)]
    check(tags=tags[1:])
    check(tags=tags)
    with pytest.raises(InvalidSegment) as caught:
        check(tags=[*tags, "more"])
    assert (caught.value.field, caught.value.limit) == ("tags", limits.SEGMENT_TAGS_MAX)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"name": "a\u2028b"}, "name"),
        ({"description": "a\x1b[31m"}, "description"),
        ({"tags": ["a", " "]}, "tags"),
        ({"tags": ["a\x07"]}, "tags"),
        ({"name": "\ud800"}, "name"),
    ],
)
def test_what_nobody_could_read_is_refused(said: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidSegment) as caught:
        check(**said)
    assert caught.value.field == field


def test_a_description_may_have_lines() -> None:
    check(description="One.\n\tTwo.")


def test_what_uses_something_is_named_with_its_space() -> None:
    require_unused([], "the list 'x'")
    use = SegmentUse(kind="content", id="banner", name="A banner")
    with pytest.raises(InUse, match=r"^the list 'x' is used by: content 'banner' \(A banner\) in acme/test$"):
        require_unused([("acme/test", use)], "the list 'x'")


@pytest.mark.parametrize(
    ("more", "told"), [(-1, ""), (0, ""), (1, " and 1 more"), (1_000, " and 1,000 more")]
)
def test_the_first_that_use_something_are_named_and_the_others_counted(more: int, told: str) -> None:
    count = limits.USES_NAMED_MAX + more
    use = SegmentUse(kind="segment", id="a", name="A")
    with pytest.raises(InUse) as caught:
        require_unused([("s/e", use)] * count, "x")
    named = ", ".join(["segment 'a' (A) in s/e"] * min(count, limits.USES_NAMED_MAX))
    assert caught.value.message == f"x is used by: {named}{told}"


def test_what_would_be_broken_is_named_with_the_reason() -> None:
    require_unbroken([], "x")
    broken = BrokenSegment(space="acme/test", id="a", name="A", reason="rules[0].value: it is no number")
    with pytest.raises(InUse) as caught:
        require_unbroken([broken], "'seats' cannot be a string")
    assert caught.value.message == (
        "'seats' cannot be a string: rules would not be right any more, of 'a' (A) in acme/test: "
        "rules[0].value: it is no number"
    )
