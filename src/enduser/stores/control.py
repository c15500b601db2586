"""Control data: who may do what. A SQLite file that several processes may use at once.

It is no truth about users, so it does not need the process that owns the DuckDB file.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy import event

from enduser import limits
from enduser.core.mentions import Mentions
from enduser.errors import InvalidSpace, KeyNotFound, LimitExceeded, SchemaTooNew, StoreError, UsageError
from enduser.stores.answers import API_KEY_PREFIX
from enduser.stores.data_folder import DEFAULT_SPACE, make_data_folder, unusable

FILE = "control.sqlite"
REVISION = "0006"
"""The newest migration; known here so that Alembic is imported only where something is to be done."""

_ID_BYTES = 6
_SECRET_BYTES = 20
"""160 bits of randomness: no search finds it, so one SHA-256 keeps it as well as a slow hash would."""

_BUSY_S = 10.0
"""How long to wait for another process that writes."""
_USED_EVERY_US = 60_000_000
"""How exact `last_used_at` is: a key that is used all the time must not write all the time."""
_NO_SECRET = bytes(32)
"""What the secret of an unknown key is compared with, so that its answer takes as long as any."""

METADATA = sa.MetaData()
_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("spaces", sa.JSON, nullable=False),
    sa.Column("secret_sha256", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("last_used_at", sa.BigInteger),
    sa.Column("revoked_at", sa.BigInteger),
)


class Role(StrEnum):
    """What the holder of a key may do."""

    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret, which nobody has but its holder. Times are µs."""

    id: str
    name: str
    role: Role
    spaces: tuple[str, ...]
    """The spaces that it opens; empty: all."""
    created_at: int
    last_used_at: int | None
    """To the minute."""
    revoked_at: int | None

    def space_of(self, wanted: str | None) -> str:
        """Return the space of a call: the one that it names, else the key's only one, else the default one.

        Raises:
            InvalidSpace: the key does not open it. Whether it exists, the key's holder is not told.
        """
        space = self.spaces[0] if len(self.spaces) == 1 else DEFAULT_SPACE
        if wanted is not None:
            space = wanted
        if self.spaces and space not in self.spaces:
            raise InvalidSpace(f"there is no space {space!r}", hint="name a space that the API key opens")
        return space


