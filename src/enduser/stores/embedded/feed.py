"""The feed: who entered and left followed segments, and which followed attributes became others.

It follows the folds like the serving copy does. What it has told of each person is kept (`told`); a step
compares that with what holds now, of the persons of whom something is another since the last step or a
relative time has come, and writes what differs with the new state in one transaction. So each change is told
once, however often a step is repeated or interrupted.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.feed import FeedFilter, FeedPage, FeedRow
from enduser.core.rules.demands import demands_of
from enduser.core.rules.programs import Program
from enduser.core.rules.tree import Happening, Rule, nodes
from enduser.core.settings import setting_text
from enduser.errors import FeedExpired, InvalidRule, RuleTooLarge
from enduser.stores.embedded import facts
from enduser.stores.embedded.asking import conditions, rules_of
from enduser.stores.embedded.conditions import Conditions, Span, portions, portions_of_happenings
from enduser.stores.embedded.reading import KEYS, Look, users_query
from enduser.stores.embedded.registry import ISO_TIME, Column
from enduser.stores.embedded.segments import every_segment
from enduser.stores.embedded.statements import Rows, run_spliced, spliced, statements, used

SWEEP_US = 20_000_000
"""How far the clock must have moved for relative times to be looked at again."""
_JUDGED_AT_ONCE = 20
"""Segments of which one statement asks of a few persons, unless their rules have more nodes than"""
_NODES_AT_ONCE = 60
"""so many: the engine plans each look into another table beside all others."""
_SWEPT_AT_ONCE = 20
"""Things that may have happened to any person of which one statement asks."""
_SOME = 500_000
"""Of more persons than so many nobody is looked for: all are judged."""
_REMEMBERED_AT_ONCE = 4_000_000
"""Comings and goings that are put together by person at once: some hundred megabytes."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What a space follows now."""

    rules: Mapping[str, Rule]
    """Of each segment."""
    program: Program
    """All of them, in this order."""
    attributes: Sequence[str]
    keys: Mapping[str, str]
    """What names each rule."""


@dataclass(frozen=True, slots=True)
class _Names:
    """What was followed: segments with what names their rules, and attributes."""

    segments: Mapping[str, str]
    attributes: Sequence[str]


_NOTHING = _Names({}, [])


@dataclass(frozen=True, slots=True)
class _State:
    """How far the feed is, and how far the space."""

    fold: int
    clock_at: int
    followed: str
    last_fold: int
    touched_since: int
    now: int
    touched: int


def follow(look: Look, followed: Followed, written_at: int) -> int:
    """Bring the feed up to what holds now; return how many rows were written.

    Rows that are too old go. The caller owns the transaction.
    """
    state = _state(look)
    before = msgspec.json.decode(state.followed, type=_Names)
    zone = look.settings().time_zone
    after = _Names({name: _key(key, zone) for name, key in followed.keys.items()}, followed.attributes)
    is_due = state.now - state.clock_at >= SWEEP_US
    if state.fold == state.last_fold and before == after and not is_due:
        return 0
    step = _Step(look, state, _Change(before, after), followed)
    step.follow(sweeps=is_due)
    written = step.write(written_at)
    look.run(
        "feed.advance",
        fold=state.last_fold,
        clock_at=state.now if is_due else state.clock_at,
        followed=msgspec.json.encode(after).decode(),
    )
    forget(look, written_at)
    return written


def forget(look: Look, now_us: int) -> None:
    """Let rows go that are too old by the time of the server, or too many."""
    written_before = now_us - limits.FEED_DAYS * 86_400_000_000
    look.run("feed.forget", written_before=written_before, rows_max=limits.FEED_ROWS_MAX)


def followed_now(look: Look) -> Followed:
    """Return what is followed. A segment whose rule cannot be any more is not."""
    settings = look.settings()
    rules: dict[str, Rule] = {}
    if settings.unique_user != "none":
        reader = rules_of(look)
        for one in every_segment(look.connection):
            if one.segment.is_followed and not one.segment.is_archived:
                try:
                    rules[one.segment.id] = reader.require(one.segment.id)
                except (InvalidRule, RuleTooLarge):
                    continue
    keys = {name: _key(repr(rule), "") for name, rule in rules.items()}
    return Followed(rules, Program(list(rules.values())), list(settings.feed_attributes), keys)


def is_idle(look: Look, followed: Followed) -> bool:
    """Return whether there is nothing to do until something else is followed."""
    if followed.rules or followed.attributes:
        return False
    is_followed = msgspec.json.decode(_state(look).followed, type=_Names) != _NOTHING
    return not is_followed and bool(look.run("feed.is_empty")[0][0])


