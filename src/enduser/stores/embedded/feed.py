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
from dataclasses import dataclass
from typing import Any

import msgspec

from enduser import limits
from enduser.core.end_user import USER_COLUMNS
from enduser.core.feed import FeedPage, FeedRow
from enduser.core.rules.demands import demands_of
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.tree import Happening, InList, Rule
from enduser.errors import FeedExpired
from enduser.stores.embedded import facts
from enduser.stores.embedded.asking import conditions, rules_of
from enduser.stores.embedded.conditions import Conditions
from enduser.stores.embedded.reading import Look, users_query
from enduser.stores.embedded.segments import every_segment
from enduser.stores.embedded.statements import Rows, bound, spliced, statements, used

SWEEP_US = 30_000_000
"""How far the clock must have moved for relative times to be looked at again."""
_FEW = 50_000
"""Of so many persons each is judged by itself; of more the engine judges all, segment by segment."""


@dataclass(frozen=True, slots=True)
class _Followed:
    """What is followed: segments with what names their rules, and attributes."""

    segments: Mapping[str, str]
    attributes: list[str]


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


def follow(look: Look, rules: Mapping[str, Rule], written_at: int) -> int:
    """Bring the feed up to what holds now; return how many rows were written.

    `rules` are those of the followed segments. Rows that are too old go. The caller owns the transaction.
    """
    state = _State(*look.run("feed.state")[0])
    before = msgspec.json.decode(state.followed, type=_Followed)
    attributes = list(look.settings().feed_attributes)
    after = _Followed({name: _key(rule) for name, rule in rules.items()}, attributes)
    is_due = state.now - state.clock_at >= SWEEP_US
    if state.fold == state.last_fold and before == after and not is_due:
        return 0
    step = _Step(look, state, before, after, rules)
    step.follow()
    written = step.write(written_at)
    look.run(
        "feed.advance",
        fold=state.last_fold,
        clock_at=state.now,
        followed=msgspec.json.encode(after).decode(),
    )
    written_before = written_at - limits.FEED_DAYS * 86_400_000_000
    look.run("feed.forget", written_before=written_before, rows_max=limits.FEED_ROWS_MAX)
    return written


def followed_rules(look: Look) -> Mapping[str, Rule]:
    """Return the rules of the segments that are followed."""
    if look.settings().unique_user == "none":
        return {}
    rules, saved = rules_of(look), every_segment(look.connection)
    followed = [one.segment for one in saved if one.segment.is_followed and not one.segment.is_archived]
    return {segment.id: rules.require(segment.id) for segment in followed}


def _key(rule: Rule) -> str:
    return hashlib.sha256(repr(rule).encode()).hexdigest()[:32]


