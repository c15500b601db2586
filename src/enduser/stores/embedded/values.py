"""Values of custom attributes: what runs say is kept, what holds is worked out and stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import duckdb
import msgspec

from enduser import limits
from enduser.core.attributes import SDK, AttributeType, ConflictRule
from enduser.core.value_forms import DateForm, ValueForm
from enduser.errors import AttributeNotFound, KeyReused, RunNotFound
from enduser.stores.answers import AttributeDiff, ChangedUser, ValueRejection, ValuesPreview, Written
from enduser.stores.embedded.claiming import Naming, forget_unnamed
from enduser.stores.embedded.given_rows import cells, read_rows, rejected_rows
from enduser.stores.embedded.registry import Column, columns
from enduser.stores.embedded.statements import (
    Rows,
    Splices,
    run,
    run_spliced,
    spliced,
    statements,
    text_literal,
)
from enduser.stores.records import UndoRun, WriteValues
from enduser.stores.row_file import PLAIN, RowFile


def write_values(naming: Naming, record: WriteValues) -> Written:
    """Take what the rows of a file say, unless that is done already. The caller owns the transaction.

    Raises:
        AttributeNotFound: a column is of none that there is.
        KeyReused: something else was written with the same key.
    """
    if record.once is None:
        return _run_before(naming, record) or _write(naming, record)
    since = record.written_at - limits.ONCE_SECONDS * 1_000_000
    for digest, written in run(naming.connection, "values.written_once", key=record.once.key, since=since):
        if digest != record.once.digest:
            raise KeyReused(
                f"the idempotency key {record.once.key!r} came before with another body",
                hint="use a new key for another write",
                field="Idempotency-Key",
            )
        return msgspec.json.decode(written, type=Written)
    fresh = _write(naming, record)
    run(
        naming.connection,
        "values.remember_once",
        key=record.once.key,
        digest=record.once.digest,
        written_at=record.written_at,
        written=msgspec.json.encode(fresh).decode(),
        since=since,
    )
    return fresh


def _run_before(naming: Naming, record: WriteValues) -> Written | None:
    """Return what became of the run of a file that is asked for a second time; None: it is the first time."""
    if record.input is None:
        return None
    parameters = {"source": record.source, "written_at": record.written_at}
    for counts in run(naming.connection, "values.run_before", **parameters):
        return Written(**dict(zip(("run", *_COUNTS), counts, strict=True)))
    return None


def _write(naming: Naming, record: WriteValues) -> Written:
    connection = naming.connection
    run_number, source = run(connection, "values.begin_run", source_name=record.source)[0]
    taking = _Taking.of(connection, record, run_number, source)
    taking.read(naming, record)
    naming.key_new_ids()
    flawed = taking.say(record)
    taking.compare()
    written = taking.written(record, flawed)
    taking.step("forget_unspoken")
    taking.store()
    if record.input is not None:
        taking.step("remember_run", input=record.input, written_at=record.written_at, **_counts(written))
    return written


_COUNTS = ("read", "new", "changed", "unchanged", "superseded", "rejected", "rejected_values")
"""What is kept of a run of a file."""


def _counts(written: Written) -> Mapping[str, object]:
    return {name: getattr(written, name) for name in _COUNTS}


def preview(naming: Naming, record: WriteValues) -> ValuesPreview:
    """Return what a write would do, on a connection that nobody else uses; it changes nothing.

    The statements are those of the write, with a table of its own in place of `candidates`.
    """
    connection = naming.connection
    taking = _Taking.of(connection, record, _NO_RUN, _source(connection, record.source), is_preview=True)
    taking.step("nothing_spoken")
    run(connection, "values.known_sources", source=taking.source, name=record.source)
    taking.read(naming, record)
    run(connection, "claiming.new_ids")
    taking.step("provisional_ids")
    flawed = taking.say(record)
    taking.compare()
    written = taking.written(record, flawed)
    names = taking.names
    diff = [AttributeDiff(names[str(number)], *counts) for number, *counts in taking.step("diff")]
    users, seen = taking.step("users")[0]
    return ValuesPreview(written, users, seen, diff, list(taking.samples()))


_NO_RUN = 9_223_372_036_854_775_807
"""The number of a run that is only looked at: later than all others."""
_NEW_SOURCE = 2_147_483_647
"""The number of a source that has said nothing yet, for a look at what would be."""


def _source(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    rows = connection.execute("SELECT source FROM sources WHERE name = $1", [name]).fetchall()
    return rows[0][0] if rows else _NEW_SOURCE


def undo_run(connection: duckdb.DuckDBPyConnection, record: UndoRun) -> None:
    """Take away all that a run said; the next candidates hold. The caller owns the transaction.

    Ids that it alone named are forgotten.

    Raises:
        RunNotFound: it said nothing, or is undone.
    """
    (marked,) = run(connection, "values.mark_undone", run=record.run, undone_at=record.undone_at)[0]
    run(connection, "values.undo_run", run=record.run)
    if not marked and not run(connection, "values.is_contested")[0][0]:
        raise RunNotFound(
            f"there is no run {record.run}, or it is undone",
            hint="the runs are listed by: enduser sources runs",
        )
    _restate(connection)
    forget_unnamed(connection)


def restate_regrouped(connection: duckdb.DuckDBPyConnection) -> None:
    """Work out anew what holds for the persons whose ids are others now; see `linking.regroup`."""
    if not columns(connection):
        return
    run(connection, "values.forget_regrouped")
    run(connection, "values.contested_of_regrouped")
    _restate(connection)


def restate_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Work out anew what holds for everybody."""
    run(connection, "values.contested_of_all")
    _restate(connection)