def _state(look: Look) -> _State:
    return _State(*look.run("feed.state")[0])


def _key(rule: str, zone: str) -> str:
    """Return what names what a rule means: it means something else where days begin at other times."""
    return hashlib.sha256(repr((rule, zone)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Change:
    """What was followed before a step, and what is now."""

    before: _Names
    after: _Names

    @property
    def kept(self) -> Sequence[str]:
        """The segments whose rules are as they were."""
        return [name for name, key in self.after.segments.items() if self.before.segments.get(name) == key]

    @property
    def told_segments(self) -> Sequence[str]:
        """The segments of which is told what becomes of them: it is known what was."""
        return [name for name in self.after.segments if name in self.before.segments]

    @property
    def told_attributes(self) -> Sequence[str]:
        """The same of attributes."""
        return [name for name in self.after.attributes if name in self.before.attributes]

    @property
    def unfollowed(self) -> Sequence[str]:
        """The segments that are not followed any more."""
        return [name for name in self.before.segments if name not in self.after.segments]


class _Step:
    """One step of the feed of a space."""

    def __init__(self, look: Look, state: _State, change: _Change, followed: Followed) -> None:
        self._look = look
        self._state = state
        self._change = change
        self._followed = followed
        self._writer = conditions(look)
        self._columns = look.columns()
        self._asked = 0
        self._rows = 0

    def follow(self, *, sweeps: bool) -> None:
        """Find what is another, and remember it; with `sweeps` also what became so by the clock alone."""
        self._look.run("feed.begin")
        change, names = self._change, self._change.after
        is_touched = self._ask_touched(sweeps=sweeps)
        if is_touched is None:
            anew: Sequence[str] = list(names.segments)
        else:
            kept = set(change.kept)
            anew = [name for name in names.segments if name not in kept]
        for name in anew:
            self._judge(name)
        if is_touched:
            self._judge_touched()
        restates_all = bool(names.attributes) and is_touched is None
        restates_all |= names.attributes != change.before.attributes
        if restates_all:
            self._restate("told", "users")
        elif names.attributes and is_touched:
            self._restate("asked_told", _ASKED_USERS)
        self._remember("told" if anew or restates_all or change.unfollowed else "asked_told")

    def write(self, written_at: int) -> int:
        """Write what was found into the feed; return how many rows."""
        if self._rows:
            self._look.run("feed.write", clock_at=self._state.now, written_at=written_at, rows=self._rows)
        return self._rows

    # --- of whom something may be another

    def _ask_touched(self, *, sweeps: bool) -> bool | None:
        """Ask about the persons of whom something may be another; return whether there are any.

        None: it may be so of all, or of so many that nobody looks for them.
        """
        state, change = self._state, self._change
        if change.before == _NOTHING:
            return False
        if not state.touched_since <= state.fold or state.touched > _SOME:
            return None
        self._look.run("facts.changed", since=state.fold)
        if sweeps:
            self._sweep()
        ((self._asked,),) = self._look.run("feed.asked_told")
        return None if self._asked > _SOME else self._asked > 0

    @cached_property
    def _kept_program(self) -> Program:
        kept = self._change.kept
        if len(kept) == len(self._followed.rules):
            return self._followed.program
        return Program([self._followed.rules[name] for name in kept])

    def _sweep(self) -> None:
        """Ask also about whom a relative time has reached or left a value since the last sweep."""
        program, writer = self._kept_program, replace(self._writer, parameters={})
        reached = [self._reached(writer, name, spans) for name, spans in self._ends(program).items()]
        if reached:
            self._run("swept", writer, {"swept": " UNION ALL ".join(reached)})
        for some in portions_of_happenings(list(self._spans(program).items()), _SWEPT_AT_ONCE):
            writer = replace(self._writer, parameters={})
            self._run("swept", writer, {"swept": writer.each_happened(some)})

    def _ends(self, program: Program) -> Mapping[str, Sequence[tuple[Any, Any]]]:
        """Return between which ends values of attributes lie that a relative time has reached or left."""
        before, now, zone = self._state.clock_at, self._writer.now, self._writer.zone
        spans: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
        for (moment, is_day), fields in program.compared_fields.items():
            ends: tuple[Any, Any] = (moment.at(before, zone), moment.at(now, zone))
            if is_day:
                ends = (moment.day(before, zone), moment.day(now, zone))
            if ends[0] != ends[1]:
                for name in dict.fromkeys(name for name, _ in fields):
                    spans[name].append(ends)
        return spans

    def _reached(self, writer: Conditions, name: str, spans: Sequence[tuple[Any, Any]]) -> str:
        """Return the query of who has a value between such ends, both included."""
        value = writer.value_of(name)
        between = "{} BETWEEN {} AND {}"
        if writer.type_of(name) is not AttributeType.DATETIME:
            ends = [between.format(value, writer.bind(first), writer.bind(last)) for first, last in spans]
            return f"SELECT person_key FROM users WHERE {' OR '.join(ends)}"
        ends = [between.format("value", writer.bind(first), writer.bind(last)) for first, last in spans]
        width = self._state.now - self._state.clock_at
        pieces = sorted({piece for span in spans for piece in _pieces(*span, width)})
        splices = {"value": value, "width": writer.bind(width), "pieces": writer.bind(pieces)}
        return spliced(statements("feed")["near"][0], (), {**splices, "spans": " OR ".join(ends)})

    def _spans(self, program: Program) -> Mapping[Happening, Sequence[Span]]:
        """Return within which spans things happened that a relative time has reached or left."""
        before, now, zone = self._state.clock_at, self._writer.now, self._writer.zone
        spans: defaultdict[Happening, list[Span]] = defaultdict(list)
        for moment, places in program.compared_times.items():
            span = (moment.at(before, zone) - 1, moment.at(now, zone) + 1)
            for place in places:
                spans[program.happenings[place]].append(span)
        return spans

    # --- who is in segments

    def _judge(self, name: str) -> None:
        """Let the engine find who came into a segment, and who went."""
        writer = replace(self._writer, parameters={})
        condition = writer.of(self._followed.rules[name])
        self._run("judge", writer, {"segment": writer.bind(name), "condition": condition})

    def _judge_touched(self) -> None:
        """Let the engine find the same of those of whom was asked, by the rules that are as they were."""
        program, kept = self._kept_program, self._change.kept
        if not kept:
            return
        demands = demands_of(program, self._writer.zone)
        unused = [column.name for column in self._columns if column.attribute.name not in program.fields]
        facts.narrow(self._look, self._writer, demands, f"* EXCLUDE ({', '.join(unused)})" if unused else "*")
        rules = {name: self._followed.rules[name] for name in kept}
        for some in portions(rules, _JUDGED_AT_ONCE, _nodes_of, _NODES_AT_ONCE):
            writer = replace(self._writer, parameters={}, tables=facts.NARROWED)
            held = [
                f"CASE WHEN {writer.of(rule)} THEN {writer.bind(name)} END" for name, rule in some.items()
            ]
            self._run("hold", writer, {"held": ", ".join(held), "users": writer.tables.users})
        self._look.run("feed.compare", kept=list(kept))

    # --- attributes

    def _restate(self, told: str, of_users: str) -> None:
        """Find whose attributes are others, where these tables have what was told of them and what holds."""
        pairs = [self._told(name) for name in self._change.after.attributes if self._writer.type_of(name)]
        users = _users(self._columns, "json", of_users)
        if pairs:
            attributes = f"json_merge_patch('{{}}', json_object({', '.join(pairs)}))::VARCHAR"
        else:
            attributes, users = "'{}'", f"{users} AND false"
        splices = {"told": told, "attributes": attributes, "users": users}
        self._run("restate", replace(self._writer, parameters={}), splices)

    def _told(self, name: str) -> str:
        """Return an attribute as a member of a JSON object, as the API tells it."""
        if name in self._writer.columns:
            return f"'{name}', \"{self._shown_as(name)}\""
        is_time = self._writer.type_of(name) is AttributeType.DATETIME
        return f"'{name}', " + (ISO_TIME if is_time else "{0}").format(f'"{name}"')

    def _shown_as(self, name: str) -> str:
        """Return the name of an attribute in the query of objects."""
        return self._writer.columns[name].name if name in self._writer.columns else name

    # --- what was found

    def _remember(self, told: str) -> None:
        """Keep what was found as what was told, and what is to be told of it.

        What was told before of whom something was found stands in the table `told`.
        """
        change = self._change
        found = self._look.run("feed.found", segments=change.told_segments, attributes=change.told_attributes)
        moved, restated, self._rows = found[0]
        if change.unfollowed:
            self._look.run("feed.unfollow", unfollowed=change.unfollowed)
        if moved or restated:
            for first, last in _ranges(moved // _REMEMBERED_AT_ONCE):
                splices = {"told": told}
                run_spliced(self._look.connection, "feed.remember", (), splices, first=first, last=last)

    def _run(self, name: str, writer: Conditions, splices: Mapping[str, str]) -> Rows:
        query = spliced(statements("feed")[name][0], (), splices)
        return self._look.connection.execute(query, used(query, writer.parameters)).fetchall()


_ASKED_USERS = "(FROM users WHERE person_key IN (SELECT person_key FROM asked_ids)) AS users"


def _users(columns: Sequence[Column], form: str, of_users: str) -> str:
    """Return the query of the objects of some users with their keys, which ends in conditions."""
    query = users_query(columns, form).replace("SELECT", "SELECT users.person_key,", 1)
    assert "FROM users\n" in query
    return query.replace("FROM users\n", f"FROM {of_users}\n")


def _pieces(first: int, last: int, width: int) -> range:
    """Return the numbers of pieces of time in which a span lies, by a division that rounds towards 0."""
    begins, ends = (abs(end) // width * (1 if end > 0 else -1) for end in (first, last))
    return range(begins, ends + 1)


def _nodes_of(rule: Rule) -> int:
    return sum(1 for _ in nodes(rule.root))


def _ranges(more: int) -> Iterator[tuple[int, int]]:
    """Yield equal ranges of keys, first and last, more than so many."""
    parts = 1 << more.bit_length()
    for part in range(parts):
        yield KEYS * part // parts, KEYS * (part + 1) // parts - 1


# --- attributes that have other names, or go


def rename_attribute(look: Look, name: str, new_name: str) -> None:
    """Let the setting, the feed and what was told name an attribute by its new name."""
    names = [new_name if one == name else one for one in look.settings().feed_attributes]
    look.connection.execute(
        "UPDATE main.settings SET value = $1 WHERE space = $2 AND name = 'feed_attributes'",
        [setting_text(tuple(names)), look.space],
    )
    followed = msgspec.json.decode(_state(look).followed, type=_Names)
    attributes = [new_name if one == name else one for one in followed.attributes]
    told = msgspec.json.encode(_Names(followed.segments, attributes)).decode()
    look.run("feed.rename", name=name, new_name=new_name, followed=told)


def forget_attribute(look: Look, name: str) -> None:
    """Let what was told of an attribute go that is deleted; it is followed no more."""
    look.run("feed.forget_attribute", name=name)


# --- reading


def page(look: Look, after: int | None, limit: int, which: FeedFilter) -> FeedPage:
    """Return rows of the feed behind a number; see `Reader.feed_page`.

    Raises:
        FeedExpired: rows behind that number are not kept any more, or it was never reached.
    """
    first, last = look.run("feed.ends")[0]
    if after is None:
        after = first - 1
    if not first - 1 <= after <= last:
        raise _expired(after, first, last)
    found = look.run(
        "feed.page",
        after=after,
        rows=limit,
        kinds=list(which.kinds),
        segments=list(which.segments),
        attributes=list(which.attributes),
    )
    rows = [_row(*row) for row in found]
    reached = rows[-1].number if len(rows) == limit else last
    return FeedPage(rows=rows, reached=reached, first_number=first, last_number=last)


def _expired(after: int, first: int, last: int) -> FeedExpired:
    hint = "read the members of your segments anew, and go on from the end: cursor=end"
    if after > last:
        return FeedExpired(
            f"the feed ends with {last:,}, and what follows {after:,} was asked for: "
            "the data folder is an older copy",
            hint=hint,
            field="cursor",
        )
    return FeedExpired(
        f"the feed is kept from {first:,} on, and what follows {after:,} was asked for",
        hint=f"rows are kept for {limits.FEED_DAYS} days (FEED_DAYS), at most {limits.FEED_ROWS_MAX:,} "
        f"(FEED_ROWS_MAX); {hint}",
        field="cursor",
        limit=limits.FEED_DAYS,
    )


def _row(number: int, noticed_at: int, written_at: int, kind: str, subject: str, *more: Any) -> FeedRow:
    before, after, user_id, is_anonymous = more
    return FeedRow(
        number=number,
        noticed_at=noticed_at,
        written_at=written_at,
        kind=kind,
        subject=subject,
        before=None if before is None else msgspec.json.decode(before),
        after=None if after is None else msgspec.json.decode(after),
        user_id=user_id,
        is_anonymous=is_anonymous,
    )
