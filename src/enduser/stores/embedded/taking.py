"""The path of an event into the truth: a list of steps, each event ends with one outcome."""

from __future__ import annotations

import duckdb

from enduser import limits
from enduser.core.events import ANALYTICS_PROPERTIES, hashed_id
from enduser.core.outcomes import Outcomes
from enduser.errors import InputError
from enduser.stores.answers import Applied, Rejection, Sample
from enduser.stores.embedded import suppressing
from enduser.stores.embedded.claiming import Naming
from enduser.stores.embedded.origins import Origins
from enduser.stores.embedded.rows import plausible_numbers, read_rows
from enduser.stores.embedded.statements import run
from enduser.stores.records import Chunk, EventChunk, Form, Lookups

STEPS = (
    "judged",
    "suppressed",
    "repeats",
    "remember_rows",
    "number_repeats",
    "batch_ids",
    "new_ids",
    "salted",
    "stored_copies",
    "undated_copies",
    "batch_copies",
    "fill_batch",
    "fill_stored",
    "store_events",
    "store_properties",
    "claims",
    "advance",
)
"""What happens to the rows of a chunk once they are read and their origins are known, in order.

Each is the statement of that name in `sql/taking.sql`, but for `suppressed` (`suppressing.keep_out`), and for
`new_ids` and `claims` (`claiming.Naming`).
`undated_copies` is done only where there are events without a client time.
"""

_BAD_FILE = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.NotImplementedException)
"""How the engine says that it cannot read a Parquet file."""


class EventTaker:
    """Takes chunks of events into the tables of one space, the connection's current schema."""

    def __init__(
        self,
        space: str,
        naming: Naming,
        lookups: Lookups,
    ) -> None:
        """Take into `space` with the settings of its `naming`."""
        self._connection = naming.connection
        self._space = space
        self._naming = naming
        self._settings = naming.settings
        self._secret = naming.secret
        self._origins = Origins(naming.connection, naming.settings.exclude, lookups)

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
        suppressing.keep_out(self._naming)
        parameters |= self._span()
        if record.is_first:
            run(self._connection, "taking.begin_file", **parameters)
        for step in STEPS[2:]:
            if step != "undated_copies" or parameters["undated"]:
                self._step(step, parameters)
        outcomes = self._outcomes(parameters)
        self._remember(outcomes)
        rows = run(self._connection, "taking.rejected_rows") if outcomes.rejected else []
        return Applied(outcomes, [Rejection(row, reason) for row, reason in rows], unit)

    def last_rows(self, count: int) -> list[Sample]:
        """Describe the last rows of the chunk that was just taken."""
        rows = run(self._connection, "taking.last_rows", count=count) if count else []
        return [Sample(*row) for row in reversed(rows)]

    def _step(self, step: str, parameters: dict[str, object]) -> None:
        if step == "new_ids":
            self._naming.key_new_ids()
        elif step == "claims":
            self._naming.take_claims(int(str(parameters["batch"])))
        else:
            run(self._connection, f"taking.{step}", **parameters)

    def _span(self) -> dict[str, int]:
        """Return the literal bounds that let a read of long tables skip most of them."""
        names = ("batch_from", "batch_to", "received_from", "received_to", "undated")
        return dict(zip(names, run(self._connection, "taking.span")[0], strict=True))

    def _parameters(self, record: EventChunk) -> dict[str, object]:
        settings, rules = self._settings, record.rules
        excluded = [entry.partition(":") for entry in settings.exclude]
        users = [value for kind, _, value in excluded if kind == "user"]
        if settings.hash_ids:  # the door may have hashed the id already
            users += [hashed_id(settings.hash_salt, user) for user in users]
        batch = self._connection.execute("SELECT last_batch + 1 FROM state").fetchall()[0][0]
        return {
            "space": self._space,
            "secret": self._secret,
            "batch": batch,
            "received_at": rules.started_at,
            "tolerance_us": limits.FUTURE_TOLERANCE_S * 1_000_000,
            "undated_us": limits.UNDATED_COPIES_S * 1_000_000,
            "counts_only": settings.counts_only,
            "server_events": settings.server_events,
            "occurred_at_min": limits.OCCURRED_AT_MIN_US,
            "occurred_at_max": limits.OCCURRED_AT_MAX_US,
            "id_bytes_max": limits.ID_BYTES_MAX,
            "message_id_bytes_max": limits.MESSAGE_ID_BYTES_MAX,
            "hash_ids": settings.hash_ids,
            "salt": settings.hash_salt,
            "store_ip": settings.store_ip,
            "exclude_crawlers": "crawlers" in settings.exclude and not rules.include_crawlers,
            "excluded_hosts": [value for kind, _, value in excluded if kind == "host"],
            "excluded_users": users,
            "properties": list(ANALYTICS_PROPERTIES),
            "contentless_to": None,
        }

    def _outcomes(self, parameters: dict[str, object]) -> Outcomes:
        """Count what became of the rows."""
        stored, good, filled = run(self._connection, "taking.outcomes", **parameters)[0]
        outcomes = Outcomes(stored=stored, filled=filled, duplicate=good - stored - filled)
        for rejected, excluded, count in run(self._connection, "taking.refused"):
            if rejected:
                outcomes.rejected[rejected] += count
            elif excluded:
                outcomes.excluded[excluded] += count
            else:
                outcomes.counted += count
        ignored = run(self._connection, "taking.ignored_properties", **parameters)
        outcomes.ignored_properties = ignored[0][0]
        return outcomes

    def _remember(self, outcomes: Outcomes) -> None:
        """Add the counts to those of the space since its beginning."""
        total = stored_outcomes(self._connection, self._space)
        total.add(outcomes)
        kinds, reasons, counts = zip(*total.counts(), strict=True)
        run(
            self._connection,
            "taking.store_outcomes",
            space=self._space,
            kinds=list(kinds),
            reasons=list(reasons),
            counts=list(counts),
        )


def stored_outcomes(connection: duckdb.DuckDBPyConnection, space: str) -> Outcomes:
    """Return what became of all events of a space so far."""
    outcomes = Outcomes()
    for outcome, reason, events in run(connection, "taking.known_outcomes", space=space):
        if reason:
            getattr(outcomes, outcome)[reason] += events
        else:
            setattr(outcomes, outcome, events)
    return outcomes


def _unreadable(chunk: Chunk, error: duckdb.Error) -> InputError:
    last = chunk.first_row + (chunk.rows or 0) - 1
    return InputError(
        f"{chunk.path} cannot be read, somewhere in the rows {chunk.first_row:,} to {last:,}: {error}",
        hint="write the file again; nothing of these rows was applied",
    )
