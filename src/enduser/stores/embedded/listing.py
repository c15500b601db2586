"""Users as they are asked for: whom, which of their attributes, in which order; page by page, or all.

A page must not join ten million users with their ids, and read all their attributes, to show a hundred. So
the value beyond which no row of the page lies is found first, by a look at the sums alone; only the users up
to it are joined with their ids; and only those who are on the page are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from enduser.core.attributes import AttributeType
from enduser.core.end_user import USER_COLUMNS
from enduser.core.users_query import UsersQuery, check_query
from enduser.stores.answers import Page
from enduser.stores.embedded.asking import conditions, rules_of
from enduser.stores.embedded.conditions import Conditions
from enduser.stores.embedded.database import Database
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.pages import check_limit
from enduser.stores.embedded.reading import Look, fetched, look_at, objects, sums, with_attributes
from enduser.stores.embedded.registry import Column
from enduser.stores.embedded.statements import bound, run
from enduser.stores.paging import cursor_behind, values_behind

_ALWAYS = ("user_id", "is_anonymous")
"""What comes whatever columns are asked for."""
_ID = "user_ids.id"
_JOINS = {
    "places.": "LEFT JOIN places ON places.place_id = users.place_id",
    "browsers.": "LEFT JOIN browsers ON browsers.browser_id = users.browser_id",
}
"""How the table is reached in which a value stands that is not in the sums."""
_KINDS: Mapping[AttributeType, type] = {
    AttributeType.STRING: str,
    AttributeType.NUMBER: float,
    AttributeType.BOOLEAN: bool,
    AttributeType.DATE: int,
    AttributeType.DATETIME: int,
}
"""What the values are by which users are ordered; a day is a count of days."""


@dataclass(frozen=True, slots=True)
class Order:
    """By what users are ordered."""

    value: str
    """The expression of the attribute, as it compares."""
    kind: type
    """What its values are."""
    is_descending: bool

    @property
    def joins(self) -> str:
        """How the expression is reached from the sums."""
        return next((join for table, join in _JOINS.items() if self.value.startswith(table)), "")

    @property
    def is_by_id(self) -> bool:
        """Whether it is the id, which does not stand in the sums."""
        return self.value == _ID

    @property
    def beyond(self) -> str:
        """The operator of what comes later."""
        return "<" if self.is_descending else ">"

    def by(self, *names: str) -> str:
        """Return the order by columns, of which the first has the values; unknown ones come last."""
        value, *ids = names
        direction = "DESC" if self.is_descending else "ASC"
        return ", ".join([f"{value} {direction} NULLS LAST", *ids])


def _order(writer: Conditions, asked: UsersQuery) -> Order:
    name = asked.sorted_by
    kind, value = writer.type_of(name), writer.value_of(name)
    assert kind is not None
    if kind is AttributeType.DATE:
        value = f"({value} - DATE '1970-01-01')"
    python = int if name == "total_sessions" else _KINDS[kind]
    return Order(value, python, asked.sort.startswith("-"))


@dataclass(frozen=True, slots=True)
class Listing:
    """Users as they are asked for, at the moment of a look."""

    look: Look
    asked: UsersQuery
    order: Order
    columns: Sequence[Column]
    """The custom attributes that come."""
    condition: str
    """Of those who are listed, on `users`."""
    parameters: Mapping[str, object]

    @property
    def names(self) -> Sequence[str]:
        """The names of all that comes of each user, in the order in which it is asked for."""
        if self.asked.columns is None:
            return [*USER_COLUMNS, *(column.attribute.name for column in self.columns)]
        return list(dict.fromkeys([*_ALWAYS, *self.asked.columns]))

    @property
    def own_names(self) -> Sequence[str]:
        """Those of them that are of no custom attribute."""
        return [name for name in self.names if name in USER_COLUMNS]

    def query(self, form: str = "json") -> tuple[str, dict[str, object]]:
        """Return the query of all of them with all attributes, in no order, and its parameters.

        Besides, each row has the value by which it is ordered, as `sort_value`.
        """
        value = f"{self.order.value} AS sort_value"
        query, parameters = objects(self.look, include_open=self.asked.include_open, form=form, beside=value)
        return f"{query} AND {self.condition}", {**parameters, **self.parameters}

    @property
    def by(self) -> str:
        """The order of a query of them that is called `listed`."""
        return self.order.by("listed.sort_value", "listed.user_id", "listed.is_anonymous")

    @property
    def selected(self) -> str:
        """What a query of them selects of which rows are told."""
        return ", ".join(f'"{name}"' for name in (*self.own_names, *(column.name for column in self.columns)))

    def shown(self, row: Mapping[str, object]) -> Mapping[str, object]:
        """Return a row as it is told."""
        return with_attributes(row, self.columns, self.own_names)


def listing(look: Look, asked: UsersQuery) -> Listing:
    """Return the users who are asked for.

    Raises:
        InvalidParameter, LimitExceeded: something of it cannot be.
        InvalidRule, RuleTooLarge, UsersNotTracked: the rule cannot be.
    """
    writer = conditions(look)
    check_query(asked, {name: column.attribute.type for name, column in writer.columns.items()})
    parts = ["true"]
    if asked.rule is not None:
        parts.append(writer.of(rules_of(look).read(asked.rule)))
    if asked.search:
        parts.append(writer.having(asked.search))
    wanted = writer.columns if asked.columns is None else dict.fromkeys(asked.columns)
    columns = [writer.columns[name] for name in wanted if name in writer.columns]
    return Listing(look, asked, _order(writer, asked), columns, " AND ".join(parts), writer.parameters)


def users(
    database: Database, space: str, asked: UsersQuery, limit: int | None = None
) -> Iterator[Mapping[str, object]]:
    """Yield the users who are asked for, as another thread may want them; see `Store.users`.

    Raises:
        InvalidParameter, LimitExceeded, InvalidRule, RuleTooLarge, UsersNotTracked: as `listing`.
    """
    look = look_at(database, space)
    with told(ANSWER):
        run(look.connection, "functions.functions")
        found = listing(look, asked)
    query, parameters = found.query()
    query = f"SELECT {found.selected} FROM ({query}) AS listed ORDER BY {found.by}"
    if limit is not None:
        query += f" LIMIT {int(limit)}"
    return (found.shown(row) for row in fetched(look, query, parameters))


# --- page by page


def users_page(look: Look, asked: UsersQuery, limit: int, cursor: str | None) -> Page:
    """Return some End User Objects, and where the next ones are; see `Reader.users_page`."""
    check_limit(limit)
    found = listing(look, asked)
    kinds = (found.order.kind, str, bool)
    place = None if cursor is None else values_behind(cursor, asked.sort, kinds)
    keys = _Keys(found, place, limit).find()
    rows = _rows_of(found, [key["row"] for key in keys[:limit]])
    items = [rows[key["id"], key["is_anonymous"]] for key in keys[:limit]]
    if len(keys) <= limit:
        return Page(items, None)
    last = keys[limit - 1]
    return Page(items, cursor_behind([last["value"], last["id"], last["is_anonymous"]], asked.sort))


@dataclass(frozen=True, slots=True)
class _Keys:
    """Finds who is on a page, and who comes next: where they stand, their ids, and their values."""

    listing: Listing
    place: Sequence[object] | None
    """What the row has behind which the page begins: the value, the id, its kind."""
    limit: int

    @property
    def _order(self) -> Order:
        return self.listing.order

    def find(self) -> Sequence[Mapping[str, object]]:
        """Return them in order, one more than the page has where there are more."""
        matched, edge = self._matched(), None
        if not self._is_among_unknown:
            edge = self._edge(matched)
        found = self._up_to(matched, edge)
        if edge is not None and len(found) <= self.limit:
            return self._up_to(matched, None)
        return found

    @property
    def _is_among_unknown(self) -> bool:
        return self.place is not None and self.place[0] is None

    @property
    def _parameters(self) -> dict[str, object]:
        if self.place is None:
            return {}
        value, user_id, is_anonymous = self.place
        return {"value": bound(value), "user_id": user_id, "is_anonymous": is_anonymous}

    def _matched(self) -> str:
        """Return the table of those who are listed, with their values, as far as these stand in the sums.

        A condition, which may cost much, is asked once: whom it holds for is kept aside.
        """
        found, order = self.listing, self._order
        is_open = found.asked.include_open
        row, value = "person_key" if is_open else "rowid", "NULL" if order.is_by_id else order.value
        query = (
            f"SELECT users.{row} AS row, users.person_key, {value} AS value "
            f"FROM {sums(found.look, include_open=is_open)} {order.joins} "
            f"WHERE users.total_sessions > 0 AND {found.condition}"
        )
        if found.condition == "true" and not is_open:
            return f"({query})"
        parameters = {**found.parameters, **objects(found.look, include_open=is_open)[1]}
        found.look.rows(f"CREATE OR REPLACE TEMP TABLE matched AS {query}", parameters)
        return "matched"

    def _edge(self, matched: str) -> object:
        """Return the value beyond which no row of the page lies; None: not known."""
        value, there, skipped = "value", f"{matched} AS matched", self.limit
        if self._order.is_by_id:  # some have no object: it may be too near, and then all are looked at
            value, there, skipped = "id", "user_ids", 2 * self.limit
        behind = "true" if self.place is None else f"({value} {self._order.beyond} $value OR {value} IS NULL)"
        rows = self.listing.look.rows(
            f"SELECT {value} AS edge FROM {there} WHERE {behind} "
            f"ORDER BY {self._order.by('edge')} LIMIT 1 OFFSET {skipped}",
            self._parameters,
        )
        return rows[0]["edge"] if rows else None

    def _up_to(self, matched: str, edge: object) -> Sequence[Mapping[str, object]]:
        order, look = self._order, self.listing.look
        value = order.value if order.is_by_id else "matched.value"
        within = "true"
        if edge is not None:
            within = f"{value} {'>=' if order.is_descending else '<='} $edge"
        return look.rows(
            f"SELECT matched.row AS row, {value} AS value, user_ids.id AS id, "
            "user_ids.is_anonymous AS is_anonymous "
            f"FROM {matched} AS matched JOIN user_ids ON user_ids.user_key = matched.person_key "
            f"WHERE {self._behind(value)} AND {within} "
            f"ORDER BY {order.by('value', 'id', 'is_anonymous')} LIMIT {int(self.limit) + 1}",
            {**self._parameters, "edge": bound(edge)},
        )

    def _behind(self, value: str) -> str:
        """Return the condition of coming behind the place."""
        behind_id = "(user_ids.id, user_ids.is_anonymous) > ($user_id, $is_anonymous)"
        if self.place is None:
            return "true"
        if self._is_among_unknown:
            return f"{value} IS NULL AND {behind_id}"
        beyond = self._order.beyond
        return (
            f"({value} {beyond}= $value OR {value} IS NULL) "
            f"AND ({value} {beyond} $value OR {value} IS NULL OR {behind_id})"
        )


def _rows_of(found: Listing, rows: Sequence[object]) -> Mapping[tuple[object, object], Mapping[str, object]]:
    """Return the users who stand in these rows, by their ids."""
    is_open = found.asked.include_open
    query, parameters = objects(found.look, include_open=is_open)
    at = "users.person_key" if is_open else "users.rowid"
    query = f"SELECT {found.selected} FROM ({query} AND {at} IN (SELECT unnest($rows::BIGINT[])))"
    read = found.look.rows(query, {**parameters, "rows": list(rows)})
    return {(row["user_id"], row["is_anonymous"]): found.shown(row) for row in read}
