"""What an engine must be able to do. Every engine passes the same suite (tests/contract/).

The truth changes in these ways only: a record is applied, what was spooled is applied, a space is created, a
write key is rotated. What is derived from it follows by `fold`. Records of a space are applied in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from enduser.core.as_of import KeptSession
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.events import Event, UserId
from enduser.core.lists import ListAction
from enduser.core.origin import Browser, Place
from enduser.core.outcomes import Outcomes
from enduser.core.settings import SpaceSettings
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


DEFAULT_SPACE = "default/production"
"""The space that a data folder begins with."""


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


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not taken: its number in the file, from 1, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What became of one event, for people who watch."""

    received_at: int
    occurred_at: int | None
    user_id: str | None
    is_anonymous: bool
    type: str | None
    name: str | None
    page_url: str | None
    outcome: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ValueRejection:
    """A value that was not taken, though its row was: the number of the row, from 1, and why."""

    row: int
    attribute: str
    reason: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of rows of values: each row is in exactly one of the counts but `read`, their sum."""

    run: int
    """The number of the run."""
    read: int
    new: int
    """Users of whom nothing was known of what the rows are about."""
    changed: int
    """Other users of whom something else holds now."""
    unchanged: int
    """Users of whom the same holds as before, and rows that say nothing."""
    superseded: int
    """Rows of a user of whom a later row of the file speaks too."""
    rejected: int
    """Rows of which nothing could be taken."""
    rejected_values: int
    """Values of good rows that could not be taken."""
    row_rejections: Sequence[Rejection] = ()
    """All, or of a file the first `REJECTIONS_LISTED_MAX`."""
    value_rejections: Sequence[ValueRejection] = ()
    """The same of values."""


@dataclass(frozen=True, slots=True)
class RetypePreview:
    """What becomes of all values that were ever said of an attribute if it gets another type."""

    values: int
    lost: int
    """Those that cannot be read as the other type."""
    examples: Sequence[str]
    """One of these, if there are some."""


@dataclass(frozen=True, slots=True)
class AttributeDiff:
    """Of how many users a write changes an attribute, and how."""

    attribute: str
    set: int
    """It was unknown."""
    changed: int
    cleared: int


@dataclass(frozen=True, slots=True)
class ChangedUser:
    """One user as he was and becomes, by attribute; None: unknown."""

    user_id: str
    is_anonymous: bool
    before: Mapping[str, object]
    after: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ValuesPreview:
    """What a write would do."""

    written: Written
    users: int
    """Of how many users the good rows speak."""
    seen: int
    """How many of them have an End User Object."""
    attributes: Sequence[AttributeDiff]
    samples: Sequence[ChangedUser]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of a file did. Times are µs."""

    run: int
    source: str
    input: str
    written_at: int
    read: int
    new: int
    changed: int
    unchanged: int
    superseded: int
    rejected: int
    rejected_values: int
    undone_at: int | None


@dataclass(frozen=True, slots=True)
class WrittenList:
    """How many ids became members of a list, how many are members no more, and how many were not taken."""

    added: int
    removed: int
    rejected: int
    rejections: Sequence[Rejection]
    """The first `LIST_IDS_PER_CALL_MAX` that were not taken: of a call over HTTP that is all."""


@dataclass(frozen=True, slots=True)
class StaticList:
    """A named set of ids. Times are µs."""

    id: str
    name: str
    """Empty: it is called by its id."""
    created_at: int
    changed_at: int
    """When its name or its members changed last."""
    members: int
    """How many ids are in it."""
    seen: int
    """How many of them have an End User Object."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How much of a person goes, or went."""

    ids: int
    events: int
    sessions: int
    """Open ones too."""
    values: int
    """Of custom attributes: all that were ever said, also those that did not hold."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a record."""

    outcomes: Outcomes = field(default_factory=Outcomes)
    rejections: Sequence[Rejection] = ()
    time_unit: TimeUnit | None = None
    """Of events: the unit that their numeric times were read in; None where there were none."""
    samples: Sequence[Sample] = ()
    written: Written | None = None
    """Of rows of values."""
    listed: WrittenList | None = None
    """Of a static list that was made or changed."""
    erased: Erased | None = None
    """Of a person who was erased."""


API_KEY_PREFIX = "eud_"
"""Begins every API key, and no write key."""


