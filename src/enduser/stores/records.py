"""What changes the truth: typed records, applied in order, and what they bring along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from enduser.core.events import UserId
from enduser.core.lists import ListAction
from enduser.core.origin import Browser, Place
from enduser.errors import InputError
from enduser.stores.row_file import RowFile


class Form(StrEnum):
    """How the rows of a chunk are written."""

    JSON_LINES = "jsonl"
    NUMBERED_JSON_LINES = "numbered-jsonl"
    """JSON lines that carry the line of their origin as `line_number`; made from CSV."""
    PARQUET = "parquet"
    ACCESS_LOG = "access-log"
    SPOOLED = "spooled"
    """JSON lines as `enduser.ingest.door` makes them: each message judged, with the time of its receipt."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of a file: a whole small file of lines, or a range of a Parquet file.

    `first_row` is the number of its first row in the file, counted from 1. In line forms each line is
    valid UTF-8 within the limits; one that was found bad is replaced by chr(2) + reason.
    """

    path: Path
    form: Form
    first_row: int = 1
    rows: int | None = None
    """Rows of the range, for Parquet."""


def require_columns(path: str, columns: Iterable[str]) -> None:
    """Check that a file with columns has a time and an id.

    Raises:
        InputError: names the missing column.
    """
    present = list(columns)
    missing = []
    if "occurred_at" not in present:
        missing.append("occurred_at")
    if "user_id" not in present and "anonymous_id" not in present:
        missing.append("user_id")
    if missing:
        raise InputError(
            f"{path} lacks the column {' and '.join(missing)}; it has: {', '.join(present)}",
            hint="rename the columns as docs/file-formats.md says",
        )


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """The unit of numeric times, as µs in one of it: 1,000,000, 1,000 or 1."""

    us: int
    inferred_from: str | None = None
    """A time of the file that it was inferred from; None where the caller named it."""


def _unknown(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Lookups:
    """What addresses and user agents mean, as far as this machine knows. A store asks once per value."""

    place_of: Callable[[str], Place | None] = _unknown
    """Where an IP address is; None where that is not known."""
    browser_of: Callable[[str], Browser | None] = _unknown
    is_crawler: Callable[[str], bool] = field(default=lambda _: False)
    edition: Callable[[], object] = field(default=lambda: None)
    """Returns another value once the answers may be others, such as after a new place database came."""


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What one import asks for, the same for all its chunks."""

    started_at: int
    """Server time in µs at which the import began; it is the receipt of its events."""
    time_unit: TimeUnit | None = None
    """The unit of numeric times; None: infer it from the first chunk that has some."""
    all_requests: bool = False
    include_crawlers: bool = False


@dataclass(frozen=True, slots=True)
class EventChunk:
    """A record: events of a file, taken chunk by chunk. `is_first` begins a new file."""

    chunk: Chunk
    rules: ImportRules
    is_first: bool = True


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """A record: settings of the space get values; sessions are recomputed where it matters, once.

    `hash_ids` turned on hashes every user id of the space, for good; see `Reader.hashing_preview`.
    """

    texts: Mapping[str, str]
    """The values by name, as `core.settings.parse_setting` reads them."""


@dataclass(frozen=True, slots=True)
class CloseHistory:
    """A record: a history clock moves to the greatest event time + window, for good."""


@dataclass(frozen=True, slots=True)
class AddLink:
    """A record: two ids are one person, from now on and for all that was. Doing it twice changes nothing.

    It is folded at once. Ids are as given; the store hashes user ids where the space says so, unless
    `is_hashed`.
    """

    one: UserId
    other: UserId
    created_at: int
    is_hashed: bool = False


@dataclass(frozen=True, slots=True)
class RemoveLink:
    """A record: two ids are not linked, whatever linked them, until an `AddLink` of the same two."""

    one: UserId
    other: UserId
    removed_at: int
    is_hashed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """What makes a repeated write one: who sends it again within `ONCE_SECONDS` gets the same answer."""

    key: str
    """What the caller names it."""
    digest: str
    """Of what he sent; the same key with another is refused."""


