"""What people say of a content item."""

from __future__ import annotations

from typing import Any

import pytest

from enduser import limits
from enduser.core.contents import Content, SavedContent, check_content, find_content
from enduser.errors import ContentNotFound, InvalidContent

ID_MAX = limits.CONTENT_ID_CHARACTERS_MAX
KIND_MAX = limits.CONTENT_KIND_CHARACTERS_MAX
NAME_MAX = limits.CONTENT_NAME_CHARACTERS_MAX
PAYLOAD_MAX = limits.CONTENT_PAYLOAD_BYTES_MAX
AROUND = len('{"text":""}')
"""Bytes of a payload besides its text."""


def check(**said: Any) -> None:
    check_content(Content(**{"id": "vip-banner", "name": "Banner", **said}))


def refuse(field: str, **said: Any) -> InvalidContent:
    with pytest.raises(InvalidContent) as caught:
        check(**said)
    assert caught.value.field == field
    return caught.value


@pytest.mark.parametrize("content_id", ["a", "A.b-c_9", "9", "x" * (ID_MAX - 1), "x" * ID_MAX])
def test_an_id_is_a_key_in_code(content_id: str) -> None:
    check(id=content_id)


@pytest.mark.parametrize("content_id", ["", ".a", "-a", "_a", "a b", "a/b", "é", "a\n", "x" * (ID_MAX + 1)])
def test_another_id_is_refused(content_id: str) -> None:
    assert f"{ID_MAX} characters (CONTENT_ID_CHARACTERS_MAX)" in refuse("id", id=content_id).hint


@pytest.mark.parametrize("kind", ["a", "banner", "0-a_b", "x" * (KIND_MAX - 1), "x" * KIND_MAX])
def test_a_kind_is_a_word(kind: str) -> None:
    check(kind=kind)


@pytest.mark.parametrize("kind", ["", "Banner", "-a", "a.b", "a b", "é", "a\n", "x" * (KIND_MAX + 1)])
def test_another_kind_is_refused(kind: str) -> None:
    assert f"{KIND_MAX} characters (CONTENT_KIND_CHARACTERS_MAX)" in refuse("kind", kind=kind).hint


@pytest.mark.parametrize("name", ["é", " Banner für «VIPs» 👩‍💻 ", "é" * (NAME_MAX - 1), "é" * NAME_MAX])
def test_a_name_is_for_people(name: str) -> None:
    check(name=name)


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\x00b", "a\x9fb", "a\u2028b", "a\udcffb", "é" * (NAME_MAX + 1)]
)
def test_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    refuse("name", name=name)


@pytest.mark.parametrize("size", [PAYLOAD_MAX - 1, PAYLOAD_MAX])
def test_a_payload_is_as_large_as_its_limit(size: int) -> None:
    check(payload={"text": "x" * (size - AROUND)})


def test_a_larger_payload_is_refused_by_its_bytes() -> None:
    error = refuse("payload", payload={"text": "é" * (PAYLOAD_MAX // 2)})
    assert error.limit == PAYLOAD_MAX
    assert f"{PAYLOAD_MAX + AROUND:,} bytes" in error.message


def test_who_does_not_name_it_shows_content_to_everyone_and_lets_browsers_learn_of_it() -> None:
    content = Content(id="a", name="A")
    assert (content.segment, content.kind, content.is_public) == (None, "content", True)


ID_TAKES = (
    "an id has letters, digits, _, . and -, begins with a letter or a digit, and has at most 64 characters "
    "(CONTENT_ID_CHARACTERS_MAX)"
)
KIND_TAKES = "a kind has a-z, 0-9, _ and -, and at most 32 characters (CONTENT_KIND_CHARACTERS_MAX)"
NAME_TAKES = "write 1 to 100 characters (CONTENT_NAME_CHARACTERS_MAX), without control characters"


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ({"id": "a b"}, "no content can have the id 'a b'", ID_TAKES),
        ({"id": "x" * 99}, f"no content can have the id '{'x' * 65}'", ID_TAKES),
        ({"kind": "A"}, "no content can be of the kind 'A'", KIND_TAKES),
        ({"kind": "x" * 99}, f"no content can be of the kind '{'x' * 33}'", KIND_TAKES),
        ({"name": "a\n"}, "no content can have the name 'a\\n'", NAME_TAKES),
        ({"name": "é" * 101}, f"no content can have the name '{'é' * 100}'", NAME_TAKES),
        (
            {"payload": {"text": "x" * PAYLOAD_MAX}},
            f"a payload cannot have {PAYLOAD_MAX + AROUND:,} bytes as JSON",
            f"the limit is {PAYLOAD_MAX:,} (CONTENT_PAYLOAD_BYTES_MAX); let it name what is large",
        ),
    ],
)
def test_what_cannot_be_is_told_with_what_can(said: dict[str, Any], message: str, hint: str) -> None:
    error = refuse(next(iter(said)), **said)
    assert (error.message, error.hint) == (message, hint)


def test_an_item_is_found_by_its_id_as_it_is_written() -> None:
    contents = [Content(id=name, name=name) for name in "ab"]
    items = [SavedContent(content=one, saved_at=0, saved_by="me", created_at=0) for one in contents]
    assert find_content(items, "b") is items[1]
    with pytest.raises(ContentNotFound) as caught:
        find_content(items, "B")
    error = caught.value
    assert (error.message, error.field) == ("there is no content item 'B'", "content_id")
    hint = "they are listed by: enduser content list, or GET /api/v1/content; ids are case-sensitive"
    assert error.hint == hint
