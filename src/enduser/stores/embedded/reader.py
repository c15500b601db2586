"""Reading beside the writer: from any thread, on connections of its own, each look within a time limit."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from enduser import limits
from enduser.clock import elapsed_s
from enduser.core.attributes import Attribute
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.contents import Decision, SavedContent
from enduser.core.events import UserId
from enduser.core.feed import EVERY_ROW, FeedFilter, FeedPage
from enduser.core.filters import SavedFilter
from enduser.core.rules.programs import Person, Program
from enduser.core.segments import (
    Counted,
    Explained,
    Facet,
    Named,
    RuleJson,
    SavedSegment,
    SegmentUse,
)
from enduser.core.settings import SpaceSettings
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.errors import ReadTimeout
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
    feed,
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
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import run
from enduser.stores.records import WriteValues

_INSIST_S = 0.1
"""How often it is seen whether a look is to be stopped; one that ran out of time may be between two
statements, and then the next one must be stopped."""
_CLOSING_S = 5
"""How long looks may take to end that are stopped because the reader is closed."""


class EmbeddedReader:
    """See `enduser.stores.contract.Reader` for what each method means."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, user_key_sql: str = files.USER_KEY_SQL) -> None:
        """Read from the database of a connection, which is not used itself any more."""
        self._user_key_sql = user_key_sql
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._taken: set[duckdb.DuckDBPyConnection] = set()
        self._is_free = threading.Condition()
        self._is_open = False
        self._lasting = 0
        self._closing = threading.Event()
        self.begin(connection)

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read from the database of a connection from now on."""
        self._root = connection.cursor()
        self._closing.clear()
        with self._is_free:
            self._is_open = True
            self._is_free.notify_all()

    def close(self, patience_s: float = 0) -> None:
        """Close all connections; who is reading has some time left, and is stopped then.

        Who begins to read waits until something can be read again.
        """
        with self._is_free:
            self._is_open = False
            self._is_free.wait_for(lambda: not self._taken, patience_s)
        self._closing.set()
        with self._is_free:
            self._is_free.wait_for(lambda: not self._taken, _CLOSING_S)
        for connection in (*self._idle, self._root):
            connection.close()
        self._idle.clear()

    @property
    def lasting(self) -> int:
        """How many reads are made now that may last."""
        return self._lasting

    @contextmanager
    def _lasts(self) -> Iterator[None]:
        """Run a read that may last."""
        with self._is_free:
            self._lasting += 1
        try:
            yield
        finally:
            with self._is_free:
                self._lasting -= 1

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces."""
        with self._connected() as connection:
            return [space for space, _ in files.spaces(connection)]

    def guids(self) -> Mapping[str, str]:
        """Return the GUID of each space."""
        with self._connected() as connection:
            return files.guids(connection)

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""
        with self.looking_at(space) as look:
            return look.settings()

    def status(self, space: str) -> SpaceStatus:
        """Return sizes and the clock."""
        with self.looking_at(space) as look:
            return reading.status(look.connection, space)

    def find_user(
        self, space: str, user_id: str, id_kind: str | None = None, *, include_open: bool = False
    ) -> Mapping[str, object] | None:
        """Return the End User Object of an id, None if there is none."""
        with self.looking_at(space) as look:
            return reading.find_user(look, user_id, id_kind, include_open=include_open)

    def find_past(self, space: str, user_id: str, id_kind: str, until: int) -> Past | None:
        """Return what is known of the person of an id up to a time."""
        with self.looking_at(space) as look:
            return past.find_past(look, user_id, id_kind, until)

    def users_page(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some End User Objects, and where the next ones are."""
        with self.looking_at(space) as look:
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
        with self.looking_at(space) as look:
            return pages.user_sessions(look, user_id, id_kind, limit, cursor)

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes, the oldest first."""
        with self._connected() as connection:
            return [column.attribute for column in registry.columns(connection)]

    def source_order(self, space: str) -> SourceOrder:
        """Return the sources of a space, the first first."""
        with self.looking_at(space) as look:
            return candidates.source_order(look)

    def runs(
        self, space: str, *, source: str | None = None, limit: int = 100, before: int | None = None
    ) -> Sequence[Run]:
        """Return the last runs of files, the newest first."""
        pages.check_limit(limit)
        with self.looking_at(space) as look:
            return [Run(*row) for row in look.run("values.runs", source=source, limit=limit, before=before)]

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        """Return what a write would do now, on a connection of its own and without a time limit."""
        with (
            told(ANSWER),
            self._lasts(),
            self._one() as taken,
            closing(taken.cursor()) as connection,
            self._stopped_after(connection, math.inf, ""),
        ):
            files.prepare(connection, self._user_key_sql)
            connection.execute(f"SET search_path = '{files.schema_of(connection, space)}'")
            connection.execute("BEGIN")
            look = Look(connection, space)
            preview = values.preview(_naming(look), record)
            written = [column.attribute for column in record.rows.columns]
            return replace(preview, segments=list(moving.moved(look, written)))

    def find_candidates(
        self, space: str, user_id: str, id_kind: str | None = None
    ) -> Mapping[str, Sequence[Candidate]]:
        """Return what was ever said of the person of an id, by attribute."""
        with self.looking_at(space) as look:
            return candidates.find_candidates(look, user_id, id_kind)

    def find_link(self, space: str, one: UserId, other: UserId) -> Mapping[str, object] | None:
        """Return the link of two ids, None if they are not linked."""
        with self.looking_at(space) as look:
            return reading.find_link(look, one, other)

    def links_page(self, space: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Return some links that hold, and where the next ones are."""
        with self.looking_at(space) as look:
            return pages.links_page(look, limit, cursor)

    def lists(self, space: str) -> Sequence[StaticList]:
        """Return the static lists of a space, by id."""
        with self.looking_at(space) as look:
            return lists.every_list(look)

    def find_list(self, space: str, list_id: str) -> StaticList:
        """Return the static list of an id."""
        with self.looking_at(space) as look:
            return lists.find_list(look, list_id)

    def list_members_page(
        self, space: str, list_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some members of a static list, and where the next ones are."""
        with self.looking_at(space) as look:
            return lists.members_page(look, list_id, limit, cursor)

    def segments(self, space: str) -> Sequence[SavedSegment]:
        """Return the segments of a space, by id."""
        with self.looking_at(space) as look:
            return segments.every_segment(look.connection)

    def find_segment(self, space: str, segment_id: str) -> SavedSegment:
        """Return a segment as it is now."""
        with self.looking_at(space) as look:
            return segments.find_segment(look.connection, segment_id)

    def segment_versions(self, space: str, segment_id: str) -> Sequence[SavedSegment]:
        """Return the versions of a segment, the newest first."""
        with self.looking_at(space) as look:
            return segments.versions(look.connection, segment_id)

    def uses(self, space: str, kind: Named, name: str) -> Sequence[SegmentUse]:
        """Return what names an attribute, a segment or a list."""
        with self.looking_at(space) as look:
            return segments.uses(look, kind, name)

    def count_users(self, space: str, rules: Sequence[RuleJson]) -> Counted:
        """Return how many each of some rules means."""
        with self.looking_at(space) as look:
            return asking.count_users(look, rules)

    def facet(self, space: str, rule: RuleJson, name: str, limit: int = 10) -> Facet:
        """Return how the users of a rule are parted by an attribute."""
        with self.looking_at(space) as look:
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
        with self.looking_at(space) as look:
            return asking.explain_segments(look, user_id, id_kind, segment_ids, with_reasons=with_reasons)

    def filters(self, space: str) -> Sequence[SavedFilter]:
        """Return the saved filters of a space, by id."""
        with self.looking_at(space) as look:
            return filters.every_filter(look.connection)

    def find_filter(self, space: str, filter_id: str) -> SavedFilter:
        """Return the saved filter of an id."""
        with self.looking_at(space) as look:
            return filters.find_filter(look.connection, filter_id)

    def contents(self, space: str) -> Sequence[SavedContent]:
        """Return the content items of a space, by id."""
        with self.looking_at(space) as look:
            return contents.every_content(look.connection)

    def find_person(self, space: str, user_id: str, id_kind: str, program: Program) -> tuple[Person, int]:
        """Return what a program needs to know of the person of an id, and what the clock shows."""
        with self.looking_at(space) as look:
            return contents.find_person(look, user_id, id_kind, program)

    def decide(
        self, space: str, user_id: str, id_kind: str | None = None, *, only_public: bool = True
    ) -> Decision:
        """Return which content items and segments hold for the person of an id."""
        with self.looking_at(space) as look:
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
        with self.looking_at(space) as look:
            return feed.page(look, after, limit, which)

    def write_person(self, space: str, user_id: str, id_kind: str, folder: Path) -> HeldPerson | None:
        """Write all that is held on the person of an id into a folder."""
        with self.looking_at(space, "EXPORT_SECONDS_MAX") as look:
            return archive.write_person(look, user_id, id_kind, folder)

    def preview_erasure(self, space: str, user_id: str, id_kind: str) -> Erased | None:
        """Return how much an erasure would take away."""
        with self.looking_at(space) as look:
            return erasing.preview(look, user_id, id_kind)

    def erasures(self, space: str, *, limit: int = 100, before: int | None = None) -> Sequence[Erasure]:
        """Return the last erasures of a space, the newest first."""
        pages.check_limit(limit)
        with self.looking_at(space) as look:
            return erasures.page(look.connection, space, before, limit)

    def retention_runs(
        self, space: str, *, limit: int = 100, before: int | None = None
    ) -> Sequence[RetentionRun]:
        """Return the last runs of deleting by age, the newest first."""
        pages.check_limit(limit)
        with self.looking_at(space) as look:
            return retention.runs(look, before, limit)

    def preview_retention(self, space: str, as_of: int | None = None) -> RetentionPreview:
        """Return what deleting by age would take away."""
        with self._lasts(), self.looking_at(space, "EXPORT_SECONDS_MAX") as look:
            return retention.preview(look, as_of)

    def is_suppressed(self, space: str, user_id: str, id_kind: str) -> bool:
        """Return whether an id is to stay out."""
        with self.looking_at(space) as look:
            return suppressing.is_suppressed(_naming(look), user_id, id_kind)

    def hashing_preview(self, space: str, salt: str | None = None) -> HashingPreview:
        """Return what turning `hash_ids` on would do."""
        with self.looking_at(space) as look:
            return hashing.preview(_naming(look), salt)

    def look_alikes(self, space: str, *, limit: int = 100) -> LookAlikes:
        """Return user ids that differ only by case."""
        with self.looking_at(space) as look:
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
        with self._lasts(), self.looking_at(space, "EXPORT_SECONDS_MAX") as look:
            return exports.export(look, what, path, form, is_raw=is_raw, asked=asked)

    @contextmanager
    def looking_at(self, space: str, limit: str = "READ_SECONDS_MAX") -> Iterator[Look]:
        """Run a block that looks at a space, for as many seconds as the limit of this name.

        Raises:
            InvalidSpace: there is no such space.
            ReadTimeout: the block took too long.
            StoreError: the engine could not answer.
        """
        with self._connected(limit) as connection:
            connection.execute(f"SET search_path = '{files.schema_of(connection, space)}'")
            yield Look(connection, space, elapsed_s() + getattr(limits, limit))

    @contextmanager
    def _connected(self, limit: str = "READ_SECONDS_MAX") -> Iterator[duckdb.DuckDBPyConnection]:
        seconds: float = getattr(limits, limit)
        with told(ANSWER), self._one() as connection, self._stopped_after(connection, seconds, limit):
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _stopped_after(
        self, connection: duckdb.DuckDBPyConnection, seconds: float, limit: str
    ) -> Iterator[None]:
        """Run a block, and stop what runs on a connection when it takes longer, or the reader is closed.

        Raises:
            ReadTimeout: it was stopped.
        """
        try:
            with self._time_limit(connection, seconds):
                yield
        except duckdb.InterruptException:
            if self._closing.is_set():
                raise ReadTimeout(
                    "the read was stopped: the database is being closed", hint="ask again in a moment"
                ) from None
            raise ReadTimeout(
                f"the read took longer than {seconds:,} s and was stopped",
                hint=f"the limit is {limit}; ask for less, or again when there is less to do",
            ) from None

    @contextmanager
    def _one(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Let a block have a connection for itself; its transaction ends when nobody can interrupt that."""
        with self._is_free:
            if not self._is_free.wait_for(lambda: self._is_open, limits.READ_SECONDS_MAX):
                raise ReadTimeout("nothing can be read now", hint="ask again in a moment")
            root = self._root
            connection = self._idle.pop() if self._idle else self._new(root)
            self._taken.add(connection)
        try:
            yield connection
        finally:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            if root is self._root:
                self._idle.append(connection)
            else:
                connection.close()  # of a database that was opened anew meanwhile
            with self._is_free:
                self._taken.discard(connection)
                self._is_free.notify_all()

    @staticmethod
    def _new(root: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        connection = root.cursor()
        connection.execute("SET enable_progress_bar = false")
        run(connection, "functions.functions")
        return connection

    @contextmanager
    def _time_limit(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
        """Stop what runs on a connection when it takes longer, or when the reader is closed."""
        done = threading.Event()
        watch = threading.Thread(target=self._interrupt_late, args=(connection, done, seconds), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()  # it must not interrupt who gets the connection next

    def _interrupt_late(
        self, connection: duckdb.DuckDBPyConnection, done: threading.Event, seconds: float
    ) -> None:
        waited_s, wait_s = 0.0, min(seconds, _INSIST_S)
        while not done.wait(wait_s):
            waited_s, wait_s = waited_s + wait_s, _INSIST_S
            if waited_s >= seconds or self._closing.is_set():
                with suppress(duckdb.ConnectionException):  # closed with the reader: nothing runs on it now
                    connection.interrupt()


def _naming(look: Look) -> Naming:
    return Naming(look.connection, look.settings(), files.secret_of(look.connection, look.space))
