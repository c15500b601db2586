"""Files that are sent to be taken by a source: kept as they come, until they are taken, deleted, or over."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import anyio
import msgspec
from anyio import to_thread

from enduser import limits
from enduser.api.management.calls import Call, Route
from enduser.api.management.parameters import FILE_NAME, SPACE, UPLOAD
from enduser.clock import now_us
from enduser.errors import BodyTooLarge, InputError, LimitExceeded, StoreError, UploadNotFound
from enduser.service.json_form import Count, Time, iso_time
from enduser.stores.uploads import Upload, begin_upload, end_upload, find_upload, forget_upload, list_uploads

_PART_BYTES = 1_048_576
"""What is written at once."""


class UploadJson(msgspec.Struct, frozen=True, kw_only=True):
    """A file that waits to be taken, and when it is deleted if nobody takes it."""

    upload: str
    name: str
    size: Count
    created_at: Time
    ends_at: Time


class UploadsPage(msgspec.Struct, frozen=True):
    """All files that wait to be taken, the oldest first."""

    items: list[UploadJson]
    next_cursor: str | None = None


class UploadDeleted(msgspec.Struct, frozen=True):
    """A file is gone."""

    deleted: bool


async def create_upload(call: Call) -> UploadJson:
    """Keep the file that comes as the body; what does not come whole is not kept."""
    services, folder = call.services, call.services.store.folder
    await call.read(lambda reader: reader.settings(call.space))  # there must be such a space
    name = call.values["name"]
    upload = await services.on_thread(lambda: begin_upload(services.control, call.space, name, now_us()))
    assert call.file is not None
    try:
        size = await _keep(call.file, upload.path(folder))
        whole = await services.on_thread(lambda: end_upload(services.control, upload, size))
    except BaseException:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(forget_upload, services.control, folder, upload)
        raise
    return _json(whole)


async def _keep(parts: AsyncIterator[bytes], path: Path) -> int:
    """Write a file as it comes, durably; return its bytes.

    Raises:
        BodyTooLarge: it is longer than it may be.
        InputError: there is nothing of it.
        StoreError: the disk does not take it.
    """
    size, waiting = 0, bytearray()
    try:
        file = await to_thread.run_sync(_created, path)
        try:
            async for part in parts:
                size += len(part)
                waiting += part
                if size > limits.UPLOAD_BYTES_MAX:
                    raise BodyTooLarge(
                        f"the file is longer than {limits.UPLOAD_BYTES_MAX:,} bytes",
                        hint="send it packed by gzip or Zstandard, or in several files (UPLOAD_BYTES_MAX)",
                        limit=limits.UPLOAD_BYTES_MAX,
                    )
                if len(waiting) >= _PART_BYTES:
                    await to_thread.run_sync(file.write, bytes(waiting))
                    waiting.clear()
            if not size:
                raise InputError("the file is empty", hint="send the file itself as the body of the call")
            await to_thread.run_sync(_finish, file, bytes(waiting))
        finally:
            file.close()
    except OSError as error:
        raise StoreError(
            f"the file cannot be kept: {error.strerror}", hint="see whether the disk is full"
        ) from None
    return size


def _created(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return path.open("wb")


def _finish(file: BinaryIO, rest: bytes) -> None:
    file.write(rest)
    file.flush()
    os.fsync(file.fileno())


async def show_uploads(call: Call) -> UploadsPage:
    """Return the files that wait to be taken."""
    control = call.services.control
    await call.read(lambda reader: reader.settings(call.space))  # there must be such a space
    found = await call.services.on_thread(lambda: list_uploads(control, call.space))
    return UploadsPage([_json(upload) for upload in found])


async def delete_upload(call: Call) -> UploadDeleted:
    """Delete a file that nobody is to take."""
    control, folder = call.services.control, call.services.store.folder

    def delete() -> None:
        forget_upload(control, folder, find_upload(control, call.space, call.values["upload"]))

    await call.services.on_thread(delete)
    return UploadDeleted(deleted=True)


def _json(upload: Upload) -> UploadJson:
    assert upload.size is not None
    return UploadJson(
        upload=upload.id,
        name=upload.name,
        size=upload.size,
        created_at=iso_time(upload.created_at),
        ends_at=iso_time(upload.ends_at),
    )


_UPLOAD = UploadJson(
    upload="6f1c0a9be2d47385",
    name="crm.csv",
    size=52_428_800,
    created_at="2026-03-01T10:00:00.000000Z",
    ends_at="2026-03-03T10:00:00.000000Z",
)
ROUTES = (
    Route(
        "GET",
        "/api/v1/uploads",
        show_uploads,
        "List the files that were sent and wait to be taken by a source",
        UploadsPage,
        UploadsPage([_UPLOAD]),
        (SPACE,),
    ),
    Route(
        "POST",
        "/api/v1/uploads",
        create_upload,
        "Send a file, as it is, to be taken by a source",
        UploadJson,
        _UPLOAD,
        (FILE_NAME, SPACE),
        (InputError, LimitExceeded),
        takes_file=True,
    ),
    Route(
        "DELETE",
        "/api/v1/uploads/{upload}",
        delete_upload,
        "Delete a file that nobody is to take",
        UploadDeleted,
        UploadDeleted(deleted=True),
        (UPLOAD, SPACE),
        (UploadNotFound,),
    ),
)
