"""The registry of custom attributes, and their columns in every space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from enduser import limits
from enduser.core.attributes import (
    FALSE_WORDS,
    TRUE_WORDS,
    Attribute,
    AttributeType,
    ConflictRule,
    check_attribute,
)
from enduser.errors import AttributeNotFound
from enduser.stores.answers import RetypePreview
from enduser.stores.embedded.statements import Splices, run

_CATALOG = "enduser"
"""The engine's name of the database, told where another may be in sight, as for a recomputation beside."""

_COLUMN_TYPES: Mapping[AttributeType, str] = {
    AttributeType.STRING: "VARCHAR",
    AttributeType.NUMBER: "DOUBLE",
    AttributeType.BOOLEAN: "BOOLEAN",
    AttributeType.DATE: "DATE",
    AttributeType.DATETIME: "BIGINT",
    AttributeType.LIST: "VARCHAR[]",
}
ISO_TIME = "strftime(make_timestamp({0}), '%Y-%m-%dT%H:%M:%S.%fZ')"
_SHOWN: Mapping[str, Mapping[AttributeType, str]] = {
    "json": {AttributeType.DATE: "{0}::VARCHAR", AttributeType.DATETIME: ISO_TIME},
    "csv": {AttributeType.DATETIME: ISO_TIME, AttributeType.LIST: "to_json({0})"},
    "core": {AttributeType.DATE: "{0}::VARCHAR"},
    "parquet": {AttributeType.DATETIME: "make_timestamp({0})::TIMESTAMPTZ"},
}
"""How values are shown that a form has no type for."""

_RANKS: Mapping[ConflictRule, str] = {
    ConflictRule.LATEST: "CASE WHEN a{n} IS NOT NULL OR c{n} THEN number END",
    ConflictRule.SOURCE_ORDER: "CASE WHEN a{n} IS NOT NULL AND number = max(number) "
    "FILTER (a{n} IS NOT NULL OR c{n}) OVER (PARTITION BY person_key, position) THEN -position END",
}
"""What makes a candidate win, as `core.candidates.winner`: how late it is; or, of the last of each source, if
it has a value, how far before the others its source is."""


@dataclass(frozen=True, slots=True)
class Column:
    """A custom attribute, and the number that names its columns."""

    number: int
    attribute: Attribute

    @property
    def name(self) -> str:
        """The column of its values."""
        return f"a{self.number}"

    def splices(self, form: str = "json") -> Splices:
        """Return what statements need of it; they show it as `json`, `csv`, `parquet` or `core` have it.

        `core` is as `enduser.core.attributes.Value`.
        """
        number, attribute = str(self.number), self.attribute
        return {
            "n": number,
            "kind": attribute.type,
            "rank": _RANKS[attribute.conflict_rule].format(n=number),
            "shown": _SHOWN[form].get(attribute.type, "{0}").format(self.name),
            "shown_before": _SHOWN[form].get(attribute.type, "{0}").format(f"b{number}"),
        }


def columns(connection: duckdb.DuckDBPyConnection) -> Sequence[Column]:
    """Return all custom attributes, the oldest first."""
    rows = connection.execute(
        "SELECT number, name, type, display_name, description, is_pii, sources, conflict_rule "
        f"FROM {_CATALOG}.main.attributes ORDER BY number"
    ).fetchall()
    return [_column(*row) for row in rows]


def _column(number: int, name: str, kind: str, *more: object) -> Column:
    display_name, description, is_pii, sources, rule = more
    return Column(
        number,
        Attribute(
            name,
            AttributeType(kind),
            str(display_name),
            str(description),
            bool(is_pii),
            None if sources is None else tuple(sources),  # type: ignore[arg-type]
            ConflictRule(str(rule)),
        ),
    )


def column_of(connection: duckdb.DuckDBPyConnection, name: str) -> Column:
    """Return the column of an attribute.

    Raises:
        AttributeNotFound: there is none of this name.
    """
    for column in columns(connection):
        if column.attribute.name == name:
            return column
    raise AttributeNotFound(
        f"there is no custom attribute {name!r}",
        hint="the attributes are listed by: enduser attributes list; names are case-sensitive",
        field="attribute",
    )


def create(connection: duckdb.DuckDBPyConnection, attribute: Attribute, schemas: Iterable[str]) -> None:
    """Add an attribute, with its columns in each space; the caller owns the transaction.

    Raises:
        InvalidAttribute: it cannot be.
        LimitExceeded: there are as many as there may be.
    """
    check_attribute(attribute, [column.attribute.name for column in columns(connection)])
    number = connection.execute("SELECT nextval('main.attribute_numbers')").fetchall()[0][0]
    column = Column(number, attribute)
    _store(connection, column)
    for schema in schemas:
        add_column(connection, schema, column)


def add_column(connection: duckdb.DuckDBPyConnection, schema: str, column: Column) -> None:
    """Give the tables of a space the columns of an attribute."""
    kind, number = _COLUMN_TYPES[column.attribute.type], column.number
    connection.execute(f"ALTER TABLE {schema}.users ADD COLUMN a{number} {kind}")
    connection.execute(f"ALTER TABLE {schema}.candidates ADD COLUMN a{number} {kind}")


