"""A world of a few persons of whom something is held in every table, and archives of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from ready_made import Files, files_of, write_files
from segmented import STAFF, save, where
from stored import LOOKUPS, NOW, RULES, SPACE

from enduser.core.attributes import Attribute, AttributeType, ConflictRule
from enduser.core.events import UserId
from enduser.core.links import IdKind
from enduser.core.lists import ListAction
from enduser.service.archives import Asked, write_archive
from enduser.service.json_form import iso_time
from enduser.service.writing_values import edit_by_hand
from enduser.sources.json_rows import JsonRow, write_rows
from enduser.stores.contract import Store
from enduser.stores.embedded import EmbeddedStore
from enduser.stores.records import (
    AddLink,
    ChangeSettings,
    Chunk,
    CloseHistory,
    EventChunk,
    Form,
    RemoveLink,
    WriteList,
    WriteValues,
)
from enduser.stores.row_file import write_ids

MINUTE = 60_000_000
START = 1_700_000_000_000_000
"""2023-11-14T22:13:20Z."""
MADE_AT = START + 10**12
LATER = 400 * 24 * 60
"""Minutes that are more than the retention."""

ADA = UserId("ada", is_anonymous=False)
BROWSER = UserId("ada-browser", is_anonymous=True)
PHONE = UserId("ada-phone", is_anonymous=True)
ZOE = UserId("zoe", is_anonymous=False)


def line(minute: float, message: str, **more: object) -> dict[str, object]:
    """Return an event, as a line of a file has it."""
    return {"occurred_at": START + round(minute * MINUTE), "message_id": message, "type": "track", **more}


OLD = line(0, "m-old", user_id="ada", name="Long ago")
IDENTIFY = line(
    LATER,
    "m-identify",
    type="identify",
    user_id="ada",
    anonymous_id="ada-browser",
    traits={"role": "=admin", "status": "new", "nick": "A"},
)
PAGE = line(
    LATER + 1,
    "m-page",
    type="page",
    anonymous_id="ada-browser",
    url="https://x.example/ada",
    properties={"title": "Home"},
    ip="192.0.2.7",
    user_agent="Firefox/120",
    country="NO",
    region="Oslo",
    city="Oslo",
)
ALIAS = line(LATER + 2, "m-alias", type="alias", user_id="ada", previousId="ada-browser")
CLEARS = line(LATER + 3, "m-clears", user_id="ada", name="Saved", context={"traits": {"status": None}})
OPEN = line(LATER + 9_000, "m-open", user_id="ada", name="-1+1")
OF_ADA = (OLD, IDENTIFY, PAGE, ALIAS, CLEARS)
OF_ZOE = (
    line(
        LATER,
        "zoe-1",
        user_id="zoe",
        anonymous_id="zoe-browser",
        type="identify",
        name="zoe-name",
        url="https://x.example/zoe",
        properties={"title": "zoe-title"},
        traits={"role": "zoe-role"},
        ip="198.51.100.9",
        user_agent="zoe-agent/9",
        country="DE",
        region="zoe-region",
        city="zoe-city",
    ),
    line(LATER + 5, "zoe-2", user_id="zoe", type="alias", previousId="ada-browser"),
    line(LATER + 6, "zoe-3", anonymous_id="zoe-phone", name="zoe-open"),
)


def take_lines(store: Store, folder: Path, *lines: dict[str, object]) -> None:
    """Take events."""
    path = folder / "lines.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    store.apply(SPACE, EventChunk(Chunk(path, Form.JSON_LINES), RULES))


def say(store: Store, one: UserId, **values: object) -> None:
    """Write values of an id by hand."""
    kind: IdKind = "anonymous" if one.is_anonymous else "plain"
    edit_by_hand(store, SPACE, JsonRow(one.id, values, kind), START + 10**11)


def say_by_file(store: Store, folder: Path, *rows: JsonRow) -> None:
    """Write values as a file of a source `crm`."""
    told = write_rows(folder / "rows.txt", rows, store.attributes(), "crm")
    assert not told.flaws
    store.apply(SPACE, WriteValues("crm", told.file, START + 2 * 10**11, input="=users.csv"))


def fill(store: EmbeddedStore, folder: Path) -> None:
    """Let there be Ada, of three ids, with something in every table, and Zoe, in all of whose is her name."""
    store.create_attribute(Attribute("plan", AttributeType.STRING, conflict_rule=ConflictRule.SOURCE_ORDER))
    for name, kind in {
        "seats": "number",
        "tags": "list",
        "since": "datetime",
        "born": "date",
        "ok": "boolean",
    }.items():
        store.create_attribute(Attribute(name, AttributeType(kind)))
    texts = {"store_ip": "on", "link_on_identify": "on", "feed_attributes": "plan,role"}
    store.apply(SPACE, ChangeSettings(texts))
    ids = write_ids(store.folder / "ids.txt", ["ada", "zoe", "zoe-unseen"], "plain")
    store.apply(SPACE, WriteList("staff", ListAction.CREATE, ids, START + 10**11, name="=Staff"))
    for segment, rule in {
        "vips": where("plan", "is", "vip"),
        "staff": STAFF,
        "zoe-only": where("role", "is", "zoe-role"),
    }.items():
        save(store, segment, rule, is_followed=True)
    store.follow_feed(SPACE, START)
    take_lines(store, folder, *OF_ADA, *OF_ZOE)
    store.apply(SPACE, AddLink(ADA, PHONE, START + 10**11))
    store.apply(SPACE, RemoveLink(ADA, ZOE, START + 10**11))
    say_by_file(
        store,
        folder,
        JsonRow("ada", {"plan": "free", "seats": "many", "tags": ["=a", "b"]}),
        JsonRow("zoe", {"plan": "zoe-plan"}),
    )
    say(store, ADA, plan="vip", seats=-3, since="2026-01-02T10:00:00Z", born="2001-02-03", ok=True)
    say(store, BROWSER, seats=None)
    say(store, ZOE, tags=["zoe-tag"])
    store.apply(SPACE, CloseHistory())
    store.fold(SPACE)
    store.follow_feed(SPACE, START + 10**11)
    take_lines(store, folder, OPEN)
    store.fold(SPACE)
    store.follow_feed(SPACE, START + 10**11)


@cache
def filled_files() -> Files:
    """Return the files of a data folder that is filled."""

    def make(folder: Path) -> None:
        with EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
            fill(store, folder.parent)

    return files_of(make)


@contextmanager
def filled(folder: Path) -> Iterator[EmbeddedStore]:
    """Open a new data folder that is filled; it is made once for all tests of a process."""
    write_files(folder, filled_files())
    with EmbeddedStore(folder, now_us=NOW, lookups=LOOKUPS, memory_limit_mb=512) as store:
        yield store


@dataclass(frozen=True)
class Archive:
    """An archive, unpacked."""

    files: dict[str, bytes]

    @property
    def user(self) -> dict[str, Any]:
        """What `user.json` says."""
        found: dict[str, Any] = json.loads(self.files["user.json"])
        return found

    @property
    def readme(self) -> str:
        """What `README.txt` says, without its line ends."""
        return " ".join(self.files["README.txt"].decode().split())

    def header(self, table: str) -> list[str]:
        """Return the names of the columns of a table."""
        return next(csv.reader(io.StringIO(self.files[f"{table}.csv"].decode(), newline="")))

    def rows(self, table: str) -> list[dict[str, str]]:
        """Return the rows of a table."""
        return list(csv.DictReader(io.StringIO(self.files[f"{table}.csv"].decode(), newline="")))

    def cells(self, table: str, *names: str) -> list[tuple[str, ...]]:
        """Return some columns of a table."""
        return [tuple(row[name] for name in names) for row in self.rows(table)]


def unpacked(content: bytes) -> Archive:
    """Return what a zip file has."""
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return Archive({name: archive.read(name) for name in archive.namelist()})


def archive_of(store: Store, one: UserId, id_kind: IdKind | None = None) -> Archive:
    """Return the archive of the person of an id."""
    folder = store.folder / "archived"
    folder.mkdir()
    try:
        kind: IdKind = id_kind or ("anonymous" if one.is_anonymous else "plain")
        path = write_archive(store, Asked(SPACE, one.id, kind, MADE_AT), folder)
        assert [found.name for found in folder.iterdir()] == [path.name]
        content = path.read_bytes()
        path.unlink()
    finally:
        folder.rmdir()
    return unpacked(content)


def at(one: dict[str, object]) -> str:
    """Return when an event happened, as a table has it."""
    return iso_time(int(str(one["occurred_at"])))