def _restate(connection: duckdb.DuckDBPyConnection) -> None:
    """Work out anew all values of the persons in the table `contested`, and store what holds."""
    every = columns(connection)
    if not every or not run(connection, "values.is_contested")[0][0]:
        return
    taking = _Taking(connection, every, [_Place(column) for column in every])
    taking.step("nothing_said")
    taking.compare()
    taking.store()


def forget_empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Take away what has nothing left after an attribute went: candidates, ids, users of values alone."""
    each = [column.splices() for column in columns(connection)]
    run_spliced(connection, "values.forget_empty", each)
    forget_unnamed(connection)


def tell_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Let copies of the objects be made anew: attributes have other names."""
    run(connection, "values.tell_everything")


@dataclass(frozen=True, slots=True)
class _Place:
    """An attribute that is written, and where it stands in a file of rows."""

    column: Column
    at: int = 0
    form: ValueForm = PLAIN

    @property
    def splices(self) -> Splices:
        return {
            **self.column.splices(),
            "at": str(self.at),
            "separator": text_literal(self.form.separator),
            "text": plain_sql(self.column.attribute.type, f"t{self.column.number}", self.form),
        }


def _places(every: Sequence[Column], rows: RowFile) -> list[_Place]:
    by_name = {column.attribute.name: column for column in every}
    for place in rows.columns:
        if place.attribute not in by_name:
            raise AttributeNotFound(
                f"there is no custom attribute {place.attribute!r} any more",
                hint="create it, or leave it out",
                field="attribute",
            )
    return [_Place(by_name[place.attribute], place.at, place.form) for place in rows.columns]


