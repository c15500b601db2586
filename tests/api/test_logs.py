"""What the log says of refused calls."""

from __future__ import annotations

from structlog.testing import capture_logs

from enduser.api.logs import REFUSALS_EVERY_S, RefusalLog


def told(refusals: RefusalLog, refused: dict[str, int], now_s: float) -> list[tuple[str, int]]:
    with capture_logs() as lines:
        refusals.look(refused, now_s)
    return [(line["code"], line["calls"]) for line in lines]


def test_each_code_is_told_at_once_and_then_once_a_minute_with_the_calls_between() -> None:
    refusals = RefusalLog()
    assert told(refusals, {}, 0) == []
    assert told(refusals, {"unauthorized": 3}, 1) == [("unauthorized", 3)]
    assert told(refusals, {"unauthorized": 5, "too_busy": 1}, 2) == [("too_busy", 1)]
    assert told(refusals, {"unauthorized": 9, "too_busy": 1}, REFUSALS_EVERY_S) == []
    later = 1 + REFUSALS_EVERY_S
    assert told(refusals, {"unauthorized": 9, "too_busy": 1}, later) == [("unauthorized", 6)]
    assert told(refusals, {"unauthorized": 9, "too_busy": 1}, 9 * later) == []