@dataclass(frozen=True, slots=True)
class WriteKey:
    """A public key by which events reach a space. From `ends_at` on it is refused; None: it has no end."""

    space: str
    write_key: str
    created_at: int
    ends_at: int | None


@dataclass(frozen=True, slots=True)
class Door:
    """What a collector must know of a space."""

    number: int
    """The number of the space in the spool."""
    space: str
    settings: SpaceSettings
    keys: Sequence[WriteKey]


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """The size of a space and where its clock stands (µs)."""

    space: str
    clock_at: int | None
    live_since: int | None
    """Receipt of the first event over HTTP, from which on the clock is the server's; None: history."""
    events: int
    users: int
    sessions: int
    open_sessions: int
    outcomes: Outcomes = field(default_factory=Outcomes)
    """What became of all events so far."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, and the cursor of those that follow; None: there are no more."""

    items: Sequence[Mapping[str, object]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a person up to a time."""

    user: UserId
    """The id that the person shows."""
    sessions: Sequence[KeptSession]
    """Those that had begun, in order of time."""
    said: Sequence[Event]
    """What events said of analytics properties: one for each value, with nothing else."""


@dataclass(frozen=True, slots=True)
class HashingPreview:
    """What turning `hash_ids` on does to the users that a space has; none of it can be undone."""

    user_ids: int
    """User ids whose hashes take their place."""
    hash_forms: int
    """How many of them look like hashes already, as messages bring them that are marked so."""
    ended_links: int
    """Links that end, because nothing tells them but the id before of an `alias`."""


@dataclass(frozen=True, slots=True)
class LookAlikeGroup:
    """User ids that differ only by case."""

    count: int
    ids: Sequence[str]
    """The first in byte order, at most `LOOK_ALIKE_IDS_MAX`."""
    is_one_person: bool
    """Whether links make all of them one person already."""


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """User ids that differ only by case: the greatest groups first, and how many there are in all."""

    groups: Sequence[LookAlikeGroup]
    total_groups: int
    total_ids: int
    """Ids of all groups together."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is stored but should not be (`stored`), or the reverse (`recomputed`)."""

    kind: str
    side: str
    user_id: str | None
    row: str


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


class Reader(Protocol):
    """What can be read of a store, beside the thread that changes it too.

    Every method that takes a space raises `InvalidSpace` where there is none of that name. Each sees one
    moment, and takes at most `READ_SECONDS_MAX`, else it raises `ReadTimeout`.
    """

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces, `system/environment`, oldest first."""

    def guids(self) -> Mapping[str, str]:
        """Return the GUID of each space by its name, the oldest first.

        It is lower-case, of 8-4-4-4-12 digits, and never changes: the wire form of the reference product
        names a system by it.
        """

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""

    def status(self, space: str) -> SpaceStatus:
        """Return sizes and the clock."""

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes, the oldest first."""

    def source_order(self, space: str) -> SourceOrder:
        """Return the sources of a space, the first first."""

    def runs(
        self, space: str, *, source: str | None = None, limit: int = 100, before: int | None = None
    ) -> Sequence[Run]:
        """Return the last runs of files, of a source or of all, the newest first; those before a number.

        Raises:
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        """Return what a write would do now; it takes as long as the write, beside the thread that changes.

        Raises:
            AttributeNotFound: a column of rows is of no attribute.
        """

    def find_candidates(
        self, space: str, user_id: str, id_kind: str | None = None
    ) -> Mapping[str, Sequence[Candidate]]:
        """Return what was ever said of the person of an id, by attribute; nothing where the id is unknown."""

    def find_user(
        self, space: str, user_id: str, id_kind: str | None = None, *, include_open: bool = False
    ) -> Mapping[str, object] | None:
        """Return the End User Object of an id, None if there is none.

        `id_kind` is `plain`, `hashed` (as stored with `hash_ids`) or `anonymous`; None tries plain, then
        anonymous. Any id of a person gives the person's object, which names the id that the person shows.
        With `include_open` the object is as if the person's open sessions were closed.
        """

    def find_past(self, space: str, user_id: str, id_kind: str, until: int) -> Past | None:
        """Return what is known of the person of an id up to a time (µs), None if no session had begun.

        Raises:
            LimitExceeded: it is more than `PAST_ROWS_MAX` sessions or values.
        """

    def users_page(
        self,
        space: str,
        *,
        sort: str = "user_id",
        limit: int = 100,
        cursor: str | None = None,
        include_open: bool = False,
    ) -> Page:
        """Return End User Objects in the order of `users`, from the place of a cursor on.

        The rows are those of `users`; with `include_open` as in `find_user`.

        Raises:
            UsageError: `sort` is no attribute.
            InvalidCursor: the cursor is none of a list in this order.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def user_sessions(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return the sessions of the person of an id, open ones too, the newest first, as in `sessions`.

        There are none where the id is unknown.

        Raises:
            InvalidCursor: the cursor is none of such a list.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def find_link(self, space: str, one: UserId, other: UserId) -> Mapping[str, object] | None:
        """Return the link of two ids, as stored, that holds as of the last fold; None if there is none.

        It is a row of `links_page`, of several the earliest.
        """

    def links_page(self, space: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Return links that hold as of the last fold, the oldest first.

        A row has two ids as stored, `one` and `other`, a user id before an anonymous one, else in byte order,
        with `one_is_anonymous` and `other_is_anonymous`; `since`, the time in µs of the event that claims the
        link, or of the call; and `by`: `event` or `api`.

        Raises:
            InvalidCursor: the cursor is none of such a list.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def lists(self, space: str) -> Sequence[StaticList]:
        """Return the static lists of a space, by id."""

    def find_list(self, space: str, list_id: str) -> StaticList:
        """Return the static list of an id.

        Raises:
            ListNotFound: there is no list of this id.
        """

    def list_members_page(
        self, space: str, list_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return members of a static list in byte order of their ids.

        A row has `user_id` as stored, `is_anonymous`, `added_at` (µs), and `is_seen`: whether the person of
        the id has an End User Object.

        Raises:
            ListNotFound: there is no list of this id.
            InvalidCursor: the cursor is none of such a list.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def preview_erasure(self, space: str, user_id: str, id_kind: str) -> Erased | None:
        """Return how much of the person of an id an erasure would take away; None where the id is unknown."""

    def hashing_preview(self, space: str) -> HashingPreview:
        """Return what turning `hash_ids` on would do to the users of a space now."""

    def look_alikes(self, space: str, *, limit: int = 100) -> LookAlikes:
        """Return the `limit` greatest groups of user ids that differ only by case.

        Raises:
            IdsHashed: the ids of the space are hashed, so that nobody can compare them.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """


class Store(Reader, Protocol):
    """An engine. One process owns it; all times are microseconds since 1970 UTC.

    Every method that takes a space raises `InvalidSpace` where there is none of that name.
    """

    @property
    def folder(self) -> Path:
        """The data folder; `tmp` in it is scratch room."""

    def create_space(self, space: str, now_us: int) -> None:
        """Create a space.

        Raises:
            InvalidSpaceName: the name is malformed or taken.
            LimitExceeded: there are as many spaces as there may be.
        """

    def write_keys(self) -> Sequence[WriteKey]:
        """Return all write keys, also those that have ended, oldest first."""

    def rotate_write_key(self, space: str, now_us: int, grace_us: int) -> str:
        """Give a space a new write key and return it; its other keys end `grace_us` after `now_us`."""

    def create_attribute(self, attribute: Attribute) -> None:
        """Add a custom attribute to the registry.

        Raises:
            InvalidAttribute: its name cannot be, or is taken.
            LimitExceeded: there are as many as there may be, or a text is too long.
        """

    def change_attribute(self, name: str, changed: Attribute) -> None:
        """Change an attribute, but for its type; by another conflict rule other values may hold.

        Raises:
            AttributeNotFound: there is none of this name.
            InvalidAttribute: the new name cannot be, or is taken.
            LimitExceeded: a text is too long.
        """

    def preview_retype(self, name: str, kind: AttributeType) -> RetypePreview:
        """Return what would become of the values of an attribute if it had another type.

        Raises:
            AttributeNotFound: there is none of this name.
        """

    def retype_attribute(self, name: str, kind: AttributeType) -> None:
        """Give an attribute another type, in all spaces.

        Every value is read as its text would be; what cannot be read is lost, for good.

        Raises:
            AttributeNotFound: there is none of this name.
        """

    def delete_attribute(self, name: str) -> None:
        """Take an attribute away, with all its values and their history, in all spaces.

        Raises:
            AttributeNotFound: there is none of this name.
        """

    def apply(self, space: str, record: Record) -> Applied:
        """Apply one record, whole or not at all, durably.

        Events that it brings are in sessions and End User Objects after the next `fold`. Chunks of one
        file follow each other within their space; records of other spaces may come between.

        Raises:
            InputError: a file cannot be read.
            InvalidSetting: a setting or its value is none, or cannot change any more.
            UsageError: a link of an id to itself, or to what is no id.
            LimitExceeded: a bound of `enduser.limits` was reached.
            AttributeNotFound: a column of rows is of no attribute.
            RunNotFound: a run that is to be undone is none, or is undone.
            KeyReused: a write has the key of another.
            InvalidList, ListExists, ListNotFound: a static list cannot be made or changed as it is said.
            UserNotFound: who is to be erased is not known.
            StoreError: an erasure waited too long for what was accepted before it.
        """

    def fold(self, space: str) -> None:
        """Bring sessions and End User Objects up to all applied records."""

    def rebuild(self, space: str) -> None:
        """Recompute all sessions and End User Objects from the events; until then readers see the old."""

    def verify(self, space: str) -> Sequence[Difference]:
        """Recompute beside what is stored and return each difference; changes nothing."""

    def users(
        self, space: str, *, sort: str = "user_id", limit: int | None = None
    ) -> Iterator[Mapping[str, object]]:
        """Yield End User Objects as rows named as in docs/end-user-object.md, times in µs.

        They come by the attribute `sort`, with a `-` before it the greatest first; unknown ones come last.

        Raises:
            UsageError: `sort` is no attribute.
        """

    def sessions(self, space: str) -> Iterator[Mapping[str, object]]:
        """Yield all sessions, open ones too, by user (the id that a person shows) and start."""

    def export(self, space: str, what: str, path: Path, form: str, *, is_raw: bool = False) -> int:
        """Write all `users` or `sessions` to a file as `csv`, `jsonl` or `parquet`; return the count of rows.

        Times are ISO 8601 UTC with microseconds (in Parquet: timestamps), durations seconds. In CSV a text
        that a spreadsheet would take for a formula gets a quote before it, unless `is_raw`.

        Raises:
            StoreError: the file cannot be written.
        """

    def count_parquet_rows(self, path: Path) -> int:
        """Return how many rows a Parquet file of events has.

        Raises:
            InputError: it is no Parquet file, or lacks the columns that an event needs.
        """

    def close(self) -> None:
        """Release the data folder."""


ChangedObject = tuple[str, bool, Mapping[str, object] | None]
"""Id, whether it is anonymous, and the object as in `Store.users`; None: there is none (any more).

Each id of a person comes with the person's object."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The End User Objects that changed since a fold, for a copy to follow."""

    fold: int
    """The number of the last fold that they contain."""
    is_everything: bool
    """Whether these are all objects of the space, so that a copy begins anew."""
    users: Iterator[ChangedObject]


class OwnedStore(Store, Protocol):
    """The store in the process that owns it: also what only the owner does."""

    def heal(self) -> None:
        """Make the store usable again after a call failed, if that can be done.

        Raises:
            StoreError: it cannot be done now.
        """

    @property
    def reader(self) -> Reader:
        """What other threads read with."""

    @property
    def forgotten(self) -> int:
        """How often something was to be forgotten since the store was opened: a person, or plain ids.

        What was read before that may not be shown any more.
        """

    def before_erasures(self, catch_up: Callable[[], None]) -> None:
        """Call `catch_up` before each erasure: it applies what is accepted and not yet applied."""

    def generations(self) -> Mapping[str, int]:
        """Return by space how often its objects may have changed since the store was opened; at first 1."""

    def changes(self, space: str, since: int) -> Changes:
        """Return which objects changed after the fold of the number `since`; 0: everything."""

    def objects(self, space: str, part: int, parts: int) -> Iterator[ChangedObject]:
        """Yield the objects of one of `parts` equal parts of a space, the first is 0."""

    def doors(self) -> Sequence[Door]:
        """Return what collectors must know, space by space."""

    def spool_positions(self) -> Mapping[int, SpoolPosition]:
        """Return how far each series of the spool is applied."""

    def apply_spooled(self, spooled: SpooledEvents) -> Mapping[str, Applied]:
        """Apply what was spooled, whole or not at all, durably; return what became of it by space.

        Clocks of live spaces follow, sessions that are over close, and End User Objects are up to date.
        Lines of a space that does not exist (any more) are passed over.
        """
