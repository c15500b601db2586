"""The invented history: the same for the same seed, and like a real one."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from enduser.service.demo_data import write_demo

ENDS_AT = 1_780_000_000_000_000 // 86_400_000_000 * 86_400_000_000
DAY_S = 86_400


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("demo") / "demo.jsonl"
    assert write_demo(path, ends_at_us=ENDS_AT, seed=1, users=400) == path.read_bytes().count(b"\n")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def at(message: dict[str, Any]) -> float:
    return datetime.fromisoformat(message["timestamp"]).timestamp()


def test_the_same_seed_and_end_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_demo(tmp_path / name, ends_at_us=ENDS_AT, seed=seed, users=50)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_it_covers_the_year_up_to_its_end_and_nothing_after(messages: list[dict[str, Any]]) -> None:
    times = [at(message) for message in messages]
    assert max(times) <= ENDS_AT / 1e6
    assert max(times) > ENDS_AT / 1e6 - 3 * DAY_S
    assert 350 * DAY_S < max(times) - min(times) < 367 * DAY_S


def test_visits_are_heavy_tailed(messages: list[dict[str, Any]]) -> None:
    per_user = sorted(Counter(m.get("userId") or m["anonymousId"] for m in messages).values(), reverse=True)
    busiest = sum(per_user[: len(per_user) // 10])
    assert busiest > 0.4 * sum(per_user)
    assert per_user[len(per_user) // 2] < 0.4 * sum(per_user) / len(per_user)


def test_some_messages_come_late_and_some_twice(messages: list[dict[str, Any]]) -> None:
    ids = Counter(message["messageId"] for message in messages)
    assert 0.003 < sum(count > 1 for count in ids.values()) / len(ids) < 0.05
    latest, late = 0.0, 0
    for message in messages:
        latest = max(latest, at(message))
        late += at(message) < latest - 2 * 3_600
    assert 0.003 < late / len(messages) < 0.05


def test_people_work_in_their_own_hours_and_less_on_weekends(messages: list[dict[str, Any]]) -> None:
    tokyo = [
        datetime.fromisoformat(message["timestamp"])
        for message in messages
        if message["context"]["location"]["country"] == "JP"
    ]
    hours = Counter(moment.hour for moment in tokyo)
    night_in_tokyo = sum(hours[hour] for hour in range(13, 21))
    assert night_in_tokyo < 0.1 * len(tokyo)
    days = Counter(datetime.fromisoformat(m["timestamp"]).weekday() for m in messages)
    assert (days[5] + days[6]) / 2 < 0.6 * sum(days[day] for day in range(5)) / 5


def test_browsers_get_newer(messages: list[dict[str, Any]]) -> None:
    versions = defaultdict(set)
    for message in messages:
        agent = message["context"]["userAgent"]
        if "Chrome/" in agent:
            month = int((at(message) - ENDS_AT / 1e6) // (30 * DAY_S))
            versions[month].add(int(agent.split("Chrome/")[1].split(".")[0]))
    months = sorted(month for month in versions if len(versions[month]) > 0)
    assert max(versions[months[-1]]) >= max(versions[months[0]]) + 10


def test_people_come_once_quit_return_and_many_countries_are_there(messages: list[dict[str, Any]]) -> None:
    times = defaultdict(list)
    for message in messages:
        times[message.get("userId") or message["anonymousId"]].append(at(message))
    ends = ENDS_AT / 1e6
    days = {user: {int(t // DAY_S) for t in seen} for user, seen in times.items()}
    assert sum(len(seen) == 1 for seen in days.values()) > 50
    quitters = [
        user for user, seen in times.items() if max(seen) < ends - 30 * DAY_S and len(days[user]) > 30
    ]
    assert len(quitters) > 10
    gaps = [max((b - a for a, b in pairwise(sorted(seen))), default=0) for seen in days.values()]
    assert sum(gap > 184 for gap in gaps) > 3
    assert len({message["context"]["location"]["country"] for message in messages}) >= 8
