"""The path of an event into the truth: a list of steps, each event ends with one outcome."""

from __future__ import annotations

import duckdb

from enduser import limits
from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.core.outcomes import Outcomes
from enduser.core.settings import SpaceSettings
from enduser.errors import InputError
from enduser.stores.contract import Applied, Chunk, EventChunk, Form, Lookups, Rejection, TimeUnit
from enduser.stores.embedded.origins import Origins
from enduser.stores.embedded.rows import plausible_numbers, read_rows
from enduser.stores.embedded.statements import Rows, run

STEPS = (
    "judged",
    "repeats",
    "remember_rows",
    "number_repeats",
    "new_ids",
    "clashing_ids",
    "store_new_ids",
    "salted",
    "stored_copies",
    "batch_copies",
    "fill_batch",
    "fill_stored",
    "store_events",
    "store_properties",
    "advance",
)
"""What happens to the rows of a chunk once they are read and their origins are known, in order.

Each is the statement of that name in `sql/taking.sql`; `clashing_ids` alone needs a look in Python.
"""

_BAD_FILE = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.NotImplementedException)
"""How the engine says that it cannot read a Parquet file."""


class EventTaker:
    """Takes chunks of events into the tables of one space, the connection's current schema."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        space: str,
        settings: SpaceSettings,
        secret: str,
        lookups: Lookups,
    ) -> None:
        """Take with these settings; `secret` keys the hashes of the space."""
        self._connection = connection
        self._space = space
        self._settings = settings
        self._secret = secret
        self._origins = Origins(connection, settings.exclude, lookups)

    def take(self, record: EventChunk) -> Applied:
        """Store the new events of a chunk. The caller owns the transaction.

        Raises:
            InputError: the engine cannot read the file.
            LimitExceeded: there would be more places or browsers than there may be.
        """
        parameters = self._parameters(record)
        try:
            unit = read_rows(self._connection, record, self._secret)
            self._origins.look_up()
            number_from, number_to = plausible_numbers(unit)
            parameters |= {
                "unit": unit.us if unit else None,
                "number_from": float(number_from),
                "number_to": min(float(number_to), 1e300),
            }
            self._step("judged", parameters)
        except _BAD_FILE as error:
            if record.chunk.form is not Form.PARQUET:
                raise
            raise _unreadable(record.chunk, error) from None
        parameters |= self._span()
        if record.is_first:
            run(self._connection, "taking.begin_file", **parameters)
        for step in STEPS[1:]:
            self._step(step, parameters)
        return self._applied(parameters, unit)

    def _step(self, step: str, parameters: dict[str, object]) -> None:
        rows = run(self._connection, f"taking.{step}", **parameters)
        if step == "clashing_ids":
            self._key_clashing_ids(rows)

    def _span(self) -> dict[str, int]:
        """Return the literal bounds that let a read of long tables skip most of them."""
        batch_from, batch_to = run(self._connection, "taking.span")[0]
        return {"batch_from": batch_from, "batch_to": batch_to}

    def _parameters(self, record: EventChunk) -> dict[str, object]:
        settings, rules = self._settings, record.rules
        excluded = [entry.partition(":") for entry in settings.exclude]
        batch = self._connection.execute("SELECT last_batch + 1 FROM state").fetchall()[0][0]
        return {
            "space": self._space,
            "secret": self._secret,
            "batch": batch,
            "received_at": rules.started_at,
            "future": rules.started_at + limits.FUTURE_TOLERANCE_S * 1_000_000,
            "occurred_at_min": limits.OCCURRED_AT_MIN_US,
            "occurred_at_max": limits.OCCURRED_AT_MAX_US,
            "id_bytes_max": limits.ID_BYTES_MAX,
            "message_id_bytes_max": limits.MESSAGE_ID_BYTES_MAX,
            "hash_ids": settings.hash_ids,
            "salt": settings.hash_salt,
            "store_ip": settings.store_ip,
            "exclude_crawlers": "crawlers" in settings.exclude and not rules.include_crawlers,
            "excluded_hosts": [value for kind, _, value in excluded if kind == "host"],
            "excluded_users": [value for kind, _, value in excluded if kind == "user"],
            "properties": list(ANALYTICS_PROPERTIES),
        }

    def _key_clashing_ids(self, clashing: Rows) -> None:
        """Give each new id whose key belongs to another the key of the next free salt."""
        for text, is_anonymous, base_key, id_check in clashing:
            salt = 0
            found: Rows = []
            while not found:
                found = run(
                    self._connection,
                    "taking.store_salted_id",
                    secret=self._secret,
                    is_anonymous=is_anonymous,
                    salt=str(salt or ""),
                    id=text,
                    base_key=base_key,
                    id_check=id_check,
                )
                salt += 1
            run(self._connection, "taking.forget_new_id", base_key=base_key, id_check=id_check)

    def _applied(self, parameters: dict[str, object], unit: TimeUnit | None) -> Applied:
        """Count what became of the rows."""
        stored, good, filled = run(self._connection, "taking.outcomes", **parameters)[0]
        outcomes = Outcomes(stored=stored, filled=filled, duplicate=good - stored - filled)
        for rejected, excluded, count in run(self._connection, "taking.refused"):
            if rejected:
                outcomes.rejected[rejected] += count
            else:
                outcomes.excluded[excluded] += count
        ignored = run(self._connection, "taking.ignored_properties", **parameters)
        outcomes.ignored_properties = ignored[0][0]
        rows = run(self._connection, "taking.rejected_rows") if outcomes.rejected else []
        return Applied(outcomes, [Rejection(row, reason) for row, reason in rows], unit)


def _unreadable(chunk: Chunk, error: duckdb.Error) -> InputError:
    last = chunk.first_row + (chunk.rows or 0) - 1
    return InputError(
        f"{chunk.path} cannot be read, somewhere in the rows {chunk.first_row:,} to {last:,}: {error}",
        hint="write the file again; nothing of these rows was applied",
    )
