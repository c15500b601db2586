"""What a store can do for whom it does not belong to: what is read, and what changes the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from enduser.core.attributes import Attribute, AttributeType
from enduser.core.contents import Content, SavedContent
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.segments import SavedSegment, Saving, Segment
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.stores.answers import Applied, Difference, RetypePreview, WriteKey
from enduser.stores.contract.reader import Reader
from enduser.stores.records import Record


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