class _Step:
    """One step of the feed of a space."""

    def __init__(
        self,
        look: Look,
        state: _State,
        before: _Followed,
        after: _Followed,
        rules: Mapping[str, Rule],
    ) -> None:
        self._look = look
        self._state = state
        self._before = before
        self._after = after
        self._rules = rules
        self._writer = conditions(look)
        kept = [name for name, key in after.segments.items() if before.segments.get(name) == key]
        self._kept: Sequence[str] = kept
        """The segments whose rules are as they were."""
        self._columns = look.columns()
        self._told = _told_attributes(self._writer, after.attributes)

    def follow(self) -> None:
        """Work out what is to be told, and what was told then."""
        self._look.run("feed.fresh")
        state = self._state
        is_everything = not state.touched_since <= state.fold or state.touched > _FEW
        if is_everything:
            self._kept = []
        elif self._before.segments or self._before.attributes:
            self._follow_few()
        if is_everything or self._before != self._after:
            self._follow_all()

    def write(self, written_at: int) -> int:
        """Write what was worked out into the feed; return how many rows."""
        ((last,),) = self._look.connection.execute("SELECT last_number FROM feed_state").fetchall()
        self._look.run("feed.write", clock_at=self._state.now, written_at=written_at)
        ((written,),) = self._look.connection.execute("SELECT last_number FROM feed_state").fetchall()
        return int(written) - int(last)

    # --- few persons

    def _follow_few(self) -> None:
        """Judge each person of whom something is another, or may be by the clock."""
        program = Program([self._rules[name] for name in self._kept])
        self._look.run("facts.changed", since=self._state.fold)
        self._sweep(program)
        facts.narrow(self._look, demands_of(program, self._writer.zone))
        known = {key: (segments, told) for key, segments, told in self._look.run("feed.known")}
        times, lists = self._facts(program)
        edges = program.edges(self._writer.now, self._writer.zone)
        held: dict[int, tuple[Sequence[str], str]] = {}
        for row in self._asked_rows():
            key, told = row["person_key"], row["attributes"]
            person = Person(_values(row, self._columns), times[key], lists[key])
            answers = zip(self._kept, program.answers(person, edges), strict=True)
            held[key] = ([name for name, holds in answers if holds], told)
        nothing: tuple[Sequence[str], str] = ((), "{}")
        fresh = [
            (key, *self._compared(key, known.get(key, nothing), held.get(key, nothing)))
            for key in held.keys() | known.keys()
        ]
        self._store_few([row for row in fresh if row[1] or row[2] != "{}"])

    def _compared(
        self, key: int, before: tuple[Sequence[str], str], after: tuple[Sequence[str], str]
    ) -> tuple[Sequence[str], str]:
        """Tell what is another of a person; return what was told of him then."""
        was, now = set(before[0]), set(after[0])
        changed = [(key, "entered", name, None, None) for name in sorted(now - was)]
        changed += [(key, "left", name, None, None) for name in sorted((was - now) & set(self._kept))]
        if before[1] != after[1]:
            changed += list(self._changed(key, before[1], after[1]))
        if changed:
            self._look.connection.executemany("INSERT INTO fresh_feed VALUES ($1, $2, $3, $4, $5)", changed)
        return sorted(now | (was - set(self._kept))), after[1]

    def _changed(self, key: int, before: str, after: str) -> Iterator[tuple[Any, ...]]:
        was, now = (msgspec.json.decode(text, type=dict[str, msgspec.Raw]) for text in (before, after))
        for name in self._after.attributes:
            if name in self._before.attributes and was.get(name) != now.get(name):
                yield (key, "changed", name, _text(was.get(name)), _text(now.get(name)))

    def _store_few(self, fresh: Sequence[tuple[int, Sequence[str], str]]) -> None:
        if fresh:
            self._look.connection.executemany(
                "INSERT INTO fresh_told VALUES ($1, $2, $3)", [(bound(key), *more) for key, *more in fresh]
            )
        self._look.run("feed.store_asked")

    def _asked_rows(self) -> Sequence[Mapping[str, Any]]:
        query = spliced(
            statements("feed")["asked"][0], (), {"told": self._told, "users": _users(self._columns)}
        )
        return self._look.rows(query, {})

    def _facts(
        self, program: Program
    ) -> tuple[Mapping[int, Mapping[Happening, Sequence[int]]], Mapping[int, set[str]]]:
        """Return when what rules count happened to the persons who are asked, and which lists they are in."""
        none: dict[Happening, Sequence[int]] = dict.fromkeys(program.happenings, ())
        times: defaultdict[int, dict[Happening, Sequence[int]]] = defaultdict(none.copy)
        lists: defaultdict[int, set[str]] = defaultdict(set)
        for demand, key, told in facts.of_persons(self._look, demands_of(program, self._writer.zone)):
            if isinstance(demand.what, InList):
                lists[key].add(demand.what.id)
            else:
                times[key][demand.what] = told
        return times, lists

    def _sweep(self, program: Program) -> None:
        """Ask also of whom a relative time has reached or left a value since the last step."""
        before, now, zone = self._state.clock_at, self._writer.now, self._writer.zone
        parts = []
        for (moment, is_day), fields in program.compared_fields.items():
            ends: Sequence[Any] = [moment.at(at, zone) for at in (before, now)]
            if is_day:
                ends = [moment.day(at, zone) for at in (before, now)]
            first, last = (self._writer.bind(end) for end in ends)
            parts += [
                f"SELECT person_key FROM users WHERE {self._writer.value_of(name)} BETWEEN {first} AND {last}"
                for name in dict.fromkeys(name for name, _ in fields)
            ]
        for moment, happenings in program.compared_times.items():
            reached, passed = moment.at(before, zone) - 1, moment.at(now, zone) + 1
            within = [self._writer.happened_within(what, reached, passed) for what in happenings]
            parts += [f"SELECT person_key FROM ({happened})" for happened in within]
        if parts and now > before:
            query = spliced(statements("feed")["swept"][0], (), {"swept": " UNION ALL ".join(parts)})
            self._look.connection.execute(query, used(query, self._writer.parameters))

    # --- all persons

    def _follow_all(self) -> None:
        """Let the engine judge all persons, by the rules that are others and, if need be, by all."""
        told = [name for name in self._after.segments if name in self._before.segments]
        self._look.run("feed.known_members", kept=list(self._kept))
        for name in self._after.segments:
            if name not in self._kept:
                writer = conditions(self._look)
                condition = writer.of(self._rules[name])
                self._run("members", writer, {"segment": writer.bind(name), "condition": condition})
        self._look.run("feed.compare_members", told=told)
        self._run("attributes_now", self._writer, {"told": self._told, "users": _users(self._columns)})
        attributes = [name for name in self._after.attributes if name in self._before.attributes]
        self._look.run("feed.compare_attributes", told=attributes)
        self._look.run("feed.store_all")

    def _run(self, name: str, writer: Conditions, splices: Mapping[str, str]) -> Rows:
        query = spliced(statements("feed")[name][0], (), splices)
        return self._look.connection.execute(query, used(query, writer.parameters)).fetchall()


