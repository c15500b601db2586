"""The path of an event into the truth: a list of steps, each event ends with one outcome."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from enduser import limits
from enduser.core.events import ANALYTICS_PROPERTIES
from enduser.core.origin import Browser, Place
from enduser.core.outcomes import Outcomes
from enduser.core.settings import SpaceSettings
from enduser.errors import LimitExceeded
from enduser.stores.contract import Applied, Chunk, EventChunk, Form, ImportRules, Rejection
from enduser.stores.embedded import parquet
from enduser.stores.embedded.statements import Rows, run

ASSETS = (
    r"\.(css|js|mjs|map|json|xml|rss|atom|txt|png|jpe?g|gif|svg|ico|webp|avif|bmp|tiff?|woff2?|ttf|otf"
    r"|eot|swf|mp[34]|webm|ogg|wav|mov|avi|zip|gz|tgz|tar|bz2|xz|7z|rar|exe|dmg|iso|deb|rpm|jar|wasm)$"
)
"""Paths of an access log that are no pages: styles, scripts, images, fonts, media, feeds, archives."""

STRUCTURE = (
    '{"line_number":"VARCHAR","problem":"VARCHAR","messageId":"VARCHAR","message_id":"VARCHAR","userId":"VARCHAR",'
    '"user_id":"VARCHAR","anonymousId":"VARCHAR","anonymous_id":"VARCHAR","previousId":"VARCHAR",'
    '"timestamp":"VARCHAR","occurred_at":"VARCHAR","originalTimestamp":"VARCHAR","type":"VARCHAR",'
    '"event":"VARCHAR","name":"VARCHAR","active":"VARCHAR","ip":"VARCHAR","user_agent":"VARCHAR",'
    '"country":"VARCHAR","region":"VARCHAR","city":"VARCHAR","url":"VARCHAR","properties":"JSON",'
    '"traits":"JSON","context":{"active":"VARCHAR","ip":"VARCHAR","userAgent":"VARCHAR",'
    '"page":{"url":"VARCHAR","path":"VARCHAR"},"traits":"JSON",'
    '"location":{"country":"VARCHAR","region":"VARCHAR","city":"VARCHAR"}}}'
)
"""Where the fields of an event stand in a JSON line, in the Segment form and in the flat one."""

_STEPS_TO_EVENTS = (
    "stored_copies",
    "batch_copies",
    "fill_batch",
    "fill_stored",
    "store_events",
)
"""After the rows were judged, numbered and given keys: look for copies, fill, store."""


@dataclass(frozen=True, slots=True)
class Taking:
    """What the steps of one chunk need to know."""

    chunk: Chunk
    rules: ImportRules
    settings: SpaceSettings
    secret: str
    is_first: bool


class EventTaker:
    """Takes chunks of events into the tables of the current schema; keeps what it looked up."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Work on a connection whose search path is the space's schema."""
        self._connection = connection
        self._numbers: dict[str, dict[tuple[str | None, ...], int]] = {}
        self._looked_up = 0
        run(connection, "ingest.session_tables")

    def take(self, record: EventChunk, settings: SpaceSettings, secret: str) -> Applied:
        """Store the new events of a chunk. The caller owns the transaction."""
        taking = Taking(record.chunk, record.rules, settings, secret, record.is_first)
        read_rows(self._connection, taking)
        self._look_up_origins(taking)
        parameters = self._parameters(taking)
        self._run("judged", **parameters)
        parameters |= self._span()
        self._number_repeats(taking, parameters)
        self._take_ids(taking.secret)
        for step in _STEPS_TO_EVENTS:
            self._run(step, **parameters)
        run(self._connection, "rebuild.property_events", **parameters)
        return self._applied(parameters)

    def _run(self, step: str, **parameters: object) -> Rows:
        return run(self._connection, f"ingest.{step}", **parameters)

    def _span(self) -> dict[str, int]:
        """Return the literal bounds that let a read of long tables skip most of them."""
        least, greatest = self._run("span")[0]
        return {"least": least or 0, "greatest": greatest or 0}

    def _number_repeats(self, taking: Taking, parameters: dict[str, object]) -> None:
        """Give identical rows without message id the number of their copy within the file."""
        if taking.is_first:
            self._connection.execute("DELETE FROM file_rows")
        for step in ("repeats", "remember_rows", "number_repeats"):
            self._run(step, **parameters)

    def _take_ids(self, secret: str) -> None:
        """Store the ids that are new, and give each row the key of its id."""
        self._run("new_ids")
        self._key_clashing_ids(secret)
        self._run("store_new_ids")
        self._run("salted")

    def _applied(self, parameters: dict[str, object]) -> Applied:
        """Count what became of the rows and advance the clock."""
        stored, greatest_stored, good, filled = self._run("outcomes", **parameters)[0]
        self._run("advance", greatest_stored=greatest_stored, **parameters)
        outcomes = Outcomes(stored=stored, filled=filled, duplicate=good - stored - filled)
        for rejected, excluded, count in self._run("refused"):
            if rejected:
                outcomes.rejected[rejected] += count
            else:
                outcomes.excluded[excluded] += count
        outcomes.ignored_properties = self._run("ignored_properties", **parameters)[0][0]
        rejected = self._run("rejected_rows") if outcomes.rejected else []
        return Applied(outcomes, [Rejection(row, reason) for row, reason in rejected])

    def _parameters(self, taking: Taking) -> dict[str, object]:
        settings, rules = taking.settings, taking.rules
        excluded = [entry.partition(":") for entry in settings.exclude]
        batch = self._connection.execute("SELECT last_batch + 1 FROM state").fetchall()[0][0]
        return {
            "unit": rules.time_unit_us or 1_000_000,
            "future": rules.started_at + limits.FUTURE_TOLERANCE_S * 1_000_000,
            "received_at": rules.started_at,
            "hash_ids": settings.hash_ids,
            "salt": settings.hash_salt,
            "secret": taking.secret,
            "exclude_crawlers": "crawlers" in settings.exclude and not rules.include_crawlers,
            "excluded_hosts": [value for kind, _, value in excluded if kind == "host"],
            "excluded_users": [value for kind, _, value in excluded if kind == "user"],
            "occurred_at_min": limits.OCCURRED_AT_MIN_US,
            "occurred_at_max": limits.OCCURRED_AT_MAX_US,
            "id_bytes_max": limits.ID_BYTES_MAX,
            "message_id_bytes_max": limits.MESSAGE_ID_BYTES_MAX,
            "store_ip": settings.store_ip,
            "batch": batch,
            "after": batch - 1,
            "properties": list(ANALYTICS_PROPERTIES),
            "paths": [f"$.{name}" for name in ANALYTICS_PROPERTIES],
        }

    def _look_up_origins(self, taking: Taking) -> None:
        """Look up place and browser once per distinct address, user agent and named place."""
        rules = taking.rules
        if self._looked_up > limits.LOOKED_UP_MAX:
            self._looked_up = 0
            run(self._connection, "origins.forget")
        networks = [
            ipaddress.ip_network(entry.removeprefix("ip:"))
            for entry in taking.settings.exclude
            if entry.startswith("ip:")
        ]
        agents = [agent for (agent,) in run(self._connection, "origins.new_agents")]
        browsers = {agent: rules.browser_of(agent) for agent in agents}
        browser_ids = self._ids("browsers", browsers)
        crawlers = [rules.is_crawler(agent) for agent in agents]
        self._insert("origins.store_agents", agents, [browser_ids[a] for a in agents], crawlers)
        addresses = [address for (address,) in run(self._connection, "origins.new_addresses")]
        place_ids = self._ids("places", {address: rules.place_of(address) for address in addresses})
        excluded = [_is_in(address, networks) for address in addresses]
        self._insert("origins.store_addresses", addresses, [place_ids[a] for a in addresses], excluded)
        named = [Place(*parts) for parts in run(self._connection, "origins.new_places")]
        named_ids = self._ids("places", {place: place for place in named})
        columns = [list(column) for column in zip(*named, strict=True)] or [[], [], []]
        self._insert("origins.store_named_places", *columns, [named_ids[place] for place in named])
        self._looked_up += len(agents) + len(addresses) + len(named)

    def _ids(self, table: str, values: Mapping[Any, Place | Browser | None]) -> dict[Any, int | None]:
        """Return the number of each key's place or browser, giving new ones the next numbers."""
        numbers = self._numbers.setdefault(table, {})
        if not numbers:
            rows = self._connection.execute(f"FROM {table}").fetchall()
            numbers |= {tuple(parts): number for number, *parts in rows}
        new = sorted(
            {tuple(v) for v in values.values() if v is not None} - numbers.keys(),
            key=lambda parts: tuple(part or "" for part in parts),
        )
        if len(numbers) + len(new) > limits.ORIGINS_MAX:
            raise LimitExceeded(
                f"the space would have {len(numbers) + len(new):,} distinct {table}",
                hint=f"the limit is {limits.ORIGINS_MAX:,}; name places and browsers less finely",
            )
        numbers |= {parts: number for number, parts in enumerate(new, start=len(numbers) + 1)}
        if new:
            self._insert(f"origins.store_{table}", [numbers[parts] for parts in new], *zip(*new, strict=True))
        return {key: None if value is None else numbers[tuple(value)] for key, value in values.items()}

    def _insert(self, name: str, *columns: Sequence[object]) -> None:
        if columns[0]:
            run(self._connection, name, **{f"c{i}": list(column) for i, column in enumerate(columns)})

    def _key_clashing_ids(self, secret: str) -> None:
        """Give each new id whose key belongs to another the key of the next free salt."""
        for text, is_anonymous, base_key, id_check in run(self._connection, "ingest.clashing_ids"):
            salt = 0
            found: Rows = []
            while not found:
                found = run(
                    self._connection,
                    "ingest.store_salted_id",
                    secret=secret,
                    is_anonymous=is_anonymous,
                    salt=str(salt or ""),
                    id=text,
                    base_key=base_key,
                    id_check=id_check,
                )
                salt += 1
            run(self._connection, "ingest.forget_new_id", base_key=base_key, id_check=id_check)


def read_rows(connection: duckdb.DuckDBPyConnection, taking: Taking) -> None:
    """Make the temporary view `rows` of a chunk, each with the line of the file it stands on."""
    chunk, rules = taking.chunk, taking.rules
    if chunk.form is Form.PARQUET:
        columns = parquet.columns_of(connection, chunk.path)
        query = parquet.rows_query(chunk, columns, rules.time_unit_us or 1)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW rows AS {query}")
        return
    run(
        connection,
        "rows.access_log" if chunk.form is Form.ACCESS_LOG else "rows.json_lines",
        path=str(chunk.path),
        structure=STRUCTURE,
        is_numbered=chunk.form is Form.NUMBERED_JSON_LINES,
        secret=taking.secret,
        assets=ASSETS,
        all_requests=rules.all_requests,
    )
    connection.execute("SET VARIABLE first_line = $1", [chunk.first_row])
    run(connection, "rows.numbered")


def _is_in(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in networks)
