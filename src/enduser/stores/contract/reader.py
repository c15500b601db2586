"""What can be read of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from enduser.core.attributes import Attribute
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.contents import Decision, SavedContent
from enduser.core.events import UserId
from enduser.core.feed import EVERY_ROW, FeedFilter, FeedPage
from enduser.core.filters import SavedFilter
from enduser.core.rules.rule_json import RuleJson
from enduser.core.segments import Explained, Facet, RuleCounts, SavedSegment
from enduser.core.settings import SpaceSettings
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.core.uses import Named, Use
from enduser.stores.answers import (
    Erased,
    Erasure,
    HashingPreview,
    HeldPerson,
    LookAlikes,
    Page,
    Past,
    RetentionPreview,
    RetentionRun,
    Run,
    SpaceStatus,
    StaticList,
    ValuesPreview,
)
from enduser.stores.records import WriteValues


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

    def uses(self, space: str, kind: Named, name: str) -> Sequence[Use]:
        """Return what names one of the `attributes`, `segments` or `lists` of a space.

        Archived segments are left out: they can name what is gone.
        """

    def count_users(self, space: str, rules: Sequence[RuleJson]) -> RuleCounts:
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
