"""After an erasure, in which order what is left of the person goes from the files beside the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from searching import found_in
from stored import SPACE

from enduser import limits
from enduser.core.events import UserId
from enduser.core.mentions import Mentions
from enduser.ingest.applier import Applier
from enduser.ingest.spool import (
    EVENTS,
    SpoolReader,
    SpoolWriter,
    clear_applied,
    frame,
    spool_files_with_events,
)
from enduser.service.leftovers import clear_leftovers
from enduser.service.mentions import still_named
from enduser.service.waiting_files import forget_uploads_naming
from enduser.sources.inbox import FOLDER as INBOX
from enduser.stores.control import ControlStore
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.embedded.database import DATABASE_FILE
from enduser.stores.jobs import JobKind, JobState, SourceInput, create_job, end_job, forget_jobs
from enduser.stores.records import EraseUser
from enduser.stores.serving import ServingCopy
from enduser.stores.taken_inputs import forget_taken_names, remember_taken
from enduser.stores.uploads import begin_upload, end_upload

pytestmark = pytest.mark.usefixtures("made_anew")
AT = 1_760_000_000_000_000
HOUR = 3_600_000_000
OLD = AT + limits.SPOOL_FILE_AGE_S_MAX * 1_000_000
ADAM = UserId("adam.br", is_anonymous=False)


@dataclass(frozen=True)
class World:
    """A data folder and what works in it."""

    folder: Path
    store: EmbeddedStore
    control: ControlStore
    applier: Applier
    writer: SpoolWriter

    def send(self, *users: str) -> None:
        """Let events of users be accepted, and applied; their sessions are over then."""
        lines = [
            {"got": AT, "id": user, "msg": user, "client": AT, "at": AT, "type": "page"} for user in users
        ]
        payload = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.writer.append([frame(EVENTS, 1, AT, payload)], now_us=AT)
        self.writer.mark(AT)
        self.applier.round()

    def erase(self) -> None:
        assert self.store.apply(SPACE, EraseUser(ADAM)).erased is not None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with (
        EmbeddedStore(tmp_path, now_us=AT, memory_limit_mb=512) as store,
        ControlStore(tmp_path) as control,
        closing(SpoolWriter(tmp_path, 1)) as writer,
        closing(Applier(store, SpoolReader(tmp_path, {}), ServingCopy(tmp_path))) as applier,
    ):
        yield World(tmp_path, store, control, applier, writer)


def leave(world: World) -> None:
    """Let each kind of file beside the database name him."""
    for name in ("tmp/spool/lines-1.jsonl", "damaged/1-1-0-9", f"{INBOX}/new.csv", "deciding.new"):
        path = world.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("id,plan\nadam.br,vip\n")
    sent = begin_upload(world.control, SPACE, "users.csv", AT)
    sent.path(world.folder).parent.mkdir(exist_ok=True)
    sent.path(world.folder).write_text("id,plan\nadam.br,vip\n")
    end_upload(world.control, sent, 20)
    job = create_job(world.control, SPACE, "crm", JobKind.RUN, [SourceInput("adam.br.csv")], AT)
    end_job(world.control, job.number, JobState.DONE, AT)
    with world.control.changing() as connection:
        remember_taken(connection, SPACE, "crm", "adam.br.csv", "1")
    (world.folder / "rejected").mkdir()
    (world.folder / "rejected" / "1.csv").write_text("file,line,reason\nadam.br.csv,7,junk_user_id\n")


def files_naming(folder: Path) -> set[str]:
    """Return the files that name him, but for the database, which is written anew by others."""
    files = {found.file for found in found_in(folder, ADAM.id)}
    return {name for name in files if not name.startswith(DATABASE_FILE)}


def forget_files(world: World) -> None:
    """Do what lets his bytes go, but for the spool; nobody is at work."""
    mentions, inbox = Mentions([ADAM.id]), world.folder / INBOX
    assert clear_leftovers(world.folder, AT * 2) == []
    forget_uploads_naming(world.folder, world.control, SPACE, mentions.ids)
    forget_jobs(world.control, SPACE, mentions)
    forget_taken_names(world.control, SPACE, mentions, lambda name: (inbox / name).exists())
    assert world.control.settle()
    copy = world.applier.new_copy()
    copy.write()
    assert world.applier.serve_from(copy)
    copy.close()


def test_while_a_server_runs_all_goes_but_what_is_the_operators(world: World) -> None:
    world.send(ADAM.id, "eve")
    world.writer.mark(AT + HOUR)
    world.applier.round()
    leave(world)
    spool_files = {"spool/00000001/00000001.seg"} & files_naming(world.folder)
    assert files_naming(world.folder) - spool_files >= {
        *("tmp/spool/lines-1.jsonl", "damaged/1-1-0-9", "inbox/new.csv", "deciding.new", "rejected/1.csv"),
        *("control.sqlite-wal", "serving-1.sqlite-wal"),
    }
    world.erase()
    there = spool_files_with_events(world.folder)
    forget_files(world)
    world.writer.mark(OLD + HOUR)
    world.applier.round()
    assert not there & spool_files_with_events(world.folder)
    assert still_named(world.store.reader, world.control, SPACE, [ADAM.id]) == []
    assert files_naming(world.folder) == {"inbox/new.csv"}


def test_without_a_server_what_is_applied_is_deleted_from_the_spool(world: World) -> None:
    world.send(ADAM.id, "eve")
    world.writer.close()
    world.store.before_erasures(lambda: None)  # as in a command, which applies nothing of a spool
    world.erase()
    forget_files(world)
    assert files_naming(world.folder) == {"spool/00000001/00000001.seg"}
    assert clear_applied(world.folder, world.store.spool_positions())
    assert files_naming(world.folder) == set()
    assert {found.file for found in found_in(world.folder, "eve")}
