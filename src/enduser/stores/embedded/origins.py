"""Where the rows of a chunk came from: each distinct address, user agent and named place is asked once."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from enduser import limits
from enduser.core.origin import Browser, Place
from enduser.errors import LimitExceeded
from enduser.stores.embedded.statements import run
from enduser.stores.records import Lookups

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Origins:
    """Places and browsers of one space by number, and what addresses and user agents mean."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, exclude: Sequence[str], lookups: Lookups
    ) -> None:
        """Work in the connection's current schema; `exclude` is the space's setting."""
        self._connection = connection
        self._lookups = lookups
        entries = [entry.removeprefix("ip:") for entry in exclude if entry.startswith("ip:")]
        self._networks = [ipaddress.ip_network(entry) for entry in entries]
        self._numbers: dict[str, dict[tuple[str | None, ...], int]] = {}
        self._looked_up = 0
        self._edition = lookups.edition()
        run(connection, "origins.tables")

    def look_up(self) -> None:
        """Make known what the distinct values of the view `rows` mean."""
        edition = self._lookups.edition()
        if self._looked_up > limits.LOOKED_UP_MAX or self._edition != edition:
            self._looked_up = 0
            self._edition = edition
            run(self._connection, "origins.forget")
        self._look_up_agents()
        self._look_up_addresses()
        self._look_up_named_places()

    def _look_up_agents(self) -> None:
        agents = [agent for (agent,) in run(self._connection, "origins.new_agents")]
        numbers = self._numbered("browsers", {agent: self._lookups.browser_of(agent) for agent in agents})
        crawlers = [self._lookups.is_crawler(agent) for agent in agents]
        self._looked_up += len(agents)
        self._insert("agents", agents, [numbers[agent] for agent in agents], crawlers)

    def _look_up_addresses(self) -> None:
        addresses = [address for (address,) in run(self._connection, "origins.new_addresses")]
        numbers = self._numbered(
            "places", {address: self._lookups.place_of(address) for address in addresses}
        )
        excluded = [bool(self._networks) and _is_in(address, self._networks) for address in addresses]
        self._looked_up += len(addresses)
        self._insert("addresses", addresses, [numbers[address] for address in addresses], excluded)

    def _look_up_named_places(self) -> None:
        named = [Place(*parts) for parts in run(self._connection, "origins.new_places")]
        numbers = self._numbered("places", {place: place for place in named})
        self._looked_up += len(named)
        self._insert("named_places", *_columns(named, 3), [numbers[place] for place in named])

    def _numbered(self, table: str, values: Mapping[Any, Place | Browser | None]) -> dict[Any, int | None]:
        """Return the number of each key's place or browser, giving new ones the next numbers."""
        numbers = self._numbers.setdefault(table, {})
        if not numbers:
            rows = self._connection.execute(f"FROM {table}").fetchall()
            numbers |= {tuple(parts): number for number, *parts in rows}
        new = sorted(
            {tuple(value) for value in values.values() if value is not None} - numbers.keys(),
            key=lambda parts: tuple(part or "" for part in parts),
        )
        if len(numbers) + len(new) > limits.ORIGINS_MAX:
            raise LimitExceeded(
                f"the space would have {len(numbers) + len(new):,} distinct {table}",
                hint=f"the limit is {limits.ORIGINS_MAX:,}; name places and browsers less finely",
                limit=limits.ORIGINS_MAX,
            )
        numbers |= {parts: number for number, parts in enumerate(new, start=len(numbers) + 1)}
        if new:
            self._insert(table, [numbers[parts] for parts in new], *_columns(new, len(new[0])))
        return {key: None if value is None else numbers[tuple(value)] for key, value in values.items()}

    def _insert(self, table: str, *columns: Sequence[object]) -> None:
        if columns[0]:
            values = {f"c{i}": list(column) for i, column in enumerate(columns)}
            run(self._connection, f"origins.store_{table}", **values)


def _columns(rows: Sequence[Sequence[object]], count: int) -> list[list[object]]:
    return [[row[i] for row in rows] for i in range(count)]


def _is_in(address: str, networks: Sequence[_Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address.strip())
    except ValueError:
        return False
    plain = ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip
    return any(plain in network for network in networks)
