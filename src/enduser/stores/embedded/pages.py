"""Lists, page by page.

A page must not join ten million users with their ids to show a hundred. So the value beyond which no row
of the page lies is found first, by a look at the sums alone, and only the users up to it are joined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from enduser import limits
from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.core.segments import RuleJson
from enduser.errors import LimitExceeded, UsageError
from enduser.stores.answers import Page
from enduser.stores.embedded.asking import conditions, rules_of
from enduser.stores.embedded.reading import (
    EVERY_LINK,
    Look,
    objects,
    order_by,
    persons,
    sums,
    with_attributes,
)
from enduser.stores.embedded.statements import bound, statements
from enduser.stores.paging import cursor_behind, values_behind

_NEWEST = "-started_at"
_OLDEST = "since"
_LINK_ORDER = {
    "since": int,
    "one_is_anonymous": bool,
    "one": str,
    "other_is_anonymous": bool,
    "other": str,
    "by": str,
}
"""By what links are ordered, with the kinds of it."""
_BEHIND_ID = "(user_id, is_anonymous) > ($user_id, $is_anonymous)"
_TIMES_AND_COUNTS = ("first_seen", "last_seen", "total_sessions")
_DURATIONS = {
    "average_session_duration": "users.duration_us / users.total_sessions / 1e6",
    "total_session_duration": "users.duration_us / 1e6",
    "average_time_between_sessions": (
        "CASE WHEN users.total_sessions > 1 "
        "THEN (users.last_seen - users.first_seen - users.duration_us) / (users.total_sessions - 1) / 1e6 END"
    ),
}
_SUMS = {name: f'users."{name}"' for name in (*_TIMES_AND_COUNTS, *ANALYTICS_PROPERTIES)} | _DURATIONS
"""What the sums alone know of an attribute, as `users` of `sql/read.sql` computes it."""

_KINDS = {
    "is_anonymous": bool,
    **dict.fromkeys(_TIMES_AND_COUNTS, int),
    **dict.fromkeys(_DURATIONS, float),
}
"""What the values of an attribute are; the others are text."""


@dataclass(frozen=True, slots=True)
class _Users:
    """The list of users in an order, from behind a place on."""

    look: Look
    sort: str
    place: Sequence[object] | None
    """The values of the row behind which the list begins: of the attribute, its id, its kind."""
    include_open: bool
    condition: str
    """Of those who are listed; on `users`."""
    parameters: Mapping[str, object]

    @property
    def _name(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def _beyond(self) -> str:
        return "<" if self.sort.startswith("-") else ">"

    def page(self, limit: int) -> Page:
        query, parameters = objects(self.look, include_open=self.include_open)
        query += f" AND {self.condition}"
        parameters |= self.parameters
        if self.place is not None:
            value, user_id, is_anonymous = self.place
            parameters |= {"value": bound(value), "user_id": user_id, "is_anonymous": is_anonymous}
        if expression := "user_ids.id" if self._name == "user_id" else _SUMS.get(self._name):
            query += self._from_place(expression, f"{self._beyond}=")
            edge = self._edge(expression, parameters, limit)
            if edge is not None:
                parameters["edge"] = bound(edge)
                query += f" AND {expression} {'>=' if self._beyond == '<' else '<='} $edge"
        query = f"FROM ({query}) {self._behind_place()} ORDER BY {order_by(self.sort)}"
        ordered_by = (self._name, "user_id", "is_anonymous")
        page = _page(self.look, query, parameters, limit, self.sort, ordered_by)
        columns = self.look.columns()
        return Page([with_attributes(row, columns) for row in page.items], page.next_cursor)

    def _edge(self, expression: str, parameters: Mapping[str, object], limit: int) -> object:
        """Return the value beyond which no row of the page lies; None: not known."""
        if self.place is not None and self.place[0] is None:
            return None
        there = (
            f"{sums(self.look, include_open=self.include_open)} WHERE total_sessions > 0 AND {self.condition}"
        )
        if self._name == "user_id":
            there = f"user_ids WHERE user_key IN (SELECT users.person_key FROM {there})"
        direction = "DESC" if self._beyond == "<" else "ASC"
        rows = self.look.rows(
            f"SELECT {expression} AS edge FROM {there}{self._from_place(expression, self._beyond)} "
            f"ORDER BY edge {direction} NULLS LAST LIMIT 1 OFFSET {int(limit)}",
            parameters,
        )
        return rows[0]["edge"] if rows else None

    def _from_place(self, expression: str, beyond: str) -> str:
        if self.place is None:
            return ""
        if self.place[0] is None:
            return f" AND {expression} IS NULL"
        return f" AND ({expression} {beyond} $value OR {expression} IS NULL)"

    def _behind_place(self) -> str:
        if self.place is None:
            return ""
        if self.place[0] is None:
            return f'WHERE "{self._name}" IS NULL AND {_BEHIND_ID}'
        return (
            f'WHERE "{self._name}" {self._beyond} $value OR "{self._name}" IS NULL '
            f'OR ("{self._name}" = $value AND {_BEHIND_ID})'
        )


def users_page(
    look: Look, sort: str, limit: int, cursor: str | None, *, include_open: bool, rule: RuleJson | None
) -> Page:
    """Return some End User Objects, and where the next ones are; see `Store.users_page`.

    Raises:
        UsageError: users are asked for by a rule and as if their open sessions were closed.
    """
    if rule is not None and include_open:
        raise UsageError(
            "rules see closed sessions only, so include_open cannot be asked for with a rule",
            hint="leave one of them out",
            field="include_open",
        )
    order_by(sort)  # there must be such an attribute
    check_limit(limit)
    kind = _KINDS.get(sort.removeprefix("-"), str)
    place = None if cursor is None else values_behind(cursor, sort, (kind, str, bool))
    writer = conditions(look)
    condition = "true" if rule is None else writer.of(rules_of(look).read(rule))
    return _Users(look, sort, place, include_open, condition, writer.parameters).page(limit)


def user_sessions(look: Look, user_id: str, id_kind: str | None, limit: int, cursor: str | None) -> Page:
    """Return some sessions of a person, the newest first; see `Store.user_sessions`."""
    check_limit(limit)
    query = f"{statements('read')['sessions'][0]} WHERE visits.person_key = $person_key"
    newest_first = "ORDER BY visits.started_at DESC"
    parameters: dict[str, object] = {}
    if cursor is not None:
        (value,) = values_behind(cursor, _NEWEST, (int,))
        parameters["value"] = bound(value)
        query += " AND visits.started_at < $value"
    page = Page([], None)
    for person_key in persons(look, user_id, id_kind):
        parameters["person_key"] = bound(person_key)
        page = _page(look, f"{query} {newest_first}", parameters, limit, _NEWEST, ("started_at",))
        if page.items:
            break
    return page


def links_page(look: Look, limit: int, cursor: str | None) -> Page:
    """Return some links that hold, the oldest first, and where the next ones are; see `Store.links_page`."""
    check_limit(limit)
    query, parameters = f"FROM ({statements('read')['links'][0]})", dict(EVERY_LINK)
    columns = ", ".join(f'"{name}"' for name in _LINK_ORDER)
    if cursor is not None:
        values = values_behind(cursor, _OLDEST, list(_LINK_ORDER.values()))
        parameters |= {name: bound(value) for name, value in zip(_LINK_ORDER, values, strict=True)}
        query += f" WHERE ({columns}) > ({', '.join(f'${name}' for name in _LINK_ORDER)})"
    query += f" ORDER BY {columns}"
    return _page(look, query, parameters, limit, _OLDEST, list(_LINK_ORDER))


def check_limit(limit: int) -> None:
    """Check how many rows a page may have.

    Raises:
        LimitExceeded: none, or more than there may be.
    """
    if not 1 <= limit <= limits.PAGE_ROWS_MAX:
        raise LimitExceeded(
            f"a page cannot have {limit:,} rows",
            hint=f"ask for 1 to {limits.PAGE_ROWS_MAX:,} (PAGE_ROWS_MAX), and page with the cursor",
            field="limit",
            limit=limits.PAGE_ROWS_MAX,
        )


def _page(
    look: Look,
    query: str,
    parameters: Mapping[str, object],
    limit: int,
    sort: str,
    ordered_by: Sequence[str],
) -> Page:
    rows = look.rows(f"{query} LIMIT {int(limit) + 1}", parameters)
    return page_of(rows, limit, sort, ordered_by)


def page_of(rows: Sequence[Mapping[str, object]], limit: int, sort: str, ordered_by: Sequence[str]) -> Page:
    """Return the first `limit` rows as a page; that there are more says that others follow."""
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], cursor_behind([last[name] for name in ordered_by], sort))
