"""Counts of what became of events."""

from __future__ import annotations

from collections import Counter

from enduser.core.outcomes import Outcomes


def test_what_was_read_is_the_sum_of_all_outcomes() -> None:
    outcomes = Outcomes(
        1, 2, 4, 256, Counter(crawler=8, ip=16), Counter(future_time=32, invalid_time=64), 128
    )
    assert outcomes.read == 127 + 256


def test_nothing_was_read_at_first() -> None:
    assert Outcomes() == Outcomes(0, 0, 0, 0, Counter(), Counter(), 0)
    assert Outcomes().read == 0


def test_counts_add_up_kind_by_kind() -> None:
    total = Outcomes(1, 2, 3, 7, Counter(ip=4), Counter(invalid_time=5), 6)
    total.add(Outcomes(10, 20, 30, 70, Counter(ip=40, host=41), Counter(invalid_time=50, future_time=51), 60))
    assert total == Outcomes(
        *(11, 22, 33, 77),
        Counter(ip=44, host=41),
        Counter(invalid_time=55, future_time=51),
        66,
    )


def test_the_counts_are_named_by_outcome_and_reason() -> None:
    outcomes = Outcomes(1, 2, 3, 4, Counter(ip=5, host=6), Counter(invalid_time=7), 8)
    assert list(outcomes.counts()) == [
        ("stored", "", 1),
        ("duplicate", "", 2),
        ("filled", "", 3),
        ("counted", "", 4),
        ("excluded", "ip", 5),
        ("excluded", "host", 6),
        ("rejected", "invalid_time", 7),
    ]


def test_the_counts_may_rise_while_they_are_read() -> None:
    outcomes = Outcomes(rejected=Counter(invalid_time=1, future_time=1))
    read = []
    for _, reason, _ in outcomes.counts():
        read.append(reason)
        outcomes.rejected[f"reason-{len(read)}"] += 1
    assert read[4:6] == ["invalid_time", "future_time"]
