"""What an engine must be able to do. Every engine passes the same suite (tests/contract/).

The truth changes in these ways only: a record is applied, what was spooled is applied, a space is created, a
write key is rotated. What is derived from it follows by `fold`. Records of a space are applied in order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from enduser.core.attributes import Attribute, AttributeType
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.contents import Content, Decision, SavedContent
from enduser.core.deciding import Deciding
from enduser.core.events import UserId
from enduser.core.feed import EVERY_ROW, FeedFilter, FeedPage
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.rules.demands import Demand
from enduser.core.rules.programs import Person, Program
from enduser.core.segments import (
    Counted,
    Explained,
    Facet,
    Named,
    RuleJson,
    SavedSegment,
    Saving,
    Segment,
    SegmentUse,
)
from enduser.core.settings import SpaceSettings
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.errors import InputError
from enduser.stores.answers import (
    Applied,
    BytesDue,
    ChangedObject,
    Changes,
    Difference,
    Door,
    Erased,
    Erasure,
    Fact,
    HashingPreview,
    HeldPerson,
    LookAlikes,
    Page,
    Past,
    RetentionPreview,
    RetentionRun,
    RetypePreview,
    Run,
    SpaceStatus,
    StaticList,
    ValuesPreview,
    WriteKey,
)
from enduser.stores.records import Record, SpooledEvents, SpoolPosition, WriteValues

DEFAULT_SPACE = "default/production"
"""The space that a data folder begins with."""


API_KEY_PREFIX = "eud_"
"""Begins every API key, and no write key."""


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
    moment, and takes at most `READ_SECONDS_MAX` if it says nothing else; longer, it raises `ReadTimeout`.
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
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return users who are asked for, in the order of `users`, from the place of a cursor on.

        Raises:
            InvalidParameter: an attribute is none, or users cannot be sorted by it; a rule and `include_open`
                are asked for together.
            InvalidRule, RuleTooLarge, UsersNotTracked: the rule cannot be.
            InvalidCursor: the cursor is none of a list in this order.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`, or the text that is searched too long.
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

    def segments(self, space: str) -> Sequence[SavedSegment]:
        """Return the segments of a space as they are now, archived ones too, by id."""

    def find_segment(self, space: str, segment_id: str) -> SavedSegment:
        """Return a segment as it is now.

        Raises:
            SegmentNotFound: there is no segment of this id.
        """

    def segment_versions(self, space: str, segment_id: str) -> Sequence[SavedSegment]:
        """Return the last `SEGMENT_VERSIONS_MAX` versions of a segment, the newest first.

        Raises:
            SegmentNotFound: there is no segment of this id.
        """

    def uses(self, space: str, kind: Named, name: str) -> Sequence[SegmentUse]:
        """Return what names one of the `attributes`, `segments` or `lists` of a space.

        Archived segments are left out: they can name what is gone.
        """

    def count_users(self, space: str, rules: Sequence[RuleJson]) -> Counted:
        """Return how many each of some rules means, all at one moment.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: a rule cannot be.
            LimitExceeded: they are more than `RULES_COUNTED_MAX`.
        """

    def facet(self, space: str, rule: RuleJson, name: str, limit: int = 10) -> Facet:
        """Return how the users of a rule are parted by an attribute: its `limit` most frequent values.

        Times are parted by day, in the zone of the space; of lists each item counts.

        Raises:
            InvalidRule, RuleTooLarge, UsersNotTracked: the rule cannot be.
            UsageError: there is no such attribute, or nobody is parted by it.
            LimitExceeded: `limit` is below 1 or above `FACET_VALUES_MAX`.
        """

    def explain_segments(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        segment_ids: Sequence[str] | None = None,
        *,
        with_reasons: bool = True,
    ) -> Explained:
        """Return whether segments hold for the person of an id and why: those named, or all, by id.

        Archived ones are left out. Without reasons a verdict is that of the whole rule alone.
        """

    def filters(self, space: str) -> Sequence[SavedFilter]:
        """Return the saved filters of a space, by id."""

    def find_filter(self, space: str, filter_id: str) -> SavedFilter:
        """Return the saved filter of an id.

        Raises:
            FilterNotFound: there is none.
        """

    def contents(self, space: str) -> Sequence[SavedContent]:
        """Return the content items of a space, by id."""

    def decide(
        self, space: str, user_id: str, id_kind: str | None = None, *, only_public: bool = True
    ) -> Decision:
        """Return which content items and segments hold for the person of an id, with or without an object."""

    def feed_page(
        self,
        space: str,
        after: int | None = None,
        *,
        limit: int = 100,
        which: FeedFilter = EVERY_ROW,
    ) -> FeedPage:
        """Return rows of the feed behind the number `after`, in order; None: from the first that is kept.

        Raises:
            FeedExpired: rows behind that number are not kept any more, or it was never reached.
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def export(
        self,
        space: str,
        what: str,
        path: Path,
        form: str,
        *,
        is_raw: bool = False,
        asked: UsersQuery = ALL_USERS,
    ) -> int:
        """Write to a file `users` who are asked for, or all `sessions`, as `csv`, `jsonl` or `parquet`.

        Returns the count of rows; there is no limit of them. Times are ISO 8601 UTC with microseconds (in
        Parquet: timestamps), durations seconds. In CSV a text that a spreadsheet would take for a formula
        gets a quote before it, unless `is_raw`. It takes at most `EXPORT_SECONDS_MAX`.

        Raises:
            StoreError: the file cannot be written.
            InvalidParameter, LimitExceeded, InvalidRule, RuleTooLarge, UsersNotTracked: as `users_page`.
        """

    def write_person(self, space: str, user_id: str, id_kind: str, folder: Path) -> HeldPerson | None:
        """Write all that is held on the person of an id into a folder; None where the id is unknown.

        Each name of `rows` of the answer is that of a file of CSV with a header, `<name>.csv`, of all ids of
        the person; what else is held is in the answer itself. All is true of one moment. Times are ISO 8601
        UTC; a text that a spreadsheet would take for a formula gets a quote before it. It takes at most
        `EXPORT_SECONDS_MAX`.

        Raises:
            StoreError: a file cannot be written.
        """

    def preview_erasure(self, space: str, user_id: str, id_kind: str) -> Erased | None:
        """Return how much of the person of an id an erasure would take away; None where the id is unknown."""

    def is_suppressed(self, space: str, user_id: str, id_kind: str) -> bool:
        """Return whether an id was erased and is to stay out; nothing else is known of it."""

    def hashing_preview(self, space: str, salt: str | None = None) -> HashingPreview:
        """Return what turning `hash_ids` on would do to the users of a space now.

        It would be done with this salt; None: with the one that is set.
        """

    def erasures(self, space: str, *, limit: int = 100, before: int | None = None) -> Sequence[Erasure]:
        """Return the last erasures of a space, the newest first; those before a number.

        Raises:
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def retention_runs(
        self, space: str, *, limit: int = 100, before: int | None = None
    ) -> Sequence[RetentionRun]:
        """Return the last runs of deleting by age, the newest first; those before a number.

        Raises:
            LimitExceeded: `limit` is below 1 or above `PAGE_ROWS_MAX`.
        """

    def preview_retention(self, space: str, as_of: int | None = None) -> RetentionPreview:
        """Return what deleting by age would take away by where the clock stands, or as of a time (µs).

        It takes at most `EXPORT_SECONDS_MAX`.
        """

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

    def change_attribute(self, name: str, changed: Attribute, now_us: int) -> None:
        """Change an attribute in all spaces, whole or not at all.

        Under another name it is named so by the rules of all segments, each of which has a version more. By
        another conflict rule other values may hold. Of another type every value is read as its text would be;
        what cannot be read is lost, for good.

        Raises:
            AttributeNotFound: there is none of this name.
            InvalidAttribute: the new name cannot be, or is taken.
            InUse: rules of segments could not be any more with the type.
            LimitExceeded: a text is too long.
        """

    def preview_retype(self, name: str, kind: AttributeType) -> RetypePreview:
        """Return what would become of an attribute's values, and of segments, if it had another type.

        Raises:
            AttributeNotFound: there is none of this name.
        """

    def delete_attribute(self, name: str) -> None:
        """Take an attribute away, with all its values and their history, in all spaces.

        Raises:
            AttributeNotFound: there is none of this name.
            InUse: rules of segments name it.
        """

    def save_segment(self, space: str, segment: Segment, saving: Saving) -> SavedSegment:
        """Make a segment or change it; where nothing is another, no version comes.

        Raises:
            InvalidSegment: something that people say of it cannot be.
            InvalidRule, RuleTooLarge, UsersNotTracked: its rule, or that of one which names it, cannot be.
            SegmentExists, SegmentNotFound: one that is to be made is there; one that is to be changed is not.
            PreconditionFailed: it is not of the version that is to be changed.
            InUse: it is to be archived, and rules name it.
            LimitExceeded: there are as many as there may be.
        """

    def delete_segment(self, space: str, segment_id: str) -> None:
        """Take a segment away, with all its versions.

        Raises:
            SegmentNotFound: there is no segment of this id.
            InUse: rules name it.
        """

    def save_filter(self, space: str, asked: UserFilter, saving: Saving) -> SavedFilter:
        """Make a filter or change it.

        Raises:
            InvalidFilter: its id or its name cannot be.
            InvalidParameter: an attribute is none, or users cannot be sorted by it.
            InvalidRule, RuleTooLarge, UsersNotTracked: its rule cannot be.
            FilterExists, FilterNotFound: one that is to be made is there; one that is to be changed is not.
            LimitExceeded: there are as many as there may be, or the text that is searched is too long.
        """

    def delete_filter(self, space: str, filter_id: str) -> None:
        """Take a filter away.

        Raises:
            FilterNotFound: there is none of this id.
        """

    def save_content(self, space: str, content: Content, saving: Saving) -> SavedContent:
        """Make a content item or change it.

        Raises:
            InvalidContent: something of it cannot be, or its segment is not in use.
            ContentExists, ContentNotFound: one that is to be made is there; one that is to be changed is not.
            LimitExceeded: there are as many as there may be.
        """

    def delete_content(self, space: str, content_id: str) -> None:
        """Take a content item away.

        Raises:
            ContentNotFound: there is none of this id.
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
            InUse: a static list is to be deleted that rules of segments name.
            RetentionRefused: nobody may be deleted by age now, or as of that time.
            UserNotFound: who is to be erased is not known, and is not to stay out either.
            UserSuppressed: a link of an id that is to stay out.
            SuppressionNotFound: an id that is to be known again is not kept out.
            StoreError: an erasure waited too long for what was accepted before it.
        """

    def fold(self, space: str) -> None:
        """Bring sessions and End User Objects up to all applied records."""

    def rebuild(self, space: str) -> None:
        """Recompute all sessions and End User Objects from the events; until then readers see the old."""

    def verify(self, space: str) -> Sequence[Difference]:
        """Recompute beside what is stored and return each difference; changes nothing."""

    def users(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int | None = None
    ) -> Iterator[Mapping[str, object]]:
        """Yield users who are asked for as rows named as in docs/end-user-object.md, times in µs.

        Equal ones come by id, unknown ones last. Custom attributes are in `attributes`, those that are known.
        With `include_open` as in `find_user`.

        Raises:
            InvalidParameter: an attribute is none, or users cannot be sorted by it; a rule and `include_open`
                are asked for together.
            InvalidRule, RuleTooLarge, UsersNotTracked: the rule cannot be.
            LimitExceeded: the text that is searched is too long.
        """

    def sessions(self, space: str) -> Iterator[Mapping[str, object]]:
        """Yield all sessions, open ones too, by user (the id that a person shows) and start."""

    def count_parquet_rows(self, path: Path) -> int:
        """Return how many rows a Parquet file of events has.

        Raises:
            InputError: it is no Parquet file, or lacks the columns that an event needs.
        """

    def close(self) -> None:
        """Release the data folder."""


class NewFile(Protocol):
    """A new file that is to take the place of the database."""

    def write(self) -> None:
        """Write ahead what can be written while all goes on, so that less is left to do; on any thread.

        Raises:
            StoreError: it cannot be written, or it was to `stop`.
        """

    def stop(self) -> None:
        """Let `write` end soon, with an error; from any thread. It may have to be said again."""

    def close(self) -> None:
        """End it, on the thread that owns the store. If that did not go on with it, nothing is left."""


class OwnedStore(Store, Protocol):
    """The store in the process that owns it: also what only the owner does."""

    def heal(self) -> None:
        """Make the store usable again after a call failed, if that can be done.

        Raises:
            StoreError: it cannot be done now.
        """

    def require_room(self) -> None:
        """Check that the disk has room for the database a second time.

        Raises:
            NoRoom: it has not.
        """

    def new_file(self) -> NewFile:
        """Begin to write the database into a new file, without the bytes of what was deleted until now.

        Raises:
            NoRoom: the disk has no room for it a second time.
            StoreError: it cannot be written.
        """

    def go_on_with(self, new: NewFile) -> None:
        """Go on with a new file in place of the old one, with all that has changed since it was begun.

        Nothing changes meanwhile. Reads go on, but for a moment at the end; those that last are stopped then.

        Raises:
            StoreError: it cannot be written, or the old one replaced, which stays.
        """

    def lasting_reads(self) -> int:
        """Return how many reads are made now that may last for longer than `READ_SECONDS_MAX`."""

    def bytes_due(self) -> BytesDue | None:
        """Return what is forgotten of which files may have bytes still; None: there is nothing."""

    def note_gone(self, due: BytesDue, now: int) -> None:
        """Note that since now (µs) no file has a byte of what was due; not of a run that took more since."""

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

    def follow_feed(self, space: str, written_at: int) -> int:
        """Bring the feed of a space up to what holds as of the last fold; return how many rows came.

        `written_at` is server time in µs. Rows that are too old go.
        """

    def rules_edition(self, space: str) -> int:
        """Return a number that is another whenever `deciding`, `demands` or what is followed may be."""

    def deciding(self) -> Sequence[Deciding]:
        """Return what collectors must know to decide, space by space."""

    def demands(self, space: str) -> Sequence[Demand]:
        """Return what decisions ask for of persons besides their attributes."""

    def find_person(self, space: str, user_id: str, id_kind: str, program: Program) -> tuple[Person, int]:
        """Return what a program needs to know of the person of an id, and what the clock shows (µs).

        May be asked from any thread.
        """

    def changed_facts(self, space: str, demands: Sequence[Demand], since: int) -> Generator[Fact]:
        """Yield what some demands ask for, under each id of each person who changed after the fold `since`.

        Of whom there is nothing to tell none is told. It must be closed before the store is used again.
        """

    def facts(self, space: str, demands: Sequence[Demand], part: int, parts: int) -> Generator[Fact]:
        """Yield the same of one of `parts` equal parts of a space, the first is 0."""

    def doors(self) -> Sequence[Door]:
        """Return what collectors must know, space by space."""

    def spool_positions(self) -> Mapping[int, SpoolPosition]:
        """Return how far each series of the spool is applied."""

    def apply_spooled(self, spooled: SpooledEvents) -> Mapping[str, Applied]:
        """Apply what was spooled, whole or not at all, durably; return what became of it by space.

        Clocks of live spaces follow, sessions that are over close, and End User Objects are up to date.
        Lines of a space that does not exist (any more) are passed over.
        """
