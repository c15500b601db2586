"""What an engine answers: rows and summaries. Times are µs since 1970 UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from enduser.core.as_of import KeptSession
from enduser.core.attributes import AttributeType
from enduser.core.candidates import Candidate
from enduser.core.events import Event, UserId
from enduser.core.outcomes import Outcomes
from enduser.core.rules.demands import Demand
from enduser.core.settings import SpaceSettings
from enduser.core.uses import BrokenUse
from enduser.stores.records import TimeUnit


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
    broken: Sequence[BrokenUse] = ()
    """Segments whose rules could not be any more; while there are some, it is refused."""


@dataclass(frozen=True, slots=True)
class AttributeDiff:
    """Of how many users a write changes an attribute, and how."""

    attribute: str
    set: int
    """It was unknown."""
    changed: int
    cleared: int


@dataclass(frozen=True, slots=True)
class SegmentDiff:
    """How many users a write lets enter and leave a segment."""

    id: str
    name: str
    entering: int
    leaving: int


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
    segments: Sequence[SegmentDiff] = ()
    """Those that some users would enter or leave."""


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
class Erasure:
    """The receipt of an erasure. Who was erased is kept as a keyed hash only. Times are µs."""

    number: int
    """Erasures of all spaces are counted together, from 1."""
    space: str
    erased_at: int
    id_hash: str
    """Of the id by which somebody asked: 32 hexadecimal digits, which say nothing without the data folder."""
    id_hashes: Sequence[str]
    """Of all ids of the person."""
    amount: Erased
    is_suppressed: bool
    """Whether the person stays out."""
    gone_at: int | None = None
    """When no file had a byte of what was erased any more; None: it is not so yet."""
    space_guid: str = ""
    """The GUID of the space: one of the same name can be another installation's."""


@dataclass(frozen=True, slots=True)
class RetentionAmount:
    """How much goes by age, or went."""

    users: int = 0
    """Persons, with all that was known of them."""
    ids: int = 0
    """Of those persons."""
    lives: int = 0
    """Persons who stay, but whose earlier lives go."""
    events: int = 0
    sessions: int = 0
    values: int = 0
    """Of custom attributes: all that were ever said."""
    contents: int = 0
    """Events that stay, but whose content goes."""

    @property
    def is_any(self) -> bool:
        """Whether anything goes."""
        return bool(self.users or self.lives or self.contents)


@dataclass(frozen=True, slots=True)
class BytesDue:
    """What is forgotten of which files may have bytes still."""

    since: int
    """When the first of it was forgotten, in µs."""
    erasures: Sequence[int]
    """The numbers of the receipts of erasures."""
    runs: Mapping[int, int]
    """How many persons, lives and contents each run of deleting by age has taken so far, by its number."""


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """The receipt of deleting by age. Times are µs."""

    number: int
    space: str
    as_of: int
    """By this time users were judged."""
    began_at: int
    ended_at: int | None = None
    """None: it goes on, or its process ended before it did."""
    amount: RetentionAmount = RetentionAmount()
    """What went so far."""
    gone_at: int | None = None
    """When no file had a byte of it any more; None: it is not so yet."""


@dataclass(frozen=True, slots=True)
class RetentionPreview:
    """Who and what would go by age now, or as of a time, at least: what goes can make more go."""

    as_of: int
    amount: RetentionAmount
    deletes_from: int | None
    """From when on users are deleted by age, µs; None: only on demand, for the clock is a history clock."""
    examples: Sequence[IdleUser]
    """Some of the persons, those first whose last sign is the oldest."""


@dataclass(frozen=True, slots=True)
class IdleUser:
    """Somebody who would go, and when his last sign was (µs): a visit, else an event or a write."""

    user_id: str
    is_anonymous: bool
    last_at: int


@dataclass(frozen=True, slots=True)
class HeldLink:
    """What joins two ids of a person."""

    one: UserId
    other: UserId
    by: str
    """`event`: an event claims it; or `api`."""
    since: int


@dataclass(frozen=True, slots=True)
class HeldLife:
    """When the current life of a person began, and until when he is heard of. Times are µs; None: never."""

    started_at: int | None
    """The first visit event, of an open session too."""
    last_visit_at: int | None
    begins_after: int | None
    """The end of the retention of the life before."""
    place_at: int | None
    """When the place of the End User Object was seen."""
    browser_at: int | None
    last_heard_at: int | None
    """The last event or write of any kind."""


@dataclass(frozen=True, slots=True)
class HeldValue:
    """A value of a custom attribute that holds."""

    said: Candidate
    type: AttributeType
    input: str | None
    """The name of the file that its run read; None: that was none."""


@dataclass(frozen=True, slots=True)
class NamedId:
    """The id and the name of something that people make."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToldOf:
    """What the feed said last of an id that a person shows, or showed."""

    user: UserId
    segments: Sequence[str]
    """Of the followed ones, those that he is in."""
    attributes: str
    """The followed ones, as a JSON object."""


@dataclass(frozen=True, slots=True)
class HeldPerson:
    """What is held on a person, beside tables that are files. Times are µs."""

    shown: UserId
    """The id that the person shows."""
    is_hashed: bool
    """Whether user ids are stored as hashes."""
    ids: Sequence[UserId]
    """User ids before anonymous ones, else in byte order."""
    links: Sequence[HeldLink]
    """Those that hold, the oldest first."""
    user: Mapping[str, object] | None
    """The End User Object; None: no session has closed."""
    user_with_open: Mapping[str, object] | None
    """As if open sessions were closed."""
    life: HeldLife
    values: Mapping[str, HeldValue]
    """By custom attribute, those that are known, of a person who was not seen too."""
    segments: Sequence[NamedId]
    """Those that hold, by id."""
    lists: Sequence[NamedId]
    """The static lists that an id of the person is in, by id."""
    told: Sequence[ToldOf]
    """What the feed said last."""
    rows: Mapping[str, int]
    """How many rows each file has, by its name without `.csv`."""
    clock_at: int | None
    live_since: int | None
    """As of `SpaceStatus`."""
    retention_months: int


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
    erased_ids: Sequence[UserId] = ()
    """All ids of that person. Nothing keeps them."""
    erasure: Erasure | None = None
    """The receipt of that."""
    retention: RetentionRun | None = None
    """Of deleting by age, so far."""


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
class Fact:
    """When something happened to the person of an id, as far as a demand asks for it."""

    id: str
    is_anonymous: bool
    demand: Demand
    times: Sequence[int] | None
    """In µs, the earliest first; None: they are too many to be kept."""


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
    idle_users: int = 0
    """Users who were seen, and whose last visit event is older than the retention allows."""


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
    lost_suppressions: int = 0
    """User ids that are to stay out and would be known no more: they were suppressed under another salt."""


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
    clock_at: int | None
    """What the clock of the space showed then, in µs."""
    users: Iterator[ChangedObject]