_BOUNDS: Mapping[str, object] = {
    "value_characters_max": limits.VALUE_CHARACTERS_MAX,
    "list_items_max": limits.LIST_ITEMS_MAX,
    "number_max": limits.NUMBER_MAX,
    "true_words": list(TRUE_WORDS),
    "false_words": list(FALSE_WORDS),
    "instant_min": limits.OCCURRED_AT_MIN_US,
    "instant_max": limits.OCCURRED_AT_MAX_US,
}
"""What the macros of `sql/values.sql` must know."""


def know_types(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection what reads texts as values, once; most connections never read any.

    A transaction that is rolled back takes it away, with the mark that it is there.
    """
    if run(connection, "values.are_types_known")[0][0]:
        return
    for name, value in _BOUNDS.items():
        connection.execute(f"SET VARIABLE {name} = $1", [value])
    run(connection, "values.macros")


_TEXTS: Mapping[AttributeType, str] = {
    AttributeType.STRING: "{0}",
    AttributeType.NUMBER: r"regexp_replace({0}::VARCHAR, '\.0$', '')",
    AttributeType.BOOLEAN: "{0}::VARCHAR",
    AttributeType.DATE: "{0}::VARCHAR",
    AttributeType.DATETIME: ISO_TIME,
    AttributeType.LIST: "array_to_string({0}, '; ')",
}
"""A value of a type as text, which is read as another type."""


def _read_as(column: Column, kind: AttributeType) -> str:
    """Return the expression of the values of a column as another type; NULL where one cannot be read."""
    return f"{kind}_of({_TEXTS[column.attribute.type].format(column.name)}, ';')"


def preview_retype(
    connection: duckdb.DuckDBPyConnection, name: str, kind: AttributeType, schemas: Iterable[str]
) -> RetypePreview:
    """Return what would become of the values of an attribute.

    Raises:
        AttributeNotFound: there is none of this name.
    """
    know_types(connection)
    column = column_of(connection, name)
    values, lost, samples = 0, 0, []
    for schema in schemas:
        odd = f"{column.name} IS NOT NULL AND {_read_as(column, kind)} IS NULL"
        text = _TEXTS[column.attribute.type].format(column.name)
        rows = connection.execute(
            f"SELECT count({column.name}), count(*) FILTER ({odd}), min({text}) FILTER ({odd}) "
            f"FROM {schema}.candidates"
        ).fetchall()
        values, lost = values + rows[0][0], lost + rows[0][1]
        samples += [rows[0][2]] if rows[0][2] is not None else []
    return RetypePreview(values, lost, samples[:1])


def change(
    connection: duckdb.DuckDBPyConnection, name: str, changed: Attribute, schemas: Iterable[str]
) -> None:
    """Change an attribute; of another type or conflict rule, what holds must be worked out anew.

    The caller owns the transaction.

    Raises:
        AttributeNotFound: there is none of this name.
        InvalidAttribute: the new name cannot be.
        LimitExceeded: a text is too long.
    """
    column = column_of(connection, name)
    others = [c.attribute.name for c in columns(connection) if c.number != column.number]
    check_attribute(changed, others)
    connection.execute("DELETE FROM main.attributes WHERE number = $1", [column.number])
    _store(connection, Column(column.number, changed))
    if changed.type is not column.attribute.type:
        _retype(connection, column, changed.type, schemas)


def _retype(
    connection: duckdb.DuckDBPyConnection, column: Column, kind: AttributeType, schemas: Iterable[str]
) -> None:
    """Read the values of a column as another type; those that cannot be read are lost."""
    know_types(connection)
    sql = _COLUMN_TYPES[kind]
    for schema in schemas:  # in steps: DuckDB's `ALTER … USING` takes no lambda
        table, fresh = f"{schema}.candidates", f"fresh_{column.name}"
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {fresh} {sql}")
        connection.execute(f"UPDATE {table} SET {fresh} = {_read_as(column, kind)}")
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {column.name}")
        connection.execute(f"ALTER TABLE {table} RENAME {fresh} TO {column.name}")
        connection.execute(f"ALTER TABLE {schema}.users DROP COLUMN {column.name}")
        connection.execute(f"ALTER TABLE {schema}.users ADD COLUMN {column.name} {sql}")


def delete(connection: duckdb.DuckDBPyConnection, name: str, schemas: Iterable[str]) -> None:
    """Take an attribute away with all its values and their history; the caller owns the transaction.

    Raises:
        AttributeNotFound: there is none of this name.
    """
    number = column_of(connection, name).number
    connection.execute("DELETE FROM main.attributes WHERE number = $1", [number])
    for schema in schemas:
        for table in ("users", "candidates"):
            connection.execute(f"ALTER TABLE {schema}.{table} DROP COLUMN a{number}")


def _store(connection: duckdb.DuckDBPyConnection, column: Column) -> None:
    attribute = column.attribute
    connection.execute(
        "INSERT INTO main.attributes VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            *(column.number, attribute.name, attribute.type, attribute.display_name),
            *(attribute.description, attribute.is_pii),
            None if attribute.sources is None else list(attribute.sources),
            attribute.conflict_rule,
        ],
    )
