"""Rules timed inside a process of its own; prints JSON.

python bench/inside_rules.py questions FOLDER REPEATS
python bench/inside_rules.py largest FOLDER [SHAPE…]
python bench/inside_rules.py one_user FOLDER WORK
python bench/inside_rules.py decisions FOLDER
python bench/inside_rules.py feed FOLDER
python bench/inside_rules.py steps FOLDER FILE…
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import rule_shapes
from attributed import ATTRIBUTES
from datasets import DAY_US, ENDS_AT_US

from enduser.clock import now_us
from enduser.core.attributes import AttributeType
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.reading import Vocabulary, read_rule
from enduser.core.segments import Saving, Segment
from enduser.core.users_query import UsersQuery
from enduser.errors import EnduserError
from enduser.service.lookups import installed_lookups
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.store import DEFAULT_SPACE as SPACE
from enduser.stores.records import Chunk, EventChunk, Form, ImportRules, TimeUnit

PAGE_ROWS = 1_000
FACET_VALUES = 10


# --- all users


def questions(folder: Path, repeats: int) -> dict[str, object]:
    """Ask each question once, which is not counted, and then so often again."""
    with EmbeddedStore(folder, now_us=ENDS_AT_US) as store:
        reader = store.reader
        asked: dict[str, Callable[[], Any]] = {
            name: lambda rule=rule: reader.count_users(SPACE, [rule]).counts[0].users
            for name, rule in rule_shapes.QUESTIONS.items()
        }
        asked["5 attributes, by industry"] = lambda: [
            [one.value, one.users]
            for one in reader.facet(SPACE, rule_shapes.FIVE, "industry", FACET_VALUES).values
        ]
        query = UsersQuery(rule=rule_shapes.FIVE, sort="-last_seen")
        asked["5 attributes, last 1,000"] = lambda: [
            row["last_seen"] for row in reader.users_page(SPACE, query, limit=PAGE_ROWS).items
        ]
        return {name: timed(ask, repeats) for name, ask in asked.items()}


def timed(ask: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Ask once, and so often again; return the seconds, and what was found at last."""
    found, seconds, cpu_s = ask(), [], []
    for _ in range(repeats):
        before, began = _cpu_s(), time.perf_counter()
        found = ask()
        seconds.append(time.perf_counter() - began)
        cpu_s.append(_cpu_s() - before)
    return {"seconds": seconds, "cpu_s": cpu_s, "found": found}


def largest(folder: Path, names: Sequence[str]) -> list[dict[str, object]]:
    """Count each of the largest rules, or those named, once."""
    with EmbeddedStore(folder, now_us=ENDS_AT_US) as store:
        store.reader.count_users(SPACE, [rule_shapes.FIVE])
        return [_largest(store, name) for name in names or rule_shapes.LARGEST]


def _largest(store: EmbeddedStore, name: str) -> dict[str, object]:
    rule = rule_shapes.LARGEST[name]()
    before, began = _cpu_s(), time.perf_counter()
    found: object
    try:
        found = store.reader.count_users(SPACE, [rule]).counts[0].users
    except EnduserError as error:
        found = type(error).__name__
        print(name, str(error)[:300], file=sys.stderr)
    return {
        "name": name,
        "conditions": _conditions(rule),
        "seconds": time.perf_counter() - began,
        "cpu_s": _cpu_s() - before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
        "found": found,
    }


def _conditions(rule: rule_shapes.Rule) -> int:
    """Return how many conditions a rule has, each counted once."""
    own = 0 if "combinator" in rule and "kind" not in rule else 1
    return own + sum(_conditions(part) for part in rule.get("rules", ()))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# --- one user

_WORDS = Vocabulary(custom={name: AttributeType(kind) for name, (kind, _) in ATTRIBUTES.items()})
_PERSONS = 1_000


def one_user(folder: Path, work: Path) -> dict[str, object]:
    """Ask all segments of some users, one after the other; what rivals need is written to `work`."""
    with EmbeddedStore(folder, now_us=ENDS_AT_US) as store:
        rows = store.reader.users_page(SPACE, UsersQuery(sort="-last_seen"), limit=_PERSONS).items
    persons: list[Mapping[str, Any]] = [row["attributes"] for row in rows]  # type: ignore[misc]
    plain = rule_shapes.segments_on_attributes(rule_shapes.ENGINES_SEGMENTS)
    work.write_text(json.dumps({"rules": plain, "persons": persons}))
    mixed = rule_shapes.segments_with_facts(rule_shapes.ENGINES_SEGMENTS)
    return {"attributes": _function(plain, persons), "facts": _function(mixed, persons)}


