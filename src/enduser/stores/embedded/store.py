"""The embedded store: one DuckDB file in a data folder, owned by this process."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

from enduser import limits
from enduser.core.attributes import Attribute, AttributeType
from enduser.core.candidates import Candidate, SourceOrder
from enduser.core.contents import Content, Decision, SavedContent
from enduser.core.deciding import Decider, Deciding
from enduser.core.events import UserId
from enduser.core.feed import EVERY_ROW, TELLABLE, FeedFilter, FeedPage
from enduser.core.filters import SavedFilter, UserFilter
from enduser.core.lists import ListAction
from enduser.core.rules.demands import Demand
from enduser.core.rules.programs import Person, Program
from enduser.core.segments import (
    BrokenSegment,
    Counted,
    Explained,
    Facet,
    Named,
    RuleJson,
    SavedSegment,
    Saving,
    Segment,
    SegmentUse,
    require_unbroken,
    require_unused,
)
from enduser.core.settings import (
    SETTING_RULES,
    SpaceSettings,
    parse_setting,
    setting_text,
    settings_from_text,
)
from enduser.core.users_query import ALL_USERS, UsersQuery
from enduser.errors import InvalidSetting, InvalidSpaceName, LimitExceeded, StoreError
from enduser.stores import scratch, serving
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
from enduser.stores.contract import DEFAULT_SPACE, NewFile, OwnedStore
from enduser.stores.embedded import (
    contents,
    facts,
    feed,
    filters,
    hashing,
    listing,
    lists,
    parquet,
    reading,
    rebuild,
    registry,
    rewriting,
    segments,
    suppressing,
    values,
)
from enduser.stores.embedded import database as files
from enduser.stores.embedded import spooled as live
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.fold import fold_pending
from enduser.stores.embedded.folder import FolderLock
from enduser.stores.embedded.forgetting import Forgets, Forgetting
from enduser.stores.embedded.reader import EmbeddedReader
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import Rows, run
from enduser.stores.embedded.taking import EventTaker
from enduser.stores.records import (
    AddLink,
    BeginRetention,
    ChangeSettings,
    CloseHistory,
    DeleteList,
    EraseAgain,
    EraseUser,
    EventChunk,
    ForgetOld,
    LiftSuppression,
    Lookups,
    Record,
    RemoveLink,
    SpooledEvents,
    SpoolPosition,
    UndoRun,
    WriteList,
    WriteValues,
)

MEMORY_LIMIT_MB = 1_200
"""Default for DuckDB's memory; alone it would take 80 % of the machine's."""

_SWAP_PATIENCE_S = 5.0
"""So long reads may go on when the database is about to be replaced; others wait meanwhile."""

_Result = TypeVar("_Result")
_SPACE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class _Followed:
    """What the feed of a space follows, as of an edition of the rules."""

    edition: int
    what: feed.Followed
    is_idle: bool = False
    """Whether there is nothing to do for it."""


class EmbeddedStore:
    """See `enduser.stores.contract.Store` for what each method means."""

    def __init__(
        self,
        folder: Path,
        *,
        now_us: int,
        lookups: Lookups | None = None,
        memory_limit_mb: int = MEMORY_LIMIT_MB,
        user_key_sql: str = files.USER_KEY_SQL,
        command: str = "enduser",
    ) -> None:
        """Take the data folder, creating it with the space `default/production` if it is new.

        Without `lookups` no address and no user agent says anything. Who finds the folder taken is told the
        `command`: its names, without what it is given, for they stay if the process is killed.

        Raises:
            DataFolderInUse: another process holds it.
            StoreError: it cannot be read or written.
        """
        if memory_limit_mb < limits.MEMORY_LIMIT_MB_MIN:
            raise LimitExceeded(
                f"a memory limit of {memory_limit_mb} MB is too small",
                hint=f"the least is {limits.MEMORY_LIMIT_MB_MIN} MB (MEMORY_LIMIT_MB_MIN)",
                limit=limits.MEMORY_LIMIT_MB_MIN,
            )
        self._folder = folder
        self._lookups = lookups or Lookups()
        self._lock = FolderLock(folder, now_us, command)
        try:
            self._database = Database(folder, memory_limit_mb=memory_limit_mb, user_key_sql=user_key_sql)
            self._reader = EmbeddedReader(self._database.connection, user_key_sql)
            self._taker: tuple[str, EventTaker] | None = None
            self._forgetting = Forgetting(self._database, self._naming, self._objects_change)
            self._forgotten = 0
            self._new_file: rewriting.NewFile | None = None
            """The last file that was begun beside the database."""
            self._rules_editions: Counter[str] = Counter()
            self._followed: dict[str, _Followed] = {}
            self._rules: dict[str, tuple[int, Deciding, Sequence[Demand]]] = {}
            self._cut_files: set[str] = set()
            """Spaces into which a file was being taken, perhaps, when the database was opened anew."""
            if not self.spaces():
                self.create_space(DEFAULT_SPACE, now_us)
            self._generations = Counter(self.spaces())
        except BaseException:
            self._lock.close()
            raise

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self._folder

    def close(self) -> None:
        """Release the data folder."""
        self._reader.close()
        self._database.close()
        self._lock.close()

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    # --- spaces and settings

    def spaces(self) -> Sequence[str]:
        """Return the names of all spaces."""
        return [space for space, _ in self._database.spaces()]

    def guids(self) -> Mapping[str, str]:
        """Return the GUID of each space."""
        return self._reader.guids()

    def create_space(self, space: str, now_us: int) -> None:
        """Create a space named `system/environment`."""
        longest = max(map(len, space.split("/")))
        if not _SPACE_NAME.fullmatch(space) or longest > limits.SPACE_NAME_CHARACTERS_MAX:
            raise InvalidSpaceName(
                f"{space!r} is no name of a space",
                hint="write system/environment in a-z, 0-9, _ and -, such as acme/production",
            )
        existing = self.spaces()
        if space in existing:
            raise InvalidSpaceName(
                f"the space {space} exists already",
                hint="choose another name; the spaces are listed by: enduser systems list",
            )
        if len(existing) >= limits.SPACES_MAX:
            raise LimitExceeded(
                f"there are {len(existing)} spaces",
                hint=f"the limit is {limits.SPACES_MAX:,} (SPACES_MAX); use another data folder for more",
                limit=limits.SPACES_MAX,
            )
        self._rules_changed(space)
        with self._database.changing("main"):
            files.create_space(self._database.connection, space, now_us)

    def doors(self) -> Sequence[Door]:
        """Return what collectors must know, space by space: asked for after each call, so of all at once."""
        settings: dict[str, dict[str, str]] = defaultdict(dict)
        for space, name, value in self._execute("SELECT space, name, value FROM main.settings"):
            settings[space][name] = value
        keys: dict[str, list[WriteKey]] = defaultdict(list)
        for key in self.write_keys():
            keys[key.space].append(key)
        return [
            Door(files.space_number(schema), space, settings_from_text(settings[space]), keys[space])
            for space, schema in self._database.spaces()
        ]

    # --- what decisions need

    def rules_edition(self, space: str) -> int:
        """Return a number that is another whenever `deciding` or `demands` of a space may be."""
        return self._rules_editions[space]

    def _rules_changed(self, *spaces: str) -> None:
        """Let what is decided by be worked out anew, in some spaces or in all."""
        self._rules_editions.update(spaces or self.spaces())

    def deciding(self) -> Sequence[Deciding]:
        """Return what collectors must know to decide, space by space."""
        return [self._known_rules(space)[0] for space in self.spaces()]

    def demands(self, space: str) -> Sequence[Demand]:
        """Return what decisions ask for of persons."""
        return self._known_rules(space)[1]

    def _known_rules(self, space: str) -> tuple[Deciding, Sequence[Demand]]:
        """Return what decides in a space, and what that asks for; worked out when something is another."""
        known, edition = self._rules.get(space), self._rules_editions[space]
        if known is None or known[0] != edition:
            with self._database.looking_at(self._database.schema(space)):
                known_now = contents.deciding(Look(self._database.connection, space), only_public=True)
            decider = Decider(known_now, self.settings(space).time_zone)
            known = (edition, known_now, decider.demands)
            self._rules[space] = known
        return known[1:]

    def find_person(self, space: str, user_id: str, id_kind: str, program: Program) -> tuple[Person, int]:
        """Return what a program needs to know of the person of an id, and what the clock shows."""
        return self._reader.find_person(space, user_id, id_kind, program)

    def changed_facts(self, space: str, demands: Sequence[Demand], since: int) -> Generator[Fact]:
        """Yield what demands ask for of the persons who changed after a fold."""
        with self._looking_once(space) as look:
            yield from facts.changed_facts(look, demands, since)

    def facts(self, space: str, demands: Sequence[Demand], part: int, parts: int) -> Generator[Fact]:
        """Yield what demands ask for of a part of a space."""
        with self._looking_once(space) as look:
            yield from facts.some_facts(look, demands, part, parts)

    @contextmanager
    def _looking_once(self, space: str) -> Iterator[Look]:
        """Run a block that looks at a space; of the tables that it makes nothing is left."""
        with self._database.looking_at(self._database.schema(space)):
            self._execute("BEGIN")
            try:
                yield Look(self._database.connection, space)
            finally:
                self._execute("ROLLBACK")

    def follow_feed(self, space: str, written_at: int) -> int:
        """Bring the feed of a space up to what holds now; return how many rows came."""
        known = self._followed.get(space)
        is_known = known is not None and known.edition == self._rules_editions[space]
        if known is not None and is_known and known.is_idle:
            return 0
        with self._database.changing(self._database.schema(space)):
            look = Look(self._database.connection, space)
            if known is None or not is_known:
                known = _Followed(self._rules_editions[space], feed.followed_now(look))
            written = feed.follow(look, known.what, written_at)
            is_idle = feed.is_idle(look, known.what)
        self._followed[space] = replace(known, is_idle=is_idle)
        return written

    def _is_due(self, space: str, clock_at: int) -> bool:
        """Return whether something waits for the clock of the space in sight, or its feed does."""
        known = self._followed.get(space)
        step = live.CLOCK_STEP_US if known is None or known.is_idle else feed.SWEEP_US
        return live.is_due(self._database.connection, self.settings(space), clock_at, step)

    def write_keys(self) -> Sequence[WriteKey]:
        """Return all write keys, oldest first."""
        query = "SELECT space, write_key, created_at, ends_at FROM main.write_keys ORDER BY created_at, rowid"
        return [WriteKey(*row) for row in self._execute(query)]

    def rotate_write_key(self, space: str, now_us: int, grace_us: int) -> str:
        """Give a space a new write key and return it; its other keys end after the grace."""
        with self._database.changing(self._database.schema(space)):
            self._execute(
                "UPDATE main.write_keys SET ends_at = $2 WHERE space = $1 AND coalesce(ends_at > $2, true)",
                [space, now_us + grace_us],
            )
            return files.create_write_key(self._database.connection, space, now_us)

    def settings(self, space: str) -> SpaceSettings:
        """Return the settings of a space."""
        self._database.schema(space)  # there must be such a space
        rows = self._execute("SELECT name, value FROM main.settings WHERE space = $1", [space])
        return settings_from_text(dict(rows))

    # --- the registry of custom attributes

    def attributes(self) -> Sequence[Attribute]:
        """Return the custom attributes, the oldest first."""
        return [column.attribute for column in self._database.columns()]

    def create_attribute(self, attribute: Attribute) -> None:
        """Add a custom attribute."""
        self._rules_changed()
        with self._database.changing("main"):
            registry.create(self._database.connection, attribute, self._schemas())

    def change_attribute(self, name: str, changed: Attribute, now_us: int) -> None:
        """Change an attribute; what holds by another type or conflict rule is worked out in all spaces."""
        self._rules_changed()
        with self._database.changing("main"):
            connection, kind = self._database.connection, changed.type
            was = registry.column_of(connection, name).attribute
            if kind is not was.type:
                require_unbroken(self._broken_by_retype(name, kind), f"{name!r} cannot be a {kind}")
            registry.change(connection, name, changed, self._schemas())
            if changed.name != name:
                self._in_each_space(lambda look: segments.rename_attribute(look, name, changed.name, now_us))
                self._in_each_space(lambda look: feed.rename_attribute(look, name, changed.name))
            restates = (was.type, was.conflict_rule) != (kind, changed.conflict_rule)
            if restates or was.name != changed.name:
                self._tell_attributes_anew(restates=restates)

    def preview_retype(self, name: str, kind: AttributeType) -> RetypePreview:
        """Return what another type would make of the values of an attribute."""
        with told(ANSWER):
            preview = registry.preview_retype(self._database.connection, name, kind, self._schemas())
        return replace(preview, broken=self._broken_by_retype(name, kind))

    def _broken_by_retype(self, name: str, kind: AttributeType) -> Sequence[BrokenSegment]:
        found = self._in_each_space(lambda look: segments.broken_by_retype(look, name, kind))
        return [broken for broken_there in found for broken in broken_there]

    def delete_attribute(self, name: str) -> None:
        """Take an attribute away, with all its values and their history."""
        self._rules_changed()
        with self._database.changing("main"):
            registry.delete(self._database.connection, name, self._schemas())
            uses = self._in_each_space(lambda look: segments.uses_there(look, "attributes", name))
            require_unused([use for uses_there in uses for use in uses_there], f"the attribute {name!r}")
            self._in_each_space(lambda look: feed.forget_attribute(look, name))
            self._tell_attributes_anew(restates=False)

    def _schemas(self) -> Sequence[str]:
        return [schema for _, schema in self._database.spaces()]

    def _in_each_space(self, function: Callable[[Look], _Result]) -> list[_Result]:
        """Return what a function returns of each space, whose tables it has in sight."""
        results = []
        for space, schema in self._database.spaces():
            with self._database.looking_at(schema):
                results.append(function(Look(self._database.connection, space)))
        return results

    def _tell_attributes_anew(self, *, restates: bool) -> None:
        """Let all objects be told again, in all spaces; with `restates` work out first which values hold."""
        for space, schema in self._database.spaces():
            with self._database.looking_at(schema):
                values.forget_empty(self._database.connection)
                if restates:
                    values.restate_all(self._database.connection)
                values.tell_everything(self._database.connection)
            self._generations[space] += 1

    # --- segments

    def save_segment(self, space: str, segment: Segment, saving: Saving) -> SavedSegment:
        """Make a segment or change it."""
        self._rules_changed(space)
        with self._database.changing(self._database.schema(space)):
            return segments.save(Look(self._database.connection, space), segment, saving)

    def delete_segment(self, space: str, segment_id: str) -> None:
        """Take a segment away."""
        self._rules_changed(space)
        with self._database.changing(self._database.schema(space)):
            segments.delete(Look(self._database.connection, space), segment_id)

    # --- filters

    def save_filter(self, space: str, asked: UserFilter, saving: Saving) -> SavedFilter:
        """Make a filter or change it."""
        with self._database.changing(self._database.schema(space)):
            connection = self._database.connection
            rules = segments.Rules(connection, self.settings(space))
            return filters.save(connection, asked, saving, rules.custom, rules.read)

    def delete_filter(self, space: str, filter_id: str) -> None:
        """Take a filter away."""
        with self._database.changing(self._database.schema(space)):
            filters.delete(self._database.connection, filter_id)

    # --- content

    def save_content(self, space: str, content: Content, saving: Saving) -> SavedContent:
        """Make a content item or change it."""
        self._rules_changed(space)
        with self._database.changing(self._database.schema(space)):
            return contents.save(self._database.connection, content, saving)

    def delete_content(self, space: str, content_id: str) -> None:
        """Take a content item away."""
        self._rules_changed(space)
        with self._database.changing(self._database.schema(space)):
            contents.delete(self._database.connection, content_id)

    # --- records

    def apply(self, space: str, record: Record) -> Applied:
        """Apply one record in one transaction."""
        if isinstance(record, Forgets):
            self._forgetting.prepare(space, record)
        taker, self._taker = self._taker, None  # kept only if all goes well: its tables are rolled back too
        applied = Applied()
        with self._database.changing(self._database.schema(space)):
            match record:
                case EventChunk(is_first=is_first):
                    self._require_whole_file(space, is_first=is_first)
                    if taker is None or taker[0] != space:
                        taker = (space, self._new_taker(space))
                    applied = taker[1].take(record)
                case ChangeSettings(texts):
                    self._change_settings(space, texts)
                    taker = None
                case AddLink() | RemoveLink():
                    self._link(space, record)
                case WriteValues():
                    applied = Applied(written=values.write_values(self._naming(space), record))
                case EraseUser() | EraseAgain() | BeginRetention() | ForgetOld():
                    applied = self._forgetting.apply(space, record)
                    taker = None
                case UndoRun() | LiftSuppression():
                    self._take_back(space, record)
                case WriteList() | DeleteList():
                    applied = self._change_list(space, record)
                case CloseHistory():
                    self._close_history(self.settings(space).window_us)
        self._taker = taker
        self._generations[space] += 1  # a setting recomputes
        self._forget_released(space, record, applied)
        if applied.erasure is not None:
            self._forgetting.log()
        self._forgotten += isinstance(record, EraseUser | EraseAgain | ForgetOld | ChangeSettings)
        self._rules_editions[space] += _may_change_rules(record)
        if isinstance(record, ChangeSettings) and "hash_ids" in record.texts:
            self._database.checkpoint()  # the log has plain ids still
        return applied

    def _take_back(self, space: str, record: UndoRun | LiftSuppression) -> None:
        if isinstance(record, UndoRun):
            values.undo_run(self._database.connection, record)
        else:
            suppressing.lift(self._naming(space), record)

    def _change_list(self, space: str, record: WriteList | DeleteList) -> Applied:
        if isinstance(record, WriteList):
            return Applied(listed=lists.write_list(self._naming(space), record))
        lists.delete_list(self._database.connection, record)
        uses = segments.uses_there(Look(self._database.connection, space), "lists", record.list_id)
        require_unused(uses, f"the list {record.list_id!r}")
        return Applied()

    def _close_history(self, window_us: int) -> None:
        self._execute(
            "UPDATE state SET clock_at = greatest(clock_at, greatest_event_at + $1) WHERE live_since IS NULL",
            [window_us],
        )

    def _require_whole_file(self, space: str, *, is_first: bool) -> None:
        """Check that what was counted of a file is still known; rows without an id are told apart by it."""
        if is_first:
            self._cut_files.discard(space)
        elif space in self._cut_files:
            raise StoreError(
                f"the database was opened anew within an import into {space}",
                hint="run the same command again to finish: nothing is taken twice",
            )

    def spool_positions(self) -> Mapping[int, SpoolPosition]:
        """Return how far each series of the spool is applied."""
        with told(ANSWER):
            return live.positions(self._database.connection)

    def apply_spooled(self, spooled: SpooledEvents) -> Mapping[str, Applied]:
        """Apply what was spooled, in one transaction."""
        taker, self._taker = self._taker, None
        applied: dict[str, Applied] = {}
        with self._database.changing("main"):
            for space, schema in self._database.spaces():
                number = files.space_number(schema)
                settings = self.settings(space)
                with self._database.looking_at(schema):
                    if number in spooled.lines:
                        if taker is None or taker[0] != space:
                            taker = (space, self._new_taker(space))
                        applied[space] = live.take_spooled(taker[1], spooled, number)
                    elif not self._is_due(space, spooled.clock_at or 0):
                        continue
                    live.follow_clock(self._database.connection, settings, spooled.clock_at)
                    applied.setdefault(space, Applied())
            if applied:
                live.store_positions(self._database.connection, spooled.positions)
        self._taker = taker
        self._generations.update(applied.keys())
        return applied

    def _new_taker(self, space: str) -> EventTaker:
        return EventTaker(space, self._naming(space), self._lookups)

    def _naming(self, space: str) -> Naming:
        connection = self._database.connection
        return Naming(connection, self.settings(space), files.secret_of(connection, space))

    def _link(self, space: str, record: AddLink | RemoveLink) -> None:
        naming = self._naming(space)
        naming.say(record)
        fold_pending(self._database.connection, naming.settings)
        if isinstance(record, AddLink):
            naming.require_one(record)

    def _change_settings(self, space: str, texts: Mapping[str, str]) -> None:
        settings = self.settings(space)
        values = {name: parse_setting(name, text) for name, text in texts.items()}
        self._require_attributes(values.get("feed_attributes", ()))
        changed = {name: value for name, value in values.items() if value != getattr(settings, name)}
        has_users = self._execute("SELECT EXISTS (FROM user_ids)")[0][0]
        has_hashes = has_users or suppressing.is_any(self._database.connection)
        for name, value in changed.items():
            if SETTING_RULES[name].is_for_good and settings.hash_ids and has_hashes:
                who = "users" if has_users else "people who are to stay out"
                raise InvalidSetting(
                    f"{name} cannot change any more: the space {space} has {who}, whose ids are hashed",
                    hint="a hash cannot be turned back into its id; for another choice, use another space",
                    field=name,
                )
            self._execute("DELETE FROM main.settings WHERE space = $1 AND name = $2", [space, name])
            self._execute("INSERT INTO main.settings VALUES ($1, $2, $3)", [space, name, setting_text(value)])
        if "hash_ids" in changed and has_users:
            self._hash_ids(space)
        if any(SETTING_RULES[name].recomputes for name in changed):
            rebuild.recompute(self._database, self._naming(space))

    def _require_attributes(self, names: object) -> None:
        """Check that the feed can tell of attributes.

        Raises:
            InvalidSetting: one is none, or is the id, which is told anyway.
        """
        assert isinstance(names, tuple)
        known = TELLABLE.union(attribute.name for attribute in self.attributes())
        for name in names:
            if name not in known:
                raise InvalidSetting(
                    f"feed_attributes cannot have {name!r}: there is no such attribute",
                    hint="names are case-sensitive; custom attributes are listed by: enduser attributes list",
                    field="feed_attributes",
                )

    def _hash_ids(self, space: str) -> None:
        """Hash the user ids of a space; its serving copy goes first, so that no crash leaves plain ids."""
        self._generations[space] += 1
        serving.forget(self._folder, space)
        hashing.hash_stored_ids(self._naming(space))

    @property
    def forgotten(self) -> int:
        """How often something was to be forgotten since the store was opened."""
        return self._forgotten

    def before_erasures(self, catch_up: Callable[[], None]) -> None:
        """Call `catch_up` before each erasure."""
        self._forgetting.before_erasures(catch_up)

    def _objects_change(self, space: str) -> None:
        self._generations[space] += 1

    def _forget_released(self, space: str, record: Record, applied: Applied) -> None:
        """Forget ids that a list alone named; where the serving copy cannot be changed, they stay known."""
        if not isinstance(record, DeleteList) and not (applied.listed and applied.listed.removed):
            return
        with suppress(StoreError), self._database.changing(self._database.schema(space)):
            connection, folder = self._database.connection, self._folder
            lists.forget_released(connection, lambda ids: serving.take_out(folder, space, ids))

    def generations(self) -> Mapping[str, int]:
        """Return by space how often its objects may have changed."""
        return dict(self._generations)

    def changes(self, space: str, since: int) -> Changes:
        """Return which objects changed after a fold."""
        return reading.changes(self._database, space, since)

    def objects(self, space: str, part: int, parts: int) -> Iterator[ChangedObject]:
        """Yield the objects of a part of a space."""
        return reading.objects_of_part(self._database, space, part, parts)

    def heal(self) -> None:
        """Make the store usable again after it failed, if that can be done."""
        if self._database.is_usable():
            return
        if self._new_file is not None:
            self._new_file.stop()
        self._reader.close()  # the engine forgets a database only when nobody holds it
        self._database.reopen()
        self._reader.begin(self._database.connection)
        self._taker = None
        self._cut_files = set(self.spaces())

    def require_room(self) -> None:
        """Check that the disk has room for the database a second time."""
        rewriting.require_room_for_database(self._database)

    def new_file(self) -> rewriting.NewFile:
        """Begin to write the database into a new file."""
        self._new_file = rewriting.NewFile(self._database)
        return self._new_file

    def go_on_with(self, new: NewFile) -> None:
        """Go on with a new file."""
        assert isinstance(new, rewriting.NewFile)
        new.finish()
        rows = self._folder / scratch.FOLDER / "file-rows.parquet"
        rows.parent.mkdir(exist_ok=True)
        try:
            is_importing = rewriting.keep_file_rows(self._database, rows)
            self._reader.close(_SWAP_PATIENCE_S)
            self._taker = None
            self._cut_files = set(self.spaces())
            self._database.replace(new.path)
            if is_importing:
                rewriting.bring_file_rows(self._database, rows)
            self._cut_files = set()
        finally:
            if self._database.is_usable():  # else reads wait until it is, see `heal`
                self._reader.begin(self._database.connection)
            rewriting.remove(new.path)
            rows.unlink(missing_ok=True)

    def lasting_reads(self) -> int:
        """Return how many reads are made now that may last."""
        return self._reader.lasting

    def bytes_due(self) -> BytesDue | None:
        """Return what is forgotten of which files may have bytes still."""
        with told(ANSWER):
            erased = run(self._database.connection, "erasures.due")
            runs = run(self._database.connection, "erasures.due_runs")
        since = [at for *_, at in (*erased, *runs)]
        numbers = tuple(number for number, _ in erased)
        return BytesDue(min(since), numbers, {n: amount for n, amount, _ in runs}) if since else None

    def note_gone(self, due: BytesDue, now: int) -> None:
        """Note that no file has a byte of what was due any more."""
        with self._database.changing("main"):
            run(
                self._database.connection,
                "erasures.note_gone",
                erasures=list(due.erasures),
                runs=list(due.runs),
                amounts=list(due.runs.values()),
                now=now,
            )

    # --- what is derived

    def fold(self, space: str) -> None:
        """Bring sessions and End User Objects up to all applied records."""
        with self._database.changing(self._database.schema(space)):
            fold_pending(self._database.connection, self.settings(space))
        self._generations[space] += 1

    def rebuild(self, space: str) -> None:
        """Recompute all sessions and End User Objects."""
        with self._database.changing(self._database.schema(space)):
            rebuild.recompute(self._database, self._naming(space))
        self._generations[space] += 1

    def verify(self, space: str) -> Sequence[Difference]:
        """Recompute beside what is stored and return each difference."""
        return rebuild.differences(self._database, self._database.schema(space), self._naming(space))

    # --- reading

    @property
    def reader(self) -> EmbeddedReader:
        """What other threads read with."""
        return self._reader

    def status(self, space: str) -> SpaceStatus:
        """Return sizes and the clock."""
        return self._reader.status(space)

    def users(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int | None = None
    ) -> Iterator[Mapping[str, object]]:
        """Yield End User Objects."""
        return listing.users(self._database, space, asked, limit)

    def users_page(
        self, space: str, asked: UsersQuery = ALL_USERS, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some End User Objects, and where the next ones are."""
        return self._reader.users_page(space, asked, limit=limit, cursor=cursor)

    def find_user(
        self, space: str, user_id: str, id_kind: str | None = None, *, include_open: bool = False
    ) -> Mapping[str, object] | None:
        """Return the End User Object of an id, None if there is none."""
        return self._reader.find_user(space, user_id, id_kind, include_open=include_open)

    def find_past(self, space: str, user_id: str, id_kind: str, until: int) -> Past | None:
        """Return what is known of the person of an id up to a time."""
        return self._reader.find_past(space, user_id, id_kind, until)

    def user_sessions(
        self,
        space: str,
        user_id: str,
        id_kind: str | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """Return some sessions of a person, and where the next ones are."""
        return self._reader.user_sessions(space, user_id, id_kind, limit=limit, cursor=cursor)

    def source_order(self, space: str) -> SourceOrder:
        """Return the sources of a space, the first first."""
        return self._reader.source_order(space)

    def runs(
        self, space: str, *, source: str | None = None, limit: int = 100, before: int | None = None
    ) -> Sequence[Run]:
        """Return the last runs of files, the newest first."""
        return self._reader.runs(space, source=source, limit=limit, before=before)

    def preview_values(self, space: str, record: WriteValues) -> ValuesPreview:
        """Return what a write would do now."""
        return self._reader.preview_values(space, record)

    def find_candidates(
        self, space: str, user_id: str, id_kind: str | None = None
    ) -> Mapping[str, Sequence[Candidate]]:
        """Return what was ever said of the person of an id, by attribute."""
        return self._reader.find_candidates(space, user_id, id_kind)

    def find_link(self, space: str, one: UserId, other: UserId) -> Mapping[str, object] | None:
        """Return the link of two ids, None if they are not linked."""
        return self._reader.find_link(space, one, other)

    def links_page(self, space: str, *, limit: int = 100, cursor: str | None = None) -> Page:
        """Return some links that hold, and where the next ones are."""
        return self._reader.links_page(space, limit=limit, cursor=cursor)

    def lists(self, space: str) -> Sequence[StaticList]:
        """Return the static lists of a space, by id."""
        return self._reader.lists(space)

    def find_list(self, space: str, list_id: str) -> StaticList:
        """Return the static list of an id."""
        return self._reader.find_list(space, list_id)

    def list_members_page(
        self, space: str, list_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return some members of a static list, and where the next ones are."""
        return self._reader.list_members_page(space, list_id, limit=limit, cursor=cursor)

    def segments(self, space: str) -> Sequence[SavedSegment]:
        """Return the segments of a space, by id."""
        return self._reader.segments(space)

    def find_segment(self, space: str, segment_id: str) -> SavedSegment:
        """Return a segment as it is now."""
        return self._reader.find_segment(space, segment_id)

    def segment_versions(self, space: str, segment_id: str) -> Sequence[SavedSegment]:
        """Return the versions of a segment, the newest first."""
        return self._reader.segment_versions(space, segment_id)

    def uses(self, space: str, kind: Named, name: str) -> Sequence[SegmentUse]:
        """Return what names an attribute, a segment or a list."""
        return self._reader.uses(space, kind, name)

    def count_users(self, space: str, rules: Sequence[RuleJson]) -> Counted:
        """Return how many each of some rules means."""
        return self._reader.count_users(space, rules)

    def facet(self, space: str, rule: RuleJson, name: str, limit: int = 10) -> Facet:
        """Return how the users of a rule are parted by an attribute."""
        return self._reader.facet(space, rule, name, limit)

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
        return self._reader.explain_segments(space, user_id, id_kind, segment_ids, with_reasons=with_reasons)

    def filters(self, space: str) -> Sequence[SavedFilter]:
        """Return the saved filters of a space, by id."""
        return self._reader.filters(space)

    def find_filter(self, space: str, filter_id: str) -> SavedFilter:
        """Return the saved filter of an id."""
        return self._reader.find_filter(space, filter_id)

    def contents(self, space: str) -> Sequence[SavedContent]:
        """Return the content items of a space, by id."""
        return self._reader.contents(space)

    def decide(
        self, space: str, user_id: str, id_kind: str | None = None, *, only_public: bool = True
    ) -> Decision:
        """Return which content items and segments hold for the person of an id."""
        return self._reader.decide(space, user_id, id_kind, only_public=only_public)

    def feed_page(
        self,
        space: str,
        after: int | None = None,
        *,
        limit: int = 100,
        which: FeedFilter = EVERY_ROW,
    ) -> FeedPage:
        """Return rows of the feed behind a number."""
        return self._reader.feed_page(space, after, limit=limit, which=which)

    def write_person(self, space: str, user_id: str, id_kind: str, folder: Path) -> HeldPerson | None:
        """Write all that is held on the person of an id into a folder."""
        return self._reader.write_person(space, user_id, id_kind, folder)

    def preview_erasure(self, space: str, user_id: str, id_kind: str) -> Erased | None:
        """Return how much an erasure would take away."""
        return self._reader.preview_erasure(space, user_id, id_kind)

    def erasures(self, space: str, *, limit: int = 100, before: int | None = None) -> Sequence[Erasure]:
        """Return the last erasures of a space, the newest first."""
        return self._reader.erasures(space, limit=limit, before=before)

    def retention_runs(
        self, space: str, *, limit: int = 100, before: int | None = None
    ) -> Sequence[RetentionRun]:
        """Return the last runs of deleting by age, the newest first."""
        return self._reader.retention_runs(space, limit=limit, before=before)

    def preview_retention(self, space: str, as_of: int | None = None) -> RetentionPreview:
        """Return what deleting by age would take away."""
        return self._reader.preview_retention(space, as_of)

    def is_suppressed(self, space: str, user_id: str, id_kind: str) -> bool:
        """Return whether an id is to stay out."""
        return self._reader.is_suppressed(space, user_id, id_kind)

    def hashing_preview(self, space: str, salt: str | None = None) -> HashingPreview:
        """Return what turning `hash_ids` on would do."""
        return self._reader.hashing_preview(space, salt)

    def look_alikes(self, space: str, *, limit: int = 100) -> LookAlikes:
        """Return user ids that differ only by case."""
        return self._reader.look_alikes(space, limit=limit)

    def sessions(self, space: str) -> Iterator[Mapping[str, object]]:
        """Yield all sessions."""
        return reading.sessions(self._database, space)

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
        return self._reader.export(space, what, path, form, is_raw=is_raw, asked=asked)

    def count_parquet_rows(self, path: Path) -> int:
        """Return the count of rows of a Parquet file of events."""
        parquet.columns_of(self._database.connection, path)
        return parquet.count_rows(self._database.connection, path)

    def _execute(self, query: str, parameters: Sequence[object] = ()) -> Rows:
        return self._database.execute(query, parameters)


def _may_change_rules(record: Record) -> bool:
    """Return whether what is decided by may be another after a record: settings, or which lists there are."""
    makes_list = isinstance(record, WriteList) and record.action is ListAction.CREATE
    return makes_list or isinstance(record, ChangeSettings | DeleteList)


_: type[OwnedStore] = EmbeddedStore