def _users(columns: Sequence[Any]) -> str:
    return users_query(columns, "core").replace("SELECT", "SELECT users.person_key,", 1)


def _told_attributes(writer: Conditions, names: Sequence[str]) -> str:
    """Return the expression of what is told of attributes, as JSON without those that are unknown."""
    known = {name: column.name for name, column in writer.columns.items()}
    pairs = [f"'{name}', \"{known.get(name, name)}\"" for name in names if writer.type_of(name) is not None]
    return f"json_merge_patch('{{}}', json_object({', '.join(pairs)}))::VARCHAR" if pairs else "'{}'"


def _values(row: Mapping[str, Any], columns: Sequence[Any]) -> Mapping[str, object]:
    custom = {column.attribute.name: row[column.name] for column in columns}
    values = {**{name: row[name] for name in USER_COLUMNS}, **custom}
    return {name: value for name, value in values.items() if value is not None}


def _text(raw: msgspec.Raw | None) -> str | None:
    return None if raw is None else bytes(raw).decode()


# --- reading


def page(
    look: Look, after: int, limit: int, kinds: Sequence[str] | None, subjects: Sequence[str] | None
) -> FeedPage:
    """Return rows of the feed behind a number; see `Reader.feed_page`.

    Raises:
        FeedExpired: rows behind that number are not kept any more.
    """
    first, last = look.run("feed.ends")[0]
    if after < first - 1:
        raise FeedExpired(
            f"the feed is kept from {first:,} on, and what follows {after:,} was asked for",
            hint=f"rows are kept for {limits.FEED_DAYS} days (FEED_DAYS); read the members of your segments "
            f"anew, and go on with cursor={last}",
            field="cursor",
            limit=limits.FEED_DAYS,
        )
    found = look.run(
        "feed.page",
        after=after,
        rows=limit,
        kinds=None if kinds is None else list(kinds),
        subjects=None if subjects is None else list(subjects),
    )
    return FeedPage([_row(*row) for row in found], last)


def _row(number: int, noticed_at: int, kind: str, subject: str, *more: Any) -> FeedRow:
    before, after, user_id, is_anonymous = more
    return FeedRow(
        number=number,
        noticed_at=noticed_at,
        kind=kind,
        subject=subject,
        before=None if before is None else msgspec.json.decode(before),
        after=None if after is None else msgspec.json.decode(after),
        user_id=user_id,
        is_anonymous=is_anonymous,
    )
