"""How large each benchmark is, and smaller for a quick check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Events, users and repetitions; the defaults are those of RESULTS.md."""

    scale: float = 1.0
    repeats: int = 3
    batches: int = 5

    def _scaled(self, count: int) -> int:
        return max(int(count * self.scale), 100)

    @property
    def events(self) -> int:
        """Events of the history that is rebuilt, and of the smaller folder."""
        return self._scaled(20_000_000)

    @property
    def users(self) -> int:
        """Users of the same."""
        return self._scaled(1_000_000)

    @property
    def many_events(self) -> int:
        """Events of the larger folder."""
        return self._scaled(80_000_000)

    @property
    def many_users(self) -> int:
        """Users of the larger folder."""
        return self._scaled(10_000_000)

    @property
    def full_parquet(self) -> int:
        """Events of the Parquet file with all columns."""
        return self._scaled(5_000_000)

    @property
    def lines(self) -> int:
        """Lines of the JSON lines, CSV and access log files."""
        return self._scaled(2_000_000)

    @property
    def late_users(self) -> int:
        """Users of a late batch, each with four events."""
        return self._scaled(50_000)

    @property
    def live_events(self) -> int:
        """Events of a live batch."""
        return self._scaled(10_000)
