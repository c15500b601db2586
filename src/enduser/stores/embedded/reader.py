"""What can be read of the store, from any thread: each answer is one look beside the writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from enduser.core.attributes import Attribute
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.contents import Decision, SavedContent
from enduser.core.events import UserId
from enduser.core.feed import EVERY_ROW, FeedFilter, FeedPage
from enduser.core.filters import SavedFilter
from enduser.core.rules.programs import Person, Program
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
from enduser.stores.embedded import (
    archive,
    asking,
    candidates,
    contents,
    erasing,
    erasures,
    exports,
    feed_pages,
    filters,
    hashing,
    listing,
    lists,
    look_alikes,
    moving,
    pages,
    past,
    reading,
    registry,
    retention,
    segments,
    suppressing,
    values,
)
from enduser.stores.embedded import database as files
from enduser.stores.embedded.looks import Looks
from enduser.stores.records import WriteValues


class EmbeddedReader:
    """See `enduser.stores.contract.Reader` for what each method means."""

    def __init__(self, looks: Looks) -> None:
        """Read by `looks`."""
        self.looks = looks

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces."""
        with self.looks.connected() as connection:
            return [space for space, _ in files.spaces(connection)]

    def guids(self) -> Mapping[str, str]:
        """Return the GUID of each space."""
        with self.looks.connected() as connection:
            return files.guids(connection)

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""
        with self.looks.at(space) as look:
            return look.settings()

    def status(self, space: str) -> SpaceStatus:
        """Return sizes and the clock."""
        with self.looks.at(space) as look:
            return reading.status(look.connection, space)

    def find_user(
        self, space: str, user_id: str, id_kind: str | None = None, *, include_open: bool = False
    ) -> Mapping[str, object] | None:
        """Return the End User Object of an id, None if there is none."""
        with self.looks.at(space) as look:
            return reading.find_user(look, user_id, id_kind, include_open=include_open)

    def find_past(self, space: str, user_id: str, id_kind: str, until: int) -> Past | None:
        """Return what is known of the person of an id up to a time."""
        with self.looks.at(space) as look:
            return past.find_past(look, user_id, id_kind, until)

    def users_page(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some End User Objects, and where the next ones are."""
        with self.looks.at(space) as look:
            return listing.users_page(look, asked, limit, cursor)

    def user_sessions(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return some sessions of a person, the newest first, and where the next ones are."""
        with self.looks.at(space) as look:
            return pages.user_sessions(look, user_id, id_kind, limit, cursor)

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes, the oldest first."""
        with self.looks.connected() as connection:
            return [column.attribute for column in registry.columns(connection)]

    def source_order(self, space: str) -> SourceOrder:
        """Return the sources of a space, the first first."""
        with self.looks.at(space) as look:
            return candidates.source_order(look)

    def runs(
        self, space: str, *, source: str | None = None, limit: int = 100, before: int | None = None
    ) -> Sequence[Run]:
        """Return the last runs of files, the newest first."""
        pages.check_limit(limit)
        with self.looks.at(space) as look:
            return [Run(*row) for row in look.run("values.runs", source=source, limit=limit, before=before)]

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        """Return what a write would do now, on a connection of its own and without a time limit."""
        with self.looks.apart(space) as look:
            preview = values.preview(look.naming(), record)
            written = [column.attribute for column in record.rows.columns]
            return replace(preview, segments=list(moving.moved(look, written)))

    def find_candidates(
        self, space: str, user_id: str, id_kind: str | None = None
    ) -> Mapping[str, Sequence[Candidate]]:
        """Return what was ever said of the person of an id, by attribute."""
        with self.looks.at(space) as look:
            return candidates.find_candidates(look, user_id, id_kind)

    def find_link(self, space: str, one: UserId, other: UserId) -> Mapping[str, object] | None:
        """Return the link of two ids, None if they are not linked."""
        with self.looks.at(space) as look:
            return reading.find_link(look, one, other)

    def links_page(self, space: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Return some links that hold, and where the next ones are."""
        with self.looks.at(space) as look:
            return pages.links_page(look, limit, cursor)

    def lists(self, space: str) -> Sequence[StaticList]:
        """Return the static lists of a space, by id."""
        with self.looks.at(space) as look:
            return lists.every_list(look)

    def find_list(self, space: str, list_id: str) -> StaticList:
        """Return the static list of an id."""
        with self.looks.at(space) as look:
            return lists.find_list(look, list_id)

    def list_members_page(
        self, space: str, list_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some members of a static list, and where the next ones are."""
        with self.looks.at(space) as look:
            return lists.members_page(look, list_id, limit, cursor)

    def segments(self, space: str) -> Sequence[SavedSegment]:
        """Return the segments of a space, by id."""
        with self.looks.at(space) as look:
            return segments.every_segment(look.connection)

    def find_segment(self, space: str, segment_id: str) -> SavedSegment:
        """Return a segment as it is now."""
        with self.looks.at(space) as look:
            return segments.find_segment(look.connection, segment_id)

    def segment_versions(self, space: str, segment_id: str) -> Sequence[SavedSegment]:
        """Return the versions of a segment, the newest first."""
        with self.looks.at(space) as look:
            return segments.versions(look.connection, segment_id)

    def uses(self, space: str, kind: Named, name: str) -> Sequence[Use]:
        """Return what names an attribute, a segment or a list."""
        with self.looks.at(space) as look:
            return segments.uses(look, kind, name)

    def count_users(self, space: str, rules: Sequence[RuleJson]) -> RuleCounts:
        """Return how many each of some rules means."""
        with self.looks.at(space) as look:
            return asking.count_users(look, rules)

    def facet(self, space: str, rule: RuleJson, name: str, limit: int = 10) -> Facet:
        """Return how the users of a rule are parted by an attribute."""
        with self.looks.at(space) as look:
            return asking.facet(look, rule, name, limit)

    def explain_segments(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        segment_ids: Sequence[str] | None = None,
        *,
        with_reasons: bool = True,
    ) -> Explained:
        """Return whether segments hold for the person of an id, and why."""
        with self.looks.at(space) as look:
            return asking.explain_segments(look, user_id, id_kind, segment_ids, with_reasons=with_reasons)

    def filters(self, space: str) -> Sequence[SavedFilter]:
        """Return the saved filters of a space, by id."""
        with self.looks.at(space) as look:
            return filters.every_filter(look.connection)

    def find_filter(self, space: str, filter_id: str) -> SavedFilter:
        """Return the saved filter of an id."""
        with self.looks.at(space) as look:
            return filters.find_filter(look.connection, filter_id)

    def contents(self, space: str) -> Sequence[SavedContent]:
        """Return the content items of a space, by id."""
        with self.looks.at(space) as look:
            return contents.every_content(look.connection)

    def find_person(self, space: str, user_id: str, id_kind: str, program: Program) -> tuple[Person, int]:
        """Return what a program needs to know of the person of an id, and what the clock shows."""
        with self.looks.at(space) as look:
            return contents.find_person(look, user_id, id_kind, program)

    def decide(
        self, space: str, user_id: str, id_kind: str | None = None, *, only_public: bool = True
    ) -> Decision:
        """Return which content items and segments hold for the person of an id."""
        with self.looks.at(space) as look:
            return contents.decide(look, user_id, id_kind, only_public=only_public)

    def feed_page(
        self,
        space: str,
        after: int | None = None,
        *,
        limit: int = 100,
        which: FeedFilter = EVERY_ROW,
    ) -> FeedPage:
        """Return rows of the feed behind a number."""
        pages.check_limit(limit)
        with self.looks.at(space) as look:
            return feed_pages.page(look, after, limit, which)

    def write_person(self, space: str, user_id: str, id_kind: str, folder: Path) -> HeldPerson | None:
        """Write all that is held on the person of an id into a folder."""
        with self.looks.at(space, "EXPORT_SECONDS_MAX") as look:
            return archive.write_person(look, user_id, id_kind, folder)

    def preview_erasure(self, space: str, user_id: str, id_kind: str) -> Erased | None:
        """Return how much an erasure would take away."""
        with self.looks.at(space) as look:
            return erasing.preview(look, user_id, id_kind)

    def erasures(self, space: str, *, limit: int = 100, before: int | None = None) -> Sequence[Erasure]:
        """Return the last erasures of a space, the newest first."""
        pages.check_limit(limit)
        with self.looks.at(space) as look:
            return erasures.page(look.connection, space, before, limit)

    def retention_runs(
        self, space: str, *, limit: int = 100, before: int | None = None
    ) -> Sequence[RetentionRun]:
        """Return the last runs of deleting by age, the newest first."""
        pages.check_limit(limit)
        with self.looks.at(space) as look:
            return retention.runs(look, before, limit)

    def preview_retention(self, space: str, as_of: int | None = None) -> RetentionPreview:
        """Return what deleting by age would take away."""
        with self.looks.lasts(), self.looks.at(space, "EXPORT_SECONDS_MAX") as look:
            return retention.preview(look, as_of)

    def is_suppressed(self, space: str, user_id: str, id_kind: str) -> bool:
        """Return whether an id is to stay out."""
        with self.looks.at(space) as look:
            return suppressing.is_suppressed(look.naming(), user_id, id_kind)

    def hashing_preview(self, space: str, salt: str | None = None) -> HashingPreview:
        """Return what turning `hash_ids` on would do."""
        with self.looks.at(space) as look:
            return hashing.preview(look.naming(), salt)

    def look_alikes(self, space: str, *, limit: int = 100) -> LookAlikes:
        """Return user ids that differ only by case."""
        with self.looks.at(space) as look:
            return look_alikes.look_alikes(look, limit)

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
        """Write users who are asked for, or all sessions, to a file; return the count of rows."""
        with self.looks.lasts(), self.looks.at(space, "EXPORT_SECONDS_MAX") as look:
            return exports.export(look, what, path, form, is_raw=is_raw, asked=asked)