@dataclass(frozen=True, slots=True)
class _Taking:
    """One pass of what is said through the statements, in the current schema."""

    connection: duckdb.DuckDBPyConnection
    every: Sequence[Column]
    """All attributes that there are."""
    places: Sequence[_Place]
    """Those that are written."""
    splices: Splices = field(default_factory=lambda: _STORED)
    run_number: int | None = None
    source: int | None = None

    @classmethod
    def of(
        cls,
        connection: duckdb.DuckDBPyConnection,
        record: WriteValues,
        run_number: int,
        source: int,
        *,
        is_preview: bool = False,
    ) -> Self:
        """Return the pass of a record."""
        every = columns(connection)
        said = ("spoken", _SPOKEN) if is_preview else ("candidates", "candidates")
        sources = "known_sources" if is_preview else "sources"
        splices = {**cells(record.rows), "said": said[0], "all_said": said[1], "all_sources": sources}
        return cls(connection, every, _places(every, record.rows), splices, run_number, source)

    @property
    def names(self) -> Mapping[str, str]:
        """The names of all attributes by their numbers."""
        return {str(column.number): column.attribute.name for column in self.every}

    def step(self, name: str, **parameters: object) -> Rows:
        """Run a statement for the attributes that are written."""
        each = [place.splices for place in self.places]
        more = {"run": self.run_number, "source": self.source}
        return run_spliced(self.connection, f"values.{name}", each, self.splices, **parameters, **more)

    def read(self, naming: Naming, record: WriteValues) -> None:
        """Read the rows but for their values, and whose ids they have."""
        read_rows(naming, record.rows, record.written_at)

    def say(self, record: WriteValues) -> tuple[int, int]:
        """Keep what rows say of ids that have keys now; return the counts of rows and values not taken."""
        self.step("fresh_keys")
        self.step("keyed")
        rules = [place.column.attribute.conflict_rule for place in self.places]
        self.step("contested", is_ordered=record.source == SDK or ConflictRule.SOURCE_ORDER in rules)
        paths = [str(path) for path in record.rows.paths]
        self.step("say", paths=paths, written_at=record.written_at)
        return self.step("flawed")[0]

    def compare(self) -> None:
        """Work out what holds for the persons of whom the rows speak, and who is another by it.

        For those in the table `contested` all that was ever said is looked at.
        """
        for name in ("contenders", "decided", "rewritten", "rowless", "unknown"):
            self.step(name)

    def store(self) -> None:
        """Store what holds where it is something else, and tell whose object that changes."""
        run_spliced(self.connection, "values.forget_valueless", [c.splices() for c in self.every])
        self.step("store_values")
        run(self.connection, "fold.number", touched_max=limits.TOUCHED_MAX)

    def written(self, record: WriteValues, flawed: tuple[int, int]) -> Written:
        """Return what becomes of the rows, and write those that were not taken to a file, if one is named."""
        untaken, rejected_values = flawed
        listed = None if record.input is None else limits.REJECTIONS_LISTED_MAX
        row_rejections = rejected_rows(self.connection, listed)
        value_rejections = list(self._value_rejections(listed)) if rejected_values else []
        if record.rejected_path is not None and (row_rejections or rejected_values):
            self._write_rejections(record.rejected_path)
        if untaken:
            self.step("forget_unsaid")
        read, rejected, superseded, new, changed = self.step("counts")[0]
        return Written(
            run=self.run_number or 0,
            read=read,
            new=new,
            changed=changed,
            unchanged=read - rejected - untaken - superseded - new - changed,
            superseded=superseded,
            rejected=rejected + untaken,
            rejected_values=rejected_values,
            row_rejections=row_rejections,
            value_rejections=value_rejections,
        )

    def _value_rejections(self, listed: int | None) -> Iterator[ValueRejection]:
        for row, flaws in self.step("flaws", listed_max=listed):
            for flaw in flaws.split():
                number, _, reason = flaw.partition(":")
                yield ValueRejection(row, self.names[number], reason)

    def _write_rejections(self, path: Path) -> None:
        names = ", ".join(f"'{number}': {text_literal(name)}" for number, name in self.names.items())
        once = {**self.splices, "names": f"MAP {{{names}}}", "run": str(self.run_number)}
        query = spliced(statements("values")["rejections"][0], [], once)
        self.connection.execute(f"COPY ({query}) TO {text_literal(path)} (FORMAT csv, HEADER)").fetchall()

    def samples(self) -> Iterator[ChangedUser]:
        """Yield some users as they are and as they would become."""
        for user_id, is_anonymous, *values in self.step("samples", users_max=limits.PREVIEWED_USERS_MAX):
            names = [place.column.attribute.name for place in self.places]
            before, after = (dict(zip(names, values[at::2], strict=True)) for at in (0, 1))
            yield ChangedUser(user_id, is_anonymous, before, after)


_STORED: Splices = {"said": "candidates", "all_said": "candidates", "all_sources": "sources"}
"""Where statements find what is said, if nothing is only looked at."""
_SPOKEN = "(FROM candidates UNION ALL BY NAME FROM spoken)"


def plain_sql(kind: AttributeType, text: str, form: ValueForm) -> str:
    """Return the expression of a text in a form as plain text, as `core.value_forms.plain_text`."""
    if kind is AttributeType.NUMBER and (form.decimal, form.thousands) != (PLAIN.decimal, PLAIN.thousands):
        pattern, thousands = text_literal(form.number_pattern), text_literal(form.thousands)
        plain = f"replace(replace({text}, {thousands}, ''), {text_literal(form.decimal)}, '.')"
        return f"CASE WHEN regexp_full_match({text}, {pattern}) THEN {plain} ELSE 'none' END"
    if kind in (AttributeType.DATE, AttributeType.DATETIME) and form.date is not DateForm.ISO:
        pattern = text_literal(form.date_pattern)
        names = f"[{', '.join(map(text_literal, form.date_parts))}]"
        found = f"regexp_extract({text}, '^' || {pattern} || '$', {names})"
        return f"iso_of({found})"
    return f"with_line_ends({text})"
