"""Values of custom attributes: what runs say is kept, what holds is worked out and stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import msgspec

from enduser import limits
from enduser.core.attributes import SDK, ConflictRule
from enduser.errors import AttributeNotFound, KeyReused
from enduser.stores.contract import Rejection, ValueRejection, WriteValues, Written
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.registry import Column, columns
from enduser.stores.embedded.statements import Rows, Splices, run, run_spliced, statements, text_literal
from enduser.stores.row_file import RowFile


def write_values(naming: Naming, record: WriteValues) -> Written:
    """Take what the rows of a file say, unless that is done already. The caller owns the transaction.

    Raises:
        AttributeNotFound: a column is of none that there is.
        KeyReused: something else was written with the same key.
    """
    if record.once is None:
        return _write(naming, record)
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


def _write(naming: Naming, record: WriteValues) -> Written:
    run_number, source = run(naming.connection, "values.begin_run", source_name=record.source)[0]
    every = columns(naming.connection)
    taking = _Taking(naming.connection, every, _places(every, record.rows), _cells(record.rows), run_number)
    bounds = {**_bounds(naming, record), "source": source}
    taking.step("read_rows", **bounds)
    taking.step("batch_ids")
    naming.key_new_ids()
    taking.step("fresh_keys")
    speaking = taking.step("keyed")[0][0]
    taking.step("contested", is_ordered=record.source == SDK or taking.is_ordered)
    said = taking.step("say", **bounds)[0][0]
    flawed = taking.step("flaws")
    if flawed or said < speaking:
        taking.step("forget_unsaid")
    taking.compare()
    written = taking.written(run_number, flawed)
    taking.store()
    return written


def undo_run(connection: duckdb.DuckDBPyConnection, run_number: int) -> None:
    """Take away all that a run said; the next candidates hold. The caller owns the transaction."""
    run(connection, "values.undo_run", run=run_number)
    _restate(connection)


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
    taking = _Taking(connection, every, [_Place(column) for column in every], {}, None)
    taking.step("nothing_said")
    taking.compare()
    taking.store()


def forget_empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Take away what has nothing left after an attribute went: candidates, and users of values alone."""
    each = [column.splices() for column in columns(connection)]
    run_spliced(connection, "values.forget_empty", each)


def tell_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Let copies of the objects be made anew: attributes have other names."""
    run(connection, "values.tell_everything")


@dataclass(frozen=True, slots=True)
class _Place:
    """An attribute that is written, and where it stands in a file of rows."""

    column: Column
    at: int = 0
    separator: str = ""

    @property
    def splices(self) -> Splices:
        return {
            **self.column.splices(),
            "at": str(self.at),
            "separator": text_literal(self.separator),
            "text": f"with_line_ends(t{self.column.number})",
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
    return [_Place(by_name[place.attribute], place.at, place.separator) for place in rows.columns]


@dataclass(frozen=True, slots=True)
class _Taking:
    """One pass of what is said through the statements, in the current schema."""

    connection: duckdb.DuckDBPyConnection
    every: Sequence[Column]
    """All attributes that there are."""
    places: Sequence[_Place]
    """Those that are written."""
    cells: Splices
    """What statements that read a file of rows must know of it."""
    run_number: int | None

    @property
    def is_ordered(self) -> bool:
        """Whether the order of sources comes before the time for an attribute that is written."""
        rules = [place.column.attribute.conflict_rule for place in self.places]
        return ConflictRule.SOURCE_ORDER in rules

    def step(self, name: str, **parameters: object) -> Rows:
        """Run a statement for the attributes that are written."""
        each = [place.splices for place in self.places]
        once = {**self.cells, "said": "candidates", "all_said": "candidates"}
        return run_spliced(self.connection, f"values.{name}", each, once, **parameters, run=self.run_number)

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

    def written(self, run_number: int, flawed: Rows) -> Written:
        """Return what becomes of the rows."""
        read, rejected, superseded, new, changed = self.step("counts")[0]
        rejected += sum(not is_taken for _, _, is_taken in flawed)
        return Written(
            run=run_number,
            read=read,
            new=new,
            changed=changed,
            unchanged=read - rejected - superseded - new - changed,
            superseded=superseded,
            rejected=rejected,
            rejected_rows=[Rejection(row, reason) for row, reason in self.step("rejected_rows")],
            rejected_values=list(self._rejected_values(flawed)),
        )

    def _rejected_values(self, flawed: Rows) -> Iterator[ValueRejection]:
        names = {str(column.number): column.attribute.name for column in self.every}
        for row, flaws, _ in flawed:
            for flaw in flaws.split():
                number, _, reason = flaw.partition(":")
                yield ValueRejection(row, names[number], reason)


def _cells(rows: RowFile) -> Splices:
    kinds = ", ".join(f"'k{number}': 'VARCHAR'" for number in range(rows.cells))
    return {
        "file": statements("values")["file"][0].replace("{columns}", f"{{{kinds}}}"),
        "id_at": str(rows.id_at),
        "kind_cell": "NULL" if rows.kind_at is None else f"k{rows.kind_at}",
        "effective_cell": "NULL::VARCHAR" if rows.effective_at is None else f"k{rows.effective_at}",
        "blank_clears": str(rows.blank_clears).lower(),
    }


def _bounds(naming: Naming, record: WriteValues) -> Mapping[str, object]:
    return {
        "path": str(record.rows.path),
        "written_at": record.written_at,
        "tolerance_us": limits.FUTURE_TOLERANCE_S * 1_000_000,
        "id_bytes_max": limits.ID_BYTES_MAX,
        "hash_ids": naming.settings.hash_ids,
        "salt": naming.settings.hash_salt,
        "secret": naming.secret,
    }
