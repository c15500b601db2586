"""What is wrong with JSON is told with the field and the kinds of values, in no library's words."""

from __future__ import annotations

import msgspec
import pytest

from enduser.ingest.json_flaws import BROKEN, flaw_of
from enduser.ingest.messages import Message

FLAWS = {
    b"[]": "it must be an object, and is a list",
    b'{"messageId": []}': "messageId must be a number or text, and is a list",
    b'{"context": {"page": {"url": {}}}}': "context.page.url must be text, and is an object",
    b'{"context": {"active": "yes"}}': "context.active must be true or false, and is text",
    b'{"event": 5}': "event must be text, and is a whole number",
    b'{"name": 5.5}': "name must be text, and is a number",
    b'{"context": true}': "context must be an object, and is true or false",
    b'{"event": "\xff"}': "it is not UTF-8",
    b'{"event": ': "it ends too early, or text in it was cut in the middle of an emoji"
    " (such as \\ud83d alone)",
    b'{"event": }': "JSON is malformed: invalid character (byte 10)",
    b"[" * 100_000: "it is nested too deep",
}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (float, "it must be a number, and is a list"),
        (int | float, "it must be a number, and is a list"),
        (int | None, "it must be a whole number, and is a list"),
    ],
)
def test_a_whole_number_is_a_number_too(kind: object, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(b"[]", type=kind)
    assert flaw_of(raised.value) == told


@pytest.mark.parametrize("body", FLAWS, ids=lambda body: body[:30].decode("latin-1"))
def test_a_flaw_is_told_in_the_words_of_who_sent_it(body: bytes) -> None:
    kind = Message if not body.startswith(b"[[") else object
    with pytest.raises(BROKEN) as raised:
        msgspec.json.decode(body, type=kind)
    assert flaw_of(raised.value) == FLAWS[body]