class ControlStore:
    """The control data of a data folder; may be used from any thread."""

    def __init__(self, folder: Path) -> None:
        """Open the file, made or brought to the newest schema where it is not.

        Raises:
            SchemaTooNew: a later version of enduser wrote it.
            StoreError: it cannot be read or written.
        """
        self._path = folder / FILE
        self._engine = _engine(self._path, wait_s=_BUSY_S)
        self._at_once = _engine(self._path, wait_s=0)
        """For what nobody may wait for: a collector asks for keys on its event loop."""
        try:
            make_data_folder(folder)
            self._path.touch(mode=0o600)  # secrets are in it
            self._migrate()
        except OSError as error:
            raise unusable(folder, error) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()
        self._at_once.dispose()

    def __enter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the store."""
        self.close()

    def create_key(self, name: str, role: str, now_us: int, spaces: Sequence[str] = ()) -> str:
        """Make a key for some spaces (none named: all) and return its text, which cannot be had again.

        Raises:
            UsageError: there is no such role.
            LimitExceeded: the name is too long, or there are as many keys as there may be.
        """
        if role not in set(Role):
            raise UsageError(f"there is no role {role!r}", hint=f"the roles are: {', '.join(Role)}")
        if len(name) > limits.KEY_NAME_CHARACTERS_MAX:
            raise LimitExceeded(
                f"a key cannot have a name of {len(name):,} characters",
                hint=f"the limit is {limits.KEY_NAME_CHARACTERS_MAX} (KEY_NAME_CHARACTERS_MAX)",
                limit=limits.KEY_NAME_CHARACTERS_MAX,
            )
        key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
        row = {"id": key_id, "name": name, "role": role, "spaces": list(spaces), "created_at": now_us}
        with self.changing() as connection:
            self._refuse_too_many(connection)
            connection.execute(_KEYS.insert().values(**row, secret_sha256=_hash(secret)))
        return f"{API_KEY_PREFIX}{key_id}_{secret}"

    def _refuse_too_many(self, connection: sa.Connection) -> None:
        valid = sa.select(sa.func.count()).select_from(_KEYS).where(_KEYS.c.revoked_at.is_(None))
        if connection.execute(valid).scalar_one() >= limits.API_KEYS_MAX:
            raise LimitExceeded(
                f"there are {limits.API_KEYS_MAX:,} API keys",
                hint=f"the limit is {limits.API_KEYS_MAX:,} (API_KEYS_MAX); revoke those that nobody uses",
                limit=limits.API_KEYS_MAX,
            )

    def list_keys(self) -> Sequence[Key]:
        """Return all keys, revoked ones too, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(_KEYS).order_by(_KEYS.c.created_at, _KEYS.c.id)).all()
        return [_key(row) for row in rows]

    def revoke_key(self, text: str, now_us: int) -> str:
        """Make a key worthless from now on, and return its id; doing it again changes nothing.

        Args:
            text: the key's id, or the whole key.
            now_us: the time.

        Raises:
            KeyNotFound: there is no such key.
        """
        key_id = _parts(text)[0] if text.startswith(API_KEY_PREFIX) else text
        revoked_at = sa.func.coalesce(_KEYS.c.revoked_at, now_us)
        with self.changing() as connection:
            revoked = _KEYS.update().where(_KEYS.c.id == key_id).values(revoked_at=revoked_at)
            if not connection.execute(revoked).rowcount:
                raise KeyNotFound(
                    f"there is no API key {key_id!r}",
                    hint="give the id, which stands in the middle of the key; see: enduser keys list",
                )
        return key_id

    def authenticate(self, text: str, now_us: int) -> Key | None:
        """Return the key of this text, None where it is none or revoked.

        The file is asked each time, so that a key revoked by another process is worthless at once.
        """
        if not text.isascii():
            return None
        key_id, secret = _parts(text)
        with self.reading() as connection:
            row = connection.execute(sa.select(_KEYS).where(_KEYS.c.id == key_id)).one_or_none()
        right = row.secret_sha256 if row is not None else _NO_SECRET
        is_right = hmac.compare_digest(_hash(secret), right)
        if row is None or not is_right or row.revoked_at is not None:
            return None
        key = _key(row)
        if now_us - (key.last_used_at or 0) >= _USED_EVERY_US:
            with suppress(StoreError):  # another process writes, or the disk is full: next time
                self._mark_used(key, now_us)
        return key

    def _mark_used(self, key: Key, now_us: int) -> None:
        with self.changing(self._at_once) as connection:
            connection.execute(_KEYS.update().where(_KEYS.c.id == key.id).values(last_used_at=now_us))

    def settle(self) -> bool:
        """Let no byte of what was deleted stay in the file, or beside it; the file is written anew.

        Return whether that is done; if not, somebody has read it for too long: call it again.

        Raises:
            StoreError: another process writes, or the disk is full.
        """
        # Not on a connection of the engine: what is in a transaction cannot be written anew.
        with (
            self._telling(),
            closing(sqlite3.connect(self._path, _BUSY_S, isolation_level=None)) as connection,
        ):
            _on_connect(connection, None)
            connection.execute("VACUUM")
            (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not is_busy

    def naming_rows(self, space: str, mentions: Mentions) -> Sequence[tuple[str, str]]:
        """Return what names somebody, of a space and of all: its table, and the key of its row."""
        known = sa.MetaData()
        with self.reading() as connection:
            known.reflect(connection)  # of `METADATA` only those parts are there that somebody has imported
            return [
                (table.name, "/".join(str(row[one.name]) for one in table.primary_key if one.name != "space"))
                for table in known.sorted_tables
                for row in connection.execute(sa.select(table)).mappings().all()
                if row.get("space", space) == space and mentions.are_in(list(row.values()))
            ]

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Run a block that reads."""
        with self._telling(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def changing(self, engine: sa.Engine | None = None) -> Iterator[sa.Connection]:
        """Run a block whole or not at all, with no other writer beside."""
        changing = (engine or self._engine).execution_options(is_change=True)
        with self._telling(), changing.begin() as connection:
            yield connection

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say what a failure of the database means to the operator."""
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:  # the latter from a new connection's pragmas
            raise StoreError(
                f"the control file {self._path} cannot be used: {getattr(error, 'orig', error)}",
                hint="see whether the disk is full or another process holds it; a damaged file can be "
                "moved away: then new API keys are needed",
            ) from error

    def _migrate(self) -> None:
        with self.reading() as connection:
            is_newest = _revision(connection) == REVISION
        if is_newest:
            return
        from alembic import command, config, script  # a third of a second, and seldom needed

        settings = config.Config()
        settings.set_main_option("script_location", "enduser.stores:control_migrations")
        known = {step.revision for step in script.ScriptDirectory.from_config(settings).walk_revisions()}
        with self.changing() as connection:
            revision = _revision(connection)
            if revision is not None and revision not in known:
                raise SchemaTooNew(
                    f"the control file {self._path} has schema version {revision}; "
                    f"this enduser knows up to {REVISION}",
                    hint="use the version of enduser that wrote it, or a later one",
                )
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")


def _engine(path: Path, *, wait_s: float) -> sa.Engine:
    """Return what opens connections to a file; each waits so long for another that writes."""
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, connect_args={"timeout": wait_s})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _revision(connection: sa.Connection) -> str | None:
    """Return the migration that a file has reached; None: it is new."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: Python's own would leave DDL outside
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")


def _on_begin(connection: sa.Connection) -> None:
    is_change = connection.get_execution_options().get("is_change")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_change else "BEGIN")


def _parts(text: str) -> tuple[str, str]:
    """Return the id and the secret of a key; what is no key has neither."""
    if not text.startswith(API_KEY_PREFIX):
        return "", ""
    key_id, _, secret = text.removeprefix(API_KEY_PREFIX).partition("_")
    return key_id, secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _key(row: Any) -> Key:
    spaces = tuple(row.spaces)
    return Key(row.id, row.name, Role(row.role), spaces, row.created_at, row.last_used_at, row.revoked_at)
