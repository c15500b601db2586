"""The only place that asks what time it is. Everything else takes the time as an argument."""

import time


def now_us() -> int:
    """Return the server's time in microseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000


def elapsed_s() -> float:
    """Return seconds on a clock that never goes back, for rates and progress only."""
    return time.monotonic()
