"""What happens by time, in one place to read.

But for what lasts: the calls of webhooks (`service.telling`), and forgetting (`api.owner.forgetting`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from enduser.service.source_schedules import start_due
from enduser.stores.control import ControlStore
from enduser.stores.uploads import forget_old_uploads


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is done again and again while a server runs."""

    every_s: float
    do: Callable[[ControlStore, Path, int], None]
    """Called with the control data, the data folder and the time in µs; it is short."""


def _start_due(control: ControlStore, _: Path, now_us: int) -> None:
    start_due(control, now_us)


TIMERS = (
    Timer(5.0, _start_due),
    Timer(600.0, forget_old_uploads),
)
