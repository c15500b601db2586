"""Whom rules mean: how many, parted by an attribute, and why one user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from enduser import limits
from enduser.core.attributes import AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.rules.explaining import Explainer, judge
from enduser.core.rules.programs import Person, Program
from enduser.core.rules.rule_json import RuleJson
from enduser.core.rules.tree import Happening, Rule
from enduser.core.segments import (
    Counts,
    Explained,
    Facet,
    FacetValue,
    RuleCounts,
    SavedSegment,
    SegmentVerdict,
)
from enduser.errors import LimitExceeded, UsageError
from enduser.stores.embedded.conditions import Conditions, Tables, portions_of_happenings
from enduser.stores.embedded.reading import Look, persons, users_query
from enduser.stores.embedded.segments import Rules, every_segment
from enduser.stores.embedded.statements import bound, spliced, statements

_UNSEEN = "person_key NOT IN (SELECT seen.person_key FROM users AS seen WHERE seen.total_sessions > 0)"


def conditions(look: Look, tables: Tables | None = None) -> Conditions:
    """Return what writes rules as conditions, for the moment of a look."""
    settings = look.settings()
    clock, sources = look.run("asking.moment")[0]
    return Conditions(
        columns={column.attribute.name: column for column in look.columns()},
        sources=sources,
        now=clock or 0,
        zone=ZoneInfo(settings.time_zone),
        months=settings.retention_months,
        tables=tables or Tables(),
    )


def rules_of(look: Look) -> Rules:
    """Return what reads rules, for the moment of a look."""
    return Rules(look.connection, look.settings())


# --- counts


def count_users(look: Look, asked: Sequence[RuleJson]) -> RuleCounts:
    """Return how many users each of some rules means; see `Reader.count_users`."""
    if len(asked) > limits.RULES_COUNTED_MAX:
        raise LimitExceeded(
            f"{len(asked):,} rules cannot be counted at once",
            hint=f"the limit is {limits.RULES_COUNTED_MAX} (RULES_COUNTED_MAX)",
            limit=limits.RULES_COUNTED_MAX,
        )
    reader = rules_of(look)
    counts = [_count(look, reader.read(rule)) for rule in asked]
    all_users, clock_at = look.run("asking.all_users")[0]
    return RuleCounts(counts, all_users, clock_at)


def _count(look: Look, rule: Rule) -> Counts:
    writer = conditions(look)
    condition = writer.of(rule)
    query = f"SELECT count(*) AS users FROM users WHERE total_sessions > 0 AND {condition}"
    users: Any = look.rows(query, writer.parameters)[0]["users"]
    if not rule.is_of_lists:
        return Counts(users)
    ids = f"({writer.persons_of_lists(rule)}) AS users"
    query = f"SELECT count(DISTINCT person_key) AS ids FROM {ids} WHERE {condition} AND {_UNSEEN}"
    unseen: Any = look.rows(query, writer.parameters)[0]["ids"]
    return Counts(users, unseen)


# --- facets


def facet(look: Look, asked: RuleJson, name: str, limit: int) -> Facet:
    """Return how the users of a rule are parted by an attribute; see `Reader.facet`.

    Raises:
        UsageError: there is no such attribute, or nobody is parted by it.
        LimitExceeded: `limit` is below 1 or above `FACET_VALUES_MAX`.
    """
    if not 1 <= limit <= limits.FACET_VALUES_MAX:
        raise LimitExceeded(
            f"users cannot be parted by {limit:,} values",
            hint=f"ask for 1 to {limits.FACET_VALUES_MAX} (FACET_VALUES_MAX)",
            field="limit",
            limit=limits.FACET_VALUES_MAX,
        )
    writer = conditions(look)
    splices = {"condition": writer.of(rules_of(look).read(asked)), **_parted_by(writer, name)}
    query = spliced(statements("asking")["facet"][0], (), splices)
    rows: Sequence[Mapping[str, Any]] = look.rows(query, {**writer.parameters, "values": limit})
    values = [FacetValue(row["value"], row["users"]) for row in rows if row["kind"] == "value"]
    sums = {row["kind"]: row["users"] for row in rows}
    return Facet(values, sums["known"] - sum(value.users for value in values), sums["unknown"])


_PLACES = {"key": "users.place_id", "grouped": "grouped LEFT JOIN places ON places.place_id = grouped.key"}
_BROWSERS = {
    "key": "users.browser_id",
    "grouped": "grouped LEFT JOIN browsers ON browsers.browser_id = grouped.key",
}
_PARTED: Mapping[str, Mapping[str, str]] = {
    **{name: {**_PLACES, "value": f"places.{name}"} for name in ("country", "region", "city")},
    "browser_name": {**_BROWSERS, "value": "browsers.name"},
    "browser_version": {**_BROWSERS, "value": "browsers.version"},
}
_DAY = "strftime(timezone({zone}, make_timestamp({value})::TIMESTAMPTZ), '%Y-%m-%d')"


def _parted_by(writer: Conditions, name: str) -> Mapping[str, str]:
    """Return by what users are grouped, and what is shown of a group; of times the day where the space is."""
    plain = {"users": "users", "grouped": "grouped", "value": "grouped.key"}
    if name in _PARTED:
        return {**plain, **_PARTED[name]}
    kind = writer.type_of(name)
    if kind is None or name == "user_id":
        raise UsageError(
            f"users cannot be parted by {name!r}",
            hint="name an attribute that several users have; names are case-sensitive",
            field="field",
        )
    value = writer.value_of(name)
    if kind is AttributeType.DATETIME:
        value = _DAY.format(zone=writer.bind(writer.zone.key), value=value)
    if kind is AttributeType.LIST:
        items = f"users, unnest(coalesce({value}, [NULL])) AS one(item)"
        return {**plain, "users": items, "key": "one.item"}
    if kind is AttributeType.DATE:
        value = f"{value}::VARCHAR"
    return {**plain, "key": value}


# --- one user

HAPPENINGS_AT_ONCE = 10
"""Things that happened of which one statement asks: each takes memory of its own."""
_NAMES = ("users", "sessions", "open_sessions", "events", "candidates")
OF_PERSON = Tables(**{name: f"asked_{name}" for name in _NAMES})
"""What `asking.gather_person` makes of one person."""


@dataclass(frozen=True, slots=True)
class AskedPerson:
    """One id of which is asked whom rules mean, and what there is of its person."""

    look: Look
    person_key: int | None
    values: Mapping[str, object] | None

    def person(self, program: Program) -> Person:
        """Return what a program needs to know of the person."""
        if self.person_key is None:
            return Person(None)
        lists = {
            list_id for (list_id,) in self.look.run("asking.lists_of_person", person_key=self.person_key)
        }
        if self.values is None:
            return Person(None, {}, lists)
        return Person(self.values, dict(self._times(program.happenings)), lists)

    def _times(self, happenings: Sequence[Happening]) -> Iterator[tuple[Happening, Sequence[int]]]:
        if not happenings:
            return
        self.look.run("asking.gather_person", person_key=self.person_key)
        clock, times = conditions(self.look, OF_PERSON), [list[int]() for _ in happenings]
        for some in portions_of_happenings(
            [(what, [(None, None)]) for what in happenings], HAPPENINGS_AT_ONCE
        ):
            writer = replace(clock, parameters={})
            for row in self.look.rows(writer.each_happened(some), writer.parameters):
                times[int(str(row["number"]))].append(int(str(row["happened_at"])))
        yield from zip(happenings, map(sorted, times), strict=True)


def explain_segments(
    look: Look, user_id: str, id_kind: str | None, segment_ids: Sequence[str] | None, *, with_reasons: bool
) -> Explained:
    """Return whether segments hold for the person of an id, and why; see `Reader.explain_segments`."""
    who = asked(look, user_id, id_kind)
    writer, reader = conditions(look), rules_of(look)
    wanted = [(saved, reader.require(saved.segment.id)) for saved in _wanted(look, segment_ids)]
    person = who.person(Program([rule for _, rule in wanted]))
    verdicts = []
    for saved, rule in wanted:
        look.check_time()
        if with_reasons:
            verdict = Explainer(saved.segment.rule, rule).explain(person, writer.now, writer.zone)
        else:
            verdict = judge(rule, person, writer.now, writer.zone)
        verdicts.append(SegmentVerdict(saved, verdict))
    clock_at, _ = look.run("asking.moment")[0]
    return Explained(who.values is not None, clock_at, verdicts)


def _wanted(look: Look, segment_ids: Sequence[str] | None) -> Sequence[SavedSegment]:
    saved = [one for one in every_segment(look.connection) if not one.segment.is_archived]
    return [one for one in saved if segment_ids is None or one.segment.id in segment_ids]


def asked(look: Look, user_id: str, id_kind: str | None) -> AskedPerson:
    """Return what there is of the person of an id; somebody with an object comes first."""
    person_keys = list(persons(look, user_id, id_kind))
    for person_key in person_keys:
        values = _values(look, person_key)
        if values is not None:
            return AskedPerson(look, person_key, values)
    return AskedPerson(look, person_keys[0] if person_keys else None, None)


def _values(look: Look, person_key: int) -> Mapping[str, object] | None:
    """Return the attributes of a person that are known, None if there is no End User Object."""
    columns = look.columns()
    query = f"{users_query(columns, 'core')} AND users.person_key = $person_key"
    for row in look.rows(query, {"person_key": bound(person_key)}):
        custom = {column.attribute.name: row[column.name] for column in columns}
        values = {**{name: row[name] for name in USER_COLUMNS}, **custom}
        return {name: value for name, value in values.items() if value is not None}
    return None
