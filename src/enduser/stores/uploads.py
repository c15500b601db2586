"""Files that were sent to the server, to be taken by a source: part of the control data.

Each is a file in `uploads/` of the data folder, until it is taken, deleted, or over.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from enduser import limits
from enduser.errors import LimitExceeded, UploadNotFound
from enduser.stores.control import METADATA, ControlStore

FOLDER = "uploads"
_ID_BYTES = 8
_UPLOADS = sa.Table(
    "uploads",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("space", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent. Times are µs."""

    id: str
    space: str
    name: str
    size: int | None
    """Bytes; None: it is not there whole yet."""
    created_at: int

    @property
    def ends_at(self) -> int:
        """When it is deleted if nobody takes it."""
        return self.created_at + limits.UPLOAD_HOURS * 3_600_000_000

    def path(self, folder: Path) -> Path:
        """Return where it is in a data folder."""
        return folder / FOLDER / self.id


def begin_upload(control: ControlStore, space: str, name: str, now_us: int) -> Upload:
    """Make room for a file, and return what is known of it.

    Raises:
        LimitExceeded: its name is too long, or there are as many as there may be.
    """
    if len(name) > limits.INPUT_NAME_CHARACTERS_MAX:
        raise LimitExceeded(
            f"a file cannot have a name of {len(name):,} characters",
            hint=f"the limit is {limits.INPUT_NAME_CHARACTERS_MAX} (INPUT_NAME_CHARACTERS_MAX)",
            field="name",
            limit=limits.INPUT_NAME_CHARACTERS_MAX,
        )
    upload = Upload(secrets.token_hex(_ID_BYTES), space, name, None, now_us)
    with control.changing() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(_UPLOADS)).scalar_one() >= (
            limits.UPLOADS_MAX
        ):
            raise LimitExceeded(
                f"there are {limits.UPLOADS_MAX} files that wait to be taken",
                hint=f"the limit is {limits.UPLOADS_MAX} (UPLOADS_MAX); run or delete some",
                limit=limits.UPLOADS_MAX,
            )
        connection.execute(_UPLOADS.insert().values(id=upload.id, space=space, name=name, created_at=now_us))
    return upload


def end_upload(control: ControlStore, upload: Upload, size: int) -> Upload:
    """Say that a file is there whole, and return what is known of it."""
    with control.changing() as connection:
        connection.execute(_UPLOADS.update().where(_UPLOADS.c.id == upload.id).values(size=size))
    return Upload(upload.id, upload.space, upload.name, size, upload.created_at)


def list_uploads(control: ControlStore, space: str | None = None) -> Sequence[Upload]:
    """Return the files that are there whole, of a space or of all, the oldest first."""
    query = sa.select(_UPLOADS).where(_UPLOADS.c.size.is_not(None))
    if space is not None:
        query = query.where(_UPLOADS.c.space == space)
    with control.reading() as connection:
        rows = connection.execute(query.order_by(_UPLOADS.c.created_at, _UPLOADS.c.id)).all()
    return [Upload(*row) for row in rows]


def find_upload(control: ControlStore, space: str, upload_id: str) -> Upload:
    """Return a file that is there whole.

    Raises:
        UploadNotFound: there is none of this id in the space.
    """
    for upload in list_uploads(control, space):
        if upload.id == upload_id:
            return upload
    raise UploadNotFound(
        f"there is no uploaded file {upload_id[: 2 * _ID_BYTES]!r}",
        hint="one that was taken is gone; send it again: POST /api/v1/uploads",
        field="upload",
    )


def forget_upload(control: ControlStore, folder: Path, upload: Upload) -> None:
    """Delete a file that was sent; one that is gone already stays so."""
    upload.path(folder).unlink(missing_ok=True)
    with control.changing() as connection:
        connection.execute(_UPLOADS.delete().where(_UPLOADS.c.id == upload.id))


def forget_unfinished_uploads(control: ControlStore, folder: Path) -> None:
    """Delete what did not come whole, because the server ended; nothing may be coming."""
    with control.reading() as connection:
        rows = connection.execute(sa.select(_UPLOADS).where(_UPLOADS.c.size.is_(None))).all()
    for row in rows:
        forget_upload(control, folder, Upload(*row))


def forget_old_uploads(control: ControlStore, folder: Path, now_us: int) -> None:
    """Delete the files that nobody took in time, and what no upload knows of."""
    paths = list((folder / FOLDER).glob("*"))  # before what is known: a file comes after its row
    with control.reading() as connection:
        known = {row.id: Upload(*row) for row in connection.execute(sa.select(_UPLOADS)).all()}
    for upload in known.values():
        if upload.ends_at <= now_us:
            forget_upload(control, folder, upload)
    for path in paths:
        if path.name not in known:
            path.unlink(missing_ok=True)
