"""One step of the feed: what is another than was told, of whom it may be another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from enduser.core.attributes import AttributeType
from enduser.core.rules.demands import demands_of
from enduser.core.rules.programs import Program
from enduser.core.rules.tree import Rule, nodes
from enduser.stores.embedded import facts
from enduser.stores.embedded.asking import conditions
from enduser.stores.embedded.conditions import Conditions, portions
from enduser.stores.embedded.followed import NOTHING, Change, Followed
from enduser.stores.embedded.reading import KEYS, Look, users_query
from enduser.stores.embedded.registry import ISO_TIME, Column
from enduser.stores.embedded.statements import Rows, run_spliced, spliced, statements, used
from enduser.stores.embedded.sweeping import Sweep

_JUDGED_AT_ONCE = 20
"""Segments of which one statement asks of a few persons, unless their rules have more nodes than"""
_NODES_AT_ONCE = 60
"""so many: the engine plans each look into another table beside all others."""
_SOME = 500_000
"""Of more persons than so many nobody is looked for: all are judged."""
_REMEMBERED_AT_ONCE = 4_000_000
"""Comings and goings that are put together by person at once: some hundred megabytes."""


@dataclass(frozen=True, slots=True)
class State:
    """How far the feed is, and how far the space."""

    fold: int
    clock_at: int
    followed: str
    last_fold: int
    touched_since: int
    now: int
    touched: int


class Step:
    """One step of the feed of a space."""

    def __init__(self, look: Look, state: State, change: Change, followed: Followed) -> None:
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
        if change.before == NOTHING:
            return False
        if not state.touched_since <= state.fold or state.touched > _SOME:
            return None
        self._look.run("facts.changed", since=state.fold)
        if sweeps:
            Sweep(self._look, self._writer, self._kept_program, state.clock_at).ask()
        ((self._asked,),) = self._look.run("feed.asked_told")
        return None if self._asked > _SOME else self._asked > 0

    @cached_property
    def _kept_program(self) -> Program:
        kept = self._change.kept
        if len(kept) == len(self._followed.rules):
            return self._followed.program
        return Program([self._followed.rules[name] for name in kept])

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
        facts.gather_asked(
            self._look, self._writer, demands, f"* EXCLUDE ({', '.join(unused)})" if unused else "*"
        )
        rules = {name: self._followed.rules[name] for name in kept}
        for some in portions(rules, _JUDGED_AT_ONCE, _nodes_of, _NODES_AT_ONCE):
            writer = replace(self._writer, parameters={}, tables=facts.OF_ASKED)
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
    return users_query(columns, form, users=of_users, beside="users.person_key")


def _nodes_of(rule: Rule) -> int:
    return sum(1 for _ in nodes(rule.root))


def _ranges(more: int) -> Iterator[tuple[int, int]]:
    """Yield equal ranges of keys, first and last, more than so many."""
    parts = 1 << more.bit_length()
    for part in range(parts):
        yield KEYS * part // parts, KEYS * (part + 1) // parts - 1
