"""What people say of a segment, and whether it can be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from enduser import limits
from enduser.core.rules.rule_json import EVERYONE
from enduser.core.segments import SavedSegment, Segment, check_segment, require_in_use
from enduser.errors import InvalidSegment, SegmentNotFound


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


NAME_TAKES = "write at most 100 characters (SEGMENT_NAME_CHARACTERS_MAX), without control characters"
ID_TAKES = "an id has letters, digits, _ and -, begins with a letter or a digit, and has at most "
ID_TAKES += "64 characters (SEGMENT_ID_CHARACTERS_MAX)"


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ({"id": "a b"}, "no segment can have the id 'a b'", ID_TAKES),
        ({"id": "x" * 99}, f"no segment can have the id '{'x' * 65}'", ID_TAKES),
        ({"name": ""}, "a segment must have a name", "say whom it means"),
        ({"name": " \t"}, "a segment must have a name", "say whom it means"),
        ({"name": "a\x00"}, "no segment can have 'a\\x00' as name", NAME_TAKES),
        ({"name": "a\u2028b"}, "no segment can have 'a\\u2028b' as name", NAME_TAKES),
        ({"name": "\ud800"}, "no segment can have '\\ud800' as name", NAME_TAKES),
        ({"name": "é" * 101}, f"no segment can have '{'é' * 100}' as name", NAME_TAKES),
        ({"tags": ["a", " "]}, "a tag cannot be empty", "write a word, or leave it out"),
        (
            {"tags": ["a\x07"]},
            "no segment can have 'a\\x07' as tags",
            "write at most 50 characters (SEGMENT_TAG_CHARACTERS_MAX), without control characters",
        ),
        ({"tags": ["a"] * 1_000}, "a segment cannot have 1,000 tags", "the limit is 20 (SEGMENT_TAGS_MAX)"),
        (
            {"description": "a\x1b[31m"},
            "no segment can have 'a\\x1b[31m' as description",
            "write at most 1,024 characters (DESCRIPTION_CHARACTERS_MAX), without control characters",
        ),
    ],
)
def test_what_cannot_be_is_told_with_what_can(said: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(InvalidSegment) as caught:
        check(**said)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.field in said


def test_a_description_may_have_lines() -> None:
    check(description="One.\n\tTwo.")


def test_an_archived_segment_can_be_asked_by_its_rule_only() -> None:
    segment = Segment(id="vips", name="VIPs", rule=EVERYONE)
    require_in_use(SavedSegment(segment=segment, version=1, saved_at=0, saved_by="me", created_at=0))
    archived = replace(segment, is_archived=True)
    with pytest.raises(SegmentNotFound) as caught:
        require_in_use(SavedSegment(segment=archived, version=2, saved_at=0, saved_by="me", created_at=0))
    error = caught.value
    assert (error.message, error.field) == (
        "the segment 'vips' is archived, so nobody is in it",
        "segment_id",
    )
    hint = "take it into use again (enduser segments restore vips), or ask by its rule"
    assert error.hint == hint