@dataclass(frozen=True, slots=True)
class WriteValues:
    """A record: what the rows of a file say of users, as a new run of a source."""

    source: str
    rows: RowFile
    written_at: int
    """Server time in µs; a row without a time of its own holds from then on."""
    once: Once | None = None
    input: str | None = None
    """The name of the file that was read: the run is listed, and its first rejections are told. What a source
    writes at one time is one run, which is done once. None: it is not listed, and all are told."""
    rejected_path: Path | None = None
    """Where all rejected rows and values are written as CSV, if there are some."""


@dataclass(frozen=True, slots=True)
class UndoRun:
    """A record: a run said nothing; the next candidates hold."""

    run: int
    undone_at: int = 0


@dataclass(frozen=True, slots=True)
class WriteList:
    """A record: a static list is made, or its members become others. Ids that are bad rows are left out."""

    list_id: str
    action: ListAction
    rows: RowFile
    """The ids that the action is about; values are not looked at."""
    written_at: int
    """Server time in µs; new members are in the list since then."""
    name: str | None = None
    """What the list is called from now on; None: as before, and a new one by its id."""


@dataclass(frozen=True, slots=True)
class DeleteList:
    """A record: a static list is there no more."""

    list_id: str


@dataclass(frozen=True, slots=True)
class EraseUser:
    """A record: all that is known of the person of an id goes, with all ids. What comes later starts anew.

    In the process that owns the store, what was accepted before is applied first. The id is as given; the
    store hashes it where the space says so, unless `is_hashed`.
    """

    user: UserId
    is_hashed: bool = False
    erased_at: int = 0
    """Server time in µs."""
    suppresses: bool = False
    """All ids of the person stay out from then on, whatever names them; and the one that is given, even if
    nothing is known of it."""


@dataclass(frozen=True, slots=True)
class EraseAgain:
    """A record: who was erased from a later copy of the data goes from this one, by keyed hashes of his ids.

    Ids that this copy does not know are passed over. Who was suppressed is so again, under the ids whose
    hashes are given. Of an erasure of that id and time that is there already nothing changes.
    """

    number: int
    erased_at: int
    id_hash: str
    id_hashes: Sequence[str]
    is_suppressed: bool


@dataclass(frozen=True, slots=True)
class LiftSuppression:
    """A record: the person of an id may be known again, under all ids that were suppressed with it."""

    user: UserId
    is_hashed: bool = False


@dataclass(frozen=True, slots=True)
class BeginRetention:
    """A record: a run of deleting by age begins; `ForgetOld` does it, portion by portion."""

    began_at: int
    """Server time in µs."""
    as_of: int | None = None
    """By this time users are judged, µs; None: by where the space's clock stands."""


@dataclass(frozen=True, slots=True)
class ForgetOld:
    """A record: the next portion of what is too old goes. The run is over when nothing is left."""

    run: int
    now: int
    """Server time in µs."""


Record = (
    EventChunk
    | ChangeSettings
    | CloseHistory
    | AddLink
    | RemoveLink
    | WriteValues
    | UndoRun
    | WriteList
    | DeleteList
    | EraseUser
    | BeginRetention
    | ForgetOld
    | LiftSuppression
    | EraseAgain
)


SpoolPosition = tuple[int, int]
"""How far a series of the spool is applied: its segment, and the byte in it."""


@dataclass(frozen=True, slots=True)
class SpooledEvents:
    """What collectors accepted since the last time, of any spaces, and what is true once it is applied."""

    lines: Mapping[int, Path]
    """A file of lines (`Form.SPOOLED`) by the number of its space."""
    positions: Mapping[int, SpoolPosition]
    """How far each series is applied then; a series that is not named is done with."""
    clock_at: int | None
    """Server time up to which everything that was accepted is applied then; None: not known."""
    sample_rows: int = 0
    """How many of the last events of each space to describe, for people who watch."""
