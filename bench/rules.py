"""Rules: of one user beside other engines, of all users beside DuckDB and Polars, and the largest."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attributed import attributed_folder
from batches import History, histories
from folders import scratch
from measure import CORES, HERE, MEMORY_LIMIT_MB, RIVAL_PYTHON, Measured, run, say, table, verdict
from sizes import Sizes

INSIDE = HERE / "inside_rules.py"
QUESTION_REPEATS = 5
FLOOR_TIMES = 1.5
"""How many times as long as bare DuckDB a question may take."""
MS_MAX = {
    "5 attributes": 60,
    "≥ 8 sessions in 30 days": 1_500,
    "event, 7 days": 500,
    "event with a property, 7 days": 500,
}
"""Of ten million users."""
LARGEST_S_MAX = 10
"""Of a million users."""

Answers = Mapping[str, Mapping[str, Any]]


def report(sizes: Sizes) -> str:
    """Measure all and return the section."""
    parts = ["## Rules", _one_user(sizes)]
    parts += [_all_users(history, sizes) for history in histories(sizes)]
    parts.append(_largest(sizes))
    return "\n\n".join(parts)


def _folder(history: History) -> Path:
    return attributed_folder(history.events, history.users, close=history.is_closed)


# --- one user


def _one_user(sizes: Sizes) -> str:
    say("segments of one user")
    folder = _folder(histories(sizes)[0])
    with scratch("one-user.json") as asked:
        asked.parent.mkdir(parents=True, exist_ok=True)
        ours: Answers = json.loads(run([sys.executable, INSIDE, "one_user", folder, asked]).out)
        rivals: Answers = json.loads(run([RIVAL_PYTHON, HERE / "rivals" / "rule_engines.py", asked]).out)
    plain, facts = ours["attributes"], ours["facts"]
    for name, found in rivals.items():
        assert found["held"] == plain["held"][: len(found["held"])], f"{name} answers something else"
    rows = [_user_row("ours", plain, plain), _user_row("ours, half of them with facts", facts, plain)]
    rows += [_user_row(name, found, plain) for name, found in rivals.items()]
    head = ("engine", "µs a segment", "of ours", "built s", "users")
    return (
        "### One user\n\n"
        "1,000 segments of two to four conditions on attributes, asked of one user after the other. *With "
        f"facts*: every second one also counts one of {facts['happenings']} happenings, up to a dozen of "
        "each; no other engine can. Those that ran answered the same.\n\n" + table(head, rows)
    )


def _user_row(name: str, found: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{found['us']:.3f}",
        f"{found['us'] / ours['us']:,.1f}",
        f"{found['built_s']:.2f}",
        f"{len(found['held']):,}",
    )


# --- all users


def _all_users(history: History, sizes: Sizes) -> str:
    folder = _folder(history)
    say(f"questions at {history.users:,} users")
    ours = run([sys.executable, INSIDE, "questions", folder, str(QUESTION_REPEATS)])
    database = folder / "enduser.duckdb"
    limits = [str(CORES), str(MEMORY_LIMIT_MB)]
    bare_duckdb = [RIVAL_PYTHON, HERE / "rivals" / "duckdb_rules.py"]
    floor = run([*bare_duckdb, "ask", database, *limits, str(QUESTION_REPEATS)])
    with scratch("tables") as tables:
        tables.mkdir(parents=True)
        now = json.loads(run([*bare_duckdb, "write", database, *limits, tables]).out)["now"]
        polars = [RIVAL_PYTHON, HERE / "rivals" / "polars_rules.py", tables, str(now), str(QUESTION_REPEATS)]
        rival = run(polars)
    rows = list(_question_rows(ours, floor, rival, is_large=history.users == sizes.many_users))
    head = ("question", "ms", "CPU ms", "bare DuckDB", "its CPU", "Polars", "of DuckDB", "target ms", "")
    return (
        f"### {history.users:,} users, {history.events:,} events, about\n\n"
        f"Medians of {QUESTION_REPEATS} after a first. Peak MB: ours {ours.peak_mb:,.0f}, bare DuckDB "
        f"{floor.peak_mb:,.0f}, Polars {rival.peak_mb:,.0f}.\n\n{table(head, rows)}"
    )


def _question_rows(
    ours: Measured, floor: Measured, rival: Measured, *, is_large: bool
) -> Iterator[tuple[str, ...]]:
    asked, bare, polars = (json.loads(one.out) for one in (ours, floor, rival))
    for name, answer in asked.items():
        for other in (bare, polars):
            assert other[name]["found"] == answer["found"], f"{name} is answered differently"
        ms, bare_ms, polars_ms = (_ms(one[name], "seconds") for one in (asked, bare, polars))
        target = MS_MAX.get(name) if is_large else None
        is_met = ms <= FLOOR_TIMES * bare_ms and (target is None or ms <= target)
        yield (
            name,
            f"{ms:,.0f}",
            f"{_ms(answer, 'cpu_s'):,.0f}",
            f"{bare_ms:,.0f}",
            f"{_ms(bare[name], 'cpu_s'):,.0f}",
            f"{polars_ms:,.0f}",
            f"{ms / bare_ms:.2f}",
            f"{FLOOR_TIMES} x" + (f", ≤ {target:,}" if target else ""),
            verdict(met=is_met),
        )


def _ms(answer: Mapping[str, Any], what: str) -> float:
    return statistics.median(answer[what]) * 1e3


# --- the largest


def _largest(sizes: Sizes) -> str:
    say("the largest rules")
    found = json.loads(run([sys.executable, INSIDE, "largest", _folder(histories(sizes)[0])]).out)
    rows = [
        (
            one["name"],
            f"{one['conditions']:,}",
            f"{one['seconds']:.2f}",
            f"{one['cpu_s']:.1f}",
            f"{one['peak_mb']:,.0f}",
            f"{one['found']:,}" if isinstance(one["found"], int) else one["found"],
            verdict(met=isinstance(one["found"], int) and one["seconds"] <= LARGEST_S_MAX),
        )
        for one in found
    ]
    head = ("rule", "conditions", "s", "CPU s", "peak MB so far", "users", f"≤ {LARGEST_S_MAX} s")
    return (
        f"### The largest rules, {sizes.users:,} users\n\n"
        "Each shape as large as the limits allow, counted once; hardly a condition holds of anybody.\n\n"
        + table(head, rows)
    )
