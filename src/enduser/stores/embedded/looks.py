"""Looking beside the writer: from any thread, on connections of its own, each look within a time limit."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import duckdb

from enduser import limits
from enduser.clock import elapsed_s
from enduser.errors import ReadTimeout
from enduser.stores.embedded import database as files
from enduser.stores.embedded.engine import ANSWER, told
from enduser.stores.embedded.reading import Look
from enduser.stores.embedded.statements import run

_INSIST_S = 0.1
"""How often it is seen whether a look is to be stopped; one that ran out of time may be between two
statements, and then the next one must be stopped."""
_CLOSING_S = 5
"""How long looks may take to end that are stopped because all are closed."""


class Looks:
    """Lets who reads look at a database that another thread changes."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, user_key_sql: str = files.USER_KEY_SQL) -> None:
        """Look at the database of a connection, which is not used itself any more."""
        self._user_key_sql = user_key_sql
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._taken: set[duckdb.DuckDBPyConnection] = set()
        self._is_free = threading.Condition()
        self._is_open = False
        self._lasting = 0
        self._closing = threading.Event()
        self.begin(connection)

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Look at the database of a connection from now on."""
        self._root = connection.cursor()
        self._closing.clear()
        with self._is_free:
            self._is_open = True
            self._is_free.notify_all()

    def close(self, patience_s: float = 0) -> None:
        """Close all connections; who is reading has some time left, and is stopped then.

        Who begins to read waits until something can be read again.
        """
        with self._is_free:
            self._is_open = False
            self._is_free.wait_for(lambda: not self._taken, patience_s)
        self._closing.set()
        with self._is_free:
            self._is_free.wait_for(lambda: not self._taken, _CLOSING_S)
        for connection in (*self._idle, self._root):
            connection.close()
        self._idle.clear()

    @property
    def lasting(self) -> int:
        """How many reads are made now that may last."""
        return self._lasting

    @contextmanager
    def lasts(self) -> Iterator[None]:
        """Run a read that may last."""
        with self._is_free:
            self._lasting += 1
        try:
            yield
        finally:
            with self._is_free:
                self._lasting -= 1

    @contextmanager
    def at(self, space: str, limit: str = "READ_SECONDS_MAX") -> Iterator[Look]:
        """Run a block that looks at a space, for as many seconds as the limit of this name.

        Raises:
            InvalidSpace: there is no such space.
            ReadTimeout: the block took too long.
            StoreError: the engine could not answer.
        """
        with self.connected(limit) as connection:
            connection.execute(f"SET search_path = '{files.schema_of(connection, space)}'")
            yield Look(connection, space, elapsed_s() + getattr(limits, limit))

    @contextmanager
    def apart(self, space: str) -> Iterator[Look]:
        """Run a block that looks at a space for as long as it takes, on a connection that it may write on.

        Of what it writes nothing is left.

        Raises:
            InvalidSpace: there is no such space.
            ReadTimeout: all looks were closed.
            StoreError: the engine could not answer.
        """
        with (
            told(ANSWER),
            self.lasts(),
            self._one() as taken,
            closing(taken.cursor()) as connection,
            self._stopped_after(connection, math.inf, ""),
        ):
            files.prepare(connection, self._user_key_sql)
            connection.execute(f"SET search_path = '{files.schema_of(connection, space)}'")
            connection.execute("BEGIN")
            yield Look(connection, space)

    @contextmanager
    def connected(self, limit: str = "READ_SECONDS_MAX") -> Iterator[duckdb.DuckDBPyConnection]:
        """Run a block that looks at what all spaces share, for as many seconds as the limit of this name.

        Raises:
            ReadTimeout: the block took too long.
            StoreError: the engine could not answer.
        """
        seconds: float = getattr(limits, limit)
        with told(ANSWER), self._one() as connection, self._stopped_after(connection, seconds, limit):
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def _stopped_after(
        self, connection: duckdb.DuckDBPyConnection, seconds: float, limit: str
    ) -> Iterator[None]:
        """Run a block, and stop what runs on a connection when it takes longer, or all are closed.

        Raises:
            ReadTimeout: it was stopped.
        """
        try:
            with self._time_limit(connection, seconds):
                yield
        except duckdb.InterruptException:
            if self._closing.is_set():
                raise ReadTimeout(
                    "the read was stopped: the database is being closed", hint="ask again in a moment"
                ) from None
            raise ReadTimeout(
                f"the read took longer than {seconds:,} s and was stopped",
                hint=f"the limit is {limit}; ask for less, or again when there is less to do",
            ) from None

    @contextmanager
    def _one(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Let a block have a connection for itself; its transaction ends when nobody can interrupt that."""
        with self._is_free:
            if not self._is_free.wait_for(lambda: self._is_open, limits.READ_SECONDS_MAX):
                raise ReadTimeout("nothing can be read now", hint="ask again in a moment")
            root = self._root
            connection = self._idle.pop() if self._idle else self._new(root)
            self._taken.add(connection)
        try:
            yield connection
        finally:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            if root is self._root:
                self._idle.append(connection)
            else:
                connection.close()  # of a database that was opened anew meanwhile
            with self._is_free:
                self._taken.discard(connection)
                self._is_free.notify_all()

    @staticmethod
    def _new(root: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        connection = root.cursor()
        connection.execute("SET enable_progress_bar = false")
        run(connection, "functions.functions")
        return connection

    @contextmanager
    def _time_limit(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
        """Stop what runs on a connection when it takes longer, or when all are closed."""
        done = threading.Event()
        watch = threading.Thread(target=self._interrupt_late, args=(connection, done, seconds), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()  # it must not interrupt who gets the connection next

    def _interrupt_late(
        self, connection: duckdb.DuckDBPyConnection, done: threading.Event, seconds: float
    ) -> None:
        waited_s, wait_s = 0.0, min(seconds, _INSIST_S)
        while not done.wait(wait_s):
            waited_s, wait_s = waited_s + wait_s, _INSIST_S
            if waited_s >= seconds or self._closing.is_set():
                with suppress(duckdb.ConnectionException):  # closed with all others: nothing runs on it now
                    connection.interrupt()