def _function(rules: Sequence[rule_shapes.Rule], values: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    began = time.perf_counter()
    program = Program([read_rule(rule, _WORDS) for rule in rules])
    built_s = time.perf_counter() - began
    edges = program.edges(ENDS_AT_US, ZoneInfo("UTC"))
    persons = [
        Person(one, {what: _times(number + place) for place, what in enumerate(program.happenings)})
        for number, one in enumerate(values)
    ]
    held: list[int] = []
    runs: list[float] = []
    for _ in range(5):
        held.clear()
        began = time.perf_counter()
        held += [sum(program.answers(person, edges)) for person in persons]
        runs.append(time.perf_counter() - began)
    pairs = len(persons) * len(rules)
    return {
        "us": statistics.median(runs) / pairs * 1e6,
        "built_s": built_s,
        "held": held,
        "happenings": len(program.happenings),
    }


def _times(number: int) -> list[int]:
    """Return when something happened: up to a dozen times in the last weeks."""
    return sorted(ENDS_AT_US - (number * 7919 + k * 104_729) % 40 * DAY_US for k in range(number % 12))


# --- segments that are saved


def save(folder: Path, rules: Mapping[str, rule_shapes.Rule], **flags: bool) -> dict[str, float]:
    """Save segments; return how long that took."""
    with EmbeddedStore(folder, now_us=now_us()) as store:
        began = time.perf_counter()
        for name, rule in rules.items():
            saving = Saving(at=now_us(), by="bench", is_new=True)
            store.save_segment(SPACE, Segment(id=name, name=name, rule=rule, **flags), saving)
        return {"seconds": time.perf_counter() - began}


def save_for_decisions(folder: Path) -> dict[str, float]:
    """Save what decisions judge."""
    rules = rule_shapes.segments_with_facts(rule_shapes.ENGINES_SEGMENTS)
    return save(folder, {f"s{number}": rule for number, rule in enumerate(rules)}, is_public=True)


def save_for_feed(folder: Path) -> dict[str, float]:
    """Save what the feed follows."""
    rules = rule_shapes.followed_segments(rule_shapes.FOLLOWED - 1)
    named = {f"f{number}": rule for number, rule in enumerate(rules)}
    probed = {rule_shapes.PROBED: rule_shapes.events(1, name=rule_shapes.PROBED)}
    return save(folder, named | probed, is_followed=True)


# --- steps of the feed


def steps(folder: Path, files: Sequence[Path]) -> list[dict[str, object]]:
    """Follow the feed from the start, then after each file, and time each step."""
    with EmbeddedStore(folder, now_us=now_us(), lookups=installed_lookups(folder)) as store:
        store.fold(SPACE)
        found = [_step(store, "the first: who is in which")]
        found += [_step(store, f"after {file.name.split('-')[0]} events", file) for file in files]
        return found


def _step(store: EmbeddedStore, name: str, file: Path | None = None) -> dict[str, object]:
    if file is not None:
        rules = ImportRules(started_at=now_us(), time_unit=TimeUnit(1))
        store.apply(SPACE, EventChunk(Chunk(file, Form.JSON_LINES), rules))
        store.fold(SPACE)
    before, began = _cpu_s(), time.perf_counter()
    rows = store.follow_feed(SPACE, now_us())
    return {
        "name": name,
        "seconds": time.perf_counter() - began,
        "cpu_s": _cpu_s() - before,
        "rows": rows,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
    }


if __name__ == "__main__":
    what, target, *more = sys.argv[1:]
    ways: Mapping[str, Callable[[], object]] = {
        "questions": lambda: questions(Path(target), int(more[0])),
        "largest": lambda: largest(Path(target), more),
        "one_user": lambda: one_user(Path(target), Path(more[0])),
        "decisions": lambda: save_for_decisions(Path(target)),
        "feed": lambda: save_for_feed(Path(target)),
        "steps": lambda: steps(Path(target), [Path(file) for file in more]),
    }
    print(json.dumps(ways[what]()))
