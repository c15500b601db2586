"""The JSON form of users and sessions is that of the exports."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from histories import Row
from stored import LOOKUPS, NOW, SPACE, take

from enduser import limits
from enduser.service.json_form import end_user_json, iso_time, session_json
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import CloseHistory


def test_users_and_sessions_are_written_as_exports_write_them(tmp_path: Path) -> None:
    rows = [
        Row(user_id="a", occurred_at=limits.OCCURRED_AT_MIN_US, traits={"name": "A"}),
        Row(user_id="b", occurred_at=1, place=("NO", None, "Oslo"), user_agent="Firefox/1"),
        Row(user_id="b", occurred_at=1_800_000_000),
        Row(anonymous_id="c", occurred_at=limits.OCCURRED_AT_MAX_US - 10**13),
    ]
    with EmbeddedStore(tmp_path / "data", now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        take(store, tmp_path, rows)
        store.apply(SPACE, CloseHistory())
        store.fold(SPACE)
        for what, form in (("users", end_user_json), ("sessions", session_json)):
            store.export(SPACE, what, tmp_path / what, "jsonl")
            exported = [json.loads(line) for line in (tmp_path / what).read_text().splitlines()]
            found = [json.loads(msgspec.json.encode(form(row))) for row in getattr(store, what)(SPACE)]
            assert [list(row.items()) for row in found] == [
                list({**row, **({"attributes": {}} if what == "users" else {})}.items()) for row in exported
            ]
            assert len(found) >= 3


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (limits.OCCURRED_AT_MIN_US, "0001-01-01T00:00:00.000000Z"),
        (limits.OCCURRED_AT_MAX_US, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_written_in_utc_to_the_microsecond(at_us: int, text: str) -> None:
    assert iso_time(at_us) == text
