"""API keys: shown once, stored as hashes, worthless when revoked."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from alembic import autogenerate, command, config, migration, script
from searching import found_in

from enduser import limits
from enduser.core.mentions import Mentions
from enduser.errors import KeyNotFound, LimitExceeded, SchemaTooNew, StoreError, UsageError
from enduser.stores import clients, identity_keys, jobs, source_configs, taken_inputs, uploads, webhooks
from enduser.stores import control as module
from enduser.stores.control import FILE, METADATA, REVISION, ControlStore, Role
from enduser.stores.data_folder import DEFAULT_SPACE

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


def with_names_that_come_and_go(folder: Path, seed: int) -> list[str]:
    """Let sources have taken files of many names, and forget some; return which."""
    random = Random(seed)
    names = [f"{random.randrange(10**9):09}.csv{'y' * random.randrange(200)}" for _ in range(600)]
    with ControlStore(folder) as control:
        for _ in range(3):
            with control.changing() as connection:
                for name in random.sample(names, 400):
                    taken_inputs.remember_taken(connection, DEFAULT_SPACE, "crm", name, "v")
        gone = random.sample(names, 60)
        taken_inputs.forget_taken_names(control, DEFAULT_SPACE, Mentions(gone), lambda _: False)
    return [name[:13] for name in gone]


def test_no_byte_of_what_was_deleted_stays_in_a_file_that_was_settled(tmp_path: Path) -> None:
    left = []
    for seed in range(4):
        folder = tmp_path / str(seed)
        gone = with_names_that_come_and_go(folder, seed)
        left += found_in(folder, *gone)
        with ControlStore(folder) as control:
            assert control.settle()
        assert found_in(folder, *gone) == [], seed
    assert left, "SQLite overwrites all that it moved: then settling is not needed any more"


def test_a_file_that_somebody_reads_is_settled_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUSY_S", 0.01)
    with ControlStore(tmp_path) as control, control.reading() as connection:
        connection.execute(sa.text("SELECT count(*) FROM uploads")).all()
        control.create_key("adam.br", "admin", NOW)
        assert not control.settle()
        connection.rollback()
        assert control.settle()


def test_what_names_somebody_is_found_in_a_space_and_in_what_all_share(control: ControlStore) -> None:
    control.create_key("for adam.br", "admin", NOW)
    control.create_key("for eve", "admin", NOW + 1)
    (key, _) = control.list_keys()
    for space in (DEFAULT_SPACE, "acme/test"):
        uploads.begin_upload(control, space, "adam.br2.csv", NOW)
        with control.changing() as connection:
            taken_inputs.remember_taken(connection, space, "crm", "of/adam.br.csv", "1")
    mentions = Mentions(["adam.br"])
    assert control.naming_rows("acme/test", mentions) == [
        ("api_keys", key.id),
        ("taken_inputs", "crm/of/adam.br.csv"),
    ]
    assert control.naming_rows("acme/test", Mentions(["adam"])) == []


def test_jobs_that_are_over_and_name_somebody_are_forgotten(control: ControlStore) -> None:
    def job(space: str, name: str, state: jobs.JobState | None, error: str = "") -> int:
        made = jobs.create_job(control, space, "crm", jobs.JobKind.RUN, [jobs.SourceInput(name)], NOW)
        if state is not None:
            jobs.end_job(control, made.number, state, NOW, {"code": "c", "message": error})
        return made.number

    kept = [
        job(DEFAULT_SPACE, "eve", jobs.JobState.DONE),
        job(DEFAULT_SPACE, "of adam.br", None),
        job("acme/test", "of adam.br", jobs.JobState.DONE),
    ]
    job(DEFAULT_SPACE, "of adam.br", jobs.JobState.DONE)
    job(DEFAULT_SPACE, "users", jobs.JobState.FAILED, "no 'adam.br' there")
    assert jobs.forget_jobs(control, DEFAULT_SPACE, Mentions(["adam.br"])) == 2
    left = [*jobs.list_jobs(control, DEFAULT_SPACE), *jobs.list_jobs(control, "acme/test")]
    assert sorted(one.number for one in left) == kept


def test_of_taken_files_that_name_somebody_those_that_are_gone_are_forgotten(control: ControlStore) -> None:
    taken = [(DEFAULT_SPACE, "adam.br/1"), (DEFAULT_SPACE, "adam.br/2"), ("acme/test", "adam.br/1")]
    with control.changing() as connection:
        for space, name in taken:
            taken_inputs.remember_taken(connection, space, "crm", name, "v")
    gone = taken_inputs.forget_taken_names(
        control, DEFAULT_SPACE, Mentions(["adam.br"]), lambda name: name == "adam.br/2"
    )
    assert gone == 1
    assert taken_inputs.taken_versions(control, DEFAULT_SPACE, "crm") == {"adam.br/2": "v"}
    assert taken_inputs.taken_versions(control, "acme/test", "crm") == {"adam.br/1": "v"}
