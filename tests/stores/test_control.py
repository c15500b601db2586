"""API keys: shown once, stored as hashes, worthless when revoked."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import autogenerate, command, config, migration, script

from enduser import limits
from enduser.errors import KeyNotFound, LimitExceeded, SchemaTooNew, StoreError, UsageError
from enduser.stores import clients, identity_keys, jobs, source_configs, taken_inputs, uploads, webhooks
from enduser.stores import control as module
from enduser.stores.control import FILE, METADATA, REVISION, ControlStore, Role

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000

pytestmark = pytest.mark.usefixtures("made_anew")


@pytest.fixture
def control(tmp_path: Path):
    with ControlStore(tmp_path / "data") as opened:
        yield opened


def test_a_key_opens_and_says_who_it_is(control: ControlStore) -> None:
    text = control.create_key("ci", "admin", NOW, ["acme/test"])
    key = control.authenticate(text, NOW + 1)
    assert key is not None
    assert (key.name, key.role, key.spaces, key.created_at) == ("ci", Role.ADMIN, ("acme/test",), NOW)
    prefix, key_id, secret = text.split("_")
    assert (prefix, key_id) == ("eud", key.id)
    assert len(bytes.fromhex(secret)) * 8 >= 128


def test_no_two_keys_are_alike(control: ControlStore) -> None:
    texts = [control.create_key("", "admin", NOW) for _ in range(50)]
    assert len({text.split("_")[1] for text in texts}) == len({text.split("_")[2] for text in texts}) == 50


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text.upper(),
        lambda text: text.replace("eud_", "key_"),
        lambda text: text.replace("eud_", ""),
        lambda text: "_".join(text.split("_")[:2]),
        lambda text: "eud_000000000000_" + text.split("_")[2],
        lambda _: "",
        lambda _: "eud__",
        lambda _: "eud_' OR 1=1 --_x",
        lambda text: text + "é",
        lambda text: "\udc80" + text,
        lambda text: text.replace("_", "\0"),
    ],
)
def test_a_text_that_is_not_exactly_the_key_opens_nothing(control: ControlStore, change) -> None:
    text = control.create_key("", "admin", NOW)
    assert control.authenticate(change(text), NOW) is None
    assert control.authenticate(text, NOW) is not None


def test_a_revoked_key_opens_nothing_and_the_first_time_of_revoking_stays(control: ControlStore) -> None:
    text, other = (control.create_key("", "admin", NOW) for _ in range(2))
    control.revoke_key(text.split("_")[1], NOW + 5)
    control.revoke_key(text.split("_")[1], NOW + 9)
    assert control.authenticate(text, NOW + 4) is None
    assert control.authenticate(other, NOW + 10) is not None
    assert {key.revoked_at for key in control.list_keys()} == {NOW + 5, None}


def test_a_key_revoked_by_another_process_is_worthless_at_once(control: ControlStore, tmp_path: Path) -> None:
    text = control.create_key("", "admin", NOW)
    assert control.authenticate(text, NOW) is not None
    with ControlStore(tmp_path / "data") as other:
        other.revoke_key(text.split("_")[1], NOW + 1)
    assert control.authenticate(text, NOW + 2) is None


def test_revoking_what_is_not_there_is_an_error(control: ControlStore) -> None:
    with pytest.raises(KeyNotFound, match="no API key 'abc'"):
        control.revoke_key("abc", NOW)


def test_the_file_holds_only_the_hash_of_a_secret(control: ControlStore, tmp_path: Path) -> None:
    secret = control.create_key("", "admin", NOW).split("_")[2]
    content = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert secret.encode() not in content
    assert bytes.fromhex(secret) not in content
    assert hashlib.sha256(secret.encode()).digest() in content


def test_when_a_key_was_used_last_is_known_to_the_minute(control: ControlStore) -> None:
    text = control.create_key("", "admin", NOW)
    assert control.list_keys()[0].last_used_at is None
    for after, expected in [(0, 0), (MINUTE - 1, 0), (MINUTE, MINUTE), (MINUTE + 1, MINUTE)]:
        assert control.authenticate(text, NOW + after) is not None
        assert control.list_keys()[0].last_used_at == NOW + expected


def test_a_key_opens_while_another_process_writes_though_nobody_can_note_its_use(
    control: ControlStore, tmp_path: Path
) -> None:
    text = control.create_key("", "admin", NOW)
    other = sqlite3.connect(tmp_path / "data" / "control.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert control.authenticate(text, NOW) is not None
    assert time.monotonic() - began < 5
    other.execute("ROLLBACK")
    other.close()
    assert control.list_keys()[0].last_used_at is None
    assert control.authenticate(text, NOW) is not None
    assert control.list_keys()[0].last_used_at == NOW


def test_a_wrong_secret_is_no_use_of_the_key(control: ControlStore) -> None:
    text = control.create_key("", "admin", NOW)
    control.authenticate(text[:-1], NOW)
    assert control.list_keys()[0].last_used_at is None


def test_an_unknown_role_is_refused_with_those_that_are(control: ControlStore) -> None:
    with pytest.raises(UsageError, match="no role 'root'") as raised:
        control.create_key("", "root", NOW)
    assert raised.value.hint == "the roles are: admin"


def test_a_name_may_be_as_long_as_the_limit(control: ControlStore) -> None:
    longest = limits.KEY_NAME_CHARACTERS_MAX
    for length in (longest - 1, longest):
        control.create_key("x" * length, "admin", NOW)
    with pytest.raises(LimitExceeded, match="101 characters"):
        control.create_key("x" * (longest + 1), "admin", NOW)
    assert len(control.list_keys()) == 2


def test_there_may_be_as_many_keys_as_the_limit(
    control: ControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "API_KEYS_MAX", 2)
    first, _ = (control.create_key("", "admin", NOW) for _ in range(2))
    with pytest.raises(LimitExceeded, match="there are 2 API keys"):
        control.create_key("", "admin", NOW)
    control.revoke_key(first.split("_")[1], NOW)
    assert control.create_key("", "admin", NOW)


def test_keys_are_there_after_opening_again_in_order_of_creation(tmp_path: Path) -> None:
    with ControlStore(tmp_path) as control:
        texts = [control.create_key(name, "admin", NOW + at) for at, name in enumerate("cab")]
    with ControlStore(tmp_path) as control:
        assert [key.name for key in control.list_keys()] == list("cab")
        assert all(control.authenticate(text, NOW) for text in texts)


def test_many_threads_and_processes_can_use_the_file_at_once(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with ControlStore(tmp_path / "data") as control:
                for _ in range(5):
                    text = control.create_key("", "admin", NOW)
                    assert control.authenticate(text, NOW)
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with ControlStore(tmp_path / "data") as control:
        assert len(control.list_keys()) == 40


# --- the file


def test_the_file_is_kept_as_the_design_says(control: ControlStore) -> None:
    with control.reading() as connection:
        pragmas = {
            name: connection.execute(sa.text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "secure_delete": 1}


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(control: ControlStore) -> None:
    for tables in (clients, identity_keys, jobs, source_configs, taken_inputs, uploads, webhooks):
        assert tables.METADATA is METADATA  # each has its tables there
    with control.reading() as connection:
        context = migration.MigrationContext.configure(connection)
        assert autogenerate.compare_metadata(context, METADATA) == []


def test_the_newest_migration_is_the_one_that_the_code_knows() -> None:
    settings = config.Config()
    settings.set_main_option("script_location", "enduser.stores:control_migrations")
    assert script.ScriptDirectory.from_config(settings).get_current_head() == REVISION


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    ControlStore(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="schema version 9999"):
        ControlStore(tmp_path)


def test_a_migration_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_revision", lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alembic.op.create_table", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ControlStore(tmp_path)
    monkeypatch.undo()
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    ControlStore(tmp_path).close()


def test_access_tokens_that_are_there_are_good_for_what_their_client_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda settings, _: upgrade(settings, "0002"))
        ControlStore(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("INSERT INTO clients VALUES ('c', '', '[\"segments:read\"]', x'00', 1, NULL)")
        sha256 = hashlib.sha256(b"token").digest()
        connection.execute(
            "INSERT INTO access_tokens (sha256, client_id, ends_at) VALUES (?, 'c', 9)", [sha256]
        )
    with ControlStore(tmp_path) as control:
        client = clients.client_of_token(control, "token", 8)
    assert client is not None
    assert client.scopes == ("segments:read",)


def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="file is not a database") as raised:
        ControlStore(tmp_path)
    assert "moved away" in (raised.value.hint or "")


def test_a_data_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        ControlStore(tmp_path / "data")
