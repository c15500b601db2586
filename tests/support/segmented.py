"""Users to ask rules about, and segments made in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from histories import Row
from stored import SPACE, take

from enduser.core.attributes import API, Attribute, AttributeType
from enduser.core.lists import ListAction
from enduser.core.rules.rule_json import RuleJson
from enduser.core.segments import SavedSegment, Saving, Segment
from enduser.service.json_form import iso_time
from enduser.service.writing_values import write_json_rows
from enduser.sources.json_rows import JsonRow
from enduser.stores.contract import Store
from enduser.stores.records import WriteList
from enduser.stores.row_file import write_ids

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""
CLOCK = START + 100 * DAY
PLANS = {"ada": "vip", "bob": "free", "cyd": "vip", "dan": None}
"""Users, and what their plan is since they were seen first."""


def people(store: Store, folder: Path) -> None:
    """Let four users be seen, on days 10, 20, 30 and 40 once more each; `plan` and `seats` are known of some.

    The clock stands at day 100; `staff` is a static list of one of them and of somebody unseen.
    """
    store.create_attribute(Attribute("plan", AttributeType.STRING))
    store.create_attribute(Attribute("seats", AttributeType.NUMBER))
    rows = [Row("clock", occurred_at=CLOCK, message_id="clock", type="alias")]
    for number, name in enumerate(PLANS, 1):
        place = ("NO", None, "Oslo") if number % 2 else ("DE", None, "Berlin")
        for day in (0, 10 * number):
            at = START + day * DAY + number
            rows.append(Row(name, occurred_at=at, message_id=f"{name}-{day}", type="page", place=place))
    take(store, folder, rows)  # type: ignore[arg-type]
    store.fold(SPACE)
    told = {name: {"plan": plan, "seats": 5.0} for name, plan in PLANS.items() if plan}
    values = [JsonRow(name, one, effective_at=iso_time(START)) for name, one in told.items()]
    write_json_rows(store, SPACE, API, values, CLOCK)
    ids = write_ids(store.folder / "ids.txt", ["ada", "unseen"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, CLOCK))


def where(field: str, operator: str, value: object = None) -> RuleJson:
    """Return the rule of one condition."""
    node = {"field": field, "operator": operator}
    return node if value is None else {**node, "value": value}


def all_of(*rules: RuleJson) -> RuleJson:
    """Return a rule of several."""
    return {"combinator": "and", "rules": list(rules)}


def any_of(*rules: RuleJson) -> RuleJson:
    """Return a rule that holds if one of several does."""
    return {"combinator": "or", "rules": list(rules)}


def in_segment(segment_id: str) -> RuleJson:
    """Return the condition that a segment holds."""
    return {"kind": "segment", "id": segment_id}


STAFF: RuleJson = {"kind": "list", "id": "staff"}
VIPS = where("plan", "is", "vip")


def save(store: Store, segment_id: str, rule: RuleJson, space: str = SPACE, **more: Any) -> SavedSegment:
    """Make a segment, or change it where it is there."""
    there = {saved.segment.id for saved in store.segments(space)}
    segment = Segment(id=segment_id, rule=rule, **{"name": segment_id.title(), **more})
    return store.save_segment(space, segment, Saving(CLOCK, "tests", is_new=segment_id not in there))
