"""What became of an event: exactly one outcome each, from closed lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class RejectReason(StrEnum):
    """Why a row or message was not taken.

    Each appears in docs/file-formats.md or docs/tracking-protocol.md, checked by a test.
    """

    MALFORMED_LINE = "malformed_line"
    LINE_TOO_LONG = "line_too_long"
    MALFORMED_MESSAGE = "malformed_message"
    MESSAGE_TOO_LARGE = "message_too_large"
    TRUNCATED_FILE = "truncated_file"
    INVALID_TYPE = "invalid_type"
    INVALID_ACTIVE = "invalid_active"
    INVALID_PROPERTIES = "invalid_properties"
    INVALID_TRAITS = "invalid_traits"
    MISSING_TIME = "missing_time"
    INVALID_TIME = "invalid_time"
    FUTURE_TIME = "future_time"
    JUNK_USER_ID = "junk_user_id"
    INVALID_USER_ID = "invalid_user_id"
    USER_ID_TOO_LONG = "user_id_too_long"
    MESSAGE_ID_TOO_LONG = "message_id_too_long"


class ExcludeReason(StrEnum):
    """Why a good row was left out, as the space or the format says."""

    NOT_A_PAGE = "not_a_page"
    CRAWLER = "crawler"
    IP = "ip"
    HOST = "host"
    USER = "user"
    SUPPRESSED = "suppressed"


@dataclass(slots=True)
class Outcomes:
    """The counts of some events: every one that was read has exactly one outcome."""

    stored: int = 0
    duplicate: int = 0
    filled: int = 0
    counted: int = 0
    """Events of a space that tracks no users (`unique_user` = none): counted, not kept."""
    excluded: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    ignored_properties: int = 0
    """Analytics properties that were no text, number or boolean, or too long. Not an outcome."""

    @property
    def read(self) -> int:
        """All rows that were read: the sum of all outcomes."""
        taken = self.stored + self.duplicate + self.filled + self.counted
        return taken + self.excluded.total() + self.rejected.total()

    def counts(self) -> Iterator[tuple[str, str, int]]:
        """Yield each count as (outcome, reason, count); the reason is empty where an outcome has none.

        May be asked from any thread.
        """
        for outcome in ("stored", "duplicate", "filled", "counted"):
            yield outcome, "", getattr(self, outcome)
        for outcome in ("excluded", "rejected"):
            for reason, count in list(getattr(self, outcome).items()):
                yield outcome, reason, count

    def add(self, other: Outcomes) -> None:
        """Add the counts of `other` to these."""
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.filled += other.filled
        self.counted += other.counted
        self.excluded += other.excluded
        self.rejected += other.rejected
        self.ignored_properties += other.ignored_properties
