"""All that is held on one person as one archive, for who asks what that is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from enduser.core.events import UserId
from enduser.core.links import IdKind
from enduser.core.lives import add_months
from enduser.service.archive_page import README, kind_of, page
from enduser.service.json_form import end_user_json, iso_time, iso_time_if_known, origin_json
from enduser.service.no_user import no_user
from enduser.service.provenance import json_value
from enduser.stores.answers import HeldPerson, HeldValue, NamedId
from enduser.stores.contract import Reader

NAME = "person.zip"
"""What an archive is called: nothing of the person."""
USER_FILE = "user.json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONLY_OWNER = 0o600 << 16
"""How the files of an archive may be used when they are unpacked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose archive somebody asks for, and when (µs)."""

    space: str
    user_id: str
    id_kind: IdKind
    at: int


def write_archive(reader: Reader, asked: Asked, folder: Path) -> Path:
    """Write the archive of a person into an empty folder, and return its path; all of it is of one moment.

    Beside it nothing is left in the folder.

    Raises:
        UserNotFound: nothing is known under the id.
        ReadTimeout: it took longer than `EXPORT_SECONDS_MAX`.
        StoreError: the disk refused it.
    """
    held = reader.write_person(asked.space, asked.user_id, asked.id_kind, folder)
    if held is None:
        raise no_user(asked.space, asked.user_id, asked.id_kind)
    texts = {README: page(held, asked.space, asked.at), USER_FILE: _user(held, asked)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    tables = [f"{name}.csv" for name in held.rows]
    with ZipFile(folder / NAME, "w", ZIP_DEFLATED) as archive:
        for name in (*texts, *tables):
            _move_in(archive, folder / name, asked.at)
    return folder / NAME


def _move_in(archive: ZipFile, path: Path, at: int) -> None:
    """Move a file into an archive, piece by piece, however large it is."""
    made = _EPOCH + timedelta(microseconds=at)
    info = ZipInfo(path.name, (made.year, made.month, made.day, made.hour, made.minute, made.second))
    info.compress_type, info.external_attr = ZIP_DEFLATED, _ONLY_OWNER
    with path.open("rb") as file, archive.open(info, "w", force_zip64=True) as target:
        shutil.copyfileobj(file, target, 1_048_576)
    path.unlink()


def _user(held: HeldPerson, asked: Asked) -> str:
    """Return what is known of the person beside the tables, as a page of JSON."""
    objects = {"end_user_object": held.user, "with_open_sessions": held.user_with_open}
    told = {
        "space": asked.space,
        "made_at": iso_time(asked.at),
        "clock_at": iso_time_if_known(held.clock_at),
        "shown": _id(held, held.shown),
        "ids": [_id(held, user) for user in held.ids],
        "links": [
            {"one": _id(held, link.one), "other": _id(held, link.other), "by": link.by}
            | {"since": iso_time(link.since)}
            for link in held.links
        ],
        **{name: None if one is None else end_user_json(one) for name, one in objects.items()},
        "current_life": _life(held),
        "custom_attributes": {name: _value(held, value) for name, value in held.values.items()},
        "segments": [_named(one) for one in held.segments],
        "static_lists": [_named(one) for one in held.lists],
        "told_by_feed": [
            _id(held, one.user)
            | {"segments": one.segments, "attributes": msgspec.json.decode(one.attributes)}
            for one in held.told
        ],
        "retention": _retention(held),
        "rows": {f"{name}.csv": count for name, count in held.rows.items()},
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def _id(held: HeldPerson, user: UserId) -> dict[str, object]:
    return {"id": user.id, "kind": kind_of(user, is_hashed=held.is_hashed)}


def _named(one: NamedId) -> Mapping[str, str]:
    return {"id": one.id, "name": one.name}


def _life(held: HeldPerson) -> Mapping[str, str | None]:
    names = ("started_at", "last_visit_at", "begins_after", "place_at", "browser_at")
    return {name: iso_time_if_known(getattr(held.life, name)) for name in names}


def _value(held: HeldPerson, value: HeldValue) -> Mapping[str, object]:
    origin = msgspec.structs.asdict(origin_json(value.said))
    shown = json_value(value.type, value.said.value)
    return {"value": shown, "type": value.type, **origin, "input": value.input, **_id(held, value.said.user)}


def _retention(held: HeldPerson) -> Mapping[str, object]:
    """Return when the person would be deleted if nothing more came of him."""
    last, months = held.life.last_visit_at or held.life.last_heard_at, held.retention_months
    return {
        "months": months,
        "counted_from": iso_time_if_known(last),
        "deleted_after": iso_time(add_months(last, months)) if months and last is not None else None,
        "only_on_demand": held.live_since is None,
    }
